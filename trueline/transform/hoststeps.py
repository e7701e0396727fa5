"""`host`: a user's own Python column function as a step before the graph."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from trueline._core.errors import EngineError, did_you_mean
from trueline._core.host import HOST_PREFIX, HostStep, installed_version
from trueline._core.host_forms import FORMS, Form
from trueline._core.values import DType, Kind, RawFeature
from trueline.engine.base import resolve
from trueline.transform.column import Column
from trueline.transform.functions import tracer_of

if TYPE_CHECKING:
    from trueline.transform.tracer import Tracer

__all__ = ["host", "importable"]

_BY_PATH = "_trueline_"  # how the line names a user's file that is no module of a package

_DTYPES = ("float64", "int64", "bool", "utf8", "timestamp")


def host(
    function: Callable[..., Any] | str,
    *inputs: Column,
    dtype: DType,
    name: str | None = None,
    kind: Kind = "scalar",
    size: int | None = None,
    as_: Form = "list",
    **params: Any,
) -> Column:
    """A column that Python code computes before the graph runs: in bulk, evaluation, batch inference and, if the
    operator allow-lists its module, in the server. The code comes from an installed package, never from the model.

    Args:
        function: ``"package.module:name"``, or the function itself, which must be importable by its name. It gets one
            Python list per input (None = missing; a timestamp as int microseconds) and `params`, and returns one list
            of values, or of lists where `kind` says so; a numpy array, a pandas Series or an Arrow array will do. Each
            result must depend on its own row alone: batches are cut differently in bulk and in the server.
        inputs: raw columns or results of other host steps.
        dtype: the declared type of what it returns.
        name: name of the new column; by default the function's name and its inputs'.
        kind: ``scalar``, ``fixed`` (vectors of `size` values) or ``ragged`` (lists of any length).
        size: the length of the vectors, for ``fixed`` alone.
        as_: how the function takes its inputs: ``list``, ``numpy`` arrays, ``pandas`` Series or ``arrow`` arrays. A
            missing float is NaN in numpy and pandas, and NaN that a Series holds is missing again.
        params: keyword arguments, JSON values only.

    Raises:
        TransformError: for a function that cannot be imported by name, other inputs, or another dtype.
    """
    tracer = tracer_of(*inputs)
    path = importable(tracer, function)
    if dtype not in _DTYPES:
        raise tracer.error(f"a host step cannot give {dtype!r}", f"types: {', '.join(_DTYPES)}.")
    names = [_column_name(tracer.column(i)) for i in inputs]
    if kind not in ("scalar", "fixed", "ragged") or (kind == "fixed") != (size is not None):
        raise tracer.error(
            f"a host step cannot give {kind!r} values of size {size}", "kinds: scalar, ragged, and fixed with size=..."
        )
    _check_options(tracer, as_, params)
    output = name or "_".join([path.partition(":")[2], *names])
    if output in {f.name for f in tracer.features}:
        raise tracer.error(
            f"the host step's column {output!r} has the name of a raw column", "give it another name=..."
        )
    package, version = installed_version(path.partition(":")[0])
    reads = () if as_ == "list" else tuple(_feature(tracer.column(i)) for i in inputs)
    step = HostStep(output, tuple(names), path, dtype, package, version, params, kind, size, as_, reads)
    known = {s.output: s for s in tracer.host_steps}
    if output in known and known[output] != step:
        raise tracer.error(f"two different host steps make the column {output!r}", "give one of them name=...")
    if output not in known:
        tracer.host_steps.append(step)
    return tracer.input(step.feature)


def _check_options(tracer: Tracer, form: str, params: dict[str, Any]) -> None:
    if form not in FORMS:
        raise tracer.error(f"a host step cannot take its columns as {form!r}", did_you_mean(form, FORMS))
    try:
        same = json.loads(json.dumps(params, allow_nan=False)) == params
    except (TypeError, ValueError):
        same = False
    if not same:
        raise tracer.error(
            f"the parameters of a host step are JSON values, not {params!r}",
            "numbers, texts, booleans, None, lists and dicts with text keys; tuples as lists.",
        )


def _feature(column: Column) -> RawFeature:
    t = column.type
    return RawFeature(_column_name(column), t.dtype, "scalar" if t.kind == "table" else t.kind, t.size, t.optional)


def importable(tracer: Tracer, function: Callable[..., Any] | str) -> str:
    """``package.module:name`` of a function that other processes can import by it."""
    path = function if isinstance(function, str) else f"{function.__module__}:{function.__qualname__}"
    try:
        found = resolve(path)
    except EngineError as error:
        hint = "put the function at the top level of an installed package."
        raise tracer.error(error.message, hint) from error
    module, _, name = path.partition(":")
    if module.startswith(_BY_PATH):
        raise tracer.error(
            f"{name!r} stands in a file that the line loads by its path, and no other process finds it by a name",
            "move it into a module of its own that can be imported by its name, and import it from there.",
        )
    if module == "__main__" or not callable(found) or (callable(function) and found is not function):
        raise tracer.error(
            f"{path!r} is not importable elsewhere by that name",
            "write the function at the top level of a module in an installed package; no lambda, no notebook.",
        )
    return path


def _column_name(column: Column) -> str:
    node = column.tracer.nodes[column.index]
    if node.op != "input":
        raise column.tracer.error(
            f"a host step runs before the graph and cannot read {column.tracer.describe(column)}",
            "give it raw columns, or results of other host steps.",
        )
    return str(node.attrs["name"]).removeprefix(HOST_PREFIX)
