"""Accumulators over batches as they come: the engine's bits, a bounded number held, errors passed on, all closed."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trueline._core.errors import DataError, EngineError
from trueline.engine import AccumulatorSpec, Dataset, LocalEngine, pack_state, reblock, run_stream, unpack_state


class Sums:
    """A sum of floats, whose bits tell the order of merging; it fails on 13 where asked."""

    lock = threading.Lock()

    def __init__(self, unlucky: bool = False) -> None:
        self.total, self.unlucky = 0.0, unlucky

    def update(self, batch: pa.RecordBatch) -> None:
        values = batch.column("x").to_numpy()
        if self.unlucky and 13 in values:
            raise ValueError("13")
        self.total += float(values.sum())

    def merge(self, other: Sums) -> None:
        self.total = (self.total + other.total) * (1 + 2**-52)  # not associative: the tree shows

    def state(self) -> bytes:
        return pack_state("sums", 1, {}, {"total": np.array([self.total])})

    @classmethod
    def load(cls, state: bytes, unlucky: bool = False) -> Sums:
        sums = cls(unlucky)
        sums.total = float(unpack_state(state, "sums", 1)[2]["total"][0])
        return sums

    def finish(self) -> float:
        return self.total


SUMS = AccumulatorSpec(f"{__name__}:Sums")
UNLUCKY = AccumulatorSpec(f"{__name__}:Sums", {"unlucky": True})


def table(rows: int) -> pa.Table:
    return pa.table({"x": np.random.default_rng(1).normal(size=rows)})


@pytest.mark.parametrize("rows", [0, 1, 10, 11, 95, 160])
@pytest.mark.parametrize("workers", [1, 3])
def test_the_same_bits_as_an_engine_over_the_same_blocks(rows: int, workers: int) -> None:
    data = table(rows)
    expected = LocalEngine(1).run(SUMS, Dataset.from_table(data, 10))
    for pieces in (10, 7, 1000):
        got = run_stream(SUMS, reblock(data.to_batches(max_chunksize=pieces), 10), workers)
        assert got == expected
        assert np.float64(got).tobytes() == np.float64(expected).tobytes()


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 9), max_size=12), st.integers(1, 11))
def test_reblock_keeps_rows_and_order(sizes: list[int], rows: int) -> None:
    """Every batch but the last has exactly `rows` rows, none is empty; dictionaries are joined."""
    numbers = iter(range(1000))
    batches = []
    for size in sizes:
        values = [next(numbers) for _ in range(size)]
        words = pa.array([str(v % 3) for v in values]).dictionary_encode()
        batches.append(pa.record_batch({"x": pa.array(values, pa.int64()), "w": words}))
    cut = list(reblock(batches, rows))
    total = sum(sizes)
    assert [b.num_rows for b in cut] == [rows] * (total // rows) + ([total % rows] if total % rows else [])
    assert [x for b in cut for x in b.column("x").to_pylist()] == list(range(total))
    assert [w for b in cut for w in b.column("w").to_pylist()] == [str(x % 3) for x in range(total)]
    assert all(len(set(b.column("w").dictionary.to_pylist())) == len(b.column("w").dictionary) for b in cut)


def test_batches_without_columns_keep_their_rows() -> None:
    batch = pa.RecordBatch.from_struct_array(pa.array([{}] * 7, pa.struct([])))
    assert [b.num_rows for b in reblock([batch, batch], 5)] == [5, 5, 4]


def test_what_cannot_be() -> None:
    with pytest.raises(EngineError, match="0 rows"):
        list(reblock([], 0))
    with pytest.raises(EngineError, match="0 workers"):
        run_stream(SUMS, [], 0)


class Counted(Sums):
    """Knows how many batches have been taken in."""

    done = 0

    def update(self, batch: pa.RecordBatch) -> None:
        super().update(batch)
        with Sums.lock:
            Counted.done += 1


@pytest.mark.parametrize("workers", [1, 4])
def test_no_more_than_twice_the_workers_are_held(workers: int) -> None:
    """The source is never further ahead than that, so the batches held are bounded."""
    Counted.done, ahead = 0, 0
    batch = table(5).to_batches()[0]

    def batches() -> Iterator[pa.RecordBatch]:
        nonlocal ahead
        for number in range(500):
            ahead = max(ahead, number - Counted.done)
            yield batch

    run_stream(AccumulatorSpec(f"{__name__}:Counted"), batches(), workers)
    assert Counted.done == 500
    assert ahead <= 2 * workers


@pytest.mark.parametrize("workers", [1, 3])
def test_errors_come_out_and_the_source_is_closed(workers: int) -> None:
    closed = []

    def batches(error: Exception | None) -> Iterator[pa.RecordBatch]:
        try:
            for number in range(50):
                if error is not None and number == 20:
                    raise error
                yield pa.record_batch({"x": np.array([float(number)])})
        finally:
            closed.append(True)

    with pytest.raises(EngineError, match=r"batch 13 of 1 rows.*ValueError"):
        run_stream(UNLUCKY, batches(None), workers)
    with pytest.raises(DataError, match="torn"):
        run_stream(SUMS, batches(DataError("torn", where="file 3")), workers)
    assert closed == [True, True]
    with pytest.raises(EngineError, match="no JSON value"):
        run_stream(AccumulatorSpec(f"{__name__}:Sums", {"unlucky": object()}), [], workers)
