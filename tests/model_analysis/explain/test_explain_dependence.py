"""Partial dependence: equal to scikit-learn's on the same model, to its definition for every kind of value; slices."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from sklearn.base import BaseEstimator, RegressorMixin

from trueline._core.errors import ConfigError, DataError
from trueline.model_analysis.explain import load_explanation, partial_dependence
from trueline.models import Model


class _Raw(RegressorMixin, BaseEstimator):
    """The model as scikit-learn asks one."""

    def __init__(self, model: Any = None) -> None:
        self.model, self.is_fitted_ = model, True

    def fit(self, x: Any, y: Any) -> Any:
        return self

    def predict(self, x: pd.DataFrame) -> Any:
        return self.model.predict(x)["prediction"].to_numpy().astype(float)


def test_means_and_curves_are_those_of_scikit_learn(sum_model: Model, room: Any) -> None:
    from sklearn.inspection import partial_dependence as theirs

    table = room.table.filter(room.table["size"].is_valid()).slice(0, 80)  # its quantiles know no missing values
    frame = table.select([f.name for f in sum_model.runtime.inputs]).to_pandas()
    for names in (["depth"], ["size"], ["depth", "size"]):
        expected = theirs(_Raw(sum_model), frame, names, kind="both", grid_resolution=6, method="brute")
        grid = {n: g.tolist() for n, g in zip(names, expected["grid_values"], strict=True)}
        given = names[0] if len(names) == 1 else tuple(names)
        found = partial_dependence(sum_model, table, [given], kind="both", grid=grid, individual_rows=80)
        part = found.part(*names)
        np.testing.assert_allclose(part.average["Overall"][0], expected["average"][0], atol=1e-5)
        if len(names) == 1:
            np.testing.assert_allclose(part.individual[:, 0], expected["individual"][0], atol=1e-5)


def test_every_kind_of_value_takes_its_turn(tree_model_: Model, room: Any) -> None:
    """Texts, flags, lists and missing values: each mean is that of the rows with the value put in by hand."""
    table = room.table.slice(0, 60)
    found = partial_dependence(tree_model_, table, ["color", "flag", "tags", "size"], grid=4)
    for part in found.parts:
        assert part.grid[0][-1] is None  # missing comes last, as a value of its own
        name = part.features[0]
        for place, value in enumerate(part.grid[0]):
            column = pa.array([value] * 60, table[name].type)
            changed = table.set_column(table.column_names.index(name), name, column)
            expected = tree_model_.predict_proba(changed)[:, 1].astype(float)
            assert part.average["Overall"][0][place] == pytest.approx(expected.mean(), abs=1e-6)
            assert part.errors["Overall"][0][place] == pytest.approx(expected.std(ddof=1) / np.sqrt(60), abs=1e-6)
    color = found.part("color")
    counts = {v: table["color"].to_pylist().count(v) for v in color.grid[0]}
    assert list(counts.values())[:-1] == sorted(list(counts.values())[:-1], reverse=True)
    assert [round(s * 60) for s in color.shares[0]] == list(counts.values())
    size = found.part("size")
    assert set(size.grid[0][:-1]) <= set(table["size"].to_pylist())  # quantiles that are values of the data
    assert sum(size.shares[0]) == pytest.approx(1)


def test_slices_are_means_of_their_own_rows(class_model: Model, room: Any, tmp_path: Any) -> None:
    found = partial_dependence(class_model, room.table, ["depth"], grid=3, slices=["color"], output_class="top")
    assert found.outputs == ("probability of 'top'",)
    red = room.table.filter(pc.equal(room.table["color"], "red"))
    alone = partial_dependence(class_model, red, grid={"depth": found.part("depth").grid[0]}, output_class="top")
    np.testing.assert_allclose(
        found.part("depth").average["color=red"], alone.part("depth").average["Overall"], atol=1e-9
    )
    assert found.counts["color=red"] == red.num_rows
    found.save(str(tmp_path / "p.json"))
    again = load_explanation(str(tmp_path / "p.json"))
    assert again.to_table() == found.to_table()
    assert again.to_html() == found.to_html()


def test_centred_curves_start_at_nothing_and_parallel_ones_become_one(sum_model: Model, room: Any) -> None:
    found = partial_dependence(sum_model, room.table, ["depth", ("depth", "count")], grid=5, kind="both", centred=True)
    part = found.part("depth")
    curves = part.individual[:, 0]
    np.testing.assert_allclose(curves[:, 0], 0)
    np.testing.assert_allclose(curves, np.tile(curves[0], (len(curves), 1)), atol=2e-5)  # a sum has no interactions
    grid = np.array(part.grid[0])
    np.testing.assert_allclose(part.average["Overall"][0], -0.5 * (grid - grid[0]), atol=2e-5)
    assert found.part("depth", "count").average["Overall"][0].shape == (5, 5)
    assert found.part("depth", "count").individual is None


def test_a_sample_does_not_depend_on_blocks(sum_model: Model, room: Any) -> None:
    from trueline.engine import Dataset

    one, two = (
        partial_dependence(sum_model, Dataset.from_table(room.table, n), ["size"], max_rows=50) for n in (40, 200)
    )
    assert one.to_json() == two.to_json()
    assert one.counts == {"Overall": 50}


def test_what_cannot_be_drawn_is_told(sum_model: Model, room: Any) -> None:
    def refused(match: str, features: Any = None, **more: Any) -> None:
        with pytest.raises((ConfigError, DataError), match=match):
            partial_dependence(sum_model, room.table, features, **more)

    refused("Did you mean 'depth'", ["dpeth"])
    refused("Did you mean 'both'", kind="botth")
    refused("is no feature and no pair", [("size", "depth", "count")])
    refused("does not fit its type", ["depth"], grid={"depth": ["a"]})
    refused("needs this feature in every row", ["depth"], grid={"depth": [1.0, None]})
    refused("at least 2", grid=1)
    refused("no feature 'dpeth'", grid={"dpeth": [1]})
    with pytest.raises(ConfigError, match="no dependence on size"):
        partial_dependence(sum_model, room.table, ["depth"]).part("size")
