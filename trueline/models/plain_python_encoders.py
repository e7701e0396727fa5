"""How text and categories become numbers, said in Python: tables, hashes, letters' case, one-hot columns, gaps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from trueline.models.optimise.weights import attribute
from trueline.models.plain_python_each import Say, each
from trueline.models.plain_python_writer import Operand, Refusal, Writer, literal

if TYPE_CHECKING:
    import onnx

__all__ = ["ENCODERS"]


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
    each(f"{table}.get({{0}}, {fallback})")(w, node, x)


def _murmur(w: Writer, node: onnx.NodeProto, x: Sequence[Operand]) -> None:
    if x[0].dtype != "utf8" or not attribute(node, "positive", 1):
        raise Refusal("it hashes something other than text")
    each(f"murmur3({{}}, {attribute(node, 'seed', 0)})")(w, node, x)


def _case(w: Writer, node: onnx.NodeProto, x: Sequence[Operand]) -> None:
    action = attribute(node, "case_change_action", b"NONE").decode()
    if action not in ("LOWER", "UPPER") or attribute(node, "stopwords"):
        raise Refusal("it drops words")
    each(f"{action.lower()}_case({{}})")(w, node, x)


def _one_hot(w: Writer, node: onnx.NodeProto, x: Sequence[Operand]) -> None:
    """OneHotEncoder: a number is a category by its whole part, as the runtime has it."""
    words = attribute(node, "cats_strings")
    categories = [v.decode() for v in words] if words else attribute(node, "cats_int64s")
    if not categories or bool(words) != (x[0].dtype == "utf8") or len(set(categories)) < len(categories):
        raise Refusal("its categories cannot be read")
    value = "to_integer({})" if x[0].dtype.startswith("float") else "{}"
    known = bool(attribute(node, "zeros", 1))
    table = w.constant(f"{node.input[0]}_categories", categories)
    form = f"one_hot({value}, {table}, {not known})"
    if x[0].size == 1:
        columns = form.format(x[0].text)
        w.bind(node.output[0], columns if math.prod(w.seen_shape(node.output[0])) > 1 else f"{columns}[0]")
        return
    w.bind(node.output[0], f"[v for i in {x[0].text} for v in {form.format('i')}]")


def _imputer(w: Writer, node: onnx.NodeProto, x: Sequence[Operand]) -> None:
    """Imputer: one number that stands for a gap, usually NaN, becomes the value of its column."""
    fills, gap = attribute(node, "imputed_value_floats"), float(attribute(node, "replaced_value_float", 0.0))
    if not fills or x[0].dtype != "float32":
        raise Refusal("it fills gaps of whole numbers")
    test = "{0} != {0}" if math.isnan(gap) else f"{{0}} == {literal(gap)}"
    if len(fills) == 1:
        value = x[0] if x[0].size > 1 else Operand(w.pinned(x[0], node.input[0]), x[0].shape, x[0].dtype)
        each(f"{literal(fills[0])} if {test} else {{0}}")(w, node, [value])
        return
    table = w.constant(f"{node.input[0]}_fills", fills)
    w.bind(node.output[0], f"[b if {test.format('a')} else a for a, b in zip({x[0].text}, {table}, strict=True)]")


ENCODERS: Mapping[str, Say] = {
    "Imputer": _imputer,
    "LabelEncoder": _label_encoder,
    "MurmurHash3": _murmur,
    "OneHotEncoder": _one_hot,
    "StringNormalizer": _case,
}
"""The operators that turn text and categories into other values."""
