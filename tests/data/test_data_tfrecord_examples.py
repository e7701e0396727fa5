"""tf.Example and tf.SequenceExample: decoded as protobuf does, typed by the contract, written and read again."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from google.protobuf import text_format
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorflow_metadata.proto.v0 import schema_pb2
from tf_messages import LISTS, example, features, names, odd_records, read, sequence

from trueline._core.errors import ConfigError, DataError, SchemaError
from trueline.data import (
    Examples,
    TfRecordSource,
    ingest_tfrecord,
    read_tfrecord,
    write_examples_tfrecord,
    write_tfrecord,
)
from trueline.data.source import SchemaGrew
from trueline.data.tf_example_decode import SEQUENCE, decode
from trueline.data.tf_example_proto import canonical
from trueline.data.tf_example_write import example_records

SAMPLES = Path(__file__).parent / "formats"
KINDS = {1: "bytes_list", 2: "float_list", 3: "int64_list"}


def spans(records):
    lengths = np.array([len(r) for r in records], np.int64)
    return np.frombuffer(b"".join(records), np.uint8), np.cumsum(lengths) - lengths, lengths


def decoded(records):
    """Record number -> name -> (kind, values) or None, by the numpy decoder; and the bad ones."""
    found = decode(*spans(records))
    out = {int(n): {} for n in found.records}
    for name, places in found.columns.items():
        for row, index in zip(places.rows.tolist(), places.index.tolist(), strict=True):
            kind = int(found.values.kind[index])
            first, count = int(found.values.first[index]), int(found.values.count[index])
            values = found.values.flat[kind].slice(first, count).to_pylist() if kind else []
            out[int(found.records[row])][name] = (KINDS[kind], values) if kind else None
    return out, found.bad


def table(source, part=0, schema=None):
    """All rows of a part, growing as an ingestion would; and the rejects."""
    schema = source.schema() if schema is None else schema
    while True:
        batches, rejects, numbers = [], [], []
        try:
            for found in source.read(part, schema):
                batches.append(found.batch)
                rejects.extend(found.rejects)
                numbers.extend(found.records.tolist())
            return pa.Table.from_batches(batches, schema), rejects, numbers
        except SchemaGrew as grown:
            if grown.schema == schema:
                raise
            schema = grown.schema


@pytest.fixture
def records(tmp_path):
    """A source of records: ``records(example(a=...), ...)``."""

    def make(*given, compression=None, **options):
        write_tfrecord(str(tmp_path / "in" / "f.tfrecord"), given, compression)
        return TfRecordSource(str(tmp_path / "in"), **options)

    return make


@settings(max_examples=150, deadline=None)
@given(st.lists(st.dictionaries(names, features, max_size=5), max_size=12))
def test_usual_records_are_decoded_as_protobuf_does(rows):
    written = [example(**row) for row in rows]
    found, bad = decoded(written)
    assert bad == {}
    assert found == {n: read(record) for n, record in enumerate(written)}
    assert found == {
        n: {name: None if f is None else (LISTS[f[0]], list(f[1])) for name, f in row.items()}
        for n, row in enumerate(rows)
    }


@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(odd_records(), st.builds(lambda: example(a=("int", [1])))), min_size=1, max_size=8))
def test_odd_records_are_decoded_as_protobuf_does(written):
    found, bad = decoded(written)
    assert bad == {}
    assert found == {n: read(record) for n, record in enumerate(written)}


def test_very_many_values_in_few_records():
    many = example(a=("bytes", [b"%d" % n for n in range(20_000)]), b=("int", range(20_000)))
    found, _ = decoded([many, example(a=("bytes", [b"x"]))])
    assert found[0]["a"][1][19_999] == b"19999"
    assert found[0]["b"][1] == list(range(20_000))
    assert found[1] == {"a": ("bytes_list", [b"x"])}


def test_numbers_of_more_than_ten_bytes_and_cut_numbers_are_bad_records():
    good = example(a=("int", [1]))
    long, cut = (
        good.replace(b"\x1a\x03\x0a\x01\x01", b"\x1a\x03\x0a\x01\x81"),
        good[:-1] + b"\x80",
    )
    found, bad = decoded([good, long, good, cut])
    assert set(found) == {0, 2}
    assert set(bad) == {1, 3}
    assert "no tf.Example" in bad[1]


def test_the_types_of_the_contract(records):
    source = records(
        example(i=("int", [0]), f=("float", [0.0]), s=("bytes", [b""]), b=("bytes", [b"\xff"]), l=("int", [1, 2])),
        example(i=None, s=("bytes", ["ä".encode()]), b=("bytes", [b"x"]), l=("int", []), e=("int", [])),
        example(f=("float", [math.nan]), l=("int", [7])),
    )
    found, rejects, _ = table(source)
    assert rejects == []
    assert {f.name: str(f.type) for f in found.schema} == {
        "b": "binary",
        "e": "null",
        "f": "double",
        "i": "int64",
        "l": "list<item: int64>",
        "s": "string",
    }
    assert found["i"].to_pylist() == [0, None, None]
    assert found["s"].to_pylist() == ["", "ä", None]
    assert found["b"].to_pylist() == [b"\xff", b"x", None]
    assert found["l"].to_pylist() == [[1, 2], [], [7]]
    assert found["f"].to_pylist()[:2] == [0.0, None]
    assert math.isnan(found["f"].to_pylist()[2])  # NaN is a value


def test_floats_are_widened_exactly(records):
    found, _, _ = table(records(example(x=("float", [0.1])), example(x=("float", [-0.0]))))
    assert found["x"].to_pylist() == [float(np.float32(0.1)), 0.0]
    assert math.copysign(1, found["x"].to_pylist()[1]) == -1


def test_types_grow_when_late_records_ask_for_it(tmp_path):
    filler = [example(a=("int", [n]), s=("bytes", [b"text" * 300])) for n in range(5_000)]
    late = [
        example(a=("float", [0.5]), s=("bytes", [b"\xff\xfe"]), new=("int", [1])),
        example(a=("int", [1, 2]), s=("bytes", [b"b"])),
    ]
    write_tfrecord(str(tmp_path / "in" / "1"), [*filler, *late])
    write_tfrecord(str(tmp_path / "in" / "2"), [*filler, example(other=("bytes", [b"x"]))])
    source = TfRecordSource(str(tmp_path / "in"))
    assert {f.name: str(f.type) for f in source.schema()} == {"a": "int64", "s": "string"}
    with pytest.raises(SchemaGrew) as grown:
        list(source.read(0, source.schema()))
    assert {f.name: str(f.type) for f in grown.value.schema} == {
        "a": "list<item: double>",
        "new": "int64",
        "s": "binary",
    }
    report = ingest_tfrecord(str(tmp_path / "in"), str(tmp_path / "out"), splits=[("all", 1)])
    assert report.rows == 10_003
    found = Examples.open(str(tmp_path / "out")).table("all")
    assert {f.name: str(f.type) for f in found.schema} == {
        "a": "list<item: double>",
        "new": "int64",
        "other": "string",
        "s": "binary",
        "__row__": "int64",
    }
    assert found["a"].to_pylist()[4_999:5_003] == [[4_999.0], [0.5], [1.0, 2.0], [0.0]]
    assert found["s"].to_pylist()[5_000] == b"\xff\xfe"
    assert found["other"].to_pylist()[-1] == "x"
    assert found["a"].to_pylist()[-1] is None


def test_a_column_never_seen_with_a_value_takes_any_type_later(tmp_path):
    write_tfrecord(str(tmp_path / "in" / "1"), [example(a=None, b=("int", [1]))])
    write_tfrecord(str(tmp_path / "in" / "2"), [example(a=("int", [3]), b=("int", [2]))])
    ingest_tfrecord(str(tmp_path / "in"), str(tmp_path / "out"), splits=[("all", 1)])
    assert Examples.open(str(tmp_path / "out")).table("all")["a"].to_pylist() == [None, 3]


def test_bytes_where_numbers_were_are_rejects_with_record_and_column(records, tmp_path):
    source = records(example(a=("int", [1])), example(a=("bytes", [b"x"])), example(a=("int", [2])))
    found, rejects, numbers = table(source)
    assert found["a"].to_pylist() == [1, 2]
    assert numbers == [0, 2]
    assert [(r.record, r.column, r.reason) for r in rejects] == [(1, "a", "bytes in a column of int64")]
    with pytest.raises(DataError, match=r"record 2, column 'a': bytes in a column of int64"):
        ingest_tfrecord(str(tmp_path / "in"), str(tmp_path / "out"))
    assert ingest_tfrecord(str(tmp_path / "in"), str(tmp_path / "out"), max_rejects=1).rejects == 1


def test_files_that_disagree_in_kind_are_named(tmp_path):
    write_tfrecord(str(tmp_path / "in" / "1"), [example(a=("int", [1]))])
    write_tfrecord(str(tmp_path / "in" / "2"), [example(a=("bytes", [b"x"]))])
    with pytest.raises(DataError, match=r"column 'a': int64 in the files before it; string in 2"):
        TfRecordSource(str(tmp_path / "in")).schema()


def test_a_schema_fixes_type_and_shape(records, tmp_path):
    text = """
      feature { name: "id" type: BYTES shape { dim { size: 1 } } }
      feature { name: "one" type: INT value_count { min: 0 max: 1 } }
      feature { name: "many" type: FLOAT value_count { min: 0 max: 9 } }
      feature { name: "pic" type: BYTES shape { } image_domain { } }
      feature { name: "free" type: INT }
      feature { name: "unseen" type: INT shape { } }
    """
    rows = [
        example(id=("bytes", [b"007"]), one=("int", [1]), many=("int", [3]), pic=("bytes", [b"x"]), free=("int", [1])),
        example(id=("bytes", [b"\xff"])),
        example(one=("int", [1, 2])),
        example(one=("float", [0.5])),
        example(id=("bytes", []), many=("float", [])),
    ]
    records(*rows)
    schema = text_format.Parse(text, schema_pb2.Schema())
    report = ingest_tfrecord(
        str(tmp_path / "in"), str(tmp_path / "out"), schema=schema, splits=[("all", 1)], max_rejects=3
    )
    assert (report.rows, report.rejects) == (2, 3)
    said = " ".join(report.first_rejects)
    for reason in ("the bytes are no UTF-8", "more than one value where the schema says one", "floats in a column of"):
        assert reason in said
    found = Examples.open(str(tmp_path / "out")).table("all").drop_columns("__row__")
    assert found.to_pylist() == [
        {"free": 1, "id": "007", "many": [3.0], "one": 1, "pic": b"x"},
        {"free": None, "id": None, "many": [], "one": None, "pic": None},
    ]


def test_a_damaged_record_is_a_reject_and_the_next_ones_are_kept(records, tmp_path):
    source = records(*(example(a=("int", [n])) for n in range(5)))
    path = tmp_path / "in" / "f.tfrecord"
    data = bytearray(path.read_bytes())
    size = len(data) // 5
    data[2 * size + 14] ^= 0x40
    path.write_bytes(data)
    found, rejects, numbers = table(source)
    assert found["a"].to_pylist() == [0, 1, 3, 4]
    assert numbers == [0, 1, 3, 4]
    assert [r.record for r in rejects] == [2]
    assert f"at byte {2 * size}" in rejects[0].reason


def test_a_cut_file_gives_its_rows_before_the_error(records, tmp_path):
    source = records(*(example(a=("int", [n])) for n in range(5)))
    path = tmp_path / "in" / "f.tfrecord"
    path.write_bytes(path.read_bytes()[:-3])
    batches = source.read(0, source.schema())
    assert next(batches).batch["a"].to_pylist() == [0, 1, 2, 3]
    with pytest.raises(DataError, match=r"record 5 at byte .*ends within the record|ends within the record"):
        next(batches)
    with pytest.raises(DataError, match="ends within the record"):
        ingest_tfrecord(str(tmp_path / "in"), str(tmp_path / "out"))


def test_a_cut_file_whose_types_grow_gives_its_rows_too(tmp_path):
    filler = [example(a=("int", [n]), s=("bytes", [b"text" * 300])) for n in range(5_000)]
    write_tfrecord(str(tmp_path / "f"), [*filler, example(a=("float", [0.5])), example(a=("int", [1]))])
    (tmp_path / "f").write_bytes((tmp_path / "f").read_bytes()[:-3])
    source = TfRecordSource(str(tmp_path / "f"))
    with pytest.raises(SchemaGrew) as grown:
        list(source.read(0, source.schema()))
    values = (v for b in source.read(0, grown.value.schema) for v in b.batch["a"].to_pylist())
    found = []
    with pytest.raises(DataError, match="record 5002 at byte"):
        found.extend(values)
    assert found == [float(n) for n in range(5_000)] + [0.5]


def test_records_that_are_no_messages_are_rejects(records):
    found, rejects, _ = table(records(example(a=("int", [1])), b"\xff\xff\xff", b"", example(a=("int", [2]))))
    assert found["a"].to_pylist() == [1, None, 2]
    assert [(r.record, r.text) for r in rejects] == [(1, "\\xff\\xff\\xff")]
    assert "no tf.Example" in rejects[0].reason


def test_feature_lists_are_not_dropped_in_silence(records):
    source = records(example(a=("int", [1])), sequence({"a": ("int", [2])}, {"s": [("int", [1])]}))
    found, rejects, _ = table(source)
    assert found["a"].to_pylist() == [1]
    assert "payload='sequence_example'" in rejects[0].reason


def test_sequence_examples(records):
    source = records(
        sequence({"c": ("int", [1])}, {"s": [("bytes", [b"a", b"b"]), ("bytes", []), None], "n": [("float", [0.0])]}),
        sequence({"c": None}, {"s": []}),
        sequence({}, {"s": [("bytes", [b"c"])], "n": [("int", [3]), ("float", [0.5])]}),
        sequence({"c": ("int", [0])}, {}),
        payload="sequence_example",
    )
    found, rejects, _ = table(source)
    assert rejects == []
    assert str(found.schema.field(SEQUENCE).type.field("s").type) == "list<item: list<item: string>>"
    assert str(found.schema.field(SEQUENCE).type.field("n").type) == "list<item: list<item: double>>"
    assert found["c"].to_pylist() == [1, None, None, 0]
    assert found[SEQUENCE].to_pylist() == [
        {"n": [[0.0]], "s": [["a", "b"], [], None]},
        {"n": None, "s": []},
        {"n": [[3.0], [0.5]], "s": [["c"]]},
        {"n": None, "s": None},
    ]


def test_feature_lists_grow_and_refuse(records):
    source = records(
        sequence({}, {"s": [("int", [1])]}),
        sequence({}, {"s": [("bytes", [b"x"])]}),
        sequence({SEQUENCE: ("int", [1])}, {}),
        payload="sequence_example",
    )
    found, rejects, _ = table(source)
    assert found[SEQUENCE].to_pylist() == [{"s": [[1]]}]
    assert [(r.record, r.column) for r in rejects] == [(1, f"{SEQUENCE}.s"), (2, None)]


def test_wrong_options():
    with pytest.raises(ConfigError, match="example, sequence_example"):
        TfRecordSource("x", payload="proto")
    with pytest.raises(ConfigError, match="no type of a column"):
        TfRecordSource("x", fixed={"a": "int32"})


def test_a_fingerprint_knows_contents_and_options(records, tmp_path):
    one = records(example(a=("int", [1])), fixed={"a": "int64"}).fingerprint()
    assert TfRecordSource(str(tmp_path / "in")).fingerprint() != one
    assert TfRecordSource(str(tmp_path / "in"), fixed={"a": "int64"}).fingerprint() == one
    assert records(example(a=("int", [2])), fixed={"a": "int64"}).fingerprint() != one


CELLS = {
    "i": (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    "f": (pa.float64(), st.floats(width=32, allow_nan=False)),
    "s": (pa.string(), st.text(max_size=5)),
    "b": (pa.binary(), st.binary(max_size=5)),
    "li": (pa.list_(pa.int64()), st.lists(st.integers(0, 3), max_size=3)),
    "lf": (pa.list_(pa.float64()), st.lists(st.floats(width=32, allow_nan=False), max_size=3)),
    "ls": (pa.list_(pa.string()), st.lists(st.text(max_size=3), max_size=3)),
}
FIXED = {"i": "int64", "f": "float64", "s": "utf8", "b": "bytes"}
FIXED |= {"li": "list<int64>", "lf": "list<float64>", "ls": "list<utf8>"}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.fixed_dictionaries({n: st.none() | cell for n, (_, cell) in CELLS.items()}), min_size=1, max_size=8))
def test_tables_written_and_read_are_the_same(tmp_path_factory, rows):
    place = str(tmp_path_factory.mktemp("round") / "f.gz")
    schema = pa.schema([(name, kind) for name, (kind, _) in sorted(CELLS.items())])
    given_table = pa.Table.from_pylist(rows, schema)
    assert write_examples_tfrecord(place, given_table) == len(rows)
    for record in read_tfrecord(place):
        assert canonical(record) == record
    found, rejects, _ = table(TfRecordSource(place, fixed=FIXED))
    assert rejects == []
    assert found.to_pylist() == given_table.to_pylist()


def test_falsy_values_missing_values_and_empty_lists_survive(tmp_path):
    rows = [
        {"i": 0, "f": 0.0, "s": "", "z": False, "l": []},
        {"i": None, "f": None, "s": None, "z": None, "l": None},
        {"i": 1, "f": 1.5, "s": "x", "z": True, "l": [0, 0]},
    ]
    write_examples_tfrecord(str(tmp_path / "f"), pa.Table.from_pylist(rows), None)
    found, _, _ = table(TfRecordSource(str(tmp_path / "f")))
    expected = [{**row, "z": None if row["z"] is None else int(row["z"])} for row in rows]
    assert found.to_pylist() == [dict(sorted(row.items())) for row in expected]


def test_other_arrow_types_are_written_by_the_contract(tmp_path):
    import datetime

    columns = {
        "small": pa.array([1, None], pa.int8()),
        "half": pa.array([0.1, None], pa.float32()),
        "when": pa.array([datetime.datetime(1970, 1, 1, 0, 0, 1), None], pa.timestamp("ms")),
        "word": pa.array(["a", None]).dictionary_encode(),
        "pair": pa.array([[1.0, 2.0], None], pa.list_(pa.float32(), 2)),
        "__row__": pa.array([5, 6]),
    }
    write_examples_tfrecord(str(tmp_path / "f"), pa.table(columns).to_batches(), "zlib")
    found, _, _ = table(TfRecordSource(str(tmp_path / "f")))
    assert found.to_pylist()[0] == {
        "half": float(np.float32(0.1)),
        "pair": [1.0, 2.0],
        "small": 1,
        "when": 1_000_000,
        "word": "a",
    }
    assert set(found.to_pylist()[1].values()) == {None}


@pytest.mark.parametrize(
    ("column", "error", "message"),
    [
        (pa.array([[1, None]]), DataError, "null within a list.*"),
        (pa.array([1.0, 1e300]), DataError, r"column 'c', row 2: 1e\+300 is beyond float32"),
        (pa.array([[1.0], [1e39]]), DataError, r"column 'c', row 2: 1e\+39 is beyond float32"),
        (pa.array([{"a": 1}]), SchemaError, "no place for it"),
        (pa.array([[[1]]]), SchemaError, "no place for it"),
    ],
)
def test_what_tf_example_cannot_hold_is_refused(tmp_path, column, error, message):
    with pytest.raises(error, match=message):
        write_examples_tfrecord(str(tmp_path / "f"), pa.table({"c": column}))
    assert list(tmp_path.iterdir()) == []


def test_sequence_tables_written_and_read_are_the_same(tmp_path):
    rows = [
        {"c": 1, SEQUENCE: {"s": [["a"], [], ["b", ""]], "t": None}},
        {"c": None, SEQUENCE: {"s": [], "t": [[0], [1, 2]]}},
        {"c": 3, SEQUENCE: {"s": None, "t": [[]]}},
    ] * 5_000
    given_table = pa.Table.from_pylist(rows)
    write_examples_tfrecord(str(tmp_path / "f.gz"), given_table)
    found, rejects, _ = table(TfRecordSource(str(tmp_path / "f.gz"), payload="sequence_example"))
    assert rejects == []
    assert found.select(["c", SEQUENCE]).to_pylist() == rows


def test_equal_rows_give_equal_bytes_whatever_the_columns_order():
    columns = {"b": pa.array([1]), "a": pa.array(["x"])}
    one = list(example_records(pa.table(columns)))
    assert one == list(example_records(pa.table(dict(reversed(columns.items())))))
    assert one == [example(a=("bytes", [b"x"]), b=("int", [1]))]


def taxi_rows(found):
    """Rows with numbers as float32, a multiset; without a column that has a value in one line of the CSV alone."""
    columns = [found[n].to_pylist() for n in sorted(set(found.column_names) - {"pickup_census_tract"})]
    plain = [
        [None if v in (None, "") else v if isinstance(v, str) else float(np.float32(v)) for v in column]
        for column in columns
    ]
    return Counter(zip(*plain, strict=True))


def test_taxi_sample():
    found, rejects, _ = table(TfRecordSource(str(SAMPLES / "taxi.tfrecord.gz")))
    assert rejects == []
    plain = [read(record) for record in read_tfrecord(str(SAMPLES / "taxi.tfrecord.gz"))]
    assert sorted(plain[0]) == found.column_names
    values = [
        {name: f and (f[1][0].decode() if f[0] == "bytes_list" else f[1][0]) for name, f in r.items()} for r in plain
    ]
    assert found.to_pylist() == values
    first = found.slice(0, 1).to_pylist()[0]
    assert first["trip_start_timestamp"] == 1368016200
    assert first["fare"] == float(np.float32(6.45))
    assert first["pickup_census_tract"] is None
    assert [str(found.schema.field(n).type) for n in ("company", "fare", "trip_start_day")] == [
        "string",
        "double",
        "int64",
    ]


def test_sequence_and_mnist_samples():
    found, _, _ = table(TfRecordSource(str(SAMPLES / "sequence.tfrecord.gz"), payload="sequence_example"))
    assert found.slice(0, 2).to_pylist() == [
        {SEQUENCE: {"s": [["0"], ["1"]]}, "f": None, "i": None},
        {SEQUENCE: {"s": [["1"], ["2"]]}, "f": 1.0, "i": 1},
    ]
    digits, _, _ = table(TfRecordSource(str(SAMPLES / "mnist.tfrecord.gz")))
    assert digits["image_class"].to_pylist()[:2] == [9, 3]
    assert {len(image) for image in digits["image_floats"].to_pylist()} == {784}


@pytest.mark.shared
def test_the_shared_taxi_records_are_the_csv(shared_data, tmp_path):
    import pyarrow.csv as csv

    report = ingest_tfrecord(
        str(shared_data / "formats"), str(tmp_path / "out"), pattern="taxi*.gz", splits=[("all", 1)]
    )
    assert (report.rows, report.rejects) == (15_000, 0)
    mine = taxi_rows(Examples.open(str(tmp_path / "out")).table("all").drop_columns("__row__"))
    theirs = taxi_rows(csv.read_csv(shared_data / "taxi" / "taxi.csv"))
    # One record is in no line of the CSV, and three of its lines are in no record; all else is the same to the bit.
    assert ((mine & theirs).total(), (mine - theirs).total(), (theirs - mine).total()) == (14_999, 1, 3)


@pytest.mark.shared
def test_the_shared_sequences_and_digits(shared_data, tmp_path):
    report = ingest_tfrecord(
        str(shared_data / "formats"), str(tmp_path / "s"), pattern="seq*", payload="sequence_example"
    )
    assert (report.rows, report.rejects) == (15_000, 0)
    found = Examples.open(str(tmp_path / "s")).table("train")
    assert str(found.schema.field(SEQUENCE).type) == "struct<s: list<item: list<item: string>>>"
    assert ingest_tfrecord(str(shared_data / "mnist"), str(tmp_path / "m"), pattern="*.tfrecord").rows == 1_000
