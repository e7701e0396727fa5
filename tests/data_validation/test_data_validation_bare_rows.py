"""Rows without any column, and records of another payload, are errors and never a data set of no rows."""

from __future__ import annotations

from pathlib import Path

import pytest

from trueline._core.errors import DataError
from trueline.cli import main
from trueline.data import ingest_tfrecord, write_tfrecord
from trueline.data_validation import generate_statistics_from_jsonl, generate_statistics_from_tfrecord


def _field(number: int, data: bytes) -> bytes:
    return bytes([number << 3 | 2, len(data)]) + data


NUMBERS = _field(3, _field(1, bytes([1, 2])))
CONTEXT = _field(1, _field(1, _field(1, b"c") + _field(2, NUMBERS)))
LISTS = _field(2, _field(1, _field(1, b"s") + _field(2, _field(1, NUMBERS))))


@pytest.mark.parametrize("record", [LISTS, CONTEXT + LISTS])
def test_sequence_examples_read_as_examples_name_the_payload(
    tmp_path: Path, record: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(tmp_path / "s.tfrecord")
    write_tfrecord(path, [record] * 3)
    with pytest.raises(DataError, match=r"record 1: .*payload='sequence_example'"):
        generate_statistics_from_tfrecord(path)
    with pytest.raises(DataError, match="payload='sequence_example'"):
        ingest_tfrecord(path, str(tmp_path / "e"))
    found = generate_statistics_from_tfrecord(path, payload="sequence_example")
    assert found.datasets[0].num_examples == 3
    assert main(["stats", path]) == 1
    assert "--format sequence" in capsys.readouterr().err
    assert main(["stats", path, "--format", "sequence"]) == 0


def test_records_without_a_feature_are_no_empty_data_set(tmp_path: Path) -> None:
    path = str(tmp_path / "bare.tfrecord")
    write_tfrecord(path, [b""] * 3)
    with pytest.raises(DataError, match="none of 3 rows has a column"):
        generate_statistics_from_tfrecord(path)
    write_tfrecord(path, [b"", CONTEXT, b""])
    assert generate_statistics_from_tfrecord(path).datasets[0].num_examples == 3


def test_objects_without_a_key_are_no_empty_data_set(tmp_path: Path) -> None:
    path = tmp_path / "bare.jsonl"
    path.write_text("{}\n{}\n")
    with pytest.raises(DataError, match=r"bare\.jsonl: none of 2 rows has a column"):
        generate_statistics_from_jsonl(path)
    path.write_text('{}\n{"a": 1}\n')
    assert generate_statistics_from_jsonl(path).datasets[0].num_examples == 2
    path.write_text("")
    assert generate_statistics_from_jsonl(path).datasets[0].num_examples == 0
