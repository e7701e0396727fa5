"""Batches for any framework: every row once, one order for one seed, resumed where they stopped, in bounded memory."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trueline._core.errors import ArtifactError, ConfigError, DataError
from trueline._core.values import RawFeature
from trueline.data import ExamplesWriter
from trueline.engine.base import Dataset
from trueline.training import SplitData, batches
from trueline.training.batch_plan import random_order

ROWS = 1000


def table(rows: int = ROWS) -> pa.Table:
    rng = np.random.default_rng(0)
    return pa.table(
        {
            "n": pa.array(range(rows), pa.int64()),
            "f": pa.array(rng.normal(size=rows).astype(np.float32), mask=rng.random(rows) < 0.2),
            "v": pa.FixedSizeListArray.from_arrays(pa.array(np.arange(2.0 * rows), pa.float32()), 2),
            "flag": pa.array([i % 3 == 0 for i in range(rows)]),
            "word": pa.array([f"w{i}" for i in range(rows)]),
            "list": pa.array([list(range(i % 4)) for i in range(rows)], pa.list_(pa.int64())),
            "__row__": pa.array(range(rows), pa.int64()),
        }
    )


def dataset(rows: int = ROWS, block_rows: int = 64) -> Dataset:
    return Dataset.from_table(table(rows), block_rows)


def labelled() -> Dataset:
    """With a label that a fifth of the rows lack."""
    label = pa.array([None if i % 5 == 0 else i for i in range(ROWS)], pa.int64())
    return Dataset.from_table(table().append_column("y", label), 64)


def flat(found: Any) -> list[int]:
    return [n for batch in rows_of(found) for n in batch]


def rows_of(found: Any) -> list[list[int]]:
    return [batch["n"].tolist() for batch in found]


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(0, 300),
    block_rows=st.integers(1, 120),
    size=st.integers(1, 90),
    world=st.integers(1, 5),
    window=st.integers(1, 6),
    shuffle=st.booleans(),
    drop=st.booleans(),
    even=st.booleans(),
)
def test_over_all_ranks_every_row_comes_once(
    rows: int, block_rows: int, size: int, world: int, window: int, shuffle: bool, drop: bool, even: bool
) -> None:
    data = Dataset.from_table(pa.table({"n": pa.array(range(rows), pa.int64())}), block_rows)
    runs = [
        batches(data, size, seed=3, rank=r, world_size=world, window=window, shuffle=shuffle, drop_last=drop, even=even)
        for r in range(world)
    ]
    expected_lengths = [len(run) for run in runs]
    found = [rows_of(run) for run in runs]
    assert [len(f) for f in found] == expected_lengths
    sizes = [len(b) for f in found for b in f[:-1]]
    assert sizes == [size] * len(sizes)
    numbers = [n for f in found for b in f for n in b]
    assert len(set(numbers)) == len(numbers)
    assert set(numbers) <= set(range(rows))
    left_out = (rows % world if even else 0) + (world * (size - 1) if drop else 0)
    assert len(numbers) >= rows - left_out
    assert drop or len(numbers) == rows - (rows % world if even else 0)
    assert max(expected_lengths) - min(expected_lengths) <= (0 if even else 1)
    if not shuffle and not drop and not even:
        assert numbers == list(range(rows))


@pytest.mark.torch
def test_the_order_depends_on_seed_and_epoch_alone() -> None:
    """Another epoch is another order; the batch size, the columns and the form change none."""
    run = batches(dataset(), 90, seed=1)
    first, second = [flat(run) for _ in range(2)]
    assert run.epoch == 2
    assert sorted(first) == sorted(second) == list(range(ROWS))
    assert first != second
    assert first == flat(batches(dataset(), 7, seed=1, columns=["word", "n"]))
    assert second == flat(batches(dataset(), 90, seed=1, epoch=1, as_="torch", columns=["n"]))
    assert first != flat(batches(dataset(), 90, seed=2))
    assert flat(batches(dataset().deal(3), 90, seed=1)) == first


def test_the_order_is_published() -> None:
    """A fixed vector: neither numpy's generators nor the machine have a say in it."""
    assert random_order(10, 1, 2, 3).tolist() == [6, 8, 3, 5, 7, 1, 9, 2, 4, 0]
    assert random_order(0, 1).tolist() == []


def test_rows_are_well_mixed() -> None:
    """Neighbours do not stay together, and each place is met by rows of all parts of the data."""
    order = np.array(flat(batches(dataset(6400), 100, seed=9, window=8)))
    assert np.mean(np.abs(np.diff(order)) == 1) < 0.01
    places = [np.array(flat(batches(dataset(640), 64, seed=s))).argmax() for s in range(200)]
    assert 260 < np.mean(places) < 380
    assert np.std(places) > 150


@pytest.mark.torch
def test_forms() -> None:
    columns = ["n", "f", "v", "flag", "word", "list"]
    arrow = list(batches(dataset(), 100, as_="arrow", columns=columns))
    plain = list(batches(dataset(), 100, columns=columns))
    masked = list(batches(dataset(), 100, columns=columns, masks=True))
    tensors = list(batches(dataset(), 100, columns=["v", "flag", "list", "f"], as_="torch"))
    import torch

    for a, p, m, t in zip(arrow, plain, masked, tensors, strict=True):
        assert a.column_names == columns
        assert list(p) == ["n", "f", "v", "flag", "word", "list", "list:length"]
        assert list(m)[:4] == ["n", "n:present", "f", "f:present"]
        assert p["n"].tolist() == a["n"].to_pylist()
        assert p["f"].dtype == np.float64
        assert [None if np.isnan(v) else v for v in p["f"].tolist()] == a["f"].to_pylist()
        assert [v if there else None for v, there in zip(m["f"].tolist(), m["f:present"], strict=True)] == a[
            "f"
        ].to_pylist()
        assert p["v"].tolist() == a["v"].to_pylist()
        assert p["word"].tolist() == a["word"].to_pylist()
        lists = [v[:k].tolist() for v, k in zip(p["list"], p["list:length"], strict=True)]
        assert lists == a["list"].to_pylist()
        assert p["list"].shape[1] == max(p["list:length"])
        assert all(array.flags.writeable for array in p.values())
        assert t["v"].dtype == torch.float32  # what a layer takes
        np.testing.assert_array_equal(t["list"].numpy(), p["list"])
        np.testing.assert_array_equal(t["f"].numpy(), p["f"])
    assert "__row__" not in next(iter(batches(dataset().deal(1), 5, columns=["n"])))
    assert list(next(iter(batches(dataset(), 5, columns=["__row__"])))) == ["__row__"]


@pytest.mark.torch
def test_tensors_lie_in_numpys_memory() -> None:
    from trueline.training.batch_forms import to_torch

    array = np.arange(4.0)
    to_torch({"a": array})["a"][0] = 9
    assert array[0] == 9
    array.flags.writeable = False
    to_torch({"a": array})["a"][0] = 7
    assert array[0] == 9


@pytest.mark.torch
def test_what_cannot_be_is_said_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        batches(dataset(), 0, columns=["n", "flg"], rank=2, world_size=2, window=0, as_="pandas", epoch=-1)  # type: ignore[arg-type]
    assert caught.value.problems == (
        "batch_size=0: give at least one",
        "window=0: give at least one",
        "rank=2: ranks of world_size=2 begin with 0",
        "no column 'flg'. Did you mean 'flag'? There is: __row__, f, flag, list, n, v, word.",
        "as_='pandas'. There is: arrow, jax, numpy, torch.",
        "epoch=-1: epochs begin with 0",
    )
    with pytest.raises(DataError, match=r"'y' \(int64\) is missing in some rows[\s\S]*masks=True adds 'y:present'"):
        list(batches(labelled(), 10, columns=["y"]))
    with pytest.raises(DataError, match="torch has no arrays of text: word"):
        next(iter(batches(dataset(), 10, columns=["n", "word"], as_="torch")))


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> str:
    uri = str(tmp_path_factory.mktemp("examples") / "out")
    whole = table(3000)
    with ExamplesWriter(uri, whole.schema, [{"name": "rows", "rows": 3000}], block_rows=128) as writer:
        for i in range(0, 3000, 500):
            split = "eval" if i == 1000 else "train"
            writer.write(split, whole.slice(i, 500).combine_chunks().to_batches()[0])
    return uri


def test_a_folder_of_examples(examples: str) -> None:
    found = flat(batches(examples, 100, split="train", columns=["n"]))
    assert sorted(found) == [*range(1000), *range(1500, 3000)]
    assert next(iter(batches(examples, 100, split="eval", columns=["f"])))["f"].dtype == np.float32
    with pytest.raises(ConfigError, match="several splits: train, eval"):
        batches(examples, 10)
    with pytest.raises(ArtifactError, match="no split 'trian'"):
        batches(examples, 10, split="trian")
    with pytest.raises(ConfigError, match="a dataset has no split"):
        batches(dataset(), 10, split="train")


@pytest.mark.parametrize("stop", [0, 1, 5, 10])
def test_a_state_gives_the_other_batches(stop: int) -> None:
    """After any batch; asked for between two batches, at the end of an epoch, and through JSON."""
    settings = {"seed": 4, "rank": 1, "world_size": 2, "window": 2, "columns": ["n"]}
    whole = batches(dataset(), 50, **settings)
    expected = [rows_of(whole) for _ in range(2)]
    assert len(expected[0]) == 10
    run = batches(dataset(), 50, **settings)
    state, done = run.state(), []
    for batch in run:
        if len(done) == stop:
            break
        done.append(batch["n"].tolist())
        state = run.state()
    again = batches(dataset(), 50, **settings)
    again.load_state(json.loads(json.dumps(state)))
    assert done + rows_of(again) == expected[0]
    assert rows_of(again) == expected[1]
    assert again.state() == whole.state()


def test_a_new_run_begins_at_the_epochs_start_after_a_break() -> None:
    run = batches(dataset(), 50)
    first = next(iter(run))["n"].tolist()
    assert next(iter(run))["n"].tolist() == first
    assert run.epoch == 0


def test_a_state_of_something_else_is_refused() -> None:
    state = batches(dataset(), 50, seed=4).state()
    with pytest.raises(ConfigError) as caught:
        batches(dataset(900), 60, seed=4, drop_last=True).load_state(state)
    assert caught.value.problems == (
        "batch_size: 50 then, 60 now",
        "drop_last: False then, True now",
        "the data: other blocks or rows",
    )
    for damaged in ({}, state | {"epoch": "x"}, state | {"order": 3}):
        with pytest.raises(ConfigError, match="no state of batches"):
            batches(dataset(), 50, seed=4).load_state(damaged)
    with pytest.raises(ConfigError, match="batch 21 of epoch 0: there is none"):
        batches(dataset(), 50, seed=4).load_state(state | {"batch": 21})
    with pytest.raises(ConfigError, match="its format is 2"):
        batches(dataset(), 50, seed=4).load_state(state | {"format": 2})


def test_a_killed_process_is_continued_exactly(examples: str, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    script = str(Path(__file__).parent / "batches_in_a_process.py")
    process = subprocess.Popen([sys.executable, script, examples, str(log), "2"])
    deadline = time.monotonic() + 60
    while (not log.exists() or log.read_text().count("\n") < 40) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.kill()
    process.wait(timeout=30)
    done = [json.loads(line) for line in log.read_text().split("\n")[:-1]]
    settings = {"split": "train", "seed": 5, "rank": 1, "world_size": 2, "window": 2}
    whole = batches(examples, 37, **settings, columns=None)
    expected = [*rows_of(whole), *rows_of(whole)]
    assert 40 <= len(done) < len(expected)
    again = batches(examples, 37, **settings)
    again.load_state(done[-1]["state"])
    left = []
    while again.epoch < 2:
        left += rows_of(again)
    assert [d["rows"] for d in done] + left == expected


@pytest.mark.torch
def test_workers_of_a_data_loader_make_the_same_batches(examples: str) -> None:
    """Two processes, in order, resumed in the middle; and a DataLoader of the user's own in this process."""
    from torch.utils.data import DataLoader

    settings = {"split": "train", "columns": ["n", "f"], "as_": "torch", "seed": 2}
    plain = batches(examples, 300, **settings)
    expected = rows_of(plain)
    run = batches(examples, 300, **settings)
    found = []
    loader = run.loader(0)
    for batch in loader:
        found.append(batch["n"].tolist())
        if len(found) == 2:
            break
    again = batches(examples, 300, **settings)
    again.load_state(run.state())
    assert found + rows_of(again.loader(2)) == expected
    assert again.epoch == 1
    own = DataLoader(batches(examples, 300, **settings).torch_dataset(), batch_size=None)
    assert rows_of(own) == expected
    assert len(own) == len(loader) == len(expected)


@pytest.mark.torch
def test_a_split_gives_x_y_w_in_a_random_order() -> None:
    """Rows without a label are left out before ranks and batches are counted; the arrays are those of `arrays`."""
    import torch

    features = (RawFeature("n", "int64", optional=False), RawFeature("v", "float32", "fixed", 2, False))
    split = SplitData(labelled(), features, RawFeature("y", "int64"), RawFeature("f", "float32"))
    whole = split.arrays()
    found = [list(split.batches(64, shuffle=True, seed=1, rank=r, world_size=2)) for r in range(2)]
    assert [sum(len(b.y) for b in f) for f in found] == [400, 400]
    joined = [b for f in found for b in f]
    order = np.argsort(np.concatenate([b.y for b in joined]))
    for mine, theirs in zip(zip(*joined, strict=True), whole, strict=True):
        np.testing.assert_array_equal(np.concatenate(mine)[order], theirs)
    run = split.batches(64, {"ids": ["n"], "rest": ["v"]}, as_="torch", shuffle=True, seed=1, world_size=2)
    first = next(iter(run))
    assert first.x["ids"].dtype == torch.int64
    assert first.y.tolist() == found[0][0].y.tolist()
    assert first.w.dtype == torch.float32
    again = pickle.loads(pickle.dumps(run))
    assert next(iter(again)).y.tolist() == first.y.tolist()
    tables = list(split.batches(64, as_="arrow"))
    assert tables[0].column_names == ["n", "v", "y", "f"]
    assert sum(t.num_rows for t in tables) == 800


def test_memory_is_one_window(examples: str) -> None:
    """No more than `window` blocks are held, however many there are: Arrow's own count of its memory."""
    before = pa.total_allocated_bytes()
    most = 0
    for _ in batches(examples, 32, split="train", as_="arrow", window=2):
        most = max(most, pa.total_allocated_bytes() - before)
    whole = table(3000).nbytes
    assert 0 < most < whole / 3


def test_jax_arrays() -> None:
    jax = pytest.importorskip("jax", reason="NOT TESTED HERE: JAX is not installed")
    batch = next(iter(batches(dataset(), 10, columns=["f"], as_="jax")))
    assert isinstance(batch["f"], jax.Array)
