"""From a method of a service to a handler of gRPC: bytes in, bytes out, errors as status codes.

Messages are parsed here and not by gRPC, so that one that is damaged is INVALID_ARGUMENT, and so that large ones are
parsed in a thread. A status message is cut to what fits into trailing metadata: clients refuse more than 8 KiB of it.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from trueline.serving.asgi import Bodies
from trueline.serving.errors import Code, RequestError, overloaded
from trueline.serving.grpc_descriptors import Message, service_methods
from trueline.serving.service import Call

__all__ = ["Method", "abort", "parsed", "service_handler", "status_text"]

_LOG = logging.getLogger("trueline.serving")
_ID_PREFIX = secrets.token_hex(6)
_ID_COUNT = itertools.count(1)
_ID_LENGTH = 128
_MESSAGE_BYTES = 4096
_LARGE_BYTES = 256 * 1024

Context = Any
"""A `grpc.aio.ServicerContext`; gRPC brings no types."""
Method = Callable[[Message, Call], Awaitable[Message]]
"""What answers one method: the request and the call, whose `api` the method sets, to the response."""


def service_handler(
    service: str, methods: Mapping[str, Method], refused: Callable[[RequestError], None], bodies: Bodies
) -> Any:
    """The handler of a service whose methods are all unary.

    Args:
        service: the full name, such as ``tensorflow.serving.PredictionService``.
        methods: what answers, by method; methods of the service that are not named are UNIMPLEMENTED.
        refused: told of errors of requests that reached no model version.
        bodies: where the bytes of large requests in flight are counted.
    """
    known = service_methods(service)
    handlers = {
        name: grpc.unary_unary_rpc_method_handler(_unary(known[name][0], method, name, refused, bodies))
        for name, method in methods.items()
    }
    return grpc.method_handlers_generic_handler(service, handlers)


def _unary(
    request: type[Message], method: Method, name: str, refused: Callable[[RequestError], None], bodies: Bodies
) -> Callable[[bytes, Context], Awaitable[bytes]]:
    api = name.lower()

    async def handle(body: bytes, context: Context) -> bytes:
        call = _call(api, context)
        try:
            if len(body) > _LARGE_BYTES:
                answer = await _large(request, body, method, call, bodies)
            else:
                answer = (await method(parsed(request, body), call)).SerializeToString()
        except RequestError as error:
            if error.version is None:
                refused(error)
            await abort(context, call, error)
            raise AssertionError from error  # abort raises
        except Exception as error:
            _LOG.error("request %s failed", call.request_id, exc_info=error)
            told = RequestError(Code.INTERNAL, f"internal error; the server's log has request {call.request_id}")
            refused(told)
            await abort(context, call, told)
            raise AssertionError from error
        context.set_trailing_metadata((("x-request-id", call.request_id),))
        return answer

    return handle


async def _large(request: type[Message], body: bytes, method: Method, call: Call, bodies: Bodies) -> bytes:
    """A request that takes time to parse and counts in memory; its message takes about as much again."""
    if bodies.held + len(body) > bodies.limit:
        raise overloaded(f"request bodies of {bodies.held} bytes are in memory, {bodies.limit} may be")
    bodies.held += len(body)
    try:
        given = await asyncio.get_running_loop().run_in_executor(None, parsed, request, body)
        answer: bytes = (await method(given, call)).SerializeToString()
        return answer
    finally:
        bodies.held -= len(body)


def parsed(request: type[Message], body: bytes) -> Message:
    """The message that the bytes hold.

    Raises:
        RequestError: INVALID_ARGUMENT, when they hold none.
    """
    try:
        return request.FromString(body)
    except DecodeError as error:
        name = request.DESCRIPTOR.full_name
        raise RequestError(Code.INVALID_ARGUMENT, f"the request is no {name}: {error}") from None


def _call(api: str, context: Context) -> Call:
    request_id = key = None
    for name, value in context.invocation_metadata() or ():
        if name == "x-request-id" and 0 < len(value) <= _ID_LENGTH and value.isascii() and value.isprintable():
            request_id = value
        elif name == "x-routing-key" and value:
            key = value
    remaining = context.time_remaining()
    deadline = None if remaining is None else asyncio.get_running_loop().time() + remaining
    return Call(api, "GRPC", request_id or f"{_ID_PREFIX}-{next(_ID_COUNT):x}", key, deadline)


async def abort(context: Context, call: Call, error: RequestError) -> None:
    """Ends the call with the error's code and message; never returns."""
    metadata = [("x-request-id", call.request_id)]
    if error.version is not None:
        metadata.append(("x-model-version", str(error.version)))
    context.set_trailing_metadata(tuple(metadata))
    await context.abort(getattr(grpc.StatusCode, error.code.name), status_text(str(error)))


def status_text(text: str) -> str:
    """A message cut to what a status may carry: bytes that are no printable ASCII take three in transit."""
    size = 0
    for place, letter in enumerate(text):
        size += 1 if " " <= letter <= "~" and letter != "%" else 3 * len(letter.encode("utf-8", "replace"))
        if size > _MESSAGE_BYTES:
            return text[:place] + " ..."
    return text
