"""Batches of rows for any framework: shuffled in bounded memory, shared by ranks, resumed where they stopped."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import cached_property
from typing import TYPE_CHECKING, Any

from trueline._core.errors import ConfigError, did_you_mean
from trueline._core.values import HIDDEN_PREFIX
from trueline.engine.base import Dataset
from trueline.training.batch_forms import FORMS, Form
from trueline.training.batch_plan import BatchPlan, Order, Window, plan_batches
from trueline.training.batch_rows import Rows, WindowRows, dense_columns, joined, read_window

if TYPE_CHECKING:
    from trueline.training.batching_torch import TorchBatches, TorchLoader

__all__ = ["STATE_FORMAT", "Batches", "batches"]

STATE_FORMAT = 1


def batches(
    data: str | Dataset,
    batch_size: int,
    *,
    split: str | None = None,
    columns: Sequence[str] | None = None,
    as_: Form = "numpy",
    masks: bool = False,
    shuffle: bool = True,
    seed: int = 0,
    epoch: int = 0,
    rank: int = 0,
    world_size: int = 1,
    even: bool = False,
    drop_last: bool = False,
    window: int = 4,
) -> Batches:
    """Batches of a split of Examples, or of a dataset.

    Each run through it (``for batch in ...``) is one epoch. A batch is a dict of arrays by column: ``[N]``,
    ``[N, size]``, or lists padded to ``[N, K]`` with int64 ``<name>:length``; of text an array of str.

    Args:
        data: the folder of Examples (such as Transform's output), or a dataset.
        batch_size: rows of a batch; the last one may have fewer.
        split: which split of the Examples; needed where there are several.
        columns: names in the order wanted; all but hidden ones by default.
        as_: ``numpy``, ``torch`` (tensors over numpy's memory; float64 becomes float32), ``jax``, ``arrow`` (tables).
        masks: give bool ``<name>:present`` beside every column. Without, a missing float is NaN and anything else
            missing is an error.
        shuffle: random order, the same for the same seed and epoch wherever it runs; without, the order of writing.
        seed: of the order.
        epoch: the first epoch.
        rank: which of `world_size` processes this is; over all ranks every row comes exactly once.
        world_size: how many processes share the rows.
        even: leave out up to ``world_size - 1`` rows, so that all ranks have as many batches.
        drop_last: leave out a last batch that is not full.
        window: how many blocks (row groups, by default 65,536 rows each) lie in memory and are shuffled together.

    Raises:
        ConfigError: numbers or columns that cannot be, all at once.
        ArtifactError: no such Examples or split.
    """
    order = Order(batch_size, shuffle, seed, rank, world_size, even, drop_last, window)
    return Batches(_dataset(data, split), order, columns=columns, as_=as_, masks=masks, epoch=epoch)


def _dataset(data: str | Dataset, split: str | None) -> Dataset:
    from trueline.data.examples import Examples

    if isinstance(data, Dataset):
        if split is not None:
            raise ConfigError(f"a dataset has no split {split!r}", hint="give the folder of Examples, or no split.")
        return data
    if not isinstance(data, str | os.PathLike) or str(data).endswith(".parquet"):
        made = f"from_parquet({str(data)!r})" if isinstance(data, str | os.PathLike) else "from_table(an Arrow table)"
        raise ConfigError(
            f"batches are made of Examples or of a dataset, not of {_named(data)}",
            hint=f"trueline.Dataset.{made} is a dataset.",
        )
    examples = Examples.open(os.fspath(data))
    if split is None and len(examples.splits) != 1:
        raise ConfigError(f"the Examples have several splits: {', '.join(examples.splits)}", hint="name one: split=...")
    return examples.dataset(split if split is not None else examples.splits[0])


class Batches:
    """An iterable of batches; `batches` makes one.

    Args:
        dataset: blocks to read.
        order: how rows are dealt out.
        columns: names in the order wanted.
        as_: the form of a batch.
        masks: see `batches`.
        epoch: the first epoch.
        present: a column whose missing values leave out their rows.
        convert: what makes a batch of an Arrow table, instead of `as_`.
    """

    def __init__(
        self,
        dataset: Dataset,
        order: Order,
        *,
        columns: Sequence[str] | None = None,
        as_: Form = "numpy",
        masks: bool = False,
        epoch: int = 0,
        present: str | None = None,
        convert: Callable[[Any], Any] | None = None,
    ) -> None:
        known = dataset.columns
        self.columns = tuple(columns if columns is not None else (c for c in known if not c.startswith(HIDDEN_PREFIX)))
        wanted = [*self.columns, *([present] if present else [])]
        problems = order.problems() + [f"no column {c!r}. {did_you_mean(c, known)}" for c in wanted if c not in known]
        if as_ not in FORMS:
            problems.append(f"as_={as_!r}. {did_you_mean(str(as_), FORMS)}")
        if epoch < 0:
            problems.append(f"epoch={epoch}: epochs begin with 0")
        if problems:
            raise ConfigError("these batches cannot be made", problems=problems)
        self.dataset = dataset
        self.order = order
        self.as_ = as_
        self.masks = masks
        self.epoch = epoch
        self.present = present
        self._convert = convert
        self._done = 0
        self._resume = 0

    @cached_property
    def _rows(self) -> tuple[int, ...]:
        """Per block, how many rows take part."""
        if self.present is None:
            return tuple(block.rows for block in self.dataset.blocks)
        counts = (block.rows - block.read([self.present]).column(0).null_count for block in self.dataset.blocks)
        return tuple(counts)

    def plan(self, epoch: int | None = None) -> BatchPlan:
        """The rows of every batch of an epoch, the next one by default."""
        return plan_batches(self.dataset.blocks, self._rows, self.order, self.epoch if epoch is None else epoch)

    def __len__(self) -> int:
        """Batches of an epoch, of this rank."""
        return self.plan().batches

    @property
    def num_rows(self) -> int:
        """Rows of an epoch, of this rank."""
        return self.plan().rows

    def __iter__(self) -> Iterator[Any]:
        """One epoch, or what is left of it after `load_state`; then it is the next epoch's turn."""
        return self.counted(lambda first: (batch for _, batch in self.numbered(first)))

    def counted(self, batches_from: Callable[[int], Iterator[Any]]) -> Iterator[Any]:
        """Hands out what ``batches_from(first)`` gives and keeps count for `state`."""
        first, self._resume = self._resume, 0
        epoch, self._done = self.epoch, first
        for batch in batches_from(first):
            self._done += 1
            yield batch
        self.epoch, self._done = epoch + 1, 0

    def numbered(self, first: int = 0, step: int = 1) -> Iterator[tuple[int, Any]]:
        """Every `step`-th batch of the epoch from `first` on, with its number; `state` takes no notice."""
        plan = self.plan()
        held: WindowRows | None = None
        held_number = -1
        for number in range(first, plan.batches, step):
            start, stop = plan.span(number)
            parts: list[Rows] = []
            for window in plan.windows_of(start, stop):
                if held is None or held_number != window.number:
                    held = None  # before the next window is read: one lies in memory at a time
                    held, held_number = self._read(plan, window), window.number
                parts.append(held.take(max(start - window.start, 0), min(stop, window.stop) - window.start))
            yield number, self._batch(joined(parts))

    def _read(self, plan: BatchPlan, window: Window) -> WindowRows:
        table = read_window(window, self.columns, self.present)
        arrays = self._convert is None and self.as_ != "arrow"
        return WindowRows(table, plan.permutation(window), dense_columns(table.schema) if arrays else (), self.masks)

    def _batch(self, rows: Rows) -> Any:
        if self._convert is not None:
            return self._convert(rows.table)
        return FORMS[self.as_](rows, self.columns, self.masks)

    def state(self) -> dict[str, Any]:
        """Where the run stands, as JSON: every batch that was handed out counts as done.

        Ask after the step that used the batch; a process that begins with `load_state` gives exactly the others.
        """
        return {
            "format": STATE_FORMAT,
            "epoch": self.epoch,
            "batch": self._done,
            "order": asdict(self.order),
            "blocks": self._blocks_hash,
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """The next ``for`` goes on where `state` was taken.

        Raises:
            ConfigError: a state of other data, of another order, or damaged: saying what differs.
        """
        try:
            found, epoch, batch = dict(state["order"]), int(state["epoch"]), int(state["batch"])
            known, blocks = state["format"] == STATE_FORMAT, state["blocks"]
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigError(f"this is no state of batches: {error!r}") from error
        mine = asdict(self.order)
        problems = [] if known else [f"its format is {state['format']!r}, this release reads {STATE_FORMAT}"]
        problems += [f"{k}: {found.get(k)!r} then, {mine[k]!r} now" for k in mine if found.get(k) != mine[k]]
        if blocks != self._blocks_hash:
            problems.append("the data: other blocks or rows")
        elif not problems and not (epoch >= 0 and 0 <= batch <= self.plan(epoch).batches):
            problems.append(f"batch {batch} of epoch {epoch}: there is none")
        if problems:
            raise ConfigError(
                "the state does not fit these batches",
                problems=problems,
                hint="go on with the settings and the data of the run that stopped, or begin anew.",
            )
        self.epoch, self._done, self._resume = epoch, batch, batch

    @cached_property
    def _blocks_hash(self) -> str:
        numbers = [(b.number, b.row_group, rows) for b, rows in zip(self.dataset.blocks, self._rows, strict=True)]
        return hashlib.sha256(json.dumps(numbers).encode()).hexdigest()

    def loader(self, workers: int, *, prefetch: int = 2, pin_memory: bool = False) -> TorchLoader:
        """The same batches in the same order, made by the worker processes of a torch DataLoader.

        They are started by spawn: what a script does at its top level must stand under ``if __name__ == "__main__":``.

        Args:
            workers: how many processes; each reads all of the rank's windows and makes its share of the batches.
            prefetch: batches that each worker keeps ready.
            pin_memory: give tensors in page-locked memory, from which copies to a GPU are faster.
        """
        from trueline.training.batching_torch import TorchLoader

        return TorchLoader(self, workers, prefetch, pin_memory)

    def torch_dataset(self) -> TorchBatches:
        """As a torch IterableDataset, for a DataLoader of your own with ``batch_size=None``.

        Its epoch is set by ``dataset.batches.epoch = ...`` before the DataLoader is run through: workers cannot tell.
        """
        from trueline.training.batching_torch import TorchBatches

        return TorchBatches(self)


def _named(data: object) -> str:
    return f"the file {str(data)!r}" if isinstance(data, str | os.PathLike) else f"a {type(data).__name__}"
