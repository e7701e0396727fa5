"""TFRecord under attack."""

from __future__ import annotations

import struct

import numpy as np

from trueline.data import Examples, ingest_tfrecord, write_tfrecord


def _float_feature(bits: int) -> bytes:
    def part(number: int, body: bytes) -> bytes:
        return bytes([number << 3 | 2, len(body)]) + body

    return part(1, part(1, part(1, b"x") + part(2, part(2, part(1, struct.pack("<I", bits))))))


def test_a_signalling_nan_is_a_nan_without_a_word(tmp_path):
    """Warnings are errors in these tests."""
    place, out = str(tmp_path / "a.tfrecord"), str(tmp_path / "out")
    write_tfrecord(place, [_float_feature(bits) for bits in (0x7FA00000, 0x3F800000)])
    ingest_tfrecord(place, out, splits={"all": 1})
    values = Examples.open(out).table("all")["x"].to_numpy()
    assert np.isnan(values[0])
    assert values[1] == 1
