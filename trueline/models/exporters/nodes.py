"""A small builder of ONNX graphs for exporters that write their nodes by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import onnx

__all__ = ["Nodes"]


class Nodes:
    """Nodes and constants of a graph in the making; numbers are double precision unless said."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, value: Any, dtype: Any = np.float64) -> str:
        """The name of a constant."""
        from onnx import numpy_helper

        name = f"const_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def integers(self, values: Sequence[int]) -> str:
        """A constant vector of int64."""
        return self.constant(list(values), np.int64)

    def add(self, op: str, *inputs: str | float, **attributes: Any) -> str:
        """The name of a node's result; numbers among the inputs become constants."""
        from onnx import helper

        names = [i if isinstance(i, str) else self.constant(i) for i in inputs]
        output = f"{op}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, names, [output], **attributes))
        return output

    def call(self, model: onnx.ModelProto, source: str, output: str) -> str:
        """The nodes of a model with one input, put in with names of their own; the name of its output there.

        Args:
            model: its opsets must be those of the graph.
            source: what takes the place of its input.
            output: one of its outputs.
        """
        from onnx import compose, inliner

        if model.functions:
            model = inliner.inline_local_functions(model)
        prefix = f"part{len(self.nodes)}/"
        made: onnx.ModelProto = compose.add_prefix(model, prefix)
        given = prefix + model.graph.input[0].name
        for node in made.graph.node:
            node.input[:] = [source if name == given else name for name in node.input]
            self.nodes.append(node)
        self.constants.extend(made.graph.initializer)
        return source if prefix + output == given else prefix + output

    def double(self, value: str) -> str:
        """The value in double precision."""
        return self.add("Cast", value, to=11)

    def float(self, value: str) -> str:
        """The value rounded to float32."""
        return self.add("Cast", value, to=1)

    def in_float(self, op: str, value: str) -> str:
        """An operation that ONNX Runtime has for float32 alone."""
        narrow = self.add("Cast", value, to=1)
        return self.add("Cast", self.add(op, narrow), to=11)
