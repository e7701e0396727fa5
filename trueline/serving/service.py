"""What a server does with a request, whatever protocol brought it: find the version, feed it, run it, tell of it.

REST, gRPC and the Open Inference Protocol are codecs over `Service.answer`: each hands in how its bytes become the
model's data (`parse`) and how outputs become its bytes (`encode`), and gets the errors as `RequestError`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from trueline._core.errors import TruelineError
from trueline._core.feed_blocks import Packed
from trueline.serving.batching import Arrays
from trueline.serving.errors import Code, RequestError, late, overloaded
from trueline.serving.manager import ModelManager
from trueline.serving.metrics import Metrics
from trueline.serving.options import ServerOptions
from trueline.serving.router import Router, key_in
from trueline.serving.versions import Live, Routes, Version

__all__ = ["Answered", "Call", "Carrier", "Given", "ModelSpec", "Observer", "Service"]

T = TypeVar("T")
_LOG = logging.getLogger("trueline.serving")
_LARGE_ROWS = 1024


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """Which model, and of its versions the one by number or by label; with neither the default answers."""

    name: str
    version: int | None = None
    label: str | None = None


class Carrier(Protocol):
    """What brought a request and knows its headers."""

    def header(self, name: bytes) -> bytes | None:
        """The first header of that name, which is given in lower case."""


@dataclass(slots=True)
class Call:
    """One request, as every protocol has it.

    Attributes:
        api: what is asked, in lower case: ``predict``, ``classify``, ``regress``, ``infer``, ...
        entrypoint: ``REST`` or ``GRPC``.
        request_id: the client's, or one that was made here.
        key: what sticky routing goes by, or None.
        deadline: the event loop's clock at which nobody waits for the answer any more, or None.
        started: `time.perf_counter` when the whole request was here.
        carrier: where a header can be looked up when traffic is split, or None.
        router: set where the model's traffic is split or copied, and the request names neither version nor label.
    """

    api: str
    entrypoint: str
    request_id: str
    key: str | None = None
    deadline: float | None = None
    started: float = field(default_factory=time.perf_counter)
    carrier: Carrier | None = None
    router: Router | None = None

    def routing_key(self) -> str:
        """What sticky routing goes by: the key, the header ``x-routing-key``, or the request id."""
        if self.key is None and self.carrier is not None:
            value = self.carrier.header(b"x-routing-key")
            self.key = value.decode("latin-1") if value is not None else None
        return self.key or self.request_id


@dataclass(frozen=True, slots=True)
class Given:
    """A request's data, checked against the model's signature.

    Attributes:
        packed: what the graph takes, in the compact form that batches are put together from.
        rows: how many rows they hold.
    """

    packed: Packed
    rows: int


@dataclass(frozen=True, slots=True)
class Answered:
    """What a model version said.

    Attributes:
        name: the model.
        number: the version.
        live: the version's runtime.
        given: what it was asked.
        outputs: arrays by output name, their first dimension the rows.
    """

    name: str
    number: int
    live: Live
    given: Given
    outputs: Arrays


class Observer(Protocol):
    """Something that is told of every request to a known model, on the event loop, after its answer was made.

    It must be quick and must not raise: logs, shadows and traces hand their work on.
    """

    def answered(self, call: Call, answered: Answered, seconds: float) -> None:
        """A request that was answered."""

    def failed(self, call: Call, name: str, number: int, error: RequestError, seconds: float) -> None:
        """A request that a version could not answer."""


class Service:
    """Answers requests with the models of a manager.

    Args:
        manager: the models.
        options: the server's settings.
        metrics: where requests are counted.

    Attributes:
        observers: told of every request to a known model.
        permit: asked with the model and what is asked of it, before a version is looked for; raises RequestError.
        on_absent: told the router and the name of a split's target that should have answered and is not available.
        on_shadow: given requests that may be copied to a challenger, with what parses them and what answered.
    """

    def __init__(self, manager: ModelManager, options: ServerOptions, metrics: Metrics) -> None:
        self.manager = manager
        self.options = options
        self.metrics = metrics
        self.observers: list[Observer] = []
        self.permit: Callable[[str, str], None] | None = None
        self.on_absent: Callable[[Router, str], None] = lambda router, target: None
        self.on_shadow: Callable[[Call, Callable[[Live], Given], Answered], None] = lambda call, parse, answered: None
        self._asides = 0
        self._workers = ThreadPoolExecutor(2, thread_name_prefix="trueline-codec")

    def close(self) -> None:
        """Ends the threads for large requests."""
        self._workers.shutdown(wait=False)

    def find(self, spec: ModelSpec, call: Call | None = None) -> Version:
        """The available version that a request is for.

        Raises:
            RequestError: NOT_FOUND, when none is there; INVALID_ARGUMENT, for a label that the model does not have.
        """
        if self.permit is not None:
            self.permit(spec.name, "metadata" if call is None else call.api)
        routes = self.manager.table.get(spec.name)
        version = None
        if routes is not None:
            if spec.label is not None:
                if spec.label not in routes.labels:
                    known = ", ".join(sorted(routes.labels)) or "none"
                    raise RequestError(
                        Code.INVALID_ARGUMENT,
                        f"Unrecognized servable version label: {spec.label}",
                        hint=f"labels of {spec.name!r}: {known}.",
                    )
                version = routes.versions.get(routes.labels[spec.label])
            elif spec.version is not None:
                version = routes.versions.get(spec.version)
            else:
                version = routes.default if routes.router is None or call is None else self._routed(routes, call)
        if version is None:
            number = spec.version if spec.label is None or routes is None else routes.labels[spec.label]
            asked = f"Latest({spec.name})" if number is None else f"Specific({spec.name}, {number})"
            raise RequestError(Code.NOT_FOUND, f"Servable not found for request: {asked}")
        return version

    async def answer(
        self,
        spec: ModelSpec,
        call: Call,
        parse: Callable[[Live], Given],
        encode: Callable[[Answered], T],
        *,
        aside: bool = False,
    ) -> tuple[T, Answered]:
        """One request, from checked bytes to the encoded answer.

        Args:
            spec: which model.
            call: the request.
            parse: the data out of the request; raises RequestError.
            encode: the answer out of the outputs; raises RequestError.
            aside: whether parsing takes long enough to leave the event loop (host steps always do).

        Raises:
            RequestError: the version's own, with its number as `version`.
        """
        version = self.find(spec, call)
        if call.router is not None and call.router.feature:
            version, parse = await self._by_feature(spec, call, version, parse, aside)
        live = version.acquire()
        try:
            live.batcher.admit()
            given = await self._parse_aside(parse, live, call) if aside or live.runtime.steps else parse(live)
            outputs = await live.batcher.submit(given.packed, given.rows, call.deadline)
            answered = Answered(spec.name, version.number, live, given, outputs)
            encoded = encode(answered) if given.rows <= _LARGE_ROWS else await self._aside(encode, answered)
        except Exception as error:
            raise self._failed(spec, call, version.number, error) from None
        finally:
            version.release()
        seconds = time.perf_counter() - call.started
        self.metrics.answered(spec.name, version.number, call.api, call.entrypoint, given.rows, seconds)
        for observer in self.observers:
            observer.answered(call, answered, seconds)
        if call.router is not None and call.router.shadow:
            self.on_shadow(call, parse, answered)
        return encoded, answered

    def _routed(self, routes: Routes, call: Call) -> Version | None:
        """The version that a model's traffic rule chooses; the default where the key is in a request not yet parsed."""
        router = routes.router
        assert router is not None
        first = call.router is None
        call.router = router
        if first and router.feature:
            return routes.default
        version, absent = router.choose(call.routing_key())
        if absent:
            self.on_absent(router, absent)
        return version

    async def _by_feature(
        self, spec: ModelSpec, call: Call, version: Version, parse: Callable[[Live], Given], aside: bool
    ) -> tuple[Version, Callable[[Live], Given]]:
        """Parses a request as the default version reads it, for the value that its version is chosen by."""
        router = call.router
        assert router is not None
        live = version.acquire()
        try:
            live.batcher.admit()
            given = await self._parse_aside(parse, live, call) if aside or live.runtime.steps else parse(live)
            with_key, key = key_in(live.runtime, given.packed, router.feature)
        except Exception as error:
            raise self._failed(spec, call, version.number, error) from None
        finally:
            version.release()
        if not with_key:
            self.on_absent(router, f"feature {router.feature}")
        call.key = key or call.key
        chosen = self.find(spec, call)
        return chosen, (lambda again: given if again is live else parse(again))

    async def _parse_aside(self, parse: Callable[[Live], Given], live: Live, call: Call) -> Given:
        """Parses in a thread: as many requests may wait for one as the options say, and none that is late is parsed."""
        if self._asides >= self.options.max_parsing_requests:
            raise overloaded(f"{self._asides} large requests or requests with host steps wait to be parsed")

        def work(live: Live) -> Given:
            if call.deadline is not None and call.deadline <= time.monotonic():
                raise late()
            return parse(live)

        self._asides += 1
        try:
            return await self._aside(work, live)
        finally:
            self._asides -= 1

    async def _aside(self, function: Callable[[Live], T] | Callable[[Answered], T], value: Live | Answered) -> T:
        work: Callable[..., T] = function
        return await asyncio.get_running_loop().run_in_executor(self._workers, work, value)

    def _failed(self, spec: ModelSpec, call: Call, number: int, error: Exception) -> RequestError:
        if isinstance(error, RequestError):
            told = error
        elif isinstance(error, TruelineError):
            told = RequestError(Code.INTERNAL, str(error))
        else:
            _LOG.error("request %s to %s version %s failed", call.request_id, spec.name, number, exc_info=error)
            told = RequestError(Code.INTERNAL, f"internal error; the server's log has request {call.request_id}")
        told.version = number
        self.metrics.failed(spec.name, number, told)
        seconds = time.perf_counter() - call.started
        for observer in self.observers:
            observer.failed(call, spec.name, number, told, seconds)
        return told
