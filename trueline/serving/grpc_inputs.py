"""The tensors of a Predict request to a model's data: one tensor for each raw feature.

A scalar feature has the shape [N] or [N, 1], a fixed one [N, size], a ragged one [N, K]. An optional feature may be
left out: it is then missing in every row. What one tensor cannot say stands in a second one of N values, under the
names that the graph itself uses: ``<feature>:present`` (bool) tells the rows in which an optional feature is there, and
``<feature>:length`` (whole numbers) how many of the K values of a ragged feature count in each row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from trueline._core.errors import FeedError
from trueline._core.feed_blocks import present_for
from trueline._core.feed_columns import FILL, LENGTH
from trueline._core.runtime import OnnxGraph
from trueline._core.values import PRESENT, RawFeature
from trueline.serving.errors import Code, RequestError
from trueline.serving.grpc_descriptors import Message
from trueline.serving.grpc_quick import plain_lists
from trueline.serving.grpc_tensors import TensorError, array_of
from trueline.serving.grpc_values import CONVERSIONS, WrongValueError, kind_of
from trueline.serving.options import ServerOptions
from trueline.serving.service import Given

__all__ = ["given_of_tensors", "wrong_inputs"]

Array = npt.NDArray[Any]
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class _Column:
    """One feature's values ``[N]`` or ``[N, K]``, its presence and lengths ``[N]`` where they were sent."""

    feature: RawFeature
    values: Array
    present: Array | None
    lengths: Array | None


def given_of_tensors(graph: OnnxGraph, inputs: Mapping[str, Message], options: ServerOptions) -> Given:
    """The data of a request's tensors.

    Raises:
        RequestError: INVALID_ARGUMENT; inputs that the signature lacks or needs, types, shapes and values that do not
            fit, all of them by name.
        ModelError: a host step of the model failed.
    """
    taken = graph.raw if graph.steps else graph.feeds
    lists = plain_lists(taken.by_name, inputs, options.max_rows)
    if lists is not None:
        return Given(graph.packed_from_columns(lists), len(next(iter(lists.values()))))
    features = taken.features
    _check_names(features, inputs)
    problems: list[str] = []
    arrays = _decoded(inputs, options.max_cells, problems)
    if problems:
        raise wrong_inputs(problems)
    rows = _rows(arrays, options.max_rows)
    columns = [c for c in (_column(f, arrays, problems) for f in features) if c is not None]
    if problems:
        raise wrong_inputs(problems)
    if graph.steps:
        return _through_steps(graph, columns, rows)
    fed: dict[str, Array] = {}
    named = {column.feature.name: column for column in columns}
    for feature in features:
        _feed(fed, feature, named.get(feature.name), rows)
    return Given(graph.feeds.pack_arrays(fed, rows), rows)


def wrong_inputs(problems: list[str]) -> RequestError:
    """INVALID_ARGUMENT with what is wrong with the inputs, the first twenty."""
    more = [f"and {len(problems) - _SHOWN} more"] if len(problems) > _SHOWN else []
    return RequestError(
        Code.INVALID_ARGUMENT, "the data does not fit the model's signature", problems=[*problems[:_SHOWN], *more]
    )


def _check_names(features: tuple[RawFeature, ...], inputs: Mapping[str, Message]) -> None:
    known = {f.name for f in features}
    known |= {f.name + PRESENT for f in features if f.optional and f.name in inputs}
    known |= {f.name + LENGTH for f in features if f.kind == "ragged" and f.name in inputs}
    extra = sorted(name for name in inputs if name not in known)
    missing = [f.name for f in features if not f.optional and f.name not in inputs]
    if extra or missing:
        required = ", ".join(f.name for f in features if not f.optional) or "none"
        optional = ", ".join(f.name for f in features if f.optional) or "none"
        raise RequestError(
            Code.INVALID_ARGUMENT,
            f"inputs do not match the signature. Sent extra: {{{','.join(extra)}}}. "
            f"Missing but required: {{{','.join(missing)}}}.",
            hint=f"required: {required}; optional: {optional}.",
        )


def _decoded(inputs: Mapping[str, Message], limit: int, problems: list[str]) -> dict[str, Array]:
    arrays = {}
    for name, tensor in inputs.items():
        try:
            arrays[name] = array_of(tensor, limit)
        except TensorError as error:
            problems.append(f"input {name!r}: {error}")
    return arrays


def _rows(arrays: Mapping[str, Array], limit: int) -> int:
    """How many rows all inputs have."""
    flat = [f"input {name!r}: expected a tensor of rows, got a scalar" for name, a in arrays.items() if a.ndim == 0]
    if flat:
        raise wrong_inputs(flat)
    counts = {len(array) for array in arrays.values()}
    if len(counts) > 1:
        raise RequestError(
            Code.INVALID_ARGUMENT,
            "inputs have different numbers of rows",
            problems=[f"{name}: {len(array)}" for name, array in arrays.items()][:_SHOWN],
        )
    rows = next(iter(counts), 0)
    if rows == 0:
        raise RequestError(Code.INVALID_ARGUMENT, "the request has no rows", hint="send at least one row.")
    if rows > limit:
        raise RequestError(
            Code.INVALID_ARGUMENT,
            f"the request has {rows} rows, this server takes {limit}",
            hint="send smaller requests.",
        )
    return rows


def _column(feature: RawFeature, arrays: Mapping[str, Array], problems: list[str]) -> _Column | None:
    """The checked column of a feature, or None where it was left out or is wrong."""
    array = arrays.get(feature.name)
    if array is None:
        return None
    before = len(problems)
    values = _shaped(feature, array, problems)
    present = _present(feature, arrays.get(feature.name + PRESENT), problems)
    if values is None or len(problems) > before:
        return None
    lengths = _lengths(feature, arrays.get(feature.name + LENGTH), values.shape[-1], problems)
    try:
        values = CONVERSIONS[feature.dtype](values, present)
    except WrongValueError as error:
        row = f"row {error.place // (values.shape[1] if values.ndim > 1 else 1)}, " if error.place is not None else ""
        problems.append(f"{row}field {feature.name!r}: expected {feature.dtype}, got {error.got}")
    return _Column(feature, values, present, lengths) if len(problems) == before else None


def _shaped(feature: RawFeature, array: Array, problems: list[str]) -> Array | None:
    if feature.kind == "scalar":
        if array.ndim == 1 or (array.ndim == 2 and array.shape[1] == 1):
            return array.reshape(-1)
        wanted = "[N] or [N, 1]"
    elif feature.kind == "fixed":
        if array.ndim == 2 and array.shape[1] == feature.size:
            return array
        wanted = f"[N, {feature.size}]"
    else:
        if array.ndim == 2:
            return array
        wanted = "[N, K]"
    problems.append(f"field {feature.name!r}: expected a tensor of shape {wanted}, got {list(array.shape)}")
    return None


def _present(feature: RawFeature, array: Array | None, problems: list[str]) -> Array | None:
    if array is None:
        return None
    if array.dtype.kind != "b" or array.size != len(array):
        problems.append(f"{feature.name + PRESENT!r}: expected bools of shape [N], got {kind_of(array)}")
        return None
    return array.reshape(-1)


def _lengths(feature: RawFeature, array: Array | None, width: int, problems: list[str]) -> Array | None:
    if array is None:
        return None
    name = feature.name + LENGTH
    if array.dtype.kind not in "iu" or array.size != len(array):
        problems.append(f"{name!r}: expected whole numbers of shape [N], got {kind_of(array)}")
    elif array.min() < 0 or array.max() > width:
        problems.append(f"{name!r}: expected lengths from 0 to {width}, got {array.min()} to {array.max()}")
    else:
        return array.reshape(-1).astype(np.int64)
    return None


def _feed(fed: dict[str, Array], feature: RawFeature, column: _Column | None, rows: int) -> None:
    """Writes what the graph reads of one feature: values, missing ones blank, and their presence and lengths."""
    fill, numpy_type = FILL[feature.dtype]
    if column is None:
        shape = (rows,) if feature.kind == "scalar" else (rows, feature.size or 0)
        values = np.full(shape, fill, numpy_type)
        present, lengths = present_for(rows, False), np.zeros(rows, np.int64)
    else:
        values = column.values
        present = present_for(rows, True) if column.present is None else column.present
        width = values.shape[-1]
        lengths = np.full(rows, width, np.int64) if column.lengths is None else column.lengths
        if column.present is not None or column.lengths is not None:
            lengths = np.where(present, lengths, 0)
            values = values.copy()
            values[~present] = fill
            if column.lengths is not None:
                values[np.arange(width)[None, :] >= lengths[:, None]] = fill
    fed[feature.name] = values
    if feature.kind == "ragged":
        fed[feature.name + LENGTH] = lengths
    if feature.optional:
        fed[feature.name + PRESENT] = present


def _through_steps(graph: OnnxGraph, columns: list[_Column], rows: int) -> Given:
    """A model with host steps gets lists, as from every other protocol: its steps are Python functions."""
    try:
        return Given(graph.packed_from_columns({c.feature.name: _listed(c) for c in columns}), rows)
    except FeedError as error:
        raise RequestError(Code.INVALID_ARGUMENT, error.message, hint=error.hint, problems=error.problems) from None


def _listed(column: _Column) -> list[Any]:
    values: list[Any] = column.values.tolist()
    if column.lengths is not None:
        values = [value[:length] for value, length in zip(values, column.lengths.tolist(), strict=True)]
    if column.present is not None:
        values = [v if there else None for v, there in zip(values, column.present.tolist(), strict=True)]
    return values
