"""What a search for slices found: the slices, how they were judged, and what was not looked at."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

from trueline._core import store
from trueline._core.errors import ArtifactError
from trueline.model_analysis.config import SlicingSpec
from trueline.model_analysis.slices import SliceKey, key_text

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["FOUND_FILE", "FOUND_FORMAT", "FoundSlice", "FoundSlices"]

FOUND_FILE, FOUND_FORMAT = "found_slices.json", 1


@dataclass(frozen=True)
class FoundSlice:
    """One slice that is worse than the rest.

    All figures but `rows`, `share` and `search_difference` are of the confirmation half, where there is one.

    Attributes:
        key: its slice key: (column, value) pairs, and the conditions that are no values as (expression, None).
        name: its conditions in words.
        rows: its rows with a loss, of both halves.
        share: `rows` as a share of all rows with a loss, 0 to 1.
        loss_share: its share of the sum of losses; None where losses may be negative.
        inside: mean loss of its rows (weighted where there are weights).
        outside: mean loss of all other rows.
        difference: `inside` - `outside`.
        low, high: interval of the difference, adjusted for how many slices were chosen out of how many tested.
        effect_size: difference / sqrt of the mean of both variances.
        p_value: one-sided; of a combination the largest of those against outside and the rest of each part.
        adjusted_p_value: the same, adjusted for all slices tested.
        search_difference: the difference on the half that chose it: the larger, the more the choice flatters it.
    """

    key: SliceKey
    name: str
    rows: int
    share: float
    loss_share: float | None
    inside: float
    outside: float
    difference: float
    low: float
    high: float
    effect_size: float
    p_value: float
    adjusted_p_value: float
    search_difference: float

    @property
    def slicing_spec(self) -> SlicingSpec:
        """A spec of an `EvalConfig` that makes this slice."""
        expression = next((name for name, value in self.key if value is None), None)
        return SlicingSpec(feature_values={k: _text(v) for k, v in self.key if v is not None}, expression=expression)


@dataclass(frozen=True)
class FoundSlices:
    """The result of `find_slices`.

    Attributes:
        slices: the found slices, the one that is surely worst by most first (by `low`).
        loss: the loss's name.
        task: the task.
        compared: whether the loss is the candidate's minus a baseline's.
        rows: how many rows have a loss.
        left_out: rows without one, by reason.
        mean_loss: the mean loss of all rows of the half that the figures are of.
        coverage: share of rows that are in at least one found slice, 0 to 1 (measured on a sample of the rows).
        tested: how many slices the p-values are adjusted for.
        searched: how many slices were large enough and judged on the search half.
        refused: how many looked worse there and did not hold.
        columns: the columns searched.
        columns_left_out: column -> what of it was not searched, and why.
        skipped: combinations of columns that were left out for the cap of memory.
        passes: passes over the rows.
        options: the options of the search, JSON values.
    """

    slices: tuple[FoundSlice, ...]
    loss: str
    task: str
    compared: bool
    rows: int
    left_out: Mapping[str, int]
    mean_loss: float
    coverage: float
    tested: int
    searched: int
    refused: int
    columns: tuple[str, ...]
    columns_left_out: Mapping[str, str]
    skipped: int
    passes: int
    options: Mapping[str, Any] = field(default_factory=dict)

    def slicing_specs(self, n: int | None = None) -> tuple[SlicingSpec, ...]:
        """Specs of the first n slices, of all by default, for `EvalConfig.slicing_specs`."""
        return tuple(s.slicing_spec for s in self.slices[:n])

    def to_table(self) -> pa.Table:
        """One row a slice, in order."""
        import pyarrow as pa

        kinds = {"key": pa.string(), "name": pa.string(), "rows": pa.int64()}
        schema = pa.schema([(f.name, kinds.get(f.name, pa.float64())) for f in fields(FoundSlice)])
        rows = [asdict(s) | {"key": key_text(s.key)} for s in self.slices]
        return pa.Table.from_pylist(rows, schema=schema)

    def to_html(self, path: str | None = None) -> str:
        """One self-contained page, also written to `path` if it is given."""
        from trueline.model_analysis.slice_finder.page import found_page

        html = found_page(self)
        if path is not None:
            store.write_text(str(path), html)
        return html

    def _repr_html_(self) -> str:
        from trueline.model_analysis.slice_finder.page import found_view

        return found_view(self)._repr_html_()

    def to_json(self) -> str:
        """Canonical JSON; `from_json` reads it."""
        data = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "slices"}
        for name in ("left_out", "columns_left_out", "options"):
            data[name] = dict(data[name])
        data["slices"] = [asdict(s) for s in self.slices]
        return json.dumps({"format": FOUND_FORMAT, **data}, sort_keys=True, ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_json(cls, text: str, where: str = "") -> FoundSlices:
        """What `to_json` wrote.

        Raises:
            ArtifactError: other text, or another format.
        """
        try:
            data = json.loads(text)
            if not isinstance(data, dict) or "format" not in data:
                raise ValueError("it is no object with a format")
            written = data.pop("format")
            if written != FOUND_FORMAT:
                raise ArtifactError(f"it has format {written!r}, this release reads {FOUND_FORMAT}", where=where)
            data["slices"] = tuple(_slice(s) for s in data["slices"])
            data["columns"] = tuple(data["columns"])
            return cls(**data)
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise ArtifactError(f"these are no found slices: {error}", where=where) from error

    def save(self, uri: str) -> None:
        """Writes ``found_slices.json`` into a folder."""
        store.makedirs(uri)
        store.write_text(store.join(uri, FOUND_FILE), self.to_json())

    @classmethod
    def load(cls, uri: str) -> FoundSlices:
        """What `save` wrote.

        Raises:
            ArtifactError: the file is missing, damaged or of another format.
        """
        path = store.join(uri, FOUND_FILE)
        return cls.from_json(store.read_text(path), path)


def _text(value: str | int | float) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


_NUMBERS = tuple(f.name for f in fields(FoundSlice) if f.name not in ("key", "name", "rows", "loss_share"))


def _slice(data: Mapping[str, Any]) -> FoundSlice:
    values = dict(data)
    key = tuple((str(name), value) for name, value in values.pop("key"))
    if not all(value is None or isinstance(value, str | int | float) for _, value in key):
        raise ValueError(f"slice key {key!r}")
    for name in _NUMBERS:
        if isinstance(values[name], bool) or not isinstance(values[name], int | float):
            raise ValueError(f"{name} is {values[name]!r}")
        values[name] = float(values[name])
        if not math.isfinite(values[name]):
            raise ValueError(f"{name} is {values[name]!r}")
    return FoundSlice(key=key, **values)
