"""Counterfactuals: they flip the prediction, keep to schema and limits, change little, and say when there is none."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trueline._core.errors import ConfigError, DataError
from trueline.data_validation import StatsOptions, generate_statistics, infer_schema, validate_instance
from trueline.model_analysis.explain import counterfactuals, load_explanation
from trueline.models import Model

FEATURES = ["size", "depth", "count", "color", "flag", "tags"]


@pytest.fixture(scope="module")
def schema(room: Any) -> Any:
    """The schema of the rows, with the ranges that they have."""
    found = infer_schema(generate_statistics(room.table.select([*FEATURES, "twin", "idle"])))
    for feature in found.feature:
        if feature.name == "count":
            feature.int_domain.min, feature.int_domain.max = 0, 8
        if feature.name == "depth":
            feature.float_domain.min, feature.float_domain.max = -2.0, 2.0
    return found


def changed(table: pa.Table, place: int, changes: Any) -> pa.Table:
    """The row with the changes put in."""
    row = table.slice(place, 1).to_pylist()[0]
    return pa.table({n: pa.array([changes[n][1] if n in changes else row[n]], table[n].type) for n in FEATURES})


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 359), seed=st.integers(0, 3))
def test_they_flip_the_prediction_and_keep_to_the_schema(
    tree_model_: Model, room: Any, schema: Any, place: int, seed: int
) -> None:
    found = counterfactuals(
        tree_model_, room.table.slice(place, 1), room.table, schema=schema, immutable=["tags"],
        directions={"depth": "increase"}, max_changes=2, seed=seed,
    )  # fmt: skip
    row = room.table.slice(place, 1).to_pylist()[0]
    before = tree_model_.predict(room.table.slice(place, 1))["label"][0].as_py()
    anomalies = set(validate_instance(changed(room.table, place, {}), StatsOptions(schema=schema)).anomaly_info)
    for one in found.found:
        assert 1 <= len(one.changes) <= 2
        assert "tags" not in one.changes
        table = changed(room.table, place, one.changes)
        after = tree_model_.predict(table)["label"][0].as_py()
        assert after == one.prediction != before
        assert set(validate_instance(table, StatsOptions(schema=schema)).anomaly_info) <= anomalies
        for name, (old, new) in one.changes.items():
            assert old == row[name] != new
        if "depth" in one.changes:
            assert one.changes["depth"][1] > row["depth"]
            assert one.changes["depth"][1] <= 2.0
        if "count" in one.changes:
            assert isinstance(one.changes["count"][1], int)
    assert [len(f.changes) for f in found.found] == sorted(len(f.changes) for f in found.found)
    assert len({tuple(sorted(f.changes)) for f in found.found}) == len(found.found)


def test_a_number_is_moved_no_further_than_the_border(log_model: Model, room: Any) -> None:
    """The border of a known line: half way back the prediction is the old one again."""
    data = room.table
    for place in range(12):
        found = counterfactuals(log_model, data.slice(place, 1), data, immutable=["size", "count", "twin", "idle"])
        for one in found.found:
            old, new = one.changes["depth"]
            row = data.slice(place, 1)
            label = log_model.predict(row)["label"][0].as_py()
            nearer = row.set_column(row.column_names.index("depth"), "depth", pa.array([old + (new - old) * 0.97]))
            assert log_model.predict(nearer)["label"][0].as_py() == label
            return
    pytest.fail("no row could be flipped by its depth")


def test_a_class_can_be_wished_for(class_model: Model, room: Any, tmp_path: Any) -> None:
    row = room.table.slice(0, 1)
    said = class_model.predict(row)["label"][0].as_py()
    wanted = "top" if said != "top" else "low"
    found = counterfactuals(class_model, row, room.table, target=wanted)
    assert found
    assert all(f.prediction == wanted for f in found.found)
    assert wanted in found.sentence
    found.save(str(tmp_path / "c.json"))
    again = load_explanation(str(tmp_path / "c.json"))
    assert again.to_json() == found.to_json()
    assert again.to_html() == found.to_html()
    assert again.to_table() == found.to_table()
    with pytest.raises(ConfigError, match="already"):
        counterfactuals(class_model, row, room.table, target=said)
    with pytest.raises(ConfigError, match="is no class"):
        counterfactuals(class_model, row, room.table, target="best")


def test_a_number_can_be_wished_for(sum_model: Model, room: Any) -> None:
    row = room.table.slice(1, 1)
    now = sum_model.predict(row)["prediction"][0].as_py()
    found = counterfactuals(sum_model, row, room.table, target=(now + 1, now + 1.5))
    assert found
    assert all(now + 1 <= f.prediction <= now + 1.5 for f in found.found)
    with pytest.raises(ConfigError, match="is no interval"):
        counterfactuals(sum_model, row, room.table)
    with pytest.raises(ConfigError, match="already"):
        counterfactuals(sum_model, row, room.table, target=(now - 1, None))


def test_that_there_is_none_is_said(sum_model: Model, room: Any) -> None:
    found = counterfactuals(sum_model, room.table.slice(0, 1), room.table, target=(1e6, None))
    assert not found
    assert "No row with at most 3 changes" in found.sentence
    assert "no proof" in found.sentence
    assert "none found" in found.to_html()
    still = counterfactuals(
        sum_model, room.table.slice(0, 1), room.table, target=(100.0, None), immutable=list(found.values)
    )
    assert still.asked == 0


def test_ranges_weights_and_rows_that_are_made_from_the_schema(tree_model_: Model, room: Any, schema: Any) -> None:
    row = room.table.slice(2, 1)
    free = counterfactuals(tree_model_, row, room.table, schema=schema, max_changes=2)
    assert free
    cheap = next(iter(free.found[0].changes))
    heavy = counterfactuals(tree_model_, row, room.table, schema=schema, weights={cheap: 1000.0}, max_changes=2)
    assert cheap not in heavy.found[0].changes  # a dear change is the last that is made
    inside = counterfactuals(tree_model_, row, room.table, ranges={"depth": (0.0, 0.1), "size": (9.0, 11.0)})
    for one in inside.found:
        if "depth" in one.changes:
            assert 0.0 <= one.changes["depth"][1] <= 0.1
    made = counterfactuals(tree_model_, row, schema=schema)
    assert isinstance(made.sentence, str)
    assert made.to_json() == counterfactuals(tree_model_, row, schema=schema).to_json()


def test_what_cannot_be_asked_is_told(tree_model_: Model, room: Any) -> None:
    def refused(match: str, data: Any = room.table, **more: Any) -> None:
        with pytest.raises((ConfigError, DataError), match=match):
            counterfactuals(tree_model_, room.table.slice(0, 1), data, **more)

    refused("Did you mean 'depth'", immutable=["dpeth"])
    refused("a range of 'color', which is no number", ranges={"color": (0, 1)})
    refused("say increase or decrease", directions={"depth": "up"})
    refused("begins at 2 and ends at 1", ranges={"depth": (2, 1)})
    refused("neither data nor a schema", None)
    refused("at least 1", max_changes=0)
    with pytest.raises(DataError, match="3 rows where one"):
        counterfactuals(tree_model_, room.table.slice(0, 3), room.table)
