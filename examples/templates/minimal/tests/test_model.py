"""What is particular to the table, told by model.py alone: these tests stay when LABEL, NUMBERS and WORDS change."""

from __future__ import annotations

import inspect
from collections import Counter
from pathlib import Path

import pytest
from model import LABEL, NUMBERS, WORDS, preprocessing_fn
from pipeline import create_pipeline

import trueline.transform as tlt
from trueline import Examples, LocalRunner


@pytest.fixture(scope="session")
def raw(ran):
    """The examples of the line, as they were read."""
    return Examples.open(ran.nodes["CsvExampleGen"].outputs["examples"][0].uri)


def test_no_feature_is_missing_and_what_was_is_told(raw):
    table = raw.table("train", [*NUMBERS, *WORDS, LABEL])
    transformed, _ = tlt.analyze_and_transform(table, preprocessing_fn)
    for name in (*NUMBERS, *WORDS):
        assert transformed[name].null_count == 0
    for name in NUMBERS:
        assert transformed[name + "_missing"].to_pylist() == table[name].is_null().to_pylist()


def test_clients_are_asked_for_numbers_and_words_alone(pushed):
    assert {feature.name for feature in pushed.runtime.inputs} == {*NUMBERS, *WORDS}


def test_the_bar_is_above_guessing(raw):
    """Who always names the most frequent class is right as often as that class occurs."""
    labels = [label for label in raw.table("eval", [LABEL])[LABEL].to_pylist() if label is not None]
    guessing = max(Counter(labels).values()) / len(labels)
    assert inspect.signature(create_pipeline).parameters["min_accuracy"].default > guessing


def test_a_bar_too_high_closes_the_gate(ran, places, tmp_path):
    line = create_pipeline(**{**places, "serving_dir": str(tmp_path / "serving")}, min_accuracy=1.01)
    result = LocalRunner().run(line)
    assert result.nodes["Evaluator"].state == "FAILED"
    assert "accuracy on Overall" in result.nodes["Evaluator"].message
    assert result.nodes["Pusher"].state == "SKIPPED"
    assert not Path(tmp_path / "serving").exists()
