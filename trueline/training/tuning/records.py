"""What is kept of a trial: what was drawn, how it went, what it came to."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, get_args

from trueline._core.errors import ArtifactError
from trueline.training.tuning.ranges import (
    Categorical,
    Range,
    is_number,
    range_from_json,
    range_problems,
    range_to_json,
)

__all__ = ["Journal", "MemoryJournal", "TrialRecord", "TrialState", "best_of", "ranked"]

TrialState = Literal["COMPLETE", "PRUNED", "FAILED"]


@dataclass(frozen=True)
class TrialRecord:
    """A trial that has ended.

    Attributes:
        number: from 0, in the order of drawing.
        state: ``COMPLETE``, ``PRUNED`` or ``FAILED``.
        hyperparameters: what was searched, as `run_fn` saw it; without the fixed ones.
        params: the single draws by name.
        ranges: from what they were drawn.
        value: the objective; None of a failed trial; of a pruned one the last that it reported.
        reported: (step, value) of the objective in order of steps.
        logged: the last value of each metric that was logged.
        seconds: how long it took.
        error: why it failed, or at which step it was pruned.
        marks: what the pruner wrote down of it.
    """

    number: int
    state: TrialState
    hyperparameters: Mapping[str, Any]
    params: Mapping[str, Any]
    ranges: Mapping[str, Range] = field(repr=False)
    value: float | None = None
    reported: tuple[tuple[int, float], ...] = field(default=(), repr=False)
    logged: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    error: str | None = None
    marks: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def to_json(self) -> dict[str, Any]:
        """A JSON object; numbers that JSON lacks are text."""
        return {
            "number": self.number,
            "state": self.state,
            "value": _number(self.value),
            "hyperparameters": dict(self.hyperparameters),
            "params": dict(self.params),
            "ranges": {name: range_to_json(value) for name, value in self.ranges.items()},
            "reported": [[step, _number(value)] for step, value in self.reported],
            "logged": {name: _number(value) for name, value in self.logged.items()},
            "seconds": round(self.seconds, 3),
            "error": self.error,
            "marks": dict(self.marks),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> TrialRecord:
        """The trial that `to_json` described.

        Raises:
            ArtifactError: a record that is none.
        """
        try:
            made = cls(
                number=int(data["number"]),
                state=data["state"],
                hyperparameters=dict(data["hyperparameters"]),
                params=dict(data["params"]),
                ranges={name: range_from_json(value) for name, value in data["ranges"].items()},
                value=None if data["value"] is None else float(data["value"]),
                reported=tuple((int(step), float(value)) for step, value in data["reported"]),
                logged={name: float(value) for name, value in data["logged"].items()},
                seconds=float(data["seconds"]),
                error=data["error"],
                marks=dict(data["marks"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise ArtifactError(f"the record of a trial does not parse: {error!r}") from error
        if problems := made._problems():
            raise ArtifactError(f"the record of trial {made.number} does not hold together", problems=problems)
        return made

    def _problems(self) -> list[str]:
        """What readers rely on: a known state, and for each draw the range that it came from."""
        known: tuple[str, ...] = get_args(TrialState)
        found = [] if self.state in known else [f"state is {self.state!r}"]
        error: object = self.error
        if error is not None and not isinstance(error, str):
            found.append(f"error is {self.error!r}")
        if self.state == "COMPLETE" and self.value is None:
            found.append("it is complete and has no value")
        if self.params.keys() != self.ranges.keys():
            return [*found, f"it has draws {sorted(self.params)} of ranges {sorted(self.ranges)}"]
        for name, drawn in self.ranges.items():
            value = self.params[name]
            found += [f"the range of {name!r} {problem}" for problem in range_problems(drawn)]
            if not isinstance(drawn, Categorical) and not is_number(value, False):
                found.append(f"the draw {name!r} is {value!r}, which is no number")
            elif isinstance(drawn, Categorical) and not found and value not in list(drawn.choices):
                found.append(f"the draw {name!r} is {value!r}, which is none of its choices")
        return found

    def to_text(self) -> str:
        """`to_json` as text, always the same for the same trial."""
        return json.dumps(self.to_json(), sort_keys=True, allow_nan=False, ensure_ascii=False)


def _number(value: float | None) -> float | str | None:
    return value if value is None or math.isfinite(value) else repr(value)


def ranked(trials: Sequence[TrialRecord], direction: str) -> list[TrialRecord]:
    """The complete trials, best first; of equal ones the earlier."""
    sign = -1.0 if direction == "maximize" else 1.0
    done = [t for t in trials if t.state == "COMPLETE" and t.value is not None]
    return sorted(done, key=lambda t: (sign * float(t.value or 0.0), t.number))


def best_of(trials: Sequence[TrialRecord], direction: str) -> TrialRecord | None:
    """The best complete trial, or None."""
    return next(iter(ranked(trials, direction)), None)


class Journal(Protocol):
    """Where ended trials are kept, so that a search that was stopped goes on where it was."""

    def read(self) -> list[TrialRecord]:
        """All that is kept, in order of numbers."""
        ...

    def write(self, record: TrialRecord) -> None:
        """Keeps a trial; what was kept under its number before stays."""
        ...


class MemoryJournal:
    """A journal that ends with the process."""

    def __init__(self) -> None:
        self._records: dict[int, TrialRecord] = {}

    def read(self) -> list[TrialRecord]:
        """All that was written."""
        return [self._records[number] for number in sorted(self._records)]

    def write(self, record: TrialRecord) -> None:
        """Keeps a trial."""
        self._records.setdefault(record.number, record)
