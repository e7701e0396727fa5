"""Blocks: read back exactly, only the asked columns, in the contract's types; damaged and missing files are named.
The merge tree: one shape for any order of arrival, and few states held."""

from __future__ import annotations

import math
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueline._core.errors import ArtifactError, EngineError, SchemaError
from trueline._core.values import widen
from trueline.engine import AccumulatorSpec, Block, Dataset, LocalEngine, TreeMerge, read_block


def test_blocks_give_all_rows_widened(table, parquet):
    for dataset in (Dataset.from_parquet(parquet), Dataset.from_table(table, 16)):
        assert dataset.num_rows == 200
        assert len(dataset.blocks) == 13
        assert dataset.columns == ("x", "s", "n")
        got = pa.Table.from_batches(dataset.batches())
        assert got == pa.Table.from_batches([widen(b) for b in table.to_batches()])
        assert got.schema == dataset.arrow_schema


def test_only_asked_columns_in_their_order(table, parquet):
    for dataset in (Dataset.from_parquet(parquet), Dataset.from_table(table, 16)):
        block = dataset.blocks[0]
        assert block.read(["n", "x"]).schema.names == ["n", "x"]
        assert (block.read([]).num_rows, block.read([]).num_columns) == (16, 0)
        with pytest.raises(EngineError, match=r"no column 'y'(.|\n)*There is"):
            block.read(["y"])


def test_names_with_dots_are_whole_columns(tmp_path):
    path = str(tmp_path / "dots.parquet")
    pq.write_table(pa.table({"a": [1], "a.b": [2], "s": [{"b": 3}]}), path)
    block = Dataset.from_parquet(path).blocks[0]
    assert block.read(["a.b"]).to_pydict() == {"a.b": [2]}
    assert block.read(["a"]).to_pydict() == {"a": [1]}
    assert block.read(["s"]).to_pydict() == {"s": [{"b": 3}]}


def test_dictionaries_only_for_who_asks(parquet):
    block = Dataset.from_parquet(parquet).blocks[1]
    plain, coded = block.read(["s", "n"]), read_block(block, ["s", "n"], dictionaries=["s"])
    assert plain.column("s").type == pa.string()
    assert pa.types.is_dictionary(coded.column("s").type)
    assert coded.column("n").type == pa.int64()
    assert coded.to_pydict() == plain.to_pydict()


def test_missing_damaged_and_replaced_files_are_named(parquet, tmp_path):
    block = Dataset.from_parquet(parquet).blocks[3]
    block.read()
    with pytest.raises(ArtifactError, match="no row group 99"):
        Block(0, parquet, 99, 16).read()
    with pytest.raises(ArtifactError, match="has 16 rows, 17 were written"):
        Block(0, parquet, 3, 17).read()
    whole = Path(parquet).read_bytes()
    broken = bytearray(whole)
    broken[200:-2000] = b"\xaa" * (len(whole) - 2200)
    Path(parquet).write_bytes(broken)
    with pytest.raises(ArtifactError, match=r"data.parquet"):
        block.read()
    Path(parquet).write_bytes(whole)
    assert block.read().num_rows == 16
    Path(parquet).write_bytes(whole[:-30])
    with pytest.raises(ArtifactError, match=r"data.parquet: this is no readable Parquet"):
        block.read()
    Path(parquet).unlink()
    with pytest.raises(ArtifactError, match=r"data.parquet: the file cannot be opened"):
        block.read()


def test_many_threads_read_many_files(tmp_path, table):
    paths = [str(tmp_path / f"{i}.parquet") for i in range(20)]
    for number, path in enumerate(paths):
        pq.write_table(table.slice(number, 60), path, row_group_size=16)
    blocks = list(Dataset.from_parquet(paths).blocks) * 4
    random.Random(1).shuffle(blocks)
    with ThreadPoolExecutor(8) as pool:
        for block, batch in zip(blocks, pool.map(lambda b: b.read(["n"]), blocks), strict=True):
            first = int(Path(block.uri).stem) + block.row_group * 16
            assert batch.column(0).to_pylist() == list(range(first, first + block.rows))


def test_files_must_have_the_same_columns(tmp_path):
    one, two = str(tmp_path / "1.parquet"), str(tmp_path / "2.parquet")
    pq.write_table(pa.table({"x": pa.array([1], pa.int8())}), one)
    pq.write_table(pa.table({"x": [1]}), two)
    assert Dataset.from_parquet([one, two]).num_rows == 2, "types are compared as they are widened"
    pq.write_table(pa.table({"x": ["1"]}), two)
    with pytest.raises(EngineError, match="different columns"):
        Dataset.from_parquet([one, two])
    with pytest.raises(SchemaError, match="column 'd'"):
        Dataset.from_table(pa.table({"d": pa.array([1], pa.duration("s"))}))
    with pytest.raises(EngineError, match="no Parquet file"):
        Dataset.from_parquet([])


def tree_text(n: int, start: int = 0) -> str:
    """The tree as its definition says: full subtrees at multiples of powers of two, the rest folded from the right."""
    parts = []
    while n:
        size = 1 << (n.bit_length() - 1)
        parts.append(full_text(start, size))
        start, n = start + size, n - size
    text = parts.pop()
    while parts:
        text = f"({parts.pop()} {text})"
    return text


def full_text(start: int, size: int) -> str:
    if size == 1:
        return str(start)
    return f"({full_text(start, size // 2)} {full_text(start + size // 2, size // 2)})"


@given(st.integers(1, 70), st.randoms(use_true_random=False))
def test_the_tree_has_one_shape_for_any_order_of_arrival(n, random):
    order = list(range(n))
    random.shuffle(order)
    tree: TreeMerge[int, str] = TreeMerge(lambda a, b: f"({a} {b})", str)
    for position in order:
        tree.add(position, position)
    assert tree.finish() == tree_text(n)


def test_few_states_are_held():
    tree: TreeMerge[int, int] = TreeMerge(lambda a, b: a + b, int)
    for position in range(1000):
        tree.add(position, 1)
        assert tree.held <= math.log2(position + 1) + 1
    assert tree.finish() == 1000
    with pytest.raises(EngineError, match="twice"):
        tree.add(5, 1)
    tree.add(1002, 1)
    with pytest.raises(EngineError, match="1000 is missing"):
        tree.finish()


def test_the_engine_uses_this_tree_over_positions_not_numbers():
    table = pa.table({"i": list(range(11))})
    dataset = Dataset.from_table(table, 1)
    assert LocalEngine(4).run(AccumulatorSpec("engine_samples:Trace"), dataset.deal(3)) == tree_text(11)


def test_importing_the_rooms_is_cheap():
    code = (
        "import sys, trueline.engine, trueline.data, trueline.engine.local, trueline.data.csv_ingest;"
        "assert 'pyarrow' not in sys.modules and 'pandas' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
