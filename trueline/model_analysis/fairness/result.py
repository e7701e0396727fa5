"""What a fairness evaluation found: rates of groups, gaps of criteria, the gates' failures; JSON, tables, a page."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from trueline._core import store
from trueline._core.errors import ArtifactError, ConfigError, did_you_mean
from trueline.display.viewed import Viewed
from trueline.model_analysis.config_json import decode, freeze
from trueline.model_analysis.fairness.groups import family_name
from trueline.model_analysis.fairness.records import CriterionResult, FairnessGroup
from trueline.model_analysis.fairness.spec import FairnessSpec, spec_of
from trueline.model_analysis.validation import GateFailure

if TYPE_CHECKING:
    import pyarrow as pa

    from trueline.display.html import Html
    from trueline.model_analysis.fairness.sums import FairnessSums

__all__ = ["FAIRNESS_FORMAT", "FairnessResult"]

FAIRNESS_FORMAT = 1
FILE = "fairness.json"


@dataclass(frozen=True)
class FairnessResult(Viewed):
    """All of it.

    Attributes:
        spec: what was asked for.
        task: binary, multiclass or regression.
        classes: the label's values in the order of the probabilities, as far as they are known.
        models: by name the fingerprint, or the column of its predictions.
        rows: labelled rows.
        missing_labels: rows without a label.
        groups: all rows first, then each group of each grouping; small ones too.
        criteria: each criterion of the task on each grouping, at the model's own decision and at each threshold.
        failures: why gates are closed; empty where all are open, or where there is none.
        notes: sentences that a reader should see.
        state: the sums of the pass, so that other thresholds need no other pass.
    """

    TITLE: ClassVar[str] = "Fairness"

    spec: FairnessSpec
    task: str
    classes: tuple[Any, ...]
    models: Mapping[str, Any]
    rows: int
    missing_labels: int
    groups: tuple[FairnessGroup, ...]
    criteria: tuple[CriterionResult, ...]
    failures: tuple[GateFailure, ...] = ()
    notes: tuple[str, ...] = ()
    state: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        freeze(self)

    @property
    def ok(self) -> bool:
        """Whether every gate is open."""
        return not self.failures

    @cached_property
    def sums(self) -> FairnessSums:
        """The sums of the pass.

        Raises:
            ArtifactError: they are damaged.
        """
        from trueline.model_analysis.fairness.sums import FairnessSums

        try:
            return FairnessSums.unpack(zlib.decompress(base64.b64decode(self.state, validate=True)))
        except (ValueError, zlib.error, KeyError, TypeError) as error:
            raise ArtifactError(f"the sums of the fairness result are damaged: {error}") from error

    def group(self, **values: Any) -> FairnessGroup:
        """A group by its values: ``group(sex="F")``; None stands for what is missing, nothing at all for all rows.

        Raises:
            KeyError: there is no such group.
        """
        from trueline.model_analysis.fairness.groups import key_text_of

        wanted = {name: key_text_of(value) for name, value in values.items()}
        for found in self.groups:
            if dict(found.key) == wanted:
                return found
        names = [g.name for g in self.groups]
        raise KeyError(f"no group {wanted}. {did_you_mean(str(wanted), names)}")

    def criterion(self, name: str, columns: str | tuple[str, ...] | None = None, at: Any = "own") -> CriterionResult:
        """A criterion on a grouping (the first one by default) at a decision: ``own``, a threshold, ``class_id=1``.

        Raises:
            KeyError: there is none.
        """
        wanted = (columns,) if isinstance(columns, str) else columns
        place = at if isinstance(at, str) else f"{at:g}"
        for found in self.criteria:
            same = wanted is None or sorted(wanted) == sorted(found.columns)
            if (found.criterion, found.at) == (name, place) and same:
                return found
        known = sorted({c.key for c in self.criteria})
        raise KeyError(f"no criterion {name!r} at {place} on {columns or 'any grouping'}. {did_you_mean(name, known)}")

    def to_dict(self) -> dict[str, Any]:
        """JSON values; `from_dict` is the inverse. Nothing of it is a time or a place."""
        made = {k: v for k, v in vars(self).items() if k != "sums"}
        made |= {"spec": self.spec.to_dict(), "models": dict(self.models), "classes": list(self.classes)}
        for name in ("groups", "criteria", "failures"):
            made[name] = [asdict(item) for item in made[name]]
        return {"format": FAIRNESS_FORMAT, **made, "notes": list(self.notes)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> FairnessResult:
        """The result that `to_dict` described.

        Raises:
            ConfigError: another format, or another structure.
        """
        if not isinstance(data, Mapping) or data.get("format") != FAIRNESS_FORMAT:
            raise ConfigError(f"the fairness result is not of format {FAIRNESS_FORMAT}")
        given = {k: v for k, v in data.items() if k not in ("format", "spec")}
        if not isinstance(data.get("spec"), Mapping):
            raise ConfigError("the fairness result has no spec")
        return decode(cls, given, {"spec": spec_of(data["spec"])})

    def to_json(self) -> str:
        """JSON text."""
        return json.dumps(self.to_dict(), indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False)

    def save(self, uri: str) -> None:
        """Writes ``fairness.json`` into a folder."""
        store.write_text(store.join(uri, FILE), self.to_json() + "\n")

    @classmethod
    def load(cls, uri: str) -> FairnessResult:
        """The result that `save` wrote.

        Raises:
            ArtifactError: it is no JSON.
            ConfigError: another format, or another structure.
        """
        try:
            data = json.loads(store.read_bytes(store.join(uri, FILE)))
        except (ValueError, RecursionError) as error:
            raise ArtifactError(f"the fairness result is no JSON: {error}", where=uri) from error
        return cls.from_dict(data)

    def to_table(self) -> pa.Table:
        """A row for each group and rate: group, grouping, rate, rows, weight, small, value, interval, reason."""
        import pyarrow as pa

        rows = [
            {"group": g.name, "grouping": family_name(g.columns), "rate": key, "rows": g.rows, "weight": g.weight,
             "small": g.small, "value": e.value, "standard_error": e.standard_error, "low": e.low, "high": e.high,
             "undefined": e.undefined, "baseline": g.baseline[key].value if key in g.baseline else None}
            for g in self.groups
            for key, e in g.rates.items()
        ]  # fmt: skip
        real, text = pa.float64(), pa.string()
        types = {"group": text, "grouping": text, "rate": text, "rows": pa.int64(), "weight": real, "small": pa.bool_(),
                 "value": real, "standard_error": real, "low": real, "high": real, "undefined": text,
                 "baseline": real}  # fmt: skip
        return pa.Table.from_pylist(rows, schema=pa.schema(list(types.items())))

    def view(self) -> Html:
        """The result as a piece of HTML."""
        from trueline.model_analysis.fairness.page import fairness_view

        return fairness_view(self)
