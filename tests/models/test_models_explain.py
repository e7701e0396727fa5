"""Ablation against a model whose effects are known, the open table of methods, and scores for other tools."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import models_python_code
import numpy as np
import pyarrow as pa
import pytest
from sklearn.linear_model import LogisticRegression

import trueline.models.explain as explaining
from trueline._core.errors import ModelError
from trueline.models import Explanation, Model, PythonModel, register_explainer

NUMBERS = ["length_filled", "depth", "mass"]


@pytest.fixture(scope="module")
def additive(line: Any, tmp_path_factory: pytest.TempPathFactory) -> Model:
    """The sum of three scaled columns: a feature's effect is its own term less the term's mean."""
    given = PythonModel("models_python_code:linear", output="prediction")
    return line.build(given, tmp_path_factory.mktemp("additive") / "m", "tips", NUMBERS)


def terms(line: Any) -> Any:
    made = line.transform.transform(line.table)
    columns = [np.asarray(made.column(n).to_numpy(zero_copy_only=False), np.float64) for n in NUMBERS]
    return np.stack(columns, axis=1)


def test_effects_of_a_sum_are_its_terms(additive: Model, line: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exact, whatever the pieces that the model is asked in."""
    table, own = line.table.slice(0, 90), terms(line)[:90]
    found = additive.explain(table, background=table)
    assert found.features == ("length", "depth", "mass")
    np.testing.assert_allclose(found.effects, own - own.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(found.scores, own.sum(axis=1), atol=1e-5)
    monkeypatch.setattr(explaining, "_CHUNK", 200)
    np.testing.assert_array_equal(additive.explain(table, background=table).effects, found.effects)


def test_the_background_is_the_rows_themselves_unless_given(additive: Model, line: Any) -> None:
    few = additive.explain(line.table.slice(0, 5))
    assert few.effects.shape == (5, 3)
    np.testing.assert_allclose(few.effects.mean(axis=0), 0, atol=1e-5)  # five rows are their own background
    one = [line.table.slice(7, 1).select(["length", "depth", "mass"]).to_pylist()[0]]
    same = additive.explain(one, background=one)
    np.testing.assert_allclose(same.effects, 0, atol=1e-7)
    missing = additive.explain([{"depth": 16.0, "mass": 3000}], background=line.table)
    assert np.isfinite(missing.effects).all()


def test_classes_of_which_the_score_is_the_probability(logistic: Model, line: Any) -> None:
    table = line.table.slice(0, 30)
    p = logistic.predict_proba(table)
    own = logistic.explain(table)
    np.testing.assert_allclose(own.scores, p.max(axis=1), atol=1e-7)
    gentoo = logistic.explain(table, output_class="Gentoo")
    np.testing.assert_allclose(gentoo.scores, p[:, 2], atol=1e-7)
    assert next(iter(gentoo.importance())) in ("depth", "length")  # what the rows were made of
    assert list(gentoo.importance().values()) == sorted(gentoo.importance().values(), reverse=True)
    assert gentoo.table().column_names == ["score", *(f"effect:{n}" for n in gentoo.features)]
    assert "probability of &#x27;Gentoo&#x27;" in gentoo._repr_html_()
    with pytest.raises(ModelError, match="is no class"):
        logistic.explain(table, output_class="Emperor")
    with pytest.raises(ModelError, match="no rows to explain"):
        logistic.explain(table.slice(0, 0))


def test_scores_for_tools_that_hand_matrices_around(line: Any, tmp_path: Path) -> None:
    fitted = line.fit(LogisticRegression(max_iter=300), "big_tipper", NUMBERS)
    model = line.build(fitted, tmp_path / "m", "big_tipper", NUMBERS)
    score = model.score_function()
    expected = model.predict_proba(line.table)[:, 1]
    np.testing.assert_array_equal(score(line.table), expected)
    names = [f.name for f in model.runtime.inputs]
    matrix = np.array([[row[n] for n in names] for row in line.table.to_pylist()], dtype=float)
    assert np.isnan(matrix).any()
    np.testing.assert_array_equal(score(matrix), expected)
    np.testing.assert_array_equal(score(matrix.astype(object)), expected)
    np.testing.assert_array_equal(score(line.table.to_pandas()), expected)
    np.testing.assert_array_equal(model.score_function(False)(line.table), model.predict_proba(line.table)[:, 0])
    with pytest.raises(ModelError, match="3 columns are needed"):
        score(matrix[:, :2])


def test_more_classes_need_a_choice_and_an_embedding_has_no_score(logistic: Model, line: Any, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="which class is to be explained"):
        logistic.score_function()
    given = PythonModel("models_python_code:wide", output="embedding")
    embedding = line.build(given, tmp_path / "m", None, ["depth"])
    with pytest.raises(ModelError, match="no score"):
        embedding.explain(line.table)


def constant(model: Model, data: Any, *, value: float = 1.0) -> Explanation:
    """A method of a user's own."""
    names = tuple(f.name for f in model.runtime.inputs)
    return Explanation("constant", np.zeros(1), names, np.full((1, len(names)), value), "nothing")


def test_the_table_of_methods_is_open(additive: Model, line: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explaining, "EXPLAINERS", dict(explaining.EXPLAINERS))
    register_explainer("mine", constant)
    register_explainer("mine", constant)
    assert additive.explain(line.table, method="mine", value=3.0).effects.tolist() == [[3.0, 3.0, 3.0]]
    register_explainer("named", "models_python_code:linear")
    assert explaining.explainer("named") is models_python_code.linear
    register_explainer("gone", "no_such_module:explain")
    for name, said in (("gone", "cannot be imported"), ("ablatoin", "Did you mean 'ablation'")):
        with pytest.raises(ModelError, match=said):
            additive.explain(line.table, method=name)
    with pytest.raises(ModelError, match="already"):
        register_explainer("ablation", constant)
    with pytest.raises(ModelError, match="no function"):
        register_explainer("x", "words")


def test_every_kind_of_raw_feature_can_be_replaced(logistic: Model, line: Any) -> None:
    """Text, bools and numbers alike, with gaps in the background."""
    found = logistic.explain(line.table.slice(0, 8), background=line.table.slice(100, 40))
    assert set(found.features) == {"length", "depth", "mass", "island", "ringed"}
    assert (np.abs(found.effects).max(axis=0) > 0).all()
    assert isinstance(found.table(), pa.Table)
