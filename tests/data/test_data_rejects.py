"""Rejects: rows that cannot be taken in are named with their physical lines, counted, kept, and never dropped."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from data_samples import rows_of
from google.protobuf import text_format
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tensorflow_metadata.proto.v0 import schema_pb2

from trueline._core.errors import DataError, TruelineError
from trueline._core.rowid import split_row_ids
from trueline.data import Examples, ingest_csv
from trueline.engine import LocalEngine

RAGGED = 'a,b\n1,"x\ny"\n\n2\n3,z\n4,5,6\n"q\r\n\nr",7\nlast\n'


def kept_rejects(out):
    return [json.loads(line) for p in sorted(Path(out, "rejects").iterdir()) for line in p.read_text().splitlines()]


@pytest.mark.parametrize("read_bytes", [8, 20, 1 << 20])
def test_ragged_rows_stop_the_run_and_are_named_with_their_lines(folder, out, read_bytes):
    with pytest.raises(DataError) as caught:
        ingest_csv(folder(a=RAGGED), out, read_bytes=read_bytes)
    assert caught.value.problems[0] == "a.csv line 5: 1 cells, the header has 2: '2'"
    assert "max_rejects" in caught.value.hint
    assert not Path(out, "examples.json").exists()


@pytest.mark.parametrize("read_bytes", [8, 20, 1 << 20])
def test_allowed_rejects_are_kept_and_counted(folder, out, read_bytes):
    report = ingest_csv(folder(a=RAGGED, b="a,b\n1,ok\n"), out, max_rejects=3, read_bytes=read_bytes)
    assert (report.rows, report.rejects) == (4, 3)
    assert [(r["line"], r["record"], r["text"]) for r in kept_rejects(out)] == [
        (5, 1, "2"), (7, 3, "4,5,6"), (11, 5, "last"),
    ]  # fmt: skip
    assert rows_of(out).to_pydict() == {"a": ["1", "3", "q\r\n\nr", "1"], "b": ["x\ny", "z", "7", "ok"]}
    examples = Examples.open(out)
    rows = sorted(r for s in examples.splits for r in examples.table(s)["__row__"].to_pylist())
    assert [tuple(map(int, split_row_ids(r))) for r in rows] == [(0, 0), (0, 2), (0, 4), (1, 0)]
    assert examples.info["rejects"] == {"rows": 3, "files": ["rejects/part-00000.jsonl"]}
    assert report.first_rejects[1] == "a.csv line 7: 3 cells, the header has 2: '4,5,6'"


def test_rejects_count_over_all_files(folder, out):
    base = folder(a="x,y\n1\n2,2\n", b="x,y\n3\n4,4\n")
    with pytest.raises(DataError, match="2 rows cannot be taken in, 1 are allowed") as caught:
        ingest_csv(base, out, max_rejects=1)
    assert [p.split(":")[0] for p in caught.value.problems] == ["a.csv line 2", "b.csv line 2"]
    assert ingest_csv(base, out, max_rejects=2).rejects == 2


def schema(**types):
    text = "".join(f'feature {{ name: "{n}" type: {t} }}' for n, t in types.items())
    return text_format.Parse(text, schema_pb2.Schema())


def test_a_schema_fixes_types_and_what_does_not_convert_is_rejected(folder, out):
    base = folder(a='i,f,s,free\n1,1,007,2\n"x\nx",2,8,9\n3,abc,9,x\n007,,10,\n,nan,,1\n')
    fixed = schema(i="INT", f="FLOAT", s="BYTES", other="INT")
    with pytest.raises(DataError, match=r"line 3, column 'i': no int64: 'x\\nx'"):
        ingest_csv(base, out, schema=fixed)
    report = ingest_csv(base, out, schema=fixed, max_rejects=2)
    assert report.columns == {"i": "int64", "f": "double", "s": "string", "free": "int64"}, "rejects do not widen"
    got = rows_of(out).to_pydict()
    assert got["i"] == [1, 7, None]
    assert got["s"] == ["007", "10", None]
    assert got["free"] == [2, None, 1]
    assert [(r["line"], r["column"], r["reason"], r["text"]) for r in kept_rejects(out)] == [
        (3, "i", "no int64", "x\nx"), (5, "f", "no float64", "abc"),
    ]  # fmt: skip


def test_features_with_a_bool_or_time_domain_are_guessed(folder, out):
    fixed = text_format.Parse(
        'feature { name: "b" type: INT bool_domain {} } feature { name: "t" type: BYTES time_domain {} }',
        schema_pb2.Schema(),
    )
    report = ingest_csv(folder(a="b,t\ntrue,2013-01-01\n"), out, schema=fixed)
    assert report.columns == {"b": "bool", "t": "timestamp[us]"}


ROW = st.sampled_from(["1,2", "3", "4,5,6", '"a\nb",2', "", '"\n\n",1,1', "x,y", '"",""'])


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(ROW, max_size=15), st.integers(1, 30))
def test_every_record_is_a_row_or_a_reject_with_its_line(tmp_path_factory, rows, read_bytes):
    base = tmp_path_factory.mktemp("rejects")
    (base / "in.csv").write_text("a,b\n" + "".join(row + "\n" for row in rows), newline="")
    line, good, bad = 2, 0, []
    for row in rows:
        cells = row.count(",") + 1
        if row and cells != 2:
            bad.append((line, cells))
        good += bool(row) and cells == 2
        line += 1 + row.count("\n")
    out = str(base / "out")
    engine = LocalEngine(1)
    report = ingest_csv(str(base / "in.csv"), out, max_rejects=99, read_bytes=read_bytes, engine=engine)
    assert (report.rows, report.rejects) == (good, len(bad))
    if bad:
        assert [(r["line"], int(r["reason"].split()[0])) for r in kept_rejects(out)] == bad


@settings(deadline=None, max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.one_of(
        st.binary(max_size=60),
        st.text('ab1,"\n\r\t .é\0', max_size=60).map(str.encode),
        st.tuples(st.text('a1,"\n', max_size=60), st.integers(0, 60)).map(lambda t: b"h,k\n" + t[0].encode()[: t[1]]),
    ),
    st.integers(1, 50),
)
def test_any_bytes_give_rows_or_an_error_of_ours(tmp_path_factory, data, read_bytes):
    base = tmp_path_factory.mktemp("fuzz")
    (base / "in.csv").write_bytes(data)
    out = str(base / "out")
    try:
        report = ingest_csv(str(base / "in.csv"), out, max_rejects=5, read_bytes=read_bytes, engine=LocalEngine(1))
    except TruelineError as error:
        message, rows = str(error), -1
    else:
        message, rows = "in.csv", report.rows
    assert "in.csv" in message
    assert rows == -1 or rows_of(out).num_rows == rows
