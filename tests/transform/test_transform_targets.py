"""Target encoding, counts and rare categories: right values, no leak in training, the same in serving and in files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import trueline.transform as tlt
from trueline._core.errors import TransformError
from trueline._core.values import raw_feature_of
from trueline.engine import Dataset, LocalEngine
from trueline.transform.analysis import analyze
from trueline.transform.analyzers.inputs import Inputs, PlainColumn
from trueline.transform.analyzers.targets import TargetSums
from trueline.transform.folds import fold_of_rows
from trueline.transform.graph import Graph, ValueType
from trueline.transform.tracer import trace

Function = Callable[[Any], dict[str, Any]]


def traced(function: Function, table: pa.Table) -> Graph:
    return trace(function, [raw_feature_of(f) for f in table.schema if f.name != "__row__"])


def analysed(function: Function, table: pa.Table, **engine: Any) -> tlt.TransformOutput:
    return analyze(traced(function, table), Dataset.from_table(table), LocalEngine(**{"workers": 1, **engine}))


def with_rows(**columns: Any) -> pa.Table:
    count = len(next(iter(columns.values())))
    return pa.table({"__row__": pa.array(np.arange(count) + (3 << 40)), **columns})


def expected_value(rows: list[int], labels: list[float], prior: float, smoothing: float, min_count: int) -> float:
    if len(rows) < max(1, min_count):
        return prior
    return (sum(labels[i] for i in rows) + smoothing * prior) / (len(rows) + smoothing)


def brute_force(
    keys: list[Any], labels: list[Any], folds: list[int] | None, *, smoothing: float = 10.0, min_count: int = 1
) -> list[float | None]:
    """The encoding by hand: row by row over all rows, or over the rows of other folds."""
    valid = [i for i in range(len(keys)) if keys[i] is not None and labels[i] is not None and labels[i] == labels[i]]
    prior = sum(labels[i] for i in valid) / len(valid) if valid else 0.0
    often = Counter(keys[i] for i in valid)
    out: list[float | None] = []
    for i, key in enumerate(keys):
        rows = [j for j in valid if keys[j] == key and (folds is None or folds[j] != folds[i])]
        if often[key] < min_count:
            rows = []
        out.append(None if key is None else expected_value(rows, labels, prior, smoothing, min_count))
    return out


KEYS = st.none() | st.sampled_from(["a", "b", "Ä", "", "x\ny"])
LABELS = st.none() | st.integers(-3, 3).map(float) | st.just(float("nan"))


@given(st.lists(st.tuples(KEYS, LABELS), min_size=1, max_size=40), st.integers(0, 2), st.integers(1, 3))
@settings(max_examples=25, deadline=None)
def test_encoding_by_hand(rows: list[tuple[Any, Any]], smoothing: int, min_count: int) -> None:
    """Missing keys stay missing, rows without a label or with NaN do not count; in serving and in training."""
    keys, labels = [k for k, _ in rows], [v for _, v in rows]
    table = with_rows(k=pa.array(keys, pa.string()), y=pa.array(labels, pa.float64(), from_pandas=False))

    def preprocessing(x: Any) -> dict[str, Any]:
        return {"e": tlt.target_encode(x["k"], x["y"], smoothing=smoothing, folds=3, seed=5, min_count=min_count)}

    output = analysed(preprocessing, table)
    folds = fold_of_rows(table["__row__"].to_numpy(), 3, 5).tolist()
    for training, own in ((False, None), (True, folds)):
        wanted = brute_force(keys, labels, own, smoothing=smoothing, min_count=min_count)
        for found in (output.transform(table, training=training), output.oracle(table, training=training)):
            got = found.column("e").to_pylist()
            assert [v is None for v in got] == [v is None for v in wanted]
            assert [v for v in got if v is not None] == pytest.approx([v for v in wanted if v is not None], abs=1e-6)


@pytest.fixture(scope="module")
def noise() -> pa.Table:
    """A key of its own for each row, and a label that nothing tells."""
    rng = np.random.default_rng(11)
    count = 4000
    return with_rows(k=pa.array([f"key {i}" for i in range(count)]), y=pa.array(rng.integers(0, 2, count)))


@pytest.mark.parametrize("smoothing", [0.0, 10.0])
def test_training_rows_do_not_see_their_label(noise: pa.Table, smoothing: float) -> None:
    """In-fold encodings tell the label outright; out of fold there is nothing to tell, not even the fold's mean."""
    output = analysed(lambda x: {"e": tlt.target_encode(x["k"], x["y"], smoothing=smoothing)}, noise)
    label = noise["y"].to_numpy()
    leaking = output.transform(noise)["e"].to_numpy()
    assert np.corrcoef(leaking, label)[0, 1] == pytest.approx(1.0)
    apart = output.transform(noise, training=True)["e"].to_numpy()
    assert set(apart.tolist()) == {np.float32(label.mean())}


def test_a_model_on_rare_keys_learns_no_noise() -> None:
    """Five rows a key: in training the correlation with pure noise is about 0, in the full table it is large."""
    rng = np.random.default_rng(3)
    table = with_rows(k=pa.array(np.repeat(np.arange(1000), 5)), y=pa.array(rng.normal(size=5000)))
    output = analysed(lambda x: {"e": tlt.target_encode(x["k"], x["y"], smoothing=1.0)}, table)
    label = table["y"].to_numpy()
    assert np.corrcoef(output.transform(table)["e"].to_numpy(), label)[0, 1] > 0.4
    assert abs(np.corrcoef(output.transform(table, training=True)["e"].to_numpy(), label)[0, 1]) < 0.05


def test_a_real_effect_is_found_in_training_too() -> None:
    rng = np.random.default_rng(4)
    key = rng.integers(0, 4, 4000)
    table = with_rows(k=pa.array(key), y=pa.array((rng.random(4000) < key / 4).astype(np.int64)))
    output = analysed(lambda x: {"e": tlt.target_encode(x["k"], x["y"])}, table)
    found = output.transform(table, training=True)["e"].to_numpy()
    assert [found[key == k].mean() for k in range(4)] == pytest.approx([0.0, 0.25, 0.5, 0.75], abs=0.04)


def test_serving_takes_the_full_table_and_asks_for_no_fold(noise: pa.Table) -> None:
    """No signature, feed, dependence or ONNX input knows folds or row ids; an unknown key has the prior."""
    output = analysed(lambda x: {"e": tlt.target_encode(x["k"], x["y"])}, noise)
    assert [f.name for f in output.raw_features()] == ["k"]
    assert [f.name for f in output.feeds().features] == ["k"]
    assert output.depends("e") == {"k"}
    assert output.path("e", "k") == ["k", "target_encode(k, y)", "e"]
    assert {i.name for i in output.to_onnx().graph.input} == {"k", "k:present"}
    served = output.transform(pa.table({"k": ["never seen", "key 7", None]}))["e"].to_pylist()
    prior = float(np.mean(noise["y"].to_numpy()))
    assert served[0] == pytest.approx(prior)
    assert served[1] == pytest.approx((noise["y"][7].as_py() + 10 * prior) / 11)
    assert served[2] is None


def test_training_without_row_ids_is_an_error(noise: pa.Table) -> None:
    output = analysed(lambda x: {"e": tlt.target_encode(x["k"], x["y"])}, noise)
    with pytest.raises(TransformError, match="__row__"):
        output.transform(noise.drop_columns(["__row__"]), training=True)
    with pytest.raises(TransformError, match="__row__"):
        analysed(lambda x: {"e": tlt.target_encode(x["k"], x["y"])}, noise.drop_columns(["__row__"]))


def test_without_target_encoding_training_is_the_same() -> None:
    """No row ids are asked for either."""
    table = pa.table({"x": [1.0, 2.0, 4.0]})
    output = analysed(lambda x: {"z": tlt.scale_to_z_score(x["x"])}, table)
    assert output.training_graph is output.graph
    assert output.transform(table, training=True).equals(output.transform(table))


def test_later_analyzers_see_what_training_sees(noise: pa.Table) -> None:
    """The mean that centres the encoding is the mean of the out-of-fold values."""
    rng = np.random.default_rng(6)
    table = with_rows(k=pa.array(rng.integers(0, 50, 3000)), y=pa.array(rng.normal(size=3000)))

    def preprocessing(x: Any) -> dict[str, Any]:
        encoded = tlt.target_encode(x["k"], x["y"], smoothing=0)
        return {"e": encoded, "z": tlt.scale_to_z_score(encoded)}

    output = analysed(preprocessing, table)
    found = output.transform(table, training=True)
    apart = found["e"].to_numpy().astype(np.float64)
    assert found["z"].to_numpy() == pytest.approx((apart - apart.mean()) / apart.std(), abs=1e-4)


def test_several_classes() -> None:
    """One place for each class; each is the encoding of "the label is this class"."""
    rng = np.random.default_rng(8)
    keys, labels = rng.choice(["a", "b", "c"], 300), rng.choice(["red", "green", "blue"], 300)
    table = with_rows(k=pa.array(keys), y=pa.array(labels))
    colours = ["red", "green", "blue"]

    def preprocessing(x: Any) -> dict[str, Any]:
        one = tlt.target_encode(x["k"], tlt.where(x["y"] == "green", 1.0, 0.0), name="one")
        return {"all": tlt.target_encode(x["k"], x["y"], classes=colours), "green": one}

    output = analysed(preprocessing, table)
    for training in (False, True):
        found = output.transform(table, training=training)
        vectors = np.array(found["all"].to_pylist())
        assert vectors.shape == (300, 3)
        assert vectors.sum(axis=1) == pytest.approx(1.0, abs=1e-6)
        assert vectors[:, 1].tolist() == found["green"].to_pylist()


def test_lists_encode_each_element() -> None:
    table = with_rows(k=[["a", "b"], [], ["a"], None], y=[1, 5, 3, 2])
    output = analysed(lambda x: {"e": tlt.target_encode(x["k"], x["y"], smoothing=0, prior=-1.0)}, table)
    assert output.transform(table)["e"].to_pylist() == [[2.0, 1.0], [], [2.0], None]
    folds = fold_of_rows(table["__row__"].to_numpy(), 5, 0)
    assert folds[0] != folds[2]
    assert output.transform(table, training=True)["e"].to_pylist() == [[3.0, -1.0], [], [1.0], None]


def test_saved_and_loaded(noise: pa.Table, tmp_path: Any) -> None:
    """Keys of any text come back; both graphs give the same bits."""
    rng = np.random.default_rng(9)
    table = with_rows(k=pa.array(rng.choice(["", "a\nb", "ü", "x"], 500)), y=pa.array(rng.normal(size=500)))
    output = analysed(lambda x: {"e": tlt.target_encode(x["k"], x["y"], min_count=2)}, table)
    output.save(str(tmp_path))
    loaded = tlt.TransformOutput.load(str(tmp_path))
    assert loaded.content_hash == output.content_hash
    assert loaded.vocabulary_by_name("target_k") == ["", "a\nb", "x", "ü"]
    for training in (False, True):
        assert loaded.transform(table, training=training).equals(output.transform(table, training=training))


def test_same_bits_for_any_shards_and_workers() -> None:
    """Float labels: the sums are taken in one fixed order."""
    rng = np.random.default_rng(10)
    table = with_rows(k=pa.array(rng.choice(list("abcdef"), 4000)), y=pa.array(rng.normal(size=4000)))
    graph = traced(lambda x: {"e": tlt.target_encode(x["k"], x["y"])}, table)
    whole = Dataset.from_table(table, block_rows=300)
    hashes = {
        analyze(graph, whole.deal(shards), LocalEngine(workers=workers)).content_hash
        for shards, workers in ((1, 1), (7, 3), (3, 1), (1, 4))
    }
    assert len(hashes) == 1


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(-5, 5)), max_size=60), st.integers(0, 60))
@settings(max_examples=40, deadline=None)
def test_state_merges_exactly(rows: list[tuple[str, int]], cut: int) -> None:
    def state_of(part: list[tuple[str, int]], first: int) -> TargetSums:
        made = TargetSums([ValueType("utf8"), ValueType("float64")], {"folds": 4, "seed": 1})
        keys, labels = pa.array([k for k, _ in part], pa.string()), pa.array([float(v) for _, v in part], pa.float64())
        ids = np.arange(first, first + len(part))
        made.update(Inputs([PlainColumn(keys), PlainColumn(labels)], row_ids=ids))
        return made

    whole, left, right = state_of(rows, 0), state_of(rows[:cut], 0), state_of(rows[cut:], len(rows[:cut]))
    left.merge(right)
    again = TargetSums([ValueType("utf8"), ValueType("float64")], {"folds": 4, "seed": 1})
    again.restore(*left.parts())
    for other in (left, again):
        mine, theirs = whole.kept(1), other.kept(1)
        assert mine[0].equals(theirs[0])
        np.testing.assert_array_equal(mine[1], theirs[1])
        np.testing.assert_array_equal(mine[2], theirs[2])


def test_folds_are_even_and_belong_to_the_row() -> None:
    ids = np.arange(30_000) + (2 << 40)
    folds = fold_of_rows(ids, 5, 1)
    assert np.bincount(folds, minlength=5) == pytest.approx([6000] * 5, rel=0.05)
    np.testing.assert_array_equal(fold_of_rows(ids[::-1], 5, 1), folds[::-1])
    assert (fold_of_rows(ids, 5, 2) == folds).mean() == pytest.approx(0.2, abs=0.02)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"smoothing": -1.0}, "smoothing must be a number of at least 0"),
        ({"smoothing": float("inf")}, "smoothing must be a number"),
        ({"folds": 1}, "folds must lie between 2 and 1000"),
        ({"min_count": 0}, "min_count must be at least 1"),
        ({"prior": "median"}, "prior must be 'mean' or a number"),
        ({"prior": float("nan")}, "prior must be finite"),
        ({"classes": ["a"]}, "at least two different values"),
    ],
)
def test_wrong_arguments_are_named_at_the_users_line(arguments: dict[str, Any], message: str) -> None:
    table = pa.table({"k": ["a"], "y": [1.0]})
    with pytest.raises(TransformError, match=rf"test_transform_targets.py.*{message}"):
        traced(lambda x: {"e": tlt.target_encode(x["k"], x["y"], **arguments)}, table)


def test_columns_that_cannot_be_encoded() -> None:
    table = pa.table({"k": ["a"], "y": ["b"], "f": [0.5]})
    with pytest.raises(TransformError, match=r"(?s)'f' \(float64, may be missing\) has no categories.*bucketize"):
        traced(lambda x: {"e": tlt.target_encode(x["f"], x["f"])}, table)
    with pytest.raises(TransformError, match=r"(?s)needs a label of one number a row.*classes"):
        traced(lambda x: {"e": tlt.target_encode(x["k"], x["y"])}, table)


WORDS = st.lists(st.none() | st.sampled_from(["a", "b", "c", "", "é\n"]), min_size=1, max_size=50)


@given(WORDS, st.integers(0, 8), st.integers(0, 4))
@settings(max_examples=20, deadline=None)
def test_rare_values_become_one(words: list[str | None], min_count: int, top_k: int) -> None:
    table = pa.table({"k": pa.array(words, pa.string())})
    counts = Counter(w for w in words if w is not None)
    order = sorted(counts, key=lambda w: (counts[w], w.encode()), reverse=True)
    kept = [w for w in order if counts[w] >= min_count][:top_k]
    output = analysed(lambda x: {"g": tlt.group_rare(x["k"], min_count=min_count, top_k=top_k, other="?")}, table)
    expected = [w if w is None or w in kept else "?" for w in words]
    assert output.transform(table)["g"].to_pylist() == expected
    assert output.transform(pa.table({"k": ["never seen", None]}))["g"].to_pylist() == ["?", None]


def test_rare_by_share_and_integers_and_lists() -> None:
    table = pa.table({"i": [[1, 1, 2], [1, 3], [], None]})
    output = analysed(lambda x: {"g": tlt.group_rare(x["i"], min_fraction=0.5, other=-1)}, table)
    assert output.transform(table)["g"].to_pylist() == [[1, 1, -1], [1, -1], [], None]


def test_rare_needs_a_limit_and_a_fitting_token() -> None:
    table = pa.table({"i": [1]})
    with pytest.raises(TransformError, match="needs min_count, min_fraction or top_k"):
        traced(lambda x: {"g": tlt.group_rare(x["i"])}, table)
    with pytest.raises(TransformError, match="cannot hold '__other__'"):
        traced(lambda x: {"g": tlt.group_rare(x["i"], min_count=2)}, table)
    with pytest.raises(TransformError, match="between 0 and 1"):
        traced(lambda x: {"g": tlt.group_rare(x["i"], min_fraction=1.5, other=0)}, table)


@given(WORDS)
@settings(max_examples=20, deadline=None)
def test_counts_are_exact(words: list[str | None]) -> None:
    table = pa.table({"k": pa.array(words, pa.string())})
    counts = Counter(w for w in words if w is not None)

    def preprocessing(x: Any) -> dict[str, Any]:
        return {"n": tlt.count_encode(x["k"]), "p": tlt.count_encode(x["k"], normalize=True)}

    output = analysed(preprocessing, table)
    found = output.transform(table)
    assert found["n"].to_pylist() == [None if w is None else counts[w] for w in words]
    shares = [np.float32(counts[w] / counts.total()) for w in words if w is not None]
    assert [p for p in found["p"].to_pylist() if p is not None] == shares
    assert output.transform(pa.table({"k": ["never seen"]})).to_pylist() == [{"n": 0, "p": 0.0}]
