"""A preprocessing function inside scikit-learn: pipelines, searches, names, containers, and its own checks."""

from __future__ import annotations

import copy
import json
import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import trueline.transform as tlt
from trueline._core.errors import FeedError, TransformError
from trueline.transform.sklearn_transformer import as_transformer, frozen_transformer

sklearn = pytest.importorskip("sklearn", reason="NOT TESTED HERE: scikit-learn is not installed")
from sklearn.base import clone, is_classifier  # noqa: E402
from sklearn.compose import ColumnTransformer  # noqa: E402
from sklearn.exceptions import NotFittedError  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.model_selection import GridSearchCV, cross_val_score  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.utils.estimator_checks import estimator_checks_generator  # noqa: E402

COMPANIES = ["Blue", "Flash", "Zürich", "日本"]


def preprocessing(x: Any) -> dict[str, Any]:
    return {
        "fare": tlt.fill_missing(tlt.scale_to_z_score(x["fare"]), 0.0),
        "company": tlt.one_hot(tlt.compute_and_apply_vocabulary(x["company"]), 4),
        "long": x["miles"] > tlt.mean(x["miles"]),
    }


def rows(count: int = 200, seed: int = 0) -> dict[str, list[Any]]:
    rng = np.random.default_rng(seed)
    company = [COMPANIES[i] for i in rng.integers(0, 4, count)]
    return {
        "fare": [None if rng.random() < 0.1 else float(v) for v in rng.normal(10, 3, count)],
        "company": company,
        "miles": [float(v) for v in rng.exponential(3, count)],
    }


def label_of(data: dict[str, list[Any]]) -> np.ndarray:
    return np.array([c in ("Blue", "日本") for c in data["company"]])


def expected(data: dict[str, list[Any]]) -> np.ndarray:
    """The outputs by `analyze_and_transform`, laid out by hand."""
    out = tlt.analyze_and_transform(pa.table(data), preprocessing)[0]
    hot = np.array([[np.nan] * 4 if v is None else v for v in out["company"].to_pylist()])
    return np.column_stack([out["fare"].to_pylist(), hot, out["long"].to_pylist()]).astype(np.float32)


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table, lambda d: pa.table(d).to_batches()[0]])
def test_every_table_gives_the_array_of_the_graph(make: Any) -> None:
    data = rows()
    transformer = as_transformer(preprocessing)
    found = transformer.fit_transform(make(data))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, expected(data))
    names = ["fare", "company_0", "company_1", "company_2", "company_3", "long"]
    assert transformer.get_feature_names_out().tolist() == names
    assert transformer.n_features_in_ == 3
    assert transformer.feature_names_in_.tolist() == ["fare", "company", "miles"]
    other = rows(50, 1)
    np.testing.assert_array_equal(
        transformer.transform(make(other)), transformer.transform(pa.table(other)), strict=True
    )


def test_numpy_arrays_have_names_by_place_or_by_choice() -> None:
    def scale(x: Any) -> dict[str, Any]:
        return {"a": tlt.scale_to_0_1(x["x0"]), "b": x["x1"]}

    X = np.array([[0.0, 5.0], [10.0, np.nan], [5.0, 1.0]])
    transformer = as_transformer(scale, dtype="float64")
    np.testing.assert_array_equal(transformer.fit_transform(X), [[0, 5], [1, np.nan], [0.5, 1]])
    assert not hasattr(transformer, "feature_names_in_")
    data = rows()
    mixed = np.array([data["fare"], data["company"], data["miles"]], dtype=object).T
    named = as_transformer(preprocessing, feature_names=["fare", "company", "miles"])
    np.testing.assert_array_equal(named.fit_transform(mixed), expected(data))
    with pytest.raises(ValueError, match="3 features, but 1 names"):
        as_transformer(preprocessing, feature_names=["fare"]).fit(mixed)


def test_set_output_gives_frames() -> None:
    data = rows()
    frame = pd.DataFrame(data, index=np.arange(200) * 2)
    out = as_transformer(preprocessing).set_output(transform="pandas").fit_transform(frame)
    assert list(out.columns)[-1] == "long"
    assert out.index.equals(frame.index)
    polars = as_transformer(preprocessing).set_output(transform="polars").fit_transform(pl.DataFrame(data))
    assert isinstance(polars, pl.DataFrame)
    np.testing.assert_array_equal(polars.to_numpy(), expected(data))


def test_in_pipelines_searches_and_column_transformers() -> None:
    """Analyzers see the training folds alone: a fold's own mean, not that of all rows."""
    data = rows(300)
    frame, y = pd.DataFrame(data), label_of(data)
    model = make_pipeline(as_transformer(preprocessing), LogisticRegression())
    assert cross_val_score(model, frame, y, cv=3).min() == 1.0
    search = GridSearchCV(model, {"graphtransformer__outputs": [["fare", "long"], ["company"]]}, cv=3).fit(frame, y)
    assert search.best_params_["graphtransformer__outputs"] == ["company"]
    columns = ColumnTransformer(
        [("graph", as_transformer(only_fare), ["fare"]), ("rest", "passthrough", ["miles"])],
        verbose_feature_names_out=False,
    )
    out = columns.fit_transform(frame)
    assert columns.get_feature_names_out().tolist() == ["fare", "miles"]
    present = np.array([v for v in data["fare"] if v is not None])
    np.testing.assert_allclose(np.nanmean(out[:, 0]), 0, atol=1e-6)
    np.testing.assert_allclose(out[0, 0], (data["fare"][0] - present.mean()) / present.std(), rtol=1e-6)
    half = clone(columns).fit(frame[:150])
    assert abs(np.nanmean(half.transform(frame)[:, 0])) > 1e-4


def only_fare(x: Any) -> dict[str, Any]:
    return {"fare": tlt.scale_to_z_score(x["fare"])}


def test_a_search_in_other_processes_and_a_copy_give_the_same() -> None:
    """What workers are sent holds the graph and no session."""
    data = rows()
    fitted = as_transformer(preprocessing).fit(pa.table(data))
    fitted.transform(pa.table(data))
    for other in (pickle.loads(pickle.dumps(fitted)), copy.deepcopy(fitted)):
        np.testing.assert_array_equal(other.transform(pa.table(data)), expected(data))
    frozen = pickle.loads(pickle.dumps(frozen_transformer(fitted.output_)))
    np.testing.assert_array_equal(frozen.transform(pa.table(data)), expected(data))
    assert not hasattr(clone(fitted), "output_")
    assert clone(fitted).get_params() == fitted.get_params()
    assert not is_classifier(fitted)


def test_the_label_reaches_analyzers_and_no_output() -> None:
    def with_label(x: Any) -> dict[str, Any]:
        return {
            "lift": x["miles"] - tlt.mean(tlt.cast(x["tipped"], "float64")),
            "cheat": x["tipped"],
        }

    data = rows()
    y = label_of(data)
    table = pa.table(data)
    transformer = as_transformer(with_label, label="tipped", outputs=["lift"])
    found = transformer.fit(table, y).transform(table)
    np.testing.assert_allclose(found[:, 0], np.array(data["miles"]) - y.mean(), rtol=1e-6)
    with pytest.raises(TransformError, match="cheat read the label 'tipped' in every row"):
        as_transformer(with_label, label="tipped").fit(table, y)
    with pytest.raises(ValueError, match="requires y to be passed"):
        transformer.fit(table)
    with pytest.raises(ValueError, match="one value a row is needed"):
        transformer.fit(table, y[:5])
    with pytest.raises(ValueError, match="has a column 'miles'"):
        as_transformer(with_label, label="miles").fit(table, y)


def test_training_rows_are_encoded_without_their_own_label() -> None:
    """A category of one row knows nothing of its label in `fit_transform`, and all of it in `transform`."""

    def encode(x: Any) -> dict[str, Any]:
        return {"rate": tlt.target_encode(x["id"], x["y"], smoothing=0.0, prior=0.5)}

    table = pa.table({"id": [f"row {i}" for i in range(100)]})
    y = np.arange(100) % 2
    transformer = as_transformer(encode, label="y")
    assert set(transformer.fit_transform(table, y).ravel().tolist()) == {0.5}
    np.testing.assert_array_equal(transformer.transform(table).ravel(), y)
    model = make_pipeline(as_transformer(encode, label="y"), LogisticRegression())
    assert cross_val_score(model, table.to_pandas(), y, cv=4).mean() < 0.7


def test_what_is_wrong_is_said() -> None:
    data = rows()
    table = pa.table(data)
    transformer = as_transformer(preprocessing)
    for call in (lambda: transformer.transform(table), transformer.get_feature_names_out):
        with pytest.raises(NotFittedError, match="not fitted yet"):
            call()
    with pytest.raises(TransformError) as caught:
        as_transformer(lambda x: {"text": x["company"], "n": x["miles"]}, outputs=["text", "m"]).fit(table)
    assert caught.value.problems == (
        "there is no output 'm'. There is: n, text.",
        "output 'text' is utf8: give it a vocabulary, or cast it",
    )
    fitted = transformer.fit(table)
    with pytest.raises(ValueError, match="feature names"):
        fitted.transform(table.rename_columns(["fare", "company", "kilometres"]))
    with pytest.raises(ValueError, match="names"):
        fitted.transform(table.select(["fare", "company"]))
    with pytest.raises(FeedError, match="column 'miles'"):
        fitted.transform(table.set_column(2, "miles", pa.array(["x"] * 200)))
    with pytest.raises(ValueError, match="not equal to feature_names_in_"):
        fitted.get_feature_names_out(["a", "b", "c"])
    clash = as_transformer(lambda x: {"v": tlt.concat([x["miles"], x["fare"]]), "v_1": x["miles"]})
    with pytest.raises(TransformError, match="two columns are called 'v_1'"):
        clash.fit(table)


def test_integers_that_pandas_made_floats_come_back() -> None:
    """One missing value makes float64 of an integer column; what is no whole number stays an error."""
    transformer = as_transformer(lambda x: {"n": tlt.fill_missing(x["n"], -1) % 3})
    transformer.fit(pd.DataFrame({"n": [1, 2, 3]}))
    assert transformer.transform(pd.DataFrame({"n": [4.0, np.nan]})).ravel().tolist() == [1.0, 2.0]
    assert transformer.transform(pd.DataFrame({"n": [None, None]})).ravel().tolist() == [2.0, 2.0]
    with pytest.raises(FeedError, match=r"column 'n'.*4\.5"):
        transformer.transform(pd.DataFrame({"n": [4.5, 1.0]}))


def test_a_kept_graph_is_a_fitted_transformer(tmp_path: Path) -> None:
    """Saved without pickle, loaded as a transformer that fit and clone leave alone; further columns are ignored."""
    data = rows()
    fitted = as_transformer(preprocessing).fit(pa.table(data))
    fitted.output_.save(str(tmp_path / "graph"))
    frozen = frozen_transformer(tlt.TransformOutput.load(str(tmp_path / "graph")), ["long", "fare"])
    assert frozen.get_feature_names_out().tolist() == ["long", "fare"]
    frame = pd.DataFrame(rows(30, 3)).assign(more=1)[["more", "miles", "fare"]]
    everything = fitted.transform(pd.DataFrame(rows(30, 3)))
    np.testing.assert_array_equal(frozen.transform(frame), everything[:, [5, 0]])
    model = make_pipeline(frozen, LogisticRegression()).fit(pd.DataFrame(data), label_of(data))
    assert clone(model).steps[0][1].transform(frame).shape == (30, 2)
    with pytest.raises(FeedError, match="no column 'miles'"):
        frozen.transform(frame[["fare"]])
    with pytest.raises(TransformError, match="no output 'short'"):
        frozen_transformer(fitted.output_, ["short"])
    assert json.loads((tmp_path / "graph" / "graph.json").read_text())["content_hash"] == fitted.output_.content_hash


def every_column(x: Any) -> dict[str, Any]:
    """Any number of float columns, as scikit-learn's checks bring them."""
    return {f"z_{name}": tlt.scale_to_z_score(tlt.cast(x[name], "float64")) for name in x}


CHECKS = list(estimator_checks_generator(as_transformer(every_column)))


def check_name(check: Any) -> str:
    """What the check is called: scikit-learn's own ids hold addresses, which differ between test processes."""
    return getattr(getattr(check, "func", check), "__name__", "check")


@pytest.mark.parametrize(
    ("estimator", "check"), CHECKS, ids=[f"{check_name(c)}-{i}" for i, (_, c) in enumerate(CHECKS)]
)
def test_scikit_learns_own_checks(estimator: Any, check: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check(estimator)
