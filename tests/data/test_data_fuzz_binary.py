"""Random, cut and flipped TFRecord and Avro files: an error with a place or the rows, in time, in little memory.

The laws: nothing but a declared error leaves a reader; every row whose bytes lie before the damage is given; a row
that is given is one that was written, where the format has checksums.
"""

from __future__ import annotations

import gzip
import io
import struct
import tracemalloc
import zlib

import fastavro
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tf_messages import example, read, sequence

from trueline._core.errors import DataError, SchemaError
from trueline.data import AvroSource, TfRecordSource, ingest_tfrecord, read_tfrecord, write_tfrecord
from trueline.data.source import SchemaGrew
from trueline.data.tf_example_arrow import columns_of
from trueline.data.tf_example_decode import SEQUENCE, decode
from trueline.data.tf_example_types import OPEN_MARK
from trueline.data.tfrecord_crc import crc32c, masked_one

FUZZ = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
RECORDS = [
    example(a=("int", [n, -n]), b=("bytes", [b"text %d" % n] * (n % 3)), c=("float", [n / 2])) for n in range(12)
]
FRAME = [len(r) + 16 for r in RECORDS]
SCHEMA = {
    "type": "record",
    "name": "Row",
    "fields": [
        {"name": "a", "type": ["null", "long"]},
        {"name": "b", "type": "string"},
        {"name": "c", "type": {"type": "array", "items": "double"}},
        {"name": "d", "type": {"type": "map", "values": "int"}},
        {"name": "e", "type": {"type": "enum", "name": "E", "symbols": ["X", "Y"]}},
    ],
}
ROWS = [{"a": n or None, "b": "b" * (n % 5), "c": [0.5] * (n % 4), "d": {"k": n}, "e": "XY"[n % 2]} for n in range(200)]


def taken(records):
    """What comes before an error, and the error."""
    out = []
    while True:
        try:
            out.append(next(records))
        except StopIteration:
            return out, None
        except DataError as error:
            return out, error


def damages(size: int):
    """Bytes flipped, a cut, bytes put in: ``(first place, function)``."""
    place = st.integers(0, size - 1)
    flip = st.tuples(place, st.integers(1, 255)).map(
        lambda t: (t[0], lambda d: d[: t[0]] + bytes([d[t[0]] ^ t[1]]) + d[t[0] + 1 :])
    )
    cut = place.map(lambda p: (p, lambda d: d[:p]))
    put = st.tuples(place, st.binary(min_size=1, max_size=30)).map(
        lambda t: (t[0], lambda d: d[: t[0]] + t[1] + d[t[0] :])
    )
    write = st.tuples(place, st.binary(min_size=1, max_size=30)).map(
        lambda t: (t[0], lambda d: d[: t[0]] + t[1] + d[t[0] + len(t[1]) :])
    )
    return st.one_of(flip, cut, put, write)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz") / "file"


def plain_bytes(file, compression=None) -> bytes:
    write_tfrecord(str(file), RECORDS, compression)
    return file.read_bytes()


@FUZZ
@given(damages(sum(FRAME)))
def test_a_damaged_tfrecord_file_gives_all_records_before_and_no_false_one(file, damage):
    place, change = damage
    file.write_bytes(change(plain_bytes(file)))
    before = int(np.searchsorted(np.cumsum(FRAME), place, side="right"))
    found, error = taken(read_tfrecord(str(file)))
    assert found[:before] == RECORDS[:before]
    assert all(record in RECORDS for record in found)
    if error is not None:
        assert f"record {len(found) + 1} at byte" in str(error)


@FUZZ
@given(st.sampled_from(["gzip", "zlib"]), st.data())
def test_a_damaged_packed_file_gives_no_false_record(file, compression, data):
    packed = plain_bytes(file, compression)
    place, change = data.draw(damages(len(packed)))
    file.write_bytes(change(packed))
    found, _ = taken(read_tfrecord(str(file)))
    assert all(record in RECORDS for record in found)
    # What can be unpacked from the bytes before the damage is not lost.
    unpacked = zlib.decompressobj(31 if compression == "gzip" else 15).decompress(packed[:place])
    before = int(np.searchsorted(np.cumsum(FRAME), len(unpacked), side="right"))
    assert found[:before] == RECORDS[:before]


@FUZZ
@given(st.binary(max_size=300), st.booleans())
def test_random_bytes_are_no_tfrecord_file(file, data, packed):
    file.write_bytes(gzip.compress(data) if packed else data)
    found, error = taken(read_tfrecord(str(file)))
    assert found == []
    assert (error is None) == (not data)


@FUZZ
@given(st.integers(0, 2**64 - 1), st.booleans())
def test_any_length_is_read_in_little_memory(file, length, right):
    raw = struct.pack("<Q", length)
    crc = masked_one(crc32c(raw)) if right else 1
    file.write_bytes(plain_bytes(file) + raw + struct.pack("<I", crc) + b"xyz")
    tracemalloc.start()
    found, error = taken(read_tfrecord(str(file)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found == RECORDS
    assert "record 13" in str(error)
    assert peak < 32 << 20


def spans(records):
    lengths = np.array([len(r) for r in records], np.int64)
    return np.frombuffer(b"".join(records), np.uint8), np.cumsum(lengths) - lengths, lengths


def rows_of(records, is_sequence=False):
    """Rows by record number, with the schema that they ask for; and why records are bad."""
    import pyarrow as pa

    found = decode(*spans(records), sequence=is_sequence)
    schema = pa.schema([], metadata={OPEN_MARK: b"1"})
    for _ in range(4):
        made = columns_of(found, schema, {})
        if made.batch is not None or not made.schema.names:
            break
        schema = made.schema
    plain = made.batch.to_pylist() if made.batch is not None else [{}] * found.records.size
    bad = {**found.bad, **{int(found.records[row]): why for row, why in made.bad.items()}}
    return {int(n): row for n, row in zip(found.records, plain, strict=True) if int(n) not in bad}, bad


def readable(record: bytes) -> bool:
    from google.protobuf.message import DecodeError

    try:
        read(record)
    except DecodeError:
        return False
    return True


@settings(max_examples=300, deadline=None)
@given(st.lists(st.binary(max_size=60), min_size=1, max_size=6))
def test_random_messages_are_rows_exactly_where_protobuf_reads_them(blobs):
    records = [RECORDS[1], *blobs, RECORDS[2]]
    found, bad = rows_of(records)
    assert set(found) | set(bad) == set(range(len(records)))
    assert 0 in found or "a" in str(bad)
    for number, blob in enumerate(blobs, 1):
        if not readable(blob):
            assert number in bad


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 11), st.data())
def test_damaged_messages_leave_their_neighbours_alone(which, data):
    _, change = data.draw(damages(len(RECORDS[which])))
    damaged = change(RECORDS[which])
    records = [*RECORDS[:which], damaged, *RECORDS[which + 1 :]]
    found, bad = rows_of(records)
    others = set(range(12)) - {which}
    # A damaged name or kind may turn a column to another type; its rows are then told, not lost.
    assert others <= set(found) | set(bad)
    if which > 0:
        assert found[0]["a"] in ([0, 0], [0.0, 0.0])
    if not readable(damaged):
        assert which in bad
        assert others == set(found)
        assert [found[n]["a"] for n in sorted(others)] == [[n, -n] for n in sorted(others)]


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_damaged_sequences_leave_their_neighbours_alone(data):
    whole = [sequence({"c": ("int", [n])}, {"s": [("bytes", [b"x"]), ("bytes", [])] * n}) for n in range(4)]
    _, change = data.draw(damages(len(whole[2])))
    records = [*whole[:2], change(whole[2]), whole[3]]
    found, bad = rows_of(records, is_sequence=True)
    assert set(found) | set(bad) == {0, 1, 2, 3}
    assert found[0]["c"] in (0, 0.0, [0], [0.0])
    assert found[1][SEQUENCE]["s"] in ([["x"], []], [[b"x"], []])


def test_lengths_within_a_message_take_no_memory():
    huge = b"\x0a\xff\xff\xff\xff\x07" + bytes(5)  # a field of 2 GiB
    more = b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f"
    tracemalloc.start()
    found, bad = rows_of([huge, RECORDS[3], more])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert set(found) == {1}
    assert set(bad) == {0, 2}
    assert peak < 32 << 20


@FUZZ
@given(damages(sum(FRAME)))
def test_damaged_files_as_a_source(file, damage):
    _, change = damage
    file.write_bytes(change(plain_bytes(file)))
    source = TfRecordSource(str(file))
    try:
        schema = source.schema()
        found, _ = taken(source.read(0, schema))
    except (DataError, SchemaGrew):
        return
    for batch in found:
        for number, row in zip(batch.records.tolist(), batch.batch.to_pylist(), strict=True):
            assert row["a"] == [number, -number]


def test_an_ingestion_of_a_damaged_file_leaves_nothing_behind(file, tmp_path):
    file.write_bytes(plain_bytes(file)[:-7])
    with pytest.raises(DataError, match="record 12 at byte"):
        ingest_tfrecord(str(file), str(tmp_path / "out"))
    assert not (tmp_path / "out" / "MANIFEST.json").exists()


def avro_bytes(codec: str) -> bytes:
    stream = io.BytesIO()
    fastavro.writer(stream, SCHEMA, ROWS, codec=codec, sync_interval=400, sync_marker=bytes(range(16)))
    return stream.getvalue()


AVRO = {codec: avro_bytes(codec) for codec in ("null", "deflate")}
EXPECTED = [{**row, "d": [{"key": "k", "value": row["d"]["k"]}]} for row in ROWS]


def avro_rows(file):
    """Record number -> row, as far as they go."""
    source = AvroSource(str(file))
    found, _ = taken(source.read(0, source.schema()))
    numbered = [(b.records, b.batch.to_pylist()) for b in found if b.batch.num_rows]
    return {int(n): row for records, rows in numbered for n, row in zip(records, rows, strict=True)}


def blocks_before(data: bytes, place: int) -> int:
    """How many records lie in blocks that end before a place."""
    count = 0
    for block in fastavro.block_reader(io.BytesIO(data)):
        if block.offset + block.size > place:
            return count
        count += block.num_records
    return count


def test_the_avro_rows_come_back_undamaged(file):
    for data in AVRO.values():
        file.write_bytes(data)
        assert avro_rows(file) == dict(enumerate(EXPECTED))


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(sorted(AVRO)), st.data())
def test_a_damaged_avro_file_gives_all_rows_of_the_blocks_before(file, codec, data):
    place, change = data.draw(damages(len(AVRO[codec])))
    file.write_bytes(change(AVRO[codec]))
    try:
        found = avro_rows(file)
    except (DataError, SchemaError):
        assert place < AVRO[codec].index(bytes(range(16))) + 16  # only a damaged header gives no row at all
        return
    before = blocks_before(AVRO[codec], place)
    header = AVRO[codec].index(bytes(range(16))) + 16
    if place >= header:
        assert [found[n] for n in range(before)] == EXPECTED[:before]


@FUZZ
@given(st.binary(max_size=300), st.booleans())
def test_random_bytes_are_no_avro_file(file, data, after_header):
    header = AVRO["null"][: AVRO["null"].index(bytes(range(16))) + 16]
    file.write_bytes(header + data if after_header else data)
    if after_header:
        assert avro_rows(file) == {} or len(data) > 16
    else:
        with pytest.raises(DataError):
            AvroSource(str(file)).schema()


@FUZZ
@given(
    st.recursive(
        st.sampled_from(["null", "int", "string", "Row", 3, None, {}]),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.fixed_dictionaries(
                {"type": st.sampled_from(["array", "map"])}, optional={"items": inner, "values": inner}
            ),
            st.fixed_dictionaries({"type": inner}, optional={"logicalType": st.sampled_from(["date", "decimal"])}),
            st.fixed_dictionaries(
                {"type": st.just("record"), "name": st.sampled_from(["Row", "Other"])},
                optional={
                    "fields": st.lists(st.fixed_dictionaries({"name": st.text(max_size=2), "type": inner}), max_size=2)
                },
            ),
        ),
        max_leaves=6,
    )
)
def test_any_schema_is_taken_or_refused(schema):
    from trueline.data.avro_arrow import contract_type
    from trueline.data.avro_types import avro_node, wire_type

    try:
        node = avro_node({"type": "record", "name": "Top", "fields": [{"name": "x", "type": schema}]})
    except SchemaError:
        return
    assert contract_type(node).num_fields == wire_type(node).num_fields == 1
    fastavro.parse_schema(node.wire)
