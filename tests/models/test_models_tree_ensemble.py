"""The writer of tree ensembles: every float32 value takes the branch that the arrays say, whatever the batch."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx.reference import ReferenceEvaluator
from tree_cases import run

from trueline._core.runtime import make_session
from trueline.models.exporters.tree_ensemble import Ensemble, ensemble_graph
from trueline.models.exporters.tree_ensemble_links import LINKS, finished_model
from trueline.models.exporters.tree_ensemble_nodes import Pieces, Tree, constant_tree, integer_pieces
from trueline.models.exporters.tree_ensemble_parts import in_two_parts, largest_sum

ROOT = Path(__file__).parents[2]
RUNTIME = ROOT / ".venvs" / "web" / "node_modules" / "onnxruntime-web" / "dist" / "ort.node.min.mjs"
NODE = shutil.which("node")
BESIDE = [0.0, -0.0, np.nan, np.inf, -np.inf, 1e-45, -1e-45, 3.4028235e38, -3.4028235e38]


def model_of(ensemble: Ensemble, width: int, output: Any = "prediction", link: str = "identity") -> onnx.ModelProto:
    nodes, initializers = ensemble_graph(ensemble, "x")
    return finished_model(
        nodes,
        initializers,
        source="x",
        width=width,
        outputs=len(ensemble.base),
        link=link,
        slope=1.0,
        output=output,
    )


def goes_left(tree: Tree, node: int, value: float, strict: bool) -> bool:
    """The oracle: where a value goes, by the meaning of the arrays and in float64."""
    if np.isnan(value):
        return bool(tree.missing_left[node])
    pieces = tree.pieces.get(node, Pieces((float(tree.threshold[node]),), True))
    below = sum(value >= b if strict else value > b for b in pieces.bounds)
    return (below % 2 == 0) == pieces.first_left


def walked(ensemble: Ensemble, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """The oracle: sums of leaves ``[N, outputs]``, in the precision of the ensemble."""
    dtype = np.float32 if ensemble.single else np.float64
    sums = np.tile(np.array(ensemble.base, dtype), (len(x), 1))
    for tree in ensemble.trees:
        for i, row in enumerate(x):
            node = 0
            while tree.feature[node] != -1:
                left = goes_left(tree, node, float(row[tree.feature[node]]), ensemble.strict)
                node = int((tree.left if left else tree.right)[node])
            sums[i, list(tree.outputs)] += tree.values[node].astype(dtype)
    return sums.astype(np.float64)


def drawn_tree(rng: np.random.Generator, outputs: int, single: bool, depth: int = 3, width: int = 2) -> Tree:
    """A complete tree with ordinary splits and sets; float64 thresholds beside float32 values."""
    count = 2 ** (depth + 1) - 1
    ids = np.arange(count)
    leaf = 2 * ids + 2 >= count
    near = np.round(rng.normal(size=(count, 3)), 1).astype(np.float32).astype(np.float64)
    exact = near if single else near + rng.choice([0.0, 1e-12, -1e-12, 1e-9], near.shape)
    pieces = {
        int(n): Pieces(tuple(sorted(set(exact[n].tolist()))), bool(rng.random() < 0.5))
        for n in ids[~leaf]
        if rng.random() < 0.4
    }
    return Tree(
        feature=np.where(leaf, -1, rng.integers(0, width, count)),
        threshold=exact[:, 0],
        left=np.where(leaf, 0, 2 * ids + 1),
        right=np.where(leaf, 0, 2 * ids + 2),
        missing_left=rng.random(count) < 0.5,
        values=rng.normal(size=(count, outputs)),
        outputs=tuple(range(outputs)),
        pieces=pieces,
    )


def values_beside(trees: tuple[Tree, ...], rng: np.random.Generator, count: int = 300) -> npt.NDArray[np.float32]:
    """Rows of bounds and the float32 numbers on their two sides."""
    bounds = [b for t in trees for b in [*t.threshold.tolist(), *(b for p in t.pieces.values() for b in p.bounds)]]
    at = np.array(bounds).astype(np.float32)
    pool = np.concatenate([at, np.nextafter(at, np.float32(np.inf)), np.nextafter(at, np.float32(-np.inf))])
    return rng.choice(np.concatenate([pool, np.array(BESIDE, np.float32)]), (count, 2)).astype(np.float32)


@given(seed=st.integers(0, 2**32 - 1), strict=st.booleans(), single=st.booleans(), outputs=st.integers(1, 3))
@settings(max_examples=40, deadline=None)
def test_every_value_takes_the_branch_that_the_arrays_say(seed: int, strict: bool, single: bool, outputs: int) -> None:
    rng = np.random.default_rng(seed)
    trees = tuple(drawn_tree(rng, outputs, single) for _ in range(3))
    ensemble = Ensemble(trees, tuple(rng.normal(size=outputs).astype(np.float32).tolist()), strict, single)
    x = values_beside(trees, rng)
    nodes, _ = ensemble_graph(ensemble, "x")
    assert nodes[-1].op_type == "TreeEnsembleRegressor"
    made = model_of(ensemble, 2, "prediction" if outputs == 1 else "probabilities")
    found = run(made, x).reshape(len(x), outputs)
    expected = walked(ensemble, x)
    if single:
        np.testing.assert_array_equal(found, expected.astype(np.float32))
    else:
        np.testing.assert_allclose(found, expected, rtol=6e-8, atol=1e-9)


@given(threshold=st.floats(-1e30, 1e30), strict=st.booleans())
@settings(max_examples=60, deadline=None)
def test_no_float32_crosses_a_float64_threshold(threshold: float, strict: bool) -> None:
    tree = Tree(
        np.array([0, -1, -1]),
        np.array([threshold, 0.0, 0.0]),
        np.array([1, 0, 0]),
        np.array([2, 0, 0]),
        np.zeros(3, bool),
        np.array([[0.0], [1.0], [2.0]]),
    )
    at = np.float32(threshold)
    x = np.array([at, np.nextafter(at, np.float32(np.inf)), np.nextafter(at, np.float32(-np.inf))], np.float32)
    session = make_session(model_of(Ensemble((tree,), strict=strict), 1).SerializeToString())
    wide = x.astype(np.float64)
    left = wide < threshold if strict else wide <= threshold
    assert session.run(None, {"x": x[:, None]})[0].tolist() == np.where(left, 1.0, 2.0).tolist()


@given(
    members=st.sets(st.integers(0, 130), min_size=1, max_size=90),
    inside_left=st.booleans(),
    strict=st.booleans(),
    from_minus_one=st.booleans(),
    missing_left=st.booleans(),
)
@settings(max_examples=40, deadline=None)
def test_sets_of_categories_hold_their_members_alone(
    members: set[int], inside_left: bool, strict: bool, from_minus_one: bool, missing_left: bool
) -> None:
    pieces = integer_pieces(sorted(members), inside_left, strict, from_minus_one)
    tree = Tree(
        np.array([0, -1, -1]),
        np.zeros(3),
        np.array([1, 0, 0]),
        np.array([2, 0, 0]),
        np.array([missing_left, False, False]),
        np.array([[0.0], [1.0], [2.0]]),
        pieces={0: pieces},
    )
    whole = np.arange(-3, 134, dtype=np.float32)
    x = np.concatenate([whole, np.nextafter(whole, np.float32(-np.inf)), whole + np.float32(0.5), BESIDE, [1e20]])
    x = x.astype(np.float32)
    inside = np.array([v == v and (v > -1 if from_minus_one else v >= 0) and int(min(v, 1e6)) in members for v in x])
    left = np.where(np.isnan(x), missing_left, inside == inside_left)
    session = make_session(model_of(Ensemble((tree,), strict=strict), 1).SerializeToString())
    assert session.run(None, {"x": x[:, None]})[0].tolist() == np.where(left, 1.0, 2.0).tolist()


def set_tree(members: list[int], feature: int = 0) -> Tree:
    """One split by a set; 1 for members, 2 for others."""
    nodes = np.array([feature, -1, -1])
    children = np.array([1, 0, 0]), np.array([2, 0, 0])
    pieces = integer_pieces(members, inside_left=True, strict=False, from_minus_one=True)
    leaves = np.array([[0.0], [1.0], [2.0]])
    return Tree(nodes, np.zeros(3), *children, np.zeros(3, bool), leaves, pieces={0: pieces})


def test_a_set_of_twenty_thousand_runs_is_read_and_searched() -> None:
    """As a chain it would be so deep that ONNX Runtime, which reads trees by recursion, would crash."""
    session = make_session(model_of(Ensemble((set_tree(list(range(0, 40_000, 2))),)), 1).SerializeToString())
    x = np.arange(-5, 40_010, dtype=np.float32)
    expected = np.where((x >= 0) & (x < 40_000) & (x % 2 == 0), 1.0, 2.0)
    np.testing.assert_array_equal(session.run(None, {"x": x[:, None]})[0], expected)


@pytest.mark.parametrize("sets", [False, True])
def test_the_reference_implementation_of_onnx_reads_it_alike(sets: bool) -> None:
    """In single precision: the reference does not know double thresholds."""
    rng = np.random.default_rng(8)
    trees = tuple(drawn_tree(rng, 1, True) for _ in range(3))
    if sets:
        pieces = integer_pieces([0, 2, 4, 9, 11, 30, 32, 34, 36], True, strict=True, from_minus_one=False)
        trees = (replace(set_tree([0]), pieces={0: pieces}), *trees)
    made = model_of(Ensemble(trees, (0.5,), strict=True, single=True), 2)
    x = values_beside(trees, rng)
    np.testing.assert_array_equal(ReferenceEvaluator(made).run(None, {"x": x})[0], run(made, x))


def test_an_ensemble_without_trees_and_one_of_leaves_alone_give_their_base() -> None:
    x = np.array([[1.0], [np.nan]], np.float32).repeat(20, 0)
    for single in (False, True):
        assert set(run(model_of(Ensemble((), (1.5,), single=single), 1), x).tolist()) == {1.5}
        leaves = Ensemble((constant_tree(0.25), constant_tree(2.0)), (1.5,), single=single)
        assert set(run(model_of(leaves, 1), x).tolist()) == {3.75}


def test_double_sums_keep_what_float32_sums_lose() -> None:
    parts = tuple(constant_tree(1e-4) for _ in range(1000))
    x = np.zeros((36, 1), np.float32)
    double = run(model_of(Ensemble(parts, (1000.0,)), 1), x)[0]
    single = run(model_of(Ensemble(parts, (1000.0,), single=True), 1), x)[0]
    assert double == np.float32(1000.1)
    assert single == sum([np.float32(1e-4)] * 1000, np.float32(1000.0)) != double


def test_what_cannot_be_written_is_refused() -> None:
    with pytest.raises(ValueError, match="bounds must ascend"):
        Pieces((1.0, 1.0), True)
    with pytest.raises(ValueError, match="bounds must ascend"):
        Pieces((), True)
    rng = np.random.default_rng(0)
    tree = replace(drawn_tree(rng, 1, True), threshold=np.full(15, 0.1), pieces={})
    with pytest.raises(ValueError, match="no float32"):
        ensemble_graph(Ensemble((tree,), single=True), "x")


ORACLES = {
    "identity": lambda r: r,
    "sigmoid": lambda r: 1 / (1 + np.exp(-r)),
    "softmax": lambda r: np.exp(r) / np.exp(r).sum(axis=1, keepdims=True),
    "exp": np.exp,
    "signed_square": lambda r: np.sign(r) * r * r,
    "log1p_exp": lambda r: np.log1p(np.exp(r)),
}


@pytest.mark.parametrize("link", sorted(ORACLES))
@pytest.mark.parametrize("outputs", [1, 3])
def test_links_are_what_their_names_say(link: str, outputs: int) -> None:
    rng = np.random.default_rng(3)
    trees = tuple(drawn_tree(rng, outputs, False) for _ in range(4))
    x = values_beside(trees, rng)
    ensemble = Ensemble(trees, (0.5,) * outputs)
    made = model_of(ensemble, 2, "prediction" if outputs == 1 else "probabilities", link)
    expected = ORACLES[link](walked(ensemble, x))
    np.testing.assert_allclose(run(made, x).reshape(-1, outputs), expected, rtol=1e-6, atol=1e-7)


def test_every_link_has_its_test() -> None:
    assert set(LINKS) == set(ORACLES) | {"softmax_of_parts"}


@given(seed=st.integers(0, 2**32 - 1), scale=st.sampled_from([1.0, 300.0, 1e6]))
@settings(max_examples=20, deadline=None)
def test_large_sums_keep_their_differences_for_softmax(seed: int, scale: float) -> None:
    """Three outputs whose sums are large and nearly equal: float32 sums would lose what softmax asks for."""
    rng = np.random.default_rng(seed)
    small = tuple(drawn_tree(rng, 3, False) for _ in range(4))
    shift = Tree(np.array([-1]), np.zeros(1), *[np.zeros(1, np.int64)] * 2, np.zeros(1, bool), np.full((1, 3), scale))
    ensemble = Ensemble((*small, replace(shift, outputs=(0, 1, 2))), (0.1, -scale / 3, -scale / 3))
    parts = in_two_parts(ensemble)
    assert len(parts.base) == 6
    x = values_beside(small, rng)
    sums = walked(ensemble, x)
    assert np.abs(sums).max() <= largest_sum(ensemble)
    raw = run(model_of(parts, 2, "probabilities"), x).astype(np.float64)
    np.testing.assert_allclose(raw[:, :3] + raw[:, 3:], sums, rtol=0, atol=scale * 2.0**-40)
    nodes, initializers = ensemble_graph(parts, "x")
    given_names = {"source": "x", "width": 2, "outputs": 3, "slope": 1.0}
    made = finished_model(nodes, initializers, link="softmax_of_parts", output="probabilities", **given_names)
    shifted = np.exp(sums - sums.max(axis=1, keepdims=True))
    np.testing.assert_allclose(run(made, x), shifted / shifted.sum(axis=1, keepdims=True), rtol=1e-6, atol=1e-7)


@pytest.mark.slow
@pytest.mark.skipif(NODE is None, reason="NOT TESTED HERE: no node; install Debian's package nodejs")
@pytest.mark.skipif(not RUNTIME.exists(), reason="NOT TESTED HERE: no onnxruntime-web; run scripts/web_env.sh")
@pytest.mark.parametrize("single", [False, True])
def test_the_browsers_runtime_gives_the_same_bits(single: bool, tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    trees = tuple(drawn_tree(rng, 1, single, depth=5) for _ in range(20))
    sets = () if single else (set_tree(list(range(0, 400, 2))), set_tree([1, 2, 9, 40], 1))
    made = model_of(Ensemble((*trees, *sets), (0.5,), strict=single, single=single), 2)
    x = values_beside(trees, rng, 2000)
    x[::3] = rng.integers(-2, 403, x[::3].shape)
    (tmp_path / "model.onnx").write_bytes(made.SerializeToString())
    (tmp_path / "x.bin").write_bytes(x.astype("<f4").tobytes())
    script = f"""
        import {{ readFile }} from "node:fs/promises";
        const ort = await import({json.dumps(RUNTIME.as_uri())});
        ort.env.wasm.numThreads = 1;
        const session = await ort.InferenceSession.create(new Uint8Array(await readFile("model.onnx")));
        const data = new Float32Array(new Uint8Array(await readFile("x.bin")).buffer);
        const found = await session.run({{ x: new ort.Tensor("float32", data, [data.length / 2, 2]) }});
        process.stdout.write(JSON.stringify(Array.from(found.prediction.data)));
    """
    done = subprocess.run(
        [str(NODE), "--input-type=module", "-e", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    np.testing.assert_array_equal(np.array(json.loads(done.stdout), np.float32), run(made, x))
