"""CSV ingestion: values, nulls, headers, odd texts; and that no result depends on how the reading was cut up."""

from __future__ import annotations

import datetime as dt
import gzip
import math

import pyarrow as pa
import pytest
from data_samples import bits_of, rows_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trueline._core.errors import ConfigError, DataError
from trueline._core.rowid import split_row_ids
from trueline.data import Examples, ingest_csv
from trueline.data.cells import arrow_type_of_class, classify, convert
from trueline.engine import LocalEngine


def test_types_and_nulls(folder, out):
    report = ingest_csv(
        folder(
            a="i,f,b,t,z,s,zip,none\n1,0.5,true,2013-01-01,2013-01-01T00:00:00Z,NA,007,\n"
            '-2,nan,,2013-01-01 10:00:00,2013-01-01T02:00:00+02:00,"",42,\n,,False,,,,,\n'
        ),
        out,
    )
    day = dt.datetime(2013, 1, 1)
    assert report.columns == {
        "i": "int64", "f": "double", "b": "bool", "t": "timestamp[us]", "z": "timestamp[us]", "s": "string",
        "zip": "string", "none": "string",
    }  # fmt: skip
    got = rows_of(out).to_pydict()
    assert math.isnan(got["f"][1])
    got["f"][1] = "NaN"
    assert got == {
        "i": [1, -2, None], "f": [0.5, "NaN", None], "b": [True, None, False], "t": [day, day.replace(hour=10), None],
        "z": [day, day, None], "s": ["NA", "", None], "zip": ["007", "42", None], "none": [None, None, None],
    }  # fmt: skip
    assert (report.rows, report.rejects, sum(report.splits.values()), report.files) == (3, 0, 3, 1)


def test_null_values_are_an_option(folder, out):
    ingest_csv(folder(a="x,s\n1,NA\nNA,\n-,b\n"), out, null_values=("", "NA", "-"))
    assert rows_of(out).to_pydict() == {"x": [1, None, None], "s": [None, None, "b"]}


@pytest.mark.parametrize(
    "data",
    [
        b"a,b\n1,x\n2,y\n",
        b"a,b\n1,x\n2,y",
        b"a,b\r\n1,x\r\n2,y\r\n",
        b"a,b\r1,x\r2,y\r",
        b"\xef\xbb\xbfa,b\n1,x\n2,y\n",
        b'"a","b"\n"1","x"\n\n\n2,y\n\n',
        b"\n\na,b\n1,x\n2,y\n",
    ],
)
def test_line_ends_byte_order_mark_quotes_and_blank_lines(folder, out, data):
    ingest_csv(folder(a=data), out)
    assert rows_of(out).to_pydict() == {"a": [1, 2], "b": ["x", "y"]}


def test_quoted_newlines_delimiters_and_quotes(folder, out):
    ingest_csv(folder(a='t,n\n"one\ntwo, ""three""\r\nfour",1\n5" pipe,2\n'), out)
    assert rows_of(out).to_pydict() == {"t": ['one\ntwo, "three"\r\nfour', '5" pipe'], "n": [1, 2]}


def test_odd_column_names_and_one_column(folder, out):
    ingest_csv(folder(a='"a.b","line\nbreak",ünï,a\n1,2,3,4\n'), out)
    assert rows_of(out).to_pydict() == {"a.b": [1], "line\nbreak": [2], "ünï": [3], "a": [4]}
    ingest_csv(folder(a="only\n1\n\n2\n"), out)
    assert rows_of(out).to_pydict() == {"only": [1, 2]}


@pytest.mark.parametrize("read_bytes", [1, 16, 64, 1 << 20])
def test_very_long_fields_are_read_whatever_is_read_at_a_time(folder, out, read_bytes):
    long = "x" * 300_000
    ingest_csv(folder(a=f'a,b\n1,s\n2,{long}\n3,"{long}\n{long}"\n4,t\n'), out, read_bytes=read_bytes)
    got = rows_of(out).to_pydict()
    assert got["a"] == [1, 2, 3, 4]
    assert [len(v) for v in got["b"]] == [1, 300_000, 600_001, 1]


def test_a_header_alone_is_no_error_and_an_empty_file_is(folder, out):
    for header in ("a,b\n", "a,b", "a,b\n\n\n"):
        report = ingest_csv(folder(a=header), out)
        assert (report.rows, dict(report.splits)) == (0, {"train": 0, "eval": 0})
        examples = Examples.open(out)
        assert examples.arrow_schema.names == ["a", "b", "__row__"]
        assert examples.table("train").num_rows == 0
    for empty in ("", "\n\n"):
        with pytest.raises(DataError, match=r"a.csv: the file is empty"):
            ingest_csv(folder(a=empty), out)


def test_no_input(tmp_path, folder, out):
    with pytest.raises(DataError, match="does not exist"):
        ingest_csv(str(tmp_path / "nowhere"), out)
    with pytest.raises(DataError, match=r"no file matches '\*.txt'(.|\n)*there is: a.csv"):
        ingest_csv(folder(a="a\n1\n"), out, pattern="*.txt")


def test_headers_must_agree_in_names_and_order(folder, out):
    with pytest.raises(
        DataError, match=r"b.csv: the files of one input have other columns\n  - a.csv: x, y\n  - b.csv: x, z"
    ):
        ingest_csv(folder(a="x,y\n1,2\n", b="x,z\n1,2\n"), out)
    with pytest.raises(DataError, match="in another order"):
        ingest_csv(folder(b="y,x\n1,2\n"), out)


def test_headers_that_cannot_name_columns_list_every_problem(folder, out):
    with pytest.raises(DataError, match=r"line 1") as caught:
        ingest_csv(folder(a="x,,x,__row__\n1,2,3,4\n"), out)
    assert len(caught.value.problems) == 3


def test_bytes_of_another_encoding_are_named_with_their_line(folder, out):
    base = folder(a=b"name,n\nok,1\n" + "café,2\n".encode("latin1"))
    with pytest.raises(DataError, match=r"a.csv line 3: the bytes are not utf8.*(.|\n)*encoding="):
        ingest_csv(base, out)
    ingest_csv(base, out, encoding="latin1")
    assert rows_of(out)["name"].to_pylist() == ["ok", "café"]
    base = folder(a="name\nünï\n".encode("utf16"))
    with pytest.raises(DataError, match="line 1"):
        ingest_csv(base, out)
    ingest_csv(base, out, encoding="utf16")
    assert rows_of(out).to_pydict() == {"name": ["ünï"]}
    with pytest.raises(DataError, match="no encoding has the name"):
        ingest_csv(base, out, encoding="klingon")


def test_packed_files_and_other_delimiters(tmp_path, out):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv.gz").write_bytes(gzip.compress(b"a;b\n1;2\n"))
    (tmp_path / "in" / "_SUCCESS").write_bytes(b"")
    ingest_csv(str(tmp_path / "in"), out, delimiter=";")
    assert rows_of(out).to_pydict() == {"a": [1], "b": [2]}


def test_wrong_options_are_listed_together(folder, out):
    with pytest.raises(ConfigError) as caught:
        ingest_csv(folder(a="a\n1\n"), out, max_rejects=-1, block_rows=0, delimiter="ab", read_bytes=0)
    assert len(caught.value.problems) == 4
    with pytest.raises(ConfigError) as caught:
        ingest_csv(folder(a="a\n1\n"), out, splits=(("a/b", 1), ("x", 0), ("y", 1), ("y", 1)))
    assert len(caught.value.problems) == 3


def test_all_files_end_with_one_type(folder, out):
    base = folder(a="x,y,z\n1,1,1\n", b="x,y,z\n2,0.5,9007199254740993\n", c="x,y,z\n007,2,0.5\n", d="x,y,z\n,,\n")
    report = ingest_csv(base, out)
    assert report.columns == {"x": "string", "y": "double", "z": "string"}
    assert rows_of(out).to_pydict() == {
        "x": ["1", "2", "007", None], "y": [1.0, 0.5, 2.0, None], "z": ["1", "9007199254740993", "0.5", None],
    }  # fmt: skip
    source, record = split_row_ids(Examples.open(out).table("train")["__row__"].to_numpy())
    assert set(source) <= {0, 1, 2, 3}
    assert set(record) == {0}
    assert [s["name"] for s in Examples.open(out).sources] == ["a.csv", "b.csv", "c.csv", "d.csv"]


def test_a_type_that_changes_in_a_late_block_widens_the_column(folder, out):
    lines = [f"{i},{i}" for i in range(3000)] + ["007,0.5"]
    report = ingest_csv(folder(a="x,y\n" + "\n".join(lines)), out, read_bytes=256, block_rows=100)
    assert report.columns == {"x": "string", "y": "double"}
    got = rows_of(out)
    assert got["x"].to_pylist() == [*map(str, range(3000)), "007"]
    assert got["y"].to_pylist() == [*map(float, range(3000)), 0.5]


CELL = st.sampled_from(
    ["", '""', "1", "-7", "0.5", "007", "nan", "true", "2013-01-01", "x", '"a\nb"', '"a,""b"', "9007199254740993", "NA"]
)
TABLES = st.integers(1, 4).flatmap(lambda n: st.lists(st.lists(CELL, min_size=n, max_size=n), min_size=1, max_size=12))


def expected_table(rows):
    """Inference over whole columns, from the cells as they were generated."""
    columns = {}
    for position in range(len(rows[0])):
        raw = [row[position] for row in rows]
        cells = [None if c == "" else c[1:-1].replace('""', '"') if c.startswith('"') else c for c in raw]
        text = pa.array(cells, pa.string())
        name = classify(text)
        columns[f"c{position}"] = convert(text, name).cast(arrow_type_of_class(name))
    return pa.table(columns)


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TABLES, st.integers(1, 40), st.integers(1, 5), st.integers(1, 3))
def test_the_result_is_that_of_whole_file_inference(tmp_path_factory, rows, read_bytes, block_rows, files):
    if len(rows[0]) == 1:
        rows = [["x"] if row == [""] else row for row in rows]  # a blank line is no row
    base = tmp_path_factory.mktemp("in")
    out = str(base / "out")
    header = ",".join(f"c{i}" for i in range(len(rows[0])))
    (base / "data").mkdir()
    for number in range(files):
        part = rows[number * len(rows) // files : (number + 1) * len(rows) // files]
        text = "".join(line + "\n" for line in [header, *(",".join(r) for r in part)])
        (base / "data" / f"{number}.csv").write_text(text, newline="")
    ingest_csv(str(base / "data"), out, read_bytes=read_bytes, block_rows=block_rows, engine=LocalEngine(1))
    got, expected = rows_of(out), expected_table(rows)
    assert got.schema == expected.schema
    assert str(got.to_pydict()) == str(expected.to_pydict())


def test_reading_in_other_pieces_gives_the_same_bits(folder, tmp_path):
    lines = [f"{i},w{i % 9},{i / 8},{'' if i % 5 else 'x'}" for i in range(2000)]
    base = folder(a="i,w,f,s\n" + "\n".join(lines), b="i,w,f,s\n" + "\n".join(lines[:77]))
    seen = []
    for number, read_bytes in enumerate((50, 1000, 1 << 20)):
        out = str(tmp_path / f"out{number}")
        ingest_csv(base, out, read_bytes=read_bytes, block_rows=128)
        seen.append(bits_of(out))
    assert seen[0] == seen[1] == seen[2]
