"""`trueline validate`: findings with their remedies, exit codes for scripts, and the rows that break the schema."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.protobuf import text_format

from trueline.cli import main
from trueline.data import ingest_csv
from trueline.data_validation import generate_statistics_from_csv, infer_schema, write_statistics
from trueline.schema import load_schema_text, write_schema_text

ROWS = [f"{i % 9}.5,{'ab'[i % 2]},{i}" for i in range(60)]


def _write(name: str, rows: list[str], header: str = "fare,company,id") -> None:
    Path(name).write_text("\n".join([header, *rows]) + "\n")


def _change(change: Any) -> None:
    schema = load_schema_text("schema.pbtxt")
    change(schema)
    write_schema_text(schema, "schema.pbtxt")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Good rows, rows of which two are bad, and the schema of the good ones."""
    monkeypatch.chdir(tmp_path)
    _write("good.csv", ROWS)
    bad = list(ROWS)
    bad[10], bad[41] = "1.5,z,10", "-3,y,41"
    _write("bad.csv", bad)
    write_schema_text(infer_schema(generate_statistics_from_csv("good.csv")), "schema.pbtxt")
    _change(lambda schema: text_format.Parse("float_domain { min: 0 }", schema.feature[0]))
    return tmp_path


def _run(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    got = main(["validate", *arguments])
    found = capsys.readouterr()
    assert got == code, found
    return found.out + found.err


def _report(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_run(capsys, *arguments, "--json", code=code))
    return found


# --- findings and exit codes ---


def test_good_data_pass(folder, capsys):
    assert "No findings in 60 rows." in _run(capsys, "good.csv", "schema.pbtxt")
    assert _report(capsys, "good.csv", "schema.pbtxt") == {
        "ok": True,
        "rows": 60,
        "data_missing": False,
        "findings": [],
        "drift_skew": [],
    }


def test_bad_data_close_the_gate_and_tell_how_to_open_it(folder, capsys):
    out = _run(capsys, "bad.csv", "schema.pbtxt", code=3)
    assert re.search(r"^ERROR  company  ENUM_TYPE_UNEXPECTED_STRING_VALUES$", out, re.MULTILINE)
    assert "To accept: Add the values to the domain." in out
    assert '+   value: "z"' in out
    assert "2 errors and 0 warnings at 2 features, in 60 rows." in out
    (command,) = re.findall(r"If the data are right: trueline (.*)", out)
    assert main([*command.split(), "--all"]) == 0
    assert "No findings" in _run(capsys, "bad.csv", "schema.pbtxt").splitlines()[-1]


def test_the_report_as_json_has_all_of_it(folder, capsys):
    report = _report(capsys, "bad.csv", "schema.pbtxt", code=3)
    assert report["ok"] is False
    found = {tuple(f["feature"]): f for f in report["findings"]}
    assert set(found) == {("company",), ("fare",)}
    fare = found["fare",]
    assert (fare["severity"], fare["type"]) == ("ERROR", "FLOAT_TYPE_SMALL_FLOAT")
    assert "-3" in fare["description"]
    assert fare["changes"] == ["feature 'fare' float_domain: min: 0.0 -> min: -3.0"]


def test_rules_soften_silence_and_name_owners(folder, capsys):
    rules = [
        {"type": "ENUM_TYPE_UNEXPECTED_STRING_VALUES", "severity": "WARNING", "owner": "sales"},
        {"path": "fare", "severity": "IGNORE"},
    ]
    Path("rules.json").write_text(json.dumps(rules))
    given = ["bad.csv", "schema.pbtxt", "--rules", "rules.json"]
    out = _run(capsys, *given)
    assert "WARNING  company  ENUM_TYPE_UNEXPECTED_STRING_VALUES  (owner: sales)" in out
    assert "fare" not in out
    assert "0 errors and 1 warning" in out
    _run(capsys, *given, "--fail-on", "warning", code=3)
    Path("rules.json").write_text(json.dumps({"rules": rules}))
    assert _report(capsys, *given)["ok"] is True


def test_drift_is_measured_from_data_or_statistics(folder, capsys):
    _change(
        lambda schema: text_format.Parse("drift_comparator { infinity_norm { threshold: 0.1 } }", schema.feature[1])
    )
    _write("all_a.csv", [row.replace(",b,", ",a,") for row in ROWS])
    write_statistics(generate_statistics_from_csv("good.csv"), "good.pb")
    for previous in ("good.csv", "good.pb"):
        report = _report(capsys, "all_a.csv", "schema.pbtxt", "--previous", previous, code=3)
        assert [f["type"] for f in report["findings"]] == ["COMPARATOR_L_INFTY_HIGH"]
        (measured,) = report["drift_skew"]
        assert measured["drift_measurements"][0]["value"] == 0.5
    _write("few.csv", ["1.5,a,1", "2.5,a,2", "3.5,b,3"])
    _run(capsys, "few.csv", "schema.pbtxt", "--previous", "good.csv", code=3)
    _run(
        capsys, "few.csv", "schema.pbtxt", "--previous", "good.csv", "--confidence", "0.95"
    )  # three rows prove nothing


def test_skew_and_environments(folder, capsys):
    def change(schema: Any) -> None:
        schema.default_environment.extend(["TRAINING", "SERVING"])
        schema.feature[2].not_in_environment.append("SERVING")
        text_format.Parse("skew_comparator { infinity_norm { threshold: 0.1 } }", schema.feature[1])

    _change(change)
    _write("requests.csv", ["1.5,a", "2.5,a"], "fare,company")
    assert "id  SCHEMA_MISSING_COLUMN" in _run(capsys, "requests.csv", "schema.pbtxt", code=3)
    _run(capsys, "requests.csv", "schema.pbtxt", "--environment", "SERVING")
    out = _run(capsys, "good.csv", "schema.pbtxt", "--serving", "requests.csv", code=3)
    assert "to the serving data is 0.5" in out
    assert "Did you mean 'SERVING'?" in _run(capsys, "good.csv", "schema.pbtxt", "--environment", "SERVIN", code=1)


def test_custom_validations(folder, capsys):
    validation = {"expression": "feature.num_stats.mean > 100", "severity": "ERROR", "description": "Fares are high."}
    config = {"feature_validations": [{"feature_path": "fare", "validations": [validation]}]}
    Path("custom.json").write_text(json.dumps(config))
    report = _report(capsys, "good.csv", "schema.pbtxt", "--custom", "custom.json", code=3)
    assert [(f["type"], f["feature"]) for f in report["findings"]] == [("CUSTOM_VALIDATION", ["fare"])]


@pytest.mark.parametrize("name", ["empty.csv", "empty.jsonl"])
def test_a_column_without_values_is_of_the_schemas_type(name, folder, capsys):
    _change(lambda schema: schema.feature[0].ClearField("presence") or schema.feature[0].ClearField("shape"))
    if name == "empty.csv":
        _write(name, [f",{row.partition(',')[2]}" for row in ROWS])
    else:
        rows = [json.dumps({"fare": None, "company": "ab"[i % 2], "id": i}) for i in range(60)]
        Path(name).write_text("\n".join(rows))
    assert "No findings in 60 rows." in _run(capsys, name, "schema.pbtxt")


def test_no_rows_are_no_good_rows(folder, capsys):
    _write("none.csv", [])
    assert "The data have no rows." in _run(capsys, "none.csv", "schema.pbtxt", code=3)
    assert _report(capsys, "none.csv", "schema.pbtxt", code=3)["data_missing"] is True


def test_the_page_marks_the_findings(folder, capsys):
    _run(capsys, "bad.csv", "schema.pbtxt", "--previous", "good.csv", "--html", "found.html", code=3)
    page = Path("found.html").read_text()
    assert "Unexpected values" in page
    assert "bad.csv" in page


def test_long_changes_are_cut_short(folder, capsys):
    _write("wide.csv", [f"{row},v{i}" for i, row in enumerate(ROWS * 2)], "fare,company,id,text")
    out = _run(capsys, "wide.csv", "schema.pbtxt", code=3)
    assert re.search(r"\.\.\. and \d+ more lines", out)
    assert out.count("\n") < 30


# --- rows ---


def _rows() -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path("rows.jsonl").read_text().splitlines()]


def test_rows_that_break_the_schema_are_written_with_their_places(folder, capsys):
    out = _run(capsys, "bad.csv", "schema.pbtxt", "--rows", "rows.jsonl", code=3)
    assert "Wrote rows.jsonl: 2 rows" in out
    assert _rows() == [
        {
            "source": "bad.csv",
            "record": 11,
            "anomalies": [
                {"feature": "company", "type": "ENUM_TYPE_UNEXPECTED_STRING_VALUES", "short": "Unexpected values"}
            ],
            "row": {"fare": 1.5, "company": "z", "id": 10},
        },
        {
            "source": "bad.csv",
            "record": 42,
            "anomalies": [
                {"feature": "company", "type": "ENUM_TYPE_UNEXPECTED_STRING_VALUES", "short": "Unexpected values"},
                {"feature": "fare", "type": "FLOAT_TYPE_SMALL_FLOAT", "short": "Number too small"},
            ],
            "row": {"fare": -3.0, "company": "y", "id": 41},
        },
    ]
    assert _report(capsys, "bad.csv", "schema.pbtxt", "--rows", "rows.jsonl", code=3)["rows_broken"] == 2
    _run(capsys, "good.csv", "schema.pbtxt", "--rows", "rows.jsonl")
    assert _rows() == []


def test_a_cell_that_is_no_number_is_one_row_with_its_line(folder, capsys):
    rows = list(ROWS)
    rows[4] = "much,a,4"
    _write("text.csv", rows)
    out = _run(capsys, "text.csv", "schema.pbtxt", "--rows", "rows.jsonl", code=3)
    assert "fare  UNEXPECTED_DATA_TYPE" in out
    (row,) = _rows()
    assert (row["source"], row["record"], row["line"], row["row"]) == ("text.csv", 5, 6, "much")
    assert row["anomalies"][0]["feature"] == "fare"


def test_rows_of_several_files_and_of_examples(folder, capsys):
    (folder / "days").mkdir()
    Path("good.csv").rename("days/1.csv")
    Path("bad.csv").rename("days/2.csv")
    _run(capsys, "days", "schema.pbtxt", "--rows", "rows.jsonl", code=3)
    expected = [("2.csv", 11), ("2.csv", 42)]
    assert [(row["source"], row["record"]) for row in _rows()] == expected
    ingest_csv("days", "examples", splits=(("all", 1),))
    _run(capsys, "examples", "schema.pbtxt", "--rows", "rows.jsonl", code=3)
    assert [(row["source"], row["record"]) for row in _rows()] == expected


def test_rows_that_have_numbers_keep_them(folder, capsys):
    """Files of Examples, read as plain Parquet: source 3 is a file that is not here."""
    table = pa.table({"fare": [1.5, -3.0], "company": ["a", "b"], "id": [1, 2], "__row__": [5, (3 << 40) + 9]})
    pq.write_table(table, "part.parquet")
    _run(capsys, "part.parquet", "schema.pbtxt", "--rows", "rows.jsonl", code=3)
    assert [(row["source"], row["record"]) for row in _rows()] == [(3, 10)]


def test_what_every_row_has_is_no_rows_fault(folder, capsys):
    _write("more.csv", [f"{row},1" for row in ROWS], "fare,company,id,more")
    out = _run(capsys, "more.csv", "schema.pbtxt", "--rows", "rows.jsonl", code=3)
    assert "more  SCHEMA_NEW_COLUMN" in out
    assert _rows() == []


def test_types_that_grow_late_start_the_rows_anew(folder, capsys):
    """The column is not in the schema, so nothing fixes its type: a text in the last row makes it text."""
    lines = [f"{i % 9}.5,{'az'[i == 3]},{i},{i if i < 29_999 else 'late'}" for i in range(30_000)]
    _write("late.csv", lines, "fare,company,id,extra")
    _run(capsys, "late.csv", "schema.pbtxt", "--rows", "rows.jsonl", code=3)
    (row,) = _rows()
    assert (row["record"], row["row"]["extra"]) == (4, "3")


def test_statistics_have_no_rows(folder, capsys):
    write_statistics(generate_statistics_from_csv("bad.csv"), "bad.pb")
    assert "2 errors" in _run(capsys, "bad.pb", "schema.pbtxt", code=3)
    assert "statistics have no rows" in _run(capsys, "bad.pb", "schema.pbtxt", "--rows", "rows.jsonl", code=2)


# --- what is wrong ---


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["good.csv"], 2, ["Missing argument 'SCHEMA'"]),
        (["god.csv", "schema.pbtxt"], 1, ["no such file", "Did you mean 'good.csv'?"]),
        (["good.csv", "good.csv"], 1, ["the text is no Schema"]),
        (["schema.pbtxt", "schema.pbtxt"], 1, ["this is a schema, not data"]),
        (["good.csv", "schema.pbtxt", "--rules", "none.json"], 2, ["none.json: no such file"]),
        (["good.csv", "schema.pbtxt", "--rules", "broken.json"], 2, ["no JSON", "line 1"]),
        (["good.csv", "schema.pbtxt", "--rules", "wrong.json"], 2, ["'SCHEMA_NEW'", "'BAD'"]),
        (["good.csv", "schema.pbtxt", "--rules", "number.json"], 2, ["no list of rules"]),
        (["good.csv", "schema.pbtxt", "--previous", "none.csv"], 1, ["none.csv: no such file"]),
        (["good.csv", "schema.pbtxt", "--confidence", "2"], 2, ["not in the range"]),
    ],
)
def test_what_is_wrong_is_told_without_a_traceback(arguments, code, words, folder, capsys):
    Path("broken.json").write_text("[{]")
    Path("wrong.json").write_text('[{"type": "SCHEMA_NEW", "severity": "BAD"}]')
    Path("number.json").write_text("7")
    found = _run(capsys, *arguments, code=code)
    assert "Traceback" not in found
    for word in words:
        assert word in found


def test_rows_are_written_whole_or_not_at_all(folder, capsys):
    Path("rows.jsonl").write_text("before\n")
    _write("ragged.csv", [*ROWS, "1"])
    assert "line 62" in _run(capsys, "ragged.csv", "schema.pbtxt", "--rows", "rows.jsonl", code=1)
    assert Path("rows.jsonl").read_text() == "before\n"
