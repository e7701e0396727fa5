"""A typed client on the standard library: predict, classify, regress, status, metadata, wait until ready."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

from trueline._core.errors import ServingError
from trueline.serving.client_calls import BROKEN, BrokenError, Caller, again_after
from trueline.serving.client_common import (
    Call,
    Rows,
    available_versions,
    classify_call,
    late_error,
    metadata_call,
    predict_call,
    predict_table_call,
    regress_call,
    status_call,
    unreachable_error,
)
from trueline.serving.client_http import Answer, Reply
from trueline.serving.client_options import RETRIES, Attempts, ClientTls, Retries
from trueline.serving.client_results import Classification, Prediction, Regression, TablePrediction
from trueline.serving.client_sockets import exchange, left_of, readable

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Client", "Prediction"]

T = TypeVar("T")
_POLL = 0.05


class Client:
    """Talks to one model of a server. Threads may share it: each call in flight has a connection of its own.

    Connections are kept for further calls. A call is made again where that is safe (see `Retries`), never past its
    time. What the server refuses is a `RequestError` with the server's code, status and message; a server that gives
    no answer is one with `Code.UNAVAILABLE`, and a call whose time is over one with `Code.DEADLINE_EXCEEDED`.

    Args:
        url: the server, such as ``http://127.0.0.1:8501``.
        model: the model's name.
        timeout: seconds that one call may take, all its attempts included.
        api_key: shown as ``x-api-key``.
        bearer: a token, or what gives one for each call, shown as ``authorization: Bearer``.
        tls: what is trusted and shown where the address is ``https``; by default the system's authorities.
        retries: when a call is made again; ``Retries(attempts=1)``: never.
        headers: sent with each call.
        connections: idle connections that are kept at most.

    Raises:
        ConfigError: an address, a setting or a file that is wrong.
    """

    def __init__(
        self,
        url: str,
        model: str,
        *,
        timeout: float = 30.0,
        api_key: str | None = None,
        bearer: str | Callable[[], str] | None = None,
        tls: ClientTls | None = None,
        retries: Retries = RETRIES,
        headers: Mapping[str, str] | None = None,
        connections: int = 16,
    ) -> None:
        self._caller = Caller(
            url, model, timeout=timeout, api_key=api_key, bearer=bearer, tls=tls, retries=retries, headers=headers
        )
        self._idle: list[socket.socket] = []
        self._most_idle = connections
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the idle connections; a later call opens another."""
        with self._lock:
            idle, self._idle = self._idle, []
        for kept in idle:
            kept.close()

    def predict(
        self,
        rows: Rows | None = None,
        columns: Mapping[str, Sequence[Any]] | None = None,
        *,
        version: int | None = None,
        label: str | None = None,
        on_error: Literal["request", "row"] = "request",
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Prediction:
        """Predictions for rows of named values or for columns.

        Args:
            rows: one mapping a row; what is missing or None is missing.
            columns: one sequence a column, all of one length.
            version: this one answers; by default the newest.
            label: the version that has it answers.
            on_error: ``row``: a wrong row leaves the others their predictions, see `Prediction.errors`.
            request_id: for the logs; the server makes one otherwise.
            timeout: seconds, in place of the client's own.

        Raises:
            RequestError: the server refused, cannot be reached or took too long.
            ConfigError: neither or both of rows and columns, or of version and label.
        """
        call = predict_call(self._caller.model, rows, columns, version, label, on_error)
        return self._call(call, request_id, timeout)

    def predict_table(
        self,
        table: pa.Table,
        *,
        version: int | None = None,
        label: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> TablePrediction:
        """Predictions for an Arrow table, as one: nothing is rounded or rewritten on the way. Needs pyarrow.

        Raises:
            RequestError: as `predict`.
        """
        return self._call(predict_table_call(self._caller.model, table, version, label), request_id, timeout)

    def classify(
        self,
        rows: Rows,
        *,
        context: Mapping[str, Any] | None = None,
        version: int | None = None,
        label: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Classification:
        """Classes and scores of rows; `context` holds values that all rows share.

        Raises:
            RequestError: as `predict`; the model is no classifier.
        """
        return self._call(classify_call(self._caller.model, rows, context, version, label), request_id, timeout)

    def regress(
        self,
        rows: Rows,
        *,
        context: Mapping[str, Any] | None = None,
        version: int | None = None,
        label: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Regression:
        """Values of a regression; `context` holds values that all rows share.

        Raises:
            RequestError: as `predict`; the model is no regression.
        """
        return self._call(regress_call(self._caller.model, rows, context, version, label), request_id, timeout)

    def status(self, version: int | None = None, *, timeout: float | None = None) -> list[dict[str, Any]]:
        """Version, state and error of each version that the server knows, the newest first.

        Raises:
            RequestError: NOT_FOUND for a model or version that the server does not know.
        """
        return self._call(status_call(self._caller.model, version), None, timeout)

    def metadata(
        self, version: int | None = None, *, label: str | None = None, timeout: float | None = None
    ) -> dict[str, Any]:
        """The signature in TensorFlow Serving's shape, and under ``trueline`` the raw features and classes.

        Raises:
            RequestError: NOT_FOUND when no such version is available.
        """
        return self._call(metadata_call(self._caller.model, version, label), None, timeout)

    def wait_ready(self, timeout: float = 30.0, *, version: int | None = None) -> int:
        """Waits until the model answers, with a given version or with any, and returns the newest one that does.

        Raises:
            ServingError: not within `timeout` seconds; the message has the last state seen.
        """
        deadline = time.monotonic() + timeout
        last = "nothing was heard of it"
        while True:
            try:
                states = self.status(timeout=max(0.001, min(self._caller.timeout, deadline - time.monotonic())))
                available = available_versions(states)
                if available and (version is None or version in available):
                    return max(available)
                last = json.dumps(states)
            except ServingError as error:
                last = str(error)
            if time.monotonic() >= deadline:
                told = f"model {self._caller.model!r} was not ready within {timeout:g} s: {last}"
                raise ServingError(told, where=self._caller.url)
            time.sleep(_POLL)

    def _call(self, call: Call[T], request_id: str | None, timeout: float | None) -> T:
        attempts = self._caller.attempts(timeout)
        while True:
            found = self._attempt(call, request_id, attempts)
            pause = again_after(found, attempts)
            if pause is None:
                break
            time.sleep(pause)
        if isinstance(found, Reply):
            return call.result(found)
        if attempts.over:
            raise late_error(attempts.timeout, self._caller.url) from None
        raise unreachable_error(found.cause, self._caller.url) from found.cause

    def _attempt(self, call: Call[Any], request_id: str | None, attempts: Attempts) -> Reply | BrokenError:
        data = self._caller.wire(call, request_id, attempts)
        connection = None if attempts.fresh else self._kept()
        stale = connection is not None
        answer = Answer()
        try:
            if connection is None:
                connection = self._connect(attempts)
            exchange(connection, data, answer, attempts)
        except BROKEN as error:
            if connection is not None:
                connection.close()
            attempts.fresh = attempts.fresh or stale
            return BrokenError(error, safe=not answer.begun, stale=stale)
        except BaseException:
            if connection is not None:
                connection.close()
            raise
        self._keep(connection, answer)
        return answer.reply()

    def _connect(self, attempts: Attempts) -> socket.socket:
        caller = self._caller
        connection = socket.create_connection((caller.place.host, caller.place.port), timeout=left_of(attempts))
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if caller.tls is None:
                return connection
            connection.settimeout(left_of(attempts))
            return caller.tls.wrap_socket(connection, server_hostname=caller.server_name)
        except BaseException:
            connection.close()
            raise

    def _kept(self) -> socket.socket | None:
        """An idle connection that the server did not close as far as one can see."""
        while True:
            with self._lock:
                if not self._idle:
                    return None
                found = self._idle.pop()
            if not readable(found):  # bytes that nobody asked for, or the connection's end
                return found
            found.close()

    def _keep(self, connection: socket.socket, answer: Answer) -> None:
        with self._lock:
            keep = answer.keep and len(self._idle) < self._most_idle
            if keep:
                self._idle.append(connection)
        if not keep:
            connection.close()
