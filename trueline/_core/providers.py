"""Where ONNX Runtime computes: execution providers by short names, checked before a session is made.

The default is the CPU alone. A provider that is asked for and is not there is an error, never a silent fall back to
another one. Single operators without a kernel on a provider do run on the CPU: text, for one, always does.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from trueline._core.errors import ConfigError, ModelError, did_you_mean

__all__ = ["PROVIDERS", "PROVIDERS_VARIABLE", "check_loaded", "onnx_providers", "wanted_providers"]

PROVIDERS_VARIABLE = "TRUELINE_PROVIDERS"
PROVIDERS = {
    "cpu": ("CPUExecutionProvider", "onnxruntime"),
    "cuda": ("CUDAExecutionProvider", "onnxruntime-gpu"),
    "tensorrt": ("TensorrtExecutionProvider", "onnxruntime-gpu"),
    "migraphx": ("MIGraphXExecutionProvider", "onnxruntime-migraphx"),
    "openvino": ("OpenVINOExecutionProvider", "onnxruntime-openvino"),
    "directml": ("DmlExecutionProvider", "onnxruntime-directml"),
    "coreml": ("CoreMLExecutionProvider", "onnxruntime (on macOS)"),
}
"""Short name -> ONNX Runtime's name, and the package that brings it in place of onnxruntime."""
_CPU = ("cpu",)


def wanted_providers(providers: str | Sequence[str] | None) -> tuple[str, ...]:
    """Short names in order of preference, ``cpu`` last.

    Args:
        providers: ``"cuda,cpu"`` or a list of names; None takes the variable ``TRUELINE_PROVIDERS``, and without it
            the CPU alone.

    Raises:
        ConfigError: names that do not exist, names given twice, or ``cpu`` before another: all problems at once.
    """
    given = os.environ.get(PROVIDERS_VARIABLE, "") if providers is None else providers
    names = [n.strip().lower() for n in (given.split(",") if isinstance(given, str) else given)]
    names = [n for n in names if n] if isinstance(given, str) else names
    problems = [f"no provider {n!r}. {did_you_mean(n, PROVIDERS)}" for n in names if n not in PROVIDERS]
    problems += [f"{n!r} is named twice" for n in dict.fromkeys(names) if names.count(n) > 1]
    if "cpu" in names[:-1]:
        problems.append("'cpu' has a kernel for everything, so what is named after it would never run: name it last")
    if problems:
        raise ConfigError(
            f"the execution providers {','.join(names)!r} cannot be used",
            where=PROVIDERS_VARIABLE if providers is None else "providers",
            problems=problems,
        )
    return tuple(names) if "cpu" in names else (*names, *_CPU)


def onnx_providers(names: Sequence[str]) -> list[Any]:
    """What `onnxruntime.InferenceSession` takes for short names that `wanted_providers` made.

    Raises:
        ConfigError: a provider that the installed ONNX Runtime does not have, with the package that brings it.
    """
    if tuple(names) == _CPU:
        return [PROVIDERS["cpu"][0]]
    import onnxruntime

    there = onnxruntime.get_available_providers()
    absent = [n for n in names if PROVIDERS[n][0] not in there]
    if absent:
        short = [n for n, (full, _) in PROVIDERS.items() if full in there]
        raise ConfigError(
            f"the installed onnxruntime {onnxruntime.__version__} does not have every provider that is asked for",
            problems=[f"{n} ({PROVIDERS[n][0]}) comes with the package {PROVIDERS[n][1]}" for n in absent],
            hint=f"installed: {', '.join(short)}. Only one package of ONNX Runtime can be installed at a time: "
            f"pip uninstall onnxruntime, then pip install {PROVIDERS[absent[0]][1].split()[0]}.",
        )
    # Tensor cores that round to 10 bits of mantissa would make other scores than the CPU's.
    options = {"cuda": {"use_tf32": "0"}}
    return [(PROVIDERS[n][0], options[n]) if n in options else PROVIDERS[n][0] for n in names]


def check_loaded(session: Any, names: Sequence[str]) -> None:
    """Compares what a session runs on with what was asked for.

    Raises:
        ModelError: ONNX Runtime left a provider out: its driver or libraries are not there.
    """
    loaded = session.get_providers()
    lost = [n for n in names if PROVIDERS[n][0] not in loaded]
    if lost:
        raise ModelError(
            f"ONNX Runtime could not start {' and '.join(lost)} and would have run on {', '.join(loaded)} instead",
            hint="check the driver and its libraries (nvidia-smi, CUDA and cuDNN of the right version), "
            "or ask for cpu alone.",
        )
