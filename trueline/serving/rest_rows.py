"""Rows on their own: what is wrong with one row of a request leaves the others their predictions.

A request in row form with ``"on_error": "row"`` is answered with ``{"predictions": [..., null, ...], "errors":
[{"row": 1, "error": "..."}]}``. Rows are checked together, so that a request without errors costs what it always does,
and one by one where something is wrong; host steps, which may be slow, see the good ones together, halved where one of
them fails. A request without one good row is refused as a whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trueline._core.errors import FeedError, ModelError
from trueline._core.feed_blocks import Packed
from trueline._core.runtime import OnnxGraph
from trueline.serving.codec import dump_outputs, rows_of
from trueline.serving.errors import Code, RequestError
from trueline.serving.rest_reply import Parsed, Reply
from trueline.serving.service import Answered

__all__ = ["MOST_ERRORS", "rows_apart"]

MOST_ERRORS = 1000
"""A request with more wrong rows than this is refused as a whole."""

Problem = FeedError | ModelError


def rows_apart(graph: OnnxGraph, rows: Sequence[Any]) -> Parsed:
    """The good rows' data, and an answer in which the others have their errors.

    Raises:
        RequestError: 400, when no row is good or more than `MOST_ERRORS` are not.
    """
    errors: dict[int, Problem] = {}
    packed = _whole(graph, rows)
    if packed is None:
        good = _checked(graph, rows, errors)
        packed = _packed(graph, rows, good, errors) if graph.steps and good else None
        good = [i for i in good if i not in errors]
        if packed is None and good:
            packed = graph.packed_from_rows([rows[i] for i in good])
    told = [{"row": i, "error": _told(error)} for i, error in sorted(errors.items())]
    if packed is None:
        problems = [f"row {e['row']}: {e['error']}" for e in told[:20]]
        raise RequestError(Code.INVALID_ARGUMENT, "no row of the request fits the model's signature", problems=problems)

    def encode(answered: Answered) -> bytes:
        found = iter(rows_of(answered.outputs))
        predictions = [None if i in errors else next(found) for i in range(len(rows))]
        return dump_outputs("predictions", predictions, errors=told)

    return Parsed(packed, packed.rows, Reply(encode))


def _whole(graph: OnnxGraph, rows: Sequence[Any]) -> Packed | None:
    try:
        return graph.packed_from_rows(rows)
    except (FeedError, ModelError):
        return None


def _checked(graph: OnnxGraph, rows: Sequence[Any], errors: dict[int, Problem]) -> list[int]:
    """The places of the rows that fit the signature; the others are then in `errors`."""
    good = []
    for i, row in enumerate(rows):
        try:
            graph.raw.pack_rows([row])
        except FeedError as error:
            _note(errors, i, error)
        else:
            good.append(i)
    return good


def _packed(graph: OnnxGraph, rows: Sequence[Any], places: Sequence[int], errors: dict[int, Problem]) -> Packed | None:
    """The data of the rows at these places; None where some of them fail, which are then in `errors`."""
    try:
        return graph.packed_from_rows([rows[i] for i in places])
    except (FeedError, ModelError) as error:
        if len(places) == 1:
            _note(errors, places[0], error)
            return None
    middle = len(places) // 2
    _packed(graph, rows, places[:middle], errors)
    _packed(graph, rows, places[middle:], errors)
    return None


def _note(errors: dict[int, Problem], place: int, error: Problem) -> None:
    errors[place] = error
    if len(errors) > MOST_ERRORS:
        raise RequestError(
            Code.INVALID_ARGUMENT,
            f"more than {MOST_ERRORS} rows do not fit the model's signature",
            problems=[f"row {i}: {_told(e)}" for i, e in list(errors.items())[:20]],
        ) from None


def _told(error: Problem) -> str:
    """What is wrong with a row that was looked at alone, without its number there."""
    problems = [p.removeprefix("row 0, ").removeprefix("row 0: ") for p in error.problems]
    text = "; ".join(problems) or error.message
    return f"{text}. {error.hint}" if error.hint else text
