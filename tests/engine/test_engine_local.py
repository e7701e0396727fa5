"""The local engine: same bits however work is dealt out, bounded memory, killed workers, errors that name the place."""

from __future__ import annotations

import os
import threading

import pyarrow as pa
import pytest
from engine_samples import Moments

from trueline._core.errors import DataError, EngineError
from trueline.engine import AccumulatorSpec, Block, Dataset, FunctionSpec, LocalEngine, Shard, combine, default_engine
from trueline.engine.local import MAX_ATTEMPTS

SPEC = AccumulatorSpec("engine_samples:Moments", {"column": "x"})


@pytest.fixture(scope="module")
def processes():
    with LocalEngine(2, processes=True) as engine:
        yield engine


def bits(result):
    return result["count"], result["total"].hex()


def test_same_bits_for_shards_workers_threads_processes_memory_and_file(table, parquet, processes):
    expected = bits(LocalEngine(1).run(SPEC, Dataset.from_table(table, 16)))
    straight = Moments("x")
    for batch in Dataset.from_table(table, 16).batches():
        straight.update(batch)
    assert bits(straight.finish()) != expected, "the data must be such that the order of addition matters"
    for dataset in (Dataset.from_table(table, 16), Dataset.from_parquet(parquet)):
        for shards in (1, 3, 7, 50):
            for engine in (LocalEngine(1), LocalEngine(4), processes):
                assert bits(engine.run(SPEC, dataset.deal(shards), ["x"])) == expected


def test_no_blocks_give_the_empty_result(table, processes):
    empty = Dataset.from_table(table.slice(0, 0))
    assert LocalEngine(2).run(SPEC, empty) == processes.run(SPEC, empty) == {"count": 0, "total": 0.0}


def test_a_killed_worker_changes_nothing(table, tmp_path):
    spec = AccumulatorSpec(
        "engine_samples:Mortal", {"column": "n", "value": 100, "folder": str(tmp_path), "times": MAX_ATTEMPTS - 1}
    )
    with LocalEngine(2, processes=True) as engine:
        got = engine.run(spec, Dataset.from_table(table, 16))
    assert len(list(tmp_path.iterdir())) == MAX_ATTEMPTS - 1
    assert got == {"count": 200, "total": sum(range(200))}


def test_a_block_that_kills_every_worker_is_named(table, tmp_path):
    spec = AccumulatorSpec("engine_samples:Mortal", {"column": "n", "value": 100, "folder": str(tmp_path), "times": 99})
    with LocalEngine(2, processes=True) as engine:
        with pytest.raises(EngineError, match=r"block 6 .*4 worker processes died.*\n.*code -9"):
            engine.run(spec, Dataset.from_table(table, 16))
        assert engine.run(SPEC, Dataset.from_table(table, 16))["count"] > 0, "the engine must stay usable"


@pytest.mark.parametrize("mode", ["threads", "processes"])
def test_errors_carry_block_and_file(parquet, processes, mode):
    engine = processes if mode == "processes" else LocalEngine(2)
    dataset = Dataset.from_parquet(parquet)

    def spec(ours):
        return AccumulatorSpec("engine_samples:Failing", {"column": "n", "value": 40, "ours": ours})

    with pytest.raises(EngineError, match=r"block 2 \(.*data.parquet, row group 2\).*ZeroDivisionError"):
        engine.run(spec(False), dataset)
    with pytest.raises(DataError, match="forbidden") as caught:
        engine.run(spec(True), dataset)
    assert caught.value.where.startswith("block 2 (")
    assert caught.value.hint == "leave it out"
    if mode == "processes":
        assert "in update" in caught.value.__notes__[0]


@pytest.mark.parametrize("mode", ["threads", "processes"])
def test_map_blocks_gives_json_in_block_order_and_reports_each(parquet, processes, mode):
    engine = processes if mode == "processes" else LocalEngine(3)
    seen = []
    function = FunctionSpec("engine_samples:describe", {"note": [1, None]})
    results = engine.map_blocks(function, Dataset.from_parquet(parquet).deal(4), seen.append)
    assert [r["number"] for r in results] == list(range(13))
    assert sum(r["rows"] for r in results) == 200
    assert seen == results
    assert results[0]["params"] == {"note": [1, None]}
    assert ({r["pid"] for r in results} == {os.getpid()}) == (mode == "threads")
    with pytest.raises(EngineError, match="no JSON value"):
        engine.map_blocks(FunctionSpec("engine_samples:no_json"), Dataset.from_parquet(parquet))


@pytest.mark.parametrize("mode", ["threads", "processes"])
def test_names_that_lead_nowhere(table, processes, mode):
    engine = processes if mode == "processes" else LocalEngine(2)
    for name in ("engine_samples:Nothing", "no_such_module:x", "nocolon"):
        with pytest.raises(EngineError, match=r"names no object|cannot be imported"):
            engine.run(AccumulatorSpec(name), Dataset.from_table(table))
    with pytest.raises(EngineError, match="no JSON value"):
        engine.run(AccumulatorSpec("engine_samples:Moments", {"column": {1}}), Dataset.from_table(table))
    with pytest.raises(EngineError, match="at least one"):
        LocalEngine(0)


def test_no_more_than_a_window_of_blocks_is_begun(monkeypatch):
    """Workers run ahead of the merge by no more than two blocks each: memory does not grow with the number of rows."""
    lock, begun, released = threading.Lock(), [], threading.Event()

    def slow_first(spec, block, columns):
        with lock:
            begun.append(block.number)
        if block.number == 0:
            released.wait(5)
        return Moments("x").state()

    monkeypatch.setattr("trueline.engine.local.update_here", slow_first)
    blocks = tuple(Block(i, "nowhere", i, 1) for i in range(50))
    timer = threading.Timer(0.5, released.set)
    timer.start()
    seen = []
    with lock:
        pass
    thread = threading.Thread(
        target=lambda: LocalEngine(4).run(SPEC, Dataset((Shard(0, blocks),), pa.schema([("x", pa.float64())])))
    )
    thread.start()
    released.wait(0.4)
    seen = list(begun)
    thread.join()
    assert len(seen) <= 8
    assert sorted(begun) == list(range(50))


def test_a_product_is_its_parts(table, processes):
    spec = combine({"b": SPEC, "a": AccumulatorSpec("engine_samples:Moments", {"column": "n"}), "c/ü": SPEC})
    dataset = Dataset.from_table(table, 16)
    got = processes.run(spec, dataset)
    assert got == LocalEngine(2).run(spec, dataset)
    assert bits(got["b"]) == bits(got["c/ü"]) == bits(LocalEngine(1).run(SPEC, dataset))
    assert got["a"]["total"] == sum(range(200))
    assert combine({"x": SPEC, "y": SPEC}).to_json() == combine({"y": SPEC, "x": SPEC}).to_json()
    failing = combine({"good": SPEC, "bad": AccumulatorSpec("engine_samples:Moments", {"column": "s"})})
    with pytest.raises(EngineError, match="part 'bad'"):
        LocalEngine(1).run(failing, dataset)
    with pytest.raises(EngineError, match=r"parts \['b'"):
        spec.load(combine({"b": SPEC, "d": SPEC}).new().state())
    alone = combine({"b": SPEC})
    assert LocalEngine(1).run(alone, dataset) == {"b": LocalEngine(1).run(SPEC, dataset)}
    with pytest.raises(EngineError, match="a state of kind 'moments' was given where 'product' is read"):
        spec.load(alone.new().state())


def test_errors_outside_of_update_name_the_accumulator(table):
    dataset = Dataset.from_table(table, 16)
    with pytest.raises(EngineError, match=r"CannotLoad cannot load or merge the state of block 0: KeyError"):
        LocalEngine(2).run(AccumulatorSpec("engine_samples:CannotLoad", {"column": "x"}), dataset)


def test_the_default_engine_is_one_of_threads():
    assert default_engine() is default_engine()
    assert not default_engine().processes
    assert "workers=" in repr(default_engine())
