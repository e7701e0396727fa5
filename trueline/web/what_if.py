"""The what-if page behind a local app, for models that cannot run in a browser: the page asks ``predict``."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from trueline._core.errors import ConfigError, DataError, FeedError, ModelError
from trueline.display.what_if import policy, what_if_html
from trueline.web.local import HEADERS, TooLargeError, check_request, json_of, need_web, read_body

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

    from trueline.model_analysis.whatif.record import WhatIf

__all__ = ["serve_what_if", "what_if_app"]

_ENDPOINT = "predict"
_MOST_PROBLEMS = 50


def what_if_app(what_if: WhatIf, token: str) -> Starlette:
    """The app: ``GET /<token>/`` is the page, ``POST /<token>/predict`` what the models say of rows.

    A request's body is ``{"model": 0, "rows": [{feature: value}]}``, see `WhatIf.answer`. What does not fit is answered
    with ``{"error": ..., "problems": [...]}``: 400 no such request, 403 not from this page, 413 too large, 415 no JSON,
    422 rows that do not fit the model's signature, 500 a model that fails on them.

    Args:
        what_if: rows and models.
        token: the secret part of the address.

    Raises:
        ConfigError: the extra ``web`` is not installed, or the token is shorter than 16 characters.
    """
    need_web()
    if len(token) < 16 or not token.replace("-", "").replace("_", "").isalnum():
        raise ConfigError("a token has at least 16 letters and digits", hint="secrets.token_urlsafe(24) makes one.")
    from starlette.applications import Starlette
    from starlette.routing import Route

    html, _ = what_if_html(what_if.document, endpoint=_ENDPOINT)

    async def page(request: Request) -> Response:
        return _refused(request, token) or _page(html)

    async def predict(request: Request) -> Response:
        return _refused(request, token) or await _predict(request, what_if)

    routes = [Route("/{token}/", page, methods=["GET"]), Route(f"/{{token}}/{_ENDPOINT}", predict, methods=["POST"])]
    return Starlette(routes=routes)


def _page(html: str) -> Response:
    from starlette.responses import HTMLResponse

    rules = policy(endpoint=_ENDPOINT) + "; frame-ancestors 'none'"
    return HTMLResponse(html, headers=HEADERS | {"Content-Security-Policy": rules})


def _said(status: int, content: dict[str, Any]) -> Response:
    from starlette.responses import JSONResponse

    return JSONResponse(content, status, headers=HEADERS)


def _refused(request: Request, token: str) -> Response | None:
    why = check_request(request.headers, token, str(request.path_params["token"]))
    return None if why is None else _said(403, {"error": why, "problems": []})


async def _predict(request: Request, what_if: WhatIf) -> Response:
    from starlette.concurrency import run_in_threadpool

    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        return _said(415, {"error": "a request's content type is application/json", "problems": []})
    try:
        body = json_of(await read_body(request.stream()))
        return _said(200, await run_in_threadpool(what_if.answer, body))
    except TooLargeError as error:
        return _error(413, error)
    except FeedError as error:
        return _error(422, error)
    except DataError as error:
        return _error(400, error)
    except ModelError as error:
        return _error(500, error)


def _error(status: int, error: DataError | ModelError) -> Response:
    return _said(status, {"error": error.message, "problems": list(error.problems[:_MOST_PROBLEMS])})


def serve_what_if(what_if: WhatIf, *, port: int = 0, say: Callable[[str], None] = print) -> None:
    """Shows the page on this machine until it is interrupted (Ctrl-C).

    Args:
        what_if: rows and models.
        port: on 127.0.0.1; 0 takes a free one.
        say: is told the address, which holds a token made for this run.

    Raises:
        ConfigError: the extra ``web`` is not installed, or the port is taken.
    """
    token = secrets.token_urlsafe(24)
    app = what_if_app(what_if, token)
    import uvicorn

    listening = _listening(port)
    with listening:
        say(f"What if: http://127.0.0.1:{listening.getsockname()[1]}/{token}/ (Ctrl-C ends it)")
        config = uvicorn.Config(app, log_level="error", access_log=False, server_header=False, lifespan="off")
        uvicorn.Server(config).run(sockets=[listening])


def _listening(port: int) -> socket.socket:
    found = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(("127.0.0.1", port))
        found.listen()
    except (OSError, OverflowError) as error:
        found.close()
        raise ConfigError(
            f"port {port} of 127.0.0.1 cannot be used: {error}", hint="port=0 takes a free one."
        ) from error
    return found
