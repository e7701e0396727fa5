"""Times, fixed vectors and columns that Python code reads: every method asks the whole model, so it takes them all."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from explain_python_code import word_length

import trueline.transform as tlt
from trueline._core.rowid import row_ids
from trueline.model_analysis.explain import (
    attributions,
    counterfactuals,
    lime_surrogate,
    load_explanation,
    nearest_examples,
    partial_dependence,
    permutation_importance,
    shap_values,
)
from trueline.models import Fitted, Model, build_model

ROWS = 160


def raw_rows() -> pa.Table:
    rng = np.random.default_rng(2)
    hours, place = rng.integers(0, 24, ROWS), rng.normal(0, 1, (ROWS, 2))
    words = [None if i % 9 == 0 else "ab" * int(n) for i, n in enumerate(rng.integers(1, 4, ROWS))]
    when = [None if i % 11 == 0 else dt.datetime(2024, 1, 1 + i % 28, int(h)) for i, h in enumerate(hours)]
    score = hours / 12 + place[:, 0] + np.array([len(w or "") for w in words])
    flat = pa.array(place.reshape(-1))
    return pa.table(
        {
            "__row__": row_ids(0, 0, ROWS),
            "when": pa.array(when, pa.timestamp("us")),
            "place": pa.FixedSizeListArray.from_arrays(flat, 2),
            "word": words,
            "cost": score + rng.normal(0, 0.1, ROWS),
        }
    )


def preprocessing(x: Any) -> dict[str, Any]:
    length = tlt.fill_missing(tlt.host(word_length, x["word"], dtype="int64"), 0)
    return {
        "hour": tlt.fill_missing(tlt.hour(x["when"]), 0), "place": x["place"],
        "length": length, "cost": x["cost"],
    }  # fmt: skip


@pytest.fixture(scope="module")
def table() -> pa.Table:
    return raw_rows()


@pytest.fixture(scope="module")
def model(table: pa.Table, tmp_path_factory: pytest.TempPathFactory) -> Model:
    from sklearn.tree import DecisionTreeRegressor

    made, output = tlt.analyze_and_transform(table, preprocessing)
    features = ["hour", "place", "length"]
    x = np.concatenate([np.array(made[n].to_pylist(), np.float32).reshape(ROWS, -1) for n in features], axis=1)
    tree = DecisionTreeRegressor(max_depth=5, random_state=0).fit(x, np.array(made["cost"].to_pylist()))
    uri = str(tmp_path_factory.mktemp("kinds") / "m")
    built = build_model(Fitted(tree), uri=uri, transform=output, label="cost", features=features, sample=table)
    return Model.load(built.uri, allow_host=["explain_python_code"])


def test_every_method_takes_them(model: Model, table: pa.Table, tmp_path: Any) -> None:
    row = table.slice(3, 1)
    now = model.predict(row)["prediction"][0].as_py()
    found = [
        permutation_importance(model, table, n_repeats=2),
        partial_dependence(model, table, grid=5, kind="both"),
        shap_values(model, table, max_rows=4, background_rows=8),
        lime_surrogate(model, row, table, samples=100, representation="standardised"),
        counterfactuals(model, row, table, target=(now + 0.5, None)),
        nearest_examples(model, row, table, 2),
        nearest_examples(model, row, table, 2, space="transformed"),
    ]
    assert all(value > 0 for value in found[0].importance().values())  # each of the three is read
    assert found[4]
    for one in found:
        one.save(str(tmp_path / "x.json"))
        again = load_explanation(str(tmp_path / "x.json"))
        assert again.to_html() == one.to_html()
        assert again.to_table().equals(one.to_table())
    assert attributions(model, table.slice(0, 3), "exact", background=table).num_rows == 3


def test_trees_behind_python_code_are_read_like_any_other(model: Model, table: pa.Table) -> None:
    rows, background = table.slice(0, 8), table.slice(50, 20)
    trees, exact = (shap_values(model, rows, background, method=m) for m in ("tree", "exact"))
    np.testing.assert_allclose(trees.values, exact.values, atol=1e-5)
    assert trees.outputs == ("prediction",)


def test_a_changed_time_is_a_time_and_a_whole_vector_is_taken_from_the_data(model: Model, table: pa.Table) -> None:
    row = table.slice(3, 1)
    now = model.predict(row)["prediction"][0].as_py()
    for kept, free in ((["place", "word"], "when"), (["when", "word"], "place")):
        for target in ((now + 0.3, None), (None, now - 0.3)):
            found = counterfactuals(model, row, table, target=target, immutable=kept)
            if not found:
                continue
            assert list(found.found[0].changes) == [free]
            after = found.found[0].changes[free][1]
            if free == "place":
                assert after is None or after in table["place"].to_pylist()
            else:
                assert after is None or dt.datetime.fromisoformat(after)
            break
        else:
            pytest.fail(f"no change of {free} moved the prediction")
