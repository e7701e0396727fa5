"""The transform for LiteRT: numbers only, float32, TensorFlow Lite's own operators.

LiteRT has next to no kernels for float64 and none for text. So doubles and constants are rounded to float32 before any
arithmetic, and an operation's result is that of float64 on these inputs, rounded to float32. Whole numbers, booleans
and the buckets of raw features are those of every other path. The sign of zero is not
kept, and results below float32's normal range are zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from trueline._core.errors import TransformError
from trueline.transform.graph import Graph
from trueline.transform.operations.base import Attrs
from trueline.transform.tensorflow.arithmetic import safe_mod
from trueline.transform.tensorflow.base import Lowering, TfValue, column, payloads, single_precision, tf_dtype
from trueline.transform.tensorflow.module import Program, chosen_outputs, import_tensorflow, serving_function
from trueline.transform.tensorflow.table import TENSORFLOW

if TYPE_CHECKING:
    from trueline.transform.output import TransformOutput

__all__ = ["LITERT", "refusals", "to_litert"]


def _not(x: Any) -> Any:
    """Not by selection: the converter would turn the negation of a comparison into another one, wrong for NaN."""
    import tensorflow as tf

    return tf.where(x, tf.zeros_like(x), tf.ones_like(x))


def _mod(a: Any, b: Any) -> Any:
    import tensorflow as tf

    return tf.math.floormod(a, b) if a.dtype.is_floating else safe_mod(a, b)


def _is_nan(x: Any) -> Any:
    import tensorflow as tf

    return tf.not_equal(x, x)


def _one_hot(values: Sequence[TfValue], attrs: Attrs) -> Any:
    """By differences: LiteRT compares int64 that broadcast by their lower halves alone."""
    import tensorflow as tf

    classes = tf.range(int(attrs["depth"]), dtype=tf.int64)
    same = tf.equal(column(values[0].data) - classes, tf.constant(0, tf.int64))
    return tf.cast(same, tf_dtype("float64"))


def _sqrt(x: Any) -> Any:
    """With a choice that keeps the converter from making 1 / sqrt(x) one operator, which is NaN at 0."""
    import tensorflow as tf

    return tf.where(tf.equal(x, 0.0), x, tf.sqrt(x))


def _absolute(x: Any) -> Any:
    import tensorflow as tf

    return tf.abs(x) if x.dtype.is_floating else tf.where(x < 0, -x, x)


_FAR = 200.0
"""Beyond it on either side, exp has left the range of float32."""


def _with_nan(name: str) -> Lowering:
    """A function that keeps NaN, which LiteRT's fast kernels lose (exp of NaN is 0 there, of -1e30 NaN)."""

    def lowering(values: Sequence[TfValue], attrs: Attrs) -> Any:
        import tensorflow as tf

        near = values
        if name in ("exp", "sigmoid"):
            near = [replace(v, data=tf.minimum(tf.maximum(v.data, -_FAR), _FAR)) for v in values]
        found = TENSORFLOW[name](near, attrs)
        for value in values:
            found = tf.where(tf.not_equal(value.data, value.data), value.data, found)
        return found

    return lowering


def _vocabulary(values: Sequence[TfValue], attrs: Attrs) -> Any:
    """Ids of whole numbers, by binary search among the sorted keys."""
    import tensorflow as tf

    x, places = values[0].data, {key: i for i, key in enumerate(values[1].data.values)}
    default = tf.constant(int(attrs["default"]), tf.int64)
    if not places:
        return tf.zeros_like(x) + default
    keys = sorted(places)
    steps = len(keys).bit_length()
    table = tf.constant(keys + [2**63 - 1] * (2**steps - len(keys)), tf.int64)
    ids = tf.constant([places[k] for k in keys] + [-1] * (2**steps - len(keys)), tf.int64)
    position = tf.zeros_like(x)
    for step in (2**k for k in reversed(range(steps))):
        probe = tf.gather(table, position + (step - 1))
        position += tf.where(probe < x, tf.constant(step, tf.int64), tf.constant(0, tf.int64))
    known = tf.logical_and(tf.equal(tf.gather(table, position), x), tf.gather(ids, position) >= 0)
    return tf.where(known, tf.gather(ids, position), default)


_SAME = (
    *("add", "subtract", "multiply", "divide", "negate", "minimum", "maximum", "floor", "ceil", "round"),
    *("equal", "not_equal", "less", "less_equal", "greater", "greater_equal", "and", "or", "xor", "where"),
    *("fill_missing", "is_missing", "missing_if", "cast", "concat", "element", "repeat", "take", "by_fold", "sign"),
    *("apply_buckets", "apply_buckets_by_place", "apply_buckets_by_key", "interpolate_buckets", "table_size"),
    *("list_length", "list_get", "list_slice", "fill_missing_list", "pad", "vector_slice", "multi_hot", "wrap_ids"),
    *("row_sum", "row_mean", "row_min", "row_max", "row_any", "row_all", "matmul", "power", "log2", "log10", "tanh"),
    *("crop_image", "flip_image", "channels_first", "normalize_image"),
)
LITERT: dict[str, Lowering] = {
    **{name: TENSORFLOW[name] for name in _SAME},
    **{name: _with_nan(name) for name in ("exp", "log", "log1p", "sigmoid")},
    "absolute": payloads(_absolute),
    "not": payloads(_not),
    "is_nan": payloads(_is_nan),
    "sqrt": payloads(_sqrt),
    "mod": payloads(_mod),
    "one_hot": _one_hot,
    "apply_vocabulary": _vocabulary,
}
"""The lowering of every operation that TensorFlow Lite's own operators can compute."""


def _beyond(value: Any) -> bool:
    """Whether a number, or one in a list, is no normal float32, nor 0, nor NaN."""
    size, limits = np.abs(np.asarray(value, np.float64)), np.finfo(np.float32)
    return bool(np.any((size > limits.max) | ((size > 0) & (size < limits.tiny))))


def refusals(graph: Graph, roots: Sequence[int]) -> list[str]:
    """Why the roots cannot run in LiteRT; nothing if they can."""
    problems = []
    for i in sorted(graph.reachable(roots)):
        node = graph.nodes[i]
        where = f" ({node.where})" if node.where else ""
        if node.op == "input" and node.type.dtype in ("utf8", "bytes"):
            problems.append(
                f"{node.attrs['name']}: a raw feature of {node.type.dtype}; LiteRT computes with numbers only"
            )
        elif node.op == "constant" and node.type.dtype == "float64" and _beyond(node.attrs["value"]):
            problems.append(f"a constant{where}: LiteRT has none that are infinite or outside float32's normal range")
        elif node.op in ("input", "constant"):
            continue
        elif node.op not in LITERT or node.type.dtype == "utf8":
            problems.append(f"{node.scope or node.op}{where}: LiteRT has no operation {node.op!r}")
        elif node.op == "apply_vocabulary" and int(node.attrs["oov"]):
            problems.append(f"{node.scope or node.op}{where}: out-of-vocabulary buckets hash text, which LiteRT cannot")
    return problems


def to_litert(output: TransformOutput, outputs: Sequence[str] | None = None) -> bytes:
    """The transform as a LiteRT (TensorFlow Lite) model of built-in operators, for phones and small machines.

    Its signature ``serving_default`` has the names of `to_tf_module`'s; floats are float32. Run it with
    ``ai_edge_litert.interpreter.Interpreter``.

    Args:
        output: an analysed transform.
        outputs: names of the outputs wanted; all by default.

    Returns:
        The bytes of a ``.tflite`` file.

    Raises:
        TransformError: TensorFlow is not installed; text, host steps or operations that LiteRT does not have, all of
            them by name.
    """
    chosen = chosen_outputs(output, outputs)
    problems = refusals(output.graph, [i for _, i in chosen])
    if problems:
        numeric = [n for n, i in output.graph.outputs if not refusals(output.graph, [i])]
        able = f"outputs={numeric!r} can go; " if numeric else ""
        raise TransformError(
            "the transform cannot run in LiteRT",
            problems=problems,
            hint=f"{able}compute the rest on the device before, or use to_onnx with ONNX Runtime Mobile.",
        )
    tf = import_tensorflow()
    with single_precision():
        program = Program(output.graph, chosen, LITERT)
        module = tf.Module(name="transform")
        module.serving_default = serving_function(program)
        converter = tf.lite.TFLiteConverter.from_concrete_functions([module.serving_default], module)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        made: bytes = converter.convert()
    return made
