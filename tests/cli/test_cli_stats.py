"""`trueline stats` reads every kind of data straight from its file, and says what it cannot read."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from trueline.cli import main
from trueline.data import ingest_csv, write_examples_tfrecord
from trueline.data_validation import generate_statistics, load_statistics, write_statistics

ROWS = pa.table(
    {
        "fare": [1.5, 2.5, None, 60.0, 4.0, 9.5],
        "company": ["a", "b", "a", "", "a", "b"],
        "paid": [0, 1, 0, 1, 0, 1],
    }
)
CSV = 'fare,company,paid\n1.5,a,0\n2.5,b,1\n,a,0\n60.0,"",1\n4.0,a,0\n9.5,b,1\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same rows in every format, in the working folder."""
    monkeypatch.chdir(tmp_path)
    Path("rows.csv").write_text(CSV)
    Path("rows.tsv").write_text(CSV.replace(",", "\t"))
    Path("rows.csv.gz").write_bytes(gzip.compress(CSV.encode()))
    lines = [json.dumps({k: v for k, v in row.items() if v is not None}) for row in ROWS.to_pylist()]
    Path("rows.jsonl").write_text("\n".join(lines))
    pq.write_table(ROWS, "rows.parquet")
    write_examples_tfrecord("rows.tfrecord", ROWS)
    return tmp_path


def _out(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    assert main(["stats", *arguments]) == code, capsys.readouterr()
    found = capsys.readouterr()
    return found.out if code == 0 else found.err


def _by_name(dataset: Any) -> dict[str, Any]:
    """JSON lines have no order of columns."""
    return {feature.path.step[0]: feature for feature in dataset.features}


@pytest.mark.parametrize("name", ["rows.csv", "rows.tsv", "rows.csv.gz", "rows.jsonl", "rows.parquet"])
def test_every_format_gives_the_statistics_of_its_rows(name, folder, capsys):
    _out(capsys, name, "--out", "stats.pb")
    found, expected = load_statistics("stats.pb").datasets[0], generate_statistics(ROWS).datasets[0]
    assert _by_name(found) == _by_name(expected)
    assert found.num_examples == 6


def test_tfrecords_and_what_endings_do_not_tell(folder, capsys):
    (dataset,) = json.loads(_out(capsys, "rows.tfrecord", "--json"))["datasets"]
    assert int(dataset["num_examples"]) == 6
    Path("rows.data").write_text(CSV.partition("\n")[2].replace(",", ", "))
    assert "the ending does not tell the kind" in _out(capsys, "rows.data", code=1)
    named = _out(capsys, "rows.data", "--format", "csv", "--trim", "--names", "f,c,p")
    assert "6 rows" in named
    assert [line.split()[0] for line in named.splitlines()[2:]] == ["f", "c", "p"]


def test_the_table_is_whole_in_a_pipe(folder):
    done = subprocess.run(
        [sys.executable, "-c", "from trueline.cli import main; main(['stats', 'rows.csv'])"],
        capture_output=True,
        text=True,
        check=True,
        env={"COLUMNS": "20", "PATH": ""},
    )
    title, heading, fare, *_ = done.stdout.splitlines()
    assert title.strip() == "6 rows"
    assert " ".join(heading.split()) == "feature type present missing distinct mean or top min median max"
    assert fare.split() == ["fare", "FLOAT", "5", "1", "15.5", "1.5", "4", "60"]


def test_folders_patterns_and_uris(folder, capsys):
    (folder / "days").mkdir()
    for day in ("1", "2"):
        (folder / "days" / f"{day}.csv").write_text(CSV)
    assert "12 rows" in _out(capsys, "days")
    assert "12 rows" in _out(capsys, "days/*.csv")
    assert "6 rows" in _out(capsys, f"file://{folder}/rows.parquet")
    import fsspec

    fsspec.filesystem("memory").pipe("/cli/day-1.csv", CSV.encode())
    assert "6 rows" in _out(capsys, "memory://cli/day-1.csv")
    assert "6 rows" in _out(capsys, "memory://cli/day-*.csv")
    assert "no such file" in _out(capsys, "memory://cli/day-2.csv", code=1)
    (folder / "days" / "3.jsonl").write_text("{}")
    wrong = _out(capsys, "days", code=1)
    assert "files of several kinds" in wrong
    assert "folder/*.csv" in wrong
    assert "no file matches" in _out(capsys, "days/*.parquet", code=1)


def test_examples_of_a_pipeline_by_split(folder, capsys):
    ingest_csv("rows.csv", "examples", splits=(("train", 1), ("eval", 1)))
    rows = [int(_out(capsys, "examples", "--split", split).split()[0]) for split in ("train", "eval")]
    assert sum(rows) == 6
    assert f"{rows[0]} rows" in _out(capsys, "examples")
    assert "Did you mean 'eval'?" in _out(capsys, "examples", "--split", "evla", code=2)


def test_statistics_are_shown_as_they_are(folder, capsys):
    write_statistics(generate_statistics(ROWS), "FeatureStats.pb")
    assert "6 rows" in _out(capsys, "FeatureStats.pb")
    write_statistics(generate_statistics(ROWS), "artifact/Split-eval/FeatureStats.pb")
    assert "6 rows" in _out(capsys, "artifact")
    assert "statistics are finished" in _out(capsys, "FeatureStats.pb", "--weight", "paid", code=2)


def test_slices_samples_columns_and_weights(folder, capsys):
    out = _out(capsys, "rows.csv", "--slice", "fare > 5", "--slice", "company == 'a'", "--columns", "fare,company")
    assert [line.split(":")[0] for line in out.splitlines() if "rows" in line] == [
        "All Examples",
        "company == 'a'",
        "fare > 5",
    ]
    assert "paid" not in out
    assert "weight 3" in _out(capsys, "rows.csv", "--weight", "paid")
    assert "0 rows" in _out(capsys, "rows.csv", "--sample", "0.000001")


def test_a_comparison_shows_both_and_the_drift(folder, capsys):
    Path("other.csv").write_text(CSV.replace("60.0", "61.0").replace("company", "firm"))
    out = _out(capsys, "rows.csv", "--compare", "other.csv")
    table = {line.split()[0]: line.split() for line in out.splitlines()[2:]}
    assert table["fare"][2:6] == ["16.7%", "16.7%", "15.5", "15.7"]
    assert table["company"][1:4] == ["STRING", "/", "-"]
    assert float(table["paid"][-2]) == 0.0
    assert "drift" in out
    Path("far.csv").write_text("paid\n" + "7\n" * 300)
    Path("near.csv").write_text("paid\n" + "1\n0\n" * 200)
    (far,) = (line.split() for line in _out(capsys, "near.csv", "--compare", "far.csv").splitlines()[2:3])
    assert float(far[-2]) > 0.9
    assert float(far[-1]) > 0.5
    _out(capsys, "rows.csv", "--compare", "other.csv", "--html", "both.html")
    page = Path("both.html").read_text()
    assert page.lower().startswith("<!doctype html>")
    assert "rows.csv" in page
    assert "other.csv" in page


def test_a_feature_that_is_the_label_is_reported(folder, capsys):
    lines = [f"{i % 2},{i % 2},{i % 7}" for i in range(400)]
    Path("leak.csv").write_text("label,copy,other\n" + "\n".join(lines) + "\n")
    out = _out(capsys, "leak.csv", "--label", "label")
    assert "Leakage: copy is label itself in 100.00% of the rows" in out
    assert "other is" not in out
    assert "No feature alone gives other away." in _out(capsys, "leak.csv", "--label", "other")
    assert "too few to tell" in _out(capsys, "rows.csv", "--label", "paid")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["row.csv"], 1, ["no such file", "Did you mean 'rows.csv'?"]),
        (["rows.csv", "--columns", "fair"], 1, ["'fair'", "Did you mean 'fare'?"]),
        (["rows.csv", "--slice", "fare >"], 2, ["does not parse"]),
        (["rows.csv", "--slice", "fair > 1"], 2, ["there is no column 'fair'"]),
        (["rows.csv", "--label", "tip"], 2, ["'tip' is no column"]),
        (["rows.csv", "--schema", "none.pbtxt"], 1, ["there is no schema here"]),
        (["rows.csv", "--compare", "none.csv"], 1, ["none.csv: no such file"]),
        (["rows.csv", "--sample", "2"], 2, ["not in the range"]),
        (["empty.csv"], 1, ["the file is empty"]),
        (["ragged.csv"], 1, ["ragged.csv", "line 3", "--max-rejects"]),
        (["broken.parquet"], 1, ["broken.parquet"]),
        (["schema.pbtxt"], 1, ["this is a schema, not data"]),
    ],
)
def test_what_is_wrong_is_told_without_a_traceback(arguments, code, words, folder, capsys):
    Path("empty.csv").write_text("")
    Path("ragged.csv").write_text("a,b\n1,2\n3\n")
    Path("broken.parquet").write_bytes(b"PAR1 and then nothing")
    Path("schema.pbtxt").write_text("feature { name: 'a' type: INT }")
    err = _out(capsys, *arguments, code=code)
    assert err.startswith(("Error:", "Usage:"))
    assert "Traceback" not in err
    for word in words:
        assert word in err


def test_rows_that_cannot_be_read_may_be_left_out(folder, capsys):
    Path("ragged.csv").write_text("a,b\n1,2\n3\n")
    assert "1 rows" in _out(capsys, "ragged.csv", "--max-rejects", "1")
