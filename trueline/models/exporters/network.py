"""What the exporters of neural networks share: inputs by argument, the meaning of one output, the head in the graph.

A subclass says how its framework computes the network's raw output and how it writes the network as ONNX.
"""

from __future__ import annotations

import inspect
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline._core.errors import ModelError, first_line
from trueline._core.values import RawFeature
from trueline.models.contract import NO_LABEL, Fitted, Head, Output, Tolerance, head_of
from trueline.models.exporters.base import Arrays, Exported
from trueline.models.exporters.canonical import canonical
from trueline.models.exporters.heads import append_head, probabilities_of
from trueline.models.graphs import keep_output, normalise
from trueline.models.inputs import ModelInput

if TYPE_CHECKING:
    import onnx

__all__ = ["RAW", "NetworkExporter", "by_argument", "one_output", "with_head", "with_inputs"]

RAW = "raw"
"""The name of a network's own output in its graph, before the head."""
_EXAMPLE_ROWS = 3
_CLASS_OUTPUTS = ("logits", "probabilities")


def by_argument(
    inputs: Sequence[ModelInput], function: Callable[..., Any], described: str, skip: int = 0
) -> tuple[ModelInput, ...]:
    """The inputs in the order of a function's arguments, by name where there are several.

    Args:
        inputs: the model's inputs.
        function: what is called with them.
        described: its name in an error.
        skip: leading arguments that are no inputs.

    Raises:
        ModelError: when the names are not those of the arguments.
    """
    made = tuple(inputs)
    parameters = list(inspect.signature(function).parameters.values())[skip:]
    if len(made) < 2 or any(p.kind == p.VAR_POSITIONAL for p in parameters):
        return made
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    by_name = {i.name: i for i in made}
    needed = [p.name for p in positional if p.name in by_name or p.default is p.empty]
    if set(needed) != set(by_name):
        raise ModelError(
            f"{described} takes {', '.join(needed)}; the inputs are {', '.join(by_name)}",
            hint="name the inputs of Fitted as the arguments are named.",
        )
    return tuple(by_name[n] for n in needed)


def one_output(out: Any, described: str) -> npt.NDArray[np.float64]:
    """A network's output as float64 of shape ``[N]`` or ``[N, K]``.

    Raises:
        ModelError: several outputs, another rank, or no numbers.
    """
    array = np.asarray(out) if not isinstance(out, (dict, list, tuple)) else None
    if array is None or array.ndim not in (1, 2) or array.dtype.kind not in "fiub":
        kind = type(out).__name__ if array is None else f"an array of {array.dtype} of shape {list(array.shape)}"
        raise ModelError(f"{described} must return one tensor of numbers of shape [N] or [N, K], not {kind}")
    return array.astype(np.float64)


def with_inputs(model: onnx.ModelProto, inputs: Mapping[str, ModelInput]) -> onnx.ModelProto:
    """A converter's graph with inputs named and typed as the model's.

    Args:
        model: its inputs may have other names and other number types; those that it does not read may lack.
        inputs: by the graph's name for them.
    """
    import onnx
    from onnx import TensorProto, helper

    made = onnx.ModelProto()
    made.CopyFrom(model)
    values, nodes = [], []
    for value in made.graph.input:
        spec = inputs.get(value.name)
        if spec is None:
            values.append(value)
            continue
        inside = f"{value.name}:typed"
        wanted = TensorProto.INT64 if spec.dtype == "int64" else TensorProto.FLOAT
        values.append(helper.make_tensor_value_info(spec.name, wanted, ["N", spec.width]))
        nodes.append(helper.make_node("Cast", [spec.name], [inside], to=value.type.tensor_type.elem_type))
    nodes += [_renamed_reads(n, {old: f"{old}:typed" for old in inputs}) for n in made.graph.node]
    del made.graph.node[:], made.graph.input[:]
    made.graph.node.extend(nodes)
    made.graph.input.extend(values)
    return made


def _renamed_reads(node: onnx.NodeProto, names: Mapping[str, str]) -> onnx.NodeProto:
    """The node, and those of its subgraphs, reading other names."""
    import onnx

    made = onnx.NodeProto()
    made.CopyFrom(node)
    made.input[:] = [names.get(n, n) for n in node.input]
    for attribute in made.attribute:
        for inner in [attribute.g] if attribute.HasField("g") else list(attribute.graphs):
            kept = [_renamed_reads(n, names) for n in inner.node]
            del inner.node[:]
            inner.node.extend(kept)
    return made


def with_head(model: onnx.ModelProto, meaning: Output, width: int, head: Head) -> onnx.ModelProto:
    """The network's graph with its only output brought to ``head.output``.

    Args:
        model: a graph with one output of shape ``[N]`` or ``[N, width]``.
        meaning: what that output is.
        width: its columns.
        head: what is wanted.
    """
    named = canonical(model)
    flat = keep_output(named, named.graph.output[0].name, RAW, columns=width)
    if meaning not in _CLASS_OUTPUTS:
        return keep_output(flat, RAW, head.output, columns=head.columns)
    made = append_head(flat, RAW, meaning, len(head.classes))
    return keep_output(made, made.graph.output[0].name, head.output, columns=head.columns)


def _check_runs(model: onnx.ModelProto, examples: Arrays, described: str) -> None:
    """Converters may write graphs that ONNX Runtime refuses, or that hold the example's batch size."""
    from trueline._core.runtime import make_session

    try:
        session = make_session(normalise(model).SerializeToString())
        names = [i.name for i in session.get_inputs()]
        for rows in (1, _EXAMPLE_ROWS):
            found = session.run(None, {n: examples[n][:rows] for n in names})[0]
            if len(found) != rows:
                raise ModelError(f"it gives {len(found)} rows for {rows}")
    except Exception as error:
        raise ModelError(
            f"the ONNX graph of {described} does not run: {first_line(error)}",
            hint="write the network with other operations; the converter of its framework is at fault.",
        ) from error


class NetworkExporter(ABC):
    """One network; see `trueline.models.exporters.base.Exporter` for what it provides."""

    framework = ""
    tolerance = Tolerance(1e-4, 1e-4)
    """Networks add in float32, each runtime in its own order: what normalisation divides by can be small."""

    def __init__(self, fitted: Fitted) -> None:
        self.fitted = fitted
        self._inputs: tuple[ModelInput, ...] = ()
        self._meaning: Output = fitted.output or "prediction"

    @property
    @abstractmethod
    def described(self) -> str:
        """What the network's call is named in errors."""

    @abstractmethod
    def raw(self, arrays: Arrays) -> npt.NDArray[np.float64]:
        """The network's own output, ``[N]`` or ``[N, K]``; raises ModelError when it fails on these arrays."""

    @abstractmethod
    def graph(self) -> onnx.ModelProto:
        """The network as ONNX: inputs named and typed as `ModelInput` says, one output; raises ModelError."""

    @abstractmethod
    def inputs(self, inputs: Sequence[ModelInput]) -> tuple[ModelInput, ...]:
        """The inputs in the order in which the network takes them."""

    @abstractmethod
    def versions(self) -> dict[str, str]:
        """Versions of the framework and the converter."""

    def examples(self) -> dict[str, npt.NDArray[Any]]:
        """Rows of zeros for every input: a valid id, a valid number."""
        return {i.name: np.zeros((_EXAMPLE_ROWS, i.width), i.dtype) for i in self._inputs}

    def meaning(self, label: RawFeature) -> Output:
        """What the network returns: as declared, or a number where the label is one and no classes are declared.

        Raises:
            ModelError: when it is not known.
        """
        if self.fitted.output is not None:
            return self.fitted.output
        if label is NO_LABEL:
            return "embedding"
        if label.dtype in ("float32", "float64") and self.fitted.classes is None:
            return "prediction"
        raise ModelError(
            f"what {type(self.fitted.model).__name__} returns is not known",
            hint='say Fitted(model, output="logits"), "probabilities", "prediction", "score" or "embedding".',
        )

    def _probe(self, label: RawFeature) -> tuple[Output, int, Head]:
        raw = self.raw(self.examples())
        width = 1 if raw.ndim == 1 else raw.shape[1]
        meaning = self._meaning = self.meaning(label)
        return meaning, width, head_of(label, meaning, width, self.fitted.classes)

    def head(self, label: RawFeature) -> Head:
        """From the declared meaning, the width of the output, and the declared classes or the label's type."""
        return self._probe(label)[2]

    def to_onnx(self, inputs: Sequence[ModelInput], label: RawFeature) -> Exported:
        """The network's graph and the head behind it."""
        self._inputs = self.inputs(inputs)
        meaning, width, head = self._probe(label)
        made = with_head(self.graph(), meaning, width, head)
        _check_runs(made, self.examples(), self.described)
        return Exported(made, head)

    def facts(self) -> bytes:
        """``network.json``: what is needed to put the native form to use without the trained object."""
        inputs = [{"name": i.name, "dtype": i.dtype, "width": i.width} for i in self._inputs]
        return (json.dumps({"format": 1, "inputs": inputs, "output": self._meaning}, sort_keys=True) + "\n").encode()

    def predict(self, arrays: Arrays) -> npt.NDArray[np.float64]:
        """The network's own output; softmax or sigmoid of logits are computed in numpy at double precision."""
        raw = self.raw(arrays)
        if self._meaning in _CLASS_OUTPUTS:
            return probabilities_of(raw, self._meaning)
        return raw.reshape(len(raw), -1) if self._meaning == "embedding" else raw.reshape(len(raw))
