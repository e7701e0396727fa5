"""The TFRecord container: known checksums, every way of packing, and what is kept of a damaged file."""

from __future__ import annotations

import gzip
import itertools
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trueline._core.errors import ArtifactError, ConfigError, DataError
from trueline.data import read_tfrecord, write_tfrecord
from trueline.data.tfrecord import MAX_RECORD_BYTES, record_blocks
from trueline.data.tfrecord_crc import crc32c, crc32c_spans, crc32c_words, masked_one

SAMPLES = Path(__file__).parent / "formats"


def frame(record: bytes) -> bytes:
    """A record's frame, written down here once more from the format's description."""
    length = struct.pack("<Q", len(record))
    crcs = [struct.pack("<I", masked_one(crc32c(part))) for part in (length, record)]
    return length + crcs[0] + record + crcs[1]


def collected(uri: Path) -> tuple[list[bytes], DataError | None]:
    """The records before an error, and the error."""
    found: list[bytes] = []
    records = read_tfrecord(str(uri))
    while True:
        try:
            found.append(next(records))
        except StopIteration:
            return found, None
        except DataError as error:
            return found, error


def test_crc32c_has_the_published_values():
    # RFC 3720, B.4
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(b"\xff" * 32) == 0x62A8AB43
    assert crc32c(bytes(range(32))) == 0x46DD794E
    assert crc32c(bytes(range(31, -1, -1))) == 0x113FDB5C


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 2_000), min_size=1, max_size=12), st.integers(0, 2**32 - 1))
def test_crcs_of_many_ranges_are_those_of_each(lengths, seed):
    data = np.random.default_rng(seed).integers(0, 256, sum(lengths) + 1, dtype=np.uint8)
    sizes = np.array(lengths, np.int64)
    starts = np.cumsum(sizes) - sizes
    expected = [crc32c(data[a : a + n].tobytes()) for a, n in zip(starts, sizes, strict=True)]
    assert crc32c_spans(data, starts, sizes).tolist() == expected


def test_crc_of_a_long_range_and_of_words():
    data = np.random.default_rng(1).integers(0, 256, 100_003, dtype=np.uint8)
    assert crc32c_spans(data, np.array([0]), np.array([data.size])).tolist() == [crc32c(data.tobytes())]
    words = np.array([0, 1, 2**63, 2**64 - 1], np.uint64)
    assert crc32c_words(words).tolist() == [crc32c(int(w).to_bytes(8, "little")) for w in words]


@pytest.mark.parametrize("compression", [None, "gzip", "zlib"])
@pytest.mark.parametrize("records", [[], [b""], [b"a", b"", b"bc" * 3_000], [b"x" * n for n in range(300)]])
def test_written_records_come_back(tmp_path, compression, records):
    uri = str(tmp_path / "some" / "file.tfrecord")
    assert write_tfrecord(uri, records, compression) == len(records)
    assert list(read_tfrecord(uri)) == records
    first = Path(uri).read_bytes()
    write_tfrecord(uri, iter(records), compression)
    assert Path(uri).read_bytes() == first


def test_the_written_bytes_are_the_formats(tmp_path):
    records = [b"one", b"", b"three" * 100]
    write_tfrecord(str(tmp_path / "plain"), records)
    assert (tmp_path / "plain").read_bytes() == b"".join(map(frame, records))
    write_tfrecord(str(tmp_path / "packed"), records, "gzip")
    assert gzip.decompress((tmp_path / "packed").read_bytes()) == b"".join(map(frame, records))


def test_records_longer_than_a_block_and_many_blocks(tmp_path):
    records = [bytes([n % 256]) * (n * 700_001 % 9_000_000) for n in range(8)]
    write_tfrecord(str(tmp_path / "f"), records, "zlib")
    assert list(read_tfrecord(str(tmp_path / "f"))) == records
    blocks = list(record_blocks(str(tmp_path / "f")))
    assert [b.first for b in blocks] == [0, *itertools.accumulate(b.starts.size for b in blocks)][:-1]


def test_several_packed_members_and_padding(tmp_path):
    packed = gzip.compress(frame(b"a")) + gzip.compress(frame(b"b")) + bytes(512)
    (tmp_path / "f").write_bytes(packed)
    assert list(read_tfrecord(str(tmp_path / "f"))) == [b"a", b"b"]


def test_a_plain_file_that_looks_packed_is_read_as_plain(tmp_path):
    record = b"z" * 0x088B1F  # this length begins with the mark of gzip
    (tmp_path / "f").write_bytes(frame(record))
    assert (tmp_path / "f").read_bytes()[:3] == b"\x1f\x8b\x08"
    assert list(read_tfrecord(str(tmp_path / "f"))) == [record]


def test_any_store(tmp_path):
    write_tfrecord("memory://tfrecords/x.gz", [b"1", b"2"], "gzip")
    assert list(read_tfrecord("memory://tfrecords/x.gz")) == [b"1", b"2"]


def test_a_failed_writing_leaves_the_file_as_it_was(tmp_path):
    uri = tmp_path / "f"
    write_tfrecord(str(uri), [b"old"])

    def records():
        yield b"new"
        raise RuntimeError("the source broke")

    with pytest.raises(RuntimeError, match="broke"):
        write_tfrecord(str(uri), records())
    assert list(read_tfrecord(str(uri))) == [b"old"]
    assert [p.name for p in tmp_path.iterdir()] == ["f"]


def test_wrong_options_and_missing_files(tmp_path):
    with pytest.raises(ConfigError, match="gzip, zlib"):
        write_tfrecord(str(tmp_path / "f"), [], "lzma")
    with pytest.raises(ArtifactError, match="does not exist"):
        list(read_tfrecord(str(tmp_path / "none")))


@pytest.mark.parametrize("cut", [1, 5, 11, 12, 14, 17, 18])
def test_a_cut_file_keeps_the_records_before(tmp_path, cut):
    whole = frame(b"first") + frame(b"second") + frame(b"333")
    (tmp_path / "f").write_bytes(whole[:-cut])
    found, error = collected(tmp_path / "f")
    assert found == [b"first", b"second"]
    assert "record 3" in str(error)
    assert f"at byte {len(frame(b'first') + frame(b'second'))}" in str(error)
    assert "ends within the record" in str(error)


def test_wrong_bytes_are_told_with_their_place(tmp_path):
    data = bytearray(frame(b"first") + frame(b"second") + frame(b"third"))
    data[len(frame(b"first")) + 13] ^= 1
    (tmp_path / "f").write_bytes(data)
    found, error = collected(tmp_path / "f")
    assert found == [b"first"]
    assert f"record 2 at byte {len(frame(b'first'))}" in str(error)
    (block,) = record_blocks(str(tmp_path / "f"))
    assert block.intact.tolist() == [True, False, True]
    assert block.record(2) == b"third"


@pytest.mark.parametrize("length", [7, 1 << 20, 1 << 60, 2**64 - 1])
def test_a_wrong_length_ends_the_file_at_once(tmp_path, length):
    good = frame(b"first")
    (tmp_path / "f").write_bytes(good + struct.pack("<QI", length, 1) + b"xyz" * 100)
    found, error = collected(tmp_path / "f")
    assert found == [b"first"]
    assert f"the checksum of the record's length ({length}) is wrong" in str(error)


@pytest.mark.parametrize("length", [1 << 60, MAX_RECORD_BYTES + 1])
def test_an_absurd_length_with_a_right_checksum_is_refused(tmp_path, length):
    raw = struct.pack("<Q", length)
    (tmp_path / "f").write_bytes(frame(b"a") + raw + struct.pack("<I", masked_one(crc32c(raw))) + b"x" * 50)
    found, error = collected(tmp_path / "f")
    assert found == [b"a"]
    assert f"a record of {length} bytes" in str(error)


def test_a_length_beyond_the_file_takes_no_memory_for_it(tmp_path):
    import tracemalloc

    raw = struct.pack("<Q", MAX_RECORD_BYTES)
    (tmp_path / "f").write_bytes(raw + struct.pack("<I", masked_one(crc32c(raw))) + b"x" * 50)
    tracemalloc.start()
    found, error = collected(tmp_path / "f")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found == []
    assert "ends within the record" in str(error)
    assert peak < 32 << 20


@pytest.mark.parametrize("compression", ["gzip", "zlib"])
def test_a_damaged_packed_file_keeps_what_comes_before(tmp_path, compression):
    rng = np.random.default_rng(0)
    records = [rng.bytes(200) for _ in range(50)]
    write_tfrecord(str(tmp_path / "f"), records, compression)
    packed = bytearray((tmp_path / "f").read_bytes())
    half = len(packed) // 2
    (tmp_path / "cut").write_bytes(packed[:half])
    found, error = collected(tmp_path / "cut")
    assert found == records[: len(found)]
    assert len(found) >= 20
    assert "cut off" in str(error) or "ends within" in str(error)
    packed[half : half + 4] = b"\xff\x00\xff\x00"
    (tmp_path / "bad").write_bytes(packed)
    found, error = collected(tmp_path / "bad")
    assert found == records[: len(found)]
    assert len(found) >= 20
    assert error is not None


def test_a_small_file_that_unpacks_to_much_is_read_in_pieces(tmp_path):
    packed = zlib.compress(bytes(200 << 20), 9)  # zeros: no right length
    (tmp_path / "f").write_bytes(packed)
    _, error = collected(tmp_path / "f")
    assert "checksum of the record's length" in str(error)


def test_text_is_no_tfrecord_file(tmp_path):
    (tmp_path / "f").write_text("pickup,dropoff\n1,2\n")
    _, error = collected(tmp_path / "f")
    assert "it is no TFRecord file" in str(error)


@pytest.mark.parametrize(("name", "count"), [("taxi", 20), ("sequence", 40), ("mnist", 4)])
def test_files_that_tensorflow_wrote(name, count):
    records, error = collected(SAMPLES / f"{name}.tfrecord.gz")
    assert (len(records), error) == (count, None)
    unpacked = gzip.decompress((SAMPLES / f"{name}.tfrecord.gz").read_bytes())
    assert b"".join(map(frame, records)) == unpacked


@pytest.mark.shared
def test_the_shared_files_are_whole(shared_data):
    counts = {
        "formats/taxi-00000-of-00002.tfrecord.gz": 9_988,
        "formats/taxi-00001-of-00002.tfrecord.gz": 5_012,
        "formats/sequence.tfrecord.gz": 15_000,
        "mnist/mnist.tfrecord": 1_000,
    }
    for name, count in counts.items():
        blocks = list(record_blocks(str(shared_data / name)))
        assert sum(b.starts.size for b in blocks) == count
        assert all(b.intact.all() for b in blocks)
