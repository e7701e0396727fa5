"""The whole line on the sample: it runs, pushes a model that answers, and stops where it should."""

from __future__ import annotations

import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pytest

import trueline.transform as tlt
from trueline import LocalRunner, Model

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

from model import LABEL, preprocessing_fn  # noqa: E402
from pipeline import create_pipeline  # noqa: E402


@pytest.fixture
def places(tmp_path):
    """Where a run of a test puts what it makes."""
    return {"root": str(tmp_path / "line"), "serving_dir": str(tmp_path / "serving")}


def test_the_line_pushes_a_model_that_predicts(places):
    result = LocalRunner().run(create_pipeline(min_auc=0.8, **places))
    assert result.ok, result.message
    (version,) = Path(places["serving_dir"]).iterdir()
    row = {"trip_miles": 3.2, "fare": 12.5, "trip_seconds": 720, "payment_type": "Credit Card", "trip_start_hour": 19}
    row.update(trip_start_day=5, trip_start_month=6)
    answer = Model.load(str(version)).predict([row]).to_pylist()[0]
    assert sum(answer["probabilities"]) == pytest.approx(1.0, abs=1e-5)
    assert answer["label"] in (False, True)


def test_a_bar_too_high_closes_the_gate(places):
    result = LocalRunner().run(create_pipeline(min_auc=0.999, **places))
    assert result.nodes["Evaluator"].state == "FAILED"
    assert "auc on Overall" in result.nodes["Evaluator"].message
    assert result.nodes["Pusher"].state == "SKIPPED"
    assert not Path(places["serving_dir"]).exists()


def test_the_label_is_a_tip_of_more_than_a_fifth_of_the_fare():
    cases = [(10.0, 2.5, True), (10.0, 2.0, False), (10.0, None, None), (None, 1.0, None)]
    table = pa.csv.read_csv(PROJECT / "data" / "taxi.csv").slice(0, len(cases))
    for name, values in (("fare", [fare for fare, _, _ in cases]), ("tips", [tip for _, tip, _ in cases])):
        table = table.set_column(table.schema.get_field_index(name), name, pa.array(values, pa.float64()))
    transformed, _ = tlt.analyze_and_transform(table, preprocessing_fn)
    assert transformed[LABEL].to_pylist() == [label for _, _, label in cases]
