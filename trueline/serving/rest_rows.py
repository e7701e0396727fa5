"""Rows on their own: what is wrong with one row of a request leaves the others their predictions.

A request in row form with ``"on_error": "row"`` is answered with ``{"predictions": [..., null, ...], "errors":
[{"row": 1, "error": "..."}]}``. Rows are checked together, and halved where something is wrong, so that a request
without errors costs what it always does. A request without one good row is refused as a whole.
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
    packed = _packed(graph, rows, 0, errors)
    if packed is None and len(errors) < len(rows):
        packed = graph.packed_from_rows([row for i, row in enumerate(rows) if i not in errors])
    told = [{"row": i, "error": _told(error)} for i, error in sorted(errors.items())]
    if packed is None:
        problems = [f"row {e['row']}: {e['error']}" for e in told[:20]]
        raise RequestError(Code.INVALID_ARGUMENT, "no row of the request fits the model's signature", problems=problems)

    def encode(answered: Answered) -> bytes:
        found = iter(rows_of(answered.outputs))
        predictions = [None if i in errors else next(found) for i in range(len(rows))]
        return dump_outputs("predictions", predictions, errors=told)

    return Parsed(packed, packed.rows, Reply(encode))


def _packed(graph: OnnxGraph, rows: Sequence[Any], start: int, errors: dict[int, Problem]) -> Packed | None:
    """The rows' data; None where some are wrong, which are then in `errors`."""
    try:
        return graph.packed_from_rows(rows)
    except (FeedError, ModelError) as error:
        if len(rows) == 1:
            errors[start] = error
            if len(errors) > MOST_ERRORS:
                raise RequestError(
                    Code.INVALID_ARGUMENT,
                    f"more than {MOST_ERRORS} rows do not fit the model's signature",
                    problems=[f"row {i}: {_told(e)}" for i, e in list(errors.items())[:20]],
                ) from None
            return None
    middle = len(rows) // 2
    _packed(graph, rows[:middle], start, errors)
    _packed(graph, rows[middle:], start + middle, errors)
    return None


def _told(error: Problem) -> str:
    """What is wrong with a row that was looked at alone, without its number there."""
    problems = [p.removeprefix("row 0, ").removeprefix("row 0: ") for p in error.problems]
    text = "; ".join(problems) or error.message
    return f"{text}. {error.hint}" if error.hint else text
