"""Traces: a span for each request with its parts inside, in the client's trace where it sent one; nothing when off."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from front_helpers import PATH, ROW
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from serving_helpers import running

from trueline._core.errors import ConfigError
from trueline.serving.front import Front
from trueline.serving.tracing import Tracing, provider_for

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@asynccontextmanager
async def traced(base: Path, share: float) -> AsyncIterator[tuple[httpx.AsyncClient, InMemorySpanExporter]]:
    provider = TracerProvider(sampler=ParentBased(TraceIdRatioBased(share)))
    spans = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    async with running({"taxi": base}) as (app, client):
        Front().install(app).trace(app, Tracing(provider))
        yield client, spans


def named(spans: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {span.name: span for span in spans.get_finished_spans()}


def test_a_request_is_a_span_with_its_parts_in_the_clients_trace(base: Path) -> None:
    async def main() -> None:
        async with traced(base, 0.0) as (client, spans):
            headers = {"traceparent": f"00-{TRACE}-{PARENT}-01", "x-request-id": "mine"}
            assert (await client.post(PATH, content=ROW, headers=headers)).status_code == 200
            found = named(spans)
            assert sorted(found) == ["encode", "parse", "predict", "run"]
            root = found["predict"]
            assert root.parent is not None
            assert (f"{root.context.trace_id:032x}", f"{root.parent.span_id:016x}") == (TRACE, PARENT)
            assert dict(root.attributes or {}) == {
                "trueline.model": "taxi",
                "trueline.version": 1,
                "trueline.rows": 1,
                "trueline.api": "predict",
                "trueline.entrypoint": "REST",
                "trueline.request_id": "mine",
            }
            parts = [found[name] for name in ("parse", "run", "encode")]
            assert all(p.parent is not None and p.parent.span_id == root.context.span_id for p in parts)
            times = [t for p in parts for t in (p.start_time, p.end_time)]
            assert times == sorted(times)  # type: ignore[type-var]
            assert root.start_time <= times[0]  # type: ignore[operator]
            assert times[-1] <= root.end_time  # type: ignore[operator]

    asyncio.run(main())


def test_the_clients_decision_counts_first_and_errors_are_marked(base: Path) -> None:
    async def main() -> None:
        async with traced(base, 1.0) as (client, spans):
            await client.post(PATH, content=ROW, headers={"traceparent": f"00-{TRACE}-{PARENT}-00"})
            assert spans.get_finished_spans() == ()
            for wrong in ("garbage", "00-" + "0" * 32 + f"-{PARENT}-01", ""):
                await client.post(PATH, content=ROW, headers={"traceparent": wrong})
            roots = [s for s in spans.get_finished_spans() if s.name == "predict"]
            assert [s.parent for s in roots] == [None] * 3
            spans.clear()
            await client.post(PATH, json={"instances": [{"fare": "secret-value"}]})
            (root,) = (s for s in spans.get_finished_spans() if s.name == "predict")
            assert not root.status.is_ok
            assert (root.attributes or {})["trueline.code"] == "INVALID_ARGUMENT"
            assert "secret-value" not in root.to_json()

    asyncio.run(main())


def test_without_traces_nothing_of_them_is_loaded_and_settings_are_checked() -> None:
    heavy = "('opentelemetry', 'jwt', 'grpc')"
    code = f"import sys, trueline.serving.server; print([m for m in sys.modules if m.startswith({heavy})])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
    with pytest.raises(ConfigError):
        provider_for("http://x", 2)
    with pytest.raises(ConfigError, match="without user and password") as caught:
        provider_for("http://user:hidden@collector/v1/traces")
    assert "hidden" not in str(caught.value)
