"""ONNX Runtime's sessions, made one way everywhere: one thread, no telemetry, and the providers that were asked for."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trueline._core.errors import ConfigError, ModelError
from trueline._core.providers import check_loaded, onnx_providers

__all__ = ["extensions_library", "make_session"]

_EXTENSIONS = b"ai.onnx.contrib"


def make_session(model: bytes | str, providers: Sequence[str] = ("cpu",)) -> Any:
    """An ONNX Runtime session on one thread: results do not depend on how many threads a machine has.

    Args:
        model: the serialised graph, or the path of its file.
        providers: where it runs, as `wanted_providers` gives them; the CPU alone by default.

    Raises:
        ConfigError: a provider that is not installed.
        ModelError: when ONNX Runtime refuses the file or cannot start a provider, with its reason.
    """
    import onnxruntime

    chosen = onnx_providers(providers)
    onnxruntime.disable_telemetry_events()  # else it keeps a device id in the user's home folder
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        if isinstance(model, bytes) and _EXTENSIONS in model:
            options.register_custom_ops_library(extensions_library())
        # without its own way of trying again on another provider, which prints to standard output
        session = onnxruntime.InferenceSession(model, options, providers=chosen, enable_fallback=0)
        check_loaded(session, providers)
        return session
    except (ConfigError, ModelError):
        raise
    except Exception as error:
        raise ModelError(f"ONNX Runtime cannot load the graph: {error}") from error


def extensions_library() -> str:
    """The path of onnxruntime-extensions' operators, found without importing the package (which may import torch).

    Raises:
        ModelError: it is not installed.
    """
    found = importlib.util.find_spec("onnxruntime_extensions")
    if found is None or found.origin is None:
        raise ModelError(
            "the graph has operations of the profile 'server', which onnxruntime-extensions runs",
            hint="pip install 'trueline[serving]'",
        )
    libraries = sorted(Path(found.origin).parent.glob("_extensions_pydll*"))
    if not libraries:
        raise ModelError("onnxruntime-extensions is installed without its library", hint="install it again.")
    return str(libraries[0])
