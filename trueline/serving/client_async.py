"""The client for asyncio, on the standard library's streams: the same calls, awaited."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
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

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["AsyncClient"]

T = TypeVar("T")
_READ = 256 * 1024
_POLL = 0.05


@dataclass(frozen=True)
class _Connection:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def close(self) -> None:
        self.writer.transport.abort()


class AsyncClient:
    """Talks to one model of a server from one event loop; calls may overlap, each with a connection of its own.

    Settings, retries and errors are `Client`'s. A call that is cancelled closes its connection.

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
        self._idle: list[_Connection] = []
        self._most_idle = connections

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the idle connections; a later call opens another."""
        idle, self._idle = self._idle, []
        for kept in idle:
            kept.close()
            with contextlib.suppress(OSError):
                await kept.writer.wait_closed()

    async def predict(
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
        """As `Client.predict`.

        Raises:
            RequestError: the server refused, cannot be reached or took too long.
            ConfigError: neither or both of rows and columns, or of version and label.
        """
        call = predict_call(self._caller.model, rows, columns, version, label, on_error)
        return await self._call(call, request_id, timeout)

    async def predict_table(
        self,
        table: pa.Table,
        *,
        version: int | None = None,
        label: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> TablePrediction:
        """As `Client.predict_table`.

        Raises:
            RequestError: as `predict`.
        """
        return await self._call(predict_table_call(self._caller.model, table, version, label), request_id, timeout)

    async def classify(
        self,
        rows: Rows,
        *,
        context: Mapping[str, Any] | None = None,
        version: int | None = None,
        label: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Classification:
        """As `Client.classify`.

        Raises:
            RequestError: as `predict`; the model is no classifier.
        """
        return await self._call(classify_call(self._caller.model, rows, context, version, label), request_id, timeout)

    async def regress(
        self,
        rows: Rows,
        *,
        context: Mapping[str, Any] | None = None,
        version: int | None = None,
        label: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Regression:
        """As `Client.regress`.

        Raises:
            RequestError: as `predict`; the model is no regression.
        """
        return await self._call(regress_call(self._caller.model, rows, context, version, label), request_id, timeout)

    async def status(self, version: int | None = None, *, timeout: float | None = None) -> list[dict[str, Any]]:
        """As `Client.status`.

        Raises:
            RequestError: NOT_FOUND for a model or version that the server does not know.
        """
        return await self._call(status_call(self._caller.model, version), None, timeout)

    async def metadata(
        self, version: int | None = None, *, label: str | None = None, timeout: float | None = None
    ) -> dict[str, Any]:
        """As `Client.metadata`.

        Raises:
            RequestError: NOT_FOUND when no such version is available.
        """
        return await self._call(metadata_call(self._caller.model, version, label), None, timeout)

    async def wait_ready(self, timeout: float = 30.0, *, version: int | None = None) -> int:
        """As `Client.wait_ready`.

        Raises:
            ServingError: not within `timeout` seconds; the message has the last state seen.
        """
        deadline = time.monotonic() + timeout
        last = "nothing was heard of it"
        while True:
            try:
                states = await self.status(timeout=max(0.001, min(self._caller.timeout, deadline - time.monotonic())))
                available = available_versions(states)
                if available and (version is None or version in available):
                    return max(available)
                last = json.dumps(states)
            except ServingError as error:
                last = str(error)
            if time.monotonic() >= deadline:
                told = f"model {self._caller.model!r} was not ready within {timeout:g} s: {last}"
                raise ServingError(told, where=self._caller.url)
            await asyncio.sleep(_POLL)

    async def _call(self, call: Call[T], request_id: str | None, timeout: float | None) -> T:
        attempts = self._caller.attempts(timeout)
        while True:
            found = await self._attempt(call, request_id, attempts)
            pause = again_after(found, attempts)
            if pause is None:
                break
            await asyncio.sleep(pause)
        if isinstance(found, Reply):
            return call.result(found)
        if attempts.over:
            raise late_error(attempts.timeout, self._caller.url) from None
        raise unreachable_error(found.cause, self._caller.url) from found.cause

    async def _attempt(self, call: Call[Any], request_id: str | None, attempts: Attempts) -> Reply | BrokenError:
        data = self._caller.wire(call, request_id, attempts)
        connection = None if attempts.fresh else self._kept()
        stale = connection is not None
        answer = Answer()
        try:
            async with asyncio.timeout(max(0.0, attempts.left)):
                if connection is None:
                    connection = await self._connect()
                await _exchange(connection, data, answer)
        except BROKEN as error:
            if connection is not None:
                connection.close()
            attempts.fresh = attempts.fresh or stale
            return BrokenError(error, safe=not answer.begun, stale=stale)
        except BaseException:
            if connection is not None:
                connection.close()
            raise
        if answer.keep and len(self._idle) < self._most_idle:
            self._idle.append(connection)
        else:
            connection.close()
        return answer.reply()

    async def _connect(self) -> _Connection:
        caller = self._caller
        name = caller.server_name if caller.tls is not None else None
        found = await asyncio.open_connection(
            caller.place.host, caller.place.port, ssl=caller.tls, server_hostname=name, limit=_READ
        )
        return _Connection(*found)

    def _kept(self) -> _Connection | None:
        while self._idle:
            found = self._idle.pop()
            if not found.reader.at_eof() and not found.writer.is_closing() and found.reader.exception() is None:
                return found
            found.close()
        return None


async def _exchange(connection: _Connection, data: bytes, answer: Answer) -> None:
    # Written and read at once: a server may answer, such as 413, before it took everything.
    connection.writer.write(data)
    while not answer.done:
        part = await connection.reader.read(_READ)
        if not part and not answer.begun:
            raise ConnectionResetError("the connection was closed")
        answer.feed(part)
