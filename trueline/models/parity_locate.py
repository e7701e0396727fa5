"""Where an exported model parts from the framework's own: the first node of the worst row that says something else.

Asked in this order, for the row that the gate calls worst:

1. the features, made by the transform alone and within the merged graph;
2. the model's part within the merged graph, against the exported model alone;
3. the exported model against a second computation of the same graph in float64 by ONNX's own reference;
4. what is left is the export itself: the graph computes what it says, and that is not what the framework computes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline._core.errors import reason_of
from trueline._core.runtime import OnnxGraph
from trueline._core.sessions import make_session
from trueline.models.exporters.base import Arrays
from trueline.models.graphs import reads
from trueline.models.inputs import input_arrays
from trueline.models.merge import TRANSFORMED
from trueline.models.outputs import MODEL
from trueline.models.parity import Checked, Tolerance, score_difference
from trueline.models.parity_widen import widened

if TYPE_CHECKING:
    import onnx
    import pyarrow as pa

__all__ = ["first_difference", "locate", "node_values", "reference_values"]

_CHUNK = 8192
Values = Mapping[str, Any]


def locate(checked: Checked, merged: onnx.ModelProto, session: OnnxGraph, tolerance: Tolerance) -> list[str]:
    """Sentences on where the two part; none where the scores of all rows agree.

    Args:
        checked: the model, its export and the rows.
        merged: the merged graph.
        session: the same, loaded.
        tolerance: what the gate allows.
    """
    row = _worst_row(checked, session, tolerance)
    if row is None or checked.exported.python is not None:
        return []
    try:
        arrays = input_arrays(checked.transform.transform(row, checked.names), checked.inputs)
        fed = session.arrays_from_arrow(row)
        for ask in (_in_transform, _in_merge, _in_export):
            if found := ask(checked, merged, row, arrays, fed, tolerance):
                return [found]
    except Exception as error:  # the gate's own finding must not be lost with its explanation
        return [f"where the two part cannot be told: {reason_of(error)}"]
    return []


def _worst_row(checked: Checked, session: OnnxGraph, tolerance: Tolerance) -> pa.Table | None:
    """The row whose score is farthest beyond the tolerance."""
    worst, found = 0.0, None
    for start in range(0, checked.sample.num_rows, _CHUNK):
        table = checked.sample.slice(start, _CHUNK)
        own = checked.exporter.predict(input_arrays(checked.transform.transform(table, checked.names), checked.inputs))
        theirs = session.predict_arrow(table)[checked.exported.head.output].astype(np.float64)
        if own.shape != theirs.shape:
            return None
        own = own.reshape(len(own), -1)
        difference = score_difference(own, theirs.reshape(own.shape))
        beyond = difference > tolerance.absolute + tolerance.relative * np.abs(np.nan_to_num(own))
        excess = np.where(beyond, difference, 0.0).max(axis=1)
        if excess.max(initial=0.0) > worst:
            worst, found = float(excess.max()), table.slice(int(np.argmax(excess)), 1)
    return found


def _in_transform(
    checked: Checked, merged: onnx.ModelProto, row: pa.Table, arrays: Arrays, fed: Arrays, limits: Tolerance
) -> str | None:
    within = node_values(merged, fed, [MODEL + i.name for i in checked.inputs])
    for spec in checked.inputs:
        own, theirs = arrays[spec.name], within[MODEL + spec.name]
        columns = np.flatnonzero(_apart(own, theirs, limits).reshape(-1, spec.width).any(axis=0))
        if columns.size:
            at = int(columns[0])
            node = _transform_node(checked, merged, fed, limits)
            return (
                f"the features part: column {spec.column_names[at]!r} of input {spec.name!r} is {own[0, at]!s} as the "
                f"transform gives it and {theirs[0, at]!s} within the merged graph{node}"
            )
    return None


def _transform_node(checked: Checked, merged: onnx.ModelProto, fed: Arrays, limits: Tolerance) -> str:
    """The first node of the transform's part that gives another value than in the transform's own graph."""
    own = checked.transform.to_onnx(checked.names)
    known = {o for n in own.graph.node for o in n.output if o}
    mine = node_values(own, fed)
    nodes = [n for n in merged.graph.node if any(o in known for o in n.output)]
    theirs = node_values(merged, fed, [o for n in nodes for o in n.output if o in known])
    found = first_difference(nodes, mine, theirs, limits)
    if found is None:
        return f", in the nodes that assemble it of the outputs {TRANSFORMED}..."
    node, name = found
    values = f"{_short(mine[name])} in the transform and {_short(theirs[name])} here"
    return f", from node {describe(node)} on, which gives {values}"


def _in_merge(
    checked: Checked, merged: onnx.ModelProto, row: pa.Table, arrays: Arrays, fed: Arrays, limits: Tolerance
) -> str | None:
    name = checked.exported.head.output
    alone = node_values(checked.exported.onnx, arrays)
    whole = node_values(merged, fed, [MODEL + name])
    if not _apart(alone[name], whole[MODEL + name], limits).any():
        return None
    nodes = [n for n in merged.graph.node if all(o.startswith(MODEL) for o in n.output)]
    shared = [o for n in nodes for o in n.output if o.removeprefix(MODEL) in alone]
    theirs = node_values(merged, fed, shared)
    found = first_difference(nodes, {MODEL + n: v for n, v in alone.items()}, theirs, limits)
    place = f"node {describe(found[0])}" if found else "its output"
    values = (
        f": {_short(alone[found[1].removeprefix(MODEL)])} alone, {_short(theirs[found[1]])} merged" if found else ""
    )
    return f"the model's part gives another value merged than alone on the same inputs, from {place} on{values}"


def _in_export(
    checked: Checked, merged: onnx.ModelProto, row: pa.Table, arrays: Arrays, fed: Arrays, limits: Tolerance
) -> str:
    model = checked.exported.onnx
    nodes = list(model.graph.node)
    read = {i.name for i in checked.inputs}
    first = next((n for n in nodes if read & reads(n)), nodes[0] if nodes else None)
    start = "" if first is None else f", from node {describe(first)} on, the first that reads its input"
    itself = f"the exported graph itself is not what the framework computes{start}"
    ours = node_values(model, arrays)
    try:
        exact, width = reference_values(model, arrays)
    except Exception as error:  # ONNX's reference has not every operator
        return f"{itself}; it could not be computed a second time ({type(error).__name__})"
    found = first_difference(nodes, exact, ours, limits)
    if found is None:
        return f"{itself}: ONNX Runtime computes each of its nodes as ONNX's reference does in {width}"
    node, name = found
    return (
        f"within the exported model node {describe(node)} gives {_short(ours[name])} in ONNX Runtime at float32 and "
        f"{_short(exact[name])} computed in {width}"
    )


def node_values(model: onnx.ModelProto, arrays: Arrays, names: list[str] | None = None) -> dict[str, npt.NDArray[Any]]:
    """What nodes of the main graph give in ONNX Runtime, without optimisations that would merge them, by output name.

    Args:
        model: the graph.
        arrays: its inputs; further ones are ignored.
        names: the outputs wanted; all tensors by default.
    """
    copy = _with_outputs(model, names)
    session = make_session(copy.SerializeToString())
    given = {i.name: arrays[i.name] for i in session.get_inputs()}
    made = [o.name for o in session.get_outputs()]
    return dict(zip(made, session.run(made, given), strict=True))


def reference_values(model: onnx.ModelProto, arrays: Arrays) -> tuple[dict[str, npt.NDArray[Any]], str]:
    """The same by ONNX's reference evaluator in float64; in float32 where the reference cannot widen the graph.

    Returns:
        the values by name, and ``float64`` or ``float32``.

    Raises:
        Exception: whatever the reference raises for operators that it does not have.
    """
    try:
        return _evaluated(widened(model), {n: _wide(a) for n, a in arrays.items()}, _names(model)), "float64"
    except Exception:  # the reference has operators that know one type alone
        return _evaluated(model, arrays, _names(model)), "float32"


def _wide(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return array.astype(np.float64) if array.dtype == np.float32 else array


def _names(model: onnx.ModelProto) -> list[str]:
    return [o for n in model.graph.node for o in n.output if o]


def _evaluated(model: onnx.ModelProto, arrays: Arrays, names: list[str]) -> dict[str, npt.NDArray[Any]]:
    from onnx.reference import ReferenceEvaluator

    given = {i.name: arrays[i.name] for i in model.graph.input if i.name in arrays}
    with np.errstate(all="ignore"):
        made = ReferenceEvaluator(_with_outputs(model, names)).run(names, given)
    return dict(zip(names, made, strict=True))


def _with_outputs(model: onnx.ModelProto, names: list[str] | None) -> onnx.ModelProto:
    import onnx

    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    wanted = names if names is not None else _names(copy)
    declared = {o.name for o in copy.graph.output}
    copy.graph.output.extend(onnx.ValueInfoProto(name=n) for n in dict.fromkeys(wanted) if n not in declared)
    return copy


def first_difference(
    nodes: list[onnx.NodeProto], one: Values, other: Values, limits: Tolerance
) -> tuple[onnx.NodeProto, str] | None:
    """The first node, in the graph's order, of which an output that both have is apart; and that output."""
    for node in nodes:
        for name in node.output:
            if name in one and name in other and _apart(one[name], other[name], limits).any():
                return node, name
    return None


def describe(node: onnx.NodeProto) -> str:
    """A node by its name, operator and first output."""
    return (
        f"{node.name!r} ({node.op_type}, output {node.output[0]!r})"
        if node.name
        else (f"{node.op_type} (output {node.output[0]!r})")
    )


def _apart(one: Any, other: Any, limits: Tolerance) -> npt.NDArray[np.bool_]:
    a, b = np.asarray(one), np.asarray(other)
    if a.shape != b.shape:
        return np.ones(1, bool)
    if a.dtype.kind not in "fiub" or b.dtype.kind not in "fiub":
        return np.asarray(a != b)
    a, b = a.astype(np.float64), b.astype(np.float64)
    return np.asarray(score_difference(a, b) > limits.absolute + limits.relative * np.abs(np.nan_to_num(a)))


def _short(value: Any) -> str:
    flat = np.asarray(value).reshape(-1)
    return f"[{', '.join(str(v) for v in flat[:4])}{', ...' if flat.size > 4 else ''}]"
