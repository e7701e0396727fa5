"""From a model's raw output to probabilities: the same step in ONNX and in numpy, for frameworks that give logits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from trueline._core.activations import probabilities_of
from trueline.models.contract import Output

if TYPE_CHECKING:
    import onnx

__all__ = ["append_head", "probabilities_of", "scores_of"]


_ACTIVATED = ("logits", "probabilities")


def scores_of(raw: npt.NDArray[np.float64], meaning: Output) -> npt.NDArray[np.float64]:
    """The main output of what a model returns: probabilities ``[N, C]``, numbers ``[N]``, an embedding ``[N, D]``."""
    if meaning in _ACTIVATED:
        return probabilities_of(raw, meaning)
    return raw.reshape(len(raw), -1) if meaning == "embedding" else raw.reshape(len(raw))


def append_head(model: onnx.ModelProto, raw: str, meaning: Output, columns: int) -> onnx.ModelProto:
    """A copy of the model with the step from its output `raw` to probabilities.

    A prediction, a score and an embedding stay as they are. The copy's one output has `columns` columns, or is ``[N]``
    where that is 0: give `Head.columns`.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    made = onnx.ModelProto()
    made.CopyFrom(model)
    graph = made.graph
    out = raw
    width = _width(model, raw)
    if meaning == "logits":
        out = "head:activated"
        node = (
            helper.make_node("Sigmoid", [raw], [out])
            if width == 1
            else helper.make_node("Softmax", [raw], [out], axis=1)
        )
        graph.node.append(node)
    if meaning in _ACTIVATED and width == 1:
        graph.initializer.append(numpy_helper.from_array(np.array([-1, 1], np.int64), "head:column"))
        graph.initializer.append(numpy_helper.from_array(np.array(1, np.float32), "head:one"))
        graph.node.append(helper.make_node("Cast", [out], ["head:float"], to=TensorProto.FLOAT))
        graph.node.append(helper.make_node("Reshape", ["head:float", "head:column"], ["head:second"]))
        graph.node.append(helper.make_node("Sub", ["head:one", "head:second"], ["head:first"]))
        out = "head:pair"
        graph.node.append(helper.make_node("Concat", ["head:first", "head:second"], [out], axis=1))
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info(out, TensorProto.FLOAT, ["N", *([columns] if columns else [])]))
    return made


def _width(model: onnx.ModelProto, output: str) -> int:
    """Columns of an output as the exporter declared them; 1 for ``[N]``."""
    shape = next(o for o in model.graph.output if o.name == output).type.tensor_type.shape
    return 1 if len(shape.dim) == 1 else int(shape.dim[1].dim_value)
