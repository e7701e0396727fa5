"""The analyzers of vocabularies: by count, by weight, by mutual information with a label, and approximate ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from trueline._core.values import DType
from trueline.transform.analyzers.base import Analyzer, Attrs, Rule, StateMaker
from trueline.transform.analyzers.heavy_hitters import HeavyHitters
from trueline.transform.analyzers.labelled_tokens import LabelledTokens
from trueline.transform.analyzers.tokens import Tokens
from trueline.transform.analyzers.vocabulary_order import Vocabulary
from trueline.transform.graph import ValueType
from trueline.transform.operations import RuleError

__all__ = ["ANALYZERS", "STATES"]


def _rule(least: int, *others: tuple[str, DType], result: DType | None = None) -> Rule:
    """A column of tokens, then at least so many of the other inputs in order: what each is, and its dtype."""

    def rule(types: Sequence[ValueType], attrs: Attrs) -> ValueType:
        x, further = types[0], types[1:]
        if x.dtype not in ("utf8", "int64"):
            raise RuleError(f"it takes utf8 or int64, not {x.dtype}")
        if x.kind == "table" or not least <= len(further) <= len(others):
            raise RuleError(
                f"it takes a column of tokens and {', '.join(name for name, _ in others) or 'nothing else'}"
            )
        for (name, dtype), given in zip(others, further, strict=False):
            if given.dtype != dtype or given.constant:
                raise RuleError(f"its {name} must be a column of {dtype}, not {given}")
            if name == "labels" and given.kind != "scalar":
                raise RuleError(f"its labels must be one a row, not {given}")
        return ValueType(result or x.dtype, "table")

    return rule


def _arranged(state: Any, attrs: Attrs) -> Vocabulary:
    found: Vocabulary = state.arranged(attrs)
    return found


def _numbers(normalize: bool) -> Callable[[Tokens, Attrs], list[Any]]:
    """The numbers of a vocabulary in order of id, or their shares of all there are."""

    def read(state: Tokens, attrs: Attrs) -> list[Any]:
        counts = list(state.arranged(attrs).counts)
        if not normalize:
            return counts
        total = int(state.counts.sum())
        return [count / total for count in counts]

    return read


_WEIGHTS: tuple[str, DType] = ("weights", "float64")
_LABELS: tuple[str, DType] = ("labels", "int64")

ANALYZERS = (
    Analyzer("vocabulary", _rule(0), "tokens", _arranged),
    Analyzer("vocabulary_weighted", _rule(1, _WEIGHTS), "tokens", _arranged),
    Analyzer(
        "vocabulary_information",
        _rule(1, _LABELS, _WEIGHTS),
        "labelled_tokens",
        _arranged,
        ("file_format",),
        rows=True,
    ),
    Analyzer("vocabulary_approximate", _rule(0, _WEIGHTS), "heavy_hitters", _arranged, ("top_k", "file_format")),
    Analyzer("vocabulary_counts", _rule(0, result="int64"), "tokens", _numbers(False)),
    Analyzer("vocabulary_shares", _rule(0, result="float64"), "tokens", _numbers(True)),
)
"""Rows of the table of analyzers."""

STATES: dict[str, StateMaker] = {"tokens": Tokens, "labelled_tokens": LabelledTokens, "heavy_hitters": HeavyHitters}
"""The states that they read, by name."""
