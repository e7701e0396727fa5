"""Splits by feature, group, time and stratum: exact, the same for any engine, and refused when they cannot be kept."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from data_samples import bits_of, rows_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from spine_sources import rows_spec

from trueline._core.errors import ArtifactError, ConfigError, DataError, GateError
from trueline.data import (
    Examples,
    GroupSplit,
    HashSplit,
    SourceSpec,
    StratifiedSplit,
    TimeSplit,
    check_leakage,
    ingest,
    ingest_parquet,
    repartition,
)
from trueline.data.splits_rules import choose_rule, rule_from_json
from trueline.engine import Dataset, LocalEngine, check_accumulator
from trueline.engine.base import AccumulatorSpec

SHARES = (("a", 7), ("b", 2), ("c", 1))


def by_split(uri, column):
    examples = Examples.open(uri)
    return {s: examples.table(s, [column])[column].to_pylist() for s in examples.splits}


@pytest.fixture
def table_in(tmp_path):
    """Writes a table as `parts` Parquet files."""

    def make(columns, parts=3):
        table = pa.table(columns)
        folder = tmp_path / "in"
        folder.mkdir(exist_ok=True)
        step = -(-table.num_rows // parts)
        for n in range(parts):
            pq.write_table(table.slice(n * step, step), folder / f"f{n}.parquet")
        return str(folder)

    return make


def made(rows=4000):
    rng = np.random.default_rng(3)
    return {
        "ts": pa.array(rng.integers(1_600_000_000_000_000, 1_700_000_000_000_000, rows), pa.timestamp("us")),
        "user": rng.integers(0, 150, rows),
        "y": pa.array([["no", "yes", None][i] for i in rng.choice(3, rows, p=[0.9, 0.07, 0.03])]),
        "x": rng.normal(size=rows),
    }


RULES = {
    "feature": {"partition_feature": "user"},
    "group": {"group_by": "user"},
    "time": {"split_by": "ts"},
    "strata": {"stratify_by": "y"},
}


@pytest.mark.parametrize("name", list(RULES))
@pytest.mark.parametrize("shuffle", [False, 5])
def test_the_bits_of_every_split_are_the_same_for_any_engine(table_in, tmp_path, name, shuffle):
    base, seen = table_in(made()), []
    for number, engine in enumerate((LocalEngine(1), LocalEngine(3))):
        out = str(tmp_path / f"o{number}")
        report = ingest_parquet(base, out, splits=SHARES, **RULES[name], shuffle=shuffle, engine=engine, block_rows=300)
        assert (report.rows, sum(report.splits.values())) == (4000, 4000)
        seen.append(bits_of(out))
    assert seen[0] == seen[1]
    assert not [n for n in seen[0] if n.startswith("_")], "nothing of the staged rows is left"


def test_no_group_is_parted(table_in, out):
    report = ingest_parquet(table_in(made()), out, splits=SHARES, group_by="user")
    users = [set(v) for v in by_split(out, "user").values()]
    assert sum(map(len, users)) == len(set().union(*users)) == 150
    assert report.leaks.ok
    assert sum(report.leaks.group_counts.values()) == 150
    assert Examples.open(out).info["split_rule"]["by"] == ["user"]


def test_too_few_groups_for_the_splits_are_an_error_with_counts(table_in, out):
    base = table_in({"user": [1] * 10, "x": list(range(10))})
    with pytest.raises(DataError, match=r"(?s)would get no row: no group by user.*would get 10 rows.*fewer splits"):
        ingest_parquet(base, out, splits=SHARES, group_by="user")
    with pytest.raises(ArtifactError):
        Examples.open(out)
    assert ingest_parquet(base, out, splits=[("all", 1)], group_by="user").splits == {"all": 10}


def test_a_missing_partition_value_is_an_error_that_names_the_row_or_a_bucket_of_its_own(out):
    spec = rows_spec({"a": [[1], [2]], "b": [[3], [None], [None]]}, ["u"])
    with pytest.raises(DataError, match=r"(?s)b record 2.*'u' is missing.*u is not None") as caught:
        ingest(spec, out, partition_feature="u")
    assert caught.value.problems == ("b record 3",)
    one = (("all", 1),)  # three groups would leave a second split empty, which is an error
    assert ingest(spec, out, splits=GroupSplit("u", one, missing="bucket")).rows == 5
    assert ingest(spec, out, splits=one, group_by="u", where="u is not None").rows == 3


@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.integers(-(2**62), 2**62) | st.integers(0, 9), min_size=1, max_size=60),
    st.lists(st.integers(1, 9), min_size=1, max_size=4),
)
def test_time_splits_hold_their_shares_and_never_part_a_time(tmp_path_factory, times, shares):
    """Earlier rows to earlier splits; each boundary is the one nearest to its share."""
    out = str(tmp_path_factory.mktemp("time") / "o")
    splits = tuple((f"s{n}", share) for n, share in enumerate(shares))
    spec = rows_spec({"a": [[t] for t in times[::2]], "b": [[t] for t in times[1::2]]}, ["ts"])
    try:
        ingest(spec, out, splits=TimeSplit("ts", splits), engine=LocalEngine(1))
    except DataError:
        assert len(set(times)) < len(times), "only equal times can leave a split empty"
        return
    found = list(by_split(out, "ts").values())
    spans = [(min(v), max(v)) for v in found if v]
    assert all(a[1] < b[0] for a, b in pairwise(spans))
    assert sorted(t for v in found for t in v) == sorted(times)
    starts = Examples.open(out).info["split_rule"]["boundaries"]
    assert all(s == min(v) for s, v in zip(starts, found[1:], strict=True) if v), "a boundary is where a split begins"
    if len(set(times)) == len(times):
        ends = np.cumsum(shares)
        wanted = [(2 * len(times) * int(e) + int(ends[-1])) // (2 * int(ends[-1])) for e in ends]
        assert np.cumsum([len(v) for v in found]).tolist() == wanted


@pytest.mark.parametrize("kind", ["timestamp", "float", "int"])
def test_time_boundaries_that_are_given(out, tmp_path, kind):
    values = [dt.datetime(2024, 1, 1), dt.datetime(2024, 5, 1), dt.datetime(2024, 5, 1, 0, 0, 1)]
    columns = {"timestamp": values, "float": [-1.5, 0.0, 2.5], "int": [-3, 0, 7]}[kind]
    starts = {"timestamp": ["2024-05-01T02:00:00+02:00", dt.date(2025, 1, 1)], "float": [0.0, 9], "int": [0, 9]}[kind]
    pq.write_table(pa.table({"ts": columns}), tmp_path / "a.parquet")
    rule = TimeSplit("ts", ("train", "eval", "test"), tuple(starts))
    report = ingest_parquet(str(tmp_path / "a.parquet"), out, splits=rule)
    assert report.splits == {"train": 1, "eval": 2, "test": 0}
    assert by_split(out, "ts")["train"] == columns[:1]
    assert rule_from_json(rule.to_json()) == rule


def test_times_that_are_no_times(out):
    with pytest.raises(DataError, match="'ts' is string"):
        ingest(rows_spec({"a": [["x"], ["y"]]}, ["ts"]), out, split_by="ts")
    with pytest.raises(DataError, match="a record 2"):
        ingest(rows_spec({"a": [[1], [None]]}, ["ts"]), out, split_by="ts")
    assert ingest(rows_spec({"a": [[-(2**63)]]}, ["ts"]), out, splits={"a": 1, "b": 9}, split_by="ts").rows == 1
    with pytest.raises(DataError, match=r"split '(train|eval)' would get no row"):
        ingest(rows_spec({"a": [[1], [1], [1]]}, ["ts"]), out, split_by="ts")
    assert "examples.json" not in bits_of(out)


@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.sampled_from(["p", "q", "r", None]), max_size=80),
    st.lists(st.integers(1, 9), min_size=1, max_size=4),
    st.integers(0, 5),
)
def test_every_stratum_is_shared_to_within_a_row(tmp_path_factory, labels, shares, seed):
    out = str(tmp_path_factory.mktemp("strata") / "o")
    splits = tuple((f"s{n}", share) for n, share in enumerate(shares))
    spec = rows_spec({"a": [[y] for y in labels[::2]], "b": [[y] for y in labels[1::2]]}, ["y"])
    ingest(spec, out, splits=splits, stratify_by="y", seed=seed, engine=LocalEngine(1))
    found = {s: Counter(v) for s, v in by_split(out, "y").items()}
    for label, rows in Counter(labels).items():
        for name, share in splits:
            assert abs(found[name][label] - rows * share / sum(shares)) <= 1
    assert sum(sum(c.values()) for c in found.values()) == len(labels)


def test_strata_are_exact_on_many_rows_and_bounded_in_number(table_in, out):
    report = ingest_parquet(table_in(made(30_000)), out, splits=SHARES, stratify_by=["y", "user"], block_rows=4096)
    assert abs(report.splits["a"] - 21_000) <= 3 * 150
    many = {"y": np.arange(10_001)}
    with pytest.raises(DataError, match="more than 10000 different values"):
        ingest_parquet(table_in(many), out, stratify_by="y")


def test_keywords_exclude_each_other_and_all_is_said_at_once():
    with pytest.raises(ConfigError, match="split_by, group_by exclude each other"):
        choose_rule(group_by="u", split_by="ts")
    with pytest.raises(ConfigError) as caught:
        choose_rule(HashSplit.of([("a", 1)]), group_by="u", stratify_by="y")
    assert len(caught.value.problems) == 2
    with pytest.raises(ConfigError) as caught:
        TimeSplit("", (("../x", 1), ("b", 1)), ("2024-02-02", "2024-01-01"))
    assert len(caught.value.problems) == 4
    with pytest.raises(ConfigError, match="is no kind of split"):
        rule_from_json({"kind": "magic"})
    with pytest.raises(ConfigError, match="described wrongly"):
        rule_from_json({"kind": "time"})


@pytest.mark.parametrize(
    "rule",
    [
        HashSplit(SHARES, ("a", "b"), "bucket"),
        GroupSplit("u", SHARES),
        TimeSplit("ts", SHARES),
        TimeSplit("ts", ("a", "b"), ("2024-01-01",)),
        StratifiedSplit("y", SHARES, seed=4),
    ],
)
def test_rules_travel_as_json(rule):
    assert rule_from_json(rule.to_json()) == rule


def test_unknown_columns_are_told_before_anything_is_read(out):
    spec = rows_spec({"a": [[1, 2], {"raise": "read"}]}, ["user", "ts"])
    with pytest.raises(ConfigError) as caught:
        ingest(spec, out, group_by="usr", where="tss > 3")
    assert "Did you mean 'user'?" in caught.value.problems[0]
    assert "Did you mean 'ts'?" in caught.value.problems[1]


def test_a_leak_is_found_counted_and_gated(table_in, out):
    base = table_in(made())
    ingest_parquet(base, out, splits=(("train", 1), ("eval", 1)))
    report = check_leakage(out, group="user", time="ts", max_hashes=1000)
    users = [set(v) for v in by_split(out, "user").values()]
    assert report.groups[0].groups == len(users[0] & users[1])
    times = list(by_split(out, "ts").values())
    late = max(times[0])
    assert report.times[0].rows == sum(t < late for t in times[1])
    assert not report.ok
    assert json.loads(json.dumps(report.to_json()))["times"][0]["rows"] == report.times[0].rows
    with pytest.raises(GateError, match="groups are in train and in eval, among them user="):
        check_leakage(out, group="user", gate=True)
    with pytest.raises(ConfigError) as caught:
        check_leakage(out, group="usr", time="tss", splits=["train", "evil"])
    assert len(caught.value.problems) == 3


def test_more_groups_than_memory_are_checked_in_slices_and_exactly(tmp_path, out):
    """Five thousand groups, a thousand hashes at a time: the one shared group is found."""
    specs = {}
    for name, groups in {"p": range(2500), "q": [*range(2500, 5000), 17]}.items():
        pq.write_table(pa.table({"g": list(groups)}), tmp_path / f"{name}.parquet")
        place = str(tmp_path / f"{name}.parquet")
        specs[name] = SourceSpec("trueline.data.parquet_source:ParquetSource", {"input_base": place})
    ingest(specs, out)
    report = check_leakage(out, group="g", max_hashes=1000)
    assert [(g.splits, g.groups, g.examples) for g in report.groups] == [(("p", "q"), 1, ("g=17",))]
    assert report.group_counts == {"p": 2500, "q": 2501}
    assert report.duplicates == {("p", "q"): 1}


def test_rows_in_two_splits_are_counted_as_information(out):
    spec = rows_spec({"a": [[1, "x"], [2, "y"], [1, "x"]]}, ["n", "s"])
    ingest({"train": spec, "eval": rows_spec({"b": [[1, "x"], [5, "z"]]}, ["n", "s"])}, out)
    report = check_leakage(out)
    assert report.duplicates == {("train", "eval"): 1}
    assert report.ok


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("splits_ranks:StrataSummary", {}),
        ("splits_ranks:NextKeys", {"thresholds": [0, (1 << 63) + 1_650_000_000_000_000, (1 << 64) - 1]}),
        ("splits_ranks:RankBins", {"targets": [{"ids": [0], "low": [0]}], "width": 64, "bits": 8}),
        ("leaks_scan:HashSet", None),
        ("leaks_scan:TimeSpan", None),
        ("leaks_scan:EarlierThan", None),
        ("leaks_scan:ValuesOf", None),
    ],
)
def test_the_accumulators_keep_the_laws(name, params):
    table = pa.table({**made(60), "__row__": np.arange(60)})
    keep = {"where": "x > 0", "sample": 0.8, "seed": 1}
    own = {
        "leaks_scan:HashSet": {"by": ["user"], "part": 1, "slices": 3, "limit": 1000},
        "leaks_scan:TimeSpan": {"column": "ts"},
        "leaks_scan:EarlierThan": {"column": "ts", "key": (1 << 63) + 1_650_000_000_000_000},
        "leaks_scan:ValuesOf": {"by": ["user"], "hashes": [1, 2]},
    }
    shared = {"time": "ts", "by": [], "seed": 0, "keep": keep, "sources": []}
    found = own.get(name) or {**shared, **params}
    check_accumulator(AccumulatorSpec(f"trueline.data.{name}", found), table, processes=name.endswith("RankBins"))


def test_examples_are_split_anew(table_in, out, tmp_path):
    ingest_parquet(table_in(made()), out)
    again = str(tmp_path / "again")
    report = repartition(out, again, split_by="ts", splits=SHARES, where="x > 0", sample=0.5)
    assert report.leaks.ok
    assert report.rows + report.filtered + report.sampled_out == 4000
    kept = rows_of(again)
    assert min(kept["x"].to_pylist()) > 0
    assert set(kept["x"].to_pylist()) <= set(rows_of(out)["x"].to_pylist())
    third = str(tmp_path / "third")
    same = repartition(again, third, only=["a", "c"])
    assert same.splits == {"a": report.splits["a"], "c": report.splits["c"]}
    assert Examples.open(third).table("c") == Examples.open(again).table("c")
    assert Dataset.from_table(Examples.open(third).table("a")).num_rows == report.splits["a"]
    with pytest.raises(ConfigError) as caught:
        repartition(again, again, only=["d"], where="nothing > 1")
    assert len(caught.value.problems) == 3


@pytest.mark.parametrize("shares", [["train", "eval"], "train", 5, {"train": 0.8, "eval": 0.2}])
def test_shares_of_another_kind_are_told_with_an_example(shares):
    """Names alone, and fractions: shares are whole numbers of buckets."""
    with pytest.raises(ConfigError, match=r"whole numbers of hash buckets"):
        choose_rule(shares)
