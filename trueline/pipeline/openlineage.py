"""OpenLineage events of runs, as they happen or afterwards.

    listener = OpenLineageListener.from_environment(pipeline.metadata)   # OPENLINEAGE_URL=http://localhost:5000
    LocalRunner().run(pipeline, on_event=listener)

The events are made and sent by a thread of their own. Whatever goes wrong there is counted and logged (logger
``trueline.openlineage``); it never fails a run, and holds its end up by `patience` seconds at most.
"""

from __future__ import annotations

import ast
import contextlib
import importlib.util
import json
import os
import queue
import threading
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from trueline._core.parsing import parse_python
from trueline.metadata.node_rows import now_ms
from trueline.metadata.records import Artifact, EventType
from trueline.metadata.run_records import NodeRecord, RunRecord
from trueline.metadata.runs import RunStore
from trueline.metadata.store import MetadataStore
from trueline.pipeline.handles import is_external
from trueline.pipeline.openlineage_events import ENDINGS, EventMaker
from trueline.pipeline.openlineage_transport import LOG, Transport, transport_from_environment
from trueline.pipeline.results import RunEvent

__all__ = ["OpenLineageListener", "emit_run"]

_END = object()
_TOLD = frozenset({"run_started", "node_started", "node_finished", "run_finished"})


class OpenLineageListener:
    """Told of a run's events, it sends OpenLineage's.

    Args:
        metadata: the address of the metadata store, or the store.
        transport: where events go; None: as the environment says, see `transport_from_environment`.
        namespace: of the jobs; None: ``OPENLINEAGE_NAMESPACE``, or ``default``.
        patience: how many seconds the end of a run, and `close`, wait for events that are not sent yet.

    Attributes:
        sent, lost: how many events.

    Raises:
        ConfigError: the environment's settings lead nowhere.
    """

    def __init__(
        self,
        metadata: str | MetadataStore,
        transport: Transport | None = None,
        *,
        namespace: str | None = None,
        patience: float = 10.0,
    ) -> None:
        self.sent = self.lost = 0
        self._metadata, self._patience = metadata, patience
        self._transport = transport or transport_from_environment()
        self._namespace = namespace
        self._queue: queue.Queue[Any] = queue.Queue()
        self._thread: threading.Thread | None = None

    @classmethod
    def from_environment(cls, metadata: str | MetadataStore) -> Self | None:
        """A listener as the environment asks for it; None where it asks for none.

        Raises:
            ConfigError: settings that lead nowhere.
        """
        transport = transport_from_environment()
        return None if transport is None else cls(metadata, transport)

    def __call__(self, event: RunEvent) -> None:
        """Takes an event of a run; never raises."""
        if self._transport is None or event.kind not in _TOLD:
            return
        if self._thread is None:
            self._queue = queue.Queue()
            work = threading.Thread(target=self._work, args=(self._queue,), name="trueline-openlineage", daemon=True)
            self._thread = work
            self._thread.start()
        self._queue.put(event)
        if event.kind == "run_finished":
            self.close()

    def close(self) -> None:
        """Waits for what is not sent yet, `patience` seconds at most; what is left then counts as lost."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        self._queue.put(_END)
        thread.join(self._patience)
        if thread.is_alive():
            with contextlib.suppress(queue.Empty):
                while True:
                    self.lost += self._queue.get_nowait() is not _END
            self._queue.put(_END)
        if self.lost:
            LOG.warning("%d OpenLineage events were sent, %d were lost", self.sent, self.lost)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _work(self, events: queue.Queue[Any]) -> None:
        given = self._metadata
        own: MetadataStore | None = None
        tellers: dict[str, _Teller] = {}
        try:
            while (event := events.get()) is not _END:
                try:
                    if event.run_id not in tellers:
                        if own is None and not isinstance(given, MetadataStore):
                            own = MetadataStore(given, create=False)
                        store = given if isinstance(given, MetadataStore) else own
                        assert store is not None
                        tellers[event.run_id] = _Teller(store, event.run_id, self._namespace)
                    for made in tellers[event.run_id].of(event):
                        self._send(made)
                except Exception as error:  # the store is gone, say; the run has its own ways to tell of that
                    self._miss(f"{type(error).__name__}: {error}")
        finally:
            if own is not None:
                own.close()

    def _send(self, event: Mapping[str, Any]) -> None:
        assert self._transport is not None
        why = self._transport.send(event)
        if why is None:
            self.sent += 1
        else:
            self._miss(why)

    def _miss(self, why: str) -> None:
        self.lost += 1
        if self.lost == 1:
            LOG.warning("an OpenLineage event is lost: %s", why)


def emit_run(
    store: MetadataStore, run_id: str, transport: Transport, *, namespace: str | None = None
) -> tuple[int, list[str]]:
    """Sends the events of a recorded run, such as one from before there was an endpoint.

    Returns:
        How many were sent, and for each that was lost why.

    Raises:
        MetadataError: no such run.
    """
    run = RunStore(store).run(run_id)
    answers = [transport.send(event) for event in _Teller(store, run.run_id, namespace).all()]
    lost = [why for why in answers if why is not None]
    return len(answers) - len(lost), lost


class _Teller:
    """The OpenLineage events of one run, from what the metadata store holds of it."""

    def __init__(self, store: MetadataStore, run_id: str, namespace: str | None) -> None:
        self._store, self._runs = store, RunStore(store)
        self._namespace = namespace or os.environ.get("OPENLINEAGE_NAMESPACE") or "default"
        self._run = self._runs.run(run_id)
        self._nodes = _plan_nodes(self._run)
        self._began: set[str] = set()

    def of(self, event: RunEvent) -> Iterator[dict[str, Any]]:
        """The events that tell of what happened in a run under way."""
        if event.kind == "run_started":
            yield self._maker().of_run("START", event.time)
        elif event.kind == "run_finished":
            self._run = self._runs.run(self._run.run_id)
            ending = ENDINGS.get(str(event.status), "FAIL")
            yield self._maker().of_run(ending, event.time)
        elif event.node_id is not None:
            record = self._runs.node(self._run.run_id, event.node_id)
            if event.kind == "node_started":
                yield self._start(record, event.time)
            else:
                state = record.state if event.result is None else event.result.state
                yield from self._ending(replace(record, state=state), event.time)

    def all(self) -> Iterator[dict[str, Any]]:
        """The events of a run that has ended, or of what there is of it so far."""
        yield self._maker().of_run("START", self._run.started)
        for record in sorted(self._run.nodes, key=lambda node: node.started or 0):
            if record.started is not None and record.state not in ("PENDING", "SKIPPED", "OMITTED"):
                yield self._start(record, record.started)
                yield from self._ending(record, record.finished or record.started)
        if self._run.status in ENDINGS:
            yield self._maker().of_run(ENDINGS[self._run.status], self._run.finished or now_ms())

    def _maker(self) -> EventMaker:
        producer = os.environ.get("OPENLINEAGE_PRODUCER") or None
        return EventMaker(self._run, self._namespace, producer, _parent(os.environ.get("OPENLINEAGE_PARENT_ID", "")))

    def _start(self, record: NodeRecord, moment: int) -> dict[str, Any]:
        self._began.add(record.node_id)
        running = replace(record, state="RUNNING", found=None, usage=None, reason=None)
        node = self._nodes.get(record.base or record.node_id, {})
        return self._maker().of_node("START", moment, running, description=_description(node))

    def _ending(self, record: NodeRecord, moment: int) -> Iterator[dict[str, Any]]:
        ending = ENDINGS.get(record.state)
        if ending is None:
            return
        if record.node_id not in self._began:
            yield self._start(record, record.started or moment)
        inputs, outputs = self._artifacts(record)
        outside = _outside(self._nodes.get(record.base or record.node_id, {}))
        yield self._maker().of_node(ending, moment, record, inputs=[*outside, *inputs], outputs=outputs)

    def _artifacts(self, record: NodeRecord) -> tuple[list[Artifact], list[Artifact]]:
        """What a node read and what it made: a resolver only looks artifacts up, an importer only takes them in."""
        if record.execution_id is None:
            return [], []
        events = self._store.events(execution_ids=[record.execution_id])
        found = {artifact.id: artifact for artifact in self._store.artifacts(ids={e.artifact_id for e in events})}
        read: list[Artifact] = []
        made: list[Artifact] = []
        for event in events:
            artifact = found.get(event.artifact_id)
            if artifact is None or not (event.type.is_input or event.type.is_output):
                continue
            others = event.type.is_input or event.type is EventType.INTERNAL_OUTPUT or is_external(artifact)
            (read if others else made).append(artifact)
        return read, made


def _plan_nodes(run: RunRecord) -> dict[str, Mapping[str, Any]]:
    try:
        return {node["id"]: node for node in json.loads(run.plan)["nodes"]}
    except (ValueError, KeyError, TypeError):
        return {}


def _parent(text: str) -> tuple[str, str, str] | None:
    """``namespace/name/run id``, as OpenLineage's integrations hand it on."""
    head, _, run_id = text.strip().rpartition("/")
    namespace, _, name = head.partition("/")
    try:
        return (namespace, name, str(uuid.UUID(run_id))) if namespace and name else None
    except ValueError:
        return None


def _outside(node: Mapping[str, Any]) -> list[str]:
    """The addresses of data that a node reads from outside the pipeline."""
    params = node.get("params") or {}
    places = [params.get("files") or {}, params.get("source_params") or {}]
    return [place["input_base"] for place in places if isinstance(place.get("input_base"), str)][:1]


def _code_of(params: Mapping[str, Any]) -> Mapping[str, Any]:
    """Where a function component's function stands; empty for other nodes."""
    for name in ("__code__", "function"):
        found = params.get(name)
        if isinstance(found, Mapping) and isinstance(found.get("__function__"), Mapping):
            return dict(found["__function__"])
    return {}


def _description(node: Mapping[str, Any]) -> str | None:
    """The first paragraph of what a node's function, or its class, says of itself; read, not imported."""
    function = _code_of(node.get("params") or {})
    module, _, name = str(node.get("type", "")).rpartition(".")
    try:
        if function.get("file"):
            path, name = Path(function["file"]), str(function["name"])
        else:
            spec = importlib.util.find_spec(function.get("module") or module)
            if spec is None or spec.origin is None:
                return None
            path, name = Path(spec.origin), str(function.get("name") or name)
        tree = parse_python(path.read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError, ImportError):
        return None
    for found in getattr(tree, "body", ()):
        if isinstance(found, ast.FunctionDef | ast.ClassDef) and found.name == name:
            return " ".join((ast.get_docstring(found) or "").partition("\n\n")[0].split()) or None
    return None
