"""`SplitData`: one split of transformed Examples as arrays, a table or batches, always in the same order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from trueline._core.errors import ModelError, did_you_mean
from trueline._core.rowid import ROW_COLUMN
from trueline._core.values import RawFeature
from trueline.engine.base import Dataset
from trueline.models.inputs import DEFAULT_INPUT, ModelInput, column_values, input_arrays, model_inputs
from trueline.training.batch_forms import Form, in_form
from trueline.training.batch_plan import Order
from trueline.training.batching import Batches

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

    def batches(
        self,
        rows: int = 8192,
        inputs: Mapping[str, Sequence[str]] | None = None,
        *,
        as_: Form = "numpy",
        shuffle: bool = False,
        seed: int = 0,
        epoch: int = 0,
        rank: int = 0,
        world_size: int = 1,
        even: bool = False,
        drop_last: bool = False,
        window: int = 4,
    ) -> Batches:
        """The same rows as (x, y, w) of `rows` rows each (the last is smaller), in bounded memory.

        Each ``for`` is one epoch; ``state()`` and ``load_state()`` resume it, ``loader(workers=2)`` makes the batches
        in processes of their own.

        Args:
            rows: rows of a batch.
            inputs: as in `arrays`.
            as_: ``numpy``, ``torch`` or ``jax`` for x, y and w; ``arrow`` for tables of features, label and weight.
            shuffle: random order, another one in each epoch; without, block order.
            seed: of the order; ``fn_args.seed`` is the run's.
            epoch: the first epoch.
            rank: which of `world_size` processes this is; over all ranks every row comes exactly once.
            world_size: how many processes share the rows.
            even: leave out up to ``world_size - 1`` rows, so that all ranks have as many batches.
            drop_last: leave out a last batch that is not full.
            window: how many blocks lie in memory and are shuffled together; one where nothing is shuffled.

        Raises:
            ModelError: as `arrays`, or `rows` below one.
            ConfigError: numbers that cannot be.
        """
        if rows < 1:
            raise ModelError(f"a batch of {rows} rows", hint="give at least one.")
        order = Order(rows, shuffle, seed, rank, world_size, even, drop_last, window)
        convert = partial(self._batch, specs=model_inputs(self.features, inputs), single=inputs is None, as_=as_)
        return Batches(
            self.dataset,
            order,
            columns=self._columns,
            as_=as_,
            epoch=epoch,
            present=self.label.name,
            convert=None if as_ == "arrow" else convert,
        )

    def _batch(self, table: pa.Table, specs: Sequence[ModelInput], single: bool, as_: Form) -> SplitArrays:
        part = self._part(table.combine_chunks(), specs)
        y = {self.label.name: part.y} if part.w is None else {self.label.name: part.y, "w": part.w}
        x, rest = (part.x, y) if as_ == "numpy" else (in_form(part.x, as_), in_form(y, as_))
        return SplitArrays(x[DEFAULT_INPUT] if single else x, rest[self.label.name], rest.get("w"))

    def _part(self, batch: pa.RecordBatch | pa.Table, specs: Sequence[ModelInput]) -> SplitArrays:
        x = input_arrays(batch, specs)
        y = np.asarray(column_values(batch.column(self.label.name), self.label, Y_TYPES[self.label.dtype]))
        w = None
        if self.weight:
            w = np.asarray(column_values(batch.column(self.weight.name), self.weight, "float32"), np.float32)
        return SplitArrays(x, y, w)
