"""From a model's raw output to probabilities: the same step in ONNX and in numpy, for frameworks that give logits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from trueline.models.contract import Output

if TYPE_CHECKING:
    import onnx

__all__ = ["append_head", "probabilities_of"]


def probabilities_of(raw: npt.NDArray[np.float64], meaning: Output) -> npt.NDArray[np.float64]:
    """Probabilities ``[N, C]`` from logits or probabilities of shape ``[N]``, ``[N, 1]`` or ``[N, C]``.

    One column is the second class's: sigmoid of a logit p gives ``[1 - p, p]``. Otherwise softmax, computed with
    the row's maximum subtracted.
    """
    if raw.ndim == 1 or raw.shape[1] == 1:
        p = raw.reshape(-1, 1)
        if meaning == "logits":
            p = np.where(p >= 0, 1 / (1 + np.exp(-np.abs(p))), np.exp(-np.abs(p)) / (1 + np.exp(-np.abs(p))))
        return np.concatenate([1 - p, p], axis=1)
    if meaning == "logits":
        e = np.exp(raw - raw.max(axis=1, keepdims=True))
        return np.asarray(e / e.sum(axis=1, keepdims=True))
    return raw


def append_head(model: onnx.ModelProto, raw: str, meaning: Output, classes: int) -> onnx.ModelProto:
    """A copy of the model with the step from its output `raw` to probabilities; a prediction stays as it is."""
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
    if meaning != "prediction" and width == 1:
        graph.initializer.append(numpy_helper.from_array(np.array([-1, 1], np.int64), "head:column"))
        graph.initializer.append(numpy_helper.from_array(np.array(1, np.float32), "head:one"))
        graph.node.append(helper.make_node("Cast", [out], ["head:float"], to=TensorProto.FLOAT))
        graph.node.append(helper.make_node("Reshape", ["head:float", "head:column"], ["head:second"]))
        graph.node.append(helper.make_node("Sub", ["head:one", "head:second"], ["head:first"]))
        out = "head:pair"
        graph.node.append(helper.make_node("Concat", ["head:first", "head:second"], [out], axis=1))
    del graph.output[:]
    columns = [classes] if classes else []
    graph.output.append(helper.make_tensor_value_info(out, TensorProto.FLOAT, ["N", *columns]))
    return made


def _width(model: onnx.ModelProto, output: str) -> int:
    """Columns of an output as the exporter declared them; 1 for ``[N]``."""
    shape = next(o for o in model.graph.output if o.name == output).type.tensor_type.shape
    return 1 if len(shape.dim) == 1 else int(shape.dim[1].dim_value)
