"""The face of the room's functions: whatever they are called with, an error is a `TransformError` at the user's line.

Arguments are checked by the functions' own annotations: numbers, texts and booleans before the call, and everything
else when the call fails, so that a good call costs nothing that it would not cost anyway. Numpy's scalars become
Python's, because a graph is JSON.
"""

from __future__ import annotations

import ast
import functools
import inspect
import numbers
import os
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, cast

from trueline._core.errors import TransformError, TruelineError, did_you_mean

__all__ = ["guarded"]

F = TypeVar("F")
_WORDS = {
    "Column": "a column",
    "int": "a whole number of 64 bits",
    "float": "a number",
    "str": "a text",
    "bool": "True or False",
    "None": "None",
    "Sequence": "a list",
    "Mapping": "a dict",
}
_LITERALS = ("int", "float", "str", "bool", "None")
_SHOWN = 60
_ANY: frozenset[str] = frozenset()
_WITH_DATA = frozenset(
    {
        "analyze",
        "analyze_and_transform",
        "as_transformer",
        "fold_of_rows",
        "get_analyze_input_columns",
        "get_transform_input_columns",
        "lookup_version",
        "trace",
        "transform_to_parquet",
        "write_lookup_version",
    }
)
"""These run the user's own code, or read data: their arguments are checked, and their errors are left as they are."""


def guarded(function: F) -> F:
    """A public function with its arguments checked and its errors told at the user's line; classes as they are."""
    return cast("F", _guarded(function)) if isinstance(function, types.FunctionType) else function


@functools.lru_cache(maxsize=1024)
def _guarded(function: Callable[..., Any]) -> Callable[..., Any]:
    signature = inspect.signature(function)
    kinds = {name: _kinds(str(p.annotation)) for name, p in signature.parameters.items()}

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError as error:
            hint = f"it is {function.__name__}({', '.join(signature.parameters)})."
            raise _error(f"{function.__name__}: {error}", hint) from None
        problem = _check(function.__name__, signature, bound, kinds)
        if function.__name__ in _WITH_DATA:
            if problem is not None:
                raise problem
            return function(*bound.args, **bound.kwargs)
        try:
            made = function(*bound.args, **bound.kwargs)
        except TransformError:
            raise
        except Exception as error:
            raise problem or _told(function.__name__, signature, bound, kinds, error) from error
        if problem is not None:  # the function's own words, if it had any, know more
            raise problem
        return made

    return call


def _kinds(annotation: str) -> frozenset[str]:
    """The alternatives of an annotation by their outer names; texts in quotes for ``Literal``. Empty: anything."""
    found: set[str] = set()
    pending: list[ast.expr] = [ast.parse(annotation.strip("\"'"), mode="eval").body]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.BinOp):
            pending += [node.left, node.right]
        elif isinstance(node, ast.Constant):
            found.add(repr(node.value))
        elif isinstance(node, ast.Name) and node.id in _WORDS:
            found.add(node.id)
        elif isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id == "Literal":
            pending += node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        elif isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id in _WORDS:
            found.add(node.value.id)
        else:
            return _ANY
    return frozenset(found)


def _check(
    name: str, signature: inspect.Signature, bound: inspect.BoundArguments, kinds: Mapping[str, frozenset[str]]
) -> TransformError | None:
    """The first literal of another type; refuses columns of another trace; makes numpy's scalars Python's."""
    problem = None
    for key, value in bound.arguments.items():
        several = signature.parameters[key].kind
        if several is inspect.Parameter.VAR_KEYWORD:
            continue
        given = value if several is inspect.Parameter.VAR_POSITIONAL else (value,)
        for one in given:
            _check_trace(name, key, one)
        if several is not inspect.Parameter.VAR_POSITIONAL and kinds[key]:
            bound.arguments[key] = _plain(value, kinds[key])
            if problem is None and not _takes(bound.arguments[key], kinds[key]):
                problem = _mismatch(name, key, value, kinds[key])
                if _is_column(value):  # the function would only say that a column has no value
                    raise problem
        if problem is None and isinstance(value, set | frozenset):
            problem = _error(
                f"{name}: {key} is {_shown(value)}", "a set has no order: give a list, as sorted() makes it."
            )
    return problem


def _check_trace(name: str, key: str, value: Any) -> None:
    from trueline.transform.column import Column

    tracer = _tracing()
    columns = value if isinstance(value, list | tuple) and len(value) <= 100 else (value,)
    if tracer is not None and any(isinstance(c, Column) and c.tracer is not tracer for c in columns):
        raise _error(
            f"{name}: {key} is a column of another trace", "use only the columns that this preprocessing_fn was given."
        )


def _tracing() -> Any:
    from trueline.transform.tracer import active_tracer

    return active_tracer()


def _plain(value: Any, allowed: frozenset[str]) -> Any:
    """Numpy's scalars as Python's; paths as texts, arrays and series as lists where those are taken."""
    if type(value).__module__ == "numpy" and getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
        made = value.item()
        return made if isinstance(made, bool | int | float | str) else value
    if "str" in allowed and isinstance(value, os.PathLike):
        return os.fspath(value)
    if "Sequence" in allowed and not isinstance(value, Sequence) and hasattr(type(value), "tolist"):
        return value.tolist()
    return value


def _takes(value: Any, allowed: frozenset[str]) -> bool:
    """Whether a call that went well may have had this argument: a literal may stand for a column."""
    return _fits(value, allowed) or (
        allowed & {"Column"} == allowed - {"None"} and isinstance(value, bool | int | float | str)
    )


def _fits(value: Any, allowed: frozenset[str]) -> bool:
    return any(_TESTS[k](value) if k in _TESTS else repr(value) == k for k in allowed)


def _is_whole(value: Any) -> bool:
    return not isinstance(value, bool) and isinstance(value, numbers.Integral) and -(2**63) <= int(value) < 2**63


def _is_number(value: Any) -> bool:
    try:
        return not isinstance(value, bool) and isinstance(value, numbers.Real) and float(value) is not None
    except OverflowError:
        return False


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and not any("\ud800" <= c <= "\udfff" for c in value)


def _is_column(value: Any) -> bool:
    from trueline.transform.column import Column

    return isinstance(value, Column)


_TESTS: dict[str, Callable[[Any], bool]] = {
    "Column": _is_column,
    "int": _is_whole,
    "float": _is_number,
    "str": _is_text,
    "bool": lambda value: isinstance(value, bool),
    "None": lambda value: value is None,
    "Sequence": lambda value: isinstance(value, Sequence) and not isinstance(value, str | bytes),
    "Mapping": lambda value: isinstance(value, Mapping),
}


def _shown(value: Any) -> str:
    """A value as messages show it: a column with its type, anything else short and with the name of its type."""
    if _is_column(value):
        return str(value.tracer.describe(value))
    try:
        text = " ".join(repr(value).split())
    except Exception:
        text = "something"
    text = text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."
    return text if value is None else f"{text} ({type(value).__name__})"


def _mismatch(name: str, key: str, value: Any, allowed: frozenset[str]) -> TransformError:
    words = [_WORDS.get(k, k) for k in sorted(allowed, key=lambda k: (k == "None", k))]
    hint = f"{name} takes {' or '.join(words)} as {key}."
    if isinstance(value, str) and any(k.startswith(("'", '"')) for k in allowed):
        hint = did_you_mean(value, [k.strip("\"'") for k in allowed])
    elif _is_column(value) and "Column" not in allowed:
        hint += " It is the same for all rows, and no column of values."
    return _error(f"{name}: {key} is {_shown(value)}", hint)


def _told(
    name: str,
    signature: inspect.Signature,
    bound: inspect.BoundArguments,
    kinds: Mapping[str, frozenset[str]],
    error: Exception,
) -> TransformError:
    """The error of a call that failed, naming the argument whose type is wrong if there is one."""
    if isinstance(error, TruelineError):
        made = _error(f"{name}: {error.message}", error.hint)
        where = f"{error.where}: " if error.where else ""
        return TransformError(
            f"{name}: {where}{error.message}", where=made.where, hint=error.hint, problems=error.problems
        )
    for key, value in bound.arguments.items():
        kind = signature.parameters[key].kind
        if kind is inspect.Parameter.VAR_KEYWORD or not kinds[key]:
            continue
        for one in value if kind is inspect.Parameter.VAR_POSITIONAL else (value,):
            if not _fits(one, kinds[key]):
                return _mismatch(name, key, one, kinds[key])
    listed = ", ".join(f"{key}={_shown(value)}" for key, value in bound.arguments.items())
    reason = " ".join(str(error).split())
    return _error(
        f"{name}({listed}) fails: {type(error).__name__}: {reason[:200]}",
        f"see what {name} takes: help(trueline.transform.{name}).",
    )


def _error(message: str, hint: str | None) -> TransformError:
    from trueline.transform.tracer import user_place

    return TransformError(message, where=user_place() or None, hint=hint)
