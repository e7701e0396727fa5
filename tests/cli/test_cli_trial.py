"""What a first user met at the command line: types of CSV under a schema, options of reading, hints that run."""

from __future__ import annotations

import bz2
import gzip
import json
import re
import shlex
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from trueline.cli import main


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _run(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    got = main(list(arguments))
    found = capsys.readouterr()
    assert got == code, found
    return found.out + found.err


def _types(capsys: pytest.CaptureFixture[str], *arguments: str, code: int) -> dict[str, str]:
    report: dict[str, Any] = json.loads(_run(capsys, "validate", *arguments, "--json", code=code))
    return {".".join(finding["feature"]): finding["type"] for finding in report["findings"]}


def _schema(capsys: pytest.CaptureFixture[str], text: str) -> None:
    Path("first.csv").write_text(text)
    _run(capsys, "schema", "infer", "first.csv", "--out", "schema.pbtxt")


# --- types of CSV under a schema ---


def test_a_narrower_spelling_of_text_or_of_a_float_is_no_other_type(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _schema(capsys, "zip,ok,day,fare\n01234,yes,soon,1.5\n99999,no,later,2.5\n")
    Path("next.csv").write_text("zip,ok,day,fare\n12345,true,2024-05-01,3\n54321,false,2024-05-02,4\n")
    found = _types(capsys, "next.csv", "schema.pbtxt", code=3)
    assert set(found.values()) == {"ENUM_TYPE_UNEXPECTED_STRING_VALUES"}  # new values, and no new type
    assert set(found) == {"ok", "day"}
    told = json.loads(_run(capsys, "stats", "next.csv", "--schema", "schema.pbtxt", "--json"))
    types = {f["path"]["step"][0]: f.get("type", "INT") for f in told["datasets"][0]["features"]}
    assert types == {"zip": "STRING", "ok": "STRING", "day": "STRING", "fare": "FLOAT"}
    assert told["datasets"][0]["features"][0]["string_stats"]["top_values"][0]["value"] in ("12345", "54321")
    compared = _run(capsys, "stats", "first.csv", "--compare", "next.csv", "--schema", "schema.pbtxt")
    assert "STRING / INT" not in compared
    assert "INT" not in compared


def test_another_type_stays_another_type(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _schema(capsys, "n,fare\n1,1.5\n2,2.5\n")
    Path("next.csv").write_text("n,fare\nx,cheap\ny,dear\n")
    found = _types(capsys, "next.csv", "schema.pbtxt", code=3)
    assert found == {"n": "UNEXPECTED_DATA_TYPE", "fare": "UNEXPECTED_DATA_TYPE"}
    Path("next.csv").write_text("n,fare\n1.5,true\n2.5,false\n")  # floats for INT, booleans for FLOAT
    found = _types(capsys, "next.csv", "schema.pbtxt", code=3)
    assert found == {"n": "UNEXPECTED_DATA_TYPE", "fare": "UNEXPECTED_DATA_TYPE"}


def test_whole_numbers_that_a_float_cannot_hold_are_not_read_as_floats(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _schema(capsys, "fare\n1.5\n2.5\n")
    Path("next.csv").write_text(f"fare\n{2**53 + 1}\n7\n")
    assert _types(capsys, "next.csv", "schema.pbtxt", code=3) == {"fare": "UNEXPECTED_DATA_TYPE"}


def test_earlier_data_are_read_by_the_schema_too(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _schema(capsys, "zip\n01234\n99999\n")
    schema = (
        Path("schema.pbtxt")
        .read_text()
        .replace('name: "zip"', 'name: "zip"\n  drift_comparator { infinity_norm { threshold: 0.1 } }', 1)
    )
    Path("schema.pbtxt").write_text(schema)
    Path("may.csv").write_text("zip\n99999\n99999\n")
    found = _run(capsys, "validate", "first.csv", "schema.pbtxt", "--previous", "may.csv", code=3)
    assert "COMPARATOR_L_INFTY_HIGH" in found
    assert "UNEXPECTED_DATA_TYPE" not in found


# --- reading ---


def test_cells_that_are_missing_and_the_encoding_can_be_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("rows.csv").write_bytes("age,stadt\n31,Köln\nNA,Bonn\n-,\n44,NA\n".encode("latin-1"))
    told = json.loads(
        _run(capsys, "stats", "rows.csv", "--null", "NA", "--null", "-", "--encoding", "latin-1", "--json")
    )
    age, city = told["datasets"][0]["features"]
    assert int(age["num_stats"]["common_stats"]["num_missing"]) == 2
    assert age["num_stats"]["max"] == 44
    assert int(city["string_stats"]["common_stats"]["num_missing"]) == 2
    assert {top["value"] for top in city["string_stats"]["top_values"]} == {"Köln", "Bonn"}
    assert "no encoding has the name" in _run(capsys, "stats", "rows.csv", "--encoding", "latin-99", code=1)


# --- hints ---


def test_the_command_that_accepts_repeats_how_the_data_were_read_and_asked(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _schema(capsys, "n,town\n1,a\n2,b\n")
    Path("rules.json").write_text('[{"type": "SCHEMA_NEW_COLUMN", "severity": "WARNING"}]')
    Path("my data.csv").write_text("n;town\n1;a\nNA;c\n")
    given = ["--previous", "first.csv", "--rules", "rules.json", "--delimiter", ";", "--null", "NA"]
    out = _run(capsys, "validate", "my data.csv", "schema.pbtxt", *given, code=3)
    (command,) = re.findall(r"If the data are right: trueline (.*)", out)
    assert shlex.split(command)[:5] == ["schema", "accept", "schema.pbtxt", "--data", "my data.csv"]
    assert main([*shlex.split(command), "--all"]) == 0
    assert "No findings" in _run(capsys, "validate", "my data.csv", "schema.pbtxt", *given)


def test_data_that_nothing_is_compared_with_are_told_of(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _schema(capsys, "n\n1\n2\n")
    out = _run(capsys, "validate", "first.csv", "schema.pbtxt", "--previous", "first.csv")
    assert "no feature of the schema has a drift threshold: nothing was compared with the previous data" in out
    assert "skew" not in out
    assert "a skew threshold" in _run(capsys, "validate", "first.csv", "schema.pbtxt", "--serving", "first.csv")
    text = Path("schema.pbtxt").read_text()
    limit = "  drift_comparator { jensen_shannon_divergence { threshold: 0.1 } }"
    Path("schema.pbtxt").write_text(text.replace('name: "n"', f'name: "n"\n{limit}', 1))
    assert "Note" not in _run(capsys, "validate", "first.csv", "schema.pbtxt", "--previous", "first.csv")


def test_hints_name_options_of_the_command_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("rows.csv").write_text("a,b\n1,2\n3\n")
    out = _run(capsys, "stats", "rows.csv", code=1)
    assert "--max-rejects" in out
    assert "max_rejects" not in out
    Path("rows.csv").write_bytes(b"a,b\n1,\xe4\n")
    assert "pass --encoding" in _run(capsys, "stats", "rows.csv", code=1)


def test_a_broken_file_of_custom_validations_is_called_so(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _schema(capsys, "n\n1\n2\n")
    Path("custom.json").write_text("{")
    out = _run(capsys, "validate", "first.csv", "schema.pbtxt", "--custom", "custom.json", code=2)
    assert "custom.json: the file is no JSON" in out
    assert "custom validations are read from JSON alone" in out
    Path("custom.json").write_text('{"feature_validation": []}')
    out = _run(capsys, "validate", "first.csv", "schema.pbtxt", "--custom", "custom.json", code=2)
    assert "custom.json: the custom validations cannot be used" in out
    assert "feature_validations" in out


# --- files that are not what their name says ---


def test_files_of_another_kind_are_called_what_they_are(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pq.write_table(pa.table({"a": [1]}), "rows.parquet")
    heads = {
        "gzip": gzip.compress(b"a,b\n1,2\n"),
        "bzip2": bz2.compress(b"a,b\n1,2\n"),
        "Parquet": Path("rows.parquet").read_bytes(),
        "a zip archive or a spreadsheet": b"PK\x03\x04rest",
        "UTF-16": "a,b\n1,2\n".encode("utf-16"),
    }
    for kind, data in heads.items():
        Path("rows.csv").write_bytes(data)
        assert f"it is {kind}\n" in _run(capsys, "stats", "rows.csv", code=1)
    assert "pass --encoding utf16" in _run(capsys, "stats", "rows.csv", code=1)
    assert "2 rows" not in _run(capsys, "stats", "rows.csv", "--encoding", "utf16")
    Path("rows.csv").write_text("PAR1,b\n1,2\n")  # a name like any other
    assert "PAR1" in _run(capsys, "stats", "rows.csv")


def test_the_header_of_a_written_index_says_how_to_go_on(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("rows.csv").write_text(",a,c\n0,1,2\n1,3,4\n")
    assert "pass --names and --skip-rows 1" in _run(capsys, "stats", "rows.csv", code=1)
    assert "2 rows" in _run(capsys, "stats", "rows.csv", "--names", "row,a,c", "--skip-rows", "1")


def test_another_delimiter_is_asked_for_where_cells_do_not_fit(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("rows.csv").write_text("a;b;c\n1;2,5;3\n")
    assert "is ';' the delimiter? pass --delimiter" in _run(capsys, "stats", "rows.csv", code=1)
    assert "1 rows" in _run(capsys, "stats", "rows.csv", "--delimiter", ";")
