"""One pass on the engine gives the same bits however the blocks are dealt, and the same facts however they are cut."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from trueline._core.errors import ConfigError, EngineError, SchemaError
from trueline.data_validation import StatsOptions, generate_statistics
from trueline.data_validation.statistics import statistics_spec
from trueline.engine import AccumulatorSpec, Dataset, LocalEngine, check_accumulator
from trueline.engine.product import combine
from trueline.engine.state import pack_state

TIGHT = StatsOptions(epsilon=0.99, max_quantile_points=64, max_distinct=100, max_distinct_bytes=4096)


@pytest.fixture(scope="module")
def table() -> pa.Table:
    rng = np.random.default_rng(11)
    n = 6000
    floats = rng.normal(size=n) * np.exp(rng.normal(size=n) * 5)
    floats[::13] = np.nan
    missing = rng.random(n) < 0.1
    return pa.table(
        {
            "__row__": np.arange(n),
            "float": pa.array(floats, mask=missing),
            "int": rng.integers(-5, 50, n),
            "wide": rng.integers(-(2**62), 2**62, n),
            "text": [f"v{k}" for k in rng.zipf(1.4, n) % 2000],
            "flag": pa.array([bool(k % 3) for k in range(n)], mask=missing),
            "list": pa.array([list(range(k % 4)) if k % 5 else None for k in range(n)], pa.list_(pa.int64())),
            "time": pa.array(rng.integers(0, 10**15, n), pa.timestamp("us")),
            "bytes": pa.array([bytes([k % 251]) for k in range(n)], pa.binary()),
            "struct": pa.array([{"a": k % 7, "b": None if k % 2 else "x"} if k % 11 else None for k in range(n)]),
        }
    )


def test_the_accumulator_keeps_the_engines_promises(table: pa.Table) -> None:
    """Same bits for shards, workers, threads, processes; other block borders within 1e-12; merge laws."""
    spec = statistics_spec(table.schema, StatsOptions(max_quantile_points=10_000))
    check_accumulator(spec, table, rtol=1e-12)


def test_sketches_keep_their_bits_for_all_shards_and_workers(table: pa.Table) -> None:
    dataset = Dataset.from_table(table, 700)
    want = generate_statistics(dataset, TIGHT, LocalEngine(1)).SerializeToString(deterministic=True)
    for shards, workers in ((1, 4), (7, 1), (7, 4)):
        got = generate_statistics(dataset.deal(shards), TIGHT, LocalEngine(workers))
        assert got.SerializeToString(deterministic=True) == want
    with LocalEngine(2, processes=True) as engine:
        got = generate_statistics(dataset.deal(3), TIGHT, engine)
    assert got.SerializeToString(deterministic=True) == want


def test_sketches_agree_with_exact_statistics_within_their_bounds(table: pa.Table) -> None:
    dataset = Dataset.from_table(table, 700)
    exact = generate_statistics(dataset, StatsOptions(max_quantile_points=10**6, max_distinct=10**6), LocalEngine(1))
    rough = generate_statistics(dataset, TIGHT, LocalEngine(1))
    column = np.sort(table.column("wide").to_numpy())
    for one, two in zip(exact.datasets[0].features, rough.datasets[0].features, strict=True):
        errors = {c.name: c.num for c in two.custom_stats}
        if one.WhichOneof("stats") == "num_stats":
            a, b = one.num_stats, two.num_stats
            assert (a.min, a.max, a.num_zeros, a.mean) == (b.min, b.max, b.num_zeros, b.mean)
            bound = 2 * errors.get("quantiles_rank_error", 0)
            for x, y in zip(a.histograms[0].buckets, b.histograms[0].buckets, strict=True):
                assert abs(x.sample_count - y.sample_count) <= bound
        if list(one.path.step) == ["wide"]:
            rank = np.searchsorted(column, two.num_stats.median)
            assert abs(rank - len(column) / 2) <= errors["quantiles_rank_error"] + 1
        if list(one.path.step) == ["text"]:
            true = {b.label: b.sample_count for b in one.string_stats.rank_histogram.buckets}
            for b in two.string_stats.rank_histogram.buckets:
                assert true[b.label] - errors["frequency_error"] <= b.sample_count <= true[b.label]
            assert two.string_stats.unique == one.string_stats.unique


def test_memory_does_not_grow_with_rows() -> None:
    """Once its bounds are reached, a state stays as large as it is."""
    rng = np.random.default_rng(7)
    schema = pa.schema([("x", pa.float64()), ("s", pa.string())])
    spec = statistics_spec(schema, TIGHT)
    total, sizes = spec.new(), []
    for _ in range(60):
        part = spec.new()
        numbers = rng.normal(size=2000)
        part.update(pa.record_batch([pa.array(numbers), pa.array([f"{x:.6f}" for x in numbers])], schema=schema))
        total.merge(part)
        sizes.append(len(total.state()))
    kmv = 16_384 * 8
    assert max(sizes) < 20_000 + kmv
    assert sizes[-1] <= 1.05 * sizes[29]
    assert total.finish().num_examples == 120_000


def test_a_state_of_other_features_is_refused(table: pa.Table) -> None:
    one, two = statistics_spec(table.select(["int"]).schema), statistics_spec(table.select(["text"]).schema)
    three = statistics_spec(table.select(["int", "text"]).schema)
    for spec in (two, three):
        with pytest.raises(EngineError, match="other features"):
            spec.load(one.new().state())
    with pytest.raises(EngineError):
        one.load(one.new().state()[:-3])


def test_structs_and_hidden_columns(table: pa.Table) -> None:
    found = generate_statistics(table, engine=LocalEngine(1)).datasets[0]
    paths = [tuple(f.path.step) for f in found.features]
    assert ("__row__",) not in paths
    assert paths[-3:] == [("struct",), ("struct", "a"), ("struct", "b")]
    by_path = dict(zip(paths, found.features, strict=True))
    parent = by_path["struct",].struct_stats.common_stats
    child = by_path["struct", "b"].string_stats.common_stats
    assert parent.num_missing == math.ceil(6000 / 11)
    assert child.num_non_missing + child.num_missing == parent.tot_num_values


def test_allowlist_orders_and_narrows(table: pa.Table) -> None:
    found = generate_statistics(table, StatsOptions(feature_allowlist=("text", "int")), LocalEngine(1))
    assert [f.path.step[0] for f in found.datasets[0].features] == ["text", "int"]
    with pytest.raises(SchemaError, match="'txt': Did you mean 'text'"):
        generate_statistics(table, StatsOptions(feature_allowlist=("txt",)), LocalEngine(1))


def test_wrong_options_are_named_all_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        StatsOptions(num_top_values=0, num_values_histogram_buckets=1)
    assert len(caught.value.problems) == 2


def test_columns_without_statistics_are_named() -> None:
    table = pa.table({"d": pa.array([None], pa.month_day_nano_interval())})
    with pytest.raises(SchemaError, match=r"'d': a column of Arrow type month_day_nano_interval"):
        statistics_spec(table.schema)


def test_narrow_types_count_as_their_wide_ones() -> None:
    import datetime
    import decimal

    table = pa.table(
        {
            "small": pa.array([1, 2], pa.int8()),
            "half": pa.array([1.5, 2], pa.float32()),
            "money": pa.array([decimal.Decimal("1.50"), None]),
            "day": pa.array([datetime.date(2020, 1, 1), None]),
            "code": pa.array(["a", "b"]).dictionary_encode(),
            "none": pa.nulls(2),
        }
    )
    found = generate_statistics(table, engine=LocalEngine(1)).datasets[0].features
    assert [f.Type.Name(f.type) for f in found] == ["INT", "FLOAT", "FLOAT", "INT", "STRING", "STRING"]
    assert found[3].num_stats.max == 1_577_836_800_000_000


def test_importing_the_room_is_cheap() -> None:
    code = (
        "import sys, trueline.data_validation, trueline.schema;"
        "print([m for m in ('pyarrow', 'google.protobuf', 'tensorflow_metadata', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_is_there() -> None:
    import trueline.data_validation as dv
    import trueline.schema as schema

    for module in (dv, schema):
        assert sorted(module.__all__) == list(module.__all__)
        for name in module.__all__:
            assert callable(getattr(module, name))
        with pytest.raises(AttributeError):
            _ = module.no_such_name


class SeenTypes:
    """An accumulator that says which Arrow types it was given."""

    def __init__(self) -> None:
        self.types: list[str] = []

    def update(self, batch: pa.RecordBatch) -> None:
        self.types += [f"{field.name}:{field.type}" for field in batch.schema]

    def merge(self, other: SeenTypes) -> None:
        self.types += other.types

    def state(self) -> bytes:
        return json.dumps(self.types).encode()

    @classmethod
    def load(cls, state: bytes) -> SeenTypes:
        loaded = cls()
        loaded.types = json.loads(state)
        return loaded

    def finish(self) -> list[str]:
        return self.types


def test_only_who_asks_for_codes_gets_codes(tmp_path: Path) -> None:
    """Text comes as a dictionary from Parquet to a spec that takes it so; beside it, in one pass, others get text."""
    path = str(tmp_path / "t.parquet")
    pq.write_table(pa.table({"s": ["a", "b"], "t": ["c", None], "i": [1, 2]}), path)
    dataset = Dataset.from_parquet(path)
    plain: AccumulatorSpec[list[str]] = AccumulatorSpec(f"{__name__}:SeenTypes")
    codes: AccumulatorSpec[list[str]] = AccumulatorSpec(f"{__name__}:SeenTypes", {}, ("s",))
    dictionary = "s:dictionary<values=string, indices=int32, ordered=0>"
    assert LocalEngine(1).run(plain, dataset) == ["s:string", "t:string", "i:int64"]
    assert LocalEngine(1).run(codes, dataset) == [dictionary, "t:string", "i:int64"]
    both = LocalEngine(1).run(combine({"plain": plain, "codes": codes}), dataset)
    assert both == {"plain": ["s:string", "t:string", "i:int64"], "codes": [dictionary, "t:string", "i:int64"]}
    assert AccumulatorSpec.from_json(codes.to_json()) == codes
    assert "dictionaries" not in json.loads(plain.to_json()), "cache keys of other accumulators stay as they are"


def test_a_state_of_another_format_is_refused() -> None:
    spec = statistics_spec(pa.schema([("x", pa.int64())]))
    old = pack_state("statistics", 1, {"num_examples": 0, "features": []}, {})
    with pytest.raises(EngineError, match="the state has format 1, this version reads format 2"):
        spec.load(old)
