"""The whole line on the project's data: it is built, runs, pushes a model that answers, and does nothing twice."""

from __future__ import annotations

import numpy as np
from model import LABEL
from pipeline import NAME, create_pipeline

from trueline import LocalRunner, Model


def test_the_line_is_built_and_ends_at_the_pusher(places):
    line = create_pipeline(**places)
    assert line.name == NAME
    assert {"Transform", "Trainer", "Evaluator", "Pusher"} <= {node.node_id for node in line.nodes}


def test_the_model_is_blessed_and_is_what_the_trainer_made(ran, pushed, raw_rows):
    assert ran.nodes["Evaluator"].found["blessed"] is True
    trained = Model.load(ran.nodes["Trainer"].outputs["model"][0].uri)
    assert pushed.predict(raw_rows).equals(trained.predict(raw_rows))


def test_the_pushed_model_answers_raw_rows_and_never_asks_for_the_label(pushed, raw_rows):
    assert LABEL not in [feature.name for feature in pushed.runtime.inputs]
    answers = pushed.predict(raw_rows).to_pylist()
    assert len(answers) == len(raw_rows) > 0
    if pushed.classes is not None:
        assert all(answer["label"] in pushed.classes for answer in answers)
        np.testing.assert_allclose([sum(answer["probabilities"]) for answer in answers], 1.0, atol=1e-5)


def test_what_has_not_changed_is_not_done_again(ran, places):
    again = LocalRunner().run(create_pipeline(**places))
    looked_up = {"LatestBlessedModel"}  # a question to the metadata store, asked in every run
    assert again.ok, again.message
    assert {node.state for name, node in again.nodes.items() if name not in looked_up} == {"CACHED"}
