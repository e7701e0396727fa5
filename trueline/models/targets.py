"""``targets.onnx``: from raw columns to the true label and the weight, for evaluation and never for serving."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from trueline._core.errors import ModelError
from trueline._core.values import PRESENT
from trueline.models.graphs import normalise
from trueline.models.inputs import unfit_weight
from trueline.models.merge import LABEL, TRANSFORMED, finish

if TYPE_CHECKING:
    import onnx

    from trueline.transform import TransformOutput

__all__ = ["build_targets"]

WEIGHT = "weight"


def build_targets(transform: TransformOutput, label: str, weight: str | None) -> tuple[onnx.ModelProto, dict[str, Any]]:
    """The graph, and what ``model.json`` says of it.

    Its outputs are ``label``, bool ``label:present`` and float32 ``weight``, each ``[N]``; where a raw column it reads
    has such a name, the output has the suffix ``:target``. ``outputs`` of the description says which.

    Raises:
        ModelError: a weight that is no number, or may be missing.
    """
    from onnx import TensorProto, helper

    wanted = [label, *([weight] if weight else [])]
    features = {f.name: f for f in transform.outputs}
    model, feeds = normalise(transform.to_onnx(wanted)), transform.feeds(wanted)
    graph = model.graph
    declared = {o.name: o for o in graph.output}
    taken = {i.name for i in graph.input}
    names = {key: n + ":target" if n in taken else n for key, n in _names(weight).items()}
    del graph.output[:]
    source = TRANSFORMED + label
    graph.node.append(helper.make_node("Identity", [source], [names["label"]]))
    graph.node.append(_presence(source, names["present"], source + PRESENT in declared))
    elem = declared[source].type.tensor_type.elem_type
    graph.output.append(helper.make_tensor_value_info(names["label"], elem, ["N"]))
    graph.output.append(helper.make_tensor_value_info(names["present"], TensorProto.BOOL, ["N"]))
    if source + PRESENT not in declared:
        graph.node.insert(len(graph.node) - 1, helper.make_node("Shape", [source], ["targets/shape"]))
    if weight:
        if problem := unfit_weight(features[weight]):
            raise ModelError(problem)
        graph.node.append(helper.make_node("Cast", [TRANSFORMED + weight], [names["weight"]], to=TensorProto.FLOAT))
        graph.output.append(helper.make_tensor_value_info(names["weight"], TensorProto.FLOAT, ["N"]))
    info = {
        "feeds": feeds.to_json(),
        "label": label,
        "weight": weight,
        "label_dtype": features[label].dtype,
        "outputs": names,
        "host": [s.to_json() for s in transform.host_steps(wanted)],
    }
    return finish(model, feeds), info


def _names(weight: str | None) -> dict[str, str]:
    names = {"label": LABEL, "present": LABEL + PRESENT}
    return names | ({"weight": WEIGHT} if weight else {})


def _presence(source: str, name: str, declared: bool) -> onnx.NodeProto:
    from onnx import helper, numpy_helper

    if declared:
        return helper.make_node("Identity", [source + PRESENT], [name])
    value = numpy_helper.from_array(np.array([True]))
    return helper.make_node("ConstantOfShape", ["targets/shape"], [name], value=value)
