"""The server as one plain ASGI callable: TensorFlow Serving's REST API, health, readiness and metrics.

No framework stands between the socket and the model: a path is matched by one pattern, a model's name is looked up in
a table and never becomes a path on disk.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import unquote_to_bytes

from trueline._core.errors import ConfigError, TruelineError
from trueline.serving.asgi import Answer, ClientGoneError, Head, Receive, Scope, Send, read_body, send_answer
from trueline.serving.batching import Arrays
from trueline.serving.codec import columns_of, dump, dump_outputs, rows_of
from trueline.serving.errors import (
    BAD_REQUEST,
    INTERNAL,
    NOT_FOUND,
    NOT_IMPLEMENTED,
    PAYLOAD_TOO_LARGE,
    UNAVAILABLE,
    RequestError,
)
from trueline.serving.manager import ModelManager
from trueline.serving.metrics import CONTENT_TYPE, Metrics
from trueline.serving.options import ServerOptions
from trueline.serving.payloads import metadata, status
from trueline.serving.predict import Parsed, parse_predict
from trueline.serving.versions import Live, Version

__all__ = ["ServingApp", "create_app"]

_LOG = logging.getLogger("trueline.serving")
_PATH = re.compile(
    rb"/v1/models/(?P<name>[^/:]+)(?:/versions/(?P<number>\d+)|/labels/(?P<label>[^/:]+))?(?::(?P<verb>\w+)|(?P<meta>/metadata))?",
    re.IGNORECASE,
)
_LARGEST_VERSION = 2**63 - 1
_LARGE_BODY = 64 * 1024
_LARGE_ROWS = 1024
EventSink = Callable[[str, Mapping[str, Any]], None]


class ServingApp:
    """An ASGI 3 app over a set of models.

    Under a server that speaks the lifespan protocol it starts and stops by itself; elsewhere call `startup` and
    `shutdown`. Starting does not wait for models: `/readyz` and `ready` say when every model answers.

    Args:
        models: base directory by model name.
        options: the server's settings.
        on_event: told what happens to versions: ``available``, ``load_failed``, ``unloaded``, ``scan_failed``.
    """

    def __init__(self, models: Mapping[str, str], options: ServerOptions, on_event: EventSink) -> None:
        self.options = options
        self.metrics = Metrics()
        self.draining = False
        self._on_event = on_event
        self.manager = ModelManager(models, options, self._event, self.metrics.batch_observer)
        self._workers = ThreadPoolExecutor(2, thread_name_prefix="trueline-json")
        self._pages: dict[bytes, Callable[[], Answer]] = {
            b"/healthz": lambda: Answer(200, b'{"status":"ok"}'),
            b"/readyz": self._readyz,
            b"/metrics": self._metrics,
            b"/monitoring/prometheus/metrics": self._metrics,
        }

    @property
    def ready(self) -> bool:
        """Whether every model has an available version and the server is not on its way out."""
        return not self.draining and self.manager.ready

    async def startup(self) -> None:
        """Begins to watch the base directories."""
        self.manager.start()

    async def shutdown(self) -> None:
        """Stops watching and waits for requests in flight."""
        self.draining = True
        await self.manager.stop()
        self._workers.shutdown(wait=False)

    def _event(self, name: str, facts: Mapping[str, Any]) -> None:
        if name != "scan_failed":
            self.metrics.set_available(facts["model"], facts["version"], name == "available")
        self._on_event(name, facts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One ASGI connection."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})
        else:
            head = Head.of(scope)
            try:
                answer = await self._answer(scope, receive, head)
            except ClientGoneError:
                return
            await send_answer(send, answer, head.request_id)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await self.startup()
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                await self.shutdown()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _answer(self, scope: Scope, receive: Receive, head: Head) -> Answer:
        method = scope["method"]
        path: bytes = scope.get("raw_path") or scope["path"].encode()
        try:
            match = _PATH.fullmatch(path)
            if match is None:
                return self._page(method, path)
            name = _model_name(match)
            number = _version_number(match)
            if method == "POST" and match["verb"] is not None:
                return await self._post(name, number, match, receive, head)
            if method == "GET" and match["verb"] is None:
                return self._get(name, number, match)
            raise _malformed(method, path)
        except RequestError as error:
            self.metrics.refused.labels(str(error.status)).inc()
            return _error(error)

    def _page(self, method: str, path: bytes) -> Answer:
        page = self._pages.get(path)
        if page is not None:
            if method in ("GET", "HEAD"):
                return page()
            return Answer(405, dump({"error": f"{method} is not allowed here"}), headers=[(b"allow", b"GET, HEAD")])
        if path.lower() in (b"/v1/models", b"/v1/models/"):
            raise RequestError(BAD_REQUEST, "Missing model name in request.")
        if path.lower().startswith(b"/v1/"):
            raise _malformed(method, path)
        raise RequestError(NOT_FOUND, f"there is nothing at {path.decode('ascii', 'replace')}")

    async def _post(
        self, name: str, number: int | None, match: re.Match[bytes], receive: Receive, head: Head
    ) -> Answer:
        verb = match["verb"].decode()
        if verb in ("classify", "regress"):
            raise RequestError(NOT_IMPLEMENTED, f"{verb} is not served here", hint="use predict.")
        if verb != "predict":
            raise _malformed("POST", match.string)
        body = await read_body(receive, head, self.options.max_body_bytes)
        version = self._find(name, number)
        live = version.acquire()
        try:
            answer = await self._predict(name, str(version.number), live, body, head)
        finally:
            version.release()
        answer.headers += live.headers
        return answer

    def _find(self, name: str, number: int | None) -> Version:
        routes = self.manager.table.get(name)
        version = None
        if routes is not None:
            version = routes.default if number is None else routes.versions.get(number)
        if version is None:
            asked = f"Latest({name})" if number is None else f"Specific({name}, {number})"
            raise RequestError(NOT_FOUND, f"Servable not found for request: {asked}")
        return version

    async def _predict(self, name: str, label: str, live: Live, body: bytes, head: Head) -> Answer:
        started = time.perf_counter()
        try:
            if len(body) <= _LARGE_BODY and not live.runtime.steps:
                parsed = parse_predict(live.runtime.graph, body, self.options)
            else:
                parsed = await self._parse_aside(live, body)
            outputs = await live.batcher.submit(parsed.packed, parsed.rows)
        except RequestError as error:
            self.metrics.request(name, label, str(error.status)).inc()
            return _error(error)
        except TruelineError as error:
            self.metrics.request(name, label, str(INTERNAL)).inc()
            return _error(RequestError(INTERNAL, str(error)))
        except Exception:
            self.metrics.request(name, label, str(INTERNAL)).inc()
            _LOG.exception("request %s to %s version %s failed", head.request_id.decode(), name, label)
            return _error(
                RequestError(INTERNAL, f"internal error; the server's log has request {head.request_id.decode()}")
            )
        if parsed.rows > _LARGE_ROWS:
            encoded = await asyncio.get_running_loop().run_in_executor(self._workers, _encode, parsed, outputs)
        else:
            encoded = _encode(parsed, outputs)
        self.metrics.request(name, label, "200").inc()
        self.metrics.succeeded(name, label, parsed.rows, time.perf_counter() - started)
        return Answer(200, encoded)

    async def _parse_aside(self, live: Live, body: bytes) -> Parsed:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._workers, parse_predict, live.runtime.graph, body, self.options)

    def _get(self, name: str, number: int | None, match: re.Match[bytes]) -> Answer:
        if match["meta"] is None:
            tracked = self.manager.tracked.get(name, {})
            return Answer(200, dump(status(name, tracked, number)))
        version = self._find(name, number)
        assert version.live is not None
        return Answer(200, dump(metadata(name, version.number, version.live.runtime)))

    def _readyz(self) -> Answer:
        models = {
            name: {
                "available": sorted(self.manager.table[name].versions) if name in self.manager.table else [],
                "error": self.manager.scan_errors.get(name, ""),
            }
            for name in self.manager.bases
        }
        body = {"ready": self.ready, "draining": self.draining, "models": models}
        return Answer(200 if self.ready else UNAVAILABLE, dump(body))

    def _metrics(self) -> Answer:
        return Answer(200, self.metrics.text(), CONTENT_TYPE.encode())


def _encode(parsed: Parsed, outputs: Arrays) -> bytes:
    if parsed.row_form:
        return dump_outputs("predictions", rows_of(outputs))
    return dump_outputs("outputs", columns_of(outputs))


def _model_name(match: re.Match[bytes]) -> str:
    if match["label"] is not None:
        label = unquote_to_bytes(match["label"]).decode("utf-8", "replace")
        raise RequestError(BAD_REQUEST, f"Unrecognized servable version label: {label}", hint="use /versions/<n>.")
    return unquote_to_bytes(match["name"]).decode("utf-8", "replace")


def _version_number(match: re.Match[bytes]) -> int | None:
    digits = match["number"]
    if digits is None:
        return None
    number = int(digits) if len(digits) <= 40 else _LARGEST_VERSION + 1
    if number > _LARGEST_VERSION:
        raise RequestError(BAD_REQUEST, f"Failed to convert version: {digits[:40].decode()} to numeric.")
    return number


def _malformed(method: str, path: bytes) -> RequestError:
    return RequestError(BAD_REQUEST, f"Malformed request: {method} {path.decode('ascii', 'replace')}")


def _error(error: RequestError) -> Answer:
    headers = []
    if error.status == UNAVAILABLE:
        headers.append((b"retry-after", b"1"))
    if error.status == PAYLOAD_TOO_LARGE:
        headers.append((b"connection", b"close"))
    return Answer(error.status, dump({"error": str(error)}), headers=headers)


def create_app(
    models: Mapping[str, str], options: ServerOptions | None = None, *, on_event: EventSink = lambda name, facts: None
) -> ServingApp:
    """An ASGI app that serves models.

    Args:
        models: base directory by model name; versions are its integer subfolders.
        options: the server's settings.
        on_event: told what happens to versions.

    Raises:
        ConfigError: no models, or a name that cannot stand in a path; all problems at once.
    """
    problems = [f"model name {n!r}: expected text without '/' and ':'" for n in models if not n or set(n) & set("/:")]
    if not models:
        problems.append("expected at least one model")
    if problems:
        raise ConfigError("the models to serve are wrong", problems=problems)
    return ServingApp(models, options or ServerOptions(), on_event)
