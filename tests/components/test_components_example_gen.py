"""ExampleGens: every kind of source, spans, input splits, wrong options all at once, and what the cache trusts."""

from __future__ import annotations

import json
import sqlite3
import struct
import zlib
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from trueline import data
from trueline._core.errors import DataError
from trueline.components import (
    AvroExampleGen,
    CsvExampleGen,
    CustomExampleGen,
    ImageExampleGen,
    ImportExampleGen,
    JsonlExampleGen,
    ParquetExampleGen,
    SqlExampleGen,
)
from trueline.components.example_gen_base import execute, fingerprint

ROWS = [{"id": i, "shop": f"s{i % 3}", "fare": i * 0.5} for i in range(60)]


def rows_of(day: int) -> Any:
    """A user's own source."""
    yield from ({**row, "day": day} for row in ROWS)


@pytest.fixture
def run(context):
    """Carries out a node as the launcher does, and opens what it wrote."""

    def carry(node: Any) -> Any:
        assert node.problems == []
        params = json.loads(json.dumps(node.params))
        ctx = context(params, {}, {"examples": "Examples"})
        execute(ctx)
        return data.Examples.open(ctx.outputs["examples"].uri), ctx

    return carry


def write_csv(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([",".join(rows[0]), *(",".join(map(str, r.values())) for r in rows)]) + "\n")


def database(path: Path) -> str:
    connection = sqlite3.connect(path)
    connection.execute("create table rides (id integer, shop text, fare real)")
    connection.executemany("insert into rides values (:id, :shop, :fare)", ROWS)
    connection.commit()
    connection.close()
    return f"sqlite:///{path}"


def png(width: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, 2, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * (width + 1) * 2)) + chunk(b"IEND", b"")


def make(kind: str, folder: Path) -> Any:
    """The same rows in each format, and the node that reads them."""
    table = pa.Table.from_pylist(ROWS)
    if kind == "csv":
        write_csv(folder / "rows.csv", ROWS)
        return CsvExampleGen(input_base=str(folder))
    if kind == "jsonl":
        (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, ROWS)))
        return JsonlExampleGen(input_base=str(folder))
    if kind == "parquet":
        pq.write_table(table, folder / "rows.parquet")
        return ParquetExampleGen(input_base=str(folder))
    if kind == "avro":
        fastavro = pytest.importorskip("fastavro", reason="the avro extra is not installed")
        fields = [{"name": n, "type": t} for n, t in (("id", "long"), ("shop", "string"), ("fare", "double"))]
        with (folder / "rows.avro").open("wb") as file:
            fastavro.writer(file, {"type": "record", "name": "ride", "fields": fields}, ROWS)
        return AvroExampleGen(input_base=str(folder))
    if kind == "tfrecord":
        data.write_examples_tfrecord(str(folder / "rows.tfrecord.gz"), table)
        return ImportExampleGen(input_base=str(folder))
    if kind == "sql":
        return SqlExampleGen("select * from rides order by id", database(folder / "rides.db"))
    return CustomExampleGen(f"{__name__}:rows_of", params={"day": 3})


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet", "avro", "tfrecord", "sql", "custom"])
def test_the_same_rows_come_out_of_every_source(kind: str, run: Any, tmp_path: Path) -> None:
    """Values, types and splits, whatever they were read from."""
    (tmp_path / "in").mkdir()
    examples, ctx = run(make(kind, tmp_path / "in"))
    found = [row for split in examples.splits for row in examples.table(split).to_pylist()]
    assert sorted(({k: r[k] for k in ROWS[0]} for r in found), key=lambda r: r["id"]) == ROWS
    assert set(examples.splits) == {"train", "eval"}
    assert examples.num_rows("train") > examples.num_rows("eval") > 0
    assert ctx.outputs["examples"].properties["split_names"] == ["train", "eval"]


def test_images_have_their_folders_as_labels(run: Any, tmp_path: Path) -> None:
    for label, width in (("cat", 3), ("dog", 4)):
        for i in range(6):
            (tmp_path / "in" / label).mkdir(parents=True, exist_ok=True)
            (tmp_path / "in" / label / f"{i}.png").write_bytes(png(width))
    examples, _ = run(ImageExampleGen(input_base=str(tmp_path / "in"), splits={"all": 1}))
    found = examples.table("all").to_pylist()
    assert {(r["label"], r["width"], r["format"]) for r in found} == {("cat", 3, "png"), ("dog", 4, "png")}
    assert len(found) == 12


def test_the_newest_span_is_taken_and_a_newer_one_changes_the_fingerprint(run: Any, tmp_path: Path) -> None:
    """The span is the artifact's property; a range takes several."""
    for day in (3, 11):
        write_csv(tmp_path / "in" / f"span-{day}" / "v1" / "rows.csv", [{"day": day, "n": i} for i in range(9)])
    node = CsvExampleGen(input_base=str(tmp_path / "in"), pattern="span-{SPAN}/v{VERSION}/*.csv", splits={"all": 1})
    before = fingerprint(node.params)
    examples, ctx = run(node)
    assert set(examples.table("all")["day"].to_pylist()) == {11}
    assert (ctx.outputs["examples"].properties["span"], ctx.outputs["examples"].properties["version"]) == (11, 1)
    assert fingerprint(node.params) == before
    write_csv(tmp_path / "in" / "span-12" / "v1" / "rows.csv", [{"day": 12, "n": 1}])
    assert fingerprint(node.params) != before
    wide = CsvExampleGen(
        input_base=str(tmp_path / "in"),
        pattern="span-{SPAN}/v{VERSION}/*.csv",
        span_range=data.RollingRange(2),
        splits={"all": 1},
    )
    examples, _ = run(wide)
    assert set(examples.table("all")["day"].to_pylist()) == {11, 12}


def test_input_splits_stay_as_they_are(run: Any, tmp_path: Path) -> None:
    write_csv(tmp_path / "in" / "train" / "a.csv", ROWS[:40])
    write_csv(tmp_path / "in" / "eval" / "a.csv", ROWS[40:])
    examples, _ = run(CsvExampleGen(input_base=str(tmp_path / "in"), pattern={"train": "train/*", "eval": "eval/*"}))
    assert examples.table("eval")["id"].to_pylist() == list(range(40, 60))


def test_rows_are_filtered_and_split_by_groups(run: Any, tmp_path: Path) -> None:
    write_csv(tmp_path / "rows.csv", ROWS)
    node = CsvExampleGen(input_base=str(tmp_path / "rows.csv"), where="fare >= 5", group_by="shop", shuffle=True)
    examples, _ = run(node)
    assert sum(examples.num_rows(s) for s in examples.splits) == 50
    shops = [set(examples.table(s)["shop"].to_pylist()) for s in examples.splits if examples.num_rows(s)]
    assert sum(map(len, shops)) == 3
    with pytest.raises(DataError, match="left out: 60"):
        run(CsvExampleGen(input_base=str(tmp_path / "rows.csv"), where="fare > 1000"))


def test_a_schema_keeps_ids_as_text(run: Any, tmp_path: Path) -> None:
    """And a changed schema file is a changed input."""
    (tmp_path / "rows.csv").write_text("zip,n\n007,1\n12,2\n")
    (tmp_path / "schema.pbtxt").write_text('feature { name: "zip" type: BYTES }')
    node = CsvExampleGen(
        input_base=str(tmp_path / "rows.csv"), schema_file=str(tmp_path / "schema.pbtxt"), splits={"all": 1}
    )
    assert run(node)[0].table("all")["zip"].to_pylist() == ["007", "12"]
    before = fingerprint(node.params)
    (tmp_path / "schema.pbtxt").write_text('feature { name: "zip" type: INT }')
    assert fingerprint(node.params) != before


def test_a_query_is_cached_only_by_its_fingerprint_query(tmp_path: Path) -> None:
    """Without one each look is new; with one it changes with the table."""
    url = database(tmp_path / "rides.db")
    plain = SqlExampleGen("select * from rides", url)
    assert fingerprint(plain.params) != fingerprint(plain.params)
    counted = SqlExampleGen("select * from rides", url, fingerprint_query="select count(*), max(id) from rides")
    before = fingerprint(counted.params)
    assert fingerprint(counted.params) == before
    connection = sqlite3.connect(tmp_path / "rides.db")
    connection.execute("insert into rides values (60, 's', 1.0)")
    connection.commit()
    connection.close()
    assert fingerprint(counted.params) != before


def test_a_password_is_refused_and_kept_nowhere() -> None:
    node = SqlExampleGen("select 1", "postgresql://me:geheim@host/db")
    assert any("password" in p for p in node.problems)
    assert "geheim" not in json.dumps(node.params) + "".join(node.problems)


def test_wrong_options_are_told_all_at_once() -> None:
    node = CsvExampleGen(
        input_base="rows",
        pattern="{YYYY}{MM}/*.csv",
        delimiter=",,",
        splits={"train": 0},
        where="fare >",
        sample=2.0,
        max_rejects=-1,
        block_rows=0,
        colour="red",  # type: ignore[call-arg]
    )
    text = "\n".join(node.problems)
    for expected in (
        "pattern",
        "delimiter",
        "cannot split so",
        "where",
        "sample",
        "max_rejects",
        "block_rows",
        "colour",
    ):
        assert expected in text, expected
    split = CsvExampleGen(input_base="rows", pattern={"train": "a", "eval": "b"}, splits={"x": 1})
    assert any("input splits" in p for p in split.problems)
    assert any("no source" in p for p in CustomExampleGen("nowhere:rows").problems)
    ranged = CsvExampleGen(input_base="rows", span_range=data.RollingRange(2))
    assert any("span_range" in p for p in ranged.problems)


@pytest.mark.parametrize("text", ["a,b\n", "a,b", "a,b\n\n"])
def test_a_header_alone_is_refused(text: str, run: Any, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text(text)
    with pytest.raises(DataError, match=r"rows\.csv: there is no row in it \(rejects: 0\)"):
        run(CsvExampleGen(input_base=str(tmp_path / "rows.csv")))


def test_a_wrong_path_says_where_it_was_looked_for_and_what_is_there(run, tmp_path, monkeypatch) -> None:
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="dta: the input does not exist") as caught:
        run(CsvExampleGen(input_base="dta"))
    assert f"it was looked for in {tmp_path}. Did you mean 'data'?" in str(caught.value)
    with pytest.raises(DataError, match=f"there is no folder {tmp_path}/no either"):
        run(CsvExampleGen(input_base="no/such"))
