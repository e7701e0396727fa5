"""A plan says what the run then does, knows what it cannot know, and writes nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pipeline_nodes import MakeSchema, Source

from trueline._core.errors import ConfigError
from trueline.pipeline import (
    Cond,
    ForEach,
    Importer,
    Pipeline,
    Resolver,
    RunInfo,
    RuntimeParameter,
    compile_pipeline,
    component,
)
from trueline.pipeline.artifacts import Examples, Schema
from trueline.pipeline.plan import plan_pipeline
from trueline.pipeline.plan_diff import since_last_run
from trueline.runners import LocalRunner

RESULT = {"run": "COMPLETE", "cached": "CACHED", "reuse": "REUSED", "omit": "OMITTED"}


@component
def listed(n: int) -> list:
    return list(range(n))


@component
def twice(x: int) -> int:
    return 2 * x


@component
def total(xs: list) -> int:
    return len(xs)


@component
def breaks(x: int) -> int:
    raise ValueError(f"never {x}")


@component
def says(text: str) -> str:
    return text


def actions(pipeline, **options):
    return {node.node_id: node.action for node in plan_pipeline(pipeline, **options)}


def reasons(pipeline, **options):
    return {node.node_id: node.reason for node in plan_pipeline(pipeline, **options)}


def kept_files(folder: Path) -> dict[str, bytes]:
    """All files but SQLite's own notes of who reads."""
    found = [path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(("-shm", "-wal"))]
    return {str(path): path.read_bytes() for path in found}


def agrees(pipeline, runner, **options):
    """Plans, runs, and says whether the run did what was planned wherever the plan knew."""
    planned = actions(pipeline, **options)
    result = runner.run(pipeline, **options)
    for node_id, action in planned.items():
        if action in RESULT:
            assert result.nodes[node_id].state == RESULT[action], node_id
    return planned


def test_where_nothing_ran_yet_all_is_a_first_run_and_nothing_is_made(build, root):
    pipeline = build()
    assert actions(pipeline) == {"Source": "run", "MakeSchema": "unknown", "Train": "unknown"}
    told = reasons(pipeline)
    assert told["Source"] == "first run of this node"
    assert told["MakeSchema"] == told["Train"] == "depends on Source, which runs"
    assert not root.exists()


def test_the_plan_is_what_the_run_does(build, runner, data, root):
    agrees(build(), runner)
    assert set(agrees(build(), runner).values()) == {"cached"}
    assert agrees(build(how="gate2"), runner) == {"Source": "cached", "MakeSchema": "cached", "Train": "run"}
    assert "parameter how" in reasons(build(how="other"))["Train"]
    data.write_text("d\n")
    assert agrees(build(), runner)["Source"] == "run"
    assert set(agrees(build(), runner, use_cache=False).values()) == {"run", "unknown"}
    before = kept_files(root)
    actions(build())
    actions(build(times=3))
    assert kept_files(root) == before, "planning wrote something"


def test_damaged_files_make_a_node_run_again(build, runner, root):
    runner.run(build())
    next((root / "MakeSchema" / "schema").rglob("schema.pbtxt")).write_text("# other\n")
    assert agrees(build(), runner) == {"Source": "cached", "MakeSchema": "run", "Train": "unknown"}


def test_a_partial_run_says_what_is_lent_and_what_is_missing(build, runner):
    pipeline = build()
    assert actions(pipeline, from_nodes=["Train"]) == {"Source": "fail", "MakeSchema": "fail", "Train": "skip"}
    runner.run(pipeline)
    planned = agrees(pipeline, runner, from_nodes=["Train"])
    assert planned == {"Source": "reuse", "MakeSchema": "reuse", "Train": "cached"}
    assert agrees(pipeline, runner, to_nodes=["Source"]) == {"Source": "cached"}
    with pytest.raises(ConfigError, match="Did you mean 'Train'"):
        plan_pipeline(pipeline, from_nodes=["Trian"])


def test_a_sampled_run_has_a_cache_of_its_own(build, runner):
    runner.run(build())
    assert actions(build())["Source"] == "cached"
    assert actions(build(), sample=2)["Source"] == "run"
    runner.run(build(), sample=2)
    assert set(agrees(build(), runner, sample=2).values()) == {"cached"}


def looping(root, n=2, limit=5, fail=False):
    made = listed(n=n)
    with ForEach(made.outputs["result"], name="each") as item:
        doubled = twice(x=item)
    counted = total(xs=doubled.outputs["result"])
    with Cond(counted.outputs["result"].value > limit):
        rare = says(text="rare")
    after = says(text=rare.outputs["result"].value).with_id("after")
    alone = says(text="alone").with_id("alone")
    nodes = [made, doubled, counted, rare, after, alone]
    return Pipeline("loops", [*nodes, breaks(x=1)] if fail else nodes, root=root)


def test_loops_and_conditions_are_known_where_what_they_read_is_cached(root, runner):
    first = actions(looping(root))
    assert (first["listed"], first["alone"], first["each"], first["twice"]) == ("run", "run", "unknown", "unknown")
    assert {first["total"], first["says"], first["after"]} == {"unknown"}
    assert reasons(looping(root))["after"] == "depends on listed, which runs"
    runner.run(looping(root))
    planned = agrees(looping(root), runner)
    assert planned["twice[0]"] == planned["twice[1]"] == planned["total"] == "cached"
    assert planned["says"] == planned["after"] == "omit"
    told = reasons(looping(root))
    assert told["each"] == "2 items"
    assert told["says"] == "its condition is false: total.result.value > 5"
    more = agrees(looping(root, limit=1), runner)
    assert (more["says"], more["after"]) == ("run", "unknown")
    nothing = agrees(looping(root, n=0), runner)
    assert nothing["each"] == "unknown"
    again = agrees(looping(root, n=0), runner)
    assert (again["each"], again["twice"]) == ("run", "omit")


def test_what_looks_at_the_run_runs_every_time(root, runner):
    pipeline = Pipeline("ids", [says(text=RunInfo("run_id"))], root=root)
    runner.run(pipeline)
    assert agrees(pipeline, runner) == {"says": "run"}
    assert reasons(pipeline)["says"] == "its parameters hold the run's id"


def test_runtime_parameters_are_asked_as_a_run_asks_them(root, runner):
    pipeline = Pipeline("runtime", [says(text=RuntimeParameter("text", str))], root=root)
    with pytest.raises(ConfigError, match="has no default"):
        plan_pipeline(pipeline)
    runner.run(pipeline, runtime_parameters={"text": "a"})
    assert actions(pipeline, runtime_parameters={"text": "a"}) == {"says": "cached"}
    assert actions(pipeline, runtime_parameters={"text": "b"}) == {"says": "run"}


def test_importers_and_resolvers_are_asked_without_writing(root, runner, data, tmp_path):
    def line(folder: Path) -> Pipeline:
        imported = Importer(source_uri=str(folder), artifact_type=Examples)
        earlier = Resolver(strategy="latest", schema=Schema, optional=True)
        schema = MakeSchema(examples=imported.outputs["result"])
        return Pipeline("outside", [earlier, imported, schema], root=root)

    folder = tmp_path / "given" / "Split-train"
    folder.mkdir(parents=True)
    (folder / "rows.txt").write_text("a\n")
    planned = agrees(line(tmp_path / "given"), runner)
    assert planned == {"Resolver": "run", "Importer": "run", "MakeSchema": "run"}, "contents say what is new"
    assert set(agrees(line(tmp_path / "given"), runner).values()) == {"run", "cached"}
    told = reasons(line(tmp_path / "given"))
    assert told["Resolver"].startswith("finds schema: artifact ")
    assert "same URI, properties and contents" in told["Importer"]
    (folder / "rows.txt").write_text("b\n")
    assert reasons(line(tmp_path / "given"))["Importer"].endswith("contents")
    gone = plan_pipeline(line(tmp_path / "nowhere"))
    assert {node.node_id: node.action for node in gone}["MakeSchema"] == "skip"
    assert next(node for node in gone if node.node_id == "Importer").action == "fail"


def test_another_database_is_not_looked_into(root, tmp_path, runner):
    pipeline = Pipeline("here", [Resolver(examples=Examples, metadata=str(tmp_path / "other.db"))], root=root)
    assert actions(pipeline) == {"Resolver": "unknown"}


def test_nodes_for_the_end_come_at_the_end(root, runner):
    def line() -> Pipeline:
        return Pipeline("ends", [says(text="a")], on_exit=[says(text="bye").with_id("bye")], root=root)

    runner.run(line())
    assert [node.node_id for node in plan_pipeline(line())] == ["says", "bye"]
    assert agrees(line(), runner)["says"] == "cached"


def test_the_difference_from_the_last_run(build, runner, data, root):
    assert since_last_run(compile_pipeline(build())) is None
    runner.run(build())
    assert not since_last_run(compile_pipeline(build()))
    changed = since_last_run(compile_pipeline(build(times=2)))
    assert changed is not None
    assert changed.changed == {"Source": ("params.times: 1 -> 2",)}
    source = Source(path=str(data), node_id="Reader")
    other = since_last_run(compile_pipeline(Pipeline("line", [source], root=root)))
    assert other is not None
    assert (other.added, other.removed) == (("Reader",), ("Source", "MakeSchema", "Train"))
    json.dumps(dict(other.changed))


def test_a_plan_starts_no_run(build, runner, opened):
    runner.run(build())
    executions = len(opened().executions())
    plan_pipeline(build(times=9))
    assert len(opened().executions()) == executions
    assert isinstance(runner, LocalRunner)
