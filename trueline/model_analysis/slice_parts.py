"""Slice keys and what a slicing spec says about them: names, texts, and which slices a spec describes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

from trueline.model_analysis.config import SlicingSpec
from trueline.model_analysis.slice_axes import SliceValue
from trueline.model_analysis.slice_buckets import bucket_names

__all__ = [
    "CrossKey",
    "KeyPart",
    "SliceKey",
    "SpecParts",
    "condition",
    "key_text",
    "parse_key",
    "slice_name",
    "spec_columns",
    "spec_matches",
    "spec_parts",
    "value_places",
]

SliceKey: TypeAlias = tuple[tuple[str, SliceValue], ...]
CrossKey: TypeAlias = tuple[SliceKey, SliceKey]
_INTEGER = re.compile(r"[+-]?\d{1,400}", re.ASCII)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def key_text(key: SliceKey) -> str:
    """Canonical text of a slice key: JSON, equal for equal keys alone."""
    return json.dumps([list(pair) for pair in key], ensure_ascii=False, allow_nan=False)


def parse_key(text: str) -> SliceKey:
    """The key that `key_text` wrote."""
    return tuple((str(name), value) for name, value in json.loads(text))


def slice_name(key: SliceKey) -> str:
    """How a slice is called in sentences and tables: ``Overall``, ``company=Flash, fare > 20``."""
    parts = (name if value is None else f"{name}={_text(value)}" for name, value in key)
    return ", ".join(parts) or "Overall"


@dataclass(frozen=True)
class KeyPart:
    """One column of a spec's slice keys.

    Attributes:
        name: how the column is called in slice keys.
        column: the column.
        value: only rows with this value; None means each value.
        bounds: boundaries of its buckets.
    """

    name: str
    column: str
    value: str | None = None
    bounds: tuple[float, ...] | None = None

    def matches(self, value: SliceValue) -> bool:
        """Whether a slice with this value is one of the spec's."""
        if self.bounds is not None:
            return value in bucket_names(self.bounds)
        return self.value is None or bool(value_places((value,), self.value))


@dataclass(frozen=True)
class SpecParts:
    """What a slicing spec means, its SQL read: key columns by name, and a condition."""

    keys: tuple[KeyPart, ...]
    expression: str | None = None


def spec_parts(spec: SlicingSpec) -> SpecParts:
    """The parts of a spec.

    Raises:
        ConfigError: SQL that has no counterpart here.
    """
    if spec.slice_keys_sql:
        from trueline.model_analysis.slices_sql import parts_from_sql

        return parts_from_sql(spec.slice_keys_sql)
    keys = (KeyPart(c, c, spec.feature_values.get(c), spec.buckets.get(c)) for c in spec.columns)
    return SpecParts(tuple(keys), spec.expression)


def spec_columns(specs: Iterable[SlicingSpec]) -> tuple[str, ...]:
    """All columns that the specs read, those of expressions and of SQL included, sorted.

    Raises:
        ExprError, ConfigError: an expression or SQL text that is not understood.
    """
    names: set[str] = set()
    for parts in map(spec_parts, specs):
        names.update(key.column for key in parts.keys)
        if parts.expression:
            names.update(condition(parts.expression).columns)
    return tuple(sorted(names))


def spec_matches(spec: SlicingSpec, key: SliceKey) -> bool:
    """Whether a slice is one of those that the spec describes."""
    if not spec.slice_keys_sql and len(key) != len(spec.columns) + bool(spec.expression):
        return False
    parts = spec_parts(spec)
    wanted = {part.name: part for part in parts.keys}
    if {name for name, _ in key} != {*wanted, *([parts.expression] if parts.expression else [])}:
        return False
    return all(wanted[name].matches(value) for name, value in key if name in wanted)


def _text(value: SliceValue) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def value_places(values: Sequence[SliceValue], wanted: str) -> list[int]:
    """Where among different values of one type the value stands that a spec's text means.

    ``"1"`` means the text 1, the integer 1, the float 1.0 and, as in TFMA, true; true and false are also written out.
    """
    candidates: list[SliceValue] = [wanted]
    if _INTEGER.fullmatch(wanted):
        candidates.append(int(wanted))
    elif _NUMBER.fullmatch(wanted):
        candidates.append(float(wanted))
    if wanted.lower() in ("true", "false") and any(isinstance(v, bool) for v in values):
        candidates.append(wanted.lower() == "true")
    return sorted({values.index(c) for c in candidates if c in values})


@lru_cache(maxsize=256)
def condition(text: str) -> Any:
    """The parsed expression of a slicing spec.

    Raises:
        ExprError: it does not parse.
    """
    from trueline._core.expr import parse

    return parse(text)
