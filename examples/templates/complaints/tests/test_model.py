"""What is particular to complaints: the desks, the features of words, one complaint, and the bar."""

from __future__ import annotations

from pathlib import Path

import pyarrow.compute as pc
import pyarrow.csv
import pytest
from model import COMPANY_BUCKETS, DESKS, LABEL, OTHER_DESK, TEXT_BUCKETS, TEXTS, feature_name, preprocessing_fn
from pipeline import create_pipeline

import trueline.transform as tlt
from trueline import LocalRunner

DATA = Path(__file__).resolve().parents[1] / "data" / "complaints.csv"


@pytest.fixture(scope="module")
def table():
    """All complaints, empty cells missing as in the line."""
    options = pyarrow.csv.ConvertOptions(strings_can_be_null=True, null_values=[""])
    return pyarrow.csv.read_csv(DATA, convert_options=options)


@pytest.fixture(scope="module")
def features(table):
    """Their features."""
    transformed, _ = tlt.analyze_and_transform(table, preprocessing_fn)
    return transformed


def test_every_product_has_its_desk_and_rare_ones_share_one(table, features):
    expected = [DESKS.get(product, OTHER_DESK) for product in table["Product"].to_pylist()]
    assert features[LABEL].to_pylist() == expected
    assert set(expected) == {*DESKS.values(), OTHER_DESK}


def test_texts_are_counts_of_words_and_pairs_of_words(table, features):
    for name in TEXTS:
        rows = features[feature_name(name)].to_pylist()
        assert {len(row) for row in rows} == {TEXT_BUCKETS}
        empty = pc.is_null(table[name]).to_pylist()
        assert [sum(row) == 0 for row in rows] == empty
    assert {sum(row) for row in features["company"].to_pylist()} == {1.0}
    assert {len(row) for row in features["company"].to_pylist()} == {COMPANY_BUCKETS}


def test_a_complaint_of_a_company_never_heard_of_finds_its_desk(pushed):
    complaint = {"Issue": "Loan modification,collection,foreclosure", "Company": "A new bank", "Submitted via": "Web"}
    answer = pushed.predict([complaint]).to_pylist()[0]
    assert answer["label"] == "mortgage"
    assert "Product" not in [feature.name for feature in pushed.runtime.inputs]


def test_a_bar_too_high_closes_the_gate(ran, places, tmp_path):
    line = create_pipeline(**{**places, "serving_dir": str(tmp_path / "serving")}, min_accuracy=1.01)
    result = LocalRunner().run(line)
    assert result.nodes["Evaluator"].state == "FAILED"
    assert "sparse_categorical_accuracy on Overall" in result.nodes["Evaluator"].message
    assert result.nodes["Pusher"].state == "SKIPPED"
    assert not (tmp_path / "serving").exists()
