"""Checks of literal arguments of functions on columns: their type, told at the user's line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trueline.transform.column import Column

__all__ = ["number_argument", "pair_argument", "text_argument", "whole_argument"]


def _refuse(x: Column, name: str, value: Any, wanted: str) -> None:
    raise x.tracer.error(f"{name} is {value!r}: {wanted} is needed", "it is a literal, not a column of values.")


def text_argument(x: Column, name: str, value: Any) -> str:
    """A text that UTF-8 can write."""
    if not isinstance(value, str):
        _refuse(x, name, value, "a text")
    if any("\ud800" <= c <= "\udfff" for c in value):
        _refuse(x, name, value, "a text without surrogates")
    return str(value)


def whole_argument(x: Column, name: str, value: Any) -> int:
    """A whole number of 64 bits; no bool."""
    if isinstance(value, bool) or not hasattr(value, "__index__") or not -(2**63) <= value.__index__() < 2**63:
        _refuse(x, name, value, "a whole number of 64 bits")
    return int(value)


def number_argument(x: Column, name: str, value: Any) -> float:
    """A number as a float."""
    if isinstance(value, bool) or not (hasattr(value, "__index__") or hasattr(value, "__float__")):
        _refuse(x, name, value, "a number")
    return float(value)


def pair_argument(x: Column, name: str, value: Any) -> list[int]:
    """Two whole numbers."""
    if isinstance(value, str) or not hasattr(value, "__len__") or len(value) != 2:
        _refuse(x, name, value, "a pair of whole numbers")
    return [whole_argument(x, name, v) for v in value]
