"""A user's own analyzer: a class with five small methods, run in the fused pass beside all others.

See `trueline.transform.user_analyzers` for the protocol and for `tlt.analyzer`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, Self

from trueline._core.errors import TransformError
from trueline.engine.base import resolve
from trueline.engine.state import pack_state, unpack_state
from trueline.transform.analyzers.base import Analyzer, Attrs, Parts, StateMaker
from trueline.transform.analyzers.inputs import Inputs
from trueline.transform.graph import ValueType
from trueline.transform.operations import RuleError

__all__ = ["ANALYZERS", "METHODS", "STATES", "UserState", "user_state"]

METHODS = ("update", "merge", "parts", "restore")
"""What a user's class must have, beside the method that gives its result."""
_TRIED: set[tuple[str, str]] = set()
"""Classes and arguments whose laws were tried in this process on data."""
_TYPES: dict[str, tuple[type, ...]] = {
    "float64": (float, int),
    "int64": (int,),
    "timestamp": (int,),
    "bool": (bool,),
    "utf8": (str,),
}


class UserState:
    """A user's object as the fused pass asks for a state.

    Args:
        path: ``package.module:Class``.
        types: of the inputs; a constant one's value goes to the class as ``constants=[...]``.
        params: has the class's own keyword arguments under ``params``.
    """

    def __init__(self, path: str, types: Sequence[ValueType], params: Attrs) -> None:
        self.path = path
        constants = [t.literal for t in types if t.constant]
        more = {"constants": constants} if constants else {}
        self._arguments = {**params.get("params", {}), **more}
        self.own = self._empty()
        self._trial = (path, json.dumps(self._arguments, sort_keys=True))

    def _empty(self) -> Any:
        return resolve(self.path)(**self._arguments)

    def update(self, inputs: Inputs) -> None:
        """Takes in a block; the first one in a process is also what the laws are tried on."""
        self.own.update(inputs)
        if inputs.rows and self._trial not in _TRIED:
            self.check()
            _TRIED.add(self._trial)

    def merge(self, other: Self) -> None:
        """Takes in the state of later blocks."""
        self.own.merge(other.own)

    def parts(self) -> Parts:
        """The state as header and arrays."""
        header, arrays = self.own.parts()
        return dict(header), dict(arrays)

    def restore(self, header: Mapping[str, Any], arrays: Mapping[str, Any]) -> None:
        """Takes on the state that `parts` gave."""
        self.own.restore(header, arrays)

    def check(self) -> None:
        """Tries the laws on the state as it is: its bytes come back, and an empty state changes nothing.

        Raises:
            TransformError: naming the class and the law.
        """
        before = self._bytes(self.own)
        _, header, arrays = unpack_state(before, "user", 1)
        loaded = self._empty()
        loaded.restore(header, arrays)
        if self._bytes(loaded) != before:
            raise self._broken("what restore() took on, parts() does not give back")
        if self._result(loaded) != self._result(self.own):
            raise self._broken("after restore() it has another result")
        loaded.merge(self._empty())
        if self._bytes(loaded) != before:
            raise self._broken("merging an empty one changes it")
        empty = self._empty()
        empty.merge(loaded)
        if self._bytes(empty) != before:
            raise self._broken("an empty one that merged it is not equal to it")

    def _bytes(self, own: Any) -> bytes:
        header, arrays = own.parts()
        return pack_state("user", 1, header, arrays)

    def _result(self, own: Any) -> str:
        """The result for comparison; one that an empty state refuses to give is none."""
        try:
            return repr(own.result())
        except Exception as error:
            return type(error).__name__

    def _broken(self, law: str) -> TransformError:
        return TransformError(
            f"analyzer {self.path} breaks a law of accumulators: {law}",
            hint="parts() must hold all of the state, and the order of blocks must be all that merge() depends on.",
        )


def user_state(path: str) -> StateMaker:
    """The maker of states of a user's class."""
    return lambda types, params: UserState(path, types, params)


def _rule(types: Sequence[ValueType], attrs: Attrs) -> ValueType:
    dtype, kind, size = attrs["dtype"], attrs["kind"], attrs.get("size")
    if dtype not in _TYPES:
        raise RuleError(f"its result cannot be {dtype!r}; types: {', '.join(_TYPES)}")
    if kind not in ("scalar", "fixed", "table") or ((kind == "fixed") != (size is not None) and kind != "table"):
        raise RuleError(f"its result cannot be {kind!r} of size {size}; kinds: scalar, fixed with size=..., table")
    return ValueType(dtype, kind, size)


def _read(state: UserState, attrs: Attrs) -> Any:
    """The user's result as plain Python values, checked against what was declared."""
    found = getattr(state.own, str(attrs["result"]))()
    value = found.tolist() if hasattr(found, "tolist") else found
    cells = _cells(value)
    kind, size, dtype = attrs["kind"], attrs.get("size"), str(attrs["dtype"])
    if (kind == "scalar") == isinstance(value, list | tuple) or (size is not None and len(cells) != size):
        shape = f"{len(cells)} values" if isinstance(value, list | tuple) else type(value).__name__
        wanted = "one value" if kind == "scalar" else f"a list of {size} values" if size is not None else "a list"
        raise TransformError(f"analyzer {state.path} gave {shape}, declared was {wanted}")
    wrong = [c for c in cells if not isinstance(c, _TYPES[dtype]) or (isinstance(c, bool) and dtype != "bool")]
    if wrong:
        raise TransformError(f"analyzer {state.path} gave {wrong[0]!r}, declared was {dtype}")
    return _as(value, float if dtype == "float64" else lambda v: v)


def _cells(value: Any) -> list[Any]:
    return [c for v in value for c in _cells(v)] if isinstance(value, list | tuple) else [value]


def _as(value: Any, convert: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_as(v, convert) for v in value]
    made = convert(value)
    return math.nan if made != made else made


ANALYZERS = (Analyzer("custom", _rule, "", _read, ("params",), rows=True),)
"""Rows of the table of analyzers; the state's name stands in the node's attribute ``state``."""

STATES: dict[str, StateMaker] = {}
"""None: users' states go by ``package.module:Class``."""
