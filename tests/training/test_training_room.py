"""What run_fn is given and what may come back: arrays, tables and batches in order, seeds, logs, clear errors."""

from __future__ import annotations

import json
import random
import traceback
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import trueline.transform as tlt
from trueline._core.errors import ModelError
from trueline._core.rowid import row_ids
from trueline._core.values import RawFeature
from trueline.engine.base import Dataset
from trueline.training import Fitted, FnArgs, MetricLog, read_metrics, run_training

ROWS = 101
FEATURES = [
    RawFeature("a", "float64"),
    RawFeature("n", "int64", optional=False),
    RawFeature("flag", "bool", optional=False),
    RawFeature("kind", "utf8"),
    RawFeature("weight", "float64", optional=False),
]


def preprocessing(inputs: Any) -> dict[str, Any]:
    kind = tlt.fill_missing(tlt.compute_and_apply_vocabulary(inputs["kind"]), 0)
    return {
        "a": inputs["a"],
        "n": inputs["n"],
        "flag": inputs["flag"],
        "hot": tlt.one_hot(kind, 2),
        "kind": inputs["kind"],
        "weight": inputs["weight"],
    }


@pytest.fixture(scope="module")
def raw() -> pa.Table:
    rng = np.random.default_rng(1)
    return pa.table(
        {
            "__row__": row_ids(0, 0, ROWS),
            "a": pa.array(rng.normal(size=ROWS), mask=rng.random(ROWS) < 0.2),
            "n": rng.integers(0, 9, ROWS),
            "flag": rng.random(ROWS) < 0.5,
            "kind": pa.array(rng.choice(["u", "v"], ROWS).astype(object), mask=rng.random(ROWS) < 0.1),
            "weight": rng.uniform(0.5, 2, ROWS),
        }
    )


@pytest.fixture(scope="module")
def transform(raw: pa.Table) -> tlt.TransformOutput:
    return tlt.analyze(tlt.trace(preprocessing, FEATURES), Dataset.from_table(raw))


@pytest.fixture(scope="module")
def examples(raw: pa.Table, transform: tlt.TransformOutput) -> pa.Table:
    return transform.transform(raw)


def args(examples: pa.Table, transform: Any, block_rows: int = 17, **more: Any) -> FnArgs:
    given = {"label": "kind", "weight": "weight"} | more
    return FnArgs.create(train=Dataset.from_table(examples, block_rows), transform=transform, **given)


def test_arrays_hold_the_features_in_order_and_leave_out_unlabelled_rows(
    examples: pa.Table, transform: Any, raw: pa.Table
) -> None:
    fn_args = args(examples, transform)
    assert fn_args.features == ("a", "n", "flag", "hot")
    x, y, w = fn_args.train.arrays()
    kept = np.array([k is not None for k in raw.column("kind").to_pylist()])
    assert fn_args.train.missing_labels == (~kept).sum() > 0
    assert (x.dtype, x.shape) == (np.float32, (kept.sum(), 5))
    expected = np.array([np.nan if v is None else v for v in raw.column("a").to_pylist()], np.float32)[kept]
    np.testing.assert_array_equal(x[:, 0], expected)
    np.testing.assert_array_equal(x[:, 1], raw.column("n").to_numpy()[kept])
    np.testing.assert_array_equal(x[:, 2], raw.column("flag").to_numpy()[kept])
    np.testing.assert_array_equal(x[:, 3:].sum(axis=1), 1.0)
    assert y.tolist() == [k for k in raw.column("kind").to_pylist() if k is not None]
    assert y.dtype == object
    assert w is not None
    np.testing.assert_array_equal(w, raw.column("weight").to_numpy()[kept].astype(np.float32))


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 150), st.integers(1, 150), st.integers(1, 5))
def test_blocks_shards_and_batches_change_no_bit(block_rows: int, batch_rows: int, shards: int) -> None:
    """Law: however the rows are cut, arrays are the same, and batches are the arrays cut by the batch size."""
    rng = np.random.default_rng(0)
    table = pa.table({"a": rng.normal(size=90).astype(np.float32), "y": pa.array([1, None, 0] * 30, pa.int64())})
    features = (RawFeature("a", "float32"),)
    from trueline.training import SplitData

    whole = SplitData(Dataset.from_table(table), features, RawFeature("y", "int64")).arrays()
    data = SplitData(Dataset.from_table(table, block_rows).deal(shards), features, RawFeature("y", "int64"))
    again = data.arrays()
    np.testing.assert_array_equal(whole.x, again.x)
    np.testing.assert_array_equal(whole.y, again.y)
    parts = list(data.batches(batch_rows))
    assert [len(p.y) for p in parts[:-1]] == [batch_rows] * (len(parts) - 1)
    assert 0 < len(parts[-1].y) <= batch_rows
    np.testing.assert_array_equal(np.concatenate([p.x for p in parts]), whole.x)
    np.testing.assert_array_equal(np.concatenate([p.y for p in parts]), whole.y)
    assert all(p.w is None for p in parts)


@pytest.mark.parametrize(("label", "dtype"), [("flag", "bool"), ("n", "int64"), ("a", "float32"), ("kind", "object")])
def test_labels_keep_their_type(examples: pa.Table, transform: Any, label: str, dtype: str) -> None:
    fn_args = args(examples, transform, label=label, features=["hot"])
    assert fn_args.train.arrays().y.dtype == np.dtype(dtype)
    assert not fn_args.train.table().column(label).null_count
    assert fn_args.train.table().column_names == ["__row__", "hot", label, "weight"]


def test_several_inputs(examples: pa.Table, transform: Any) -> None:
    x, y, _ = args(examples, transform).train.arrays({"ids": ["n"], "rest": ["hot", "a"]})
    assert {k: (v.dtype.name, v.shape) for k, v in x.items()} == {
        "ids": ("int64", (len(y), 1)),
        "rest": ("float32", (len(y), 3)),
    }
    with pytest.raises(ModelError, match=r"no feature 'hott'. Did you mean 'hot'"):
        args(examples, transform).train.arrays({"x": ["hott"]})


def test_wrong_names_are_told_all_at_once(examples: pa.Table, transform: Any) -> None:
    with pytest.raises(ModelError) as caught:
        args(examples, transform, label="knid", features=["a", "kind", "zz", "a"])
    assert len(caught.value.problems) == 4
    with pytest.raises(ModelError, match=r"no column 'hot'"):
        args(examples.drop_columns(["hot"]), transform)
    with pytest.raises(ModelError, match="batch of 0 rows"):
        next(args(examples, transform).train.batches(0))


class _Model:
    """Looks like a scikit-learn estimator by the name of its base."""


def _sklearn(fn_args: FnArgs) -> Any:
    from sklearn.linear_model import LogisticRegression

    x, y, w = fn_args.train.arrays()
    return LogisticRegression().fit(np.nan_to_num(x), y, sample_weight=w)


def test_a_bare_model_is_wrapped_and_a_fitted_kept(examples: pa.Table, transform: Any) -> None:
    pytest.importorskip("sklearn")
    fn_args = args(examples, transform)
    fitted = run_training(_sklearn, fn_args)
    assert isinstance(fitted, Fitted)
    kept = Fitted(fitted.model, {"x": ["n"]})
    assert run_training(lambda a: kept, fn_args) is kept


BAD = [
    pytest.param(lambda a: None, "returned None", id="none"),
    pytest.param(lambda a: "model", "returned a str", id="text"),
    pytest.param(lambda a: _Model, "returned the class _Model", id="class"),
    pytest.param(lambda a: Fitted(_Model()), "returned a _Model", id="unknown"),
    pytest.param("module:run_fn", "run_fn is 'module:run_fn'", id="name"),
]


@pytest.mark.parametrize(("run_fn", "message"), BAD)
def test_what_run_fn_must_return(examples: pa.Table, transform: Any, run_fn: Any, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        run_training(run_fn, args(examples, transform))


def test_inputs_that_name_no_feature_are_found_at_once(examples: pa.Table, transform: Any) -> None:
    pytest.importorskip("sklearn")
    with pytest.raises(ModelError, match="no feature 'kind'"):
        run_training(lambda a: Fitted(_sklearn(a), {"x": ["kind"]}), args(examples, transform))


def test_no_labelled_row_is_an_error_before_training(examples: pa.Table, transform: Any) -> None:
    empty = examples.set_column(
        examples.schema.get_field_index("kind"), "kind", pa.nulls(examples.num_rows, pa.string())
    )
    with pytest.raises(ModelError, match=f"'kind' is missing in all of {ROWS} rows"):
        run_training(lambda a: pytest.fail("was called"), args(empty, transform))


def _breaks(fn_args: FnArgs) -> Any:
    return {}["absent"]


def test_the_users_exception_keeps_its_traceback(examples: pa.Table, transform: Any) -> None:
    with pytest.raises(KeyError) as caught:
        run_training(_breaks, args(examples, transform))
    assert traceback.extract_tb(caught.value.__traceback__)[-1].name == "_breaks"


def test_seeds_reach_the_generators_and_are_put_back(examples: pa.Table, transform: Any) -> None:
    pytest.importorskip("sklearn")
    drawn = []

    def run_fn(fn_args: FnArgs) -> Any:
        drawn.append((random.random(), float(np.random.rand())))
        return _sklearn(fn_args)

    before = random.getstate()
    for seed in (4, 4, 5):
        run_training(run_fn, args(examples, transform, seed=seed))
    assert drawn[0] == drawn[1] != drawn[2]
    assert random.getstate() == before


def test_log_is_one_json_line_a_value(examples: pa.Table, transform: Any, tmp_path: Path) -> None:
    fn_args = args(examples, transform, working_dir=str(tmp_path / "w"))
    fn_args.log("loss", 0.5, 1)
    fn_args.log("loss", float("nan"), 2)
    fn_args.log("auc", np.float32(0.75))
    entries = read_metrics(str(tmp_path / "w"))
    assert [e["metric"] for e in entries] == ["loss", "loss", "auc"]
    assert [e["step"] for e in entries] == [1, 2, None]
    assert np.array_equal([e["value"] for e in entries], [0.5, np.nan, 0.75], equal_nan=True)
    lines = (tmp_path / "w" / "metrics.jsonl").read_text().splitlines()
    assert all(json.loads(line, parse_constant=pytest.fail) for line in lines)


def test_log_refuses_what_is_no_number_and_names_a_broken_line(tmp_path: Path) -> None:
    log = MetricLog(str(tmp_path))
    with pytest.raises(ModelError, match="'loss' was logged as 'low'"):
        log.log("loss", "low")  # type: ignore[arg-type]
    with pytest.raises(ModelError, match=r"at step 1\.5"):
        log.log("loss", 1.0, 1.5)  # type: ignore[arg-type]
    assert read_metrics(str(tmp_path)) == []
    log.log("loss", 1.0, 1)
    with open(tmp_path / "metrics.jsonl", "a") as handle:
        handle.write("{broken\n")
    with pytest.raises(ModelError, match=r"metrics\.jsonl line 2"):
        read_metrics(str(tmp_path))


def test_an_estimator_that_chokes_on_nan_is_told_which_features_have_some(examples: pa.Table, transform: Any) -> None:
    def fit(fn_args: FnArgs) -> Any:
        from sklearn.linear_model import LogisticRegression

        x, y, _ = fn_args.train.arrays()
        return LogisticRegression().fit(x, y)

    given = FnArgs.create(
        train=Dataset.from_table(examples), transform=transform, label="flag", features=["n", "a", "hot"]
    )
    with pytest.raises(ValueError, match="contains NaN") as caught:
        run_training(fit, given)
    (note,) = caught.value.__notes__
    assert note.startswith("Hint: these features have missing or NaN values: a; use tlt.fill_missing")
