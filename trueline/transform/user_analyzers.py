"""`analyzer`: an analyzer that the user writes, as a class of five small methods.

It runs in the same pass as all other analyzers of its phase, on the same engine, and its states are kept by the
analyzer cache like theirs. The class must be importable by its name, because worker processes import it by that.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Protocol, Self

from trueline._core.errors import EngineError, TruelineError
from trueline._core.values import DType
from trueline.engine.base import resolve
from trueline.transform.analyzers.custom import METHODS, UserState
from trueline.transform.analyzers.inputs import Inputs
from trueline.transform.column import Column
from trueline.transform.functions import tracer_of
from trueline.transform.graph import NodeKind
from trueline.transform.tracer import Tracer

__all__ = ["UserAnalyzer", "analyzer"]


class UserAnalyzer(Protocol):
    """What the user's class must do; made by ``Class(**params)``, empty.

    Where an input is a constant (another analyzer's result), its value comes as the keyword ``constants``: a list with
    one entry for each such input, a number or a (nested) list.
    """

    def update(self, inputs: Inputs) -> None:
        """Takes in a block. ``inputs.elements(0)`` are the values of the first column as a numpy array,
        ``inputs.matrix(0)`` its rows ``[n, size]``, ``inputs.lists(0)`` all elements of lists and each row's number of
        them; ``inputs.rows`` says how many rows there are. Rows with a missing input are left out.
        """
        ...

    def merge(self, other: Self) -> None:
        """Takes in the state of later blocks. It must be associative; an empty state must change nothing."""
        ...

    def parts(self) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        """The whole state: a JSON object, and numpy or Arrow arrays by name. NaN belongs into arrays."""
        ...

    def restore(self, header: Mapping[str, Any], arrays: Mapping[str, Any]) -> None:
        """Takes on, on an empty object, the state that `parts` gave."""
        ...

    def result(self) -> Any:
        """The constant: a value, a list, or a (nested) list or array for a table."""
        ...


def analyzer(
    what: str | type,
    *columns: Column,
    dtype: DType = "float64",
    kind: NodeKind = "scalar",
    size: int | None = None,
    result: str = "result",
    **params: Any,
) -> Column:
    """A constant that the user's own accumulator finds in one pass over the columns.

    Args:
        what: the class, see `UserAnalyzer`, or its name ``"package.module:Class"``.
        columns: what it reads, columns or constants; the first is a column.
        dtype: the result's type: ``float64``, ``int64``, ``bool``, ``utf8`` or ``timestamp``.
        kind: ``scalar``; ``fixed``, a vector of `size` values; or ``table``, a list or matrix for `take`, `matmul`,
            `apply_buckets` or `apply_vocabulary`.
        size: how many values a vector or table has; of a table it may be left open.
        result: the method that gives the result. Analyzers that differ in it alone share one state.
        params: keyword arguments of the class, JSON values.

    Raises:
        TransformError: for a class that cannot be imported, lacks a method or breaks a law while empty; later, naming
            the class and this line, for one that fails, breaks a law, or gives another result than was declared.
    """
    tracer = tracer_of(*columns)
    path, found = _class(tracer, what)
    lacking = [m for m in (*METHODS, result) if not callable(getattr(found, m, None))]
    if lacking:
        raise tracer.error(
            f"analyzer {path} has no method {', '.join(lacking)}", f"it needs {', '.join((*METHODS, result))}."
        )
    try:
        json.dumps(params, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise tracer.error(f"analyzer {path} was given a parameter that is no JSON value: {error}") from error
    types = [c.type for c in columns]
    if not any(t.constant for t in types):  # with constants, what makes the state is not known yet
        _try_empty(tracer, path, types, params)
    attrs = {"state": path, "params": params, "dtype": dtype, "kind": kind, "size": size, "result": result}
    with tracer.scope("analyzer"):
        return tracer.op("analyze.custom", *columns, **attrs)


def _class(tracer: Tracer, what: str | type) -> tuple[str, Any]:
    path = what if isinstance(what, str) else f"{what.__module__}:{what.__qualname__}"
    hint = "write the class at the top level of a module that workers can import; no notebook, no script."
    try:
        found = resolve(path)
    except EngineError as error:
        raise tracer.error(error.message, hint) from error
    if path.startswith("__main__:") or not isinstance(found, type) or (isinstance(what, type) and found is not what):
        raise tracer.error(f"{path!r} is no class that is importable elsewhere by that name", hint)
    return path, found


def _try_empty(tracer: Tracer, path: str, types: Any, params: Mapping[str, Any]) -> None:
    try:
        UserState(path, types, {"params": params}).check()
    except TruelineError as error:
        raise tracer.error(error.message, error.hint) from error
    except Exception as error:
        raise tracer.error(f"analyzer {path} fails while empty: {type(error).__name__}: {error}") from error
