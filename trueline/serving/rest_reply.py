"""What one REST request asks to be answered with: the form of the answer, fixed when the request was read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from trueline.serving.asgi import JSON_TYPE
from trueline.serving.codec import columns_of, dump_outputs, dump_rows
from trueline.serving.service import Answered, Given

__all__ = ["COLUMNS", "ROWS", "Parsed", "Reply", "encode"]


@dataclass(frozen=True, slots=True)
class Reply:
    """A form of answer.

    Attributes:
        encode: the body out of what the model said.
        content_type: the body's.
    """

    encode: Callable[[Answered], bytes]
    content_type: bytes = JSON_TYPE


@dataclass(frozen=True, slots=True)
class Parsed(Given):
    """Validated data of one request.

    Attributes:
        reply: how it is answered.
    """

    reply: Reply


def encode(answered: Answered) -> bytes:
    """The answer's body, in the form that its request asked for."""
    given = answered.given
    assert isinstance(given, Parsed)
    return given.reply.encode(answered)


def _rows(answered: Answered) -> bytes:
    return dump_rows(answered.outputs)


def _columns(answered: Answered) -> bytes:
    return dump_outputs("outputs", columns_of(answered.outputs))


ROWS = Reply(_rows)
"""``{"predictions": [...]}``."""

COLUMNS = Reply(_columns)
"""``{"outputs": ...}``."""
