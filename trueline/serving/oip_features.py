"""Tensors of the Open Inference Protocol to a model's raw features; REST and gRPC share it.

One tensor for each feature, its first dimension the rows: ``[N]`` or ``[N, 1]`` for a scalar, ``[N, k]`` for a vector,
``[N, K]`` for a list. An optional feature may be left out: it is missing in every row. The protocol has no nulls; a
BOOL tensor ``<feature>:present`` of shape ``[N]`` says which rows have a value, an INT64 tensor ``<feature>:length``
how many values of each padded row of a list count: the names under which the model's own graph takes them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from trueline._core.errors import FeedError, did_you_mean
from trueline._core.feed_blocks import Packed
from trueline._core.feed_columns import FILL, LENGTH, Column
from trueline._core.runtime import OnnxGraph
from trueline._core.values import PRESENT, RawFeature
from trueline.serving.oip_tensors import Tensor, bad
from trueline.serving.oip_values import feature_values
from trueline.serving.options import ServerOptions

__all__ = ["ACCEPTED_DATATYPES", "DATATYPE", "packed_from_tensors"]

_WHOLE = ("INT64", "INT32", "INT16", "INT8", "UINT8", "UINT16", "UINT32", "UINT64")
_NUMBERS = ("FP64", "FP32", "FP16", *_WHOLE)

ACCEPTED_DATATYPES: dict[str, tuple[str, ...]] = {
    "float64": _NUMBERS,
    "float32": _NUMBERS,
    "int64": _WHOLE,
    "bool": ("BOOL",),
    "utf8": ("BYTES",),
    "bytes": ("BYTES",),
    "timestamp": (*_WHOLE, "BYTES"),
}
"""By a feature's type the datatypes that are taken for it."""

DATATYPE: dict[str, str] = {kind: accepted[0] for kind, accepted in ACCEPTED_DATATYPES.items()} | {"float32": "FP32"}
"""By a feature's or output's type the datatype that the model's metadata names."""

_MAX_PROBLEMS = 20


def packed_from_tensors(graph: OnnxGraph, tensors: Sequence[Tensor], options: ServerOptions) -> tuple[Packed, int]:
    """What the graph takes, and the number of rows.

    Raises:
        RequestError: INVALID_ARGUMENT with every problem: unknown, missing and doubled tensors, shapes, datatypes,
            values, too many rows.
        ModelError: a host step of the model failed.
    """
    quick = _as_columns(graph, tensors, options)
    if quick is not None:
        return quick
    by_name = {tensor.name: tensor for tensor in tensors}
    rows = _rows(graph, tensors, by_name, options)
    problems: list[str] = []
    columns: dict[str, Column] = {}
    for feature in graph.raw.features:
        column = _column(feature, by_name, rows, options, problems)
        if column is not None:
            columns[feature.name] = column
    if problems:
        more = len(problems) - _MAX_PROBLEMS
        listed = problems[:_MAX_PROBLEMS] + ([f"and {more} more"] if more > 0 else [])
        raise bad("the tensors do not fit the model's signature", problems=listed)
    return (_through_steps if graph.steps else _directly)(graph, columns, rows), rows


_LISTED = {kind: name for kind, name in DATATYPE.items() if kind not in ("bytes", "float32")}


def _as_columns(graph: OnnxGraph, tensors: Sequence[Tensor], options: ServerOptions) -> tuple[Packed, int] | None:
    """The ordinary case by the road of the column form: lists of scalars in their own datatypes; None for others.

    What is wrong is None too: the other road looks for every problem at leisure.
    """
    features = graph.raw.by_name
    columns: dict[str, Any] = {}
    rows = 0
    for tensor in tensors:
        feature, shape = features.get(tensor.name), tensor.shape
        if feature is None or feature.kind != "scalar" or type(tensor.values) is not list or not shape:
            return None
        if _LISTED.get(feature.dtype) != tensor.datatype or shape[1:] not in ((), (1,)) or rows not in (0, shape[0]):
            return None
        rows = shape[0]
        columns[tensor.name] = tensor.values
    if not 0 < rows <= options.max_rows or len(columns) != len(tensors):
        return None
    try:
        return graph.packed_from_columns(columns), rows
    except FeedError:
        return None


def _rows(graph: OnnxGraph, tensors: Sequence[Tensor], by_name: Mapping[str, Tensor], options: ServerOptions) -> int:
    known = _known_names(graph)
    problems = [f"there is no input {n!r}. {did_you_mean(n, known)}" for n in by_name if n not in known]
    if len(by_name) != len(tensors):
        names = [tensor.name for tensor in tensors]
        problems += [f"input {name!r} is there twice" for name in sorted({n for n in names if names.count(n) > 1})]
    problems += [
        f"input {t.name!r}: expected the rows as first dimension, got no shape" for t in tensors if not t.shape
    ]
    sizes = {t.name: t.shape[0] for t in tensors if t.shape}
    if len(set(sizes.values())) > 1:
        problems.append(f"the first dimensions differ: {', '.join(f'{n} {size}' for n, size in sizes.items())}")
    if problems:
        raise bad("the tensors do not fit the model's signature", problems=problems[:_MAX_PROBLEMS])
    rows = next(iter(sizes.values()), 0)
    if rows == 0:
        raise bad("the request has no rows", "send at least one input whose first dimension is 1 or more.")
    if rows > options.max_rows:
        raise bad(f"the request has {rows} rows, this server takes {options.max_rows}", "send smaller requests.")
    return rows


def _known_names(graph: OnnxGraph) -> dict[str, None]:
    known: dict[str, None] = dict.fromkeys(graph.raw.by_name)
    for feature in graph.raw.features:
        if feature.optional:
            known[feature.name + PRESENT] = None
        if feature.kind == "ragged":
            known[feature.name + LENGTH] = None
    return known


def _column(
    feature: RawFeature, given: Mapping[str, Tensor], rows: int, options: ServerOptions, problems: list[str]
) -> Column | None:
    """The feature's column; None where something was wrong, which is then in `problems`."""
    tensor = given.get(feature.name)
    before = len(problems)
    if tensor is None:
        if not feature.optional:
            problems.append(f"input {feature.name!r} is required")
        problems += [
            f"input {feature.name + end!r} is there without {feature.name!r}"
            for end in (PRESENT, LENGTH)
            if feature.name + end in given
        ]
        return None
    _check_shape(feature, tensor, options, problems)
    if tensor.datatype not in ACCEPTED_DATATYPES[feature.dtype]:
        accepted = ", ".join(ACCEPTED_DATATYPES[feature.dtype])
        problems.append(f"input {feature.name!r}: expected {feature.dtype} as {accepted}, got {tensor.datatype}")
    present = _present(feature, given, rows, problems)
    if len(problems) > before:
        return None
    width = 1 if feature.kind == "scalar" else tensor.shape[1]
    values = feature_values(feature, tensor, present if width == 1 else np.repeat(present, width), width, problems)
    if len(problems) > before:
        return None
    if feature.kind == "scalar":
        return Column(values, present)
    values = values.reshape(rows, width)
    if feature.kind == "fixed":
        return Column(values, present)
    return _padded(feature, values, present, given, problems)


def _check_shape(feature: RawFeature, tensor: Tensor, options: ServerOptions, problems: list[str]) -> None:
    got, wanted = list(tensor.shape), {"scalar": "[N] or [N, 1]", "fixed": f"[N, {feature.size}]", "ragged": "[N, K]"}
    fits = {
        "scalar": len(got) == 1 or got[1:] == [1],
        "fixed": got[1:] == [feature.size],
        "ragged": len(got) == 2,
    }
    if not fits[feature.kind]:
        problems.append(f"input {feature.name!r}: expected the shape {wanted[feature.kind]}, got {got}")
    elif feature.kind == "ragged" and got[0] * got[1] > options.max_cells:
        cells = got[0] * got[1]
        problems.append(f"input {feature.name!r}: its shape {got} is {cells} values, of {options.max_cells} at most")


def _present(feature: RawFeature, given: Mapping[str, Tensor], rows: int, problems: list[str]) -> npt.NDArray[np.bool_]:
    tensor = given.get(feature.name + PRESENT)
    if tensor is None:
        return np.ones(rows, bool)
    if tensor.datatype != "BOOL" or len(tensor.values) != rows:
        problems.append(f"input {tensor.name!r}: expected BOOL [{rows}], got {tensor.datatype} {list(tensor.shape)}")
        return np.ones(rows, bool)
    return np.asarray(tensor.array(), bool)


def _padded(
    feature: RawFeature,
    values: npt.NDArray[Any],
    present: npt.NDArray[np.bool_],
    given: Mapping[str, Tensor],
    problems: list[str],
) -> Column | None:
    """A list feature's column as the feeds make it: as wide as the longest list, filled up behind the others."""
    rows, width = values.shape
    tensor = given.get(feature.name + LENGTH)
    lengths = np.full(rows, width, np.int64)
    if tensor is not None:
        told = tensor.array()
        fits = tensor.datatype in _WHOLE and len(told) == rows
        if not fits or (told > width).any() or (told < 0).any():
            problems.append(f"input {tensor.name!r}: expected INT64 [{rows}] of 0 to {width}")
            return None
        lengths = told.astype(np.int64)
    lengths = np.where(present, lengths, 0)
    longest = int(lengths.max())
    fill = FILL[feature.dtype][0]
    kept = np.where(np.arange(longest)[None, :] < lengths[:, None], values[:, :longest], fill)
    return Column(kept.astype(values.dtype), present, lengths)


def _directly(graph: OnnxGraph, columns: Mapping[str, Column], rows: int) -> Packed:
    arrays: dict[str, npt.NDArray[Any]] = {}
    for feature in graph.feeds.features:
        column = columns.get(feature.name) or _missing(feature, rows)
        arrays[feature.name] = column.values
        if column.lengths is not None:
            arrays[feature.name + LENGTH] = column.lengths
        if feature.optional:
            arrays[feature.name + PRESENT] = column.present
    return graph.feeds.pack_arrays(arrays, rows)


def _missing(feature: RawFeature, rows: int) -> Column:
    fill, kind = FILL[feature.dtype]
    absent = np.zeros(rows, bool)
    if feature.kind == "scalar":
        return Column(np.full(rows, fill, kind), absent)
    values = np.full((rows, feature.size or 0), fill, kind)
    return Column(values, absent, np.zeros(rows, np.int64) if feature.kind == "ragged" else None)


def _through_steps(graph: OnnxGraph, columns: Mapping[str, Column], rows: int) -> Packed:
    """By way of Python values, which host steps take."""
    lists: dict[str, list[Any]] = {}
    for feature in graph.raw.features:
        column = columns.get(feature.name)
        if column is None:
            lists[feature.name] = [None] * rows
            continue
        values: list[Any] = column.values.tolist()
        if column.lengths is not None:
            values = [v[:size] for v, size in zip(values, column.lengths.tolist(), strict=True)]
        lists[feature.name] = [v if there else None for v, there in zip(values, column.present.tolist(), strict=True)]
    try:
        return graph.packed_from_columns(lists)
    except FeedError as error:
        raise bad(error.message, error.hint, error.problems) from None
