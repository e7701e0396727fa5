"""The trial in the real server: a good model passes, and each way to fail is said in one sentence."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
from serving_helpers import taxi_graph, write_model

from trueline._core.runtime import ModelRuntime
from trueline.serving import InfraReport, validate_in_server

ROWS: list[dict[str, Any]] = [{"fare": 3.5, "company": "Flash"}, {"fare": None}, {}, {"fare": float("inf")}]


def expected(model: Path) -> dict[str, Any]:
    return dict(ModelRuntime.load(str(model)).predict_rows(ROWS))


def one_sentence(report: InfraReport) -> str:
    assert not report.ok
    assert "\n" not in report.message
    assert report.message.endswith((".", "!", "?"))
    return report.message


def test_a_good_model_passes_and_is_left_as_it_was(taxi: Path) -> None:
    before = sorted(p.name for p in taxi.iterdir())
    report = validate_in_server(str(taxi), ROWS, expected=expected(taxi))
    assert report.ok, report
    assert report.rows == len(ROWS)
    assert report.latency_ms is not None
    assert 0 < report.latency_ms < 1000
    assert sorted(p.name for p in taxi.iterdir()) == before
    assert validate_in_server(str(taxi), []).ok


def test_a_model_that_does_not_load_is_reported_with_the_reason(tmp_path: Path) -> None:
    broken = write_model(tmp_path / "broken", b"no graph")
    message = one_sentence(validate_in_server(str(broken), ROWS))
    assert message.startswith("The model does not load in the server: ")
    assert "ONNX Runtime cannot load the graph" in message


def test_other_answers_than_expected_are_named_by_row_and_output(taxi: Path, taxi_other: Path) -> None:
    message = one_sentence(validate_in_server(str(taxi_other), ROWS, expected=expected(taxi)))
    assert message.startswith("Row 0: output 'probabilities' is [")
    wrong = {"label": np.array([True, True, False, True])}
    message = one_sentence(validate_in_server(str(taxi), ROWS, expected=wrong))
    assert message == "Row 1: output 'label' is False in the server and True in this process."
    message = one_sentence(validate_in_server(str(taxi), ROWS, expected={"score": [1.0] * 4}))
    assert "no output 'score'" in message
    message = one_sentence(validate_in_server(str(taxi), ROWS, expected={"label": [True]}))
    assert message == "There are 1 expected values of 'label', fewer than rows."


def test_a_prediction_that_is_not_finite_fails(taxi: Path) -> None:
    message = one_sentence(validate_in_server(str(taxi), [{}, {"company": "nan company"}]))
    assert message == "Row 1: output 'probabilities' is [nan, nan], which is not finite."


def test_rows_that_do_not_fit_the_signature_are_named(taxi: Path) -> None:
    message = one_sentence(validate_in_server(str(taxi), [{"fare": "cheap"}]))
    assert "row 0, field 'fare': expected float64, got str 'cheap'" in message


def test_an_unfinished_model_times_out_with_a_reason(tmp_path: Path) -> None:
    half = write_model(tmp_path / "half", taxi_graph(), manifest=False)
    message = one_sentence(validate_in_server(str(half), ROWS, timeout=2.0))
    assert message.startswith("The model is not whole")
    assert "MANIFEST.json" in message
    shutil.rmtree(half)
    assert "There is no model at" in one_sentence(validate_in_server(str(half), ROWS))


def test_host_steps_need_the_same_permission_as_in_production(tmp_path: Path) -> None:
    step = {"output": "cwd", "inputs": ["fare"], "function": "os:getcwd", "dtype": "utf8"}
    model = write_model(tmp_path / "host", taxi_graph(), steps=[step])
    assert "not allowed here: os" in one_sentence(validate_in_server(str(model), ROWS))


def test_a_server_that_cannot_run_is_reported_with_its_last_lines(taxi: Path, tmp_path: Path, monkeypatch: Any) -> None:
    """A uvicorn that cannot be imported stands for a broken installation."""
    (tmp_path / "uvicorn.py").write_text("raise ImportError('broken on purpose')")
    monkeypatch.syspath_prepend(str(tmp_path))
    message = one_sentence(validate_in_server(str(taxi), ROWS))
    assert message.startswith("The server ended with status 1 before the model was loaded; its last lines: ")
    assert "broken on purpose" in message
