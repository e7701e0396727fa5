"""`trueline schema`: made, shown, compared, mended and tried out; a schema file is written whole or not at all."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from trueline.cli import main
from trueline.data_validation import (
    generate_examples,
    generate_statistics_from_csv,
    infer_schema,
    validate_statistics,
    write_anomalies_binary,
    write_statistics,
)
from trueline.schema import load_schema_text, write_schema_text

MAY = "fare,company\n" + "".join(f"{i}.5,{'ab'[i % 2]}\n" for i in range(40))
JUNE = MAY.replace("7.5,b", "7.5,new one").replace("fare,company", "fare,company,tip").replace("\n", ",1\n")
JUNE = JUNE.replace("fare,company,tip,1", "fare,company,tip")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Data of two months, and the schema of the first."""
    monkeypatch.chdir(tmp_path)
    Path("may.csv").write_text(MAY)
    Path("june.csv").write_text(JUNE)
    write_schema_text(infer_schema(generate_statistics_from_csv("may.csv")), "schema.pbtxt")
    return tmp_path


def _run(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    got = main(["schema", *arguments])
    found = capsys.readouterr()
    assert got == code, found
    return found.out + found.err


# --- infer ---


def test_a_schema_is_inferred_from_data_and_from_statistics(folder, capsys):
    expected = load_schema_text("schema.pbtxt")
    assert text_format.Parse(_run(capsys, "infer", "may.csv"), schema_pb2.Schema()) == expected
    write_statistics(generate_statistics_from_csv("may.csv"), "FeatureStats.pb")
    assert "2 features, 1 string domains" in _run(capsys, "infer", "FeatureStats.pb", "--out", "new.pbtxt")
    assert load_schema_text("new.pbtxt") == expected
    bare = text_format.Parse(_run(capsys, "infer", "may.csv", "--max-domain", "1", "--no-shapes"), schema_pb2.Schema())
    assert not bare.string_domain
    assert all(feature.WhichOneof("shape_type") != "shape" for feature in bare.feature)


def test_a_schema_that_is_there_is_not_written_over(folder, capsys):
    before = Path("schema.pbtxt").read_bytes()
    assert "there is a schema already" in _run(capsys, "infer", "june.csv", "--out", "schema.pbtxt", code=2)
    assert Path("schema.pbtxt").read_bytes() == before
    _run(capsys, "infer", "june.csv", "--out", "schema.pbtxt", "--force")
    assert len(load_schema_text("schema.pbtxt").feature) == 3


def test_no_rows_are_told(folder, capsys):
    Path("none.csv").write_text("a,b\n")
    assert "The data have no rows" in _run(capsys, "infer", "none.csv")


# --- view and diff ---


def test_a_schema_is_shown(folder, capsys):
    out = _run(capsys, "view", "schema.pbtxt")
    assert "2 features" in out
    assert any(line.split() == ["fare", "FLOAT", "required", "single", "-"] for line in out.splitlines())
    assert "'a', 'b'" in out
    (first, _) = json.loads(_run(capsys, "view", "schema.pbtxt", "--json"))["feature"]
    assert first["name"] == "fare"
    _run(capsys, "view", "schema.pbtxt", "--html", "schema.html")
    assert "company" in Path("schema.html").read_text()
    (folder / "artifact").mkdir()
    Path("schema.pbtxt").rename("artifact/schema.pbtxt")
    assert "2 features" in _run(capsys, "view", "artifact")


def test_two_schemas_are_compared_as_git_compares(folder, capsys):
    schema = load_schema_text("schema.pbtxt")
    schema.string_domain[0].value.append("c")
    schema.feature[0].presence.min_fraction = 0.5
    write_schema_text(schema, "other.pbtxt")
    lines = _run(capsys, "diff", "schema.pbtxt", "other.pbtxt").splitlines()
    assert lines == [
        "feature 'fare' presence: min_fraction: 1.0 -> min_fraction: 0.5",
        "string_domain 'company': add value: \"c\"",
    ]
    assert _run(capsys, "diff", "schema.pbtxt", "other.pbtxt", "--exit-code", code=1).splitlines() == lines
    assert '+   value: "c"' in _run(capsys, "diff", "schema.pbtxt", "other.pbtxt", "--text")
    assert [c["text"] for c in json.loads(_run(capsys, "diff", "schema.pbtxt", "other.pbtxt", "--json"))] == lines
    assert _run(capsys, "diff", "schema.pbtxt", "schema.pbtxt", "--exit-code") == "No difference.\n"


# --- accept ---


def test_all_that_was_found_is_accepted_and_then_nothing_is(folder, capsys):
    out = _run(capsys, "accept", "schema.pbtxt", "--data", "june.csv", "--all")
    assert '+   value: "new one"' in out
    assert "Accepted 2. Wrote schema.pbtxt" in out
    assert _run(capsys, "accept", "schema.pbtxt", "--data", "june.csv", "--all").startswith("No findings")
    assert main(["validate", "june.csv", "schema.pbtxt"]) == 0


def test_only_what_was_named_is_accepted(folder, capsys):
    _run(capsys, "accept", "schema.pbtxt", "--data", "june.csv", "--feature", "company", "--out", "new.pbtxt")
    new = load_schema_text("new.pbtxt")
    assert list(new.string_domain[0].value) == ["a", "b", "new one"]
    assert len(new.feature) == 2
    _run(capsys, "accept", "schema.pbtxt", "--data", "june.csv", "--type", "SCHEMA_NEW_COLUMN", "--out", "new.pbtxt")
    assert [f.name for f in load_schema_text("new.pbtxt").feature] == ["fare", "company", "tip"]
    both = ["--feature", "company", "--type", "SCHEMA_NEW_COLUMN"]
    assert "Nothing was accepted" in _run(capsys, "accept", "schema.pbtxt", "--data", "june.csv", *both)


def test_findings_made_before_are_accepted_from_their_file(folder, capsys):
    schema, statistics = load_schema_text("schema.pbtxt"), generate_statistics_from_csv("june.csv")
    write_statistics(statistics, "FeatureStats.pb")
    anomalies = validate_statistics(statistics, schema)
    del anomalies.anomaly_info["tip"]
    write_anomalies_binary(anomalies, "SchemaDiff.pb")
    given = ["--statistics", "FeatureStats.pb", "--anomalies", "SchemaDiff.pb", "--all"]
    assert "Accepted 1" in _run(capsys, "accept", "schema.pbtxt", *given)
    assert [f.name for f in load_schema_text("schema.pbtxt").feature] == ["fare", "company"]


def test_comments_that_are_lost_are_told(folder, capsys):
    Path("schema.pbtxt").write_text("# ours\n" + Path("schema.pbtxt").read_text())
    assert "comments are gone" in _run(capsys, "accept", "schema.pbtxt", "--data", "june.csv", "--all")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], 2, ["--data", "--statistics"]),
        (["--data", "june.csv"], 2, ["nobody can be asked", "company: ENUM", "--all"]),
        (["--data", "june.csv", "--feature", "compny"], 2, ["Did you mean 'company'?"]),
        (["--data", "june.csv", "--type", "NEW"], 2, ["--type NEW"]),
        (["--data", "june.csv", "--all", "--environment", "X"], 1, ["no environment 'X'"]),
        (["--data", "none.csv", "--all"], 1, ["no such file"]),
        (["--data", "june.csv", "--all", "--anomalies", "none.pb"], 1, ["none.pb"]),
        (["--data", "june.csv", "--dry-run"], 0, ["nothing was written"]),
        (["--data", "june.csv", "--all", "--dry-run"], 0, ["2 can be accepted"]),
    ],
)
def test_a_schema_is_left_alone_when_something_is_wrong(arguments, code, words, folder, capsys):
    before = Path("schema.pbtxt").read_bytes()
    found = _run(capsys, "accept", "schema.pbtxt", *arguments, code=code)
    assert Path("schema.pbtxt").read_bytes() == before
    assert "Traceback" not in found
    for word in words:
        assert word in found


def test_on_a_terminal_each_finding_is_asked_for(folder):
    """Yes to the first, no to the second."""
    ours, theirs = pty.openpty()
    script = "import sys; from trueline.cli import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", script, "schema", "accept", "schema.pbtxt", "--data", "june.csv"]
    with subprocess.Popen(command, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as asked:
        os.close(theirs)
        os.write(ours, b"y\nn\n")
        assert asked.stdout is not None
        out = asked.stdout.read()
    os.close(ours)
    assert asked.returncode == 0, out
    assert out.count("Accept? [y/N]") == 2
    assert "Accepted 1. Wrote schema.pbtxt" in out
    schema = load_schema_text("schema.pbtxt")
    assert (list(schema.string_domain[0].value), len(schema.feature)) == (["a", "b", "new one"], 2)


# --- generate ---


@pytest.mark.parametrize("name", ["rows.csv", "rows.parquet", "rows.jsonl"])
def test_rows_are_made_up_that_the_schema_accepts(name, folder, capsys):
    _run(capsys, "generate", "schema.pbtxt", "--rows", "50", "--seed", "3", "--out", name)
    assert main(["validate", name, "schema.pbtxt"]) == 0, capsys.readouterr()
    expected = generate_examples(load_schema_text("schema.pbtxt"), 50, 3)
    if name == "rows.parquet":
        assert pq.read_table(name).equals(expected)
    if name == "rows.jsonl":
        lines = [json.loads(line) for line in Path(name).read_text().splitlines()]
        assert lines == expected.to_pylist()


def test_rows_that_a_format_cannot_hold_are_refused(folder, capsys):
    Path("lists.pbtxt").write_text("feature { name: 'x' type: INT value_count { min: 2 max: 3 } }")
    assert "columns have lists: x" in _run(capsys, "generate", "lists.pbtxt", "--out", "x.csv", code=2)
    assert "names no format" in _run(capsys, "generate", "schema.pbtxt", "--out", "x.xls", code=2)
    assert not Path("x.csv").exists()
    assert len(_run(capsys, "generate", "lists.pbtxt", "--rows", "4", "--out", "-").splitlines()) == 4


# --- what is wrong ---


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["vieww"], 2, ["Did you mean 'view'?"]),
        (["view", "none.pbtxt"], 1, ["there is no schema here"]),
        (["view", "shema.pbtxt"], 1, ["Did you mean 'schema.pbtxt'?"]),
        (["view", "wrong.pbtxt"], 1, ["wrong.pbtxt", "2:3", "Did you mean 'type'?"]),
        (["view", "may.csv"], 1, ["the text is no Schema"]),
        (["view", "empty"], 1, ["the folder holds no schema.pbtxt"]),
        (["generate", "schema.pbtxt", "--out", "x.csv", "--environment", "X"], 1, ["no environment 'X'"]),
        (["infer", "none.csv"], 1, ["no such file"]),
    ],
)
def test_what_is_wrong_is_told_without_a_traceback(arguments, code, words, folder, capsys):
    Path("wrong.pbtxt").write_text("feature { name: 'a'\n  tpye: INT }")
    (folder / "empty").mkdir()
    found = _run(capsys, *arguments, code=code)
    assert "Traceback" not in found
    for word in words:
        assert word in found


@pytest.mark.parametrize("name", ["infer", "view", "diff", "accept", "generate"])
def test_every_command_has_help_with_an_example(name, capsys):
    assert f"trueline schema {name} " in _run(capsys, name, "--help").partition("Example")[2]
