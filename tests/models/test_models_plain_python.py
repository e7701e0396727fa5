"""A model as a Python file: the model's answers on every row, in a Python without any package; all else is refused."""

from __future__ import annotations

import ast
import importlib.util
import json
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper

import trueline.transform as tlt
from trueline._core.errors import ModelError, ParityError
from trueline._core.runtime import make_session
from trueline._core.values import RawFeature
from trueline.engine.base import Dataset
from trueline.models import Fitted, Model, Tolerance, build_model
from trueline.models import plain_python_helpers as helpers
from trueline.models.plain_python import python_source, save_python
from trueline.models.plain_python_writer import is_atomic, literal

FEATURES = ["length_filled", "depth", "mass", "island_hot", "island", "ringed", "tip_bucket"]
GAPPY = ["length", "depth", "mass", "island_hot", "island", "ringed"]


def estimator(name: str) -> tuple[Any, str, list[str]]:
    from sklearn import ensemble, linear_model, tree

    return {
        "logistic": (linear_model.LogisticRegression(max_iter=200), "species", FEATURES),
        "binary": (linear_model.LogisticRegression(max_iter=200), "big_tipper", FEATURES[:4]),
        "ridge": (linear_model.Ridge(), "importance", FEATURES),
        "tree": (tree.DecisionTreeClassifier(max_depth=5, random_state=0), "species", FEATURES),
        "forest": (ensemble.RandomForestClassifier(12, max_depth=7, random_state=0), "grade", FEATURES),
        "regression": (ensemble.GradientBoostingRegressor(n_estimators=15, random_state=0), "importance", FEATURES),
        "boosting": (ensemble.HistGradientBoostingClassifier(max_iter=12, random_state=0), "big_tipper", GAPPY),
        "classes": (ensemble.HistGradientBoostingClassifier(max_iter=4, random_state=0), "species", GAPPY),
    }[name]


def run(path: Path, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The file's answers in a Python that has no packages."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(path)],
        input="\n".join(map(json.dumps, rows)), capture_output=True, text=True, timeout=60, check=False, cwd="/",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def as_rows(model: Model, table: pa.Table) -> list[dict[str, Any]]:
    return table.select([f.name for f in model.runtime.inputs]).to_pylist()


@pytest.mark.parametrize("name", ["logistic", "binary", "ridge", "tree", "forest", "regression", "boosting", "classes"])
def test_the_file_answers_as_the_model_on_every_row(name: str, line: Any, tmp_path: Path) -> None:
    made, label, features = estimator(name)
    model = line.build(line.fit(made, label, features), tmp_path / "m", label, features, name=name)
    report = save_python(model, str(tmp_path / "out"), line.table)
    assert report["path"] == str(tmp_path / "out" / f"{name}.py")
    assert report["rows"] == line.table.num_rows
    answers, expected = run(Path(report["path"]), as_rows(model, line.table)), model.predict(line.table)
    for column in expected.column_names[1:]:
        found, wanted = [a[column] for a in answers], expected.column(column).to_pylist()
        if column == "label":
            assert found == wanted
        else:
            np.testing.assert_allclose(np.array(found), np.array(wanted), atol=1e-5, rtol=1e-5)
    apart = np.abs(np.array([a[expected.column_names[1]] for a in answers]) - np.array(expected.column(1).to_pylist()))
    assert report["max_difference"] == pytest.approx(apart.max(), abs=1e-12)


def answers_as(model: Model, line: Any, folder: Path) -> str:
    """The file's text, when it answers as the model on every row."""
    path = Path(save_python(model, str(folder / "out"), line.table)["path"])
    answers, expected = run(path, as_rows(model, line.table)), model.predict(line.table)
    assert len(answers) == line.table.num_rows
    for column in expected.column_names[1:]:
        found, wanted = [a[column] for a in answers], expected.column(column).to_pylist()
        if column == "label":
            assert found == wanted
        else:
            np.testing.assert_allclose(np.array(found), np.array(wanted), atol=1e-6, rtol=1e-6)
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("label", ["species", "big_tipper", "importance"])
def test_the_ready_linear_trainer_has_a_file(label: str, line: Any, tmp_path: Path) -> None:
    """One-hot categories, gaps of one column or two filled with the mean, scaled numbers."""
    from trueline.training.ready.sklearn import run_fn

    args = line.fn_args(label, GAPPY, working_dir=str(tmp_path), custom_config={"ready": {"estimator": "linear"}})
    model = line.build(run_fn(args), tmp_path / "m", label, GAPPY, name="ready")
    assert "one_hot(" in answers_as(model, line, tmp_path)


@pytest.mark.parametrize("voters", [1, 2, 4])
def test_soft_votes_have_a_file(voters: int, line: Any, tmp_path: Path) -> None:
    """Sums of one, two and more parts; the trees of one part are not those of another."""
    from sklearn import ensemble, linear_model, tree

    parts = [
        ("logistic", linear_model.LogisticRegression(max_iter=200)),
        ("tree", tree.DecisionTreeClassifier(max_depth=3, random_state=0)),
        ("forest", ensemble.RandomForestClassifier(3, max_depth=3, random_state=0)),
        ("boosting", ensemble.HistGradientBoostingClassifier(max_iter=2, random_state=0)),
    ]
    vote = ensemble.VotingClassifier(parts[:voters], voting="soft", weights=[2, 1, 1, 3][:voters])
    model = line.build(line.fit(vote, "species", FEATURES), tmp_path / "m", "species", FEATURES, name="vote")
    answers_as(model, line, tmp_path)


@pytest.mark.parametrize("kind", ["Logit", "Probit", "OLS", "Poisson", "MNLogit"])
def test_statsmodels_have_a_file(kind: str, line: Any, tmp_path: Path) -> None:
    """Computed in double precision, as the models themselves are."""
    sm = pytest.importorskip("statsmodels.api")
    label = {"OLS": "importance", "Poisson": "tips", "MNLogit": "species"}.get(kind, "big_tipper")
    features = FEATURES[:3]
    x, y, _ = line.fn_args(label, features).train.arrays()
    names, numbers = np.unique(y, return_inverse=True) if kind == "MNLogit" else (None, y)
    more = {} if kind == "OLS" else {"disp": 0}
    fitted = Fitted(
        getattr(sm, kind)(numbers, sm.add_constant(x)).fit(**more), classes=None if names is None else names.tolist()
    )
    model = line.build(fitted, tmp_path / "m", label, features, name="stats")
    assert "products(" in answers_as(model, line, tmp_path)


def test_a_category_outside_an_encoder_is_an_error_or_all_zeros() -> None:
    assert helpers.one_hot(3, [1, 3], True) == helpers.one_hot(3, [1, 3], False) == [0.0, 1.0]
    assert helpers.one_hot("c", ["a", "b"], False) == [0.0, 0.0]
    with pytest.raises(ValueError, match="unknown category 'c'"):
        helpers.one_hot("c", ["a", "b"], True)


def test_the_file_reads_as_a_person_would_write_it(line: Any, tmp_path: Path) -> None:
    from sklearn.tree import DecisionTreeClassifier

    fitted = line.fit(DecisionTreeClassifier(max_depth=2, random_state=0), "species", ["depth", "ringed"])
    model = line.build(fitted, tmp_path / "m", "species", ["depth", "ringed"], name="small")
    source = python_source(model, line.table)
    assert "    depth = f32((raw_depth - 16.974" in source
    assert "def tree_0(x):\n    if not x[0] > " in source
    assert "CLASSES = ['Adelie', 'Chinstrap', 'Gentoo']" in source
    imported = {a.name for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Import) for a in n.names}
    assert imported <= {"json", "math", "struct", "sys"}
    assert not [n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Call) and _called(n) in ("eval", "exec")]
    assert max(map(len, source.splitlines())) < 200


def _called(node: ast.Call) -> str:
    return node.func.id if isinstance(node.func, ast.Name) else ""


def test_what_a_client_sends_wrongly_is_named(line: Any, tmp_path: Path) -> None:
    from sklearn.linear_model import Ridge

    model = line.build(line.fit(Ridge(), "importance", FEATURES), tmp_path / "m", "importance", FEATURES)
    path = save_python(model, str(tmp_path / "m.py"), line.table)["path"]
    bad = {"depth": "deep", "mass": 1.5, "ringed": 1, "lenght": 3.0}
    done = subprocess.run(
        [sys.executable, "-I", path], input=json.dumps(bad), capture_output=True, text=True, timeout=60, check=False
    )
    said = done.stderr.strip().splitlines()[-1]
    assert said == (
        "ValueError: unknown field 'lenght'; field 'depth': expected float64, got str 'deep'; "
        "field 'mass': expected int64, got float 1.5; field 'ringed': expected bool, got int 1"
    )
    row = {"depth": [17], "mass": 4000, "length": None}
    assert run(Path(path), [row])[0]["prediction"] == pytest.approx(model.predict([row | {"depth": 17}])[0][0].as_py())


def test_raw_numbers_of_32_bits_are_rounded_as_the_model_does(tmp_path: Path) -> None:
    from sklearn.tree import DecisionTreeRegressor

    sizes = np.random.default_rng(0).normal(0, 1, 200).astype(np.float32)
    table = pa.table({"size": pa.array(sizes, mask=sizes > 1.5), "y": sizes.astype(np.float64) * 3})
    features = [RawFeature("size", "float32"), RawFeature("y", "float64", optional=False)]
    made = tlt.trace(lambda i: {"size": i["size"], "y": i["y"]}, features)
    transform = tlt.analyze(made, Dataset.from_table(table, 100))
    x = np.where(sizes > 1.5, np.float32(np.nan), sizes)[:, None]
    fitted = Fitted(DecisionTreeRegressor(random_state=0).fit(x, table.column("y").to_numpy()))
    model = build_model(fitted, uri=str(tmp_path / "m"), transform=transform, label="y", sample=table)
    path = Path(save_python(model, str(tmp_path / "m.py"), table)["path"])
    rows = [{"size": value} for value in (0.1, 1, None, -1e30, float(np.nextafter(np.float32(0.1), 1)))]
    expected = [model.predict([row])["prediction"][0].as_py() for row in rows]
    assert [answer["prediction"] for answer in run(path, rows)] == expected


def test_names_and_texts_cannot_become_code(tmp_path: Path) -> None:
    """Column names, words and classes are data, whatever they look like."""
    from sklearn.tree import DecisionTreeClassifier

    name, word = "a'] + __import__('os') #", '"""\n\\\'; raise SystemExit #'
    rng = np.random.default_rng(0)
    words = [[word, "class", "日本\u2028"][i] for i in rng.integers(0, 3, 200)]
    table = pa.table({name: words, "def": rng.normal(size=200), "y": [f"{w}!" for w in words]})

    def preprocessing(x: Any) -> dict[str, Any]:
        code = tlt.fill_missing(tlt.compute_and_apply_vocabulary(x[name], num_oov_buckets=2), -1)
        return {"code": code, "print": tlt.fill_missing(x["def"], 0.0), "y": x["y"]}

    made, output = tlt.analyze_and_transform(table, preprocessing)
    x = np.stack([np.array(made["code"].to_pylist()), np.array(made["print"].to_pylist())], axis=1)
    fitted = DecisionTreeClassifier(random_state=0).fit(x.astype(np.float32), made["y"].to_pylist())
    model = build_model(
        Fitted(fitted), uri=str(tmp_path / "m"), transform=output, label="y", sample=table, name='x"""\nimport os'
    )
    path = save_python(model, str(tmp_path), table)["path"]
    answers = run(Path(path), [{name: "unseen ✓", "def": None}, {name: word}])
    assert answers[1]["label"] == f"{word}!"
    unseen = model.predict(pa.table({name: ["unseen ✓"], "def": pa.array([None], pa.float64())}))
    assert answers[0]["label"] == unseen["label"][0].as_py()


def test_everything_that_has_no_form_is_named_at_once(tmp_path: Path) -> None:
    from sklearn.linear_model import Ridge

    table = pa.table({"words": [["a"], ["b", "a"], []] * 20, "y": [1.0, 2.0, 3.0] * 20})

    def preprocessing(x: Any) -> dict[str, Any]:
        return {"bag": tlt.multi_hot(tlt.compute_and_apply_vocabulary(x["words"]), 2), "y": x["y"]}

    made, output = tlt.analyze_and_transform(table, preprocessing)
    fitted = Ridge().fit(np.array(made["bag"].to_pylist(), np.float32), made["y"].to_pylist())
    model = build_model(Fitted(fitted), uri=str(tmp_path / "m"), transform=output, label="y", sample=table)
    with pytest.raises(ModelError, match="the model cannot be written as plain Python") as caught:
        save_python(model, str(tmp_path / "out"), table)
    assert caught.value.problems[0] == "raw feature 'words' is a list"
    assert [p for p in caught.value.problems if p.startswith("operator ") and p.endswith(" has no form in Python")]
    assert "--to onnx or --to server runs every model" in str(caught.value.hint)
    assert not (tmp_path / "out").exists()


def test_a_file_that_differs_is_not_written(
    logistic: Model, line: Any, tmp_path: Path, nothing_written: Callable[[], bool]
) -> None:
    with pytest.raises(ParityError, match=r"the Python file differs from the model on \d+ of 600 rows; nothing was"):
        save_python(logistic, str(tmp_path), line.table, tolerance=Tolerance(-1.0, 0.0))
    with pytest.raises(ModelError, match="has no rows"):
        save_python(logistic, str(tmp_path), line.table.slice(0, 0))
    assert nothing_written()


def test_a_changed_graph_is_caught_by_the_comparison(
    line: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gate looks at the file that will be written, and at nothing that the exporter believes of it."""
    from sklearn.linear_model import Ridge

    from trueline.models import plain_python

    model = line.build(line.fit(Ridge(), "importance", FEATURES), tmp_path / "m", "importance", FEATURES)
    honest = plain_python.python_source
    monkeypatch.setattr(plain_python, "python_source", lambda *a: honest(*a).replace("sum(w * v", "0.9 * sum(w * v"))
    with pytest.raises(ParityError, match="differs from the model"):
        save_python(model, str(tmp_path / "m.py"), line.table)
    monkeypatch.setattr(
        plain_python, "python_source", lambda *a: honest(*a).replace("def predict(row):", "def predict():")
    )
    with pytest.raises(ModelError, match="the generated file fails: TypeError: predict"):
        save_python(model, str(tmp_path / "m.py"), line.table)
    assert not (tmp_path / "m.py").exists()


@given(st.floats(allow_nan=False))
def test_f32_rounds_as_numpy_does(value: float) -> None:
    with np.errstate(over="ignore"):
        expected = float(np.float32(value))
    assert struct.pack("d", helpers.f32(value)) == struct.pack("d", expected)


@given(st.integers(-(2**70), 2**70))
def test_integers_wrap_as_numpy_does(value: int) -> None:
    assert helpers.int64(value) == np.array(value % 2**64, np.uint64).astype(np.int64)
    assert helpers.int32(value) == np.array(value % 2**32, np.uint32).astype(np.int32)


@settings(deadline=None)  # each example opens a session
@given(st.text(max_size=40), st.integers(0, 2**32 - 1))
def test_murmur_is_the_runtimes(text: str, seed: int) -> None:
    assert helpers.murmur3(text, seed % 2**31) == _hashed(text, seed % 2**31)


def _hashed(text: str, seed: int) -> int:
    node = helper.make_node("MurmurHash3", ["x"], ["y"], domain="com.microsoft", seed=seed, positive=1)
    x = helper.make_tensor_value_info("x", onnx.TensorProto.STRING, ["N"])
    y = helper.make_tensor_value_info("y", onnx.TensorProto.UINT32, ["N"])
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(helper.make_graph([node], "g", [x], [y]), opset_imports=opsets, ir_version=10)
    return int(make_session(model.SerializeToString()).run(None, {"x": np.array([text], object)})[0][0])


_SINGLE = {
    "Exp": helpers.exponential,
    "Log": helpers.logarithm,
    "Sqrt": helpers.square_root,
    "Round": helpers.rounded,
    "Sign": helpers.sign,
}
_EDGES = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    1.5,
    2.5,
    -2.5,
    1e30,
    -1e30,
    1e-30,
    800.0,
    float("inf"),
    float("-inf"),
    float("nan"),
]


@pytest.mark.parametrize("operator", sorted(_SINGLE))
def test_functions_agree_with_the_runtime_at_the_edges(operator: str) -> None:
    node = helper.make_node(operator, ["x"], ["y"])
    infos = [helper.make_tensor_value_info(n, onnx.TensorProto.DOUBLE, ["N"]) for n in "xy"]
    graph = helper.make_graph([node], "g", infos[:1], infos[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    expected = make_session(model.SerializeToString()).run(None, {"x": np.array(_EDGES)})[0]
    found = np.array([_SINGLE[operator](v) for v in _EDGES])
    np.testing.assert_allclose(found, expected, rtol=1e-14)


@pytest.mark.parametrize("a", _EDGES)
def test_quotients_and_bounds_are_those_of_floating_point(a: float) -> None:
    for b in _EDGES:
        with np.errstate(all="ignore"):
            np.testing.assert_equal(helpers.divide(a, b), float(np.float64(a) / np.float64(b)))
        np.testing.assert_equal(helpers.no_less(a, b) + 0.0, float(np.maximum(a, b)) + 0.0)
        np.testing.assert_equal(helpers.no_more(a, b) + 0.0, float(np.minimum(a, b)) + 0.0)


@pytest.mark.parametrize(
    ("text", "said"),
    [("a", True), ("1.5", True), ("f(a)[0]", False), ("f(a, g(b))", True), ("f(a) + g(b)", False), ("x[1]", True)],
)
def test_what_may_stand_beside_an_operator(text: str, said: bool) -> None:
    assert is_atomic(text) is said


@given(st.recursive(st.floats() | st.integers() | st.text() | st.booleans(), st.lists, max_leaves=6))
def test_literals_read_back_as_they_were(value: Any) -> None:
    text = literal(value)
    assert ast.parse(text, mode="eval")
    if "math." not in text:
        assert ast.literal_eval(text) == value


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sklearn", "xgboost", "lightgbm"])
def test_the_taxi_line_as_a_file(kind: str, tmp_path: Path) -> None:
    """Buckets, vocabularies with hashes, z-scores and real gaps: every row of the example's data."""
    from trueline.engine.base import Dataset
    from trueline.training import FnArgs
    from trueline.transform.datasets import opened

    folder = Path(__file__).resolve().parents[2] / "examples" / "taxi"
    spec = importlib.util.spec_from_file_location("taxi_features", folder / "model.py")
    assert spec is not None
    assert spec.loader is not None
    taxi = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(taxi)
    with opened(str(folder / "data" / "taxi.csv")) as dataset:
        table = pa.Table.from_batches(list(dataset.batches(None)))
    made, output = tlt.analyze_and_transform(table, taxi.preprocessing_fn)
    x, y, _ = FnArgs.create(train=Dataset.from_table(made, 2000), transform=output, label=taxi.LABEL).train.arrays()
    sample = table.slice(0, 2000)
    fitted = Fitted(_boosted(kind, x, y))
    model = build_model(fitted, uri=str(tmp_path / "m"), transform=output, label=taxi.LABEL, sample=sample, name="taxi")
    report = save_python(model, str(tmp_path), table)
    assert report["rows"] == table.num_rows > 10_000
    assert report["max_difference"] < 1e-6


def _boosted(kind: str, x: Any, y: Any) -> Any:
    if kind == "sklearn":
        from sklearn.ensemble import HistGradientBoostingClassifier

        return HistGradientBoostingClassifier(max_iter=30, random_state=0).fit(x, y)
    if kind == "xgboost":
        return pytest.importorskip("xgboost").XGBClassifier(n_estimators=30, max_depth=4, nthread=1).fit(x, y)
    return pytest.importorskip("lightgbm").LGBMClassifier(n_estimators=30, n_jobs=1, verbose=-1).fit(x, y)
