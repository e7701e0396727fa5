"""Covariance and principal components: values, laws of the state, accuracy far from zero, the same bits everywhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import trueline.transform as tlt
from trueline._core.errors import TransformError
from trueline._core.values import raw_feature_of
from trueline.engine import Dataset, LocalEngine
from trueline.engine.state import pack_state, unpack_state
from trueline.transform.analysis import analyze
from trueline.transform.analyzers.covariance import Covariance, principal_components

ROWS = arrays(np.float64, st.tuples(st.integers(0, 12), st.just(3)), elements=st.floats(-1e6, 1e6))


def state_of(rows: Any) -> Covariance:
    state = Covariance(3)
    state.update(np.asarray(rows, np.float64).reshape(-1, 3))
    return state


def vectors(rows: Any, **more: Any) -> pa.Table:
    rows = np.asarray(rows, np.float64)
    flat = pa.array(rows.ravel())
    return pa.table({"v": pa.FixedSizeListArray.from_arrays(flat, rows.shape[1]), **more})


def found_of(table: pa.Table, function: Any, block_rows: int = 65_536, workers: int = 1) -> dict[str, Any]:
    graph = tlt.trace(function, [raw_feature_of(f) for f in table.schema])
    output = analyze(graph, Dataset.from_table(table, block_rows), LocalEngine(workers=workers))
    return {output.traced.nodes[i].op.removeprefix("analyze."): v for i, v in output.findings.items()}


def outputs(x: Any) -> dict[str, Any]:
    return {"c": tlt.covariance(x["v"]), "p": tlt.pca(x["v"], 2)}


@given(ROWS, ROWS, ROWS)
@settings(max_examples=60, deadline=None)
def test_merging_equals_one_pass_to_rounding(a: Any, b: Any, c: Any) -> None:
    """Any grouping of blocks: counts exactly, sums of products within rounding of the largest product."""
    whole = state_of(np.concatenate([a, b, c]))
    left, right = state_of(a), state_of(b)
    left.merge(state_of(b))
    left.merge(state_of(c))
    right.merge(state_of(c))
    other = state_of(a)
    other.merge(right)
    bound = 1e-12 * max(1.0, float(np.abs(np.concatenate([a, b, c])).max(initial=0.0)) ** 2) * max(whole.count, 1)
    for merged in (left, other):
        assert merged.count == whole.count
        assert np.abs(merged.products - whole.products).max() <= bound


@given(ROWS)
@settings(max_examples=40, deadline=None)
def test_empty_is_neutral_and_bytes_come_back(rows: Any) -> None:
    state = state_of(rows)
    before = pack_state("c", 1, *state.parts())
    state.merge(Covariance(3))
    empty = Covariance(3)
    empty.merge(state)
    for same in (state, empty):
        assert pack_state("c", 1, *same.parts()) == before
    loaded = Covariance(3)
    loaded.restore(*unpack_state(before, "c", 1)[1:])
    assert pack_state("c", 1, *loaded.parts()) == before


def test_equals_numpy() -> None:
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(4_000, 4)) @ rng.normal(size=(4, 4))
    found = found_of(vectors(rows), outputs, block_rows=300)
    np.testing.assert_allclose(found["covariance"], np.cov(rows.T, ddof=0), rtol=1e-12, atol=1e-14)
    components = np.array(found["pca"])
    values = np.linalg.eigvalsh(np.cov(rows.T, ddof=0))[::-1]
    np.testing.assert_allclose(components.T @ components, np.eye(2), atol=1e-13)
    np.testing.assert_allclose(np.array(found["covariance"]) @ components, components * values[:2], atol=1e-12)
    assert (components[np.abs(components).argmax(axis=0), [0, 1]] > 0.0).all()


def test_an_offset_costs_no_digit() -> None:
    """At 1e8 the formula E[xx] - E[x]E[x] has no right digit left; the merged state keeps nine and more."""
    rng = np.random.default_rng(3)
    near = rng.normal(size=(5_000, 2))
    far = near + 1e8
    exact = np.cov((far - 1e8).T, ddof=0)
    naive = (far.T @ far) / len(far) - np.multiply.outer(far.mean(axis=0), far.mean(axis=0))
    found = np.array(found_of(vectors(far), lambda x: {"c": tlt.covariance(x["v"])}, block_rows=100)["covariance"])
    assert np.abs(naive - exact).max() > 0.1
    np.testing.assert_allclose(found, exact, rtol=1e-9, atol=1e-9)


def test_a_nan_leaves_out_its_row_alone() -> None:
    rows = np.array([[1.0, 2.0], [np.nan, 5.0], [3.0, 1.0], [np.inf, 0.0]])
    found = found_of(vectors(rows), lambda x: {"c": tlt.covariance(x["v"])})
    np.testing.assert_allclose(found["covariance"], np.cov(rows[[0, 2]].T, ddof=0), atol=1e-15)


def test_of_no_rows_zeros_and_the_unit_matrix() -> None:
    found = found_of(vectors(np.zeros((0, 3))), outputs)
    assert found["covariance"] == [[0.0] * 3] * 3
    assert found["pca"] == [[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]


def test_same_bits_for_any_shards_and_workers() -> None:
    table = vectors(np.random.default_rng(4).normal(size=(3_000, 3)) * 1e3)
    graph = tlt.trace(outputs, [raw_feature_of(f) for f in table.schema])
    whole = Dataset.from_table(table, 250)
    runs = [analyze(graph, whole.deal(s), LocalEngine(workers=w)) for s, w in ((1, 1), (5, 4), (2, 3))]
    assert len({run.content_hash for run in runs}) == 1


def test_tables_stand_in_every_row_as_outputs() -> None:
    table = vectors([[0.0, 0.0, 1.0], [4.0, 0.0, 1.0], [2.0, -1.0, 1.0], [2.0, 1.0, 1.0]])
    out, _ = tlt.analyze_and_transform(table, outputs, engine=LocalEngine(workers=1))
    assert out["c"].to_pylist() == [[2.0, 0.0, 0.0, 0.0, 0.5, 0.0, 0.0, 0.0, 0.0]] * 4
    assert out["p"].to_pylist() == [[1.0, 0.0, 0.0, 1.0, 0.0, 0.0]] * 4


def test_the_sign_does_not_hang_on_rounding() -> None:
    """Two entries of equal size: the first decides, though rounding made the other larger by an ulp."""
    angle = np.array([[1.0, 1.0], [-1.0, 1.0]]) / np.sqrt(2.0)
    matrix = angle.T @ np.diag([3.0, 1.0]) @ angle
    for noise in (0.0, 1e-16, -1e-16):
        found = principal_components(matrix + noise * np.array([[1.0, 0.0], [0.0, -1.0]]), 2)
        assert (found[0] > 0.0).all()


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: tlt.covariance(x["l"]), "it takes vectors"),
        (lambda x: tlt.pca(x["v"], 4), "output_dim must be from 1 to the vectors' length 3"),
        (lambda x: tlt.covariance(x["s"]), "it takes one column of float64, not utf8"),
        (lambda x: tlt.covariance(x["v"], dtype="int64"), "dtype must be a float type"),
    ],
)
def test_wrong_uses_are_told_at_the_users_line(function: Any, message: str) -> None:
    table = vectors(np.zeros((1, 3)), l=pa.array([[1.0]]), s=pa.array(["a"]))
    with pytest.raises(TransformError, match=message) as error:
        found_of(table, lambda x: {"y": function(x)})
    assert "test_transform_covariance.py" in str(error.value)
