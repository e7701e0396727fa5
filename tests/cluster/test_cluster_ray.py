"""Statistics on a Ray cluster of two nodes: the bits of the local engine, also when workers and nodes die."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

ray = pytest.importorskip("ray", reason="NOT TESTED HERE: no Ray; make its environment with scripts/ray_env.sh")

sys.path.insert(0, str(Path(__file__).parent))

from ray.cluster_utils import Cluster  # noqa: E402

from trueline._core.errors import DataError, EngineError  # noqa: E402
from trueline.data_validation.statistics import statistics_spec  # noqa: E402
from trueline.engine import AccumulatorSpec, Dataset, FunctionSpec, LocalEngine, RayEngine  # noqa: E402

pytestmark = pytest.mark.ray
ROWS, BLOCK = 20_000, 500


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    found = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    found.add_node(num_cpus=1)
    ray.init(address=found.address, log_to_driver=False, logging_level="ERROR")
    yield found
    ray.shutdown()
    found.shutdown()


@pytest.fixture(scope="module")
def engine(cluster: Cluster) -> RayEngine:
    return RayEngine()


@pytest.fixture(scope="module")
def table() -> pa.Table:
    rng = np.random.default_rng(7)
    return pa.table(
        {
            "number": np.arange(ROWS),
            "amount": pa.array(rng.lognormal(1, 2, ROWS), mask=rng.random(ROWS) < 0.1),
            "shop": [f"shop-{k}" for k in rng.integers(0, 9_000, ROWS)],
            "tags": pa.array([["a"] * int(k) for k in rng.integers(0, 4, ROWS)]),
        }
    )


@pytest.fixture(scope="module")
def dataset(table: pa.Table, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    path = tmp_path_factory.mktemp("ray") / "rows.parquet"
    pq.write_table(table, path, row_group_size=BLOCK)
    return Dataset.from_parquet(str(path))


@pytest.fixture(scope="module")
def spec(dataset: Dataset) -> AccumulatorSpec[Any]:
    return statistics_spec(dataset.arrow_schema)


@pytest.fixture(scope="module")
def expected(spec: AccumulatorSpec[Any], dataset: Dataset) -> bytes:
    return _bits(LocalEngine(workers=1).run(spec, dataset))


def _bits(message: Any) -> bytes:
    return bytes(message.SerializeToString(deterministic=True))


def _like(spec: AccumulatorSpec[Any], name: str, **params: Any) -> AccumulatorSpec[Any]:
    return AccumulatorSpec(f"cluster_samples:{name}", {**spec.params, **params})


def test_statistics_have_the_bits_of_the_local_engine(
    engine: RayEngine, spec: AccumulatorSpec[Any], dataset: Dataset, expected: bytes
) -> None:
    """Whatever the window and the shards."""
    assert _bits(engine.run(spec, dataset)) == expected
    assert _bits(RayEngine(window=1).run(spec, dataset.deal(7))) == expected


def test_a_table_in_memory_travels_to_the_nodes(
    engine: RayEngine, spec: AccumulatorSpec[Any], table: pa.Table, expected: bytes
) -> None:
    """Blocks without a file are sent, only the columns asked for."""
    blocks = Dataset.from_table(table, BLOCK)
    assert _bits(engine.run(spec, blocks, list(table.schema.names))) == expected


def test_no_block_gives_the_empty_result(engine: RayEngine, spec: AccumulatorSpec[Any], dataset: Dataset) -> None:
    """As on every engine."""
    assert engine.run(spec, Dataset((), dataset.arrow_schema)).num_examples == 0


def test_a_worker_killed_in_mid_block_changes_no_bit(
    engine: RayEngine, spec: AccumulatorSpec[Any], dataset: Dataset, expected: bytes, tmp_path: Path
) -> None:
    """The block is run again elsewhere."""
    mark = tmp_path / "killed"
    assert _bits(engine.run(_like(spec, "KilledOnce", mark=str(mark)), dataset)) == expected
    assert mark.exists()


def test_a_worker_killed_on_every_try_is_an_error(
    spec: AccumulatorSpec[Any], dataset: Dataset, engine: RayEngine
) -> None:
    """It says so, and the engine works on."""
    with pytest.raises(EngineError, match="could not be run to its end"):
        RayEngine(max_attempts=2).run(_like(spec, "AlwaysKilled"), dataset)
    assert engine.run(spec, dataset).num_examples == ROWS


def test_a_node_removed_in_mid_job_changes_no_bit(
    cluster: Cluster, engine: RayEngine, spec: AccumulatorSpec[Any], dataset: Dataset, expected: bytes
) -> None:
    """States that the node held are made again from their blocks."""
    node = cluster.add_node(num_cpus=1)
    seen: list[bytes] = []
    slow = _like(spec, "Slow", seconds=0.1)
    job = threading.Thread(target=lambda: seen.append(_bits(engine.run(slow, dataset))))
    job.start()
    time.sleep(2.0)
    assert job.is_alive(), "the job was over before the node was taken away"
    cluster.remove_node(node, allow_graceful=False)
    job.join(timeout=120)
    assert seen == [expected]


def test_the_first_failing_block_is_named(engine: RayEngine, spec: AccumulatorSpec[Any], dataset: Dataset) -> None:
    """With the accumulator's own error class and hint, and the block's place."""
    with pytest.raises(DataError, match="nobody can take in") as caught:
        engine.run(_like(spec, "BadBlock"), dataset)
    assert "block 6 " in str(caught.value)
    assert caught.value.hint == "leave it out."


def test_functions_run_over_blocks_in_order(engine: RayEngine, dataset: Dataset) -> None:
    """Results in block order, each told as it comes; a failure keeps its class."""
    told: list[Any] = []
    function = FunctionSpec("cluster_samples:describe", {"factor": 2})
    found = engine.map_blocks(function, dataset, told.append)
    assert found == told == LocalEngine(workers=1).map_blocks(function, dataset)
    with pytest.raises(DataError, match="refused"):
        engine.map_blocks(FunctionSpec("cluster_samples:refuse"), dataset)


def test_a_missing_file_is_named(
    engine: RayEngine, spec: AccumulatorSpec[Any], dataset: Dataset, tmp_path: Path
) -> None:
    """Nodes that do not reach the files say which."""
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"number": [1]}), path)
    other = Dataset.from_parquet(str(path))
    path.unlink()
    with pytest.raises(Exception, match=r"rows\.parquet"):
        engine.run(statistics_spec(other.arrow_schema), other)
