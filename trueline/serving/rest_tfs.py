"""TensorFlow Serving's REST API: paths under ``/v1/`` to calls of the service.

The path is matched by one pattern, as TensorFlow Serving does without regard to case; a model's name is looked up in a
table and never becomes a path on disk.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from trueline.serving.asgi import Answer, Request, read_body
from trueline.serving.codec import columns_of, dump, dump_outputs, rows_of
from trueline.serving.config import LARGEST_VERSION
from trueline.serving.errors import Code, RequestError
from trueline.serving.payloads import metadata, status
from trueline.serving.predict import Parsed, parse_predict
from trueline.serving.service import Answered, Call, Given, ModelSpec, Service
from trueline.serving.versions import Live

__all__ = ["TensorFlowRest"]

_PATH = re.compile(
    rb"/v1/models/(?P<name>[^/:]+)(?:/versions/(?P<number>\d+)|/labels/(?P<label>[^/:]+))?(?::(?P<verb>\w+)|(?P<meta>/metadata))?",
    re.IGNORECASE,
)
_LARGE_BODY = 64 * 1024


class TensorFlowRest:
    """Answers what comes under ``/v1/``."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def __call__(self, request: Request) -> Answer:
        """One request.

        Raises:
            RequestError: what TensorFlow Serving refuses, with its messages.
        """
        match = _PATH.fullmatch(request.path)
        if match is None:
            if request.path.lower() in (b"/v1/models", b"/v1/models/"):
                raise RequestError(Code.INVALID_ARGUMENT, "Missing model name in request.")
            raise _malformed(request)
        spec = _spec(match)
        if request.method == "POST" and match["verb"] is not None:
            return await self._post(spec, match["verb"], request)
        if request.method == "GET" and match["verb"] is None:
            return self._get(spec, match["meta"] is not None)
        raise _malformed(request)

    async def _post(self, spec: ModelSpec, verb: bytes, request: Request) -> Answer:
        if verb in (b"classify", b"regress"):
            raise RequestError(Code.UNIMPLEMENTED, f"{verb.decode()} is not served here", hint="use predict.")
        if verb != b"predict":
            raise _malformed(request)
        service = self._service
        body = await read_body(request.receive, request.head, service.options.max_body_bytes)

        def parse(live: Live) -> Given:
            return parse_predict(live.runtime.graph, body, service.options)

        call = Call("predict", "REST", request.head.request_id.decode("ascii"))
        encoded, answered = await service.answer(spec, call, parse, _encode, aside=len(body) > _LARGE_BODY)
        return Answer(200, encoded, headers=[*answered.live.headers])

    def _get(self, spec: ModelSpec, wants_metadata: bool) -> Answer:
        if not wants_metadata:
            tracked = self._service.manager.tracked.get(spec.name, {})
            return Answer(200, dump(status(spec.name, tracked, spec.version)))
        version = self._service.find(spec)
        assert version.live is not None
        return Answer(200, dump(metadata(spec.name, version.number, version.live.runtime)))


def _encode(answered: Answered) -> bytes:
    assert isinstance(answered.given, Parsed)
    if answered.given.row_form:
        return dump_outputs("predictions", rows_of(answered.outputs))
    return dump_outputs("outputs", columns_of(answered.outputs))


def _spec(match: re.Match[bytes]) -> ModelSpec:
    name = _text(match["name"])
    label = match["label"]
    return ModelSpec(name, _version_number(match["number"]), None if label is None else _text(label))


def _text(part: bytes) -> str:
    return unquote_to_bytes(part).decode("utf-8", "replace")


def _version_number(digits: bytes | None) -> int | None:
    if digits is None:
        return None
    number = int(digits) if len(digits) <= 40 else LARGEST_VERSION + 1
    if number > LARGEST_VERSION:
        raise RequestError(Code.INVALID_ARGUMENT, f"Failed to convert version: {digits[:40].decode()} to numeric.")
    return number


def _malformed(request: Request) -> RequestError:
    path = request.path.decode("ascii", "replace")
    return RequestError(Code.INVALID_ARGUMENT, f"Malformed request: {request.method} {path}")
