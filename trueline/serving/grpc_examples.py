"""tf.Example to rows: what Classify, Regress and MultiInference are asked about.

What each kind of list may hold stands in `example_values`. A feature that is not there or has no list is missing. A
feature that the model does not know is an error, and so is one that stands in the context and in an example.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Any

from trueline._core.errors import FeedError, did_you_mean
from trueline._core.runtime import OnnxGraph
from trueline._core.values import RawFeature
from trueline.serving.errors import Code, RequestError
from trueline.serving.example_values import feature_value
from trueline.serving.grpc_descriptors import Message
from trueline.serving.options import ServerOptions
from trueline.serving.service import Given

__all__ = ["given_of_input", "rows_of_input"]

Row = dict[str, Any]
_SHOWN = 20


def given_of_input(graph: OnnxGraph, given: Message, options: ServerOptions) -> Given:
    """The data of a request's ``tensorflow.serving.Input``.

    Raises:
        RequestError: INVALID_ARGUMENT; no examples or too many, features that are unknown, missing or of another type,
            each by row and feature.
        ModelError: a host step of the model failed.
    """
    rows = rows_of_input(graph.raw.by_name, given, options)
    try:
        return Given(graph.packed_from_rows(rows), len(rows))
    except FeedError as error:
        raise RequestError(Code.INVALID_ARGUMENT, error.message, hint=error.hint, problems=error.problems) from None


def rows_of_input(features: Mapping[str, RawFeature], given: Message, options: ServerOptions) -> list[Row]:
    """One row of named values for each example, those of the context in every one.

    Args:
        features: the model's raw features by name.
        given: the message.
        options: how many rows and values are taken.

    Raises:
        RequestError: as `given_of_input`, but for missing features.
    """
    kind = given.WhichOneof("kind")
    listed = getattr(given, kind) if kind else None
    if listed is None or not listed.examples:
        raise _bad("Input is empty.", "send at least one tf.Example.")
    examples = listed.examples
    if len(examples) > options.max_rows:
        raise _bad(f"the request has {len(examples)} rows, this server takes {options.max_rows}", "send fewer.")
    problems: list[str] = []
    plain = {f.name: _PLAIN[f.dtype] for f in features.values() if f.kind == "scalar" and f.dtype in _PLAIN}
    shared = _row(features, plain, listed.context, "context", problems) if kind == "example_list_with_context" else {}
    rows = [_row(features, plain, example, i, problems) for i, example in enumerate(examples)]
    if shared:
        rows = [_joined(shared, row, i, problems) for i, row in enumerate(rows)]
    if problems:
        raise _wrong(problems, features)
    _check_cells(features, rows, options.max_cells)
    return rows


_PLAIN = {
    "float64": attrgetter("float_list.value"),
    "float32": attrgetter("float_list.value"),
    "int64": attrgetter("int64_list.value"),
    "utf8": attrgetter("bytes_list.value"),
}
"""The list that a scalar feature comes in most of the time, by the feature's type."""
Plain = Mapping[str, Callable[[Message], Any]]


def _row(
    features: Mapping[str, RawFeature], plain: Plain, example: Message, where: int | str, problems: list[str]
) -> Row:
    row: Row = {}
    for name, value in example.features.feature.items():
        read = plain.get(name)
        if read is not None:
            values = read(value)
            if len(values) == 1:  # of another list it would have none: then, and for many, the rules below
                single = values[0]
                try:
                    row[name] = single.decode("utf-8") if type(single) is bytes else single
                    continue
                except UnicodeDecodeError:
                    pass
        feature = features.get(name)
        if feature is None:
            problems.append(f"{_named(where)}: unknown field {name!r}")
            continue
        kind = value.WhichOneof("kind")
        if kind is None:
            continue
        try:
            row[name] = feature_value(feature, kind, list(getattr(value, kind).value))
        except ValueError as error:
            problems.append(f"{_named(where)}, field {name!r}: {error}")
    return row


def _named(where: int | str) -> str:
    return where if isinstance(where, str) else f"row {where}"


def _joined(shared: Row, row: Row, number: int, problems: list[str]) -> Row:
    problems += [f"row {number}, field {n!r}: it is in the context and in the example" for n in shared if n in row]
    return shared | row


def _check_cells(features: Mapping[str, RawFeature], rows: Sequence[Row], limit: int) -> None:
    """Lists are padded to the longest of the request: that must not become more than a server can hold."""
    for name in [f.name for f in features.values() if f.kind == "ragged"]:
        width = max(len(row.get(name) or ()) for row in rows)
        if len(rows) * width > limit:
            raise _bad(
                f"field {name!r} is a list of up to {width} values in {len(rows)} rows, padded to "
                f"{len(rows) * width} values, this server takes {limit}",
                "send rows with very long lists in requests of their own.",
            )


def _wrong(problems: list[str], features: Mapping[str, RawFeature]) -> RequestError:
    more = [f"and {len(problems) - _SHOWN} more"] if len(problems) > _SHOWN else []
    unknown = next((p.partition("unknown field '")[2].rstrip("'") for p in problems if "unknown field" in p), None)
    return RequestError(
        Code.INVALID_ARGUMENT,
        "the data does not fit the model's signature",
        hint=None if unknown is None else did_you_mean(unknown, features),
        problems=[*problems[:_SHOWN], *more],
    )


def _bad(message: str, hint: str) -> RequestError:
    return RequestError(Code.INVALID_ARGUMENT, message, hint=hint)
