"""How the models themselves are said in Python: sums of products, trees, and what is made of their scores."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trueline.models.optimise.weights import attribute
from trueline.models.plain_python_each import Say
from trueline.models.plain_python_writer import Operand, Refusal, Writer, literal

if TYPE_CHECKING:
    import onnx

__all__ = ["MODELS"]

_NESTED_NODES = 400
_NESTED_DEPTH = 24


def _vector(operand: Operand) -> str:
    return operand.text if operand.size > 1 else f"[{operand.text}]"


def _linear(w: Writer, node: onnx.NodeProto, x: Operand, weights: list[list[float]], offsets: list[float]) -> None:
    """One sum of products for each output."""
    name = node.output[0]
    sums = "products" if x.dtype == "float64" else "linear"
    made = f"{sums}({_vector(x)}, {w.constant(name + '_weights', weights)}, {w.constant(name + '_offsets', offsets)})"
    w.bind(name, made if len(weights) > 1 else f"{made}[0]")


def _product(w: Writer, node: onnx.NodeProto, x: Sequence[Operand]) -> None:
    """MatMul and Gemm by a constant matrix."""
    weight, bias = x[1].value, x[2] if len(x) > 2 else None
    if weight is None or weight.ndim != 2 or x[0].dtype not in ("float32", "float64") or attribute(node, "transA", 0):
        raise Refusal("it is not a product with a constant matrix of floating point")
    if bias is not None and bias.value is None:
        raise Refusal("what it adds is not constant")
    columns = weight if attribute(node, "transB", 0) else weight.T
    alpha, beta = attribute(node, "alpha", 1.0), attribute(node, "beta", 1.0)
    rows = [[alpha * v for v in row] for row in columns.tolist()]
    added = [0.0] if bias is None or bias.value is None else [beta * v for v in bias.value.reshape(-1).tolist()]
    _linear(w, node, x[0], rows, added * len(rows) if len(added) == 1 else added)


def _softmax(w: Writer, node: onnx.NodeProto, x: Sequence[Operand]) -> None:
    shape = x[0].shape
    if math.prod(shape[: attribute(node, "axis", -1) % len(shape)]) != 1 or x[0].size == 1:
        raise Refusal("it works across a table")
    w.bind(node.output[0], f"{'shares' if x[0].dtype == 'float64' else 'softmax'}({x[0].text})")


def _scores(w: Writer, name: str, text: str, transform: str, second: str | None) -> None:
    """Scores after their transformation; `second` says how one score becomes two: ``share`` or ``sign``."""
    if second is not None:
        score = w.assign(name + "_score", f"{text}[0]")
        pair = {"share": f"[f32(1.0 - {score}), {score}]", "sign": f"[-{score}, {score}]"}
        chosen = {"NONE": pair[second], "LOGISTIC": f"[logistic(-{score}), logistic({score})]"}.get(transform)
        if chosen is None:
            raise Refusal(f"it ends in {transform} of one score")
        w.bind(name, chosen)
        return
    size = math.prod(w.seen_shape(name))
    form = {"NONE": "{}", "LOGISTIC": "[logistic(v) for v in {}]", "SOFTMAX": "softmax({})"}.get(transform)
    if form is None:
        raise Refusal(f"it ends in {transform}")
    w.bind(name, form.format(text) + ("[0]" if size == 1 else ""))


def _linear_classifier(w: Writer, node: onnx.NodeProto, x: Sequence[Operand]) -> None:
    _no_label(w, node)
    coefficients, width = attribute(node, "coefficients"), x[0].size
    rows = [coefficients[i : i + width] for i in range(0, len(coefficients), width)]
    offsets = attribute(node, "intercepts", [0.0] * len(rows))
    name = node.output[1]
    made = f"linear({_vector(x[0])}, {w.constant('weights', rows)}, {w.constant('offsets', offsets)})"
    two = "sign" if len(rows) == 1 else None
    _scores(w, name, made, attribute(node, "post_transform", b"NONE").decode(), two)


def _linear_regressor(w: Writer, node: onnx.NodeProto, x: Sequence[Operand]) -> None:
    targets, coefficients = attribute(node, "targets", 1), attribute(node, "coefficients")
    width = len(coefficients) // targets
    rows = [coefficients[i : i + width] for i in range(0, len(coefficients), width)]
    made = f"linear({_vector(x[0])}, {w.constant('weights', rows)}, "
    made += f"{w.constant('offsets', attribute(node, 'intercepts', [0.0] * targets))})"
    _scores(w, node.output[0], made, attribute(node, "post_transform", b"NONE").decode(), None)


def _no_label(w: Writer, node: onnx.NodeProto) -> None:
    if node.output[0] and w.uses[node.output[0]]:
        raise Refusal("its own label is used")


def _normalizer(w: Writer, node: onnx.NodeProto, x: Sequence[Operand]) -> None:
    w.bind(node.output[0], f"normalized({_vector(x[0])}, {attribute(node, 'norm', b'MAX').decode()!r})")


@dataclass(frozen=True)
class Ensemble:
    """A tree ensemble's arrays.

    Attributes:
        trees: for each tree its nodes by place: a branch ``(feature, threshold, is NaN a yes, yes, no)``, or a leaf's
            values, one for each output.
        strict: whether a branch asks ``<`` and not ``<=``.
        double: whether sums are in double precision.
        base: what each output starts from.
    """

    trees: list[list[Any]]
    strict: bool
    double: bool
    base: list[float]


_MODES = {b"BRANCH_LEQ": False, b"BRANCH_LT": True}


def _values(node: onnx.NodeProto, name: str, default: Any = None) -> Any:
    from onnx import numpy_helper

    tensor = attribute(node, f"{name}_as_tensor")
    return attribute(node, name, default) if tensor is None else numpy_helper.to_array(tensor).tolist()


def _ensemble(node: onnx.NodeProto, kind: str, outputs: int, double: bool) -> Ensemble:
    modes = attribute(node, "nodes_modes")
    used = {m for m in modes if m != b"LEAF"}
    if len(used) > 1 or not used <= set(_MODES):
        raise Refusal(f"its branches compare by {', '.join(sorted(m.decode() for m in used))}")
    if attribute(node, "aggregate_function", b"SUM") != b"SUM":
        raise Refusal("it does not add up its leaves")
    keys = list(zip(attribute(node, "nodes_treeids"), attribute(node, "nodes_nodeids"), strict=True))
    firsts: dict[int, int] = {}
    for place, (tree, _) in enumerate(keys):
        firsts.setdefault(tree, place)
    at = {key: place - firsts[key[0]] for place, key in enumerate(keys)}
    leaves: dict[tuple[int, int], list[float]] = {}
    id_ = "class" if kind == "class" else "target"
    for tree, n, output, weight in zip(
        attribute(node, f"{id_}_treeids"), attribute(node, f"{id_}_nodeids"), attribute(node, f"{id_}_ids"),
        _values(node, f"{id_}_weights"), strict=True,
    ):  # fmt: skip
        leaves.setdefault((tree, n), [0.0] * outputs)[output if outputs > 1 else 0] += weight
    columns = zip(
        keys, modes, attribute(node, "nodes_featureids"), _values(node, "nodes_values"),
        attribute(node, "nodes_missing_value_tracks_true", [0] * len(keys)),
        attribute(node, "nodes_truenodeids"), attribute(node, "nodes_falsenodeids"), strict=True,
    )  # fmt: skip
    trees: dict[int, list[Any]] = {tree: [] for tree in firsts}
    for (tree, n), mode, feature, threshold, missing, yes, no in columns:
        leaf = mode == b"LEAF"
        branch = None if leaf else (feature, threshold, bool(missing), at[tree, yes], at[tree, no])
        trees[tree].append(leaves.get((tree, n), [0.0] * outputs) if leaf else branch)
    base = _values(node, "base_values") or [0.0] * outputs
    return Ensemble(list(trees.values()), used == {b"BRANCH_LT"}, double, base)


def _is_small(ensemble: Ensemble) -> bool:
    """Whether the trees are few and plain enough to be read as nested conditions."""
    if sum(map(len, ensemble.trees)) > _NESTED_NODES:
        return False
    for tree in ensemble.trees:
        parents = Counter(child for n in tree if isinstance(n, tuple) for child in n[3:])
        depth, level = 0, [0]
        while level and depth <= _NESTED_DEPTH:
            level = [c for i in level if isinstance(tree[i], tuple) for c in tree[i][3:]]
            depth += 1
        if depth > _NESTED_DEPTH or any(count > 1 for count in parents.values()):
            return False
    return True


def _nested(tree: list[Any], at: int, strict: bool, depth: int) -> list[str]:
    """One tree as nested conditions; NaN takes the branch that the model sends it to."""
    pad, node = "    " * depth, tree[at]
    if not isinstance(node, tuple):
        return [f"{pad}return {literal(node)}"]
    feature, threshold, missing, yes, no = node
    holds, fails = ("<", ">=") if strict else ("<=", ">")
    test = f"not x[{feature}] {fails} {literal(threshold)}" if missing else f"x[{feature}] {holds} {literal(threshold)}"
    return [
        f"{pad}if {test}:",
        *_nested(tree, yes, strict, depth + 1),
        *_nested(tree, no, strict, depth),
    ]


def _sum_of_trees(w: Writer, name: str, ensemble: Ensemble, x: Operand) -> str:
    """Lines that add up the leaves; the variable, a list."""
    vector = w.pinned(x, name + "_inputs") if x.size > 1 else f"[{x.text}]"
    if _is_small(ensemble):
        first = len(w.functions)  # there may be ensembles before this one
        for i, tree in enumerate(ensemble.trees, first):
            w.functions.append("\n".join([f"def tree_{i}(x):", *_nested(tree, 0, ensemble.strict, 1)]))
        listed = ", ".join(f"tree_{i}" for i in range(first, len(w.functions)))
        trees, call = w.deferred("trees", f"[{listed}]"), f"tree({vector})"
    else:
        trees = w.constant("trees", ensemble.trees)
        call = f"walk(tree, {vector}, {ensemble.strict})"
    total = w.assign(name + "_scores", literal([0.0] * len(ensemble.trees[0][_leaf_at(ensemble.trees[0])])))
    add = "a + b" if ensemble.double else "f32(a + b)"
    w.lines += [
        f"for tree in {trees}:",
        f"    {total} = [{add} for a, b in zip({total}, {call}, strict=True)]",
    ]
    base = ensemble.base
    if any(base) or ensemble.double:
        added = f"zip({total}, {literal(base)}, strict=True)"
        w.lines.append(f"{total} = [f32(a + b) for a, b in {added}]")
    return total


def _leaf_at(tree: list[Any]) -> int:
    return next(i for i, node in enumerate(tree) if not isinstance(node, tuple))


def _tree_classifier(w: Writer, node: onnx.NodeProto, x: Sequence[Operand]) -> None:
    _no_label(w, node)
    labels = attribute(node, "classlabels_strings") or attribute(node, "classlabels_int64s")
    single = len(labels) == 2 and len(set(attribute(node, "class_ids"))) == 1
    ensemble = _ensemble(node, "class", 1 if single else len(labels), x[0].dtype == "float64")
    total = _sum_of_trees(w, node.output[1], ensemble, x[0])
    positive = all(v >= 0 for v in _values(node, "class_weights"))
    second = ("share" if positive else "sign") if single else None
    _scores(w, node.output[1], total, attribute(node, "post_transform", b"NONE").decode(), second)


def _tree_regressor(w: Writer, node: onnx.NodeProto, x: Sequence[Operand]) -> None:
    ensemble = _ensemble(node, "target", attribute(node, "n_targets", 1), x[0].dtype == "float64")
    total = _sum_of_trees(w, node.output[0], ensemble, x[0])
    _scores(w, node.output[0], total, attribute(node, "post_transform", b"NONE").decode(), None)


MODELS: Mapping[str, Say] = {
    "Gemm": _product,
    "LinearClassifier": _linear_classifier,
    "LinearRegressor": _linear_regressor,
    "MatMul": _product,
    "Normalizer": _normalizer,
    "Softmax": _softmax,
    "TreeEnsembleClassifier": _tree_classifier,
    "TreeEnsembleRegressor": _tree_regressor,
}
"""The operators that are models or ends of models."""
