"""A small typed client on the standard library: predict, status, metadata, wait until ready."""

from __future__ import annotations

import base64
import http.client
import json
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Self
from urllib.parse import quote, unquote, urlsplit

from trueline._core.errors import ConfigError, ServingError
from trueline.serving.errors import RequestError, code_of

__all__ = ["Client", "Prediction"]

_STALE = (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError, http.client.CannotSendRequest)


@dataclass(frozen=True)
class Prediction:
    """One answer.

    Attributes:
        outputs: one list of values a row, by output name.
        version: the version that answered.
        request_id: the id of the request, in the server's log too.
    """

    outputs: dict[str, list[Any]]
    version: int
    request_id: str


class Client:
    """Talks to one model of a server over one kept connection; threads may share it and take turns.

    Args:
        url: the server, such as ``http://127.0.0.1:8501``.
        model: the model's name.
        timeout: seconds that one request may take.
    """

    def __init__(self, url: str, model: str, *, timeout: float = 30.0) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(f"{url!r} is no server address", hint="write http://host:port.")
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(parts.hostname, parts.port, timeout=timeout)
        self._url = url
        self._model = model
        self._base = f"{parts.path.rstrip('/')}/v1/models/{quote(model, safe='')}"
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection; the next request opens another."""
        self._connection.close()

    def predict(
        self,
        rows: Sequence[Mapping[str, Any]] | None = None,
        columns: Mapping[str, Sequence[Any]] | None = None,
        *,
        version: int | None = None,
        request_id: str | None = None,
    ) -> Prediction:
        """Predictions for rows of named values or for columns.

        Raises:
            RequestError: the server refused; `status` and the message are the server's.
            ServingError: the server cannot be reached.
        """
        if (rows is None) == (columns is None):
            raise ConfigError("give either rows or columns")
        body = _body(rows, columns)
        headers = {"content-type": "application/json"} | ({"x-request-id": request_id} if request_id else {})
        text = json.dumps(body, default=_plain).encode()
        data, head = self._request("POST", f"{self._place(version)}:predict", text, headers)
        answered = int(head["x-model-version"])
        outputs = data["outputs"] if "outputs" in data else _columns(data["predictions"])
        if not isinstance(outputs, dict):
            outputs = {unquote(head["x-model-outputs"]): outputs}
        return Prediction(outputs, answered, head["x-request-id"])

    def status(self, version: int | None = None) -> list[dict[str, Any]]:
        """Version, state and error of each version that the server knows, the newest first.

        Raises:
            RequestError: 404 for a model or version that the server does not know.
        """
        data, _ = self._request("GET", self._place(version))
        found: list[dict[str, Any]] = data["model_version_status"]
        return found

    def metadata(self, version: int | None = None) -> dict[str, Any]:
        """The signature in TensorFlow Serving's shape, and under ``trueline`` the raw features and classes.

        Raises:
            RequestError: 404 when no such version is available.
        """
        data, _ = self._request("GET", f"{self._place(version)}/metadata")
        found: dict[str, Any] = data
        return found

    def wait_ready(self, timeout: float = 30.0, *, version: int | None = None) -> int:
        """Waits until the model answers, with a given version or with any, and returns the newest one that does.

        Raises:
            ServingError: not within `timeout` seconds; the message has the last state seen.
        """
        deadline = time.monotonic() + timeout
        last = "nothing was heard of it"
        while True:
            try:
                states = self.status()
                available = [int(s["version"]) for s in states if s["state"] == "AVAILABLE"]
                if available and (version is None or version in available):
                    return max(available)
                last = json.dumps(states)
            except ServingError as error:
                last = str(error)
            if time.monotonic() >= deadline:
                raise ServingError(f"model {self._model!r} was not ready within {timeout:g} s: {last}", where=self._url)
            time.sleep(0.05)

    def _place(self, version: int | None) -> str:
        return self._base if version is None else f"{self._base}/versions/{version}"

    def _request(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[Any, http.client.HTTPMessage]:
        with self._lock:
            try:
                response, data = self._exchange(method, path, body, headers or {})
            except (OSError, http.client.HTTPException) as error:
                self._connection.close()
                raise ServingError(
                    f"the server does not answer: {type(error).__name__}: {error}", where=self._url
                ) from error
        try:
            value = json.loads(data)
        except ValueError:
            value = {"error": data[:500].decode("utf-8", "replace")}
        if response.status != 200:
            message = str(value.get("error", "")) if isinstance(value, dict) else ""
            raise RequestError(code_of(response.status), message, status=response.status)
        return value, response.headers

    def _exchange(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> tuple[http.client.HTTPResponse, bytes]:
        kept = self._connection.sock is not None
        try:
            return self._once(method, path, body, headers)
        except _STALE:
            self._connection.close()
            if not kept:
                raise
            return self._once(method, path, body, headers)  # the server closed an idle connection; asking twice is safe

    def _once(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> tuple[http.client.HTTPResponse, bytes]:
        self._connection.request(method, path, body, dict(headers))
        response = self._connection.getresponse()
        return response, response.read()


def _body(rows: Sequence[Mapping[str, Any]] | None, columns: Mapping[str, Sequence[Any]] | None) -> dict[str, Any]:
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
