"""OpenLineage events: valid by the specification's own schemas, sent as they happen or later, and never in the way."""

from __future__ import annotations

import io
import json
import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from pipeline_nodes import Source

from trueline._core.errors import ConfigError
from trueline.components import CsvExampleGen
from trueline.metadata import MetadataStore
from trueline.pipeline import Importer, Input, Output, Pipeline, Resolver, component
from trueline.pipeline.artifacts import Examples, Schema
from trueline.pipeline.openlineage import OpenLineageListener, emit_run
from trueline.pipeline.openlineage_events import dataset_name
from trueline.pipeline.openlineage_transport import (
    ConsoleTransport,
    FileTransport,
    HttpTransport,
    transport_from_environment,
)
from trueline.runners import LocalRunner

SPEC = json.loads((Path(__file__).parent / "openlineage_spec.json").read_text())
Opened = Callable[[], MetadataStore]


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in [name for name in os.environ if name.startswith("OPENLINEAGE")]:
        monkeypatch.delenv(name)


class Kept:
    """A transport that keeps what it gets."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    def send(self, event: Mapping[str, Any]) -> str | None:
        self.events.append(json.loads(json.dumps(event)))
        return None


@component
def describe(examples: Input[Examples], schema: Output[Schema], fail: bool = False) -> int:
    """Says how many rows there are.

    Not told: this.
    """
    if fail:
        raise ValueError("told to fail")
    Path(schema.path("schema.pbtxt")).write_text("x")
    return 3


def line(data: Path, root: Path, fail: bool = False) -> Pipeline:
    gen = CsvExampleGen(input_base=str(data.parent), pattern=data.name, splits={"all": 1})
    first = describe(examples=gen.outputs["examples"], fail=fail)
    after = describe(examples=gen.outputs["examples"], node_id="after").after(first)
    return Pipeline("line", [after], root=root)


def run(pipeline: Pipeline, runner: LocalRunner, **settings: Any) -> tuple[list[dict[str, Any]], Any]:
    kept = Kept()
    listener = OpenLineageListener(pipeline.metadata, kept, **settings)
    result = runner.run(pipeline, on_event=listener)
    assert (listener.sent, listener.lost) == (len(kept.events), 0)
    return kept.events, result


def check(event: Mapping[str, Any]) -> None:
    """Against the schemas of the event and of each facet that it holds."""
    jsonschema = pytest.importorskip("jsonschema")
    from referencing import Registry, Resource

    known = {schema["$id"]: schema for schema in SPEC["schemas"]}
    registry: Any = Registry().with_resources([(url, Resource.from_contents(s)) for url, s in known.items()])

    def valid(value: Any, url: str) -> None:
        checker = jsonschema.FormatChecker()
        jsonschema.Draft202012Validator({"$ref": url}, registry=registry, format_checker=checker).validate(value)

    valid(event, event["schemaURL"])
    sides = [event["run"], event["job"], *event["inputs"], *event["outputs"]]
    for facet in [facet for side in sides for facet in side["facets"].values()]:
        if not facet["_schemaURL"].startswith("urn:trueline:"):
            valid(facet, facet["_schemaURL"])


def kinds(events: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(event["job"]["name"], event["eventType"]) for event in events]


def test_a_run_and_its_nodes_by_the_specification(data: Path, root: Path, runner: LocalRunner) -> None:
    data.write_text("fare,name\n1.5,a\n2.5,b\n")
    events, result = run(line(data, root), runner, namespace="tests")
    assert kinds(events) == [
        ("line", "START"),
        ("line.CsvExampleGen", "START"),
        ("line.CsvExampleGen", "COMPLETE"),
        ("line.describe", "START"),
        ("line.describe", "COMPLETE"),
        ("line.after", "START"),
        ("line.after", "COMPLETE"),
        ("line", "COMPLETE"),
    ]
    for event in events:
        check(event)
        assert event["job"]["namespace"] == "tests"
        assert uuid.UUID(event["run"]["runId"]).version == 5
        assert event["eventTime"].endswith("Z")
    whole, gen, made = events[0], events[2], events[4]
    parent = gen["run"]["facets"]["parent"]
    assert (parent["run"]["runId"], parent["job"]["name"]) == (whole["run"]["runId"], "line")
    assert events[1]["run"]["runId"] == gen["run"]["runId"] != made["run"]["runId"]
    assert [(d["namespace"], d["name"]) for d in gen["inputs"]] == [("file", str(data.parent))]
    (out,) = gen["outputs"]
    assert (out["namespace"], out["name"]) == ("file", f"{root}/CsvExampleGen/examples")
    assert out["facets"]["schema"]["fields"] == [
        {"name": "fare", "type": "double"},
        {"name": "name", "type": "string"},
    ]
    assert (
        out["facets"]["version"]["datasetVersion"] == result.nodes["CsvExampleGen"].outputs["examples"][0].fingerprint
    )
    assert out["facets"]["dataSource"]["uri"].startswith(f"file://{root}/CsvExampleGen/examples/")
    assert [d["name"] for d in made["inputs"]] == [out["name"]], "what one node makes and another takes is one dataset"
    assert events[3]["job"]["facets"]["documentation"]["description"] == "Says how many rows there are."
    assert made["run"]["facets"]["trueline_node"]["found"] == {"result": 3}


def test_taken_from_the_cache_failed_and_skipped(data: Path, root: Path, runner: LocalRunner) -> None:
    data.write_text("fare\n1.5\n")
    first, _ = run(line(data, root), runner)
    again, _ = run(line(data, root, fail=True), runner)
    assert kinds(again) == [
        ("line", "START"),
        ("line.CsvExampleGen", "START"),
        ("line.CsvExampleGen", "COMPLETE"),
        ("line.describe", "START"),
        ("line.describe", "FAIL"),
        ("line", "FAIL"),
    ], "a node that was skipped never began"
    for event in again:
        check(event)
    assert again[2]["run"]["facets"]["trueline_node"]["state"] == "CACHED"
    assert again[2]["outputs"] == first[2]["outputs"], "the same version of the same dataset"
    assert again[2]["run"]["runId"] != first[2]["run"]["runId"]
    assert "told to fail" in again[4]["run"]["facets"]["errorMessage"]["message"]
    assert "told to fail" in again[5]["run"]["facets"]["errorMessage"]["message"]
    assert again[4]["outputs"] == []


def test_a_recorded_run_told_later_has_the_same_ids(
    data: Path, root: Path, runner: LocalRunner, opened: Opened
) -> None:
    data.write_text("fare\n1.5\n")
    live, result = run(line(data, root, fail=True), runner)
    kept = Kept()
    assert emit_run(opened(), result.run_id, kept) == (len(kept.events), [])
    assert kinds(kept.events) == kinds(live)
    assert [e["run"]["runId"] for e in kept.events] == [e["run"]["runId"] for e in live]
    assert [e["outputs"] for e in kept.events] == [e["outputs"] for e in live]
    for event in kept.events:
        check(event)


def test_the_run_that_started_this_one_is_its_parent(
    data: Path, root: Path, runner: LocalRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    above = str(uuid.uuid4())
    monkeypatch.setenv("OPENLINEAGE_PARENT_ID", f"airflow/nightly.train/{above}")
    monkeypatch.setenv("OPENLINEAGE_NAMESPACE", "from-outside")
    events, _ = run(Pipeline("line", [Source(path=str(data))], root=root), runner)
    check(events[0])
    parent = events[0]["run"]["facets"]["parent"]
    assert (parent["job"], parent["run"]) == ({"namespace": "airflow", "name": "nightly.train"}, {"runId": above})
    assert events[0]["job"]["namespace"] == "from-outside"
    monkeypatch.setenv("OPENLINEAGE_PARENT_ID", "no/such-thing")
    events, _ = run(Pipeline("line", [Source(path=str(data))], root=root), runner)
    assert "parent" not in events[0]["run"]["facets"]


def test_what_is_only_looked_up_or_taken_in_is_no_output(
    data: Path, root: Path, runner: LocalRunner, tmp_path: Path
) -> None:
    schema = tmp_path / "schema.pbtxt"
    schema.write_text("x")
    run(Pipeline("line", [Source(path=str(data))], root=root), runner)
    importer = Importer(source_uri=str(schema), artifact_type=Schema)
    newest = Resolver(strategy="latest", examples=Examples)
    events, result = run(Pipeline("line", [importer, newest], root=root), runner)
    assert result.ok
    read = {e["job"]["name"]: (e["inputs"], e["outputs"]) for e in events if e["eventType"] == "COMPLETE"}
    assert [d["name"] for d in read["line.Importer"][0]] == [str(schema)]
    assert [d["name"] for d in read["line.Resolver"][0]] == [f"{root}/Source/examples"]
    assert read["line.Importer"][1] == read["line.Resolver"][1] == []


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("/data/taxi", ("file", "/data/taxi")),
        ("file:///data/taxi", ("file", "/data/taxi")),
        ("s3://bucket/a/b/", ("s3://bucket", "a/b")),
        ("s3a://key:secret@bucket/a?token=1#x", ("s3://bucket", "a")),
        ("gcs://bucket", ("gs://bucket", "/")),
        ("abfss://box@store.dfs.core.windows.net/a", ("abfss://box@store.dfs.core.windows.net", "a")),
        ("abfss://u:secret@store/a", ("abfss://store", "a")),
    ],
)
def test_datasets_are_named_by_their_address_without_its_secrets(uri: str, name: tuple[str, str]) -> None:
    assert dataset_name(uri) == name


# -- transports --------------------------------------------------------------------------------------------------------


class Server(ThreadingHTTPServer):
    """Answers with the given statuses in turn, then with 200."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: list[int] = []
        self.got: list[tuple[str, str | None, Any]] = []
        self.delay = 0.0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(self.server.delay)
        self.server.got.append((self.path, self.headers.get("Authorization"), json.loads(body)))
        status = self.server.answers.pop(0) if self.server.answers else 200
        self.send_response(status)
        if status == 302:
            self.send_header("Location", f"{self.server.url}/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        self.server.got.append((self.path, self.headers.get("Authorization"), None))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


def test_events_go_to_a_server_as_the_environment_says(
    data: Path, root: Path, runner: LocalRunner, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENLINEAGE_URL", server.url)
    monkeypatch.setenv("OPENLINEAGE_API_KEY", "hunter2")
    pipeline = Pipeline("line", [Source(path=str(data))], root=root)
    listener = OpenLineageListener.from_environment(pipeline.metadata)
    assert listener is not None
    runner.run(pipeline, on_event=listener)
    runner.run(pipeline, on_event=listener)
    assert (listener.sent, listener.lost, len(server.got)) == (8, 0, 8), "one listener serves several runs"
    assert {(path, key) for path, key, _ in server.got} == {("/api/v1/lineage", "Bearer hunter2")}
    check(server.got[0][2])
    assert "hunter2" not in repr(HttpTransport(server.url, "hunter2"))
    monkeypatch.setenv("OPENLINEAGE_DISABLED", "true")
    assert OpenLineageListener.from_environment(pipeline.metadata) is None


def test_a_server_that_is_busy_is_asked_again_and_a_refusal_is_final(server: Server) -> None:
    transport = HttpTransport(server.url, "key", "custom/path")
    server.answers = [503, 429]
    assert transport.send({"a": 1}) is None
    assert [path for path, _, _ in server.got] == ["/custom/path"] * 3
    server.answers = [401, 200]
    assert transport.send({"a": 2}) == "the endpoint answered 401"
    assert len(server.got) == 4
    server.answers = [302]
    assert transport.send({"a": 3}) == "the endpoint answered 302", "the key goes to no other place"
    assert [path for path, _, _ in server.got][4:] == ["/custom/path"]
    assert transport.send({"a": 4}) is None, "a refusal does not make it dead"


def test_a_dead_endpoint_fails_no_run_and_the_loss_is_counted_and_told(
    data: Path, root: Path, runner: LocalRunner, caplog: pytest.LogCaptureFixture
) -> None:
    pipeline = Pipeline("line", [Source(path=str(data))], root=root)
    listener = OpenLineageListener(pipeline.metadata, HttpTransport("http://127.0.0.1:1", "hunter2"))
    begun = time.monotonic()
    with caplog.at_level(logging.WARNING, "trueline.openlineage"):
        assert runner.run(pipeline, on_event=listener).ok
    assert time.monotonic() - begun < 5, "it is not waited for event by event"
    assert (listener.sent, listener.lost) == (0, 4)
    assert "0 OpenLineage events were sent, 4 were lost" in caplog.text
    assert "hunter2" not in caplog.text


def test_a_slow_endpoint_holds_the_end_up_by_the_patience_alone(
    data: Path, root: Path, runner: LocalRunner, server: Server
) -> None:
    server.delay = 30
    pipeline = Pipeline("line", [Source(path=str(data))], root=root)
    listener = OpenLineageListener(pipeline.metadata, HttpTransport(server.url), patience=0.3)
    begun = time.monotonic()
    assert runner.run(pipeline, on_event=listener).ok
    assert time.monotonic() - begun < 25  # one answer alone would take longer
    assert listener.lost >= 2


def test_a_store_that_cannot_be_read_is_a_loss_like_others(data: Path, root: Path, runner: LocalRunner) -> None:
    listener = OpenLineageListener(f"sqlite:///{root}/nowhere.db", kept := Kept())
    assert runner.run(Pipeline("line", [Source(path=str(data))], root=root), on_event=listener).ok
    assert kept.events == []
    assert listener.lost == 4


def test_a_file_and_the_console(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = FileTransport(tmp_path / "new" / "lineage.ndjson")
    threads = [threading.Thread(target=file.send, args=({"n": n, "long": "x" * 5000},)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = [json.loads(text) for text in file.path.read_text().splitlines()]
    assert sorted(event["n"] for event in lines) == list(range(20))
    assert "cannot be written" in str(FileTransport(tmp_path).send({}))
    assert ConsoleTransport().send({"a": 1}) is None
    assert json.loads(capsys.readouterr().out) == {"a": 1}
    closed = io.StringIO()
    closed.close()
    assert "cannot be written" in str(ConsoleTransport(closed).send({}))


def test_settings_of_the_environment() -> None:
    prefix = "OPENLINEAGE__TRANSPORT__"
    assert transport_from_environment({}) is None
    assert transport_from_environment({"OPENLINEAGE_URL": "http://x", "OPENLINEAGE_DISABLED": "True"}) is None
    assert transport_from_environment({f"{prefix}TYPE": "console"}) == ConsoleTransport()
    file = transport_from_environment({f"{prefix}TYPE": "file", f"{prefix}LOG_FILE_PATH": "/tmp/x"})
    assert file == FileTransport(Path("/tmp/x"))
    settings = {f"{prefix}TYPE": "http", f"{prefix}URL": "https://x/base/", f"{prefix}AUTH__API_KEY": "k"}
    http = transport_from_environment(settings)
    assert isinstance(http, HttpTransport)
    assert (http._address, http.api_key) == ("https://x/base/api/v1/lineage", "k")


@pytest.mark.parametrize(
    "settings",
    [
        {"OPENLINEAGE_URL": "ftp://x"},
        {"OPENLINEAGE_URL": "file:///etc"},
        {"OPENLINEAGE_URL": "http://user:hunter2@x"},
        {"OPENLINEAGE__TRANSPORT__TYPE": "kafka"},
        {"OPENLINEAGE__TRANSPORT__TYPE": "file"},
        {"OPENLINEAGE__TRANSPORT__TYPE": "http"},
    ],
)
def test_settings_that_lead_nowhere_are_refused(settings: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="OPENLINEAGE") as caught:
        transport_from_environment(settings)
    assert "hunter2" not in str(caught.value)
