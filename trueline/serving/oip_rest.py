"""The Open Inference Protocol v2 over HTTP: paths under ``/v2`` to calls of the service.

Paths, JSON objects and the binary tensor data extension are the protocol's; a version in a path may be a label too.
Deviations: there are no nulls, and a number that is not finite is ``null`` (NaN) or an error (infinity) in JSON, which
has no word for it; in the binary form it is itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import unquote_to_bytes

from trueline._core.version import __version__
from trueline.serving.asgi import Answer, Request, read_body
from trueline.serving.codec import dump
from trueline.serving.errors import Code, RequestError
from trueline.serving.oip_json import Inference, encode_inference, parse_inference
from trueline.serving.oip_outputs import EXTENSIONS, SERVER_NAME, is_ready, model_metadata, model_spec
from trueline.serving.oip_tensors import bad
from trueline.serving.service import Call, ModelSpec, Service
from trueline.serving.versions import Live

__all__ = ["HEADER_LENGTH", "OpenInferenceRest"]

HEADER_LENGTH = b"inference-header-content-length"
"""The header that says how many bytes of a body are JSON; binary tensors follow."""

_MODEL = re.compile(rb"/v2/models/(?P<name>[^/]+)(?:/versions/(?P<version>[^/]+))?(?P<verb>/ready|/infer)?")
_LARGE_BODY = 64 * 1024


class OpenInferenceRest:
    """Answers what comes under ``/v2``.

    Args:
        service: what answers.
        ready: whether the server is ready.
    """

    def __init__(self, service: Service, ready: Callable[[], bool]) -> None:
        self._service = service
        self._pages: dict[bytes, Callable[[], Answer]] = {
            b"/v2": _server_metadata,
            b"/v2/": _server_metadata,
            b"/v2/health/live": lambda: Answer(200, b'{"live":true}'),
            b"/v2/health/ready": lambda: Answer(200 if ready() else 503, dump({"ready": ready()})),
        }

    async def __call__(self, request: Request) -> Answer:
        """One request.

        Raises:
            RequestError: 404 for what is not there, 400 for what does not fit.
        """
        page = self._pages.get(request.path)
        if page is not None:
            return page() if request.method in ("GET", "HEAD") else _not_allowed(request, b"GET, HEAD")
        match = _MODEL.fullmatch(request.path)
        if match is None:
            raise RequestError(Code.NOT_FOUND, f"there is nothing at {request.path.decode('ascii', 'replace')}")
        api = "infer" if match["verb"] == b"/infer" else "metadata"
        spec = model_spec(self._service, _text(match["name"]), _text(match["version"] or b""), api)
        if match["verb"] == b"/infer":
            return await self._infer(spec, request) if request.method == "POST" else _not_allowed(request, b"POST")
        if request.method not in ("GET", "HEAD"):
            return _not_allowed(request, b"GET, HEAD")
        return self._ready(spec) if match["verb"] else self._metadata(spec)

    def _ready(self, spec: ModelSpec) -> Answer:
        ready = is_ready(self._service, spec)
        return Answer(200 if ready else 503, dump({"name": spec.name, "ready": ready}))

    def _metadata(self, spec: ModelSpec) -> Answer:
        version = self._service.find(spec)
        assert version.live is not None
        available = self._service.manager.table[spec.name].versions
        return Answer(200, dump(model_metadata(spec.name, available, version.live.runtime)))

    async def _infer(self, spec: ModelSpec, request: Request) -> Answer:
        service = self._service
        body = await read_body(request.receive, request.head, service.options.max_body_bytes)
        header = request.header(HEADER_LENGTH)

        def parse(live: Live) -> Inference:
            return parse_inference(live, body, _header_length(header, len(body)), service.options)

        request_id = request.head.request_id.decode("ascii")
        call = Call("infer", "REST", request_id, deadline=request.deadline, carrier=request)
        encoded, answered = await service.answer(spec, call, parse, encode_inference, aside=len(body) > _LARGE_BODY)
        data, json_bytes = encoded
        headers = [*answered.live.headers]
        if json_bytes is None:
            return Answer(200, data, headers=headers)
        headers.append((HEADER_LENGTH, b"%d" % json_bytes))
        return Answer(200, data, b"application/octet-stream", headers)


def _header_length(header: bytes | None, size: int) -> int:
    if header is None:
        return size
    if not header.isdigit() or len(header) > 18 or int(header) > size:
        name = HEADER_LENGTH.decode()
        raise bad(f"{name} is {header.decode('latin-1')!r:.40}: expected a number up to the body's {size} bytes")
    return int(header)


def _server_metadata() -> Answer:
    return Answer(200, dump({"name": SERVER_NAME, "version": __version__, "extensions": list(EXTENSIONS)}))


def _not_allowed(request: Request, allowed: bytes) -> Answer:
    text = dump({"error": f"{request.method} is not allowed here: use {allowed.decode()}"})
    return Answer(405, text, headers=[(b"allow", allowed)])


def _text(part: bytes) -> str:
    return unquote_to_bytes(part).decode("utf-8", "replace")
