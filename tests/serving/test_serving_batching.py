"""The batcher: requests put together give each its own answer and its own error; the queue is bounded."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trueline._core.errors import ModelError
from trueline._core.feed_blocks import merge_packed
from trueline._core.feeds import Feeds
from trueline._core.values import RawFeature
from trueline.serving.batching import Arrays, Batcher, split
from trueline.serving.errors import RequestError


def double(arrays: Arrays) -> Arrays:
    """Twice x; a row of -13 makes the whole run fail."""
    if (arrays["x"] == -13).any():
        raise ModelError("-13 is not wanted")
    return {"y": arrays["x"] * 2}


def merge(parts: Sequence[Arrays]) -> Arrays:
    return {"x": np.concatenate([p["x"] for p in parts])}


def batcher(run: Callable[[Arrays], Arrays], **keywords: Any) -> tuple[Batcher[Arrays], list[int], ThreadPoolExecutor]:
    runs: list[int] = []
    executor = ThreadPoolExecutor(1)
    options = {"inline": True, "inline_rows": 8, "max_batch_rows": 8, "max_queue_rows": 100} | keywords

    def observe(data: Sequence[Arrays], rows: int, waited: float, ran: float) -> None:
        assert sum(len(part["x"]) for part in data) == rows
        assert waited >= 0
        assert ran >= 0
        runs.append(rows)

    return Batcher(run, executor, merge=merge, observe=observe, **options), runs, executor


def x(*values: float) -> Arrays:
    return {"x": np.array(values)}


@pytest.mark.parametrize("inline", [True, False])
def test_requests_of_one_tick_run_together_up_to_the_limit(inline: bool) -> None:
    async def main() -> None:
        unit, runs, executor = batcher(double, inline=inline)
        answers = await asyncio.gather(*(unit.submit(x(i, i + 0.5), 2) for i in range(10)))
        assert [a["y"].tolist() for a in answers] == [[2 * i, 2 * i + 1] for i in range(10)]
        assert runs == [8, 8, 4]
        assert unit.queued_rows == 0
        executor.shutdown()

    asyncio.run(main())


@pytest.mark.parametrize("inline", [True, False])
def test_an_error_is_its_own_requests_alone(inline: bool) -> None:
    async def main() -> None:
        unit, _, executor = batcher(double, inline=inline)
        futures = [unit.submit(x(i), 1) for i in (1, -13, 3)]
        first, second, third = await asyncio.gather(*futures, return_exceptions=True)
        assert first["y"].tolist() == [2]  # type: ignore[index]
        assert third["y"].tolist() == [6]  # type: ignore[index]
        assert isinstance(second, RequestError)
        assert (second.status, "-13 is not wanted" in str(second)) == (500, True)
        executor.shutdown()

    asyncio.run(main())


def test_while_the_model_is_busy_requests_collect_and_beyond_the_bound_they_are_refused() -> None:
    gate = threading.Event()

    def slow(arrays: Arrays) -> Arrays:
        gate.wait(10)
        return double(arrays)

    async def main() -> None:
        unit, runs, executor = batcher(slow, inline=False, max_batch_rows=50, max_queue_rows=20)
        first = unit.submit(x(0), 1)
        await asyncio.sleep(0.02)
        waiting = [unit.submit(x(i), 1) for i in range(20)]
        with pytest.raises(RequestError) as caught:
            unit.submit(x(99), 1)
        assert caught.value.status == 503
        assert "20 rows wait" in str(caught.value)
        gate.set()
        answers = await asyncio.gather(first, *waiting)
        assert [a["y"][0] for a in answers] == [0, *(2 * i for i in range(20))]
        assert runs == [1, 20]
        executor.shutdown()

    asyncio.run(main())


def test_a_request_larger_than_a_batch_runs_alone_in_the_thread() -> None:
    threads: list[str] = []

    def where(arrays: Arrays) -> Arrays:
        threads.append(threading.current_thread().name)
        return double(arrays)

    async def main() -> None:
        unit, runs, executor = batcher(where)
        large = unit.submit(x(*range(30)), 30)
        small = unit.submit(x(1), 1)
        assert (await large)["y"].tolist() == [2.0 * i for i in range(30)]
        assert (await small)["y"].tolist() == [2]
        assert runs == [30, 1]
        assert threads[0] != threading.main_thread().name
        assert threads[1] == threading.main_thread().name
        executor.shutdown()

    asyncio.run(main())


def test_a_cancelled_request_does_not_disturb_the_others() -> None:
    async def main() -> None:
        unit, _, executor = batcher(double, inline=False)
        futures = [unit.submit(x(i), 1) for i in range(3)]
        futures[1].cancel()
        assert (await futures[0])["y"].tolist() == [0]
        assert (await futures[2])["y"].tolist() == [4]
        executor.shutdown()

    asyncio.run(main())


def test_after_the_executor_was_stopped_requests_end_with_503_and_never_hang() -> None:
    async def main() -> None:
        unit, _, executor = batcher(double, inline=False)
        executor.shutdown()
        with pytest.raises(RequestError) as caught:
            await asyncio.wait_for(unit.submit(x(1), 1), 5)
        assert caught.value.status == 503

    asyncio.run(main())


TAGS = Feeds(
    [RawFeature("a", "int64", optional=False), RawFeature("b", "float64"), RawFeature("tags", "utf8", "ragged")]
)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(st.tuples(st.none() | st.floats(), st.integers(0, 5)), min_size=1, max_size=4), min_size=1))
def test_merged_requests_feed_as_their_rows_together_and_split_takes_them_apart(
    requests: list[list[tuple[float | None, int]]],
) -> None:
    parts = [
        [{"a": n, "b": b, "tags": [f"v{n}"] * width} for b, width in request] for n, request in enumerate(requests)
    ]
    merged = TAGS.unpack(merge_packed([TAGS.pack_rows(part) for part in parts]))
    whole = TAGS.from_rows([row for part in parts for row in part])
    assert merged.keys() == whole.keys()
    for name, array in whole.items():
        assert merged[name].dtype == array.dtype
        np.testing.assert_array_equal(merged[name], array)
    for part, back in zip(parts, split(merged, [len(p) for p in parts]), strict=True):
        assert back["a"].tolist() == [row["a"] for row in part]
