"""`ModelsResult`: several models measured in one pass, beside each other, and which of them is chosen."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from trueline._core import store
from trueline._core.errors import ArtifactError, ConfigError, did_you_mean
from trueline.model_analysis.config import MetricConfig
from trueline.model_analysis.keys import MetricKey, keys_of
from trueline.model_analysis.metrics import HIGHER, find_metric
from trueline.model_analysis.result import EvalResult
from trueline.model_analysis.rules import metric_key
from trueline.model_analysis.slices import SliceKey, slice_name

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["MODELS_FILE", "Choice", "ModelsResult", "Standing"]

MODELS_FILE, HTML_FILE = "models.json", "models.html"
MODELS_FORMAT = 1
Direction = Literal["higher", "lower"]


@dataclass(frozen=True)
class Standing:
    """One model in a choice.

    Attributes:
        name: the model's.
        value: its metric, or None where that is undefined.
        excluded: why it cannot be chosen; "" where it can.
    """

    name: str
    value: float | None
    excluded: str = ""


@dataclass(frozen=True)
class Choice:
    """Which model was chosen, and how all of them stand.

    Attributes:
        metric: the key of the metric that decided.
        direction: whether ``higher`` or ``lower`` is better.
        slice: the slice that it was measured on.
        standings: all models in the order in which they were given.
        winner: the chosen model's name, or None where every one is excluded.
    """

    metric: str
    direction: Direction
    slice: str
    standings: tuple[Standing, ...]
    winner: str | None

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "metric": self.metric,
            "direction": self.direction,
            "slice": self.slice,
            "winner": self.winner,
            "models": [vars(s) for s in self.standings],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Choice:
        """The choice that `to_json` described."""
        standings = tuple(Standing(str(s["name"]), s["value"], str(s["excluded"])) for s in data["models"])
        return cls(data["metric"], data["direction"], data["slice"], standings, data["winner"])


@dataclass(frozen=True)
class ModelsResult:
    """An evaluation of several models.

    Attributes:
        models: what `evaluate` would have said of each alone, by name, in the order given.
        choice: which was chosen, where one was.
    """

    models: Mapping[str, EvalResult]
    choice: Choice | None = None

    def choose(self, metric: str, direction: Direction | None = None, key: SliceKey = ()) -> ModelsResult:
        """The same with the best model chosen; the first of equals.

        A model that breaks a threshold, or whose metric is undefined or was not measured on the slice, is not chosen.

        Args:
            metric: a metric of the config, by its class (``AUC``) or, where there are several of it, by its key.
            direction: ``higher`` or ``lower``; the metric's own by default.
            key: the slice; all rows by default.

        Raises:
            ConfigError: no such metric, or one of which no direction is known.
        """
        metric = self._key(metric)
        direction = direction or self._direction(metric)
        self._check(metric, direction)
        standings = tuple(_standing(name, result, metric, key) for name, result in self.models.items())
        able = [s for s in standings if not s.excluded and s.value is not None]
        sign = 1.0 if direction == "higher" else -1.0
        best = max(able, key=lambda s: sign * (s.value if s.value is not None else -math.inf), default=None)
        choice = Choice(metric, direction, slice_name(key), standings, best.name if best else None)
        return replace(self, choice=choice)

    def _key(self, metric: str) -> str:
        by_class = {m.class_name: metric_key(m) for m in reversed(self._configured)}
        found = keys_of(by_class.get(metric, metric), self.metrics) if metric not in self.metrics else [metric]
        if len(found) > 1:
            raise ConfigError(f"{metric} was measured in several ways", hint=f"choose by one: {', '.join(found)}.")
        return found[0] if found else metric

    @property
    def _configured(self) -> list[MetricConfig]:
        return [m for result in self.models.values() for s in result.config.metrics_specs for m in s.metrics]

    def _direction(self, metric: str) -> Direction:
        known = {metric_key(m): find_metric(m.class_name, module=m.module) for m in self._configured}
        found = known.get(metric) or known.get(MetricKey.parse(metric).name if metric in self.metrics else metric)
        if found is not None and found.better is not None:
            return "higher" if found.better == HIGHER else "lower"
        if metric in self.metrics:
            raise ConfigError(f"whether a higher {metric} is better is not known", hint='say direction="higher".')
        return "higher"

    def _check(self, metric: str, direction: str) -> None:
        problems = []
        if direction not in ("higher", "lower"):
            problems.append(f'direction is {direction!r}; "higher" or "lower" is better')
        if metric not in self.metrics:
            problems.append(f"no metric {metric!r} was measured. {did_you_mean(metric, self.metrics)}")
        if problems:
            raise ConfigError("no model can be chosen", problems=problems)

    @property
    def metrics(self) -> list[str]:
        """The keys of all metrics."""
        slices = [s for result in self.models.values() for s in result.measured.slices]
        return list(dict.fromkeys(name for s in slices for name in s.metrics))

    def to_table(self) -> pa.Table:
        """`EvalResult.to_table` of every model, one below the other, with the column ``model`` first."""
        import pyarrow as pa

        parts = []
        for name, result in self.models.items():
            table = result.to_table().replace_schema_metadata(None)
            parts.append(table.add_column(0, "model", pa.array([name] * table.num_rows, pa.string())))
        return pa.concat_tables(parts)

    def save(self, uri: str) -> None:
        """Writes ``models.json``, ``models.html``, each model's evaluation in ``models/<number>/``, and the chosen
        one's (the first one's where none is) in the folder itself: what reads an `EvalResult` reads that."""
        from trueline.model_analysis.models_html import models_page

        names = list(self.models)
        shown = self.choice.winner if self.choice is not None and self.choice.winner else names[0]
        self.models[shown].save(uri)
        for number, result in enumerate(self.models.values()):
            result.save(store.join(uri, "models", str(number)))
        said = {"format": MODELS_FORMAT, "models": names, "choice": self.choice.to_json() if self.choice else None}
        store.write_text(store.join(uri, HTML_FILE), models_page(self))
        store.write_text(store.join(uri, MODELS_FILE), json.dumps(said, indent=1, sort_keys=True, ensure_ascii=False))

    @classmethod
    def load(cls, uri: str) -> ModelsResult:
        """What `save` wrote.

        Raises:
            ArtifactError: it is missing, damaged or of another format.
        """
        path = store.join(uri, MODELS_FILE)
        try:
            said = json.loads(store.read_text(path))
            names, known = [str(name) for name in said["models"]], said["format"] == MODELS_FORMAT
            choice = Choice.from_json(said["choice"]) if said["choice"] is not None else None
        except (ValueError, KeyError, TypeError) as error:
            raise ArtifactError(f"this is no evaluation of several models: {error}", where=path) from error
        if not known:
            raise ArtifactError(f"it has format {said['format']}, this release reads {MODELS_FORMAT}", where=path)
        results = {name: EvalResult.load(store.join(uri, "models", str(n))) for n, name in enumerate(names)}
        return cls(results, choice)

    def _repr_html_(self) -> str:
        from trueline.model_analysis.models_html import models_html

        return models_html(self)


def _standing(name: str, result: EvalResult, metric: str, key: SliceKey) -> Standing:
    found = next((s for s in result.measured.slices if s.key == key), None)
    estimate = found.metrics.get(metric) if found is not None else None
    value = estimate.value if estimate is not None else None
    verdict = result.validation_result
    if verdict.failures and not verdict.missing_thresholds:
        return Standing(name, value, verdict.failures[0].sentence)
    if estimate is None:
        return Standing(name, None, f"{metric} was not measured on {slice_name(key)}.")
    if value is None:
        why = f"is undefined: {estimate.undefined}" if estimate.undefined else "is no number"
        return Standing(name, None, f"{metric} on {slice_name(key)} {why}.")
    return Standing(name, value)
