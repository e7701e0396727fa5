"""Nearest examples: those of a search by hand over all rows, whatever the blocks; and what lies behind a distance."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from trueline._core.errors import ConfigError, DataError
from trueline._core.values import RawFeature
from trueline.engine import Dataset
from trueline.model_analysis.explain import load_explanation, nearest_examples
from trueline.model_analysis.explain.distance import Gower
from trueline.models import Model


def gower(a: dict[str, Any], b: dict[str, Any], spreads: dict[str, float]) -> float:
    """Gower's distance of two rows, one feature at a time."""
    parts = []
    for name, x in a.items():
        y = b[name]
        if x is None or y is None:
            parts.append(float(x is not y))
        elif name in spreads:
            parts.append(min(abs(x - y) / spreads[name], 1.0))
        elif isinstance(x, list):
            one, two = set(x), set(y)
            parts.append(1 - len(one & two) / len(one | two) if one | two else 0.0)
        else:
            parts.append(float(x != y))
    return float(np.mean(parts))


@pytest.mark.parametrize("block", [50, 360])
def test_they_are_those_of_a_search_by_hand(tree_model_: Model, room: Any, block: int) -> None:
    names = [f.name for f in tree_model_.runtime.inputs]
    found = nearest_examples(tree_model_, room.table.slice(7, 2), Dataset.from_table(room.table, block), 4)
    spreads = {}
    for name in ("size", "depth", "count"):
        low, high = np.quantile([v for v in room.table[name].to_pylist() if v is not None], [0.01, 0.99])
        spreads[name] = high - low
    plain = room.table.select(names).to_pylist()
    labels, ids = room.table["good"].to_pylist(), room.table["__row__"].to_pylist()
    said = tree_model_.predict(room.table)["label"].to_pylist()
    for q, place in enumerate((7, 8)):
        apart = sorted((gower(plain[place], row, spreads), i) for i, row in enumerate(plain) if i != place)[:4]
        assert [n.distance for n in found.found[q]] == pytest.approx([d for d, _ in apart], abs=1e-9)
        for near, (_, i) in zip(found.found[q], apart, strict=True):
            assert (near.row, near.label, near.prediction) == (ids[i], labels[i], said[i])
            assert near.values == plain[i]
    hits = [n.label == found.queries[0].prediction for n in found.found[0] if n.label is not None]
    assert found.agreement(0) == pytest.approx(np.mean(hits))


def test_weights_features_and_the_model_s_own_space(tree_model_: Model, forest_model: Model, room: Any) -> None:
    only = nearest_examples(tree_model_, room.table.slice(0, 1), room.table, 3, features=["depth"])
    depth = np.array(room.table["depth"].to_pylist())
    order = np.argsort(np.abs(depth - depth[0]), kind="stable")
    expected = np.sort(np.abs(depth - depth[0])[order[order != 0]])[:3]
    found = [abs(n.values["depth"] - depth[0]) for n in only.found[0]]
    np.testing.assert_allclose(found, expected)
    heavy = nearest_examples(tree_model_, room.table.slice(0, 1), room.table, 3, weights={"depth": 1e6})
    assert max(abs(n.values["depth"] - depth[0]) for n in heavy.found[0]) <= expected[-1] + 0.02
    inner = nearest_examples(forest_model, room.table.slice(0, 1), room.table, 3, space="transformed")
    x, _ = room.matrix(("size", "depth", "count", "color_hot"), "price")
    apart = np.sqrt(np.square((x - x[0]) / np.where(x.std(axis=0) > 0, x.std(axis=0), 1)).mean(axis=1))
    np.testing.assert_allclose([n.distance for n in inner.found[0]], np.sort(apart)[1:4], rtol=1e-4)
    assert inner.agreement() is None  # numbers do not agree or disagree


def test_a_row_is_no_neighbour_of_itself_where_rows_have_numbers(forest_model: Model, room: Any) -> None:
    assert nearest_examples(forest_model, room.table.slice(3, 1), room.table, 1).found[0][0].distance > 0
    bare = room.table.drop_columns(["__row__"])
    twin = nearest_examples(forest_model, bare.slice(3, 1), bare, 1).found[0][0]
    assert twin.distance == 0
    assert nearest_examples(forest_model, bare.slice(3, 1), bare, 1, skip=[3]).found[0][0].distance > 0


def test_distances_of_lists_vectors_times_and_missing_values() -> None:
    features = (
        RawFeature("tags", "utf8", "ragged"),
        RawFeature("place", "float64", "fixed", 2),
        RawFeature("when", "timestamp"),
        RawFeature("number", "float64"),
    )
    table = pa.table(
        {
            "tags": pa.array([["a", "b"], ["b", "c"], [], None]),
            "place": pa.array([[0.0, 0.0], [1.0, 0.0], [2.0, 2.0], None], pa.list_(pa.float64(), 2)),
            "when": pa.array([0, 1_000_000, 10_000_000, None], pa.timestamp("us")),
            "number": pa.array([1.0, float("nan"), float("inf"), None]),
        }
    )
    measure = Gower(features, table)
    each = measure.each(measure.encode(table), measure.encode(table))
    np.testing.assert_allclose(each[0, :, 0], [0, 2 / 3, 1, 1])
    assert each[3, 3].tolist() == [0, 0, 0, 0]  # missing and missing
    assert (each[3, 0] == 1).all()
    assert each[1, 3, 3] == 0  # NaN is missing too
    assert each[0, 2, 3] == 1  # infinitely far
    assert 0 < each[0, 1, 1] < each[0, 2, 1] <= 1
    assert 0 < each[0, 1, 2] < 0.2
    np.testing.assert_allclose(each, each.transpose(1, 0, 2))


def test_saved_whole(tree_model_: Model, room: Any, tmp_path: Any) -> None:
    found = nearest_examples(tree_model_, room.table.slice(0, 2), room.table, 2)
    found.save(str(tmp_path / "n.json"))
    again = load_explanation(str(tmp_path / "n.json"))
    assert again.to_table() == found.to_table()
    assert again.to_html() == found.to_html()


def test_what_cannot_be_searched_is_told(tree_model_: Model, room: Any) -> None:
    def refused(match: str, data: Any = room.table, **more: Any) -> None:
        with pytest.raises((ConfigError, DataError), match=match):
            nearest_examples(tree_model_, room.table.slice(0, 1), data, **more)

    refused("k is 0", k=0)
    refused("Did you mean 'raw'", space="row")
    refused("no raw features to choose", space="transformed", features=["size"])
    refused("Did you mean 'depth'", weights={"dpeth": 1.0})
    refused("none below 0", weights={"depth": -1.0})
    refused("has no rows", data=room.table.slice(0, 0))
