"""A run from end to end: what is published, what fails how, what runs beside what. In threads and in processes."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest
from pipeline_nodes import MakeSchema, Source, Train, count, describe

from trueline._core.errors import ConfigError
from trueline._core.manifest import read_manifest
from trueline.metadata import ArtifactState, EventType, ExecutionState, MetadataStore, RunStore
from trueline.pipeline import Pipeline
from trueline.pipeline.results import RunEvent
from trueline.runners import LocalRunner

Build = Callable[..., Pipeline]
Opened = Callable[[], MetadataStore]
Isolation = Literal["thread", "process"]
both = pytest.mark.parametrize("isolation", ["thread", "process"])


@both
def test_everything_is_published_as_tfx_does_it(build: Build, opened: Opened, root: Path, isolation: Isolation) -> None:
    result = LocalRunner(isolation=isolation).run(build(), params={"data": "x"})
    assert result.ok
    assert result.exit_status == 0
    assert {n: r.state for n, r in result.nodes.items()} == dict.fromkeys(("Source", "MakeSchema", "Train"), "COMPLETE")
    assert result.nodes["Source"].found == {"rows": 3}
    store = opened()
    (examples,) = store.artifacts(type="Examples")
    node = result.nodes["Source"]
    assert examples.uri == str(root / "Source" / "examples" / str(node.execution_id))
    assert examples.state is ArtifactState.LIVE
    assert examples.properties == {"span": 1, "split_names": '["train"]'}
    assert examples.custom_properties["origin"] == "test"
    assert examples.custom_properties["__fingerprint__"] == read_manifest(examples.uri, verify="sha256").fingerprint
    assert node.outputs["examples"][0].properties["split_names"] == ["train"]
    trained = result.nodes["Train"].execution_id
    (execution,) = store.executions(ids=[trained or 0])
    assert execution.type == "pipeline_nodes.Train"
    assert execution.state is ExecutionState.COMPLETE
    assert execution.custom_properties["steps"] == 10
    assert execution.properties == {}
    contexts = {(c.type, c.name) for c in store.contexts(execution=trained)}
    assert contexts == {("pipeline", "line"), ("pipeline_run", result.run_id), ("node", "line.Train")}
    assert {(c.type, c.name) for c in store.contexts(artifact=examples.id)} >= {("pipeline", "line")}
    (run_context,) = store.contexts(type="pipeline_run")
    assert [c.name for c in store.parents(run_context.id or 0)] == ["line"]
    events = {(e.type, e.path) for e in store.events(execution_ids=[trained or 0])}
    assert events == {
        (EventType.INPUT, ("examples", 0)),
        (EventType.INPUT, ("schema", 0)),
        (EventType.OUTPUT, ("model", 0)),
    }
    record = RunStore(store).run("latest")
    assert (record.status, record.params) == ("COMPLETE", {"data": "x"})
    assert "the model is ready" in Path(str(result.nodes["Train"].log)).read_text()
    assert not (root / ".trueline" / "tmp" / result.run_id / "Train").exists()


FAILURES = {
    "raise": "ValueError: the loss is NaN",
    "gate": "the data is too old",
    "full": "the disk is full",
    "sysexit": "SystemExit: stop here",
    "odd": "is no JSON value",
}
DEATHS = {"kill": "killed by signal 9 (SIGKILL)", "exit": "ended with status 3 and left no result"}


@pytest.mark.parametrize(
    ("isolation", "how"),
    [*(("thread", how) for how in FAILURES), *(("process", how) for how in {**FAILURES, **DEATHS})],
)
def test_a_failing_node_leaves_nothing_and_stops_what_needs_it(
    build: Build, opened: Opened, root: Path, data: Path, isolation: Isolation, how: str
) -> None:
    pipeline = build(how=how)
    trained = next(n for n in pipeline.nodes if n.node_id == "Train")
    source = next(n for n in pipeline.nodes if n.node_id == "Source")
    late = MakeSchema(examples=source.outputs["examples"], node_id="late").after(trained)
    last = MakeSchema(examples=source.outputs["examples"], node_id="last").after(late)
    free = MakeSchema(examples=source.outputs["examples"], node_id="free")
    result = LocalRunner(isolation=isolation).run(Pipeline("line", [trained, last, free], root=root))
    assert result.status == "FAILED"
    assert result.exit_status == 1
    states = {n: r.state for n, r in result.nodes.items()}
    assert states["Train"] == "FAILED"
    assert states["late"] == states["last"] == "SKIPPED"
    assert states["free"] == "COMPLETE", f"an independent branch goes on: {result.nodes['free']}"
    assert result.nodes["last"].message == "node 'Train' did not succeed", "the root of the failure is named"
    wanted = {**FAILURES, **DEATHS}[how]
    assert wanted in str(result.nodes["Train"].message)
    assert wanted in str(result.message)
    store = opened()
    (execution,) = store.executions(type="pipeline_nodes.Train")
    assert execution.state is ExecutionState.FAILED
    kept = json.loads(str(execution.custom_properties["__execution_result__"]))
    assert wanted.split(":")[-1].strip() in kept["resultMessage"]
    assert store.artifacts(type="Model") == []
    model = root / "Train" / "model"
    assert not model.exists() or list(model.iterdir()) == [], "what was half-written is gone"
    assert RunStore(store).open_executions(result.run_id) == []
    record = RunStore(store).run(result.run_id)
    assert record.status == "FAILED"
    if how == "raise":
        assert "Traceback" in kept["resultMessage"]
        assert "Traceback" in Path(str(result.nodes["Train"].log)).read_text()
        assert result.nodes["Train"].found == {"started": True}


def test_a_failed_node_runs_again_and_may_succeed(build: Build, runner: LocalRunner) -> None:
    assert runner.run(build(how="raise")).nodes["Train"].state == "FAILED"
    again = runner.run(build(how="raise"))
    assert again.nodes["Train"].state == "FAILED"
    assert "did not succeed" in str(again.nodes["Train"].cached_reason)
    well = runner.run(build())
    assert [well.nodes[n].state for n in ("Source", "MakeSchema", "Train")] == ["CACHED", "CACHED", "COMPLETE"]


@both
def test_a_closed_gate_keeps_the_artifact_but_stops_the_line(
    build: Build, opened: Opened, isolation: Isolation
) -> None:
    runner = LocalRunner(isolation=isolation)
    for _ in range(2):  # the second time, too: a closed gate is no cache hit
        result = runner.run(build(how="close"))
        assert result.status == "FAILED"
        assert result.nodes["Train"].state == "FAILED"
        assert result.nodes["Train"].message == "feature 'fare' has 3 anomalies"
        (handle,) = result.nodes["Train"].outputs["model"]
        assert read_manifest(handle.uri).kind == "Model"
    states = {e.state for e in opened().executions(type="pipeline_nodes.Train")}
    assert states == {ExecutionState.FAILED}


@both
def test_independent_nodes_run_at_the_same_time(build: Build, data: Path, root: Path, isolation: Isolation) -> None:
    source = Source(path=str(data))
    nodes = [
        Train(examples=source.outputs.examples, how="sleep", seconds=0.8, node_id=name) for name in ("left", "right")
    ]
    result = LocalRunner(isolation=isolation, max_workers=2).run(Pipeline("line", nodes, root=root))
    assert result.ok
    store = MetadataStore(str(root / "metadata.db"))
    left, right = (RunStore(store).node(result.run_id, name) for name in ("left", "right"))
    store.close()
    assert left.started is not None
    assert right.started is not None
    assert max(left.started, right.started) < min(left.finished or 0, right.finished or 0), "the intervals overlap"


def test_one_worker_runs_one_node_at_a_time(data: Path, root: Path, opened: Opened) -> None:
    source = Source(path=str(data))
    nodes = [Train(examples=source.outputs.examples, how="sleep", seconds=0.1, node_id=n) for n in "abc"]
    result = LocalRunner(max_workers=1).run(Pipeline("line", nodes, root=root))
    records = sorted(RunStore(opened()).run(result.run_id).nodes, key=lambda n: n.started or 0)
    assert all((a.finished or 0) <= (b.started or 0) for a, b in itertools.pairwise(records))


@both
def test_events_tell_what_happens(build: Build, isolation: Isolation) -> None:
    events: list[RunEvent] = []
    LocalRunner(isolation=isolation).run(build(), on_event=events.append)
    assert (events[0].kind, events[-1].kind, events[-1].status) == ("run_started", "run_finished", "COMPLETE")
    train = [e for e in events if e.node_id == "Train"]
    kinds = [e.kind for e in train]
    assert kinds[0] == "node_started"
    assert kinds[-1] == "node_finished"
    assert train[-1].result is not None
    assert train[-1].result.state == "COMPLETE"
    assert any(e.kind == "node_found" and e.found == {"started": True} for e in train)


def test_isolation_per_node(build: Build) -> None:
    result = LocalRunner().run(build(how="kill"), isolation={"Train": "process"})
    assert "killed by signal 9" in str(result.nodes["Train"].message)
    with pytest.raises(ConfigError, match="Did you mean 'Train'"):
        LocalRunner().run(build(), isolation={"Trian": "process"})


def test_values_flow_between_functions(data: Path, root: Path, runner: LocalRunner) -> None:
    source = Source(path=str(data))
    counted = count(examples=source.outputs.examples, factor=2)
    described = describe(n=counted.outputs["result"], label="bytes")
    result = runner.run(Pipeline("line", [described], root=root))
    assert result.nodes["describe"].found == {"result": "bytes=12"}
    assert result.nodes["describe"].outputs["result"][0].value == "bytes=12"


def test_partial_runs_take_the_newest_earlier_outputs(build: Build, runner: LocalRunner, opened: Opened) -> None:
    with pytest.raises(ConfigError, match="Did you mean 'Train'"):
        runner.run(build(), from_nodes=["Trian"])
    first = runner.run(build(), to_nodes=["MakeSchema"])
    assert set(first.nodes) == {"Source", "MakeSchema"}
    second = runner.run(build(times=5), from_nodes=["Train"])
    assert {n: r.state for n, r in second.nodes.items()} == {
        "Source": "REUSED",
        "MakeSchema": "REUSED",
        "Train": "COMPLETE",
    }
    used = second.nodes["Source"].outputs["examples"][0]
    assert used.id == first.nodes["Source"].outputs["examples"][0].id
    store = opened()
    (context,) = store.contexts(type="pipeline_run", name=second.run_id)
    states = [e.state for e in store.executions(context=context.id)]
    assert sorted(states) == [ExecutionState.COMPLETE, ExecutionState.CACHED, ExecutionState.CACHED]


def test_a_partial_run_without_anything_to_lend_fails_by_name(build: Build, runner: LocalRunner) -> None:
    result = runner.run(build(), from_nodes=["Train"])
    assert result.status == "FAILED"
    assert "needs outputs of 'Source', which has never succeeded" in str(result.nodes["Source"].message)
    assert result.nodes["Train"].state == "SKIPPED"


def test_nothing_between_two_nodes(build: Build, runner: LocalRunner) -> None:
    with pytest.raises(ConfigError, match="nothing lies between Train and Source"):
        runner.run(build(), from_nodes=["Train"], to_nodes=["Source"])


def test_two_runs_at_once_do_not_disturb_each_other(build: Build, opened: Opened) -> None:
    results: dict[int, object] = {}

    def go(number: int) -> None:
        results[number] = LocalRunner().run(build(steps=number, how="sleep", seconds=0.2))

    threads = [threading.Thread(target=go, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [r.ok for r in results.values()] == [True] * 3  # type: ignore[attr-defined]
    store = opened()
    assert len(RunStore(store).runs()) == 3
    models = {a.uri: Path(str(a.uri), "model.onnx").read_text() for a in store.artifacts(type="Model")}
    assert sorted(models.values()) == ["model 0", "model 1", "model 2"]


def test_wrong_arguments_of_the_runner(build: Build) -> None:
    with pytest.raises(ConfigError, match="max_workers is 0"):
        LocalRunner(max_workers=0)
    with pytest.raises(ConfigError, match="isolation is 'fork'"):
        LocalRunner(isolation="fork")  # type: ignore[arg-type]
