"""Batches for torch's DataLoader; this file alone imports torch.

With any number of workers the batches and their order are those of the plain iterable: worker w of W makes the batches
w, w + W, w + 2W ..., which the DataLoader hands out in turn.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from torch import Generator
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

if TYPE_CHECKING:
    from trueline.training.batching import Batches

__all__ = ["EpochLoader", "TorchBatches", "TorchLoader"]


class TorchBatches(IterableDataset[Any]):
    """One epoch's batches, or a worker's share of them.

    Attributes:
        batches: what is iterated over; its ``epoch`` is that of the next run.
        first: the number of the first batch.
    """

    def __init__(self, batches: Batches, first: int = 0) -> None:
        self.batches = batches
        self.first = first

    def __iter__(self) -> Iterator[Any]:
        worker = get_worker_info()
        number, step = (worker.id, worker.num_workers) if worker is not None else (0, 1)
        for _, batch in self.batches.numbered(self.first + number, step):
            yield batch

    def __len__(self) -> int:
        return len(self.batches) - self.first


class TorchLoader:
    """Runs through `batches` by worker processes; each ``for`` is one epoch, and ``batches.state()`` holds."""

    def __init__(self, batches: Batches, workers: int, prefetch: int, pin_memory: bool) -> None:
        self.batches = batches
        self.workers = workers
        self.prefetch = prefetch
        self.pin_memory = pin_memory

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[Any]:
        return self.batches.counted(self._from)

    def _from(self, first: int) -> Iterator[Any]:
        more: dict[str, Any] = {"generator": Generator()}
        if self.workers:
            # never fork: threads of pyarrow and of the program do not survive it
            more |= {"multiprocessing_context": "spawn", "prefetch_factor": self.prefetch}
        data = TorchBatches(self.batches, first)
        loader = DataLoader(data, batch_size=None, num_workers=self.workers, pin_memory=self.pin_memory, **more)
        return iter(loader)


class EpochLoader(DataLoader[Any]):
    """A torch DataLoader over `batches`: each ``for`` is one epoch, and ``state()`` resumes it.

    Args:
        batches: what is iterated over.
        workers: processes that make the batches; 0: they are made where the loop runs.
        prefetch: batches that each worker keeps ready.
        pin_memory: tensors in page-locked memory.
    """

    def __init__(self, batches: Batches, workers: int = 0, *, prefetch: int = 2, pin_memory: bool = False) -> None:
        # A DataLoader draws a number for each epoch: not from the generator whose state a checkpoint holds.
        more: dict[str, Any] = {"generator": Generator()}
        if workers:
            more |= {"multiprocessing_context": "spawn", "prefetch_factor": prefetch}
        super().__init__(TorchBatches(batches), batch_size=None, num_workers=workers, pin_memory=pin_memory, **more)
        self.batches = batches

    def __iter__(self) -> Any:
        return self.batches.counted(self._from)

    def _from(self, first: int) -> Iterator[Any]:
        self.dataset.first = first  # type: ignore[attr-defined]  # torch types it as any Dataset
        return super().__iter__()

    def __len__(self) -> int:
        return len(self.batches)

    def state(self) -> dict[str, Any]:
        """As `Batches.state`: every batch that was handed out counts as done."""
        return self.batches.state()

    def load_state(self, state: Mapping[str, Any]) -> None:
        """As `Batches.load_state`: the next ``for`` goes on there."""
        self.batches.load_state(state)
