"""``trueline evaluate`` judges a model or predictions: what it prints, what it refuses, and the exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import f1_score, log_loss, roc_auc_score

from trueline.cli.app import run_command
from trueline.model_analysis import EvalResult

ROWS = 120
CITIES = ["Köln", "東京", "São Paulo"]


def table() -> pa.Table:
    """Labels of every kind, predictions for them, two columns to slice by."""
    rng = np.random.default_rng(7)
    score = rng.random(ROWS)
    yes = (rng.random(ROWS) < score).astype(int)
    kinds = rng.dirichlet([1.0, 1.0, 1.0], ROWS)
    kind = np.array([rng.choice(3, p=p) for p in kinds])
    return pa.table(
        {
            "label": yes,
            "word": np.where(yes == 1, "yes", "no"),
            "score": score,
            "old": np.clip(score + rng.normal(0, 0.3, ROWS), 0, 1),
            "weight": rng.uniform(0.5, 2, ROWS),
            "city": rng.choice(CITIES, ROWS),
            "fare": 10 * score + rng.normal(0, 1, ROWS) + 5,
            "guess": 10 * score + 5,
            "query": np.arange(ROWS) // 6,
            "kind": kind,
            "kinds": pa.array(kinds.tolist(), pa.list_(pa.float64())),
            "tags": pa.array((rng.random((ROWS, 2)) < 0.5).astype(float).tolist(), pa.list_(pa.float64())),
            "tagged": pa.array(rng.random((ROWS, 2)).tolist(), pa.list_(pa.float64())),
        }
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """``rows.parquet`` with everything, ``rows.csv`` with what a CSV can hold."""
    made = tmp_path_factory.mktemp("scored")
    pq.write_table(table(), made / "rows.parquet")
    pc.write_csv(table().drop(["kinds", "tags", "tagged"]), made / "rows.csv")
    return made


def run(capsys, *arguments: object) -> tuple[int, str, str]:
    """Exit code, what it printed, and what it said on the other channel."""
    code = run_command(["evaluate", *map(str, arguments)])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_predictions_of_a_csv_equal_scikit_learn_and_slices_may_be_in_any_script(folder, capsys):
    code, out, err = run(capsys, "--data", folder / "rows.csv", "--prediction", "score", "--slice", "city")
    assert (code, err) == (0, "")
    rows = table()
    y, p = rows["label"].to_numpy(), rows["score"].to_numpy()
    (line,) = (line for line in out.splitlines() if line.startswith("Overall"))
    assert f"{roc_auc_score(y, p):.4g}" in line.split()
    assert all(f"city={city}" in out for city in CITIES)
    assert "No threshold is set: nothing was judged." in out
    assert "\x1b" not in out


def test_one_slice_stands_upright_and_hides_no_metric_where_the_terminal_is_narrow(folder, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    metrics = "AUC,AUCPrecisionRecall,BinaryAccuracy,Precision,Recall,Calibration,LogLoss,F1Score"
    code, out, _ = run(capsys, "--data", folder / "rows.csv", "--prediction", "score", "--metrics", metrics)
    assert code == 0
    rows = dict(line.split() for line in out.splitlines()[2:10])
    assert len(rows) == 8
    table_ = table()
    expected = log_loss(table_["label"].to_numpy(), table_["score"].to_numpy())
    assert float(rows["log_loss"]) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(
    ("asked", "head"),
    [
        (("--prediction", "guess", "--label", "fare", "--task", "regression"), "root_mean_squared_error"),
        (("--prediction", "kinds", "--label", "kind"), "categorical_crossentropy"),
        (("--prediction", "tagged", "--label", "tags"), "subset_accuracy"),
        (("--prediction", "score", "--query", "query", "--task", "ranking"), "ndcg"),
        (("--prediction", "score", "--label", "word", "--classes", "no,yes"), "auc"),
        (("--prediction", "score", "--weight", "weight", "--intervals"), "In brackets: 95 % intervals."),
    ],
)
def test_every_task_has_metrics_of_its_own(folder, capsys, asked, head):
    code, out, err = run(capsys, "--data", folder / "rows.parquet", *asked)
    assert (code, err) == (0, "")
    assert head in out
    assert "Undefined" not in out


def test_a_config_in_tfma_s_words_brings_columns_thresholds_and_baseline(folder, capsys, tmp_path):
    """A gate that closes has exit code 3 and every sentence; the result is written all the same."""
    config = tmp_path / "eval_config.pbtxt"
    config.write_text(
        """
        model_specs { name: "candidate" label_key: "label" prediction_key: "old" example_weight_key: "weight" }
        model_specs { name: "baseline" label_key: "label" prediction_key: "score" example_weight_key: "weight"
                      is_baseline: true }
        metrics_specs {
          metrics { class_name: "ExampleCount" }
          metrics {
            class_name: "AUC"
            threshold {
              value_threshold { lower_bound { value: 0.2 } }
              change_threshold { direction: HIGHER_IS_BETTER absolute { value: -1e-10 } }
            }
          }
          metrics {
            class_name: "BinaryAccuracy"
            per_slice_thresholds {
              slicing_specs { feature_keys: "city" }
              threshold { value_threshold { lower_bound { value: 0.1 } } }
            }
          }
        }
        slicing_specs {}
        slicing_specs { feature_keys: "city" }
        """
    )
    out_folder, page = tmp_path / "result", tmp_path / "page.html"
    code, out, err = run(
        capsys, "--data", folder / "rows.csv", "--config", config, "-o", out_folder, "--html", page
    )  # fmt: skip
    assert code == 3
    assert "the gate is closed" in err
    rows = table()
    y, w = rows["label"].to_numpy(), rows["weight"].to_numpy()
    new, old = (roc_auc_score(y, rows[name].to_numpy(), sample_weight=w) for name in ("old", "score"))
    assert new < old
    assert f"auc on Overall went from {old:.6g} (baseline) to {new:.6g}" in err
    assert "In brackets: the change against the baseline" in out
    result = EvalResult.load(str(out_folder))
    assert result.metric("auc").value == pytest.approx(new, abs=1e-9)
    assert [f.sentence for f in result.validation_result.failures]
    assert "The gate is closed" in page.read_text()


def test_a_gate_that_opens_says_how_many_checks_passed(folder, capsys, tmp_path):
    config = tmp_path / "c.json"
    bound = {"value_threshold": {"lower_bound": 0.5}}
    metrics = [{"class_name": "F1Score", "threshold": bound}]
    config.write_text(json.dumps({"format": 1, "metrics_specs": [{"metrics": metrics}]}))
    code, out, _ = run(capsys, "--data", folder / "rows.csv", "--prediction", "score", "--config", config)
    assert code == 0
    assert "Passed: 1 checks." in out or "Passed: 1 check." in out
    rows = table()
    expected = f1_score(rows["label"].to_numpy(), rows["score"].to_numpy() > 0.5)
    assert f"{expected:.4g}" in out


def test_a_class_config_measures_macro_and_micro_averages(folder, capsys, tmp_path):
    config = tmp_path / "c.pbtxt"
    config.write_text(
        'model_specs { label_key: "kind" prediction_key: "kinds" } metrics_specs { metrics { class_name: "AUC" } '
        "aggregate { micro_average: true } }"
        'metrics_specs { metrics { class_name: "AUC" } aggregate { macro_average: true '
        "class_weights { key: 0 value: 1 } class_weights { key: 2 value: 1 } } }"
        'metrics_specs { metrics { class_name: "CategoricalCrossentropy" } }'
    )
    code, out, err = run(capsys, "--data", folder / "rows.parquet", "--config", config)
    assert (code, err) == (0, "")
    assert "auc[micro_average]" in out
    assert "auc[macro_average]" in out
    rows = table()
    expected = log_loss(rows["kind"].to_numpy(), np.array(rows["kinds"].to_pylist()), labels=[0, 1, 2])
    assert f"{expected:.4g}" in out


WRONG = {
    "no model, no prediction": (("--data", "rows.csv"), 2, ["--prediction COLUMN"]),
    "both": (("m", "--data", "rows.csv", "--prediction", "score"), 2, ["not both"]),
    "no such model": (("nothere", "--data", "rows.csv"), 2, ["there is no model here", "model.json"]),
    "no such file": (("--data", "row.csv", "--prediction", "score"), 1, ["no such file", "Did you mean 'rows.csv'"]),
    "column": (("--data", "rows.csv", "--prediction", "scor"), 2, ["no column 'scor'", "Did you mean 'score'"]),
    "slice": (("--data", "rows.csv", "--prediction", "score", "--slice", "cty"), 2, ["Did you mean 'city'"]),
    "metric": (("--data", "rows.csv", "--prediction", "score", "--metrics", "AUCC"), 2, ["Did you mean 'AUC'"]),
    "begin of a metric": (("--data", "rows.csv", "--prediction", "score", "--metrics", "F1"), 2, ["'F1Score'"]),
    "texts": (("--data", "rows.csv", "--prediction", "city"), 2, ["'city' holds texts", "Columns of numbers: fare"]),
    "text labels": (
        ("--data", "rows.csv", "--prediction", "score", "--label", "word"), 2, ["('no', 'yes')", "--classes"],
    ),
    "task": (("--data", "rows.csv", "--prediction", "score", "--task", "binry"), 2, ["'binry' is not one of"]),
    "numbers as classes": (
        ("--data", "rows.csv", "--prediction", "score", "--task", "multiclass"), 2, ["holds numbers", "a list"],
    ),
    "config": (("--data", "rows.csv", "--config", "none.pbtxt"), 2, ["none.pbtxt", "there is no such file"]),
    "typos": (
        ("--data", "rows.csv", "--prediction", "score", "--config", "typos.pbtxt"), 2,
        ["typos.pbtxt", "line 1, column", "Did you mean 'value_threshold'", "line 2, column 1"],
    ),
    "empty": (("--data", "empty.csv", "--prediction", "score"), 1, ["empty"]),
    "header alone": (("--data", "header.csv", "--prediction", "score"), 1, ["no rows to evaluate"]),
    "two ways": (
        ("--data", "rows.csv", "--prediction", "score", "--config", "typos.pbtxt", "--metrics", "AUC"), 2,
        ["typos.pbtxt"],
    ),
    "not for a model": (("m", "--data", "rows.csv", "--label", "x", "--task", "binary"), 2, ["--label and --task"]),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_told_with_what_there_is(name, folder, capsys, monkeypatch):
    monkeypatch.chdir(folder)
    (folder / "typos.pbtxt").write_text(
        'metrics_specs { metrics { class_name: "AUC" threshold { value_treshold { } } } }\nslicing_spec {}\n'
    )
    (folder / "empty.csv").write_text("")
    (folder / "header.csv").write_text("label,score\n")
    arguments, expected, texts = WRONG[name]
    code, out, err = run(capsys, *arguments)
    assert code == expected, err
    assert all(text in err for text in texts), err
    assert "Traceback" not in err
    assert "/tmp/trueline-" not in err
    assert len(err) < 900
    assert out == ""


@pytest.mark.parametrize(
    ("column", "reason"),
    [("far", "lie outside 0..1"), ("gaps", "missing, NaN or infinite"), ("one", "only one of the two classes")],
)
def test_undefined_values_have_a_reason_and_never_open_a_gate(column, reason, tmp_path, capsys):
    score = [0.5, 0.2, 0.9, 0.4]
    rows = {"label": [0, 1, 1, 0], "far": [*score[:3], 1.7], "gaps": [*score[:3], None], "one": score}
    rows["label"] = [1, 1, 1, 1] if column == "one" else rows["label"]
    pc.write_csv(pa.table(rows), tmp_path / "rows.csv")
    (tmp_path / "c.pbtxt").write_text(
        f'model_specs {{ prediction_key: "{column}" }} metrics_specs {{ metrics {{ class_name: "AUC" '
        "threshold { value_threshold { lower_bound { value: 0.0 } } } } }"
    )
    code, out, err = run(capsys, "--data", tmp_path / "rows.csv", "--config", tmp_path / "c.pbtxt")
    assert code == 3
    assert reason in out
    assert reason in err


def test_a_search_for_slices_is_printed_under_the_table(tmp_path, capsys):
    rng = np.random.default_rng(1)
    part = rng.choice(["a", "b", "c", "d"], 2000)
    label = rng.integers(0, 2, 2000)
    score = np.where(part == "b", rng.random(2000), 0.9 * label + 0.05)
    pc.write_csv(pa.table({"label": label, "score": score, "part": part}), tmp_path / "rows.csv")
    code, out, _ = run(capsys, "--data", tmp_path / "rows.csv", "--prediction", "score", "--find-slices", 3)
    assert code == 0
    assert "Worst slices by log_loss" in out
    assert out[out.index("Worst slices") :].splitlines()[2].startswith("part=b")
