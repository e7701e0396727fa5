"""Rules about natural language: how much of a text its vocabulary covers, and how often tokens occur in it.

The figures are the custom statistic ``nl_statistics``, a packed `NaturalLanguageStatistics`. Constraints that no
figures speak for are an anomaly of their own: they cannot be checked.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from trueline.data_validation.rules import Case, Rule

__all__ = ["LANGUAGE_RULES"]


@dataclass(frozen=True)
class _Bound:
    """One bound of a message of constraints.

    Attributes:
        type: name of the `AnomalyInfo.Type`.
        short: a few words.
        field: of the constraints.
        figure: field of the statistics that it bounds.
        upper: whether it is the most instead of the least.
        text: a sentence with ``{token}``, ``{found}`` and ``{limit}``.
    """

    type: str
    short: str
    field: str
    figure: str
    upper: bool
    text: str

    def broken(self, constraint: Any, figures: Any) -> bool:
        """Whether the figure lies outside; in the precision of a float, which most of the bounds have."""
        if not constraint.HasField(self.field):
            return False
        found, limit = np.float32(getattr(figures, self.figure)), np.float32(getattr(constraint, self.field))
        return bool(found > limit if self.upper else found < limit)


_COVERAGE = (
    _Bound(
        "FEATURE_COVERAGE_TOO_LOW",
        "Vocabulary covers too little",
        "min_coverage",
        "feature_coverage",
        False,
        "{found:.6g} of the tokens are in the vocabulary, at least {limit:.6g} are expected.",
    ),
    _Bound(
        "FEATURE_COVERAGE_TOO_SHORT_AVG_TOKEN_LENGTH",
        "Tokens too short",
        "min_avg_token_length",
        "avg_token_length",
        False,
        "The average token has {found:.6g} characters, at least {limit:.6g} are expected.",
    ),
)
_TOKENS = (
    _Bound(
        "SEQUENCE_VALUE_TOO_FEW_OCCURRENCES",
        "Token too rare in a sequence",
        "min_per_sequence",
        "per_sequence_min_frequency",
        False,
        "Token {token!r} occurs {found:g} times in some sequence, at least {limit:g} are expected.",
    ),
    _Bound(
        "SEQUENCE_VALUE_TOO_MANY_OCCURRENCES",
        "Token too frequent in a sequence",
        "max_per_sequence",
        "per_sequence_max_frequency",
        True,
        "Token {token!r} occurs {found:g} times in some sequence, at most {limit:g} are expected.",
    ),
    _Bound(
        "SEQUENCE_VALUE_TOO_SMALL_FRACTION",
        "Token in too few sequences",
        "min_fraction_of_sequences",
        "fraction_of_sequences",
        False,
        "Token {token!r} occurs in {found:.6g} of the sequences, at least {limit:.6g} are expected.",
    ),
    _Bound(
        "SEQUENCE_VALUE_TOO_LARGE_FRACTION",
        "Token in too many sequences",
        "max_fraction_of_sequences",
        "fraction_of_sequences",
        True,
        "Token {token!r} occurs in {found:.6g} of the sequences, at most {limit:.6g} are expected.",
    ),
)


def _figures(case: Case) -> Any | None:
    """The `NaturalLanguageStatistics`, unpacked once; None where there are none or they are damaged."""
    from google.protobuf.message import DecodeError
    from tensorflow_metadata.proto.v0 import statistics_pb2

    if "language" not in case.memo:
        case.memo["language"] = None
        for stat in case.view.custom("nl_statistics"):
            found = statistics_pb2.NaturalLanguageStatistics()
            try:
                if stat.any.Unpack(found):
                    case.memo["language"] = found
            except DecodeError:
                continue
    return case.memo["language"]


def _token(message: Any) -> int | str | None:
    """The token of a constraint or of statistics: an integer, a text, or None where none is set."""
    for field in ("int_value", "int_token", "string_value", "string_token"):
        if field in message.DESCRIPTOR.fields_by_name and message.HasField(field):
            value: int | str = getattr(message, field)
            return value
    return None


def _constrained(case: Case) -> Iterator[tuple[Any, Any | None]]:
    """Each constrained token with its figures."""
    figures = _figures(case)
    known = {} if figures is None else {_token(t): t for t in figures.token_statistics}
    for constraint in case.feature.natural_language_domain.token_constraints:
        yield constraint, known.get(_token(constraint))


def _unavailable(case: Case) -> list[str]:
    domain = case.feature.natural_language_domain
    if case.domain != "natural_language_domain" or not (domain.HasField("coverage") or domain.token_constraints):
        return []
    if _figures(case) is None:
        return ["The schema constrains the text, the statistics say nothing of it: generate them with this schema."]
    absent = [repr(_token(constraint)) for constraint, figures in _constrained(case) if figures is None]
    return (
        [f"The schema constrains the tokens {', '.join(absent)}, the statistics do not count them."] if absent else []
    )


def _clear(case: Case) -> None:
    case.feature.ClearField("natural_language_domain")


def _covered(case: Case, bound: _Bound) -> Iterator[tuple[Any, Any]]:
    if case.domain == "natural_language_domain" and case.feature.natural_language_domain.HasField("coverage"):
        yield case.feature.natural_language_domain.coverage, _figures(case)


def _counted(case: Case, bound: _Bound) -> Iterator[tuple[Any, Any]]:
    if case.domain == "natural_language_domain":
        yield from _constrained(case)


_Pairs = Callable[[Case, _Bound], Iterator[tuple[Any, Any]]]


def _find(case: Case, bound: _Bound, pairs: _Pairs) -> list[str]:
    return [
        bound.text.format(
            token=_token(constraint), found=getattr(figures, bound.figure), limit=getattr(constraint, bound.field)
        )
        for constraint, figures in pairs(case, bound)
        if figures is not None and bound.broken(constraint, figures)
    ]


def _mend(case: Case, bound: _Bound, pairs: _Pairs) -> None:
    for constraint, figures in pairs(case, bound):
        if figures is not None and bound.broken(constraint, figures):
            found = getattr(figures, bound.figure)
            whole = isinstance(getattr(constraint, bound.field), int)
            setattr(constraint, bound.field, (math.ceil if bound.upper else math.floor)(found) if whole else found)


def _rule(bound: _Bound, pairs: _Pairs) -> Rule:
    find, mend = partial(_find, bound=bound, pairs=pairs), partial(_mend, bound=bound, pairs=pairs)
    return Rule(bound.type, bound.short, find, mend)


LANGUAGE_RULES: Sequence[Rule] = (
    Rule("STATS_NOT_AVAILABLE", "Text not counted", _unavailable, _clear),
    *(_rule(bound, _covered) for bound in _COVERAGE),
    *(_rule(bound, _counted) for bound in _TOKENS),
)
"""Asked of every present feature that has a natural-language domain."""
