"""The leakage report: planted leaks are found and named, clean data and few rows raise no alarm."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pytest

from trueline._core.errors import ConfigError
from trueline.data_validation import StatsOptions, generate_statistics
from trueline.data_validation.leakage import LeakageReport, leakage_report
from trueline.engine import Dataset, LocalEngine


def found_in(table: pa.Table, label: str = "y", **options: Any) -> dict[str, str]:
    report = leakage_report(table, label=label, engine=LocalEngine(1), **options)
    return {".".join(finding.feature): finding.how for finding in report.findings}


def clean(rows: int, seed: int = 0) -> dict[str, Any]:
    """Features of honest strength: the best of them has an AUC of 0.92 or so."""
    rng = np.random.default_rng(seed)
    y = rng.random(rows) < 0.3
    return {
        "y": y,
        "strong": rng.normal(size=rows) + 2.0 * y,
        "weak": rng.normal(size=rows) + 0.3 * y,
        "group": rng.choice(list("abcdef"), rows),
        "user": [f"u{i}" for i in range(rows)],
        "shop": [f"s{i}" for i in rng.integers(0, rows // 3 + 1, rows)],
        "constant": np.zeros(rows),
        "gaps": [None if rng.random() < 0.2 else 1.0 for _ in range(rows)],
    }


@pytest.mark.parametrize("rows", [20, 60, 300, 3000])
def test_clean_data_raise_no_alarm(rows: int) -> None:
    """No finding in many clean data sets of any size; ids and rare categories are no leak."""
    for seed in range(6):
        assert found_in(pa.table(clean(rows, seed))) == {}


def planted(rows: int = 3000) -> dict[str, Any]:
    rng = np.random.default_rng(9)
    columns = clean(rows)
    y = columns["y"]
    columns["copy"] = y.astype(int)
    columns["refund"] = np.where(y, 1000, 0) + rng.integers(0, 900, rows)
    columns["closed_at"] = [1 if flag else None for flag in y]
    columns["status"] = np.where(y, rng.choice(["won", "paid"], rows), rng.choice(["lost", "open"], rows))
    columns["band"] = np.where(y, rng.uniform(1, 2, rows), rng.choice([-1, 1], rows) * 3.0 + 0.1)
    columns["nearly"] = np.where(rng.random(rows) < 0.002, ~y, y).astype(str)
    return columns


LEAKS = {
    "copy": "equal",
    "refund": "order",
    "closed_at": "missingness",
    "status": "value",
    "band": "value",
    "nearly": "value",
}


def test_planted_leaks_are_found_and_named() -> None:
    """A copy, a threshold, missingness, telling categories, a band of values, a copy with errors: and nothing else."""
    table = pa.table(planted())
    assert found_in(table) == LEAKS
    report = leakage_report(table, label="y", engine=LocalEngine(1))
    assert report.task == "binary"
    assert report.measure == "AUC"
    assert not report.ok
    assert LeakageReport.from_json(report.to_json()) == report
    sentences = {f.feature[0]: f.sentence for f in report.findings}
    assert sentences["copy"] == "copy is y itself in 100.00% of the rows that have both."
    assert sentences["closed_at"].startswith("Whether closed_at is missing gives y away: AUC 1.0000")
    assert all(f.lower <= f.score for f in report.findings)


def test_blocks_and_workers_change_nothing() -> None:
    """With row numbers any blocks give the same report."""
    columns = planted()
    table = pa.table({**columns, "__row__": np.arange(len(columns["y"]))})
    whole = leakage_report(table, label="y", sample_rows=1000, engine=LocalEngine(1))
    cut = leakage_report(Dataset.from_table(table, 190), label="y", sample_rows=1000, engine=LocalEngine(2))
    assert whole == cut
    assert whole.sample_rows == 1000
    assert whole.rows == 3000
    assert {f.feature[0]: f.how for f in whole.findings} == LEAKS


def test_few_rows_do_not_cry_wolf() -> None:
    """Perfect predictions are reported from 20 rows of the smaller class on with a bound that they can reach."""
    for rows in (20, 49, 100):
        report = leakage_report(pa.table(planted(rows)), label="y", engine=LocalEngine(1))
        assert report.findings == () or report.rows >= 100
        assert dict(report.scores)["refund",] == 1.0
    assert not leakage_report(pa.table(planted(40)), label="y", engine=LocalEngine(1)).enough
    rare = pa.table({"y": [1] * 3 + [0] * 997, "flag": [1] * 3 + [0] * 997, "other": [0] * 1000})
    assert found_in(rare) == {}


def test_data_sorted_by_label() -> None:
    """A counter, and a time that follows the rows, give a sorted label away; shuffled they do not."""
    rng = np.random.default_rng(1)
    y = np.sort(rng.random(2000) < 0.4)
    rows = np.arange(2000)
    table = pa.table({"y": y, "id": rows + 10**6, "ts": rows // 3 * 1.5 + 0.25, "__row__": rows})
    assert found_in(table) == {"id": "row_order", "ts": "row_order"}
    shuffled = pa.table({"y": rng.permutation(y), "id": rows, "ts": rows * 1.5 + 0.25})
    assert found_in(shuffled) == {}


def test_several_classes_and_numbers() -> None:
    """More classes are judged by accuracy above chance, numeric labels by R squared."""
    rng = np.random.default_rng(4)
    grade = rng.choice(["a", "b", "c"], 2000, p=[0.6, 0.3, 0.1])
    codes = np.array([ord(g) for g in grade])
    table = pa.table({"y": grade, "code": codes, "points": codes * 10 + rng.integers(0, 9, 2000), "x": codes % 2})
    report = leakage_report(table, label="y", engine=LocalEngine(1))
    assert report.task == "multiclass"
    assert {f.feature[0]: f.how for f in report.findings} == {"code": "value", "points": "value"}
    price = rng.lognormal(size=2000)
    numeric = pa.table(
        {
            "y": price,
            "gross": price * 1.19,
            "log": np.log(price),
            "same": price,
            "noisy": price + rng.normal(size=2000),
        }
    )
    found = leakage_report(numeric, label="y", engine=LocalEngine(1))
    assert found.task == "regression"
    assert {f.feature[0]: f.how for f in found.findings} == {"same": "equal", "gross": "order", "log": "order"}


def test_odd_columns() -> None:
    """Infinities, NaN, nulls in the label, lists, structs, times, bytes: judged or left out, never an error."""
    rng = np.random.default_rng(5)
    y = rng.random(500) < 0.5
    table = pa.table(
        {
            "y": pa.array([None if i % 50 == 0 else bool(v) for i, v in enumerate(y)]),
            "inf": np.where(y, np.inf, -np.inf),
            "nan": np.where(y, np.nan, 1.0),
            "list": pa.array([["t"] if v else [] for v in y], pa.list_(pa.string())),
            "set": pa.array([["a", "b"][:: 1 if i % 2 else -1] if v else ["c"] for i, v in enumerate(y)]),
            "in": pa.array([{"f": int(v)} for v in y]),
            "deep": pa.array([[{"f": int(v)}] for v in y]),
            "bytes": pa.array([b"\xff" if v else b"\xfe" for v in y]),
            "time": pa.array(rng.integers(0, 10**15, 500), pa.timestamp("us")),
            "nothing": pa.nulls(500),
        }
    )
    assert found_in(table) == {
        "inf": "order",
        "nan": "missingness",
        "list": "value",
        "set": "value",
        "in.f": "equal",
        "bytes": "value",
    }
    assert leakage_report(pa.table({"y": [1] * 100, "x": range(100)}), label="y").task == "none"
    assert leakage_report(pa.table({"y": pa.array([], pa.int64()), "x": pa.array([], pa.int64())}), label="y").ok


def test_as_custom_statistics() -> None:
    """Every feature's score, and the sentence where it leaks, stand in the statistics."""
    options = StatsOptions(label_feature="y", leakage=True, leakage_threshold=0.98)
    found = generate_statistics(pa.table(planted()), options, LocalEngine(1)).datasets[0]
    stats = {f.path.step[0]: {s.name: s for s in f.custom_stats} for f in found.features}
    assert {name for name, s in stats.items() if "leakage" in s} == set(LEAKS)
    assert all("leakage_score" in s for name, s in stats.items() if name != "y")
    assert stats["refund"]["leakage"].str.startswith("refund alone orders the rows by y: AUC 1.0000")


def test_wrong_arguments_are_named_at_once() -> None:
    """All problems in one error, with what there is instead."""
    with pytest.raises(ConfigError) as error:
        leakage_report(
            pa.table({"label": [1], "x": [2]}), label="labl", threshold=0.3, sample_rows=5, features=["x", "why"]
        )
    assert len(error.value.problems) == 4
    assert "Did you mean 'label'?" in error.value.problems[0]


@pytest.mark.shared
def test_taxi(shared: Path) -> None:
    """A label made of tips is given away by tips; a label made of tips and fare only below a lower threshold."""
    table = pa_csv.read_csv(shared / "data/taxi/taxi.csv")
    tips, fare = table["tips"].to_numpy(), table["fare"].to_numpy()
    tipped = table.append_column("tipped", pa.array(tips > 3.0))
    assert found_in(tipped, "tipped") == {"tips": "order"}
    big = table.append_column("big_tipper", pa.array(tips > 0.2 * fare))
    assert found_in(big, "big_tipper") == {}
    assert list(found_in(big, "big_tipper", threshold=0.95)) == ["tips"]
    assert found_in(table, "fare") == {}


@pytest.mark.shared
def test_adult(shared: Path) -> None:
    """The census has no leak of income; education and its number are the same thing, and are found so."""
    with (shared / "data/adult/adult.data").open(encoding="utf-8") as file:
        header, *rows = [row for row in csv.reader(file, skipinitialspace=True) if row]
    columns: dict[str, Any] = {}
    for name, values in zip(header, zip(*rows, strict=True), strict=True):
        numeric = all(value.lstrip("-").isdigit() for value in values)
        columns[name] = [int(v) if numeric else None if v == "?" else v for v in values]
    table = pa.table(columns)
    assert found_in(table, header[-1]) == {}
    pairs = {label: found_in(table, label) for label in header if "education" in label}
    assert [list(found) for found in pairs.values()] == [[name] for name in reversed(pairs)]
