"""A page to try the models: a form from each signature, the answer, and the same request for curl and Python.

The page is one file that asks for nothing but this server's own ``:predict``. Its policy (``Content-Security-Policy``)
lets only its own script and style run, by their hashes; what models say of themselves lies in it as JSON and is shown
as text alone.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files
from string import Template
from typing import Any

from trueline.serving.asgi import Answer
from trueline.serving.codec import dump
from trueline.serving.errors import RequestError
from trueline.serving.service import Service
from trueline.serving.versions import Routes

__all__ = ["TryPage", "permitted_routes"]

_IN_SCRIPT = {ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026"}


def permitted_routes(service: Service) -> list[tuple[str, Routes]]:
    """The models that answer and that the caller of this request may read, by name."""
    found = []
    for name, routes in sorted(service.manager.table.items()):
        try:
            if service.permit is not None:
                service.permit(name, "metadata")
        except RequestError:
            continue
        found.append((name, routes))
    return found


class TryPage:
    """``/`` and ``/try``, and for ``/try.json`` what the page shows of the models.

    Where keys are asked for, the page itself is open and says nothing of the models: it asks for a key and then for
    ``/try.json``.

    Args:
        service: the models, and who may read what they are.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._made_of: Any = None
        self._text = b""

    def __call__(self) -> Answer:
        """The page, made anew when the routing table is another one."""
        made_of = self._service.manager.table if self._service.permit is None else "keys"
        if self._made_of is not made_of:
            self._made_of = made_of
            self._text = _page(None if made_of == "keys" else self._models())
        return Answer(200, self._text, b"text/html; charset=utf-8", _headers())

    def models(self) -> Answer:
        """The models that the caller may read."""
        return Answer(200, dump(self._models()))

    def _models(self) -> list[dict[str, Any]]:
        found = (_model(name, routes) for name, routes in permitted_routes(self._service))
        return [model for model in found if model]


@cache
def _asset(name: str) -> str:
    return files("trueline.serving").joinpath("page", name).read_text(encoding="utf-8")


@cache
def _policy() -> bytes:
    script, style = (
        base64.b64encode(hashlib.sha256(_asset(name).encode()).digest()).decode() for name in ("try.js", "try.css")
    )
    return (
        f"default-src 'none'; script-src 'sha256-{script}'; style-src 'sha256-{style}'; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ).encode()


def _headers() -> list[tuple[bytes, bytes]]:
    return [
        (b"content-security-policy", _policy()),
        (b"referrer-policy", b"no-referrer"),
        (b"x-content-type-options", b"nosniff"),
        (b"cache-control", b"no-store"),
    ]


def _page(models: list[dict[str, Any]] | None) -> bytes:
    data = dump(models).decode().translate(_IN_SCRIPT)
    text = Template(_asset("try.html")).substitute(css=_asset("try.css"), js=_asset("try.js"), models=data)
    return text.encode()


def _model(name: str, routes: Routes) -> dict[str, Any]:
    """What the page shows of a model; empty when it is on its way out."""
    live = None if routes.default is None else routes.default.live
    if live is None or routes.default is None:
        return {}
    runtime = live.runtime
    examples = {i["name"]: i.get("example") for i in runtime.info["signature"]["inputs"]}
    return {
        "name": name,
        "version": str(routes.default.number),
        "versions": [str(number) for number in sorted(routes.versions, reverse=True)],
        "labels": sorted(label for label, number in routes.labels.items() if number in routes.versions),
        "task": runtime.info.get("task"),
        "framework": runtime.info.get("framework"),
        "classes": runtime.classes,
        "inputs": [f.to_json() | {"example": examples.get(f.name)} for f in runtime.inputs],
        "outputs": [{"name": o["name"], "meaning": o.get("meaning", "")} for o in runtime.outputs],
    }
