"""What must be true of every run of the matrix, whatever its shape and wherever it ran."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import replace

from specs import Spec, World

from trueline.metadata import MetadataStore
from trueline.metadata.lineage import downstream, upstream
from trueline.metadata.records import Artifact
from trueline.metadata.runs import RunStore
from trueline.pipeline.compile import CompiledNode, CompiledPipeline, compile_pipeline
from trueline.pipeline.results import RunResult
from trueline.pipeline.settings import Isolation
from trueline.runners import LocalRunner

__all__ = ["PARTS", "check"]

PARTS = ("again", "part")
_GOOD = ("COMPLETE", "CACHED", "REUSED")


def check(spec: Spec, world: World, isolation: Isolation, parts: Collection[str] = PARTS) -> None:
    """Runs the shape; then, by `parts`, runs it again, runs a part of it, and takes it up where it failed."""
    pipeline = spec.build(world)
    plan = compile_pipeline(pipeline)
    # The address of a database is kept without its password.
    assert replace(CompiledPipeline.from_json(plan.to_json()), metadata=plan.metadata) == plan
    runner = LocalRunner(isolation=isolation, max_workers=4)
    first = runner.run(pipeline, runtime_parameters=spec.runtime)
    _as_expected(spec, first)
    _as_recorded(world, plan, first)
    if spec.status == "COMPLETE" and "again" in parts:
        _all_cached(plan, first, runner.run(spec.build(world), runtime_parameters=spec.runtime))
    if spec.last is not None and "part" in parts:
        _in_part(spec, plan, first, runner.run(pipeline, runtime_parameters=spec.runtime, from_nodes=[spec.last]))
    if spec.mend is not None:
        (world.folder / spec.mend).touch()
        _taken_up(spec, first, runner.resume(world.metadata, first.run_id))


def _states(result: RunResult) -> dict[str, str]:
    return {one: node.state for one, node in result.nodes.items()}


def _as_expected(spec: Spec, result: RunResult) -> None:
    assert result.status == spec.status, result.message
    assert set(spec.states) <= set(result.nodes)
    assert _states(result) == {one: spec.states.get(one, "COMPLETE") for one in result.nodes}
    assert {one: result.nodes[one].outputs["result"][0].value for one in spec.values} == dict(spec.values)
    for node in result.nodes.values():
        assert (node.message is None) == (node.state in _GOOD), node


def _as_recorded(world: World, plan: CompiledPipeline, result: RunResult) -> None:
    """States, contexts, events and lineage in the database."""
    store = MetadataStore(world.metadata, create=False)
    try:
        record = RunStore(store).run(result.run_id)
        assert record.status == result.status
        assert {node.node_id: node.state for node in record.nodes} == _states(result)
        assert [node.node_id for node in record.nodes] == list(result.nodes)
        for node in record.nodes:
            assert (node.base or node.node_id) in {one.id for one in plan.nodes}
            if node.execution_id is not None:
                _execution(store, plan, result, node.node_id, node.execution_id)
        _lineage(store, plan, result)
    finally:
        store.close()


def _execution(store: MetadataStore, plan: CompiledPipeline, result: RunResult, one: str, execution_id: int) -> None:
    node = plan.node(one.partition("[")[0])
    contexts = {(c.type, c.name) for c in store.contexts(execution=execution_id)}
    expected = {("pipeline", "line"), ("pipeline_run", result.run_id), ("node", f"line.{node.id}")}
    if node.group:
        expected |= {("pipeline", f"line.{node.group}"), ("pipeline_run", f"{node.group}_{result.run_id}")}
    assert contexts == expected
    events = store.events(execution_ids=[execution_id])
    made = {event.artifact_id for event in events if event.type.is_output}
    assert made == {handle.id for handles in result.nodes[one].outputs.values() for handle in handles}
    if result.nodes[one].state == "COMPLETE" and node.system is None:
        assert {event.path[0] for event in events if event.type.is_output} == set(node.outputs)


def _lineage(store: MetadataStore, plan: CompiledPipeline, result: RunResult) -> None:
    """Above each artifact stand those of all nodes whose artifacts its node took; and below these stands it."""
    known = {handle.id: one for one, node in result.nodes.items() for h in node.outputs.values() for handle in h}
    for one, node in result.nodes.items():
        compiled = plan.node(one.partition("[")[0])
        for handles in node.outputs.values():
            for handle in handles:
                assert handle.id is not None
                above = _bases(upstream(store, [handle.id]), known)
                assert _producers(compiled, result, one) <= above
                for artifact in upstream(store, [handle.id]):
                    assert handle.id in {found.id for found in downstream(store, [artifact.id or 0])}


def _bases(artifacts: list[Artifact], known: Mapping[int | None, str]) -> set[str]:
    return {known[artifact.id].partition("[")[0] for artifact in artifacts if artifact.id in known}


def _producers(node: CompiledNode, result: RunResult, one: str) -> set[str]:
    named = {producer for declared in node.inputs.values() for producer, _ in declared.sources}
    made = {key.partition("[")[0] for key, found in result.nodes.items() if found.outputs and key != one}
    return named & made


def _all_cached(plan: CompiledPipeline, first: RunResult, second: RunResult) -> None:
    """Nothing is done twice: each node that worked comes from the cache, with the very same artifacts."""
    assert list(second.nodes) == list(first.nodes)
    for one, node in second.nodes.items():
        compiled, before = plan.node(one.partition("[")[0]), first.nodes[one]
        varies = "status" in json.dumps(compiled.params)
        cached = before.state == "COMPLETE" and compiled.system is None
        assert node.state == ("CACHED" if cached else before.state) or varies, (one, node.cached_reason)
        if cached and not varies:
            assert {k: [h.id for h in v] for k, v in node.outputs.items()} == {
                k: [h.id for h in v] for k, v in before.outputs.items()
            }


def _in_part(spec: Spec, plan: CompiledPipeline, first: RunResult, part: RunResult) -> None:
    """The part ends as the whole did; what is before it is used again, loops are counted anew."""
    assert part.ok, part.message
    assert spec.last is not None
    for one, node in part.nodes.items():
        assert node.state in (spec.partial.get(one, ""), *_GOOD), (one, node.message)
        assert (node.state == "OMITTED") == (first.nodes[one].state == "OMITTED")
        asked = plan.node(one.partition("[")[0]).system == "approval"
        for key, handles in node.outputs.items():
            same = [h.id for h in handles] == [h.id for h in first.nodes[one].outputs[key]]
            assert same != asked  # a question is asked anew, and what was made is not made again
    before = plan.node(spec.last).upstream
    for one, node in part.nodes.items():
        base = plan.node(one.partition("[")[0])
        if base.id in before and base.system is None:
            assert node.state in ("REUSED", "OMITTED")


def _taken_up(spec: Spec, first: RunResult, resumed: RunResult) -> None:
    """What had succeeded is not done again; what had failed is."""
    assert resumed.status == "COMPLETE", resumed.message
    assert resumed.run_id == first.run_id
    assert set(resumed.nodes) == set(first.nodes)
    for one, node in resumed.nodes.items():
        assert node.state in (spec.resumed.get(one, ""), *_GOOD), (one, node.message)
        if first.nodes[one].state == "COMPLETE":
            assert node.execution_id == first.nodes[one].execution_id
