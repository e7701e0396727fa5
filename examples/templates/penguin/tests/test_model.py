"""What is particular to penguins: the features of gaps, the schema that people keep, one bird, and the bar."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from model import LABEL, MEASURES, preprocessing_fn
from pipeline import create_pipeline

import trueline.transform as tlt
from trueline import LocalRunner

DATA = Path(__file__).resolve().parents[1] / "data" / "penguins.parquet"
GENTOO = {"Culmen Length (mm)": 50.0, "Culmen Depth (mm)": 15.0, "Flipper Length (mm)": 220, "Body Mass (g)": 5500}


def test_a_missing_measurement_becomes_the_mean_and_says_so():
    table = pq.read_table(DATA)
    transformed, _ = tlt.analyze_and_transform(table, preprocessing_fn)
    for name, column in MEASURES.items():
        missing = table[column].is_null().to_pylist()
        assert any(missing)
        assert transformed[name + "_missing"].to_pylist() == missing
        assert {v for v, gone in zip(transformed[name].to_pylist(), missing, strict=True) if gone} == {0.0}


def test_the_species_are_three():
    transformed, _ = tlt.analyze_and_transform(pq.read_table(DATA), preprocessing_fn)
    assert len(set(transformed[LABEL].to_pylist())) == 3


def test_a_bird_with_and_without_its_sex_is_a_gentoo(pushed):
    rows = [GENTOO, {**GENTOO, "Sex": "MALE"}, {**GENTOO, "Sex": "not yet seen"}]
    answers = pushed.predict(rows).to_pylist()
    assert [answer["label"] for answer in answers] == ["Gentoo penguin (Pygoscelis papua)"] * 3


@pytest.mark.parametrize(
    ("column", "value"), [("Species", "Emperor penguin"), ("Body Mass (g)", 43_000)], ids=["a new word", "a wrong unit"]
)
def test_a_bird_that_the_schema_does_not_know_stops_the_line(column, value, places, tmp_path):
    table = pq.read_table(DATA)
    cells = [value, *table[column].to_pylist()[1:]]
    place = table.schema.get_field_index(column)
    table = table.set_column(place, column, pa.array(cells, table.schema.field(column).type))
    (tmp_path / "data").mkdir()
    pq.write_table(table, tmp_path / "data" / "penguins.parquet")
    line = create_pipeline(
        data=str(tmp_path / "data"), serving_dir=str(tmp_path / "serving"), root=str(tmp_path / "line")
    )
    result = LocalRunner().run(line)
    assert result.nodes["ExampleValidator"].state == "FAILED"
    assert column in result.nodes["ExampleValidator"].message
    assert result.nodes["Transform"].state == "SKIPPED"
    assert not (tmp_path / "serving").exists()


def test_a_bar_too_high_closes_the_gate(ran, places, tmp_path):
    line = create_pipeline(**{**places, "serving_dir": str(tmp_path / "serving")}, min_accuracy=1.01)
    result = LocalRunner().run(line)
    assert result.nodes["Evaluator"].state == "FAILED"
    assert result.nodes["Pusher"].state == "SKIPPED"
    assert not (tmp_path / "serving").exists()
