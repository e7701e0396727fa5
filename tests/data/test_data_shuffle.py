"""The shuffle: a permutation of each split that depends on seed and rows alone, in memory that does not grow."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from data_samples import rows_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from spine_sources import rows_spec

from trueline._core import store
from trueline.data import Examples, ingest, ingest_parquet
from trueline.data.repartition_job import RowFile
from trueline.data.rows import Keep
from trueline.data.shuffle import Shuffle
from trueline.data.splits_rules import FixedSplit
from trueline.engine import LocalEngine


def order(uri, column="n"):
    examples = Examples.open(uri)
    return {s: examples.table(s)[column].to_pylist() for s in examples.splits}


@pytest.fixture
def numbers(tmp_path):
    for part in range(3):
        pq.write_table(pa.table({"n": np.arange(part * 2000, part * 2000 + 2000)}), tmp_path / f"f{part}.parquet")
    return str(tmp_path)


def test_the_shuffled_rows_are_the_rows_in_another_order(numbers, tmp_path_factory):
    outs = [str(tmp_path_factory.mktemp("o") / "x") for _ in range(4)]
    ingest_parquet(numbers, outs[0], pattern="f*")
    ingest_parquet(numbers, outs[1], pattern="f*", shuffle=True, engine=LocalEngine(1), block_rows=100)
    ingest_parquet(numbers, outs[2], pattern="f*", shuffle=True, engine=LocalEngine(4))
    ingest_parquet(numbers, outs[3], pattern="f*", shuffle=8)
    plain, one, two, other = map(order, outs)
    assert one == two, "neither workers nor blocks change the order"
    for split, rows in plain.items():
        assert sorted(rows) == sorted(one[split]) == sorted(other[split])
        assert rows != one[split] != other[split]
        ranks = np.argsort(np.argsort(one[split]))
        assert abs(np.corrcoef(ranks, np.arange(len(ranks)))[0, 1]) < 0.08, "no trace of the old order"
    assert rows_of(outs[1]) == rows_of(outs[0]), "__row__ says where each came from"


@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.lists(st.integers(0, 5), max_size=30), min_size=1, max_size=4),
    st.integers(0, 9),
    st.integers(40, 4000),
)
def test_any_number_of_buckets_gives_the_same_order(tmp_path_factory, parts, seed, bucket_bytes):
    base = tmp_path_factory.mktemp("buckets")
    spec = rows_spec({f"p{n}": [[v] for v in values] for n, values in enumerate(parts)}, ["n"])
    whole = str(base / "whole")
    ingest(spec, whole, splits=[("all", 1)], shuffle=seed, engine=LocalEngine(1))
    plain = str(base / "plain")
    ingest(spec, plain, splits=[("all", 1)], engine=LocalEngine(1))
    examples = Examples.open(plain)
    counts: dict[str, list[int]] = {}
    for block in examples.blocks["all"]:
        counts.setdefault(block.file, []).append(block.rows)
    files = [RowFile(n, store.join(plain, f), tuple(rows)) for n, (f, rows) in enumerate(counts.items())]
    shuffle = Shuffle(str(base / "o"), str(base / "s"), seed, 1000, LocalEngine(1), bucket_bytes)
    done = shuffle.run(files, examples.arrow_schema, rule=FixedSplit("all"), keep=Keep(), sources=[])
    got = [
        value
        for d in done
        if d.parts
        for value in pq.read_table(base / "o" / f"Split-all/part-{d.number:05d}.parquet")["__row__"].to_pylist()
    ]
    assert got == order(whole, "__row__")["all"]


MEMORY = """
import json, resource, sys
from trueline.data import ingest_parquet, shuffle, shuffle_job
from trueline.engine import LocalEngine
shuffle.BUCKET_BYTES = shuffle_job.CHUNK_BYTES = 4 << 20
sizes = []
for n, name in enumerate(sys.argv[2:]):
    report = ingest_parquet(name, sys.argv[1] + str(n), shuffle=True, engine=LocalEngine(1))
    sizes.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
print(json.dumps([sizes, report.rows]))
"""


def test_memory_does_not_grow_with_the_rows(tmp_path):
    """From 12 to 48 MB of rows within some chunks of 4 MB and a block."""
    rng = np.random.default_rng(0)
    table = pa.table({"a": rng.integers(0, 1 << 60, 250_000), "b": rng.integers(0, 99, 250_000)})
    for name, times in (("small", 2), ("big", 8)):
        with pq.ParquetWriter(tmp_path / f"{name}.parquet", table.schema) as writer:
            for _ in range(times):
                writer.write_table(table)
    arguments = [str(tmp_path / "out"), str(tmp_path / "small.parquet"), str(tmp_path / "big.parquet")]
    done = subprocess.run([sys.executable, "-c", MEMORY, *arguments], check=True, capture_output=True, text=True)
    (small, big), rows = json.loads(done.stdout)
    assert rows == 2_000_000
    assert big - small < 22, f"peak memory rose from {small} to {big} MB with four times the rows"
