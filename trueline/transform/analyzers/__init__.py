"""Analyzers: deferred constants that come from one pass over the data (`trueline.transform.phases`).

The table says what each takes, what type its result has, which mergeable state it reads it from, and how. Analyzers
of equal inputs that read the same state share it: mean and variance are one state.
"""

from __future__ import annotations

from trueline._core.errors import TransformError, did_you_mean
from trueline.transform.analyzers import (
    basic,
    covariance,
    custom,
    documents,
    histogram,
    keyed,
    targets,
    tukey,
    vocabularies,
    weighted,
)
from trueline.transform.analyzers.base import Analyzer, State, StateMaker
from trueline.transform.analyzers.tokens import Vocabulary
from trueline.transform.graph import ANALYZER_PREFIX

__all__ = ["ANALYZERS", "STATES", "Analyzer", "State", "Vocabulary", "analyzer", "state_maker"]

_MODULES = (basic, documents, vocabularies, targets, tukey, covariance, histogram, weighted, keyed, custom)
ANALYZERS: dict[str, Analyzer] = {ANALYZER_PREFIX + row.name: row for module in _MODULES for row in module.ANALYZERS}
"""Every analyzer by its name in graphs."""
STATES: dict[str, StateMaker] = {name: maker for module in _MODULES for name, maker in module.STATES.items()}
"""Every state's maker by name."""


def analyzer(op: str) -> Analyzer:
    """The record of an ``analyze.*`` node.

    Raises:
        TransformError: naming the analyzers that exist.
    """
    record = ANALYZERS.get(op)
    if record is None:
        raise TransformError(f"there is no analyzer {op!r}", hint=did_you_mean(op, ANALYZERS))
    return record


def state_maker(name: str) -> StateMaker:
    """What makes an empty state of that name; ``package.module:name`` is a user's own.

    Raises:
        EngineError: the user's cannot be imported.
    """
    if ":" in name:
        return custom.user_state(name)
    return STATES[name]
