"""TFMA's configurations in protobuf's text format; see `trueline._core.proto_text` for the reader."""

from __future__ import annotations

from trueline._core import proto_text
from trueline.model_analysis.config_fields import ENUMS, MESSAGES, WRAPPERS, Tree

__all__ = ["read_text"]

_TYPES = proto_text.Types(MESSAGES, ENUMS, WRAPPERS)


def read_text(text: str, message: str) -> Tree:
    """The fields that are set, by name: messages as dicts, repeated fields as lists, maps as dicts, wrappers bare.

    Args:
        text: a message in text format.
        message: its type, a name in `MESSAGES`.

    Raises:
        ConfigError: with all problems, each with line and column.
    """
    return proto_text.read_text(text, message, _TYPES)
