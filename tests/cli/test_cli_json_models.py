"""What `predict`, `export`, `evaluate` and `explain` print with `--json`: one document, with the same figures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pytest

import trueline.transform as tlt
from trueline.cli import main
from trueline.cli.shapes import SHAPES
from trueline.models import Fitted, build_model


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of two columns, the rows that it was made of, and rows with scores."""
    from sklearn.linear_model import LogisticRegression

    place = tmp_path_factory.mktemp("json")
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=200), rng.normal(size=200)
    rows = pa.table({"a": a, "b": b, "good": a + 0.3 * b > 0})
    made, output = tlt.analyze_and_transform(rows, lambda x: {"a": x["a"], "b": x["b"], "good": x["good"]})
    x = np.stack([np.array(made[n].to_pylist(), np.float32) for n in ("a", "b")], axis=1)
    fitted = LogisticRegression().fit(x, made["good"].to_pylist())
    build_model(Fitted(fitted), uri=str(place / "model"), transform=output, label="good", sample=rows, name="two")
    pacsv.write_csv(rows, place / "rows.csv")
    scored = pa.table({"label": (a > 0).astype(int), "score": 1 / (1 + np.exp(-a)), "city": ["x", "y"] * 100})
    pacsv.write_csv(scored, place / "scored.csv")
    return place


def told(capsys: Any, *arguments: object, code: int = 0) -> dict[str, Any]:
    capsys.readouterr()
    assert main([*map(str, arguments), "--json"]) == code
    made: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert SHAPES[str(arguments[0])].fits(made)
    return made


def test_predict_says_what_it_wrote(folder, tmp_path, capsys):
    for out in (tmp_path / "out.csv", tmp_path / "folder"):
        said = told(capsys, "predict", folder / "model", folder / "rows.csv", "-o", out)
        assert said == {"model": str(folder / "model"), "out": str(out), "rows": 200}
        assert out.exists()


def test_export_says_what_it_wrote(folder, tmp_path, capsys):
    said = told(
        capsys, "export", folder / "model", "--to", "python", "-o", tmp_path / "py", "--sample", folder / "rows.csv"
    )
    assert (said["model"], said["to"]) == ("two", "python")
    assert said["facts"]


def test_evaluate_tells_every_metric_of_every_slice(folder, tmp_path, capsys):
    asked = ["--data", folder / "scored.csv", "--prediction", "score", "--metrics", "AUC,BinaryAccuracy"]
    said = told(capsys, "evaluate", *asked, "--slice", "city", "--html", tmp_path / "page.html", "--find-slices", 2)
    assert (said["rows"], said["ok"], said["written"]) == (200, None, [str(tmp_path / "page.html")])
    assert [s["slice"] for s in said["slices"]] == ["Overall", "city=x", "city=y"]
    assert said["slices"][0]["metrics"]["auc"] == {"value": 1.0, "low": None, "high": None, "undefined": None}
    assert isinstance(said["found_slices"], list)


def test_a_closed_gate_is_exit_code_3_and_one_document(folder, tmp_path, capsys):
    config = tmp_path / "c.json"
    for bound, ok in ((1.5, False), (0.5, True)):
        metrics = [{"class_name": "AUC", "threshold": {"value_threshold": {"lower_bound": bound}}}]
        config.write_text(json.dumps({"format": 1, "metrics_specs": [{"metrics": metrics}]}))
        asked = ["--data", folder / "scored.csv", "--prediction", "score", "--config", config]
        said = told(capsys, "evaluate", *asked, code=0 if ok else 3)
        assert said["ok"] is ok
        assert bool(said["validation"]["failures"]) is not ok


def test_explain_prints_the_explanation_or_writes_it(folder, tmp_path, capsys):
    asked = ["explain", folder / "model", "--data", folder / "rows.csv", "--method", "pdp", "--features", "a"]
    said = told(capsys, *asked)
    assert (said["kind"], said["model"]["name"]) == ("partial_dependence", "two")
    file = tmp_path / "x.json"
    assert main([*map(str, asked), "--json", str(file)]) == 0
    assert "Wrote" in capsys.readouterr().out
    assert json.loads(file.read_text()) == said
