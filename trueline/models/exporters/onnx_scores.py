"""Which output of a foreign ONNX graph holds the scores, and which classes its columns are of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trueline._core.errors import ModelError, did_you_mean

if TYPE_CHECKING:
    import onnx

__all__ = ["Scores", "find_scores", "without_zipmap"]

_FLOATS = (1, 10, 11)
_INTEGERS_AND_TEXT = (6, 7, 8)
_LABELS = ("classlabels_int64s", "classlabels_ints", "classlabels_strings")


@dataclass(frozen=True)
class Scores:
    """The scores' output.

    Attributes:
        name: the output as the graph declares it.
        tensor: the tensor that is read: what a ZipMap takes, else the output itself.
        is_classifier: whether a label stands beside it or a ZipMap makes it.
        classes: class labels that the graph holds, or None.
    """

    name: str
    tensor: str
    is_classifier: bool
    classes: tuple[Any, ...] | None


def find_scores(model: onnx.ModelProto, wanted: str | None, what: str) -> Scores:
    """The output that holds the scores.

    Args:
        model: the graph.
        wanted: the output's name, or None to find it.
        what: the graph's name for people.

    Raises:
        ModelError: no such output, or several that it could be.
    """
    zipped = {n.output[0]: n for n in model.graph.node if n.op_type == "ZipMap"}
    outputs = {o.name: o for o in model.graph.output}
    kinds = {n: o.type.tensor_type.elem_type if o.type.HasField("tensor_type") else 0 for n, o in outputs.items()}
    likely = [n for n in outputs if n in zipped or kinds[n] in _FLOATS]
    if wanted is not None and wanted not in outputs:
        raise ModelError(f"{what} has no output {wanted!r}", hint=did_you_mean(wanted, outputs))
    if wanted is None and len(likely) != 1:
        problems = [f"{n}: {'numbers' if n in likely else 'a label'}" for n in outputs]
        raise ModelError(
            f"{what} has {len(likely)} outputs that could be the scores",
            problems=problems,
            hint="say which: OnnxModel(path, tensor='name').",
        )
    name = wanted or likely[0]
    label = any(kinds[n] in _INTEGERS_AND_TEXT for n in outputs if n != name)
    tensor = zipped[name].input[0] if name in zipped else name
    return Scores(name, tensor, label or name in zipped, _classes(model, zipped.get(name)))


def _classes(model: onnx.ModelProto, zipmap: onnx.NodeProto | None) -> tuple[Any, ...] | None:
    """The class labels of the ZipMap, else of the one node that holds any."""
    nodes = [zipmap] if zipmap is not None else list(model.graph.node)
    found = {labels for n in nodes for a in n.attribute if a.name in _LABELS and (labels := _values(a))}
    return found.pop() if len(found) == 1 else None


def _values(attribute: onnx.AttributeProto) -> tuple[Any, ...]:
    return tuple(s.decode() for s in attribute.strings) or tuple(attribute.ints)


def without_zipmap(model: onnx.ModelProto, scores: Scores) -> onnx.ModelProto:
    """A copy with one output, the scores' tensor, and only the nodes that it needs."""
    import onnx

    from trueline.models.graphs import drop_unused

    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    kept = [o for o in copy.graph.output if o.name == scores.tensor]
    made = kept or [onnx.ValueInfoProto(name=scores.tensor)]
    del copy.graph.output[:]
    copy.graph.output.extend(made)
    drop_unused(copy.graph)
    return copy
