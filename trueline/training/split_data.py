"""`SplitData`: one split of transformed Examples as arrays, a table or batches, always in the same order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from trueline._core.errors import ModelError, did_you_mean
from trueline._core.rowid import ROW_COLUMN
from trueline._core.values import RawFeature
from trueline.engine.base import Dataset
from trueline.models.inputs import DEFAULT_INPUT, ModelInput, column_values, input_arrays, model_inputs

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["SplitArrays", "SplitData"]

Y_TYPES = {"utf8": "object", "bool": "bool", "int64": "int64", "float32": "float32", "float64": "float32"}


class SplitArrays(NamedTuple):
    """What `SplitData.arrays` gives.

    Attributes:
        x: float32 ``[N, F]``, or a dict of arrays by input name.
        y: ``[N]`` in the label's type: bool, int64, float32, or str objects.
        w: float32 ``[N]``, or None where no weight is declared.
    """

    x: Any
    y: npt.NDArray[Any]
    w: npt.NDArray[np.float32] | None


@dataclass(frozen=True)
class SplitData:
    """Rows whose label is there, in block order.

    Attributes:
        dataset: transformed Examples of the split.
        features: the features in order.
        label: the label's output.
        weight: the weight's output, or None.
    """

    dataset: Dataset
    features: tuple[RawFeature, ...]
    label: RawFeature
    weight: RawFeature | None = None

    def __post_init__(self) -> None:
        known = set(self.dataset.columns)
        problems = [f"no column {n!r}. {did_you_mean(n, known)}" for n in self._columns if n not in known]
        if problems:
            raise ModelError("the transformed Examples lack columns that training needs", problems=problems)
        if self.label.kind != "scalar" or self.label.dtype not in Y_TYPES:
            raise ModelError(f"label {self.label.name!r} is {self.label.dtype} ({self.label.kind})")

    @property
    def _columns(self) -> list[str]:
        weight = [self.weight.name] if self.weight else []
        return [*(f.name for f in self.features), self.label.name, *weight]

    @cached_property
    def missing_labels(self) -> int:
        """How many rows are left out because their label is missing."""
        return sum(b.column(0).null_count for b in self.dataset.batches([self.label.name]))

    @property
    def num_rows(self) -> int:
        """Rows with a label."""
        return self.dataset.num_rows - self.missing_labels

    def _labelled(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Blocks in order, without the rows whose label is missing."""
        import pyarrow.compute as pc

        for batch in self.dataset.batches(columns):
            label = batch.column(self.label.name)
            kept = batch.filter(pc.is_valid(label)) if label.null_count else batch
            if kept.num_rows:
                yield kept

    def table(self) -> pa.Table:
        """The rows as one Arrow table: ``__row__`` where it is there, features, label, weight."""
        import pyarrow as pa

        row = [ROW_COLUMN] if ROW_COLUMN in self.dataset.columns else []
        names = [*row, *self._columns]
        schema = pa.schema([self.dataset.arrow_schema.field(n) for n in names])
        return pa.Table.from_batches([b.select(names) for b in self._labelled(names)], schema)

    def arrays(self, inputs: Mapping[str, Sequence[str]] | None = None) -> SplitArrays:
        """All rows in memory: 4 bytes a row and column for x; one block more is held while it is filled.

        Args:
            inputs: as `Fitted.inputs`: x is then a dict of one array an input.

        Raises:
            ModelError: an input names an unknown feature, or an integer feature is missing in a row.
        """
        specs = model_inputs(self.features, inputs)
        n = self.num_rows
        x = {s.name: np.empty((n, s.width), s.dtype) for s in specs}
        y = np.empty(n, Y_TYPES[self.label.dtype])
        w = np.empty(n, np.float32) if self.weight else None
        at = 0
        for batch in self._labelled(self._columns):
            part = self._part(batch, specs)
            stop = at + batch.num_rows
            for name, values in part.x.items():
                x[name][at:stop] = values
            y[at:stop] = part.y
            if w is not None:
                w[at:stop] = part.w
            at = stop
        return SplitArrays(x[DEFAULT_INPUT] if inputs is None else x, y, w)

    def batches(self, rows: int = 8192, inputs: Mapping[str, Sequence[str]] | None = None) -> Iterator[SplitArrays]:
        """The same rows in batches of `rows` (the last is smaller); memory is one block and one batch.

        Raises:
            ModelError: as `arrays`, or `rows` below one.
        """
        import pyarrow as pa

        if rows < 1:
            raise ModelError(f"a batch of {rows} rows", hint="give at least one.")
        specs = model_inputs(self.features, inputs)
        held: pa.Table | None = None
        for batch in self._labelled(self._columns):
            block = pa.Table.from_batches([batch])
            table = block if held is None else pa.concat_tables([held, block])
            whole = table.num_rows - table.num_rows % rows
            for start in range(0, whole, rows):
                yield self._batch(table.slice(start, rows), specs, inputs is None)
            held = table.slice(whole)
        if held is not None and held.num_rows:
            yield self._batch(held, specs, inputs is None)

    def _batch(self, table: pa.Table, specs: Sequence[ModelInput], single: bool) -> SplitArrays:
        part = self._part(table.combine_chunks(), specs)
        return SplitArrays(part.x[DEFAULT_INPUT] if single else part.x, part.y, part.w)

    def _part(self, batch: pa.RecordBatch | pa.Table, specs: Sequence[ModelInput]) -> SplitArrays:
        x = input_arrays(batch, specs)
        y = np.asarray(column_values(batch.column(self.label.name), self.label, Y_TYPES[self.label.dtype]))
        w = None
        if self.weight:
            w = np.asarray(column_values(batch.column(self.weight.name), self.weight, "float32"), np.float32)
        return SplitArrays(x, y, w)
