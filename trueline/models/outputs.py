"""The last step of a merged graph: from the model's main output to what a client gets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from trueline.models.calibration import SMALLEST, Calibration
from trueline.models.contract import PROBABILITIES, Head

if TYPE_CHECKING:
    import onnx

    from trueline.models.decision import Decision

__all__ = ["LABEL", "MODEL", "append_outputs", "initializer", "output_names"]

LABEL = "label"
MODEL = "model/"
"""Prefix of the names of the model's part of a merged graph."""
OUTPUT = "output/"
_KINDS = {"bool": np.bool_, "int64": np.int64, "utf8": np.object_}


def output_names(head: Head) -> tuple[str, ...]:
    """The outputs of a merged model."""
    return (PROBABILITIES, LABEL) if head.is_classifier else (head.output,)


def initializer(graph: onnx.GraphProto, name: str, value: Any) -> str:
    """The name of a constant, put into the graph unless it is there."""
    from onnx import numpy_helper

    if all(i.name != name for i in graph.initializer):
        graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
    return name


def append_outputs(graph: onnx.GraphProto, head: Head, decision: Decision | None = None) -> None:
    """Adds the outputs, made of ``model/<head.output>``; a classifier's by its decision, the greatest without one."""
    from onnx import TensorProto, helper

    if not head.is_classifier:
        shape: list[str | int | None] = ["N", head.columns] if head.columns else ["N"]
        graph.node.append(helper.make_node("Identity", [MODEL + head.output], [head.output]))
        graph.output.append(helper.make_tensor_value_info(head.output, TensorProto.FLOAT, shape))
        return
    make = _Maker(graph)
    source = MODEL + PROBABILITIES
    if decision is not None and decision.calibration is not None:
        source = _calibrated(make, source, decision.calibration, len(head.classes))
    graph.node.append(helper.make_node("Identity", [source], [PROBABILITIES]))
    onnx_type = {"bool": TensorProto.BOOL, "int64": TensorProto.INT64, "utf8": TensorProto.STRING}[head.label_dtype]
    classes = make.constant("classes", np.array(list(head.classes), _KINDS[head.label_dtype]))
    if decision is not None and decision.cost_matrix is not None:
        gains = make.constant("gains", -np.array(decision.cost_matrix, np.float32))
        chosen = make("ArgMax", [make("MatMul", [PROBABILITIES, gains], "expected")], "class", axis=1, keepdims=0)
    elif decision is not None and decision.groups is not None:
        from trueline.models.decision_groups import group_class

        chosen = group_class(make, decision.groups)
    elif decision is None or decision.threshold is None:
        chosen = make("ArgMax", [PROBABILITIES], "class", axis=1, keepdims=0)
    else:
        chosen = _above(make, decision.threshold)
    graph.node.append(helper.make_node("Gather", [classes, chosen], [LABEL], axis=0))
    graph.output.append(helper.make_tensor_value_info(PROBABILITIES, TensorProto.FLOAT, ["N", len(head.classes)]))
    graph.output.append(helper.make_tensor_value_info(LABEL, onnx_type, ["N"]))


class _Maker:
    """Nodes and constants named below ``output/``."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self.graph = graph

    def __call__(self, operator: str, inputs: Sequence[str], name: str, **attributes: Any) -> str:
        from onnx import helper

        self.graph.node.append(helper.make_node(operator, list(inputs), [OUTPUT + name], **attributes))
        return OUTPUT + name

    def constant(self, name: str, value: Any) -> str:
        return initializer(self.graph, OUTPUT + name, value)

    def number(self, value: float) -> str:
        """A float32 number."""
        return self.constant(f"number/{np.float32(value)!r}", np.array(value, np.float32))

    def column(self, source: str, index: int) -> str:
        """One column ``[N]`` of a matrix."""
        at = self.constant(f"column/{index}", np.array(index, np.int64))
        return self("Gather", [source, at], f"{source.replace('/', ':')}/{index}", axis=1)


def _above(make: _Maker, threshold: float) -> str:
    from onnx import TensorProto

    second = make.column(PROBABILITIES, 1)
    above = make("GreaterOrEqual", [second, make.number(threshold)], "above")
    return make("Cast", [above], "class", to=TensorProto.INT64)


def _calibrated(make: _Maker, source: str, calibration: Calibration, classes: int) -> str:
    if calibration.method == "temperature":
        raised = make("Max", [source, make.number(SMALLEST)], "raised")
        cooled = make(
            "Div", [make("Log", [raised], "log"), make.number(calibration.curves[0]["temperature"])], "cooled"
        )
        return make("Softmax", [cooled], "calibrated", axis=1)
    run = {"sigmoid": _sigmoid, "isotonic": _isotonic}[calibration.method]
    axis = make.constant("axis", np.array([1], np.int64))
    one = make.number(1.0)
    if classes == 2:
        second = run(make, "second", calibration.curves[0], make.column(source, 1), make.column(source, 0))
        pair = [make("Sub", [one, second], "first"), second]
        flat = [make("Unsqueeze", [p, axis], f"pair/{i}") for i, p in enumerate(pair)]
        return make("Concat", flat, "calibrated", axis=1)
    parts = []
    for i, curve in enumerate(calibration.curves):
        p = make.column(source, i)
        made = run(make, f"curve/{i}", curve, p, make("Sub", [one, p], f"rest/{i}"))
        parts.append(make("Unsqueeze", [made, axis], f"part/{i}"))
    return _sum_one(make, make("Concat", parts, "each", axis=1), axis, classes)


def _sum_one(make: _Maker, each: str, axis: str, classes: int) -> str:
    """Each row divided by its sum; a row of zeros is spread evenly."""
    total = make("ReduceSum", [each, axis], "total", keepdims=1)
    some = make("Greater", [total, make.number(0.0)], "some")
    safe = make("Where", [some, total, make.number(1.0)], "safe")
    return make("Where", [some, make("Div", [each, safe], "shares"), make.number(1.0 / classes)], "calibrated")


def _log(make: _Maker, name: str, p: str) -> str:
    return make("Log", [make("Max", [p, make.number(SMALLEST)], f"{name}/raised")], f"{name}/log")


def _sigmoid(make: _Maker, name: str, curve: Mapping[str, Any], p: str, rest: str) -> str:
    odds = make("Sub", [_log(make, f"{name}/p", p), _log(make, f"{name}/rest", rest)], f"{name}/odds")
    scaled = make("Mul", [odds, make.number(curve["a"])], f"{name}/scaled")
    return make("Sigmoid", [make("Add", [scaled, make.number(curve["b"])], f"{name}/shifted")], name)


def _isotonic(make: _Maker, name: str, curve: Mapping[str, Any], p: str, rest: str) -> str:
    """The segment by counting the knots at or below p; then the straight line within it, constant outside."""
    from onnx import TensorProto

    x, y = np.asarray(curve["x"], np.float32), np.asarray(curve["y"], np.float32)
    if len(x) == 1:
        x, y = np.append(x, x + 1), np.append(y, y)
    axis = make.constant("axis", np.array([1], np.int64))
    table = {
        "x": x[:-1], "width": np.diff(x), "y": y[:-1], "rise": np.diff(y),
    }  # fmt: skip
    names = {key: make.constant(f"{name}/{key}", value) for key, value in table.items()}
    inner = make.constant(f"{name}/inner", x[1:-1][None, :])
    column = make("Unsqueeze", [p, axis], f"{name}/column")
    passed = make(
        "Cast", [make("GreaterOrEqual", [column, inner], f"{name}/at")], f"{name}/passed", to=TensorProto.INT64
    )
    segment = make("ReduceSum", [passed, axis], f"{name}/segment", keepdims=0)
    at = {key: make("Gather", [constant, segment], f"{name}/my/{key}", axis=0) for key, constant in names.items()}
    share = make("Div", [make("Sub", [p, at["x"]], f"{name}/beyond"), at["width"]], f"{name}/share")
    clipped = make("Clip", [share, make.number(0.0), make.number(1.0)], f"{name}/clipped")
    return make("Add", [at["y"], make("Mul", [clipped, at["rise"]], f"{name}/more")], name)
