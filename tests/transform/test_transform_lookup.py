"""Lookups: tables frozen into the graph say what a dict says; live ones follow their folder's versions."""

from __future__ import annotations

import datetime as dt
import json
import logging
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
from helpers_transform import assert_same, by_onnx, by_oracle, graph_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import trueline.transform as tlt
from trueline._core.errors import DataError, TransformError
from trueline._core.values import raw_feature_of
from trueline.engine import LocalEngine
from trueline.transform.graph import Graph
from trueline.transform.live_tables import LiveTable, live_versions

ONE = LocalEngine(workers=1)
KEYS = pa.table({"k": pa.array(["a", "b", None, "é", "no", "a"]), "n": pa.array([1, -5, 7, None, 2**62, 1])})


def listed(value: Any) -> list[Any]:
    there = np.ones(len(value.data), bool) if value.present is None else value.present
    return [v if p else None for v, p in zip(value.data.tolist(), there.tolist(), strict=True)]


def looked(function: Any, table: pa.Table = KEYS) -> dict[str, list[Any]]:
    graph = graph_of(function, table)
    again = Graph.from_json(json.loads(json.dumps(graph.to_json())))
    found, expected = by_onnx(again, table), by_oracle(graph, table)
    for name, value in found.items():
        assert_same(value, expected[name])
    return {name: listed(v) for name, v in found.items()}


TAME = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=3)


@TAME
@given(
    st.dictionaries(WORDS, st.floats() | st.none(), min_size=1, max_size=8), st.lists(st.none() | WORDS, max_size=12)
)
def test_a_lookup_is_the_dict(table: dict[str, float | None], keys: list[str | None]) -> None:
    """Known keys get their value, unknown and missing ones are missing; with a default only missing keys are."""
    if all(v is None for v in table.values()):
        table["x"] = 1.5
    rows = pa.table({"k": pa.array([*keys, *table], pa.string())})
    found = looked(lambda x: {"y": tlt.lookup(x["k"], table), "d": tlt.lookup(x["k"], table, default=-1.0)}, rows)
    asked = rows.column("k").to_pylist()
    known = [None if k is None else table.get(k) for k in asked]
    filled = [None if k is None else -1.0 if v is None else v for k, v in zip(asked, known, strict=True)]
    for name, expected in (("y", known), ("d", filled)):
        assert [v is None for v in found[name]] == [v is None for v in expected]
        np.testing.assert_array_equal(np.array(found[name], float), np.array(expected, float))


def test_integer_keys_and_every_type_of_value() -> None:
    day = dt.datetime(2024, 2, 29)
    found = looked(
        lambda x: {
            "text": tlt.lookup(x["n"], {1: "one", -5: "é", 2**62: ""}),
            "number": tlt.lookup(x["n"], {1: 10, 7: 70}, default=0),
            "flag": tlt.lookup(x["n"], {1: True, 7: False}),
            "vector": tlt.lookup(x["n"], {1: [1.0, 2.0], 7: [3.0, 4.0]}, default=[0.0, -1.0]),
            "time": tlt.year(tlt.lookup(x["n"], {1: day, 7: dt.datetime(1969, 1, 1)})),
        }
    )
    assert found["text"] == ["one", "é", None, None, "", "one"]
    assert found["number"][:3] == [10, 0, 70]
    assert found["number"][4] == 0
    assert found["flag"] == [True, None, False, None, None, True]
    assert found["vector"][:3] == [[1.0, 2.0], [0.0, -1.0], [3.0, 4.0]]
    assert found["time"] == [2024, None, 1969, None, None, 2024]


FRAME = pa.table({"code": ["a", "é", "b"], "size": pa.array([1, None, 3], pa.int32()), "name": ["A", "E", None]})


def test_every_form_of_table_says_the_same(tmp_path: Path) -> None:
    pacsv.write_csv(FRAME.drop_columns(["name"]), tmp_path / "t.csv")
    pq.write_table(FRAME, tmp_path / "t.parquet")
    files = [tmp_path / "t.csv", str(tmp_path / "t.parquet")]
    for form in [FRAME, FRAME.to_batches()[0], FRAME.to_pandas(), pl.from_arrow(FRAME), *files]:
        found = looked(lambda x, form=form: {"y": tlt.lookup(x["k"], form, "size")})
        assert found["y"] == [1, 3, None, None, None, 1], type(form)


def test_several_columns_come_as_a_dict() -> None:
    found = looked(lambda x: tlt.lookup(x["k"], FRAME, ["size", "name"], key_column="code", default={"name": "?"}))
    assert found["size"] == [1, 3, None, None, None, 1]
    assert found["name"][:2] == ["A", "?"]
    assert found["name"][3:] == ["E", "?", "A"]
    assert set(looked(lambda x: tlt.lookup(x["k"], FRAME))) == {"size", "name"}


def test_keys_of_csv_keep_their_zeros(tmp_path: Path) -> None:
    (tmp_path / "zip.csv").write_text("zip,city\n01067,Dresden\n1067,nowhere\n")
    table = pa.table({"k": ["01067", "1067"]})
    found = looked(lambda x: {"y": tlt.lookup(x["k"], tmp_path / "zip.csv")}, table)
    assert found["y"] == ["Dresden", "nowhere"]


def test_lists_of_keys_need_a_default() -> None:
    table = pa.table({"k": [["a", "zz"], [], None]})
    found = looked(lambda x: {"y": tlt.lookup(x["k"], {"a": 1.5}, default=0.0)}, table)
    assert found["y"][0] == [1.5, 0.0]
    with pytest.raises(TransformError, match="give it a default"):
        looked(lambda x: {"y": tlt.lookup(x["k"], {"a": 1.5})}, table)


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda x: tlt.lookup(x["k"], pa.table({"k": ["a", "b", "a"], "v": [1, 2, 3]})), "more than once: 'a'"),
        (lambda x: tlt.lookup(x["k"], pa.table({"k": ["a", None], "v": [1, 2]})), "row 1 has no key"),
        (lambda x: tlt.lookup(x["k"], {1: 2}), "its keys are int64, the column that is looked up is utf8"),
        (lambda x: tlt.lookup(x["k"], FRAME, "sise"), "no column 'sise'"),
        (lambda x: tlt.lookup(x["k"], FRAME, ["size", "name"], default=3), "dict of defaults"),
        (lambda x: tlt.lookup(x["k"], {"a": 1.5}, default="x"), "no float64"),
        (lambda x: tlt.lookup(x["k"], {"a": [1.0], "b": [1.0, 2.0]}), "of one length"),
        (lambda x: tlt.lookup(x["k"], {"a": b"x"}), "no place in a graph"),
        (lambda x: tlt.lookup(x["k"], {"a": 1, "b": "x"}), "must be of one type"),
        (lambda x: tlt.lookup(x["k"], {str(i): [0.0] * 1000 for i in range(2001)}), "2,003,001 cells"),
        (lambda x: tlt.lookup(x["k"], "no/such.csv"), "does not exist"),
        (lambda x: tlt.lookup(x["k"], "table.xlsx"), "only .csv and .parquet"),
        (lambda x: tlt.lookup(x["k"], 7), "a int is no table"),
        (lambda x: tlt.lookup(x["k"]), "a table, or a source"),
        (lambda x: tlt.lookup(x["k"], {"a": 1}, live=True), "a table, or a source"),
        (lambda x: tlt.take(x["n"], []), "non-empty list"),
        (lambda x: tlt.take(x["n"], [[1.0], [1.0, 2.0]]), "of one length"),
        (lambda x: tlt.take(x["n"], [1, "a"]), "of one type"),
        (lambda x: tlt.take(x["n"], [1, 2], default=0.5), "no int64"),
        (lambda x: tlt.take(x["k"], [1, 2]), "int64"),
    ],
)  # fmt: skip
def test_unusable_tables_are_refused(function: Any, said: str) -> None:
    with pytest.raises(TransformError, match=said):
        looked(lambda x: {"y": function(x)})


def test_a_damaged_file_is_told_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "bad.parquet").write_bytes(b"no parquet")
    with pytest.raises(TransformError, match=r"bad\.parquet.*cannot be read"):
        looked(lambda x: {"y": tlt.lookup(x["k"], tmp_path / "bad.parquet")})


def test_a_lookup_is_portable() -> None:
    """The whole table lies in the graph, which runs wherever ONNX Runtime does."""
    features = [raw_feature_of(f) for f in KEYS.schema]
    graph = tlt.trace(lambda x: {"y": tlt.lookup(x["k"], {"a": 1.5})}, features, profile="portable")
    assert graph.host_steps == ()


# ---- live tables


def publish(source: Path, values: dict[str, Any], **columns: list[Any]) -> int:
    return tlt.write_lookup_version(str(source), pa.table({"k": list(values), "v": list(values.values()), **columns}))


def until(condition: Any) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.005)


def test_a_live_table_is_read_before_the_graph(tmp_path: Path) -> None:
    """In analysis and transform; unknown keys get the default; the version in use is a column."""
    source = tmp_path / "prices"
    assert publish(source, {"a": 1.5, "é": None}) == 1

    def preprocessing(x: Any) -> dict[str, Any]:
        price = tlt.lookup(x["k"], source=str(source), live=True)
        return {
            "price": price,
            "filled": tlt.fill_missing(price, -1.0),
            "mean": price - tlt.mean(price),
            "version": tlt.lookup_version(x["k"], str(source)),
        }

    out, output = tlt.analyze_and_transform(KEYS, preprocessing, engine=ONE)
    assert out["price"].to_pylist() == [1.5, None, None, None, None, 1.5]
    assert out["filled"].to_pylist() == [1.5, -1.0, -1.0, -1.0, -1.0, 1.5]
    assert out["mean"].to_pylist()[0] == 0.0
    assert out["version"].to_pylist() == [1] * 6
    assert {s.module for s in output.host_steps()} == {"trueline.transform.host_library"}
    assert live_versions()[str(source)] == 1
    output.save(str(tmp_path / "g"))
    again = tlt.TransformOutput.load(str(tmp_path / "g"))
    assert again.transform(KEYS)["price"].to_pylist() == out["price"].to_pylist()


def test_live_columns_with_vectors_and_defaults(tmp_path: Path) -> None:
    source = tmp_path / "users"
    tlt.write_lookup_version(
        str(source), pa.table({"id": [1, 7], "vec": [[1.0, 2.0], [3.0, 4.0]], "name": ["x", None]})
    )

    def preprocessing(x: Any) -> dict[str, Any]:
        return dict(tlt.lookup(x["n"], source=str(source), live=True, default={"vec": 0.5, "name": "?"}))

    out, _ = tlt.analyze_and_transform(KEYS, preprocessing, engine=ONE)
    assert out["vec"].to_pylist() == [[1.0, 2.0], [0.5, 0.5], [3.0, 4.0], None, [0.5, 0.5], [1.0, 2.0]]
    assert out["name"].to_pylist() == ["x", "?", "?", None, "?", "x"]


REQUIRED = ("v", ("float64", None))


def test_new_versions_are_taken_whole(tmp_path: Path) -> None:
    """While versions change under eight readers, every answer comes from one version alone, and the last one wins."""
    source = tmp_path / "t"
    keys = [str(i) for i in range(200)]
    publish(source, dict.fromkeys(keys, 1.0))
    table = LiveTable(str(source), None, "utf8")
    mixed: list[Any] = []
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            loaded = table.current(0.0, REQUIRED)
            values = {loaded.table.columns["v"].values[loaded.places[k]] for k in keys}
            if values != {float(loaded.version)}:
                mixed.append((loaded.version, values))

    readers = [threading.Thread(target=read) for _ in range(8)]
    for reader in readers:
        reader.start()
    for version in range(2, 6):
        assert publish(source, dict.fromkeys(keys, float(version))) == version
    until(lambda: table.version == 5)
    stop.set()
    for reader in readers:
        reader.join()
    assert mixed == []


def test_the_folder_is_looked_at_no_more_often_than_told(tmp_path: Path) -> None:
    source = tmp_path / "t"
    publish(source, {"a": 1.0})
    table = LiveTable(str(source), None, "utf8")
    assert table.current(3600.0).version == 1
    publish(source, {"a": 2.0})
    for _ in range(20):
        assert table.current(3600.0).version == 1
    assert not any(t.name == "trueline-lookup" for t in threading.enumerate())


def test_unfinished_damaged_and_unfit_versions_are_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    source = tmp_path / "t"
    publish(source, {"a": 1.0})
    (source / "9").mkdir()  # no manifest: not complete
    (source / "notes").mkdir()
    table = LiveTable(str(source), None, "utf8")
    assert table.current(0.0, REQUIRED).version == 1
    caplog.set_level(logging.INFO, "trueline.lookup")
    assert tlt.write_lookup_version(str(source), pa.table({"k": ["a"], "v": ["text"]})) == 10
    until(lambda: table.current(0.0) and "version 10 is left out" in caplog.text)
    assert "column 'v' is utf8" in caplog.text
    assert tlt.write_lookup_version(str(source), pa.table({"k": ["a", "a"], "v": [1.0, 2.0]})) == 11
    until(lambda: table.current(0.0) and "more than once" in caplog.text)
    damaged = publish(source, {"a": 12.0})
    with open(source / str(damaged) / "table.parquet", "r+b") as file:
        file.write(b"XXXX")
    until(lambda: table.current(0.0) and "other contents than were written" in caplog.text)
    assert table.version == 1
    assert publish(source, {"a": 13.0}) == 13
    until(lambda: table.current(0.0).version == 13)


def test_without_a_version_it_is_an_error_at_the_users_line(tmp_path: Path) -> None:
    with pytest.raises(TransformError, match="no complete version"):
        looked(lambda x: {"y": tlt.lookup(x["k"], source=str(tmp_path), live=True)})
    with pytest.raises(DataError, match="no complete version"):
        LiveTable(str(tmp_path), None, "utf8").current(1.0)
    publish(tmp_path / "t", {"a": 1.0})
    with pytest.raises(TransformError, match="at least 1"):
        looked(lambda x: {"y": tlt.lookup(x["k"], source=str(tmp_path / "t"), live=True, poll_seconds=0)})
    with pytest.raises(TransformError, match="runs before the graph"):
        looked(lambda x: {"y": tlt.lookup(tlt.lower(x["k"]), source=str(tmp_path / "t"), live=True)})
