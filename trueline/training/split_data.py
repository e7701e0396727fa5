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
from trueline.training.forms import to_pandas, to_polars

if TYPE_CHECKING:
    import pyarrow as pa

    from trueline.training.batching_torch import EpochLoader

__all__ = ["SplitArrays", "SplitData"]

Y_TYPES = {"utf8": "object", "bool": "bool", "int64": "int64", "float32": "float32", "float64": "float32"}


class SplitArrays(NamedTuple):
    """What `SplitData.arrays` gives.

    Attributes:
        x: float32 ``[N, F]``, or a dict of arrays by input name.
        y: ``[N]`` in the label's type: bool, int64, float32, or str objects; None where there is no label.
        w: float32 ``[N]``, or None where no weight is declared.
    """

    x: Any
    y: Any
    w: npt.NDArray[np.float32] | None


@dataclass(frozen=True)
class SplitData:
    """Rows whose label is there, in block order.

    Attributes:
        dataset: transformed Examples of the split.
        features: the features in order.
        label: the label's output; None for a model that learns without one.
        weight: the weight's output, or None.
        seed: of the order of shuffled batches, unless a call says another.
        rank, world_size: which process of how many reads here, unless a call says otherwise.
    """

    dataset: Dataset
    features: tuple[RawFeature, ...]
    label: RawFeature | None
    weight: RawFeature | None = None
    seed: int = 0
    rank: int = 0
    world_size: int = 1

    def __post_init__(self) -> None:
        known = set(self.dataset.columns)
        problems = [f"no column {n!r}. {did_you_mean(n, known)}" for n in self._columns if n not in known]
        if problems:
            raise ModelError("the transformed Examples lack columns that training needs", problems=problems)
        if self.label is not None and (self.label.kind != "scalar" or self.label.dtype not in Y_TYPES):
            raise ModelError(f"label {self.label.name!r} is {self.label.dtype} ({self.label.kind})")

    @property
    def _columns(self) -> list[str]:
        beside = [f.name for f in (self.label, self.weight) if f is not None]
        return [*(f.name for f in self.features), *beside]

    @cached_property
    def missing_labels(self) -> int:
        """How many rows are left out because their label is missing."""
        if self.label is None:
            return 0
        return sum(b.column(0).null_count for b in self.dataset.batches([self.label.name]))

    @property
    def num_rows(self) -> int:
        """Rows with a label; all of them where none is declared."""
        return self.dataset.num_rows - self.missing_labels

    def _labelled(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Blocks in order, without the rows whose label is missing."""
        import pyarrow.compute as pc

        for batch in self.dataset.batches(columns):
            label = None if self.label is None else batch.column(self.label.name)
            kept = batch.filter(pc.is_valid(label)) if label is not None and label.null_count else batch
            if kept.num_rows:
                yield kept

    def table(self) -> pa.Table:
        """The rows as one Arrow table: ``__row__`` where it is there, features, label, weight."""
        import pyarrow as pa

        row = [ROW_COLUMN] if ROW_COLUMN in self.dataset.columns else []
        names = [*row, *self._columns]
        schema = pa.schema([self.dataset.arrow_schema.field(n) for n in names])
        return pa.Table.from_batches([b.select(names) for b in self._labelled(names)], schema)

    def pandas(self) -> Any:
        """`table` as a pandas DataFrame: missing numbers are NaN, missing texts None; see `forms.to_pandas`.

        Raises:
            ConfigError: pandas is not installed.
        """
        return to_pandas(self.table())

    def polars(self) -> Any:
        """`table` as a polars DataFrame, over the same memory where the types allow.

        Raises:
            ConfigError: polars is not installed.
        """
        return to_polars(self.table())

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
        y = None if self.label is None else np.empty(n, Y_TYPES[self.label.dtype])
        w = np.empty(n, np.float32) if self.weight else None
        at = 0
        for batch in self._labelled(self._columns):
            part = self._part(batch, specs)
            stop = at + batch.num_rows
            for name, values in part.x.items():
                x[name][at:stop] = values
            if y is not None:
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
        seed: int | None = None,
        epoch: int = 0,
        rank: int | None = None,
        world_size: int | None = None,
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
            seed: of the order; the run's by default.
            epoch: the first epoch.
            rank: which of `world_size` processes this is, by default the one that it is; over all ranks every row
                comes exactly once.
            world_size: how many processes share the rows; by default as many as train together.
            even: leave out up to ``world_size - 1`` rows, so that all ranks have as many batches.
            drop_last: leave out a last batch that is not full.
            window: how many blocks lie in memory and are shuffled together; one where nothing is shuffled.

        Raises:
            ModelError: as `arrays`, or `rows` below one.
            ConfigError: numbers that cannot be.
        """
        if rows < 1:
            raise ModelError(f"a batch of {rows} rows", hint="give at least one.")
        seed = self.seed if seed is None else seed
        ranks = (self.rank if rank is None else rank, self.world_size if world_size is None else world_size)
        order = Order(rows, shuffle, seed, *ranks, even, drop_last, window)
        convert = partial(self._batch, specs=model_inputs(self.features, inputs), single=inputs is None, as_=as_)
        return Batches(
            self.dataset,
            order,
            columns=self._columns,
            as_=as_,
            epoch=epoch,
            present=self.label.name if self.label is not None else None,
            convert=None if as_ == "arrow" else convert,
        )

    def torch_loader(
        self,
        batch_size: int = 1024,
        *,
        shuffle: bool = True,
        workers: int = 0,
        inputs: Mapping[str, Sequence[str]] | None = None,
        drop_last: bool = False,
        pin_memory: bool = False,
        **more: Any,
    ) -> EpochLoader:
        """A torch DataLoader of (x, y, w) tensors; each ``for`` is one epoch in an order of its own.

        Where several processes train together each gets its share, and all equally many batches.

        Args:
            batch_size: rows of a batch.
            shuffle: random order, another one in each epoch.
            workers: processes that make the batches, started by spawn; the batches are the same for any number.
            inputs: as in `arrays`: x is then a dict of tensors.
            drop_last: leave out a last batch that is not full.
            pin_memory: tensors in page-locked memory, from which copies to a GPU are faster.
            more: as in `batches`.

        Raises:
            DataError: a label of text; give it a vocabulary in preprocessing_fn.
            ModuleNotFoundError: torch is not installed.
        """
        from trueline.training.batching_torch import EpochLoader

        given = {"even": (more.get("world_size") or self.world_size) > 1} | more
        batches = self.batches(batch_size, inputs, as_="torch", shuffle=shuffle, drop_last=drop_last, **given)
        return EpochLoader(batches, workers, pin_memory=pin_memory)

    def tf_dataset(
        self,
        batch_size: int = 1024,
        *,
        shuffle: bool = True,
        inputs: Mapping[str, Sequence[str]] | None = None,
        **more: Any,
    ) -> Any:
        """A ``tf.data.Dataset`` of (x, y) or, with a weight, (x, y, w); each run through it is the next epoch.

        Args:
            batch_size: rows of a batch.
            shuffle: random order, another one in each epoch.
            inputs: as in `arrays`: x is then a dict of tensors.
            more: as in `batches`.

        Raises:
            ModuleNotFoundError: TensorFlow is not installed.
        """
        from trueline.training.forms_tensorflow import dataset_of_batches

        return dataset_of_batches(self, self.batches(batch_size, inputs, shuffle=shuffle, **more), inputs)

    def _batch(self, table: pa.Table, specs: Sequence[ModelInput], single: bool, as_: Form) -> SplitArrays:
        part = self._part(table.combine_chunks(), specs)
        name = self.label.name if self.label is not None else ""
        beside = {key: values for key, values in ((name, part.y), (":w", part.w)) if values is not None}
        x, rest = (part.x, beside) if as_ == "numpy" else (in_form(part.x, as_), in_form(beside, as_))
        return SplitArrays(x[DEFAULT_INPUT] if single else x, rest.get(name), rest.get(":w"))

    def _part(self, batch: pa.RecordBatch | pa.Table, specs: Sequence[ModelInput]) -> SplitArrays:
        x = input_arrays(batch, specs)
        y = w = None
        if self.label is not None:
            y = np.asarray(column_values(batch.column(self.label.name), self.label, Y_TYPES[self.label.dtype]))
        if self.weight:
            w = np.asarray(column_values(batch.column(self.weight.name), self.weight, "float32"), np.float32)
        return SplitArrays(x, y, w)
