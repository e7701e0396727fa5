"""PyTorch modules to ONNX by two roads: torch.export first; where it fails, the tracing exporter, which is checked.

A trace keeps one path of Python's control flow: where the user's own lines turn values into Python numbers it is
refused. Both may keep the example's batch size: their graphs must answer as the module does for other batches.
"""

from __future__ import annotations

import inspect
import linecache
import os
import re
import sysconfig
import tempfile
import traceback
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline._core.errors import ModelError
from trueline.models.exporters.quiet import quiet

if TYPE_CHECKING:
    import onnx
    import torch

__all__ = ["module_graph"]

_OPSET = 20
_BATCHES = (1, 7)
_OURS = os.path.dirname(os.path.abspath(__file__))


def module_graph(module: torch.nn.Module, examples: Mapping[str, npt.NDArray[Any]]) -> onnx.ModelProto:
    """The module as ONNX with a free batch dimension.

    Args:
        module: on the CPU, in evaluation mode, with one tensor as result.
        examples: an array for every argument of ``forward`` in order, named as the graph's inputs.

    Raises:
        ModelError: neither exporter can follow ``forward``; with its line.
    """
    import torch

    arguments = tuple(torch.from_numpy(a) for a in examples.values())
    try:
        with quiet("torch.onnx"):
            model = _exported(module, arguments, list(examples))
            _check_batches(module, model, examples)
            return model
    except Exception as error:
        first = error
    try:
        with quiet("torch.onnx"):
            model = _traced(module, arguments, list(examples))
            _check_batches(module, model, examples)
            return model
    except Exception as error:
        problems = [f"torch.export: {_reason(first)}", f"trace: {_reason(error)}"]
        raise ModelError(
            f"{type(module).__name__} cannot be exported{_place(first) or _place(error)}",
            problems=problems,
            hint="forward must be free of data-dependent Python control flow: no if or loop over values, no .item(), "
            "no float() of a tensor; use torch.where and its kin.",
        ) from first


def _exported(module: torch.nn.Module, arguments: tuple[Any, ...], names: Sequence[str]) -> onnx.ModelProto:
    """By torch.export."""
    import torch

    shapes = tuple({0: torch.export.Dim("N")} for _ in arguments)
    kinds = [p.kind for p in inspect.signature(module.forward).parameters.values()]
    program = torch.onnx.export(
        module,
        arguments,
        dynamo=True,
        opset_version=_OPSET,
        dynamic_shapes=(shapes,) if kinds == [inspect.Parameter.VAR_POSITIONAL] else shapes,
        input_names=list(names),
        output_names=["raw"],
        verbose=False,
    )
    if program is None:
        raise ModelError("the exporter gave no program")
    return program.model_proto


def _traced(module: torch.nn.Module, arguments: tuple[Any, ...], names: Sequence[str]) -> onnx.ModelProto:
    """By the tracing exporter."""
    import onnx
    import torch
    from torch.jit._trace import TracerWarning

    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(record=True) as noted:
        path = os.path.join(folder, "model.onnx")
        warnings.simplefilter("always", TracerWarning)
        torch.onnx.export(
            module,
            arguments,
            path,
            dynamo=False,
            opset_version=_OPSET,
            dynamic_axes={n: {0: "N"} for n in [*names, "raw"]},
            input_names=list(names),
            output_names=["raw"],
        )
        for warning in noted:
            if issubclass(warning.category, TracerWarning) and _is_users(warning.filename):
                text = linecache.getline(warning.filename, warning.lineno).strip()
                line = f"{os.path.basename(warning.filename)}, line {warning.lineno}: {text}"
                raise ModelError(f"a value becomes a Python number or bool at {line}")
        return onnx.load_model(path)


def _check_batches(module: torch.nn.Module, model: onnx.ModelProto, examples: Mapping[str, npt.NDArray[Any]]) -> None:
    """The graph answers as the module does for batches that the exporter has not seen.

    Numbers lie from 0 to 1: a module may take ids from float columns, and none is below 0.
    """
    import torch

    from trueline._core.runtime import make_session

    session = make_session(model.SerializeToString())
    wanted = {i.name for i in session.get_inputs()}
    rng = np.random.default_rng(0)
    for rows in _BATCHES:
        arrays = {n: np.zeros((rows, *a.shape[1:]), a.dtype) for n, a in examples.items()}
        for array in arrays.values():
            if array.dtype == np.float32:
                array[:] = rng.random(array.shape)
        with torch.no_grad():
            own = module(*(torch.from_numpy(a) for a in arrays.values())).double().numpy()
        found = session.run(None, {n: a for n, a in arrays.items() if n in wanted})[0]
        if found.shape != own.shape or not np.allclose(found, own, 1e-4, 1e-5, equal_nan=True):
            raise ModelError(f"the graph answers a batch of {rows} otherwise than the module")


def _reason(error: BaseException) -> str:
    """The first line that says something, without escape codes."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(error.__cause__ or error))
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return f"{type(error.__cause__ or error).__name__}: {lines[0] if lines else 'no reason given'}"


def _place(error: BaseException) -> str:
    """The line of the user's code at which an exporter failed: `` (model.py, line 12: if x > 0:)``; "" if unknown."""
    found = ""
    seen: BaseException | None = error
    while seen is not None:
        for frame in traceback.extract_tb(seen.__traceback__):
            if _is_users(frame.filename):
                text = linecache.getline(frame.filename, frame.lineno or 0).strip()
                found = f" ({os.path.basename(frame.filename)}, line {frame.lineno}: {text})"
        seen = seen.__cause__ or seen.__context__
    return found


def _is_users(path: str) -> bool:
    """Whether a file belongs to no installed package, to no part of Python and not to this one."""
    parts = os.path.normpath(path).split(os.sep)
    installed = {"site-packages", "dist-packages"}.intersection(parts)
    return not (installed or path.startswith((_OURS, sysconfig.get_path("stdlib"), "<")))
