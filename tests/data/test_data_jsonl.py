"""JSON Lines: types that grow, digits as written, missing and falsy values, nesting, bad lines, fixed types."""

from __future__ import annotations

import datetime
import gzip
import json
import math

import pyarrow as pa
import pytest
from data_samples import bits_of, rows_of
from google.protobuf import text_format
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tensorflow_metadata.proto.v0 import schema_pb2

from trueline._core.errors import ConfigError, DataError
from trueline.data import Examples, JsonlSource, Source, SourceSpec, ingest_jsonl
from trueline.data.jsonl_fast import fast_batch
from trueline.data.jsonl_types import NULL, TEXT, Shape, join_json, join_shapes, schema_of, shapes_of
from trueline.data.source import SchemaGrew
from trueline.data.widening import final_schema
from trueline.engine import LocalEngine

READ = pytest.mark.parametrize("read_bytes", [1, 20, 1 << 20])


def ingested(tmp_path, data, name="in.jsonl", **options):
    (tmp_path / name).write_bytes(data if isinstance(data, bytes) else data.encode())
    out = str(tmp_path / "out")
    report = ingest_jsonl(str(tmp_path / name), out, **options)
    return rows_of(out).to_pydict(), dict(report.columns), report


def test_a_json_lines_source_is_a_source_made_from_json_parameters(tmp_path):
    path = tmp_path / "in.jsonl"
    path.write_text('{"b":1}\n\nbad\n{"a":"x","b":2}\n')
    spec = SourceSpec("trueline.data.jsonl_source:JsonlSource", {"input_base": str(path), "read_bytes": 8})
    source = spec.open()
    assert isinstance(source, Source)
    whole = JsonlSource(str(path))
    assert list(source.parts()) == ["in.jsonl"]
    batches = list(source.read(0, whole.schema()))
    assert [r for b in batches for r in b.records] == [0, 2]
    assert [(r.record, r.line, r.text) for b in batches for r in b.rejects] == [(1, 3, "bad")]
    assert source.fingerprint() == whole.fingerprint() != JsonlSource(str(path), encoding="latin-1").fingerprint()


@READ
def test_missing_keys_are_null_and_falsy_values_are_values(tmp_path, read_bytes):
    data = '{"i":0,"f":0.0,"s":"","b":false,"l":[]}\r\n\n  \n{"i":null}\n{"f":1,"l":[0,null]}\n{}'
    got, types, _ = ingested(tmp_path, data, read_bytes=read_bytes)
    assert got == {
        "b": [False, None, None, None], "f": [0.0, None, 1.0, None], "i": [0, None, None, None],
        "l": [[], None, [0, None], None], "s": ["", None, None, None],
    }  # fmt: skip
    assert types == {"b": "bool", "f": "double", "i": "int64", "l": "list<item: int64>", "s": "string"}


@READ
def test_values_of_several_types_are_text_with_their_own_digits(tmp_path, read_bytes):
    data = '{"a":1}\n{"a":"x"}\n{"a":1.50}\n{"a":[1.0, {"k":"v\\u00e9"}]}\n{"a":true}\n{"a":-1E+2}\n{"a":null}\n'
    got, _, _ = ingested(tmp_path, data, read_bytes=read_bytes)
    assert got == {"a": ["1", "x", "1.50", '[1.0, {"k": "vé"}]', "true", "-1E+2", None]}


@READ
@pytest.mark.parametrize(("values", "expected"), [
    (["1", "2.5"], [1.0, 2.5]),
    (["1", "9007199254740993"], [1, 9007199254740993]),
    (["1", "9007199254740993", "0.5"], ["1", "9007199254740993", "0.5"]),
    (["9223372036854775807", "-9223372036854775808"], [2**63 - 1, -(2**63)]),
    (["1", "9223372036854775808"], ["1", "9223372036854775808"]),
    (["1", "1" * 5000], ["1", "1" * 5000]),
    (["1", "-Infinity"], [1.0, -math.inf]),
    (["0.5", "1e400"], ["0.5", "1e400"]),
    (["[]", "[1]", "[0.5]"], [[], [1.0], [0.5]]),
    (["[1]", '["x"]'], [["1"], ["x"]]),
    (["{}", "1"], [None, 1]),
    (['"2020-01-01"', '"2020-01-02T00:00:00Z"'], ["2020-01-01", "2020-01-02T00:00:00Z"]),
])  # fmt: skip
def test_numbers_lists_and_times(tmp_path, values, expected, read_bytes):
    """The rules of text cells: no digit is lost silently; times stay text."""
    data = "".join(f'{{"a":{v}}}\n' for v in values)
    for lines in (data, "".join(reversed(data.splitlines(keepends=True)))):
        got, _, _ = ingested(tmp_path, lines, read_bytes=read_bytes)
        assert sorted(map(repr, got["a"])) == sorted(map(repr, expected))


def test_nan_is_a_float(tmp_path):
    got, types, _ = ingested(tmp_path, '{"a":NaN}\n{"a":1}\n')
    assert types == {"a": "double"}
    assert math.isnan(got["a"][0])


@READ
def test_objects_are_structs_whose_fields_grow(tmp_path, read_bytes):
    data = '{"a":{"x":1}}\n{"a":{"y":[{"z":1.5}]}}\n{"a":{}}\n{"a":null}\n{"a":{"y":[{},{"z":1}],"x":"s"}}\n'
    got, types, _ = ingested(tmp_path, data, read_bytes=read_bytes)
    assert types == {"a": "struct<x: string, y: list<item: struct<z: double>>>"}
    assert got["a"] == [
        {"x": "1", "y": None}, {"x": None, "y": [{"z": 1.5}]}, {"x": None, "y": None}, None,
        {"x": "s", "y": [{"z": None}, {"z": 1.0}]},
    ]  # fmt: skip


@READ
def test_columns_found_late_are_null_before(tmp_path, read_bytes):
    got, _, _ = ingested(tmp_path, '{"b":1}\n' * 3 + '{"z":"q"}\n{"a":0.5,"b":2}\n', read_bytes=read_bytes)
    assert list(got) == ["a", "b", "z"]
    assert got == {"a": [None] * 4 + [0.5], "b": [1, 1, 1, None, 2], "z": [None] * 3 + ["q", None]}


BAD = {
    '{"a":1,"a":2}': "the key 'a' stands there twice",
    '{"o":{"k":1,"k":1}}': "the key 'k' stands there twice",
    "nonsense": "no JSON: Expecting value, column 1",
    '{"a":1': "no JSON: Expecting ',' delimiter, column 7",
    '{"a":01}': "no JSON: Expecting ',' delimiter, column 7",
    '{"a":1} {"a":2}': "no JSON: Extra data, column 9",
    "[1,2]": "no JSON object but a list",
    '"s"': "no JSON object but a string",
    "7": "no JSON object but a number",
    "null": "no JSON object but null",
    '{"a":"\\ud800"}': "half a surrogate pair is no text",
    '{"__row__":1}': "'__row__' is a name of trueline's own",
    '{"a":' + "[" * 5000 + "]" * 5000 + "}": "nested too deep",
    '{"a":' + "[" * 80 + "]" * 80 + "}": "nested too deep",
}


@READ
def test_bad_lines_are_rejects_with_line_and_reason(tmp_path, read_bytes):
    lines = ['{"a":0}', *BAD, '{"a":5}']
    out = str(tmp_path / "out")
    (tmp_path / "in.jsonl").write_text("\n".join(lines))
    report = ingest_jsonl(str(tmp_path / "in.jsonl"), out, max_rejects=len(BAD), read_bytes=read_bytes)
    assert rows_of(out).to_pydict() == {"a": [0, 5]}
    text = (tmp_path / "out" / "rejects" / "part-00000.jsonl").read_text()
    kept = [json.loads(line) for line in text.splitlines()]
    assert [(r["line"], r["record"], r["text"], r["reason"]) for r in kept] == [
        (n + 2, n + 1, line, reason) for n, (line, reason) in enumerate(BAD.items())
    ]
    assert report.rejects == Examples.open(out).info["rejects"]["rows"] == len(BAD)
    with pytest.raises(DataError, match=r"in.jsonl line 2: the key 'a' stands there twice"):
        ingest_jsonl(str(tmp_path / "in.jsonl"), out)


def test_fixed_types(tmp_path):
    data = (
        '{"id":"007","t":"2020-01-01","j":[1.10],"f":1,"n":5,"b":true}\n'
        '{"id":7.50,"t":1000000,"j":"s","f":18446744073709551616,"n":null}\n'
        '{"n":1.0}\n{"f":"1"}\n{"t":"soon"}\n{"b":1}\n{"n":true}\n'
    )
    types = {"id": "utf8", "t": "timestamp", "j": "json", "f": "float64", "n": "int64", "b": "bool", "x": "float64"}
    got, found, report = ingested(tmp_path, data, column_types=types, max_rejects=5)
    assert got == {
        "b": [True, None], "f": [1.0, 2.0**64], "id": ["007", "7.50"], "j": ["[1.10]", '"s"'], "n": [5, None],
        "t": [datetime.datetime(2020, 1, 1), datetime.datetime(1970, 1, 1, 0, 0, 1)], "x": [None, None],
    }  # fmt: skip
    assert found["x"] == "double"
    assert [s.split(": ", 1)[0] + " " + s.split(": ", 2)[1] for s in report.first_rejects] == [
        "in.jsonl line 3, column 'n' no int64", "in.jsonl line 4, column 'f' no float64",
        "in.jsonl line 5, column 't' no timestamp", "in.jsonl line 6, column 'b' no bool",
        "in.jsonl line 7, column 'n' no int64",
    ]  # fmt: skip
    with pytest.raises(ConfigError) as caught:
        JsonlSource("x", column_types={"a": "integer"}, read_bytes=0)
    assert len(caught.value.problems) == 2


def test_a_schema_fixes_scalars_and_leaves_lists_to_be_guessed(tmp_path):
    schema = text_format.Parse(
        'feature { name: "id" type: BYTES } feature { name: "l" type: INT value_count { min: 1 } }'
        'feature { name: "f" type: FLOAT shape { dim { size: 1 } } } feature { name: "gone" type: INT }',
        schema_pb2.Schema(),
    )
    got, types, _ = ingested(tmp_path, '{"id":7,"l":[1,2],"f":1}\n', schema=schema)
    assert got == {"f": [1.0], "id": ["7"], "l": [[1, 2]]}
    assert types == {"f": "double", "id": "string", "l": "list<item: int64>"}


def test_files_encodings_packing_and_empty_ones(tmp_path):
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "a.jsonl").write_bytes(b"")
    (tmp_path / "d" / "b.jsonl.gz").write_bytes(gzip.compress('\ufeff{"a":"é"}\n'.encode()))
    (tmp_path / "d" / "c.jsonl").write_bytes(b'{"b":2}\n')
    out = str(tmp_path / "out")
    assert ingest_jsonl(str(tmp_path / "d"), out).rows == 2
    assert rows_of(out).to_pydict() == {"a": ["é", None], "b": [None, 2]}
    assert ingested(tmp_path, '{"a":"é"}\n{"a":1}'.encode("utf-16"), encoding="utf-16")[0] == {"a": ["é", "1"]}
    with pytest.raises(DataError, match=r"in.jsonl line 2: the bytes are not utf8"):
        ingested(tmp_path, b'{"a":1}\n{"a":"\xe9"}\n')
    for nothing in (b"", b"\n\n", b"{}\n"):
        with pytest.raises(DataError, match="there is no column"):
            ingested(tmp_path, nothing)


def test_the_bits_do_not_depend_on_reading_or_workers(tmp_path):
    (tmp_path / "d").mkdir()
    for number, late in enumerate(('{"w":"late"}', '{"n":0.5}', '{"o":{"k":[1]}}')):
        rows = "".join(json.dumps({"n": i, "s": f"w{i % 7}", "o": {"k": []}}) + "\n" for i in range(300))
        (tmp_path / "d" / f"{number}.jsonl").write_text(rows + late + "\n")
    seen = []
    with LocalEngine(2, processes=True) as processes:
        for number, (read_bytes, engine) in enumerate(
            ((64, LocalEngine(1)), (1 << 20, LocalEngine(3)), (999, processes))
        ):
            out = str(tmp_path / f"out{number}")
            ingest_jsonl(str(tmp_path / "d"), out, read_bytes=read_bytes, engine=engine, block_rows=128)
            seen.append(bits_of(out))
    assert seen[0] == seen[1] == seen[2]


SHAPES = st.recursive(
    st.sampled_from(["null", "int", "wide", "float", "bool", "utf8"]).map(Shape),
    lambda inner: st.one_of(
        inner.map(lambda s: Shape("list", s)),
        st.dictionaries(st.sampled_from("pqr"), inner, min_size=1, max_size=2).map(
            lambda d: Shape("struct", fields=dict(sorted(d.items())))
        ),
    ),
    max_leaves=5,
)


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(SHAPES, SHAPES, SHAPES)
def test_shapes_join_in_any_order_and_survive_as_schemas(one, two, three):
    """Associative, commutative, null does nothing, and a schema carries a shape there and back."""
    assert join_shapes(one, two) == join_shapes(two, one)
    assert join_shapes(join_shapes(one, two), three) == join_shapes(one, join_shapes(two, three))
    assert join_shapes(one, NULL) == join_shapes(one, one) == one
    assert shapes_of(schema_of({"x": one})) == {"x": one}
    joined = join_json(schema_of({"x": one, "y": two}), schema_of({"x": three}))
    assert shapes_of(joined) == {"x": join_shapes(one, three), "y": two}


JSON_TEXT = st.recursive(
    st.sampled_from(
        ["null", "true", "0", "-0", "7", "9007199254740993", "9223372036854775808", "0.5", "-0.0", "1e400", "1E2",
         "NaN", "Infinity", "Inf", '""', '"x\\u0000\\ud83d\\ude00"', '"\\ud800"', "01", "1.", '"2020-01-01"']
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2).map(lambda v: f"[{','.join(v)}]"),
        st.lists(st.tuples(st.sampled_from("pq"), inner), max_size=2).map(
            lambda v: "{" + ",".join(f'"{k}":{x}' for k, x in v) + "}"
        ),
    ),
    max_leaves=3,
)  # fmt: skip
OBJECT = st.lists(st.tuples(st.sampled_from("ab"), JSON_TEXT), max_size=2).map(
    lambda v: "{" + ", ".join(f'"{k}":{x}' for k, x in v) + "}"
)
LINE_END = st.sampled_from(["\n", "\n", "\n", "\r\n", " \n", "\n\n", "", ",\n", "\r"])


def read_all(source):
    """Rows, rejects and record numbers, by types that have stopped to grow."""
    schema = source.schema()
    while True:
        try:
            batches = list(source.read(0, schema))
            break
        except SchemaGrew as grown:
            schema = join_json(schema, grown.schema)
    final = final_schema(schema)
    rows = [row for b in batches for row in pa.RecordBatch.from_arrays(
        [c.cast(f.type) for c, f in zip(b.batch.columns, final, strict=True)], schema=final).to_pylist()]  # fmt: skip
    return final, str(rows), [int(r) for b in batches for r in b.records], [r for b in batches for r in b.rejects]


@settings(deadline=None, max_examples=100, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(OBJECT, LINE_END), max_size=6), st.sampled_from([{}, {"a": "float64"}, {"b": "int64"}]))
def test_the_fast_parser_gives_what_reading_line_by_line_gives(tmp_path_factory, lines, types):
    """Arrow's parser, where it is used, changes no value, no type, no reject and no number of a row."""
    path = tmp_path_factory.mktemp("fast") / "in.jsonl"
    path.write_text("".join(text + end for text, end in lines), newline="")
    seen = []
    for quick in (True, False):
        source = JsonlSource(str(path), column_types=types, read_bytes=40)
        source._quick = quick
        seen.append(read_all(source))
    assert seen[0] == seen[1]


def test_the_fast_parser_is_used(tmp_path):
    """Lines of one shape are read by Arrow; what it would take too freely is not."""
    schema = schema_of({"a": Shape("float"), "s": TEXT})
    good = b'{"a":1.5,"s":"x"}\r\n{"s":"y"}\n{}\n'
    assert fast_batch(good, schema).to_pylist() == [{"a": 1.5, "s": "x"}, {"a": None, "s": "y"}, {"a": None, "s": None}]
    for bad in (
        b'{"a":1}{"a":2}\n', b'{"a":\n1}{"a":2}\n', b'{"a":9007199254740993}\n', b'{"a":Inf}\n', b'{"a":NaN}\n', b"",
        b'{"a":1,"a":2}\n', b'{"a":1}\n\n{"a":1}\n', b'{"z":1}\n', b'{"a":1}\n{"a":2\n', b'{"a":1}\x00\n{"a":2}\n',
    ):  # fmt: skip
        assert fast_batch(bad, schema) is None, bad


def test_a_file_of_another_kind_shows_its_first_line(tmp_path):
    """No line is an object: the first is shown, not only that there is no column."""
    (tmp_path / "x.jsonl").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match=r"there is no column[\s\S]*x\.jsonl line 1[\s\S]*'a,b'"):
        ingest_jsonl(str(tmp_path / "x.jsonl"), str(tmp_path / "out"))
