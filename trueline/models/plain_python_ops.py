"""How each operator of a transform's graph is said in Python: one record an operator."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from trueline.models.optimise.weights import attribute
from trueline.models.plain_python_each import Say, each, folded, same
from trueline.models.plain_python_encoders import ENCODERS
from trueline.models.plain_python_writer import Operand, Refusal, Writer

if TYPE_CHECKING:
    import onnx

__all__ = ["OPERATORS"]

_LINE = 90
_FLOATS = ("float32", "float64")


def _divide(w: Writer, node: onnx.NodeProto, x: Sequence[Operand]) -> None:
    if x[0].dtype not in _FLOATS:
        raise Refusal("it divides whole numbers")
    safe = x[1].value is not None and bool(np.all(x[1].value != 0))
    each("{} / {}" if safe else "divide({}, {})", rounds=True)(w, node, x)


def _modulo(w: Writer, node: onnx.NodeProto, x: Sequence[Operand]) -> None:
    safe = x[1].value is not None and bool(np.all(x[1].value != 0))
    if attribute(node, "fmod", 0) or x[0].dtype in _FLOATS or not safe:
        raise Refusal("it is not of whole numbers by a constant")
    each("{} % {}")(w, node, x)


_CASTS = {
    ("float", "float64"): "{}",
    ("float", "float32"): "f32({})",
    ("float", "int64"): "to_integer({})",
    ("float", "bool"): "{} != 0",
    ("int", "float64"): "float({})",
    ("int", "float32"): "f32({})",
    ("int", "int64"): "{}",
    ("int", "int32"): "int32({})",
    ("int", "bool"): "{} != 0",
    ("bool", "float64"): "float({})",
    ("bool", "float32"): "float({})",
    ("bool", "int64"): "int({})",
    ("bool", "int32"): "int({})",
    ("bool", "bool"): "{}",
}


def _cast(w: Writer, node: onnx.NodeProto, x: Sequence[Operand]) -> None:
    out = node.output[0]
    to = str(w.seen[out].dtype)
    family = x[0].dtype.rstrip("0123456789").removeprefix("u")
    template = _CASTS.get((family, to))
    if template is None:
        raise Refusal(f"it turns {x[0].dtype} into {to if to != 'object' else 'text'}")
    if x[0].dtype == to or (x[0].dtype, to) in (("float32", "float64"), ("uint32", "int64"), ("int32", "int64")):
        w.bind(out, x[0].text, atomic=x[0].atomic)
        return
    each(template)(w, node, x)


def _by_float(function: str) -> Say:
    return each(f"{function}({{}})", rounds=True)


def _sigmoid(w: Writer, node: onnx.NodeProto, x: Sequence[Operand]) -> None:
    each("logistic({})" if x[0].dtype == "float32" else "1.0 / (1.0 + exponential(-{}))")(w, node, x)


def _whole(function: str) -> Say:
    """floor and ceil, which Python has for finite numbers alone."""

    def say(w: Writer, node: onnx.NodeProto, x: Sequence[Operand]) -> None:
        pinned = [Operand(w.pinned(x[0], node.input[0]), x[0].shape, x[0].dtype)]
        each(f"float(math.{function}({{0}})) if math.isfinite({{0}}) else {{0}}")(w, node, pinned)

    return say


def _concat(w: Writer, node: onnx.NodeProto, x: Sequence[Operand]) -> None:
    axis = int(attribute(node, "axis", 0))
    if any(math.prod(o.shape[: axis % max(len(o.shape), 1)]) != 1 for o in x):
        raise Refusal("it joins tables column by column")
    if any(o.size == 0 for o in x):
        raise Refusal("it joins lists of changing length")
    if len(x) == 1:
        w.bind(node.output[0], x[0].text, atomic=x[0].atomic)
        return
    parts = [o.text if o.size == 1 else f"*{o.text}" for o in x]
    plain = ", ".join(parts)
    w.bind(node.output[0], f"[{plain}]" if len(plain) < _LINE else "\n".join(["[", *(f"    {p}," for p in parts), "]"]))


def _along(x: Operand, axis: int) -> None:
    """Refuses all but vectors that lie along `axis`."""
    axis %= max(len(x.shape), 1)
    if math.prod(x.shape[:axis]) != 1 or math.prod(x.shape[axis + 1 :]) != 1:
        raise Refusal("it works across a table")


def _gather(w: Writer, node: onnx.NodeProto, x: Sequence[Operand]) -> None:
    data, index = x
    axis, out = int(attribute(node, "axis", 0)), node.output[0]
    if data.value is not None and data.value.ndim == 2 and axis == 0:
        table = w.constant(node.input[0], data.value.tolist())
        if index.size != 1:
            w.bind(out, f"[v for i in {index.text} for v in {table}[i]]")
            return
        w.bind(out, f"{table}[{index.text}]" + ("[0]" if data.value.shape[1] == 1 else ""))
        return
    _along(data, axis)
    if data.size == 1:
        if index.value is None:
            raise Refusal("it reads from a table of one value")
        same(w, node, x[:1])
        return
    text = f"{data.text}[{index.text}]" if index.size == 1 else f"[{data.text}[i] for i in {index.text}]"
    w.bind(out, text, atomic=index.size == 1 and index.value is not None and data.atomic)


def _slice(w: Writer, node: onnx.NodeProto, x: Sequence[Operand]) -> None:
    if any(o.value is None or o.size != 1 for o in x[1:]) or len(x) < 4:
        raise Refusal("its bounds are not constant")
    start, end, axis = (int(o.value.reshape(-1)[0]) for o in x[1:4] if o.value is not None)
    step = int(x[4].value.reshape(-1)[0]) if len(x) > 4 and x[4].value is not None else 1
    _along(x[0], axis)
    if x[0].size == 1:
        same(w, node, x[:1])
        return
    indices = range(*slice(start, end, step).indices(x[0].size))
    if len(indices) == 1:
        w.bind(node.output[0], f"{x[0].text}[{indices[0]}]", atomic=x[0].atomic)
    else:
        picked = ", ".join(f"{x[0].text}[{i}]" for i in indices)
        w.bind(node.output[0], f"[{picked}]")


def _reduce(template: str) -> Say:
    """A reduction of one vector to one value."""

    def say(w: Writer, node: onnx.NodeProto, x: Sequence[Operand]) -> None:
        out = node.output[0]
        if math.prod(w.seen_shape(out)) != 1:
            raise Refusal("it works across a table")
        if x[0].size == 1:
            same(w, node, x[:1])
            return
        w.bind(out, w.rounded(template.format(x[0].text), x[0].dtype))

    return say


def _arg_max(w: Writer, node: onnx.NodeProto, x: Sequence[Operand]) -> None:
    if attribute(node, "select_last_index", 0) or math.prod(w.seen_shape(node.output[0])) != 1:
        raise Refusal("it works across a table")
    w.bind(node.output[0], f"largest_at({x[0].text})")


OPERATORS: Mapping[str, Say] = {
    **ENCODERS,
    "Abs": each("abs({})"),
    "Add": each("{} + {}", rounds=True),
    "And": each("{} and {}"),
    "ArgMax": _arg_max,
    "Cast": _cast,
    "Ceil": _whole("ceil"),
    "Clip": each("no_more(no_less({0}, {1}), {2})"),
    "Concat": _concat,
    "Div": _divide,
    "Equal": each("{} == {}"),
    "Erf": _by_float("math.erf"),
    "Exp": _by_float("exponential"),
    "Expand": same,
    "Flatten": same,
    "Floor": _whole("floor"),
    "Gather": _gather,
    "Greater": each("{} > {}"),
    "GreaterOrEqual": each("{} >= {}"),
    "Identity": same,
    "IsInf": each("math.isinf({})"),
    "IsNaN": each("math.isnan({})"),
    "Less": each("{} < {}"),
    "LessOrEqual": each("{} <= {}"),
    "Log": _by_float("logarithm"),
    "Max": folded("no_less({}, {})"),
    "Min": folded("no_more({}, {})"),
    "Mod": _modulo,
    "Mul": each("{} * {}", rounds=True),
    "Neg": each("-{}"),
    "Not": each("not {}"),
    "Or": each("{} or {}"),
    "ReduceMax": _reduce("max({})"),
    "ReduceMin": _reduce("min({})"),
    "ReduceSum": _reduce("sum({})"),
    "Relu": each("no_less({}, 0.0)"),
    "Reshape": same,
    "Round": each("rounded({})"),
    "Sigmoid": _sigmoid,
    "Sign": each("sign({})"),
    "Slice": _slice,
    "Sqrt": _by_float("square_root"),
    "Squeeze": same,
    "StringConcat": each("{} + {}"),
    "Sub": each("{} - {}", rounds=True),
    "Sum": folded("{} + {}", rounds=True),
    "Tanh": _by_float("math.tanh"),
    "Unsqueeze": same,
    "Where": each("{1} if {0} else {2}"),
    "Xor": each("{} != {}"),
}
"""What the generator knows beside the models themselves."""
