"""Operators on one value at a time, said in Python: as they stand for scalars, as comprehensions for vectors."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from trueline.models.plain_python_writer import Operand, Refusal, Writer

if TYPE_CHECKING:
    import onnx

__all__ = ["Say", "each", "folded", "same"]

Say = Callable[[Writer, "onnx.NodeProto", Sequence[Operand]], None]


def _squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(d for d in shape if d != 1)


def each(template: str, *, rounds: bool = False) -> Say:
    """An operator on one value at a time; ``{}`` stand for the operands."""

    def say(w: Writer, node: onnx.NodeProto, x: Sequence[Operand]) -> None:
        out = node.output[0]
        dtype = str(w.seen[out].dtype) if rounds else ""
        w.bind(out, _text(w, template, w.seen_shape(out), dtype, x, node.input))

    return say


def _text(
    w: Writer, template: str, shape: tuple[int, ...], dtype: str, x: Sequence[Operand], tensors: Sequence[str]
) -> str:
    """The expression for a result of `shape`; where `dtype` says a type, brought to its precision."""
    if "{2}" in template and len(x) < 3:
        raise Refusal("it lacks an operand")
    if math.prod(shape) == 1:
        alone = template.endswith("({})")
        text = template.format(*(o.text if o.atomic or alone else f"({o.text})" for o in x))
        return w.rounded(text, dtype)
    lists = [o for o in x if o.size > 1]
    if any(_squeezed(o.shape) != _squeezed(shape) for o in lists):
        raise Refusal("it stretches a vector along another one")
    letters = iter("abcd")
    names = [next(letters) if o.size > 1 else w.pinned(o, n) for o, n in zip(x, tensors, strict=True)]
    item = w.rounded(template.format(*names), dtype)
    over = [o.text for o in lists]
    bound = [n for n, o in zip(names, x, strict=True) if o.size > 1]
    source = over[0] if len(over) == 1 else f"zip({', '.join(over)}, strict=True)"
    return f"[{item} for {', '.join(bound)} in {source}]"


def folded(template: str, *, rounds: bool = False) -> Say:
    """Sum, Min or Max of any number of operands, taken two at a time from the left, as the runtime does."""

    def say(w: Writer, node: onnx.NodeProto, x: Sequence[Operand]) -> None:
        out = node.output[0]
        if len(x) == 1:
            same(w, node, x)
            return
        dtype, total, tensor = str(w.seen[out].dtype), x[0], node.input[0]
        rounded = dtype if rounds else ""
        for operand, name in zip(x[1:-1], node.input[1:-1], strict=True):
            shape = tuple(np.broadcast_shapes(total.shape, operand.shape))
            text = _text(w, template, shape, rounded, [total, operand], [tensor, name])
            tensor = out + "_part"
            total = Operand(w.assign(tensor, text), shape, dtype)
        w.bind(out, _text(w, template, w.seen_shape(out), rounded, [total, x[-1]], [tensor, node.input[-1]]))

    return say


def same(w: Writer, node: onnx.NodeProto, x: Sequence[Operand]) -> None:
    """Reshape and its kin: flat values stay as they are."""
    out = node.output[0]
    if math.prod(w.seen_shape(out)) == x[0].size:
        w.bind(out, x[0].text, atomic=x[0].atomic)
        return
    if x[0].size != 1:
        raise Refusal("it stretches a vector along another one")
    w.bind(out, f"[{w.pinned(x[0], node.input[0])}] * {math.prod(w.seen_shape(out))}")
