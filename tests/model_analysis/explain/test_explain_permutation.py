"""Permutation importance: equal to its definition, to scikit-learn within the noise, and the same for any engine."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from trueline._core.errors import ConfigError, DataError
from trueline.engine import Dataset, LocalEngine
from trueline.engine.base import AccumulatorSpec
from trueline.engine.testing import check_accumulator
from trueline.model_analysis.config import MetricConfig, MetricsSpec, SlicingSpec
from trueline.model_analysis.explain import correlated_groups, load_explanation, permutation_importance
from trueline.model_analysis.explain.permutation import identity_of
from trueline.model_analysis.explain.permutation_pass import seed_of
from trueline.model_analysis.explain.rows import shuffled
from trueline.model_analysis.slices import slice_name
from trueline.models import Model

ROWS = 360


def by_hand(model: Model, table: pa.Table, feature: str, repeats: int, block: int) -> list[float]:
    """The mean rise of the squared error, block by block as the definition has it."""
    names = [f.name for f in model.runtime.inputs]
    group = names.index(feature)
    y = np.array(table["price"].to_pylist())
    base = np.square(y - model.predict(table)["prediction"].to_numpy())
    found = []
    for r in range(repeats):
        rises = []
        for start in range(0, table.num_rows, block):
            part = table.slice(start, block)
            order = shuffled(part, names, seed_of(3, group, r))
            dealt = part.set_column(part.column_names.index(feature), feature, part[feature].take(pa.array(order)))
            loss = np.square(y[start : start + block] - model.predict(dealt)["prediction"].to_numpy())
            rises.append(loss - base[start : start + block])
        found.append(float(np.concatenate(rises).mean()))
    return found


def test_values_are_the_mean_rise_of_the_loss_when_blocks_are_dealt_anew(sum_model: Model, room: Any) -> None:
    data = Dataset.from_table(room.table, 100)
    found = permutation_importance(sum_model, data, n_repeats=3, seed=3)
    assert found.metric == "squared_error"
    for feature in ("size", "depth"):
        entry = next(e for e in found.entries if e.name == feature)
        np.testing.assert_allclose(entry.repeats, by_hand(sum_model, room.table, feature, 3, 100), rtol=1e-5)
        assert entry.value == pytest.approx(np.mean(entry.repeats), rel=1e-9)
        assert entry.low < entry.value < entry.high
    idle = next(e for e in found.entries if e.name == "idle")
    assert idle.value == idle.standard_error == 0  # a coefficient of nothing


def test_a_dealing_is_a_permutation_that_the_order_of_rows_does_not_change(room: Any) -> None:
    names = ["size", "depth"]
    order = shuffled(room.table, names, 7)
    assert sorted(order) == list(range(room.table.num_rows))
    assert (order == np.arange(len(order))).mean() < 0.05
    assert (shuffled(room.table, names, 8) != order).any()
    mixed = np.random.default_rng(0).permutation(room.table.num_rows)
    again = shuffled(room.table.take(pa.array(mixed)), names, 7)
    np.testing.assert_array_equal(mixed[again], order[mixed])


@pytest.mark.parametrize("workers", [1, 4])
def test_engines_and_shards_do_not_change_a_bit(tree_model_: Model, room: Any, workers: int) -> None:
    data = Dataset.from_table(room.table, 90)
    first = permutation_importance(tree_model_, data, n_repeats=2, slices=["color"], engine=LocalEngine(1))
    again = permutation_importance(
        tree_model_, data.deal(workers), n_repeats=2, slices=["color"], engine=LocalEngine(workers)
    )
    assert again.to_json() == first.to_json()
    other = permutation_importance(tree_model_, data, n_repeats=2, seed=1)
    assert other.importance() != first.importance()


def test_the_accumulator_keeps_the_laws(tree_model_: Model, room: Any) -> None:
    params = {
        "model": identity_of(tree_model_.runtime), "groups": [["depth"], ["color", "flag"]], "repeats": 2, "seed": 0,
        "loss": "log_loss", "slices": [{}, {"feature_keys": ["color"]}],
    }  # fmt: skip
    spec: AccumulatorSpec[Any] = AccumulatorSpec(
        "trueline.model_analysis.explain.permutation_pass:PermutationAccumulator", params
    )

    # Values are dealt within blocks, so other borders give other dealings.
    found, unlabelled = check_accumulator(spec, room.table, rtol=1e-12, atol=1e-12, recut=False, processes=False)
    assert {slice_name(key) for key in found} == {"Overall", "color=red", "color=green", "color=blue"}
    assert unlabelled == room.table["good"].null_count


class _Raw:
    """The model as scikit-learn asks one."""

    _estimator_type = "classifier"

    def __init__(self, model: Model) -> None:
        self.model, self.classes_ = model, np.array([False, True])

    def fit(self, x: Any, y: Any) -> Any:
        return self

    def predict_proba(self, x: pd.DataFrame) -> Any:
        return self.model.predict_proba(x)


def test_agrees_with_scikit_learn_on_the_same_model(tree_model_: Model, room: Any) -> None:
    from sklearn.inspection import permutation_importance as theirs
    from sklearn.metrics import log_loss

    known = room.table.filter(room.table["good"].is_valid())
    names = [f.name for f in tree_model_.runtime.inputs]
    frame, y = known.select(names).to_pandas(types_mapper=pd.ArrowDtype), np.array(known["good"].to_pylist())

    def scorer(model: Any, x: Any, labels: Any) -> float:
        return -log_loss(labels, model.predict_proba(x)[:, 1])

    expected = theirs(_Raw(tree_model_), frame, y, scoring=scorer, n_repeats=12, random_state=0)
    found = permutation_importance(tree_model_, known, n_repeats=12)
    for name, mean, spread in zip(names, expected.importances_mean, expected.importances_std, strict=True):
        own = next(e for e in found.entries if e.name == name)
        noise = spread / np.sqrt(12) + np.std(own.repeats) / np.sqrt(12)
        assert abs(own.value - mean) <= 5 * noise + 1e-9, name
    assert found.scores["Overall"][0] == pytest.approx(-scorer(_Raw(tree_model_), frame, y), rel=1e-6)


def test_metrics_of_the_evaluation_losses_and_functions_say_the_same(log_model: Model, room: Any) -> None:
    from sklearn.metrics import log_loss

    data = Dataset.from_table(room.table, 120)
    plain = permutation_importance(log_model, data, n_repeats=2)
    assert plain.metric == "log_loss"
    assert plain.unlabelled == room.table["good"].null_count

    def negative(labels: Any, predictions: Any, weights: Any) -> float:
        return -log_loss(labels, predictions, sample_weight=weights)

    own = permutation_importance(log_model, data, metric=negative, n_repeats=2)
    measured = permutation_importance(log_model, data, metric="BinaryCrossEntropy", n_repeats=2, slices=["color"])
    for name, value in plain.importance().items():
        assert own.importance()[name] == pytest.approx(value, abs=1e-5)  # float32 of one class, or of both
        assert measured.importance()[name] == pytest.approx(value, abs=1e-5)
    entry = next(e for e in measured.entries if e.name == "size")
    assert entry.low < entry.value < entry.high
    assert {e.slice for e in measured.entries} == {"Overall", "color=red", "color=green", "color=blue"}
    ranked = permutation_importance(
        log_model, data, metric=MetricsSpec(metrics=(MetricConfig("AUC"),)), n_repeats=1, features=["size", "idle"]
    )
    assert ranked.importance()["size"] > 0.1  # a drop of the area, so that greater is worse
    assert ranked.importance()["idle"] == 0


def test_rows_of_python_values_bring_their_labels(sum_model: Model, room: Any) -> None:
    names = [f.name for f in sum_model.runtime.inputs]
    table = room.table.select([*names, "price"]).slice(0, 60)
    expected = permutation_importance(sum_model, table, n_repeats=1)
    assert permutation_importance(sum_model, table.to_pylist(), n_repeats=1).importance() == expected.importance()
    with pytest.raises(DataError, match="no feature 'cost'"):
        permutation_importance(sum_model, [{"cost": 1.0}])


def test_slices_are_measured_by_themselves(forest_model: Model, room: Any) -> None:
    spec = SlicingSpec(feature_values={"color": "red"})
    found = permutation_importance(forest_model, room.table, slices=[spec, SlicingSpec(expression="depth > 0")])
    assert set(found.scores) == {"Overall", "color=red", "depth > 0"}
    # The slice's rows are dealt values of all rows of their blocks.
    red = room.table.filter(pa.compute.equal(room.table["color"], "red"))
    y, p = np.array(red["price"].to_pylist()), forest_model.predict(red)["prediction"].to_numpy()
    assert found.scores["color=red"][0] == pytest.approx(float(np.square(y - p).mean()), rel=1e-6)
    assert next(e.rows for e in found.entries if e.slice == "color=red") == red.num_rows


def test_groups_are_dealt_together(sum_model: Model, room: Any) -> None:
    """Twice the same column, with opposite signs: alone each matters, together neither does."""
    table = room.table.set_column(room.table.column_names.index("twin"), "twin", room.table["depth"])
    assert correlated_groups(sum_model, table) == {"depth + twin": ("depth", "twin")}
    assert correlated_groups(sum_model, room.table) == {}
    found = permutation_importance(sum_model, table, group={"both": ("depth", "twin")}, features=["both", "size"])
    assert [e.name for e in found.entries] == ["size", "both"] or [e.name for e in found.entries] == ["both", "size"]
    assert next(e for e in found.entries if e.name == "both").features == ("depth", "twin")
    alone = permutation_importance(sum_model, table, features=["depth"])
    assert found.importance()["both"] > 2 * alone.importance()["depth"]


def test_texts_and_lists_take_part_in_groups_of_correlated_features(tree_model_: Model, room: Any) -> None:
    flags = pa.array([None if c is None else c == "red" for c in room.table["color"].to_pylist()])
    table = room.table.set_column(room.table.column_names.index("flag"), "flag", flags)
    assert correlated_groups(tree_model_, table, threshold=0.7) == {"color + flag": ("color", "flag")}
    with pytest.raises(ConfigError, match="threshold is 2"):
        correlated_groups(tree_model_, table, threshold=2)


@pytest.mark.parametrize("name", ["class_model", "rank_model"])
def test_other_tasks(name: str, room: Any, request: pytest.FixtureRequest) -> None:
    model = request.getfixturevalue(name)
    found = permutation_importance(model, room.table, n_repeats=2)
    assert found.metric == ("prediction" if name == "rank_model" else "log_loss")
    best = list(found.importance())
    assert set(best[:2]) == {"size", "depth"}  # what the labels were made of
    if name == "class_model":
        assert permutation_importance(model, room.table, metric="error_rate").importance()["size"] > 0.05


def test_a_ranking_is_measured_within_its_queries(rank_model: Model, room: Any) -> None:
    """By a metric that reads columns of its own: the query's, and the gain."""
    gain = pa.array(np.maximum(np.array(room.table["price"].to_pylist()), 0.0))
    table = room.table.append_column("gain", gain).append_column("query", pa.array(np.arange(ROWS) // 12))
    metric = MetricsSpec(metrics=(MetricConfig("NDCG", {"gain_key": "gain", "top_k_list": [4]}),), query_key="query")
    found = permutation_importance(rank_model, table, metric=metric, n_repeats=2)
    assert "ndcg" in found.metric
    assert 0.5 < found.scores["Overall"][0] <= 1
    assert all(value > 0.02 for value in found.importance().values())


def test_it_is_saved_whole(forest_model: Model, room: Any, tmp_path: Any) -> None:
    found = permutation_importance(forest_model, room.table, n_repeats=2, slices=["color"])
    found.save(str(tmp_path / "found.json"))
    again = load_explanation(str(tmp_path / "found.json"))
    assert again.to_json() == found.to_json()
    assert again.to_table() == found.to_table()
    assert again.to_html() == found.to_html()


def test_what_cannot_be_measured_is_told(sum_model: Model, log_model: Model, room: Any) -> None:
    def refused(match: str, model: Model = sum_model, data: Any = room.table, **more: Any) -> None:
        with pytest.raises((ConfigError, DataError), match=match):
            permutation_importance(model, data, **more)

    refused("Did you mean 'squared_error'|Did you mean", metric="squared_eror")
    refused("is no loss of a regression model", metric="log_loss")
    refused("Did you mean 'depth'", features=["dpeth"])
    refused("in two groups", group={"a": ["size"], "b": ["size", "depth"]})
    refused("is empty", group={"a": []})
    refused("at least 1", n_repeats=0)
    refused("no column 'price'", data=room.table.drop_columns(["price"]))
    refused("describes no slices", slices=[3])
    refused("asked for all rows alone", log_model, metric=lambda y, p, w: 0.0, slices=["color"])
    none = room.table.set_column(
        room.table.column_names.index("price"), "price", pa.nulls(room.table.num_rows, pa.float64())
    )
    refused("no row has a label", data=none)
    refused("no metric 'Nonsense'", metric="Nonsense")
