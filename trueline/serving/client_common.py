"""What both clients share: calls as paths and bodies, answers as records, errors with their codes."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar
from urllib.parse import quote

from trueline._core.errors import ConfigError
from trueline._core.extras import missing_extra_hint
from trueline.serving.client_http import Reply
from trueline.serving.client_results import (
    Classification,
    Prediction,
    Regression,
    TablePrediction,
    classification_of,
    prediction_of,
    regression_of,
    table_prediction_of,
)
from trueline.serving.errors import Code, RequestError, code_of

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "Call",
    "Rows",
    "available_versions",
    "classify_call",
    "late_error",
    "metadata_call",
    "predict_call",
    "predict_table_call",
    "regress_call",
    "status_call",
    "unreachable_error",
]

T = TypeVar("T")
Rows = Sequence[Mapping[str, Any]]
_ARROW = "application/vnd.apache.arrow.stream"
_JSON = "application/json"


@dataclass(frozen=True)
class Call(Generic[T]):
    """One request and how its answer is read.

    Attributes:
        method: of HTTP.
        path: after the server's prefix.
        read: the result out of a good answer.
        body: the bytes.
        content_type: of the body.
        accept: of the answer.
    """

    method: str
    path: str
    read: Callable[[Reply], T]
    body: bytes = b""
    content_type: str = _JSON
    accept: str = _JSON

    def headers(self) -> dict[str, str]:
        """Those that the call itself asks for."""
        return {"accept": self.accept} | ({"content-type": self.content_type} if self.body else {})

    def result(self, reply: Reply) -> T:
        """What the answer says.

        Raises:
            RequestError: the server refused, or what it said is not the API's.
        """
        if reply.status != 200:
            raise _refused(reply)
        try:
            return self.read(reply)
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise RequestError(
                Code.INTERNAL, f"the answer is not one of this API: {type(error).__name__}: {str(error)[:200]}"
            ) from None


def _refused(reply: Reply) -> RequestError:
    try:
        value = json.loads(reply.body)
    except ValueError:
        value = {"error": reply.body[:500].decode("utf-8", "replace")}
    message = str(value.get("error", "")) if isinstance(value, dict) else ""
    message = message or f"the server answered with status {reply.status}"
    error = RequestError(code_of(reply.status), message, status=reply.status)
    version = reply.headers.get("x-model-version", "")
    error.version = int(version) if version.isascii() and version.isdigit() else None
    return error


def unreachable_error(error: BaseException, url: str) -> RequestError:
    """A server that gave no answer."""
    why = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return RequestError(Code.UNAVAILABLE, f"the server at {url} does not answer: {why}")


def late_error(timeout: float, url: str) -> RequestError:
    """A call whose time is over."""
    return RequestError(Code.DEADLINE_EXCEEDED, f"the server at {url} did not answer within {timeout:g} s")


def _place(model: str, version: int | None, label: str | None) -> str:
    """The path of a model.

    Raises:
        ConfigError: both a version and a label.
    """
    if version is not None and label is not None:
        raise ConfigError("give a version or a label, not both")
    path = f"/v1/models/{quote(model, safe='')}"
    if version is not None:
        return f"{path}/versions/{int(version)}"
    return path if label is None else f"{path}/labels/{quote(label, safe='')}"


def predict_call(
    model: str,
    rows: Rows | None,
    columns: Mapping[str, Sequence[Any]] | None,
    version: int | None,
    label: str | None,
    on_error: Literal["request", "row"] = "request",
) -> Call[Prediction]:
    """A prediction of rows or of columns.

    Raises:
        ConfigError: neither or both; a value that JSON cannot carry.
    """
    if (rows is None) == (columns is None):
        raise ConfigError("give either rows or columns")
    if on_error == "row":
        if rows is None:
            raise ConfigError("on_error='row' needs rows: columns stand or fall together")
        body: dict[str, Any] = {"instances": list(rows), "on_error": "row"}
    else:
        body = _body(rows, columns)
    return Call("POST", f"{_place(model, version, label)}:predict", prediction_of, _dumped(body))


def predict_table_call(model: str, table: pa.Table, version: int | None, label: str | None) -> Call[TablePrediction]:
    """A prediction of an Arrow table, answered with one."""
    path = f"{_place(model, version, label)}:predict"
    return Call("POST", path, table_prediction_of, _arrow_bytes(table), _ARROW, _ARROW)


def classify_call(
    model: str, rows: Rows, context: Mapping[str, Any] | None, version: int | None, label: str | None
) -> Call[Classification]:
    """Classes and scores of rows; `context` is in every row."""
    body = _examples(rows, context)
    return Call("POST", f"{_place(model, version, label)}:classify", classification_of, body)


def regress_call(
    model: str, rows: Rows, context: Mapping[str, Any] | None, version: int | None, label: str | None
) -> Call[Regression]:
    """Values of rows; `context` is in every row."""
    return Call("POST", f"{_place(model, version, label)}:regress", regression_of, _examples(rows, context))


def status_call(model: str, version: int | None) -> Call[list[dict[str, Any]]]:
    """The states of the model's versions."""

    def read(reply: Reply) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(reply.body)["model_version_status"]
        return found

    return Call("GET", _place(model, version, None), read)


def metadata_call(model: str, version: int | None, label: str | None) -> Call[dict[str, Any]]:
    """What the model takes and gives."""

    def read(reply: Reply) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(reply.body)
        return found

    return Call("GET", f"{_place(model, version, label)}/metadata", read)


def available_versions(states: Sequence[Mapping[str, Any]]) -> list[int]:
    """The versions that answer, of what `status_call` gave."""
    return [int(state["version"]) for state in states if state["state"] == "AVAILABLE"]


def _arrow_bytes(table: pa.Table) -> bytes:
    try:
        import pyarrow as pa
    except ImportError as error:
        raise ConfigError("a table needs pyarrow", hint=missing_extra_hint(error) or "pip install pyarrow") from None
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as out:
        out.write_table(table)
    made: bytes = sink.getvalue().to_pybytes()
    return made


def _examples(rows: Rows, context: Mapping[str, Any] | None) -> bytes:
    body: dict[str, Any] = {"examples": list(rows)}
    return _dumped(body if context is None else {"context": context, **body})


def _dumped(body: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(body, default=_plain).encode()
    except (TypeError, ValueError) as error:
        raise ConfigError(f"the rows cannot be sent as JSON: {error}", hint="or send them as an Arrow table.") from None


def _body(rows: Rows | None, columns: Mapping[str, Sequence[Any]] | None) -> dict[str, Any]:
    """Rows go as columns, which the server reads faster, unless they name no field at all."""
    if rows is None:
        return {"inputs": columns}
    as_columns = _columns(rows)
    return {"inputs": as_columns} if as_columns else {"instances": list(rows)}


def _columns(rows: Any) -> Any:
    if rows and not isinstance(rows[0], Mapping):
        return rows
    names = list(dict.fromkeys(name for row in rows for name in row))
    return {name: [row.get(name) for row in rows] for name in names}


def _plain(value: Any) -> Any:
    """What JSON has no form for: dates as ISO text, bytes as base64, numpy's numbers and arrays as Python's."""
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bytes):
        return {"b64": base64.b64encode(value).decode()}
    for convert in ("tolist", "item"):
        if hasattr(value, convert):
            return getattr(value, convert)()
    raise TypeError(f"a value of type {type(value).__name__} cannot be sent")
