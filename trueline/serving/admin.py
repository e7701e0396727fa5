"""Endpoints for whoever runs the server, on a port of their own: never on the port that clients reach.

| request | what it does |
|---|---|
| ``GET /admin/models`` | every version that is known: state, error, requests in flight, rows that wait |
| ``GET /admin/config`` | the settings in force, without secrets |
| ``POST /admin/reload`` | certificates, keys and models are read anew, as on SIGHUP |
| ``POST /admin/models/<name>/refresh`` | looks for new versions of one model now |
| ``POST /admin/models/<name>/unload`` | the model is not served any more, until a configuration names it again |
| ``POST /admin/log_level`` | ``{"level": "DEBUG"}`` |
| ``GET /metrics``, ``/healthz``, ``/readyz`` | as on the other port |

A POST carries ``content-type: application/json``, and ``host`` names this machine's own address: so a web page that
somebody opens on this machine cannot reach it. Where keys or tokens are configured the caller needs the
scope ``admin``.
"""

from __future__ import annotations

import inspect
import ipaddress
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

from trueline._core.errors import TruelineError
from trueline.serving.app import error_answer
from trueline.serving.asgi import Answer, ClientGoneError, Head, Receive, Request, Scope, Send, read_body, send_answer
from trueline.serving.auth import Auth
from trueline.serving.codec import decode, dump
from trueline.serving.config import ServerConfig
from trueline.serving.errors import Code, RequestError

if TYPE_CHECKING:
    from trueline.serving.app import ServingApp

__all__ = ["AdminApp", "is_loopback"]

_MODEL = re.compile(rb"/admin/models/(?P<name>[^/:]+)/(?P<verb>refresh|unload)")
_OPEN = frozenset({b"/healthz", b"/readyz"})
_MAX_BODY = 64 * 1024
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
_LOG = logging.getLogger("trueline")
Reload = Callable[[], Awaitable[list[str]]]


class AdminApp:
    """An ASGI app beside a `ServingApp`.

    Args:
        app: what it looks after.
        settings: what ``/admin/config`` shows; without secrets.
        reload: reads everything anew and gives back what went wrong.
        auth: asks for the scope ``admin``, or None.
    """

    def __init__(self, app: ServingApp, settings: Mapping[str, Any], reload: Reload, auth: Auth | None = None) -> None:
        self._app = app
        self._settings = settings
        self._reload = reload
        self._auth = auth

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One ASGI connection."""
        if scope["type"] != "http":
            return
        request = Request(scope, receive, Head.of(scope))
        try:
            answer = await self._answer(request)
        except RequestError as error:
            answer = error_answer(error)
        except TruelineError as error:
            answer = error_answer(RequestError(Code.FAILED_PRECONDITION, str(error), status=409))
        except ClientGoneError:
            return
        await send_answer(send, answer, request.head.request_id)

    async def _answer(self, request: Request) -> Answer:
        if request.path not in _OPEN:
            self._let_in(request)
        page = self._app.pages.get(request.path)
        if page is not None and request.method in ("GET", "HEAD"):
            answer = page()
            return await answer if inspect.isawaitable(answer) else answer
        if (request.method, request.path) == ("GET", b"/admin/models"):
            return Answer(200, dump({"models": self._models()}))
        if (request.method, request.path) == ("GET", b"/admin/config"):
            return Answer(200, dump(self._config()))
        if request.method == "POST":
            return await self._post(request)
        raise _nothing(request)

    def _let_in(self, request: Request) -> None:
        if self._auth is not None:
            self._auth.identify(request.scope["headers"])
            self._auth.permit(None, "admin")
        elif not is_loopback(_host_of(request.header(b"host"))):
            raise RequestError(Code.PERMISSION_DENIED, "the header 'host' does not name this machine's own address")
        if request.method == "POST" and (request.header(b"content-type") or b"").split(b";")[0] != b"application/json":
            raise RequestError(Code.INVALID_ARGUMENT, "send 'content-type: application/json'", status=415)

    async def _post(self, request: Request) -> Answer:
        body = await read_body(request.receive, request.head, _MAX_BODY)
        if request.path == b"/admin/reload":
            problems = await self._reload()
            return Answer(200 if not problems else 409, dump({"problems": problems}))
        if request.path == b"/admin/log_level":
            return self._log_level(decode(body))
        match = _MODEL.fullmatch(request.path)
        if match is None:
            raise _nothing(request)
        name = unquote_to_bytes(match["name"]).decode("utf-8", "replace")
        manager = self._app.manager
        if name not in manager.config.by_name:
            known = ", ".join(sorted(manager.config.by_name))
            raise RequestError(Code.NOT_FOUND, f"there is no model {name!r}", hint=f"models: {known}.")
        if match["verb"] == b"refresh":
            await manager.refresh(name)
        else:
            await manager.apply(ServerConfig(tuple(m for m in manager.config.models if m.name != name)))
        return Answer(200, dump({"models": self._models()}))

    def set_level(self, level: str) -> None:
        """Sets the level of this process' log."""
        _LOG.setLevel(level)

    def _log_level(self, asked: Any) -> Answer:
        level = asked.get("level") if isinstance(asked, dict) else None
        if level not in _LEVELS:
            raise RequestError(Code.INVALID_ARGUMENT, f"'level' is one of {', '.join(_LEVELS)}")
        self.set_level(level)
        return Answer(200, dump({"level": level}))

    def _models(self) -> dict[str, Any]:
        manager = self._app.manager
        found: dict[str, Any] = {}
        for name, tracked in manager.tracked.items():
            routes = manager.table.get(name)
            default = routes.default if routes is not None else None
            found[name] = {
                "default": default.number if default is not None else None,
                "labels": dict(routes.labels) if routes is not None else {},
                "error": manager.scan_errors.get(name, ""),
                "versions": [
                    {
                        "version": number,
                        "state": str(version.state),
                        "error": version.error,
                        "in_flight": version.references,
                        "queued_rows": version.live.batcher.queued_rows if version.live is not None else 0,
                        "inline": version.live.inline if version.live is not None else None,
                    }
                    for number, version in sorted(tracked.items())
                ],
            }
        return found

    def _config(self) -> dict[str, Any]:
        models = {m.name: {"policy": repr(m.policy), "labels": dict(m.labels)} for m in self._app.manager.config.models}
        return {"models": models, **self._settings}


def _nothing(request: Request) -> RequestError:
    path = request.path.decode("ascii", "replace")
    return RequestError(Code.NOT_FOUND, f"there is nothing for {request.method} at {path}")


def _host_of(header: bytes | None) -> str:
    text = (header or b"").decode("latin-1").strip()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0]


def is_loopback(host: str) -> bool:
    """Whether an address is this machine's own: ``localhost``, ``127.0.0.0/8``, ``::1``."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
