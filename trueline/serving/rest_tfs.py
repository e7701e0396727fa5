"""TensorFlow Serving's REST API: paths under ``/v1/`` to calls of the service.

The path is matched by one pattern, as TensorFlow Serving does without regard to case, while what it asks for is
compared in lower case; a model's name is looked up in a table and never becomes a path on disk.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote_to_bytes

from trueline.serving.asgi import Answer, Request, read_body
from trueline.serving.codec import dump
from trueline.serving.config import LARGEST_VERSION
from trueline.serving.cors import preflight
from trueline.serving.errors import Code, RequestError
from trueline.serving.options import ServerOptions
from trueline.serving.payloads import metadata, status
from trueline.serving.predict import parse_predict
from trueline.serving.rest_examples import parse_examples
from trueline.serving.rest_formats import Formats, formats_of
from trueline.serving.rest_reply import Parsed, encode
from trueline.serving.service import Call, Given, ModelSpec, Service
from trueline.serving.versions import Live

__all__ = ["TensorFlowRest"]

_PATH = re.compile(
    rb"/v1/models/(?P<name>[^/:]+)(?:/versions/(?P<number>\d+)|/labels/(?P<label>[^/:]+))?(?::(?P<verb>\w+)|(?P<meta>/metadata))?",
    re.IGNORECASE,
)
_NAMELESS = re.compile(rb"/v1/models(?:/versions/\d+|/labels/[^/:]+)?(?:/metadata)?", re.IGNORECASE)
_LARGE_BODY = 64 * 1024
_SMALL_BODY = 1024
_CACHED_PATH = 256
_METADATA = b"/metadata"


@dataclass(frozen=True, slots=True)
class _Target:
    """What a path names.

    Attributes:
        spec: the model.
        verb: what comes after the colon, as it was written, or "".
        metadata: whether the path ends in ``/metadata``.
    """

    spec: ModelSpec
    verb: str
    metadata: bool


Parse = Callable[[Live, bytes, ServerOptions, Formats | None], Parsed]


def _predict(live: Live, body: bytes, options: ServerOptions, formats: Formats | None) -> Parsed:
    if formats is None:
        return parse_predict(live.runtime, body, options)
    from trueline.serving.rest_arrow import parse_table

    return parse_table(live.runtime, body, options, formats)


def _classify(live: Live, body: bytes, options: ServerOptions, formats: Formats | None) -> Parsed:
    return parse_examples(live.runtime, body, "classify", options)


def _regress(live: Live, body: bytes, options: ServerOptions, formats: Formats | None) -> Parsed:
    return parse_examples(live.runtime, body, "regress", options)


def _explain(live: Live, body: bytes, options: ServerOptions, formats: Formats | None) -> Parsed:
    from trueline.serving.explain import parse_explain

    return parse_explain(live.runtime, body, options)


_VERBS: dict[str, Parse] = {"predict": _predict, "classify": _classify, "regress": _regress, "explain": _explain}


class TensorFlowRest:
    """Answers what comes under ``/v1/``."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def __call__(self, request: Request) -> Answer:
        """One request.

        Raises:
            RequestError: what TensorFlow Serving refuses, with its messages.
        """
        path = request.path
        target = _target(path) if len(path) <= _CACHED_PATH else _target.__wrapped__(path)
        if request.method == "POST" and target is not None and target.verb:
            return await self._post(target, request)
        if request.method == "GET":
            if target is not None and not target.verb:
                return self._get(target)
            if _NAMELESS.fullmatch(path):
                raise RequestError(Code.INVALID_ARGUMENT, "Missing model name in request.")
        if request.method == "OPTIONS":
            return preflight(request)
        raise _malformed(request)

    async def _post(self, target: _Target, request: Request) -> Answer:
        parse_body = _VERBS.get(target.verb)
        if parse_body is None:
            raise _malformed(request)
        service = self._service
        options = service.options
        body = await read_body(request.receive, request.head, options.max_body_bytes)
        formats = None if body[:1] == b"{" else formats_of(request, body)

        def parse(live: Live) -> Given:
            return parse_body(live, body, options, formats)

        request_id = request.head.request_id.decode("ascii")
        call = Call(target.verb, "REST", request_id, deadline=request.deadline, carrier=request)
        aside = formats is not None or parse_body is _explain or _is_long(target, body)
        encoded, answered = await service.answer(target.spec, call, parse, encode, aside=aside)
        assert isinstance(answered.given, Parsed)
        return Answer(200, encoded, answered.given.reply.content_type, [*answered.live.headers])

    def _get(self, target: _Target) -> Answer:
        spec = target.spec
        if not target.metadata:  # a label is not heeded here, as in TensorFlow Serving
            tracked = self._service.manager.reported.get(spec.name, {})
            return Answer(200, dump(status(spec.name, tracked, spec.version)))
        version = self._service.find(spec)
        assert version.live is not None
        return Answer(200, dump(metadata(spec.name, version.number, version.live.runtime)))


def _is_long(target: _Target, body: bytes) -> bool:
    """Whether a body takes too long for the event loop: examples and wrong rows are looked at one by one."""
    size = len(body)
    return size > _LARGE_BODY or (size > _SMALL_BODY and target.verb != "predict") or b'"on_error"' in body


@lru_cache(512)
def _target(path: bytes) -> _Target | None:
    match = _PATH.fullmatch(path)
    if match is None:
        return None
    label = match["label"]
    spec = ModelSpec(_text(match["name"]), _version_number(match["number"]), None if label is None else _text(label))
    return _Target(spec, (match["verb"] or b"").decode("ascii"), match["meta"] == _METADATA)


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
