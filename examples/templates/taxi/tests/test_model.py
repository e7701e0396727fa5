"""What is particular to taxi trips: the label, the features, the answer to one trip, and the bar."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pytest
from model import DENSE, LABEL, WORDS, preprocessing_fn
from pipeline import create_pipeline

import trueline.transform as tlt
from trueline import LocalRunner

DATA = Path(__file__).resolve().parents[1] / "data" / "taxi.csv"


def test_the_label_is_a_tip_of_more_than_a_fifth_of_the_fare():
    cases = [(10.0, 2.5, True), (10.0, 2.0, False), (10.0, None, None), (None, 1.0, None)]
    table = pa.csv.read_csv(DATA).slice(0, len(cases))
    for name, values in (("fare", [fare for fare, _, _ in cases]), ("tips", [tip for _, tip, _ in cases])):
        table = table.set_column(table.schema.get_field_index(name), name, pa.array(values, pa.float64()))
    transformed, _ = tlt.analyze_and_transform(table, preprocessing_fn)
    assert transformed[LABEL].to_pylist() == [label for _, _, label in cases]


def test_amounts_are_scaled_and_no_feature_is_missing():
    transformed, _ = tlt.analyze_and_transform(pa.csv.read_csv(DATA), preprocessing_fn)
    for name in DENSE:
        column = transformed[name].to_numpy()
        assert column.mean() == pytest.approx(0.0, abs=1e-4)
        assert column.std() == pytest.approx(1.0, abs=1e-3)
    assert all(transformed[name].null_count == 0 for name in transformed.column_names if name != LABEL)
    assert all(min(transformed[name].to_pylist()) >= 0 for name in WORDS)


def test_a_trip_of_which_little_is_known_gets_an_answer(pushed):
    trip = {"trip_miles": 3.2, "fare": 12.5, "trip_seconds": 720, "payment_type": "Credit Card", "trip_start_hour": 19}
    answer = pushed.predict([{**trip, "trip_start_day": 5, "trip_start_month": 6}]).to_pylist()[0]
    assert answer["label"] in (False, True)
    assert "tips" not in [feature.name for feature in pushed.runtime.inputs]


def test_a_bar_too_high_closes_the_gate(ran, places, tmp_path):
    result = LocalRunner().run(create_pipeline(**{**places, "serving_dir": str(tmp_path / "serving")}, min_auc=0.999))
    assert result.nodes["Evaluator"].state == "FAILED"
    assert "auc on Overall" in result.nodes["Evaluator"].message
    assert result.nodes["Pusher"].state == "SKIPPED"
    assert not (tmp_path / "serving").exists()
