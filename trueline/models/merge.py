"""One file from raw features to prediction: the transform's graph, the assembly of inputs, the model, its label.

The recipe is for graphs of any exporter: one name for each operator domain, one opset for both parts, the model's
names prefixed, inputs assembled from ``transformed:<name>``, and the label made by ArgMax and Gather.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from trueline._core.errors import ModelError
from trueline._core.feeds import Feeds
from trueline._core.python_model import INPUT
from trueline._core.values import PRESENT, RawFeature
from trueline.models.exporters.base import Exported
from trueline.models.graphs import (
    ML_DOMAIN,
    OPSET,
    all_nodes,
    drop_unused,
    normalise,
    opsets,
    set_opsets,
    unique_node_names,
)
from trueline.models.inputs import ModelInput
from trueline.models.outputs import LABEL, MODEL, append_outputs, initializer, output_names

if TYPE_CHECKING:
    import onnx

__all__ = ["LABEL", "TRANSFORMED", "finish", "merge_model"]

TRANSFORMED = "transformed:"
_ASSEMBLY = "input/"


def merge_model(
    transform: onnx.ModelProto, exported: Exported, inputs: Sequence[ModelInput], feeds: Feeds
) -> onnx.ModelProto:
    """The merged graph: raw features to ``probabilities`` and ``label``, or to the head's one output.

    For a model that is a Python function the graph ends at the function's inputs, ``input:<name>``.

    Args:
        transform: `TransformOutput.to_onnx(features)`.
        exported: the model alone.
        inputs: its inputs, made of the transform's outputs.
        feeds: what the transform's graph takes.

    Raises:
        ModelError: when the parts cannot be brought to one opset, or the result does not pass ONNX's checker.
    """
    from onnx import compose

    if clash := sorted({i.name for i in transform.graph.input} & set(output_names(exported.head))):
        raise ModelError(
            f"the raw column {clash[0]!r} is read by the features and has the name of an output of the model",
            hint="rename the raw column.",
        )
    if exported.python is not None:
        return finish(_inputs_alone(transform, inputs), feeds)
    opset = max(OPSET, opsets(exported.onnx).get("", OPSET))
    merged = normalise(transform, opset)
    model = normalise(exported.onnx, opset)
    model = compose.add_prefix(model, MODEL)
    graph = merged.graph
    outputs = {o.name for o in graph.output}
    del graph.output[:]
    for spec in inputs:
        _assemble(graph, spec, outputs)
    graph.node.extend(model.graph.node)
    graph.initializer.extend(model.graph.initializer)
    graph.sparse_initializer.extend(model.graph.sparse_initializer)
    append_outputs(graph, exported.head)
    versions = opsets(merged)
    for domain, version in opsets(model).items():
        versions[domain] = max(version, versions.get(domain, 0))
    set_opsets(merged, versions)
    return finish(merged, feeds)


def _inputs_alone(transform: onnx.ModelProto, inputs: Sequence[ModelInput]) -> onnx.ModelProto:
    from onnx import TensorProto, helper

    merged = normalise(transform)
    graph = merged.graph
    outputs = {o.name for o in graph.output}
    del graph.output[:]
    for spec in inputs:
        _assemble(graph, spec, outputs)
        graph.node.append(helper.make_node("Identity", [MODEL + spec.name], [INPUT + spec.name]))
        kind = TensorProto.INT64 if spec.dtype == "int64" else TensorProto.FLOAT
        graph.output.append(helper.make_tensor_value_info(INPUT + spec.name, kind, ["N", spec.width]))
    return merged


def finish(model: onnx.ModelProto, feeds: Feeds) -> onnx.ModelProto:
    """Drops what no output needs, names nodes, writes the feeds into the metadata, and runs ONNX's checker.

    Raises:
        ModelError: with the checker's reason.
    """
    import onnx
    from onnx import checker, helper

    drop_unused(model.graph)
    unique_node_names(model.graph)
    used = {"", ML_DOMAIN} | {node.domain for node in all_nodes(model.graph)}
    set_opsets(model, {d: v for d, v in opsets(model).items() if d in used})
    model.ir_version = max(10, min(helper.find_min_ir_version_for(model.opset_import, True), onnx.IR_VERSION))
    model.producer_name, model.producer_version = "trueline", ""
    model.graph.name = "trueline"
    del model.metadata_props[:]
    helper.set_model_props(model, {"trueline.feeds": json.dumps(feeds.to_json(), sort_keys=True)})
    try:
        checker.check_model(model)
    except Exception as error:
        raise ModelError(f"the merged graph is not valid ONNX: {error}") from error
    return model


def _assemble(graph: onnx.GraphProto, spec: ModelInput, outputs: set[str]) -> None:
    """Concat of the features as ``[N, width]`` under the name that the prefixed model reads."""
    from onnx import helper

    parts = []
    for i, feature in enumerate(spec.features):
        if TRANSFORMED + feature.name not in outputs:
            raise ModelError(f"the transform's graph has no output for feature {feature.name!r}")
        parts.append(_column(graph, f"{_ASSEMBLY}{spec.name}/{i}", feature, spec.dtype, outputs))
    graph.node.append(helper.make_node("Concat", parts, [MODEL + spec.name], axis=1))


def _column(graph: onnx.GraphProto, name: str, feature: RawFeature, dtype: str, outputs: set[str]) -> str:
    """One feature as ``[N, size]`` of `dtype`, with NaN where it is missing."""
    from onnx import TensorProto, helper

    to = TensorProto.INT64 if dtype == "int64" else TensorProto.FLOAT
    source = TRANSFORMED + feature.name
    shape = initializer(graph, f"{_ASSEMBLY}shape/{feature.size or 1}", np.array([-1, feature.size or 1], np.int64))
    graph.node.append(helper.make_node("Cast", [source], [f"{name}/cast"], to=to))
    flat = f"{name}/flat"
    graph.node.append(helper.make_node("Reshape", [f"{name}/cast", shape], [flat]))
    if source + PRESENT not in outputs or feature.dtype not in ("float32", "float64"):
        return flat
    column = initializer(graph, f"{_ASSEMBLY}shape/1", np.array([-1, 1], np.int64))
    nan = initializer(graph, f"{_ASSEMBLY}nan", np.array(np.nan, np.float32))
    graph.node.append(helper.make_node("Reshape", [source + PRESENT, column], [f"{name}/present"]))
    graph.node.append(helper.make_node("Where", [f"{name}/present", flat, nan], [f"{name}/filled"]))
    return f"{name}/filled"
