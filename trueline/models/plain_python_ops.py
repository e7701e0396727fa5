"""How each operator of a transform's graph is said in Python: one record an operator."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from trueline.models.optimise.weights import attribute
from trueline.models.plain_python_writer import Operand, Refusal, Writer, literal

if TYPE_CHECKING:
    import onnx

__all__ = ["OPERATORS", "Say"]

Say = Callable[[Writer, "onnx.NodeProto", Sequence[Operand]], None]
_LINE = 90
_FLOATS = ("float32", "float64")


def _squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(d for d in shape if d != 1)


def _each(template: str, *, rounds: bool = False) -> Say:
    """An operator on one value at a time; ``{}`` stand for the operands."""

    def say(w: Writer, node: onnx.NodeProto, x: Sequence[Operand]) -> None:
        out = node.output[0]
        shape, dtype = w.seen_shape(out), str(w.seen[out].dtype)
        if "{2}" in template and len(x) < 3:
            raise Refusal("it lacks an operand")
        if math.prod(shape) == 1:
            alone = template.endswith("({})")
            text = template.format(*(o.text if o.atomic or alone else f"({o.text})" for o in x))
            w.bind(out, w.rounded(text, dtype) if rounds else text)
            return
        lists = [o for o in x if o.size > 1]
        if any(_squeezed(o.shape) != _squeezed(shape) for o in lists):
            raise Refusal("it stretches a vector along another one")
        letters = iter("abcd")
        names = [next(letters) if o.size > 1 else w.pinned(o, n) for o, n in zip(x, node.input, strict=True)]
        item = template.format(*names)
        item = w.rounded(item, dtype) if rounds else item
        over = [o.text for o in lists]
        bound = [n for n, o in zip(names, x, strict=True) if o.size > 1]
        source = over[0] if len(over) == 1 else f"zip({', '.join(over)}, strict=True)"
        w.bind(out, f"[{item} for {', '.join(bound)} in {source}]")

    return say


def _folded(function: str) -> Say:
    """Min or Max of two or more operands, taken two at a time."""
    pair = _each(f"{function}({{}}, {{}})")

    def say(w: Writer, node: onnx.NodeProto, x: Sequence[Operand]) -> None:
        if len(x) != 2:
            raise Refusal("it has not two operands")
        pair(w, node, x)

    return say


def _same(w: Writer, node: onnx.NodeProto, x: Sequence[Operand]) -> None:
    """Reshape and its kin: flat values stay as they are."""
    out = node.output[0]
    if math.prod(w.seen_shape(out)) == x[0].size:
        w.bind(out, x[0].text, atomic=x[0].atomic)
        return
    if x[0].size != 1:
        raise Refusal("it stretches a vector along another one")
    w.bind(out, f"[{w.pinned(x[0], node.input[0])}] * {math.prod(w.seen_shape(out))}")


def _divide(w: Writer, node: onnx.NodeProto, x: Sequence[Operand]) -> None:
    if x[0].dtype not in _FLOATS:
        raise Refusal("it divides whole numbers")
    safe = x[1].value is not None and bool(np.all(x[1].value != 0))
    _each("{} / {}" if safe else "divide({}, {})", rounds=True)(w, node, x)


def _modulo(w: Writer, node: onnx.NodeProto, x: Sequence[Operand]) -> None:
    safe = x[1].value is not None and bool(np.all(x[1].value != 0))
    if attribute(node, "fmod", 0) or x[0].dtype in _FLOATS or not safe:
        raise Refusal("it is not of whole numbers by a constant")
    _each("{} % {}")(w, node, x)


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
    _each(template)(w, node, x)


def _by_float(function: str) -> Say:
    return _each(f"{function}({{}})", rounds=True)


def _whole(function: str) -> Say:
    """floor and ceil, which Python has for finite numbers alone."""

    def say(w: Writer, node: onnx.NodeProto, x: Sequence[Operand]) -> None:
        pinned = [Operand(w.pinned(x[0], node.input[0]), x[0].shape, x[0].dtype)]
        _each(f"float(math.{function}({{0}})) if math.isfinite({{0}}) else {{0}}")(w, node, pinned)

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
        raise Refusal("it reads from a table of one value")
    text = f"{data.text}[{index.text}]" if index.size == 1 else f"[{data.text}[i] for i in {index.text}]"
    w.bind(out, text, atomic=index.size == 1 and index.value is not None and data.atomic)


def _slice(w: Writer, node: onnx.NodeProto, x: Sequence[Operand]) -> None:
    if any(o.value is None or o.size != 1 for o in x[1:]) or len(x) < 4:
        raise Refusal("its bounds are not constant")
    start, end, axis = (int(o.value.reshape(-1)[0]) for o in x[1:4] if o.value is not None)
    step = int(x[4].value.reshape(-1)[0]) if len(x) > 4 and x[4].value is not None else 1
    _along(x[0], axis)
    if x[0].size == 1:
        _same(w, node, x[:1])
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
            _same(w, node, x[:1])
            return
        w.bind(out, w.rounded(template.format(x[0].text), x[0].dtype))

    return say


def _label_encoder(w: Writer, node: onnx.NodeProto, x: Sequence[Operand]) -> None:
    from onnx import numpy_helper

    kinds = ("strings", "int64s", "floats", "tensor")
    found: dict[str, list[Any]] = {}
    for side in ("keys", "values"):
        given = next((v for k in kinds if (v := attribute(node, f"{side}_{k}")) is not None), None)
        if given is None:
            raise Refusal("its table cannot be read")
        plain = given if isinstance(given, list) else numpy_helper.to_array(given).tolist()
        found[side] = [v.decode() if isinstance(v, bytes) else v for v in plain]
    defaults = {"str": ("default_string", b"_Unused"), "int": ("default_int64", -1), "float": ("default_float", -0.0)}
    default = attribute(node, "default_tensor")
    if default is None:
        default = attribute(node, *defaults[type(found["values"][0]).__name__])
    else:
        default = numpy_helper.to_array(default).reshape(-1).tolist()[0]
    default = default.decode() if isinstance(default, bytes) else default
    table = w.constant(f"{node.input[0]}_table", dict(zip(found["keys"], found["values"], strict=True)))
    # braces in a label are the label's: the text around them is a template
    fallback = literal(default).replace("{", "{{").replace("}", "}}")
    _each(f"{table}.get({{0}}, {fallback})")(w, node, x)


def _murmur(w: Writer, node: onnx.NodeProto, x: Sequence[Operand]) -> None:
    if x[0].dtype != "utf8" or not attribute(node, "positive", 1):
        raise Refusal("it hashes something other than text")
    _each(f"murmur3({{}}, {attribute(node, 'seed', 0)})")(w, node, x)


def _case(w: Writer, node: onnx.NodeProto, x: Sequence[Operand]) -> None:
    action = attribute(node, "case_change_action", b"NONE").decode()
    if action not in ("LOWER", "UPPER") or attribute(node, "stopwords"):
        raise Refusal("it drops words")
    _each(f"{action.lower()}_case({{}})")(w, node, x)


def _arg_max(w: Writer, node: onnx.NodeProto, x: Sequence[Operand]) -> None:
    if attribute(node, "select_last_index", 0) or math.prod(w.seen_shape(node.output[0])) != 1:
        raise Refusal("it works across a table")
    w.bind(node.output[0], f"largest_at({x[0].text})")


OPERATORS: Mapping[str, Say] = {
    "Abs": _each("abs({})"),
    "Add": _each("{} + {}", rounds=True),
    "And": _each("{} and {}"),
    "ArgMax": _arg_max,
    "Cast": _cast,
    "Ceil": _whole("ceil"),
    "Clip": _each("no_more(no_less({0}, {1}), {2})"),
    "Concat": _concat,
    "Div": _divide,
    "Equal": _each("{} == {}"),
    "Erf": _by_float("math.erf"),
    "Exp": _by_float("exponential"),
    "Expand": _same,
    "Flatten": _same,
    "Floor": _whole("floor"),
    "Gather": _gather,
    "Greater": _each("{} > {}"),
    "GreaterOrEqual": _each("{} >= {}"),
    "Identity": _same,
    "IsInf": _each("math.isinf({})"),
    "IsNaN": _each("math.isnan({})"),
    "LabelEncoder": _label_encoder,
    "Less": _each("{} < {}"),
    "LessOrEqual": _each("{} <= {}"),
    "Log": _by_float("logarithm"),
    "Max": _folded("no_less"),
    "Min": _folded("no_more"),
    "Mod": _modulo,
    "Mul": _each("{} * {}", rounds=True),
    "MurmurHash3": _murmur,
    "Neg": _each("-{}"),
    "Not": _each("not {}"),
    "Or": _each("{} or {}"),
    "ReduceMax": _reduce("max({})"),
    "ReduceMin": _reduce("min({})"),
    "ReduceSum": _reduce("sum({})"),
    "Relu": _each("no_less({}, 0.0)"),
    "Reshape": _same,
    "Round": _each("rounded({})"),
    "Sigmoid": _each("logistic({})"),
    "Sign": _each("sign({})"),
    "Slice": _slice,
    "Sqrt": _by_float("square_root"),
    "Squeeze": _same,
    "StringConcat": _each("{} + {}"),
    "StringNormalizer": _case,
    "Sub": _each("{} - {}", rounds=True),
    "Tanh": _by_float("math.tanh"),
    "Unsqueeze": _same,
    "Where": _each("{1} if {0} else {2}"),
    "Xor": _each("{} != {}"),
}
"""What the generator knows beside the models themselves."""
