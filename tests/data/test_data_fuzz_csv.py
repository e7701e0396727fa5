"""Fuzz of the text readers: any bytes, cut files, good rows among bad ones. Nothing crashes, hangs or goes lost.

`TRUELINE_FUZZ_EXAMPLES=20000` makes each test as many examples longer; 50 are enough for every day.
"""

from __future__ import annotations

import gzip
import json
import os

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trueline._core.errors import DataError, TruelineError
from trueline.data import CsvSource, JsonlSource
from trueline.data.source import SchemaGrew
from trueline.data.widening import final_schema, join_schemas

EXAMPLES = int(os.environ.get("TRUELINE_FUZZ_EXAMPLES", "50"))
FUZZ = settings(
    deadline=None,
    max_examples=EXAMPLES,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
SIZES = st.integers(1, 60)


def rows_and_rejects(source):
    """All rows as lists of values, each with its record number, and all rejects, by the final types."""
    schema = source.schema()
    for _ in range(4 * max(len(schema), 1) + 4):
        try:
            batches = list(source.read(0, schema))
            break
        except SchemaGrew as grown:
            wider = join_schemas(schema, grown.schema)
            assert not wider.equals(schema, check_metadata=True), "a restart must ask for more than the last"
            schema = wider
    else:
        raise AssertionError("the types keep growing")
    rows, rejects = {}, [r for b in batches for r in b.rejects]
    for found in batches:
        found.batch.validate(full=True)
        values = zip(*(c.to_pylist() for c in found.batch.columns), strict=True)
        for record, row in zip(found.records, values, strict=True):
            assert record not in rows
            rows[int(record)] = list(row)
    records = sorted([*rows, *(r.record for r in rejects)])
    assert records == list(range(len(records))), "every record is a row or a reject, once"
    return schema, rows, rejects


def checked(source):
    """As `rows_and_rejects`; None for an error of ours, which names the file or the columns that are wrong."""
    told = ""
    try:
        return rows_and_rejects(source)
    except TruelineError as error:
        told = str(error)
    assert "in." in told or "there is no column" in told
    return None


RAW = st.one_of(
    st.binary(max_size=200),
    st.text("ab1,;\"'\\\n\r\t {}[]:.é\0", max_size=120).map(str.encode),
    st.tuples(st.sampled_from(["a,b\n", '{"a":1}\n', '"a\n",b\r\n']), st.text('a1,"\n{}:[]\\u', max_size=90)).map(
        lambda t: "".join(t).encode()
    ),
)
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "trim": st.booleans(),
        "quote": st.sampled_from(["'", None]),
        "escape": st.just("\\"),
        "encoding": st.sampled_from(["latin-1", "utf-16", "cp1252", "utf-8-sig"]),
        "skip_rows": st.integers(0, 3),
        "column_names": st.sampled_from([["a"], ["a", "b"]]),
        "threads": st.just(2),
        "column_types": st.sampled_from([{"a": "int64"}, {"b": "timestamp"}]),
        "delimiter": st.sampled_from([";", "\t", " "]),
    },
)


@FUZZ
@given(RAW, OPTIONS, SIZES)
def test_any_bytes_as_csv(tmp_path_factory, data, options, read_bytes):
    path = tmp_path_factory.mktemp("fuzz") / "in.csv"
    path.write_bytes(data)
    try:
        source = CsvSource(str(path), read_bytes=read_bytes, **options)
    except TruelineError:
        assert options.get("trim") or options.get("quote")
        return
    small = checked(source)
    large = checked(CsvSource(str(path), **{**options, "threads": 1}))
    assert (small is None) == (large is None), "what is read at a time decides nothing"
    if small is not None:
        assert final_schema(small[0]) == final_schema(large[0])
        assert str(small[1:]) == str(large[1:])


@FUZZ
@given(RAW, SIZES, st.sampled_from([{}, {"column_types": {"a": "int64"}}, {"column_types": {"a": "timestamp"}}]))
def test_any_bytes_as_json_lines(tmp_path_factory, data, read_bytes, options):
    path = tmp_path_factory.mktemp("fuzz") / "in.jsonl"
    path.write_bytes(data)
    small = checked(JsonlSource(str(path), read_bytes=read_bytes, **options))
    large = checked(JsonlSource(str(path), **options))
    assert (small is None) == (large is None)
    if small is not None:
        assert final_schema(small[0]) == final_schema(large[0])
        assert str(small[1:]) == str(large[1:])


CELL = st.one_of(
    st.integers(-(2**64), 2**64).map(str),
    st.floats(allow_nan=False).map(repr),
    st.text('xyz ,"\n\r|é', max_size=8),
    st.sampled_from(["", "007", "true", "2020-01-01", "1e400", "9007199254740993"]),
)
BAD_CSV = st.sampled_from(["1", "1,2,3", "\x00", "7,8", '"\n"', '"x"y"z', "1,2,3,4,5", 'a" b,"c,\nd",'])


def quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"'


@FUZZ
@given(st.lists(st.lists(CELL, min_size=3, max_size=3), max_size=8), st.lists(BAD_CSV, max_size=3), st.randoms(), SIZES)
def test_good_csv_rows_among_bad_ones_are_never_lost(tmp_path_factory, good, bad, random, read_bytes):
    """Each good row is read as it was written, each bad one kept as it stands; a file that ends in quotes as well."""
    lines = [(",".join(["k"] + [quoted(c) for c in row]), ["k", *row]) for row in good] + [(b, None) for b in bad]
    random.shuffle(lines)
    ending = random.choice(["", '2,"cut', '"', 'k,"a","b","c'])
    path = tmp_path_factory.mktemp("fuzz") / "in.csv"
    path.write_text("k,a,b,c\n" + "".join(text + "\n" for text, _ in lines) + ending, encoding="utf8", newline="")
    types = dict.fromkeys("kabc", "utf8")
    _, rows, rejects = rows_and_rejects(CsvSource(str(path), column_types=types, read_bytes=read_bytes))
    assert list(rows.values()) == [row for _, row in lines if row is not None]
    told = [text for text, row in lines if row is None]
    assert [r.text for r in rejects] == told + [ending] * bool(ending)


JSON_VALUE = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.text('xyzé"\\\n', max_size=6)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from("pq"), inner, max_size=2)),
    max_leaves=6,
)
BAD_JSON = st.sampled_from(
    ["{", "[1]", '{"a":1,"a":2}', '{"a":01}', "x", '{"a":1}}', '"s"', '{"a":"\\ud800"}', "{'a':1}"]
)


@FUZZ
@given(
    st.lists(st.dictionaries(st.sampled_from("abc"), JSON_VALUE, min_size=1), max_size=8),
    st.lists(BAD_JSON, max_size=3),
    st.randoms(),
    SIZES,
)
def test_good_json_lines_among_bad_ones_are_never_lost(tmp_path_factory, good, bad, random, read_bytes):
    """Each good object is a row, each bad line a reject with its own number; scalars of one type keep their values."""
    lines = [(json.dumps(g, ensure_ascii=random.random() < 0.5), g) for g in good] + [(b, None) for b in bad]
    random.shuffle(lines)
    path = tmp_path_factory.mktemp("fuzz") / "in.jsonl"
    path.write_text("".join(text + "\n" for text, _ in lines), encoding="utf8", newline="")
    schema, rows, rejects = rows_and_rejects(JsonlSource(str(path), read_bytes=read_bytes))
    assert [r.line for r in rejects] == [n for n, (_, row) in enumerate(lines, 1) if row is None]
    expected = [row for _, row in lines if row is not None]
    assert len(rows) == len(expected)
    for index, name in enumerate(schema.names):
        values = [row.get(name) for row in expected]
        got = [row[index] for row in rows.values()]
        if {type(v) for v in values} <= {str, type(None)} or {type(v) for v in values} <= {bool, type(None)}:
            assert got == values
        if {type(v) for v in values} <= {int, type(None)} and all(v is None or abs(v) < 2**63 for v in values):
            assert got == values
        if {type(v) for v in values} <= {float, type(None)}:
            assert np.array_equal(np.array(got, float), np.array(values, float), equal_nan=True)
        scalars = all(not isinstance(v, dict | list) for v in values)
        if scalars:
            assert [v is None for v in got] == [v is None for v in values], "0, 0.0, '' and false are values"


@FUZZ
@given(st.integers(0, 400), st.sampled_from(["csv", "jsonl"]), st.booleans(), SIZES)
def test_a_cut_file_gives_the_rows_before_the_cut(tmp_path_factory, cut, kind, packed, read_bytes):
    """All whole rows before the cut are there; the cut one is a row, a reject or gone; packed files are refused."""
    base = tmp_path_factory.mktemp("cut")
    if kind == "csv":
        lines = ["k,t\n", *(f'{i},"t,{i}\n"\n' for i in range(30))]
    else:
        lines = [json.dumps({"k": i, "t": f"t,{i}\n"}) + "\n" for i in range(30)]
    data = "".join(lines).encode()
    path = base / (f"in.{kind}.gz" if packed else f"in.{kind}")
    whole = gzip.compress(data, mtime=0) if packed else data
    path.write_bytes(whole[:cut])
    cut = len(data) if packed and cut >= len(whole) else min(cut, len(data))
    source = {"csv": CsvSource, "jsonl": JsonlSource}[kind](str(path), read_bytes=read_bytes)
    if packed and 0 < cut < len(data):
        with pytest.raises(DataError, match=rf"in.{kind}.gz line \d+ or below: the file cannot be read"):
            rows_and_rejects(source)
        return
    found = checked(source)
    ends = np.cumsum([len(line) for line in lines])
    complete = int(np.searchsorted(ends, cut, side="right")) - (kind == "csv")
    if found is None:
        assert complete < 1 or kind == "csv"
        return
    rows = list(found[1].values())
    assert [row[1] for row in rows[:complete]] == [f"t,{i}\n" for i in range(max(complete, 0))]
    assert len(rows) + len(found[2]) <= max(complete, 0) + 1
