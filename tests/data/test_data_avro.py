"""Avro files: every type of the contract, several files, codecs, and what is kept of a damaged file."""

from __future__ import annotations

import datetime
import io
import json
import sys
from decimal import Decimal
from pathlib import Path

import fastavro
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trueline._core.errors import ConfigError, DataError, SchemaError
from trueline.data import AvroSource, Examples, TfRecordSource, ingest_avro
from trueline.data.avro_file import AvroFile
from trueline.data.avro_types import avro_node

SAMPLES = Path(__file__).parent / "formats"
MARK = bytes(range(16))


def record(**fields):
    return {"type": "record", "name": "Row", "fields": [{"name": n, "type": t} for n, t in fields.items()]}


def avro_bytes(schema, rows, codec="null", interval=16_000):
    stream = io.BytesIO()
    fastavro.writer(stream, schema, rows, codec=codec, sync_interval=interval, sync_marker=MARK)
    return stream.getvalue()


def long(value: int) -> bytes:
    """A number as Avro writes it."""
    value = (value << 1) ^ (value >> 63)
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def container(schema, *blocks: tuple[int, bytes]) -> bytes:
    """A file written down by the format's description: blocks of a count and bytes."""
    text = json.dumps(schema).encode()
    meta = b"".join(long(len(part)) + part for part in (b"avro.schema", text))
    head = b"Obj\x01" + long(1) + meta + long(0) + MARK
    return head + b"".join(long(count) + long(len(data)) + data + MARK for count, data in blocks)


def read(path: Path, schema=None):
    """Rows, rejects and the error that ended the reading."""
    source = AvroSource(str(path))
    schema = source.schema() if schema is None else schema
    rows, rejects, numbers = [], [], []
    try:
        for found in source.read(0, schema):
            rows.extend(found.batch.to_pylist())
            rejects.extend(found.rejects)
            numbers.extend([] if found.records is None else found.records.tolist())
    except DataError as error:
        return rows, rejects, numbers, error
    return rows, rejects, numbers, None


def types(path: Path):
    return {f.name: str(f.type) for f in AvroSource(str(path)).schema()}


@pytest.fixture
def place(tmp_path):
    return tmp_path / "f.avro"


def test_the_types_of_the_contract(place):
    schema = record(
        i="int",
        l=["null", "long"],
        f="float",
        d=["double", "null"],
        s=["string", "null"],
        b="bytes",
        t="boolean",
        e={"type": "enum", "name": "Suit", "symbols": ["HEARTS", "SPADES"]},
        x={"type": "fixed", "name": "Two", "size": 2},
        n="null",
        mixed=["int", "float", "null"],
        texts=["string", "bytes"],
        again=["null", "Suit"],
    )
    one = {"i": 0, "l": 0, "f": 0.0, "d": 0.0, "s": "", "b": b"", "t": False, "e": "HEARTS", "x": b"ab", "n": None}
    two = {"i": -1, "l": None, "f": 0.5, "d": None, "s": None, "b": b"\xff", "t": True, "e": "SPADES", "x": b"cd"}
    one |= {"mixed": 3, "texts": "ä", "again": "SPADES"}
    two |= {"mixed": 0.5, "texts": b"\xff", "again": None}
    place.write_bytes(avro_bytes(schema, [one, two]))
    assert types(place) == {
        "i": "int64",
        "l": "int64",
        "f": "double",
        "d": "double",
        "s": "string",
        "b": "binary",
        "t": "bool",
        "e": "string",
        "x": "binary",
        "n": "null",
        "mixed": "double",
        "texts": "binary",
        "again": "string",
    }
    rows, rejects, numbers, error = read(place)
    assert (rejects, numbers, error) == ([], [0, 1], None)
    assert rows == [one | {"mixed": 3.0, "texts": "ä".encode()}, two | {"n": None}]


def test_logical_types(place):
    utc = datetime.UTC
    schema = record(
        day={"type": "int", "logicalType": "date"},
        ms={"type": "long", "logicalType": "timestamp-millis"},
        us=["null", {"type": "long", "logicalType": "timestamp-micros"}],
        ns={"type": "long", "logicalType": "timestamp-nanos"},
        local={"type": "long", "logicalType": "local-timestamp-micros"},
        clock={"type": "int", "logicalType": "time-millis"},
        price={"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2},
        fixed={"type": "fixed", "name": "F", "size": 4, "logicalType": "decimal", "precision": 9, "scale": 3},
        id={"type": "string", "logicalType": "uuid"},
        odd={"type": "long", "logicalType": "unheard-of"},
    )
    wire = json.loads(json.dumps(schema))
    for field in wire["fields"]:
        if field["name"] == "ns":
            field["type"] = "long"
    row = {
        "day": datetime.date(1969, 12, 31),
        "ms": datetime.datetime(2020, 1, 2, 3, 4, 5, 6_000, utc),
        "us": datetime.datetime(1960, 1, 2, 3, 4, 5, 7, utc),
        "ns": -1,
        "local": datetime.datetime(2020, 1, 1, 12),
        "clock": datetime.time(0, 0, 1),
        "price": Decimal("-12.34"),
        "fixed": Decimal("0.125"),
        "id": "12345678-1234-5678-1234-567812345678",
        "odd": 5,
    }
    data = avro_bytes(wire, [row])
    place.write_bytes(data)  # its block, under the schema with nanoseconds, is what follows
    (block,) = AvroFile(str(place)).blocks()
    place.write_bytes(container(schema, (1, block.data)))
    rows, rejects, _, error = read(place)
    assert (rejects, error) == ([], None)
    assert rows == [
        {
            "day": datetime.datetime(1969, 12, 31),
            "ms": datetime.datetime(2020, 1, 2, 3, 4, 5, 6_000),
            "us": datetime.datetime(1960, 1, 2, 3, 4, 5, 7),
            "ns": datetime.datetime(1969, 12, 31, 23, 59, 59, 999_999),
            "local": datetime.datetime(2020, 1, 1, 12),
            "clock": 1_000,
            "price": -12.34,
            "fixed": 0.125,
            "id": "12345678-1234-5678-1234-567812345678",
            "odd": 5,
        }
    ]


def test_arrays_records_and_maps(place):
    point = {
        "type": "record",
        "name": "Point",
        "fields": [{"name": "x", "type": "int"}, {"name": "y", "type": "string"}],
    }
    schema = record(
        list={"type": "array", "items": ["null", "float"]},
        deep={"type": "array", "items": {"type": "array", "items": "string"}},
        at=["null", point],
        path={"type": "array", "items": "Point"},
        map={"type": "map", "values": {"type": "long", "logicalType": "timestamp-millis"}},
        flags=["null", {"type": "map", "values": ["null", "boolean"]}],
    )
    noon = datetime.datetime(2020, 1, 1, 12, tzinfo=datetime.UTC)
    rows = [
        {
            "list": [0.0, None, 0.5],
            "deep": [["a", ""], []],
            "at": {"x": 0, "y": ""},
            "path": [{"x": 1, "y": "a"}, {"x": 2, "y": "b"}],
            "map": {"k": noon},
            "flags": {"t": False, "u": None},
        },
        {"list": [], "deep": [], "at": None, "path": [], "map": {}, "flags": None},
    ]
    place.write_bytes(avro_bytes(schema, rows))
    assert types(place)["map"] == "list<item: struct<key: string, value: timestamp[us]>>"
    found, rejects, _, error = read(place)
    assert (rejects, error) == ([], None)
    rows[0]["map"] = [{"key": "k", "value": datetime.datetime(2020, 1, 1, 12)}]
    rows[0]["flags"] = [{"key": "t", "value": False}, {"key": "u", "value": None}]
    rows[1]["map"] = []
    assert found == rows


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (["int", "string"], "column c: a union of types that have no common one: int64, utf8"),
        ([{"type": "array", "items": "int"}, "int"], "no common one"),
        ({"type": "record", "name": "Row", "fields": [{"name": "x", "type": "int"}]}, "contains itself"),
        ({"type": "record", "name": "Tree", "fields": [{"name": "up", "type": ["null", "Tree"]}]}, "contains itself"),
        ({"type": "array", "items": "null"}, "items have no bytes"),
        ({"type": "record", "name": "E", "fields": []}, "without fields"),
        ({"type": "fixed", "name": "F", "size": -1}, "fixed type of -1 bytes"),
        ("Nowhere", "'Nowhere' is not defined"),
        ([], "a union of nothing"),
        (7, "7 is no type"),
        ({"type": "enum", "name": "E", "symbols": 3}, "symbols"),
        ({"type": "bytes", "logicalType": "decimal", "scale": -1}, "decimal of scale -1"),
    ],
)
def test_schemas_outside_the_contract_are_refused(place, kind, message):
    place.write_bytes(container(record(c=kind, ok="int")))
    with pytest.raises(SchemaError, match=message) as error:
        AvroSource(str(place)).schema()
    assert str(place) in str(error.value)


def test_all_problems_of_a_schema_at_once_and_no_bottomless_ones():
    with pytest.raises(SchemaError) as error:
        avro_node(record(a=["int", "string"], b="Nowhere", c="int"))
    assert len(error.value.problems) == 2
    deep = "int"
    for _ in range(500):
        deep = {"type": "array", "items": deep}
    with pytest.raises(SchemaError, match="deep"):
        avro_node(record(a=deep))
    with pytest.raises(SchemaError, match="is no record"):
        avro_node("int")
    with pytest.raises(SchemaError, match="no list of names"):
        avro_node({"type": "record", "name": "R", "fields": [{"name": 3}]})
    with pytest.raises(SchemaError, match="fields twice: a"):
        avro_node({"type": "record", "name": "R", "fields": [{"name": "a", "type": "int"}] * 2})
    with pytest.raises(SchemaError, match="have no bytes"):
        avro_node(record(a="null"))


@pytest.mark.parametrize("codec", ["null", "deflate", "bzip2", "xz", "snappy", "zstandard"])
def test_codecs(place, codec):
    rows = [{"a": n, "b": "text" * (n % 5)} for n in range(3_000)]
    schema = record(a="int", b="string")
    try:
        data = avro_bytes(schema, rows, codec)
    except ValueError:
        data = _packed(schema, rows, codec)
    place.write_bytes(data)
    assert AvroFile(str(place)).codec == codec
    found, rejects, numbers, error = read(place)
    assert (rejects, error) == ([], None)
    assert (found, numbers) == (rows, list(range(3_000)))


def _packed(schema, rows, codec):
    """The file where the writer lacks the codec's package: packed by pyarrow, framed by the format's description."""
    import zlib

    stream = io.BytesIO(avro_bytes(schema, rows))
    blocks = []
    for block in fastavro.block_reader(stream):
        raw = block.bytes_.read()
        packed = pa.compress(raw, {"zstandard": "zstd"}.get(codec, codec), asbytes=True)
        blocks.append((block.num_records, packed + (zlib.crc32(raw).to_bytes(4, "big") if codec == "snappy" else b"")))
    plain = container(schema, *blocks)
    meta = long(len(b"avro.codec")) + b"avro.codec" + long(len(codec)) + codec.encode()
    return plain[:4] + long(2) + meta + plain[5:]


def test_an_unknown_codec_and_other_files(place):
    data = avro_bytes(record(a="int"), [{"a": 1}], "deflate")
    place.write_bytes(data.replace(b"deflate", b"defrost"))
    with pytest.raises(DataError, match="'defrost' is unknown"):
        AvroSource(str(place)).schema()
    for other in (b"", b"Obj", b"a,b\n1,2\n", b"PAR1" + bytes(40)):
        place.write_bytes(other)
        with pytest.raises(DataError, match=r"no Avro file|ends within Avro's header"):
            AvroSource(str(place)).schema()
    place.write_bytes(avro_bytes(record(a="int"), []).replace(b'"fields"', b'"fie\xff\xff"'))
    with pytest.raises((DataError, SchemaError)):
        AvroSource(str(place)).schema()


def test_a_file_without_rows(place, tmp_path):
    place.write_bytes(avro_bytes(record(a="int"), []))
    assert read(place) == ([], [], [], None)
    assert ingest_avro(str(place), str(tmp_path / "out")).rows == 0


def test_files_of_several_schemas(tmp_path):
    base = tmp_path / "in"
    base.mkdir()
    (base / "1.avro").write_bytes(avro_bytes(record(a="int", b="string", only="int"), [{"a": 1, "b": "x", "only": 5}]))
    (base / "2.avro").write_bytes(avro_bytes(record(b=["null", "string"], a="double"), [{"a": 0.5, "b": None}]))
    (base / "3.avro").write_bytes(avro_bytes(record(a="null", b="string", new="boolean"), [{"b": "", "new": False}]))
    ingest_avro(str(base), str(tmp_path / "out"), splits=[("all", 1)])
    found = Examples.open(str(tmp_path / "out")).table("all").drop_columns("__row__")
    assert found.to_pylist() == [
        {"a": 1.0, "b": "x", "only": 5, "new": None},
        {"a": 0.5, "b": None, "only": None, "new": None},
        {"a": None, "b": "", "only": None, "new": False},
    ]
    (base / "4.avro").write_bytes(avro_bytes(record(a="string", b="int"), [{"a": "x", "b": 1}]))
    with pytest.raises(DataError, match=r"(?s)column 'a'.*column 'b'.*"):
        AvroSource(str(base)).schema()


def test_values_without_a_form_are_rejects_and_the_others_stay(place):
    schema = record(
        s="string", e={"type": "enum", "name": "E", "symbols": ["A"]}, d={"type": "int", "logicalType": "date"}
    )
    good = long(1) + b"x" + long(0) + long(1)
    text = long(2) + b"\xff\xfe" + long(0) + long(1)
    symbol = long(1) + b"x" + long(4) + long(1)
    day = long(1) + b"x" + long(0) + long(2**31 - 1)
    place.write_bytes(container(schema, (5, good + text + good + symbol + day), (1, good)))
    rows, rejects, numbers, error = read(place)
    assert error is None
    assert numbers == [0, 2, 5]
    assert [r["s"] for r in rows] == ["x", "x", "x"]
    assert [(r.record, r.column) for r in rejects] == [(1, "s"), (3, "e"), (4, "d")]
    assert "1 symbols has none of number 4" in rejects[1].reason


def test_a_record_that_cannot_be_decoded_takes_those_after_it_in_its_block(place):
    schema = record(s="string", n="int")
    good = long(1) + b"x" + long(7)
    bad = long(1 << 60) + b"x"
    place.write_bytes(container(schema, (2, good * 2), (4, good + bad + good * 2), (2, good * 2)))
    rows, rejects, numbers, error = read(place)
    assert error is None
    assert numbers == [0, 1, 2, 6, 7]
    assert rows == [{"s": "x", "n": 7}] * 5
    assert [r.record for r in rejects] == [3, 4, 5]
    assert "cannot be decoded" in rejects[0].reason
    assert "lies behind record 4" in rejects[2].reason


def test_a_block_of_many_records_is_given_in_pieces(place):
    schema = record(s="string")
    good = [long(1) + b"x"] * 20_000
    place.write_bytes(container(schema, (20_000, b"".join(good))))
    source = AvroSource(str(place))
    assert [b.batch.num_rows for b in source.read(0, source.schema())] == [8_192, 8_192, 3_616]
    good[10_000] = long(1 << 50)
    place.write_bytes(container(schema, (20_000, b"".join(good))))
    rows, rejects, numbers, error = read(place)
    assert (len(rows), numbers, error) == (10_000, list(range(10_000)), None)
    assert [r.record for r in rejects] == list(range(10_000, 20_000))


def test_an_array_that_promises_more_than_there_is(place):
    schema = record(a={"type": "array", "items": "int"})
    place.write_bytes(container(schema, (1, long(1 << 60) + long(1) * 10)))
    rows, rejects, _, error = read(place)
    assert (rows, error) == ([], None)
    assert [r.record for r in rejects] == [0]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda d: d[:-5], "ends within the block"),
        (lambda d: d[:-30], "ends within the block"),
        (lambda d: d[:-1] + b"\x00", "the mark after the block is wrong"),
        (lambda d: d + long(1) + long(1 << 60) + b"x", "a part of 1152921504606846976 bytes"),
        (lambda d: d + long(1) + long(-5) + b"x", "a part of -5 bytes"),
        (lambda d: d + long(1 << 50) + long(1) + b"x" + MARK, "records in 1 bytes"),
        (lambda d: d + long(-1) + long(1) + b"x" + MARK, "-1 records in 1 bytes"),
        (lambda d: d + b"\xff" * 12, "a number of more than ten bytes"),
        (lambda d: d + long(1) + long(4) + long(1) + long(2) + b"xx" + MARK, "bytes more than its 1 records"),
    ],
)
def test_a_damaged_block_ends_the_file_after_the_rows_before(place, tmp_path, damage, message):
    schema = record(a="int", b="int")
    block = b"".join(long(n) + long(n) for n in range(20))
    place.write_bytes(damage(container(schema, (20, block), (20, block))))
    rows, _, _, error = read(place)
    assert rows[:20] == [{"a": n, "b": n} for n in range(20)]
    assert message in str(error)
    assert str(place) in str(error)
    assert "block " in str(error)
    assert "record" in str(error)
    with pytest.raises(DataError, match="block"):
        ingest_avro(str(place), str(tmp_path / "out"))


@pytest.mark.parametrize("codec", ["deflate", "bzip2", "xz"])
def test_a_packed_block_that_cannot_be_unpacked(place, codec):
    rows = [{"a": n} for n in range(20_000)]
    data = bytearray(avro_bytes(record(a="int"), rows, codec))
    second = data.index(MARK, data.index(MARK, data.index(MARK) + 16) + 1)
    data[second - 40 : second - 30] = b"\xff" * 10
    place.write_bytes(data)
    found, rejects, _, error = read(place)
    first = next(AvroFile(str(place)).blocks())
    assert found[: first.count] == rows[: first.count]
    assert error is not None or rejects
    assert len(found) < len(rows)


def test_a_named_record_may_have_any_name(place):
    schema = record(a="int") | {"name": "Chicago Taxi dataset"}
    place.write_bytes(container(schema, (1, long(5))))
    assert read(place)[0] == [{"a": 5}]


def test_without_fastavro_the_extra_is_told(monkeypatch, place):
    monkeypatch.setitem(sys.modules, "fastavro", None)
    with pytest.raises(ConfigError, match=r"trueline\[avro\]"):
        AvroSource(str(place))


def test_any_store(place):
    import fsspec

    fsspec.filesystem("memory").pipe_file("/avro/f.avro", avro_bytes(record(a="int"), [{"a": 0}]))
    source = AvroSource("memory://avro")
    assert source.parts() == ("f.avro",)
    assert [b.batch.to_pylist() for b in source.read(0, source.schema())] == [[{"a": 0}]]
    assert source.fingerprint() == AvroSource("memory://avro").fingerprint()


CELLS = {
    "i": (["null", "long"], st.integers(-(2**63), 2**63 - 1)),
    "d": (["double", "null"], st.floats(allow_nan=False)),
    "s": (["null", "string"], st.text(max_size=4)),
    "b": (["null", "bytes"], st.binary(max_size=4)),
    "t": (["null", "boolean"], st.booleans()),
    "l": (["null", {"type": "array", "items": ["null", "int"]}], st.lists(st.none() | st.integers(0, 3), max_size=3)),
}


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.fixed_dictionaries({n: st.none() | c for n, (_, c) in CELLS.items()}), max_size=8), st.integers(1, 99)
)
def test_rows_come_back_as_they_were_written(tmp_path_factory, rows, interval):
    path = tmp_path_factory.mktemp("round") / "f.avro"
    path.write_bytes(avro_bytes(record(**{n: kind for n, (kind, _) in CELLS.items()}), rows, interval=interval))
    assert read(path) == (rows, [], list(range(len(rows))), None)


def test_taxi_sample_is_as_fastavro_reads_it():
    with (SAMPLES / "taxi.avro").open("rb") as handle:
        expected = list(fastavro.reader(handle))
    assert len(expected) == 20
    rows, rejects, _, error = read(SAMPLES / "taxi.avro")
    assert (rows, rejects, error) == (expected, [], None)
    assert types(SAMPLES / "taxi.avro")["fare"] == "double"
    assert rows[0]["tips"] == 0.0
    assert rows[0]["dropoff_latitude"] is None


@pytest.mark.shared
def test_the_shared_taxi_file_is_its_parquet_and_its_tfrecord(shared_data, tmp_path):
    import pyarrow.compute as pc
    import pyarrow.parquet as pq
    from test_data_tfrecord_examples import taxi_rows

    report = ingest_avro(str(shared_data / "formats"), str(tmp_path / "out"), pattern="*.avro", splits=[("all", 1)])
    assert (report.rows, report.rejects) == (10_000, 0)
    mine = Examples.open(str(tmp_path / "out")).table("all").drop_columns("__row__")
    theirs = pq.read_table(shared_data / "formats" / "taxi.parquet").select(mine.column_names)
    for name in mine.column_names:
        ours, other = mine[name].combine_chunks(), theirs[name].combine_chunks()
        if pa.types.is_string(other.type) and name == "company":  # the Parquet file has the text "nan" for missing
            other = pc.if_else(pc.equal(other, "nan"), None, other)
        if pa.types.is_floating(other.type):
            other = other.cast(pa.float32()).cast(pa.float64())
        if name == "pickup_census_tract":
            assert ours.null_count == other.null_count == 10_000
            continue
        assert ours.cast(other.type).equals(other), name
    records = TfRecordSource(str(shared_data / "formats"), pattern="taxi*.gz")
    schema = records.schema()
    batches = [b.batch for part in range(2) for b in records.read(part, schema)]
    assert taxi_rows(mine) - taxi_rows(pa.Table.from_batches(batches)) == {}
