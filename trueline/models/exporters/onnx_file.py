"""A graph that other software wrote: a user's own ONNX file behind the transform.

Its inputs are matched with the features: one ``[N, F]`` tensor, or one ``[N]`` or ``[N, width]`` tensor a feature, of
float32, float64, float16 or integers, which are cast. Of its outputs the scores are taken; a ZipMap is cut off.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline._core.errors import ModelError
from trueline._core.sessions import make_session
from trueline._core.values import RawFeature
from trueline.models.contract import ClassValue, Fitted, Head, Output, head_of
from trueline.models.exporters.base import Arrays, Exported
from trueline.models.exporters.heads import append_head, scores_of
from trueline.models.exporters.onnx_scores import Scores, find_scores, without_zipmap
from trueline.models.exporters.onnx_weights import whole_model
from trueline.models.graphs import keep_output
from trueline.models.inputs import ModelInput, model_inputs

if TYPE_CHECKING:
    import onnx

__all__ = ["OnnxFileExporter", "OnnxModel"]

_ROWS = 2
_NUMPY = {1: np.float32, 11: np.float64, 10: np.float16, 7: np.int64, 6: np.int32, 9: np.bool_}
"""Element types of inputs that features can be cast to, by ONNX's number."""


@dataclass(frozen=True)
class OnnxModel:
    """An ONNX model and what cannot be read off it.

    Attributes:
        source: the path of the file, its bytes, or an ``onnx.ModelProto``.
        inputs: input name -> features in order; by default one input takes all features, and several take the
            feature of their own name each.
        output: what the scores mean: ``logits``, ``probabilities``, ``prediction``, ``score`` or ``embedding``. A graph
            with a classifier's label among its outputs gives ``probabilities``.
        classes: the label's values in the order of the scores' columns, where the graph does not hold them.
        tensor: name of the output that holds the scores, where there are several to choose from.
    """

    source: Any
    inputs: Mapping[str, Sequence[str]] | None = None
    output: Output | None = None
    classes: Sequence[ClassValue] | None = None
    tensor: str | None = None


class OnnxFileExporter:
    """One ONNX model."""

    framework = "onnx"

    def __init__(self, fitted: Fitted) -> None:
        given = fitted.model
        self.given = given if isinstance(given, OnnxModel) else OnnxModel(given)
        self.fitted = fitted
        self.model = whole_model(self.given.source)
        self.what = Path(self.given.source).name if isinstance(self.given.source, str | Path) else "the ONNX model"
        self.scores: Scores = find_scores(self.model, self.given.tensor, self.what)
        constant = {i.name for i in self.model.graph.initializer}
        self._declared = {i.name: i for i in self.model.graph.input if i.name not in constant}
        self._cut = without_zipmap(self.model, self.scores)
        self._session = make_session(_free_batch(self._cut).SerializeToString())
        self._inputs: tuple[ModelInput, ...] = ()

    def inputs(self, inputs: Sequence[ModelInput]) -> tuple[ModelInput, ...]:
        """The inputs under the graph's names.

        Raises:
            ModelError: names, widths or types that do not fit the graph; all at once.
        """
        made = tuple(inputs)
        if self.given.inputs is not None:
            made = model_inputs([f for i in inputs for f in i.features], self.given.inputs)
        elif self.fitted.inputs is None and len(self._declared) > 1:
            known = {f.name: f for f in made[0].features}
            lacking = sorted(set(self._declared) - known.keys())
            if lacking:
                raise ModelError(
                    f"{self.what} has inputs that are no features: {', '.join(lacking)}",
                    hint="say which features each input takes: OnnxModel(path, inputs={'name': [...]}).",
                )
            made = tuple(ModelInput(n, (known[n],)) for n in self._declared)
        elif len(made) == 1 and len(self._declared) == 1:
            made = (ModelInput(next(iter(self._declared)), made[0].features, made[0].dtype),)
        if set(self._declared) != {i.name for i in made}:
            names = ", ".join(i.name for i in made)
            names = ", ".join(i.name for i in made)
            raise ModelError(f"{self.what} takes {', '.join(self._declared)}; given are {names}")
        self._inputs = tuple(_typed(i, self._declared[i.name].type.tensor_type.elem_type) for i in made)
        if problems := [p for i in self._inputs for p in _misfits(i, self._declared[i.name])]:
            raise ModelError(f"the features do not fit the inputs of {self.what}", problems=problems)
        return self._inputs

    def _meaning(self, label: RawFeature | None = None) -> Output:
        meaning = self.fitted.output or self.given.output or ("probabilities" if self.scores.is_classifier else None)
        if meaning is None:
            raise ModelError(
                f"what the output {self.scores.name!r} of {self.what} means is not known",
                hint="say OnnxModel(path, output='prediction'), or 'probabilities', 'logits', 'score', 'embedding'.",
            )
        return meaning

    def head(self, label: RawFeature) -> Head:
        """From the declared meaning and the width of the scores for rows of zeros."""
        raw = self._raw({i.name: np.zeros((_ROWS, i.width), i.dtype) for i in self._inputs})
        classes = self.fitted.classes if self.fitted.classes is not None else self.given.classes
        if classes is None and self._meaning() in ("logits", "probabilities"):
            classes = self._own_classes(label)
        return head_of(label, self._meaning(), 1 if raw.ndim == 1 else raw.shape[1], classes)

    def _own_classes(self, label: RawFeature) -> Sequence[Any] | None:
        """The graph's class labels in the label's type; 0 and 1 are a bool label's values."""
        own = self.scores.classes
        if own is not None and label.dtype == "bool" and set(own) == {0, 1}:
            return [bool(v) for v in own]
        return own

    def _raw(self, arrays: Arrays) -> npt.NDArray[np.float64]:
        given = {}
        for spec in self._inputs:
            kind, rank, _ = _form(self._declared[spec.name])
            array: npt.NDArray[Any] = np.asarray(arrays[spec.name]).astype(_NUMPY[kind])
            given[spec.name] = array.reshape(len(array)) if rank == 1 else array
        try:
            (out,) = self._session.run([self.scores.tensor], given)
        except Exception as error:
            raise ModelError(f"{self.what} fails on these features: {error}") from error
        raw = np.asarray(out, np.float64)
        rows = len(next(iter(arrays.values())))
        if raw.ndim not in (1, 2) or len(raw) != rows:
            raise ModelError(
                f"{self.what} gives {self.scores.name!r} of shape {list(raw.shape)} for {rows} rows",
                hint="the first dimension must be the rows; name another output with tensor=.",
            )
        return raw

    def to_onnx(self, inputs: Sequence[ModelInput], label: RawFeature) -> Exported:
        """The graph with casts before its inputs, its other outputs cut off, and the head behind its scores."""
        from onnx import TensorProto, helper

        self._inputs = tuple(inputs)
        head = self.head(label)
        model = _free_batch(self._cut)
        raw_width = self._raw({i.name: np.zeros((_ROWS, i.width), i.dtype) for i in inputs}).shape[1:]
        for spec in inputs:
            _adapt(model, spec, self._declared[spec.name])
        del model.graph.output[:]
        shape = ["N", *raw_width]
        model.graph.output.append(helper.make_tensor_value_info(self.scores.tensor, TensorProto.FLOAT, shape))
        made = append_head(model, self.scores.tensor, self._meaning(), head.columns)
        return Exported(keep_output(made, made.graph.output[0].name, head.output, head.columns), head)

    def predict(self, arrays: Arrays) -> npt.NDArray[np.float64]:
        """What the given graph says in ONNX Runtime, with the head computed in numpy."""
        return scores_of(self._raw(arrays), self._meaning())

    def native_files(self) -> tuple[dict[str, bytes], str]:
        """The graph as it was given, its weights in it."""
        return {"original.onnx": bytes(self.model.SerializeToString(deterministic=True))}, "the graph as it was given"

    def versions(self) -> dict[str, str]:
        """The software that wrote the graph, where it says so."""
        producer = self.model.producer_name
        return {producer: self.model.producer_version} if producer else {}


def _form(value: onnx.ValueInfoProto) -> tuple[int, int, int | None]:
    """Element type, rank and width (None where it is free) of an input."""
    tensor = value.type.tensor_type
    dims = list(tensor.shape.dim)
    width = int(dims[1].dim_value) if len(dims) == 2 and dims[1].HasField("dim_value") else None
    return tensor.elem_type, len(dims), width


def _typed(spec: ModelInput, kind: int) -> ModelInput:
    """int64 where the graph wants integers and all features are; float32 otherwise."""
    whole = kind in (6, 7) and all(f.dtype in ("int64", "bool") for f in spec.features)
    return ModelInput(spec.name, spec.features, "int64" if whole else "float32")


def _misfits(spec: ModelInput, value: onnx.ValueInfoProto) -> list[str]:
    kind, rank, width = _form(value)
    where = f"input {spec.name!r}"
    if kind not in _NUMPY:
        return [f"{where} is no tensor of numbers; texts become numbers in preprocessing_fn"]
    if rank not in (1, 2) or (rank == 1 and spec.width != 1):
        return [f"{where} has {rank} dimensions, and its features are [N, {spec.width}]"]
    problems = []
    if width is not None and width != spec.width:
        problems.append(f"{where} is {width} wide, its features {spec.width}: {', '.join(spec.column_names[:20])}")
    if kind in (6, 7, 9) and spec.dtype == "float32":
        wrong = [f.name for f in spec.features if f.dtype not in ("bool", "int64")]
        if wrong:
            problems.append(f"{where} takes integers, and these features are no integers: {', '.join(wrong)}")
    return problems


def _free_batch(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy whose inputs take any number of rows, and without shapes that were inferred for one number."""
    import onnx

    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    constant = {i.name for i in copy.graph.initializer}
    for value in copy.graph.input:
        dims = value.type.tensor_type.shape.dim
        if value.name not in constant and len(dims):
            dims[0].Clear()
            dims[0].dim_param = "N"
    for value in copy.graph.output:
        if value.type.HasField("tensor_type"):
            value.type.tensor_type.ClearField("shape")
    del copy.graph.value_info[:]
    return copy


def _adapt(model: onnx.ModelProto, spec: ModelInput, value: onnx.ValueInfoProto) -> None:
    """Makes the graph take ``[N, width]`` of the contract's type, and casts and flattens to what it took; in place."""
    from onnx import TensorProto, helper, numpy_helper

    kind, rank, _ = _form(value)
    wanted = TensorProto.INT64 if spec.dtype == "int64" else TensorProto.FLOAT
    graph = model.graph
    inner = f"{spec.name}:as_given"
    for node in graph.node:
        node.input[:] = [inner if n == spec.name else n for n in node.input]
    at = next(i for i, v in enumerate(graph.input) if v.name == spec.name)
    graph.input[at].CopyFrom(helper.make_tensor_value_info(spec.name, wanted, ["N", spec.width]))
    first = [helper.make_node("Cast", [spec.name], [inner if rank == 2 else f"{inner}:cast"], to=kind)]
    if rank == 1:
        graph.initializer.append(numpy_helper.from_array(np.array([-1], np.int64), f"{inner}:shape"))
        first.append(helper.make_node("Reshape", [f"{inner}:cast", f"{inner}:shape"], [inner]))
    for node in reversed(first):
        graph.node.insert(0, node)
