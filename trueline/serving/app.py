"""The server as one plain ASGI callable: a table of path prefixes over the service, health, readiness and metrics.

No framework stands between the socket and the model. Each protocol over HTTP is a handler for one prefix
(`ServingApp.handlers`); what has no prefix of its own is a page (`ServingApp.pages`).
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any

from trueline.serving.asgi import Answer, Bodies, ClientGoneError, Head, Receive, Request, Scope, Send, send_answer
from trueline.serving.codec import dump
from trueline.serving.config import Latest, ServerConfig
from trueline.serving.cors import Cors, preflight
from trueline.serving.errors import Code, RequestError
from trueline.serving.feedback import Feedback
from trueline.serving.manager import ModelManager
from trueline.serving.metrics import CONTENT_TYPE, Metrics
from trueline.serving.oip_rest import OpenInferenceRest
from trueline.serving.openapi import OpenApiPage
from trueline.serving.options import ServerOptions
from trueline.serving.rest_tfs import TensorFlowRest
from trueline.serving.service import Service
from trueline.serving.sources import Plugs
from trueline.serving.try_page import TryPage
from trueline.serving.vocabularies import vocabularies_of_model

__all__ = ["ServingApp", "create_app"]

EventSink = Callable[[str, Mapping[str, Any]], None]
Handler = Callable[[Request], Awaitable[Answer]]
Page = Callable[[], Answer | Awaitable[Answer]]


class ServingApp:
    """An ASGI 3 app over a set of models.

    Under a server that speaks the lifespan protocol it starts and stops by itself; elsewhere call `startup` and
    `shutdown`. Starting does not wait for models: `/readyz` and `ready` say when every model answers.

    Args:
        config: the models.
        options: the server's settings.
        on_event: told what happens to versions and configurations; see `ModelManager`.
        plugs: further kinds of sources, by scheme.
        make_manager: what makes the manager, where it is not an ordinary one.

    Attributes:
        service: what answers requests, for other protocols beside HTTP too.
        manager: the models and their versions.
        metrics: what is counted.
        feedback: split and shadow traffic, and the prediction log.
        handlers: by path prefix (``/v1/``), the first that fits.
        pages: by whole path, for GET and HEAD.
        doors: asked before anything of a request is read; what raises RequestError keeps it out.
        watchers: told of each request with its answer, after it was sent; None where the client went away.
    """

    def __init__(
        self,
        config: ServerConfig,
        options: ServerOptions,
        on_event: EventSink,
        plugs: Plugs = MappingProxyType({}),
        make_manager: Callable[..., ModelManager] = ModelManager,
    ) -> None:
        self.options = options
        self.metrics = Metrics()
        self.metrics.loads = self._loads
        self.bodies = Bodies(options.max_inflight_bytes)
        self.draining = False
        self._timeout = options.rest_api_timeout_in_ms / 1000
        self._on_event = on_event
        self.manager = make_manager(config, options, self._event, self.metrics.batch_observer, plugs)
        self.service = Service(self.manager, options, self.metrics)
        self.feedback = Feedback(self.service, config, options, self.metrics.registry, self._event)
        self.handlers: list[tuple[bytes, Handler]] = [(b"/v1/", TensorFlowRest(self.service))]
        self.handlers.append((b"/v2", OpenInferenceRest(self.service, lambda: self.ready)))
        self._cors = Cors(options.cors_origins) if options.cors_origins else None
        self.doors: list[Callable[[Request], None]] = []
        self.watchers: list[Callable[[Request, Answer | None], None]] = []
        self.pages: dict[bytes, Page] = {
            b"/healthz": lambda: Answer(200, b'{"status":"ok"}'),
            b"/readyz": self._readyz,
            b"/metrics": self.metrics_page,
            b"/monitoring/prometheus/metrics": self.metrics_page,
            b"/openapi.json": OpenApiPage(self.service),
        }
        if options.try_page:
            page = TryPage(self.service)
            self.pages |= {b"/": page, b"/try": page, b"/try.json": page.models}

    @property
    def ready(self) -> bool:
        """Whether every model has an available version and the server is not on its way out."""
        return not self.draining and self.manager.ready

    async def startup(self) -> None:
        """Begins to watch the base directories."""
        self.feedback.start()
        self.manager.start()

    async def shutdown(self) -> None:
        """Stops watching and waits for requests in flight."""
        self.draining = True
        await self.feedback.stop_shadows()
        await self.manager.stop()
        await self.feedback.stop()
        self.service.close()

    def _event(self, name: str, facts: Mapping[str, Any]) -> None:
        if name in ("available", "load_failed", "unloaded"):
            routes = self.manager.table.get(facts["model"])
            answers = routes is not None and facts["version"] in routes.versions
            self.metrics.set_available(facts["model"], facts["version"], answers)
        if name == "available":
            self._learn(facts["model"], facts["version"], facts.get("load_seconds"))
        if name == "configured":
            self.feedback.configured(self.manager.config)
        self._on_event(name, facts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One ASGI connection."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})
        else:
            head = Head.of(scope)
            head.bodies = self.bodies
            request = Request(scope, receive, head, self._timeout)
            answer = None
            try:
                answer = await self._answer(request)
                if self._cors is not None:
                    self._cors.add(request, answer)
                await send_answer(send, answer, head.request_id)
            except ClientGoneError:
                return
            finally:
                if head.held:
                    head.let_go()
                for watcher in self.watchers:
                    watcher(request, answer)

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

    async def _answer(self, request: Request) -> Answer:
        path = request.path
        try:
            if self._cors is not None and request.method == "OPTIONS":
                return preflight(request)
            for door in self.doors:
                door(request)
            for prefix, handler in self.handlers:
                if path.startswith(prefix) or path[: len(prefix)].lower() == prefix:
                    return await handler(request)
            return await self._page(request)
        except RequestError as error:
            if error.version is None:
                self.metrics.refused.labels(str(error.status)).inc()
            return error_answer(error)

    async def _page(self, request: Request) -> Answer:
        page = self.pages.get(request.path)
        if page is None:
            raise RequestError(Code.NOT_FOUND, f"there is nothing at {request.path.decode('ascii', 'replace')}")
        if request.method in ("GET", "HEAD"):
            answer = page()
            return await answer if inspect.isawaitable(answer) else answer
        text = dump({"error": f"{request.method} is not allowed here"})
        return Answer(405, text, headers=[(b"allow", b"GET, HEAD")])

    def _readyz(self) -> Answer:
        models = {
            name: {
                "available": sorted(self.manager.table[name].versions) if name in self.manager.table else [],
                "error": self.manager.scan_errors.get(name, ""),
            }
            for name in self.manager.config.by_name
        }
        body = {"ready": self.ready, "draining": self.draining, "models": models}
        return Answer(200 if self.ready else 503, dump(body))

    def _learn(self, model: str, number: int, seconds: float | None) -> None:
        """Names of features for the metrics, and what texts they know, which is read from the graph in a thread."""
        version = self.manager.tracked.get(model, {}).get(number)
        if version is None or version.live is None:
            return
        runtime = version.live.runtime
        self.metrics.loaded(model, number, runtime.graph, seconds)

        def done(job: asyncio.Future[dict[str, frozenset[str]]]) -> None:
            if not job.cancelled() and job.exception() is None:
                self.metrics.loaded(model, number, runtime.graph, seconds, job.result())

        job = asyncio.get_running_loop().run_in_executor(None, vocabularies_of_model, runtime)
        job.add_done_callback(done)

    def _loads(self) -> dict[tuple[str, int], tuple[int, int]]:
        """Rows that wait and requests in flight, by version."""
        return {
            (name, number): (version.live.batcher.queued_rows, version.references)
            for name, tracked in self.manager.tracked.items()
            for number, version in tracked.items()
            if version.live is not None
        }

    def metrics_page(self) -> Answer:
        """What this process counts."""
        return Answer(200, self.metrics.text(), CONTENT_TYPE.encode())


def error_answer(error: RequestError) -> Answer:
    """An error as TensorFlow Serving's REST API tells it: ``{"error": "<message>"}``."""
    headers = []
    if error.version is not None:
        headers.append((b"x-model-version", b"%d" % error.version))
    if error.status in (429, 503):
        headers.append((b"retry-after", b"1"))
    if error.status == 413:
        headers.append((b"connection", b"close"))
    return Answer(error.status, dump({"error": str(error)}), headers=headers)


def create_app(
    models: Mapping[str, str] | ServerConfig,
    options: ServerOptions | None = None,
    *,
    on_event: EventSink = lambda name, facts: None,
    plugs: Plugs = MappingProxyType({}),
) -> ServingApp:
    """An ASGI app that serves models.

    Args:
        models: a configuration, or base directory by model name; versions are its integer subfolders.
        options: the server's settings.
        on_event: told what happens to versions.
        plugs: further kinds of sources, by scheme; see `trueline.serving.sources`.

    Raises:
        ConfigError: no models, or a name that cannot stand in a path; all problems at once.
    """
    options = options or ServerOptions()
    config = models if isinstance(models, ServerConfig) else ServerConfig.of(models, Latest(options.num_versions))
    return ServingApp(config, options, on_event, plugs)
