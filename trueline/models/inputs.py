"""A model's input arrays: which features lie in which column, assembled the same way for training and parity.

An input is float32 ``[N, F]``: features in order, fixed vectors laid out flat, bools and integers cast. A float
feature that is missing in a row is NaN there. An input of a model with several, whose features are all int64, stays
int64. `trueline.models.merge` builds the same assembly in ONNX.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from trueline._core.errors import ModelError, did_you_mean
from trueline._core.values import RawFeature

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "DEFAULT_INPUT",
    "ModelInput",
    "column_values",
    "input_arrays",
    "model_inputs",
    "select_features",
    "unfit_weight",
]

DEFAULT_INPUT = "x"
_FLOATS = ("float32", "float64")
_NUMBERS = (*_FLOATS, "int64", "bool")


@dataclass(frozen=True)
class ModelInput:
    """One input tensor ``[N, width]`` of a model.

    Attributes:
        name: the model's name for it.
        features: transform outputs in column order.
        dtype: float32, or int64 for ids.
    """

    name: str
    features: tuple[RawFeature, ...]
    dtype: Literal["float32", "int64"] = "float32"

    @property
    def width(self) -> int:
        """Columns of the tensor."""
        return sum(f.size or 1 for f in self.features)

    @property
    def column_names(self) -> list[str]:
        """A name for every column: ``fare``, or ``words[3]`` within a vector."""
        names = []
        for f in self.features:
            names += [f.name] if f.kind == "scalar" else [f"{f.name}[{i}]" for i in range(f.size or 0)]
        return names


def select_features(
    outputs: Sequence[RawFeature],
    label: str | None,
    weight: str | None = None,
    features: Sequence[str] | None = None,
) -> tuple[RawFeature, ...]:
    """The features a model is trained on: those named, by default all outputs but label and weight, in their order.

    The label is None for an embedding that is learnt without one.

    Raises:
        ModelError: unknown names, a label among the features, or features that cannot enter a model; all at once.
    """
    known = {f.name: f for f in outputs}
    wanted = list(features) if features is not None else [n for n in known if n not in (label, weight)]
    problems = [
        f"{role} {name!r} is no transform output. {did_you_mean(name, known)}"
        for role, name in [("label", label), ("weight", weight), *(("feature", n) for n in wanted)]
        if name is not None and name not in known
    ]
    problems += [f"{name!r} is both a feature and the label or weight" for name in wanted if name in (label, weight)]
    problems += [f"{name!r} is listed twice" for name in sorted({n for n in wanted if wanted.count(n) > 1})]
    problems += [p for name in wanted if name in known and (p := unfit(known[name]))]
    if not wanted:
        problems.append("there are no features")
    if weight in known and (problem := unfit_weight(known[weight])):
        problems.append(problem)
    if problems:
        raise ModelError("the model cannot be trained on these features", problems=problems)
    return tuple(known[n] for n in wanted)


def unfit(feature: RawFeature) -> str | None:
    """Why a transform output cannot enter a model, with the remedy; None when it can."""
    if feature.kind == "ragged":
        return (
            f"feature {feature.name!r} is a list of any length: make it a vector with tlt.pad, tlt.multi_hot or "
            "tlt.bag_of_words, or a number with tlt.list_mean and its kin"
        )
    if feature.dtype in ("utf8", "bytes"):
        return (
            f"feature {feature.name!r} is {feature.dtype}, a model takes numbers: "
            "use compute_and_apply_vocabulary or hash_strings"
        )
    if feature.dtype not in _NUMBERS:
        return f"feature {feature.name!r} is {feature.dtype}, a model takes numbers: cast it in preprocessing_fn"
    if feature.optional and feature.dtype not in _FLOATS:
        return (
            f"feature {feature.name!r} is {feature.dtype} and may be missing, which only a float can be in a model: "
            "use fill_missing, or say in a schema that it is always there"
        )
    return None


def unfit_weight(feature: RawFeature) -> str | None:
    """Why a transform output cannot weigh rows; None when it can."""
    if feature.dtype not in _NUMBERS or feature.kind != "scalar":
        return f"weight {feature.name!r} is {feature.dtype} ({feature.kind}); one number a row is needed"
    return f"weight {feature.name!r} may be missing: use fill_missing" if feature.optional else None


def model_inputs(
    features: Sequence[RawFeature], inputs: Mapping[str, Sequence[str]] | None = None
) -> tuple[ModelInput, ...]:
    """The input tensors of a model.

    Args:
        features: the features it was offered.
        inputs: `Fitted.inputs`; None for one input ``x`` of all features.

    Raises:
        ModelError: an input names a feature that was not offered.
    """
    if inputs is None:
        return (ModelInput(DEFAULT_INPUT, tuple(features)),)
    known = {f.name: f for f in features}
    problems = [
        f"input {i!r}: no feature {n!r}. {did_you_mean(n, known)}"
        for i, ns in inputs.items()
        for n in ns
        if n not in known
    ]
    if problems or not inputs:
        raise ModelError("the model's inputs do not fit its features", problems=problems)
    made = []
    for name, names in inputs.items():
        chosen = tuple(known[n] for n in names)
        ids = all(f.dtype == "int64" for f in chosen)
        made.append(ModelInput(name, chosen, "int64" if ids else "float32"))
    return tuple(made)


def column_values(column: pa.Array | pa.ChunkedArray, feature: RawFeature, dtype: str) -> npt.NDArray[Any]:
    """One feature's rows as ``[N]`` or ``[N, size]`` of `dtype`; a missing float is NaN.

    Raises:
        ModelError: a missing value in an integer or bool column.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    if array.null_count and feature.dtype not in _FLOATS:
        raise ModelError(f"feature {feature.name!r} is missing in {array.null_count} rows", hint="use fill_missing.")
    if feature.kind == "scalar":
        filled = pc.fill_null(array, pa.scalar(float("nan"), array.type)) if array.null_count else array
        return np.asarray(filled.to_numpy(zero_copy_only=False)).astype(dtype, copy=False)
    size = int(feature.size or 0)
    out = np.full((len(array), size), np.nan if feature.dtype in _FLOATS else 0, dtype)
    present = ~pc.is_null(array).to_numpy(zero_copy_only=False)
    inner = array.drop_null().flatten()
    if inner.null_count:
        inner = pc.fill_null(inner, pa.scalar(float("nan"), inner.type))
    out[present] = np.asarray(inner.to_numpy(zero_copy_only=False)).reshape(-1, size)
    return out


def input_arrays(batch: pa.RecordBatch | pa.Table, inputs: Sequence[ModelInput]) -> dict[str, npt.NDArray[Any]]:
    """Transformed rows as the model's input tensors, by input name: ``[N, width]``."""
    arrays: dict[str, npt.NDArray[Any]] = {}
    for spec in inputs:
        out = np.empty((batch.num_rows, spec.width), spec.dtype)
        at = 0
        for feature in spec.features:
            values = column_values(batch.column(feature.name), feature, spec.dtype)
            size = feature.size or 1
            out[:, at : at + size] = values.reshape(-1, size)
            at += size
        arrays[spec.name] = out
    return arrays
