"""Protos on disk: schemas as text, and any message as text or binary, by URI. Errors name the file."""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING, Any, TypeVar

from trueline._core.errors import ArtifactError, SchemaError, did_you_mean

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import schema_pb2

M = TypeVar("M")

__all__ = ["load_schema_text", "parse_text", "read_message", "write_message", "write_schema_text"]


def parse_text(text: str, message: M, where: str) -> M:
    """`message` filled from protobuf text; a byte order mark and any line ends are accepted.

    Raises:
        SchemaError: naming `where`, line and column, with the line itself, if the text does not parse.
    """
    from google.protobuf import text_format

    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    try:
        text_format.Parse(text, message)
    except text_format.ParseError as error:
        line = error.GetLine()
        lines = text.split("\n")
        shown = f" in {lines[line - 1].strip()!r}" if line is not None and 0 < line <= len(lines) else ""
        raise SchemaError(
            f"the text is no {_kind(message)}: {error}{shown}", where=where, hint=_unknown_field(str(error), message)
        ) from error
    return message


def _unknown_field(error: str, message: Any) -> str | None:
    """A hint where an error is about a field's name."""
    found = re.search(r'Message type "([\w.]+)" has no field named "(\w+)"', error)
    if found is None:
        return None
    try:
        names = message.DESCRIPTOR.file.pool.FindMessageTypeByName(found[1]).fields_by_name
    except KeyError:
        return None
    return did_you_mean(found[2], list(names))


def _decoded(data: bytes, uri: str) -> str:
    """The text of a file.

    Raises:
        SchemaError: naming the file and the line, if it is no UTF-8.
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise SchemaError("the file is no text: it begins as UTF-16 does", where=uri, hint="save it as UTF-8.")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SchemaError(
            f"the file is no text: line {line} is no UTF-8 ({error.reason})",
            where=uri,
            hint="is it a binary protobuf, or text in another encoding?",
        ) from error


def read_message(uri: str, message: M, *, binary: bool = True) -> M:
    """`message` filled from a file that holds it as binary protobuf or as protobuf text.

    Raises:
        SchemaError: naming the file, if its content does not parse.
        ArtifactError: naming the file, if it is not there.
    """
    from google.protobuf.message import DecodeError

    from trueline._core import store

    if not store.exists(uri):
        raise ArtifactError(f"there is no {_kind(message)} here", where=uri, hint=_near(uri))
    data = store.read_bytes(uri)
    if binary:
        target: Any = message
        try:
            target.ParseFromString(data)
        except DecodeError as error:
            raise SchemaError(f"the file is no binary {_kind(message)}: {error}", where=uri) from error
        return message
    return parse_text(_decoded(data, uri), message, uri)


def write_message(message: Any, uri: str, *, binary: bool = True) -> None:
    """Writes a message as binary protobuf (map keys sorted: equal messages give equal bytes) or as text."""
    from google.protobuf import text_format

    from trueline._core import store

    if binary:
        store.write_bytes(uri, message.SerializeToString(deterministic=True))
    else:
        store.write_text(uri, text_format.MessageToString(message, as_utf8=True))


def load_schema_text(uri: str) -> schema_pb2.Schema:
    """The `Schema` in a text file (``schema.pbtxt``).

    Raises:
        SchemaError: naming file, line and column, if the text does not parse.
        ArtifactError: naming the file, if it is not there.
    """
    from tensorflow_metadata.proto.v0 import schema_pb2

    return read_message(uri, schema_pb2.Schema(), binary=False)


def write_schema_text(schema: schema_pb2.Schema, uri: str) -> None:
    """Writes a `Schema` as protobuf text.

    Raises:
        SchemaError: if `schema` is another thing.
    """
    from tensorflow_metadata.proto.v0 import schema_pb2

    if not isinstance(schema, schema_pb2.Schema):
        raise SchemaError(f"a Schema proto is needed, got {type(schema).__name__}", where=uri)
    write_message(schema, uri, binary=False)


def _near(uri: str) -> str:
    """What is there instead of a file that is not."""
    from trueline._core import store

    folder, slash, name = str(uri).rpartition("/")
    return f"the file does not exist. {did_you_mean(name, store.listdir(folder or slash or '.'))}".rstrip()


def _kind(message: Any) -> str:
    return str(type(message).__name__)
