"""`TuneResult`: the trials of a search and the best of them, as data and as a page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from trueline._core.errors import ArtifactError, ConfigError
from trueline.training.tuning.importance import parameter_importance
from trueline.training.tuning.records import TrialRecord, best_of
from trueline.training.tuning.settings import SearchSettings

if TYPE_CHECKING:
    import pyarrow as pa

    from trueline.display.html import Html

__all__ = ["RESULT_FORMAT", "TuneResult"]

RESULT_FORMAT = 1


@dataclass(frozen=True)
class TuneResult:
    """What a search found.

    Attributes:
        trials: all that ended, in the order of drawing.
        settings: how it searched.
        fixed: hyperparameters that every trial had.
    """

    trials: tuple[TrialRecord, ...]
    settings: SearchSettings
    fixed: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def best(self) -> TrialRecord:
        """The best complete trial; of equal ones the earlier.

        Raises:
            ArtifactError: when no trial is complete.
        """
        found = best_of(self.trials, self.settings.direction)
        if found is None:
            raise ArtifactError("no trial of this search is complete")
        return found

    @property
    def best_hyperparameters(self) -> dict[str, Any]:
        """The fixed hyperparameters, with those of the best trial over them."""
        return {**self.fixed, **self.best.hyperparameters}

    @cached_property
    def importance(self) -> dict[str, float]:
        """See `parameter_importance`."""
        return parameter_importance(self.trials, self.settings)

    def table(self) -> pa.Table:
        """One row a trial: number, state, value, seconds, error, and a column for each parameter (``param.<name>``).

        A parameter of several types, or of lists, is told as JSON text.
        """
        import pyarrow as pa

        columns: dict[str, list[Any]] = {
            name: [getattr(trial, name) for trial in self.trials]
            for name in ("number", "state", "value", "seconds", "error")
        }
        for name in dict.fromkeys(name for trial in self.trials for name in trial.params):
            values = [trial.params.get(name) for trial in self.trials]
            kinds = {float if type(v) is int else type(v) for v in values if v is not None}
            plain = len(kinds) <= 1 and kinds <= {float, str, bool}
            columns[f"param.{name}"] = values if plain else [None if v is None else json.dumps(v) for v in values]
        return pa.table(columns)

    def to_json(self) -> dict[str, Any]:
        """A JSON object; `from_json` is its inverse, the importance is for readers."""
        best = best_of(self.trials, self.settings.direction)
        return {
            "format": RESULT_FORMAT,
            "settings": self.settings.to_json(),
            "fixed": dict(self.fixed),
            "best": None if best is None else best.number,
            "importance": self.importance,
            "trials": [trial.to_json() for trial in self.trials],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> TuneResult:
        """The result that `to_json` described.

        Raises:
            ArtifactError: another format, or a text that is no result.
        """
        if data.get("format") != RESULT_FORMAT:
            raise ArtifactError(f"results of a search have format {data.get('format')!r}, this is {RESULT_FORMAT}")
        try:
            settings = SearchSettings(**data["settings"]).check()
            return cls(tuple(TrialRecord.from_json(t) for t in data["trials"]), settings, dict(data["fixed"]))
        except (KeyError, TypeError, ValueError, ConfigError) as error:
            raise ArtifactError(f"results of a search do not parse: {error!r}") from error

    def view(self) -> Html:
        """The result as a piece of HTML: history, importance, parallel coordinates, slices, the table of trials."""
        from trueline.display.tuner_search import tuner_view

        return tuner_view(self.to_json())

    def to_html(self, path: str | None = None) -> str:
        """The view as one self-contained page, also written to `path` if it is given."""
        return self.view().to_html(path, f"Search: {self.settings.objective}")

    def _repr_html_(self) -> str:
        return self.view()._repr_html_()

    def __repr__(self) -> str:
        best = best_of(self.trials, self.settings.direction)
        told = (
            "none complete" if best is None else f"best {best.value:g} of trial {best.number}: {best.hyperparameters}"
        )
        return f"<TuneResult of {len(self.trials)} trials, {self.settings.objective}: {told}>"
