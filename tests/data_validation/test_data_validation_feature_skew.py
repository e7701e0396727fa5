"""Row-by-row comparison of two data sets: upstream's golden cases, any blocks and buckets, and a plain oracle."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import trueline.data_validation as dv
import trueline.data_validation.feature_skew as module
from trueline._core.errors import DataError, SchemaError
from trueline.engine import Dataset, LocalEngine

KINDS = {"int64_list": pa.int64(), "float_list": pa.float64(), "bytes_list": pa.string()}


def table_of(rows: list[dict[str, Any]], names: list[str]) -> pa.Table:
    """Rows of a golden case: an absent feature is null, one without a kind an empty list."""
    columns = {}
    for name in names:
        found = [row.get(name) for row in rows]
        kind = next((k for f in found if f for k in f), "int64_list")
        values = [None if f is None else next(iter(f.values()), []) for f in found]
        columns[name] = pa.array(values, pa.list_(KINDS[kind]))
    return pa.table(columns) if rows else pa.table({})


def as_dict(message: Any) -> dict[str, Any]:
    """Counts that are not zero."""
    return {k: v for k, v in message.items() if v}


def parsed(text: str) -> dict[str, Any]:
    """A message of flat text format as a dict; repeated fields as lists."""
    found: dict[str, Any] = {}
    for token in text.replace('" ', '"\n').replace(" ", "\n").replace(":\n", ": ").split("\n"):
        if token:
            name, value = token.split(": ")
            if value.startswith('"'):
                found.setdefault(name, []).append(value.strip('"'))
            else:
                found[name] = int(value)
    return found


@pytest.mark.shared
def test_golden_cases(shared: Path) -> None:
    """All sixteen: results, match statistics, which features differ in sampled pairs, confusion."""
    cases = [
        json.loads(line)
        for line in (shared / "conformance/tfdv/statistics.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    found = [c for c in cases if c["op"] == "detect_feature_skew"]
    assert len(found) == 16
    for case in found:
        _check(case)


def _check(case: dict[str, Any]) -> None:
    options = dict(case["options"])
    confusion = [c["name"] for c in options.pop("confusion_configs", [])]
    names = sorted({name for row in [*case["base"], *case["test"]] for name in row})
    base, test = table_of(case["base"], names), table_of(case["test"], names)
    ignored = [n for n in options.pop("features_to_ignore", None) or [] if n in names]
    if "expected_error" in case:
        with pytest.raises((SchemaError, DataError)):
            dv.detect_feature_skew(base, test, features_to_ignore=ignored, confusion_features=confusion, **options)
        return
    result = dv.detect_feature_skew(base, test, features_to_ignore=ignored, confusion_features=confusion, **options)
    expected = case["expected"]
    results = [parsed(text) for text in expected["skew_results"]]
    for entry in results:
        entry["feature_name"] = entry["feature_name"][0]
    assert [as_dict(r) for r in result.to_json()["skew_results"]] == results, case["id"]
    assert as_dict(asdict(result.match_stats)) == parsed(expected["match_stats"][0]), case["id"]
    pairs = [{k: sorted(v) for k, v in asdict(p).items() if k not in ("base", "test") and v} for p in result.skew_pairs]
    told = [{k: sorted(v) for k, v in parsed(text).items()} for text in expected["skew_pairs"]]
    assert pairs == told, case["id"]
    if "confusion_pairs" in expected:
        told = [
            f'feature_name: "{c.feature_name}" base {{ bytes_value: "{c.base}" }} test {{ bytes_value: "{c.test}" }} '
            f"count: {c.count}"
            for c in result.confusion
        ]
        assert told == expected["confusion_pairs"]


def oracle(base: list[dict[str, Any]], test: list[dict[str, Any]], duplicates: bool) -> dict[str, list[int]]:
    """The counts of feature ``v``, by two plain loops."""
    counts = [0] * 6
    ids = {r["id"] for r in [*base, *test] if r["id"] is not None}
    for key in ids:
        ones, others = ([r for r in rows if r["id"] == key] for rows in (base, test))
        if not duplicates and (len(ones) > 1 or len(others) > 1):
            continue
        for one in ones:
            for other in others:
                a, b = one["v"], other["v"]
                counts[0] += a is not None
                counts[1] += b is not None
                counts[2] += a is not None and a == b
                counts[3] += a is not None and b is None
                counts[4] += a is None and b is not None
                counts[5] += a is not None and b is not None and a != b
    return {"v": counts}


ROWS = st.lists(
    st.fixed_dictionaries(
        {"id": st.one_of(st.none(), st.integers(0, 6)), "v": st.one_of(st.none(), st.sampled_from("ab"))}
    ),
    max_size=12,
)
SCHEMA = pa.schema([("id", pa.int64()), ("v", pa.string())])


@given(base=ROWS, test=ROWS, duplicates=st.booleans(), block=st.integers(1, 5), buckets=st.sampled_from([32 << 20, 40]))
@settings(max_examples=60, deadline=None)
def test_counts_are_those_of_plain_loops_for_any_blocks_and_buckets(
    base: list[dict[str, Any]], test: list[dict[str, Any]], duplicates: bool, block: int, buckets: int
) -> None:
    """And both sides of a comparison mirror each other."""
    tables = [Dataset.from_table(pa.Table.from_pylist(rows, SCHEMA), block) for rows in (base, test)]
    kept, module.BUCKET_BYTES = module.BUCKET_BYTES, buckets
    try:
        result = dv.detect_feature_skew(*tables, ["id"], allow_duplicate_identifiers=duplicates)
        mirrored = dv.detect_feature_skew(*tables[::-1], ["id"], allow_duplicate_identifiers=duplicates)
    finally:
        module.BUCKET_BYTES = kept
    expected = oracle(base, test, duplicates)["v"]
    found = next(iter(result.skew_results), dv_skew())
    assert [
        found.base_count,
        found.test_count,
        found.match_count,
        found.base_only,
        found.test_only,
        found.mismatch_count,
    ] == expected
    other = next(iter(mirrored.skew_results), dv_skew())
    assert (other.base_only, other.test_only, other.match_count) == (
        found.test_only,
        found.base_only,
        found.match_count,
    )
    assert result.match_stats.base_missing_id_count == sum(r["id"] is None for r in base)
    assert result.match_stats.identifiers_count == len({r["id"] for r in [*base, *test] if r["id"] is not None})


def dv_skew() -> Any:
    from trueline.data_validation.feature_skew_types import FeatureSkew

    return FeatureSkew("v")


def test_workers_and_processes_change_nothing() -> None:
    """The sample of pairs too."""
    rows = 2_000
    base = pa.table({"id": range(rows), "v": [float(i % 7) for i in range(rows)]})
    test = pa.table({"id": range(rows), "v": [float(i % 7 + (i % 50 == 0)) for i in range(rows)]})
    one = dv.detect_feature_skew(base, test, ["id"], sample_size=5, engine=LocalEngine(workers=1))
    with LocalEngine(workers=2, processes=True) as engine:
        blocks = [Dataset.from_table(t, 300) for t in (base, test)]
        other = dv.detect_feature_skew(*blocks, ["id"], sample_size=5, engine=engine)
    assert one == other
    assert len(one.skew_pairs) == 5
    assert all(p.base["id"] == p.test["id"] and p.base["v"] != p.test["v"] for p in one.skew_pairs)
    assert one.skew_results[0].mismatch_count == 40


def test_integers_and_floats_differ_and_a_scalar_is_a_list_of_one() -> None:
    """As upstream, where every feature is a list of one type."""
    base = pa.table({"id": [1, 2], "v": [1, 2]})
    floats = pa.table({"id": [1, 2], "v": [1.0, 2.0]})
    lists = pa.table({"id": [[1], [2]], "v": [[1], [2]]})
    assert dv.detect_feature_skew(base, floats, ["id"]).skew_results[0].mismatch_count == 2
    assert dv.detect_feature_skew(base, lists, ["id"]).skew_results[0].match_count == 2


def test_what_cannot_be_compared_is_told_at_once() -> None:
    """Unknown identifiers, unknown columns, confusion of numbers, several values in a row."""
    table = pa.table({"id": [1], "v": [1.0], "w": [["a", "b"]]})
    with pytest.raises(SchemaError) as caught:
        dv.detect_feature_skew(table, table, ["idd"], ["x"], confusion_features=["v"])
    assert len(caught.value.problems) == 4
    with pytest.raises(DataError, match="2 values in a row"):
        dv.detect_feature_skew(table, table, ["id"], confusion_features=["w"])


def test_results_as_dataframes() -> None:
    """Most different features first."""
    base = pa.table({"id": [1, 2], "same": ["x", "y"], "v": ["a", "b"]})
    test = pa.table({"id": [1, 2], "same": ["x", "y"], "v": ["a", "c"]})
    result = dv.detect_feature_skew(base, test, ["id"], confusion_features=["v"])
    assert list(dv.get_skew_result_dataframe(result)["feature_name"]) == ["v", "same"]
    assert dv.get_match_stats_dataframe(result)["matching_pairs_count"][0] == 2
    assert dv.get_confusion_count_dataframes(result)["v"].to_numpy().tolist() == [["a", "a", 1], ["b", "c", 1]]
