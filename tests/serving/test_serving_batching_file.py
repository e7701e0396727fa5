"""TensorFlow Serving's batching file, allowed sizes, split requests and the timer."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from serving_helpers import running, taxi_graph, write_model

from trueline._core.errors import ConfigError
from trueline._core.feeds import Feeds
from trueline._core.values import RawFeature
from trueline.serving.batching import Arrays
from trueline.serving.batching_file import read_batching_file, read_batching_text
from trueline.serving.batching_timer import PatientBatcher
from trueline.serving.config import BatchSettings
from trueline.serving.sized import sized_run


def test_the_file_of_tensorflow_serving_is_understood(tmp_path: Path) -> None:
    text = """
    max_batch_size { value: 128 }
    batch_timeout_micros { value: 2000 }
    max_enqueued_batches { value: 100 }
    num_batch_threads { value: 8 }  # not ours
    allowed_batch_sizes: 32
    allowed_batch_sizes: 128
    pad_variable_length_inputs: true
    """
    (tmp_path / "b.pbtxt").write_text(text)
    read, notes = read_batching_file(str(tmp_path / "b.pbtxt"))
    assert read == BatchSettings(128, 12_800, 2000, (32, 128))
    assert notes == ["num_batch_threads 8 is ignored: each version runs one batch at a time"]
    assert read_batching_text("") == (BatchSettings(1000, 10_000), [])
    split = "enable_large_batch_splitting { value: true } max_execution_batch_size { value: 50 }"
    assert read_batching_text(split)[0] == BatchSettings(50, 10_000, split_large=True)


def test_all_problems_of_a_batching_file_are_told_with_their_places(tmp_path: Path) -> None:
    text = """max_batch_size { value: 64 }
batch_timeout_micros { value: -1 }
allowed_batch_sizes: [16, 32]
max_execution_batch_size { value: 8 }
max_enqueued_batches { value: 0 }"""
    with pytest.raises(ConfigError) as caught:
        read_batching_text(text)
    assert sorted(caught.value.problems) == [
        "line 2, column 22: batch_timeout_micros: expected 0 or more, got -1",
        "line 3, column 23: allowed_batch_sizes: expected the last to equal the largest run, 64, got 32",
        "line 4, column 26: max_execution_batch_size: goes with enable_large_batch_splitting alone",
        "line 5, column 22: max_enqueued_batches: expected 1 or more, got 0",
    ]
    for text, why in (
        ("allowed_batch_sizes: 4 allowed_batch_sizes: 4", "growing numbers"),
        ("max_batch_sice { value: 1 }", "Did you mean 'max_batch_size'"),
        ("max_batch_size: 3", "takes a message in {}"),
    ):
        with pytest.raises(ConfigError, match=why):
            read_batching_text(text)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_batching_file(str(tmp_path / "none"))


FEATURES = [RawFeature("x", "float64"), RawFeature("s", "utf8"), RawFeature("r", "int64", "ragged")]


ROW = st.tuples(st.none() | st.floats(-9, 9), st.none() | st.text(max_size=2), st.integers(0, 3))


@settings(max_examples=60, deadline=None)
@given(values=st.lists(ROW, min_size=1, max_size=20), sizes=st.sets(st.integers(1, 9), max_size=3), split=st.booleans())
def test_runs_have_allowed_sizes_and_rows_their_own_answers(values: list[Any], sizes: set[int], split: bool) -> None:
    feeds = Feeds(FEATURES)
    rows = [{"x": x, "s": s, "r": list(range(r))} for x, s, r in values]
    packed, runs = feeds.pack_rows(rows), []

    def run(given: Any) -> Arrays:
        runs.append(given.rows)
        arrays = feeds.unpack(given)
        assert all(len(a) == given.rows for a in arrays.values())
        return {name: array.copy() for name, array in arrays.items()}

    allowed = tuple(sorted(sizes))
    largest = allowed[-1] if allowed else 7
    sized = sized_run(run, BatchSettings(largest, 100, 0, allowed, split))
    got, expected = sized(packed), feeds.unpack(packed)
    assert {n: a.tolist() for n, a in got.items()} == {n: a.tolist() for n, a in expected.items()}
    if allowed:
        assert set(runs) <= set(allowed)
    elif split:
        assert max(runs) <= largest
    else:
        assert runs == [len(rows)]


def timed(timeout: float, **keywords: Any) -> tuple[PatientBatcher[Arrays], list[int]]:
    runs: list[int] = []
    settings = {"inline": True, "inline_rows": 100, "max_batch_rows": 4, "max_queue_rows": 8} | keywords
    batcher: PatientBatcher[Arrays] = PatientBatcher(
        lambda arrays: {"y": arrays["x"] * 2},
        ThreadPoolExecutor(1),
        merge=lambda parts: {"x": np.concatenate([p["x"] for p in parts])},
        timeout=timeout,
        observe=lambda data, rows, waited, ran: runs.append(rows),
        **settings,
    )
    return batcher, runs


@pytest.mark.parametrize("inline", [True, False])
def test_an_idle_model_waits_for_a_full_batch_and_no_longer_than_is_said(inline: bool) -> None:
    async def main() -> None:
        batcher, runs = timed(0.2, inline=inline)
        start = time.perf_counter()
        alone = asyncio.ensure_future(batcher.submit({"x": np.array([1.0])}, 1))
        await asyncio.sleep(0.02)
        assert runs == []
        assert (await alone)["y"].tolist() == [2.0]
        assert 0.15 < time.perf_counter() - start < 2
        start = time.perf_counter()
        futures = [batcher.submit({"x": np.array([float(i)])}, 1) for i in range(4)]
        assert [(await f)["y"].tolist() for f in futures] == [[0.0], [2.0], [4.0], [6.0]]
        assert time.perf_counter() - start < 0.15
        assert runs == [1, 4]

    asyncio.run(main())


def test_the_batching_file_of_a_model_counts_where_it_is_allowed(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "base" / "1", taxi_graph(), manifest=False)
    (folder / "batching_params.pbtxt").write_text("max_batch_size { value: 3 } allowed_batch_sizes: 3")
    from trueline._core.manifest import write_manifest

    write_manifest(str(folder), "Model", 1)

    async def main() -> None:
        for allowed in (True, False):
            async with running({"taxi": tmp_path / "base"}, enable_per_model_batching_parameters=allowed) as (
                app,
                client,
            ):
                live = app.manager.table["taxi"].default.live
                assert live.batcher._max_batch_rows == (3 if allowed else 512)
                answer = await client.post("/v1/models/taxi:predict", json={"instances": [{}] * 7})
                assert len(answer.json()["predictions"]) == 7

    asyncio.run(main())
