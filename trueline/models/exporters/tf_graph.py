"""A TensorFlow function of numeric tensors as ONNX and as a frozen graph, each with a free batch dimension."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from trueline._core.errors import ModelError, reason_of
from trueline.models.exporters.network import with_inputs
from trueline.models.exporters.quiet import quiet
from trueline.models.inputs import ModelInput

if TYPE_CHECKING:
    import onnx

__all__ = ["TensorRows", "frozen_graph", "function_graph", "graph_function", "input_specs"]

_OPSET = 18
"""The highest that tf2onnx writes; the merge brings it to the transform's."""
_FORBIDDEN = ("PyFunc", "PyFuncStateless", "EagerPyFunc", "ReadFile", "WriteFile", "MatchingFiles", "LoadLibrary")
"""Operations that run Python or touch files: no graph that is read from outside may hold one."""


class TensorRows(Protocol):
    """What is known of an input ``[N, width]``."""

    @property
    def dtype(self) -> str:
        """float32 or int64."""
        ...

    @property
    def width(self) -> int:
        """Columns."""
        ...


def input_specs(inputs: Sequence[TensorRows]) -> list[Any]:
    """A `tf.TensorSpec` ``[None, width]`` for every input, named ``in0``, ``in1``, ..."""
    import tensorflow as tf

    return [tf.TensorSpec([None, i.width], tf.as_dtype(i.dtype), f"in{at}") for at, i in enumerate(inputs)]


def function_graph(function: Callable[..., Any], inputs: Sequence[ModelInput], described: str) -> onnx.ModelProto:
    """The function by tf2onnx, from a frozen graph: of a function it would make inputs of captured constants.

    Args:
        function: takes a tensor for every input, in order; returns one tensor.
        inputs: what it takes.
        described: its name in an error.

    Raises:
        ModelError: what tf2onnx cannot convert.
    """
    import tf2onnx

    specs = input_specs(inputs)
    try:
        with quiet("tf2onnx", "tensorflow"):
            model, _ = tf2onnx.convert.from_graph_def(
                _frozen(function, inputs),
                input_names=[f"{s.name}:0" for s in specs],
                output_names=["out:0"],
                opset=_OPSET,
            )
    except Exception as error:
        raise ModelError(
            f"{described} cannot be converted to ONNX by tf2onnx: {reason_of(error)}",
            hint="only numeric operations that tf2onnx knows can be; text belongs in preprocessing_fn.",
        ) from error
    kinds = sorted({n.op_type for n in model.graph.node if n.domain not in ("", "ai.onnx", "ai.onnx.ml")})
    if kinds:
        raise ModelError(
            f"{described} uses operations that ONNX does not have: {', '.join(kinds)}",
            hint="write them with other operations of TensorFlow.",
        )
    _without_erfc(model.graph)
    return with_inputs(model, {f"{s.name}:0": i for s, i in zip(specs, inputs, strict=True)})


def _without_erfc(graph: onnx.GraphProto) -> None:
    """TensorFlow's gelu is made of erfc, which tf2onnx leaves as it is: ``1 - erf`` in its place."""
    import numpy as np
    from onnx import helper, numpy_helper

    nodes = list(graph.node)
    if all(node.op_type != "Erfc" for node in nodes):
        return
    graph.initializer.append(numpy_helper.from_array(np.array(1, np.float32), "erfc:one"))
    del graph.node[:]
    for node in nodes:
        if node.op_type != "Erfc":
            graph.node.append(node)
            continue
        inner = f"{node.output[0]}:erf"
        graph.node.append(helper.make_node("Erf", list(node.input), [inner], name=f"{node.name}:erf"))
        graph.node.append(helper.make_node("Sub", ["erfc:one", inner], list(node.output), name=node.name))


def frozen_graph(function: Callable[..., Any], inputs: Sequence[TensorRows]) -> bytes:
    """The function with its variables as constants: a serialised ``GraphDef``, no Python code and no checkpoint.

    Its placeholders are ``in0``, ``in1``, ... and its result is the operation ``out``.
    """
    made: bytes = _frozen(function, inputs).SerializeToString(deterministic=True)
    return made


def _frozen(function: Callable[..., Any], inputs: Sequence[TensorRows]) -> Any:
    """The ``GraphDef`` of `frozen_graph`."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    def named(*tensors: Any) -> Any:
        return tf.identity(function(*tensors), name="out")

    traced = tf.function(named, input_signature=input_specs(inputs), autograph=False)
    with quiet("tf2onnx", "tensorflow"):
        frozen = convert_variables_to_constants_v2(traced.get_concrete_function(), lower_control_flow=False)
    definition = frozen.graph.as_graph_def()
    if not _calls(definition):
        definition.library.Clear()
    if all(n.name != "out" for n in definition.node):
        raise ModelError("the frozen graph has lost its output")
    _name_by_place(definition, [s.name for s in input_specs(inputs)])
    return definition


def _name_by_place(definition: Any, kept: Sequence[str]) -> None:
    """Nodes and functions are named by place: TensorFlow's names hold counters of the process."""
    names = {n.name: f"n{i}" for i, n in enumerate(definition.node) if n.name not in (*kept, "out")}
    functions = {f.signature.name: f"f{i}" for i, f in enumerate(definition.library.function)}
    for node in definition.node:
        node.name = names.get(node.name, node.name)
        node.input[:] = [_renamed(n, names) for n in node.input]
    for inner in definition.library.function:
        inner.signature.name = functions[inner.signature.name]
    for node in [*definition.node, *(n for f in definition.library.function for n in f.node_def)]:
        node.ClearField("experimental_debug_info")
        node.op = functions.get(node.op, node.op)
        for attribute in node.attr.values():
            for func in [attribute.func] if attribute.HasField("func") else attribute.list.func:
                func.name = functions.get(func.name, func.name)


def _renamed(reference: str, names: Mapping[str, str]) -> str:
    """``name``, ``name:1`` and ``^name``."""
    mark = "^" if reference.startswith("^") else ""
    name, colon, port = reference.removeprefix("^").partition(":")
    return mark + names.get(name, name) + colon + port


def _calls(definition: Any) -> bool:
    return any(a.HasField("func") or a.list.func for n in definition.node for a in n.attr.values())


def graph_function(content: bytes, inputs: int) -> Any:
    """The function of so many inputs that `frozen_graph` wrote.

    Raises:
        ModelError: bytes that are no such graph, and operations that run Python or touch files.
    """
    import tensorflow as tf

    definition = tf.compat.v1.GraphDef()
    try:
        definition.ParseFromString(content)
    except Exception as error:
        raise ModelError(f"native/graph.pb is no TensorFlow graph: {error}") from error
    nodes = [*definition.node, *(n for f in definition.library.function for n in f.node_def)]
    if found := sorted({n.op for n in nodes if n.op in _FORBIDDEN or n.op.startswith(("Save", "Restore"))}):
        raise ModelError(f"native/graph.pb holds operations that touch files or run Python: {', '.join(found)}")
    wrapped = tf.compat.v1.wrap_function(lambda: tf.graph_util.import_graph_def(definition, name=""), [])
    feeds = [f"in{i}:0" for i in range(inputs)]
    try:
        return wrapped.prune(feeds, "out:0")
    except (KeyError, ValueError) as error:
        raise ModelError(f"native/graph.pb lacks an input or its output: {error}") from error
