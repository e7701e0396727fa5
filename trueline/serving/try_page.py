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
from trueline.serving.manager import ModelManager
from trueline.serving.versions import Routes

__all__ = ["TryPage"]

_IN_SCRIPT = {ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026"}


class TryPage:
    """``/`` and ``/try``.

    Args:
        manager: the models.
    """

    def __init__(self, manager: ModelManager) -> None:
        self._manager = manager
        self._made_of: Any = None
        self._text = b""

    def __call__(self) -> Answer:
        """The page, made anew when the routing table is another one."""
        if self._made_of is not self._manager.table:
            self._made_of = self._manager.table
            self._text = _page(self._manager)
        return Answer(200, self._text, b"text/html; charset=utf-8", _headers())


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


def _page(manager: ModelManager) -> bytes:
    models = [_model(name, routes) for name, routes in sorted(manager.table.items()) if routes.default is not None]
    data = dump([model for model in models if model]).decode().translate(_IN_SCRIPT)
    text = Template(_asset("try.html")).substitute(css=_asset("try.css"), js=_asset("try.js"), models=data)
    return text.encode()


def _model(name: str, routes: Routes) -> dict[str, Any]:
    """What the page shows of a model; empty when it is on its way out."""
    assert routes.default is not None
    live = routes.default.live
    if live is None:
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
