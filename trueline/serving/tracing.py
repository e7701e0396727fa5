"""OpenTelemetry traces: a span for each request to a model, with its parsing, its run and its encoding inside.

Spans are made after the answer, from times that were noted on the way. A client's ``traceparent`` (W3C Trace Context)
makes the span part of its trace and decides whether it is kept. Without tracing nothing of this is imported.
"""

from __future__ import annotations

import contextvars
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from trueline._core.errors import ConfigError
from trueline.serving.asgi import Request
from trueline.serving.errors import RequestError
from trueline.serving.service import Answered, Call, Given, ModelSpec, Service
from trueline.serving.versions import Live

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider

__all__ = ["Tracing", "provider_for"]

T = TypeVar("T")
Value = TypeVar("Value")
_PARENT: contextvars.ContextVar[Context | None] = contextvars.ContextVar("trueline-trace-parent", default=None)


class _Times:
    """When each part of one request began and ended, by `time.perf_counter`."""

    __slots__ = ("marks",)

    def __init__(self) -> None:
        self.marks: dict[str, tuple[float, float]] = {}

    def timed(self, name: str, function: Callable[[Value], T]) -> Callable[[Value], T]:
        def call(value: Value) -> T:
            start = time.perf_counter()
            try:
                return function(value)
            finally:
                self.marks[name] = (start, time.perf_counter())

        return call


class Tracing:
    """Traces of one app.

    Args:
        provider: what keeps spans and hands them on.
    """

    def __init__(self, provider: TracerProvider) -> None:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._provider = provider
        self._tracer = provider.get_tracer("trueline.serving")
        self._propagator = TraceContextTextMapPropagator()

    def install(self, service: Service) -> None:
        """Goes around `Service.answer`."""
        answer = service.answer

        async def traced(
            spec: ModelSpec,
            call: Call,
            parse: Callable[[Live], Given],
            encode: Callable[[Answered], T],
            *,
            aside: bool = False,
        ) -> tuple[T, Answered]:
            times = _Times()
            try:
                made = await answer(spec, call, times.timed("parse", parse), times.timed("encode", encode), aside=aside)
            except RequestError as error:
                self._record(spec, call, times, error.version, None, error)
                raise
            self._record(spec, call, times, made[1].number, made[1].given.rows, None)
            return made

        replaced: Callable[..., Awaitable[Any]] = traced
        service.answer = replaced  # type: ignore[method-assign, assignment]

    def door(self, request: Request) -> None:
        """Takes a client's trace context from a request's headers."""
        self.enter((k.decode("latin-1"), v.decode("latin-1")) for k, v in request.scope["headers"] if k[:5] == b"trace")

    def enter(self, headers: Iterable[tuple[str, Any]]) -> None:
        """Takes a client's trace context from names and values: HTTP's headers or gRPC's metadata."""
        carrier = {name: value for name, value in headers if name in ("traceparent", "tracestate")}
        _PARENT.set(self._propagator.extract(carrier) if carrier else None)

    def close(self) -> None:
        """Hands on what is left."""
        self._provider.shutdown()

    def _record(
        self,
        spec: ModelSpec,
        call: Call,
        times: _Times,
        version: int | None,
        rows: int | None,
        error: RequestError | None,
    ) -> None:
        from opentelemetry import trace

        end = time.perf_counter()
        shift = time.time_ns() - int(end * 1e9)
        facts = {
            "trueline.model": spec.name,
            "trueline.api": call.api,
            "trueline.entrypoint": call.entrypoint,
            "trueline.request_id": call.request_id,
            "trueline.version": version,
            "trueline.rows": rows,
        }
        root = self._tracer.start_span(
            call.api,
            context=_PARENT.get(),
            kind=trace.SpanKind.SERVER,
            attributes={k: v for k, v in facts.items() if v is not None},
            start_time=int(call.started * 1e9) + shift,
        )
        if root.is_recording():
            inside = trace.set_span_in_context(root)
            for name, (start, stop) in self._parts(times).items():
                child = self._tracer.start_span(name, context=inside, start_time=int(start * 1e9) + shift)
                child.end(int(stop * 1e9) + shift)
            if error is not None:
                root.set_attribute("trueline.code", str(error.code))
                root.set_status(trace.StatusCode.ERROR, str(error.code))
        root.end(int(end * 1e9) + shift)

    def _parts(self, times: _Times) -> dict[str, tuple[float, float]]:
        """The parts with ``run`` between parsing and encoding: the wait in the queue and the model's run."""
        parts = dict(times.marks)
        if "parse" in parts and "encode" in parts:
            parts["run"] = (parts["parse"][1], parts["encode"][0])
        return dict(sorted(parts.items(), key=lambda part: part[1]))


def provider_for(endpoint: str, sample: float = 1.0) -> TracerProvider:
    """Spans to a collector by OTLP over HTTP; headers with secrets come from ``OTEL_EXPORTER_OTLP_HEADERS``.

    Args:
        endpoint: the collector's address for traces, such as ``http://localhost:4318/v1/traces``.
        sample: the share of requests without a client's trace that is kept; a client's own decision counts first.

    Raises:
        ConfigError: a share outside 0 to 1, an address that is no URL or holds a password.
        ModuleNotFoundError: the extra ``otel`` is not installed.
    """
    if not 0 <= sample <= 1:
        raise ConfigError(f"trace_sample: expected 0 to 1, got {sample!r}")
    if not endpoint.startswith(("http://", "https://")) or "@" in endpoint:
        raise ConfigError("the address for traces is http:// or https://, without user and password")
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

    resource = Resource.create({"service.name": "trueline-serving"})
    provider = TracerProvider(sampler=ParentBased(TraceIdRatioBased(sample)), resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
    return provider
