"""``trueline predict`` writes a prediction for every row of a file, or says why not and writes nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest

pytest.importorskip("sklearn")
pytest.importorskip("skl2onnx")

from click.testing import CliRunner
from sklearn.linear_model import LogisticRegression

import trueline.transform as tlt
from trueline._core.values import RawFeature
from trueline.cli.app import run_command
from trueline.engine import Dataset
from trueline.models import Model, Predictions, build_model
from trueline.training import FnArgs

ROWS = pa.table(
    {
        "word": ["a", "b", None, "c"] * 10,
        "size": [float(i % 7) for i in range(40)],
        "kind": ["small", "big", "small", "big", "big"] * 8,
    }
)


def preprocessing(inputs):
    return {
        "word": tlt.compute_and_apply_vocabulary(tlt.fill_missing(inputs["word"], "none")),
        "size": tlt.scale_to_z_score(inputs["size"]),
        "kind": inputs["kind"],
    }


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A pushed model: the newest of two versions."""
    raw = [
        RawFeature("word", "utf8"),
        RawFeature("size", "float64", optional=False),
        RawFeature("kind", "utf8", optional=False),
    ]
    transform = tlt.analyze(tlt.trace(preprocessing, raw), Dataset.from_table(ROWS))
    rows = Dataset.from_table(transform.transform(ROWS))
    x, y, _ = FnArgs.create(train=rows, transform=transform, label="kind").train.arrays()
    folder = tmp_path_factory.mktemp("pushed")
    (folder / "9").mkdir()  # a push that did not end
    return build_model(
        LogisticRegression().fit(x, y), uri=str(folder / "8"), transform=transform, label="kind", sample=ROWS
    )


@pytest.fixture
def rows(tmp_path):
    pc.write_csv(ROWS, tmp_path / "rows.csv")
    pq.write_table(ROWS, tmp_path / "rows.parquet")
    return tmp_path


def test_csv_in_and_every_kind_out(model: Model, rows: Path, capsys):
    own = model.predict(ROWS)
    base = str(Path(model.uri).parent)
    out = {kind: rows / f"out.{kind}" for kind in ("csv", "jsonl", "parquet", "tsv")}
    for path in out.values():
        assert run_command(["predict", base, str(rows / "rows.csv"), "-o", str(path)]) == 0
    assert f"Wrote 40 predictions to {out['csv']}" in capsys.readouterr().out
    assert pq.read_table(out["parquet"]).to_pydict() == own.to_pydict()
    assert [json.loads(line)["label"] for line in out["jsonl"].read_text().splitlines()] == own["label"].to_pylist()
    table = pc.read_csv(out["csv"])
    assert table.schema.names == ["probabilities_big", "probabilities_small", "label"]
    assert table["label"].to_pylist() == own["label"].to_pylist()
    expected = [p[0] for p in own["probabilities"].to_pylist()]
    assert table["probabilities_big"].to_pylist() == pytest.approx(expected, rel=1e-6)
    assert out["tsv"].read_text().count("\t") == 41 * 2


def test_a_folder_of_parquet_from_parquet_with_chosen_columns(model: Model, rows: Path):
    command = ["predict", model.uri, str(rows / "rows.parquet"), "-o", str(rows / "out")]
    assert run_command([*command, "--columns", "word,guess", "--rename", "label=guess", "--workers", "2"]) == 0
    found = Predictions.open(str(rows / "out")).table()
    assert found.schema.names == ["word", "guess"]
    assert found["guess"].to_pylist() == model.predict(ROWS)["label"].to_pylist()


BAD = [
    (["nowhere", "rows.csv", "-o", "o.csv"], 2, "there is no model here"),
    (["MODEL", "rows.csv", "-o", "o.xlsx"], 2, "no kind of result ends in '.xlsx'"),
    (["MODEL", "rows.csv", "-o", "rows.csv"], 2, "the file is there already"),
    (["MODEL", "rows.csv", "-o", "o.csv", "--columns", "lable"], 2, "no column 'lable'"),
    (["MODEL", "rows.csv", "-o", "o.csv", "--rename", "label"], 2, "says no new name"),
    (["MODEL", "rows.csv", "-o", "o.csv", "--max-rejects", "3"], 2, "every row gets a prediction"),
    (["MODEL", "text.csv", "-o", "o.csv"], 1, "line 3, column 'size': no float64: 'abc'"),
    (["MODEL", "without.csv", "-o", "o.csv"], 1, "column 'size' (float64) is not there"),
    (["MODEL", "gap.csv", "-o", "o.csv"], 1, "record 2: 'size' is missing"),
    (["MODEL", "gap.csv", "-o", "folder"], 1, "record 2: 'size' is missing"),
    (["MODEL", "gone.csv", "-o", "o.csv"], 1, "no such file"),
]


@pytest.mark.parametrize(("arguments", "code", "said"), BAD)
def test_bad_input_is_said_and_nothing_is_written(model: Model, rows: Path, monkeypatch, capsys, arguments, code, said):
    monkeypatch.chdir(rows)
    (rows / "text.csv").write_text("word,size\na,1\nb,abc\n")
    (rows / "without.csv").write_text("word,siz\na,1\n")
    (rows / "gap.csv").write_text("word,size\na,1\nb,\n")
    before = {p: p.read_bytes() for p in rows.iterdir()}
    assert run_command(["predict", *(model.uri if a == "MODEL" else a for a in arguments)]) == code
    assert said in capsys.readouterr().err
    assert {p: p.read_bytes() for p in rows.iterdir()} == before


def test_a_file_is_replaced_when_asked(model: Model, rows: Path):
    out = rows / "out.jsonl"
    out.write_text("old")
    assert run_command(["predict", model.uri, str(rows / "rows.csv"), "-o", str(out), "--force"]) == 0
    assert len(out.read_text().splitlines()) == 40


def test_the_command_is_listed_with_its_help():
    from trueline.cli.app import cli

    runner = CliRunner()
    assert "predict" in runner.invoke(cli, ["--help"]).output
    assert "--allow-missing-columns" in runner.invoke(cli, ["predict", "--help"]).output
