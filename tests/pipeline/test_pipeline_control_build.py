"""What can be wrong in a pipeline with control flow: all of it at once, each with the user's file and line; and what
the compiled pipeline keeps."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pipeline_nodes import MakeSchema, Source, Train, bless, count, describe

from trueline._core.errors import ConfigError
from trueline.pipeline import (
    CompiledPipeline,
    Cond,
    FinalStatus,
    ForEach,
    Input,
    Pipeline,
    PipelineInputs,
    Resources,
    RuntimeParameter,
    Secret,
    compile_pipeline,
    component,
    exec_property,
)
from trueline.pipeline.artifacts import Integer, Model

HERE = Path(__file__).name


@component
def one_of(values: Input[Integer]) -> int:
    return int(values.value)


@component
def every(values: Input[list[Integer]], names: list[str]) -> int:
    return len(values) + len(names)


@component
def summed(values: list[int]) -> int:
    return sum(values)


def line() -> int:
    """The number of the line before the one that asks."""
    frame = inspect.currentframe()
    assert frame is not None
    assert frame.f_back is not None
    return frame.f_back.f_lineno - 1


def problems_of(*nodes: Any, **more: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        Pipeline("line", nodes, **more)
    assert all(re.match(rf".*{HERE}:\d+: ", problem) for problem in caught.value.problems), caught.value.problems
    return [problem.partition(f"{HERE}:")[2] for problem in caught.value.problems]


def test_everything_that_is_wrong_is_said_at_once() -> None:
    source = Source(path="x")
    at_source = line()
    schema = MakeSchema(examples=source.outputs["exampels"])
    at_schema = line()
    model = Train(examples=schema.outputs["schema"])
    at_model = line()
    lone = bless(node_id="lone")
    at_lone = line()
    twin = bless(model=model.outputs["model"], node_id="lone")
    at_twin = line()
    wrong = describe(n="text", label=RuntimeParameter("a", int), node_id="wrong")
    at_wrong = line()
    asks = describe(n=FinalStatus()["n"], label=RuntimeParameter("a", int, 5), node_id="asks")
    at_asks = line()
    wrong.with_settings(retries=-1, tiemout=3, trigger="all_don", timeout=5, isolation="thread")
    at_set = line()
    found = problems_of(source, schema, model, lone, twin, wrong, asks)
    for at, says in (
        (at_schema, "Source has no output 'exampels'. Did you mean 'examples'?"),
        (at_model, "Train input 'examples' takes Examples, but MakeSchema.schema is Schema"),
        (at_lone, "lone needs the input 'model' of type Model"),
        (at_twin, "2 nodes are called 'lone'"),
        (at_wrong, "wrong argument 'n' takes int, but was given 'text'"),
        (at_wrong, "wrong argument 'label' takes str, but <placeholder parameter> is int"),
        (at_asks, "asks uses FinalStatus, which only on_exit nodes have"),
        (at_asks, "asks uses the runtime parameter 'a' with another type, default or description than wrong does"),
        (at_set, "wrong has no setting 'tiemout'. Did you mean 'timeout'?"),
        (at_wrong, "wrong has retries=-1"),
        (at_wrong, "wrong has trigger='all_don'. Did you mean 'all_done'?"),
        (at_wrong, "wrong with a time-out or an environment needs a process of its own"),
    ):
        assert any(problem.startswith(f"{at}: ") and says in problem for problem in found), (at, says, found)
    assert not any(problem.startswith(f"{at_source}: ") for problem in found)


def test_a_circle_is_named() -> None:
    first, second = describe(n=1, node_id="first"), describe(n=2, node_id="second")
    first.after(second)
    second.after(first)
    assert any("the nodes form a circle: first -> second -> first" in p for p in problems_of(first, second))


def test_a_circle_through_a_condition_is_named() -> None:
    with Cond(RuntimeParameter("a", int) == 1):
        first = describe(n=1, node_id="first")
    with Cond(first.outputs["result"].value == "x"):
        second = describe(n=2, node_id="second")
    first.after(second)
    assert any("form a circle" in problem for problem in problems_of(second))


def _item_outside() -> list[Any]:
    with ForEach([1, 2], name="loop") as item:
        inside = describe(n=item, node_id="inside")
    return [inside, describe(n=item, node_id="outside")]


def _item_of_artifacts_outside() -> list[Any]:
    with ForEach(Source(path="x").outputs["examples"], name="loop") as item:
        inside = count(examples=item, node_id="inside")
    return [inside, count(examples=item, node_id="outside")]


def _one_of_all_passes() -> list[Any]:
    with ForEach([1, 2], name="loop") as item:
        inside = count(examples=Source(path="x").outputs["examples"], factor=item, node_id="inside")
    return [one_of(values=inside.outputs["result"], node_id="outside")]


def _parameter_of_all_passes() -> list[Any]:
    with ForEach([1, 2], name="loop") as item:
        inside = count(examples=Source(path="x").outputs["examples"], factor=item, node_id="inside")
    return [describe(n=inside.outputs["result"], node_id="outside")]


def _mixed() -> list[Any]:
    source = Source(path="x")
    with ForEach(source.outputs["examples"], name="loop") as item:
        return [MakeSchema(examples=[item, source.outputs["examples"]], node_id="inside")]  # type: ignore[arg-type]


def _secret_decides() -> list[Any]:
    with Cond(Secret("TOKEN") == "x"):
        return [describe(n=1)]


def _secret_items() -> list[Any]:
    with ForEach(Secret("TOKEN"), name="loop"):
        return [describe(n=1)]


def _container_decides() -> list[Any]:
    with Cond(exec_property("x") == 1):
        return [describe(n=1)]


def _no_items() -> list[Any]:
    with ForEach(5, name="loop"):
        return [describe(n=1)]


def _text_items() -> list[Any]:
    with ForEach("abc", name="loop"):
        return [describe(n=1)]


def _no_passes() -> list[Any]:
    with ForEach([1], name="loop", parallel=0):
        return [describe(n=1)]


def _no_json() -> list[Any]:
    return [describe(n=RuntimeParameter("n", int) + {1, 2})]


def _environment() -> list[Any]:
    return [describe(n=1).with_settings(environment={"A": 5}, resources=Resources(cpu=0))]


def _other_element() -> list[Any]:
    return [summed(values=[describe(n=1).outputs["result"]], node_id="summed")]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (_item_outside, "outside uses the item of loop 'loop' outside of it"),
        (_item_of_artifacts_outside, "outside uses the item of loop 'loop' outside of it"),
        (_one_of_all_passes, "takes one artifact as 'values', but inside.result has one of each pass of loop 'loop'"),
        (_parameter_of_all_passes, "takes one artifact as 'n', but inside.result has one of each pass of loop 'loop'"),
        (_mixed, "input 'examples' mixes a loop's item with other channels"),
        (_secret_decides, "has condition that holds a Secret, which only the node's own process may know"),
        (_secret_items, "has items that hold a Secret"),
        (_container_decides, "has condition that holds what only a container's command may use"),
        (_no_items, "takes a channel, a list or a placeholder, but was given 5"),
        (_text_items, "takes a channel, a list or a placeholder, but was given 'abc'"),
        (_no_passes, "cannot run 0 passes at once"),
        (_no_json, "has a placeholder with {1, 2}, which is no JSON value"),
        (_environment, "has the environment variable A=5; text or Secret(...) is needed"),
        (_environment, "which no machine has"),
        (_other_element, "input 'values' takes JsonValue, but describe.result is String"),
    ],
)
def test_control_flow_that_cannot_be(make: Callable[[], list[Any]], says: str) -> None:
    found = problems_of(*make())
    assert any(says in problem for problem in found), found


def test_nodes_for_the_end_stand_outside_of_blocks() -> None:
    with Cond(RuntimeParameter("a", int) == 1):
        late = describe(n=1, node_id="late")
    early = describe(n=2, node_id="early").after(late)
    found = problems_of(early, on_exit=[late])
    assert any("late is an on_exit node and stands in a Cond or ForEach" in problem for problem in found)
    assert any("early needs 'late', which is an on_exit node" in problem for problem in found)


def test_what_is_known_while_the_pipeline_is_built_is_no_condition() -> None:
    with pytest.raises(ConfigError, match="use Python's if"):
        Cond(3 > 2)  # type: ignore[arg-type]


def test_sub_pipelines_that_cannot_be() -> None:
    inputs = PipelineInputs({"examples": Source(path="x").outputs["examples"]})
    inner = Pipeline("inner", [count(examples=inputs["examples"])], inputs=inputs)
    with pytest.raises(ConfigError, match="has no input 'exampels'"):
        inputs["exampels"]
    with pytest.raises(ConfigError, match="has no output 'model'"):
        inner.outputs["model"]
    with pytest.raises(ConfigError, match="channels"):
        PipelineInputs({"examples": 5})  # type: ignore[dict-item]
    Pipeline("first", [inner])
    with pytest.raises(ConfigError, match="is a part of 'first' already"):
        Pipeline("second", [inner])
    with Cond(RuntimeParameter("a", int) == 1):
        inside = Pipeline("inside", [describe(n=1)])
    with pytest.raises(ConfigError, match="was made inside of a Cond or ForEach"):
        compile_pipeline(inside)


def whole(root: Path) -> Pipeline:
    """A pipeline with everything that the compiled form has a place for."""
    source = Source(path="x")
    inputs = PipelineInputs({"examples": source.outputs["examples"]})
    inner = count(examples=inputs["examples"], factor=RuntimeParameter("factor", int, 2))
    part = Pipeline("part", [inner], inputs=inputs, outputs={"n": inner.outputs["result"]})
    with (
        Cond((part.outputs["n"].value > 1) & ~(source.outputs["examples"].property("span") == 9)),
        ForEach([{"n": (1, 2)}, {"n": [3]}], name="loop", parallel=1) as item,
        ForEach(source.outputs["examples"], name="files") as file,
    ):
        body = count(examples=file, factor=item["n"][0], node_id="body")
    body.with_settings(
        retries=3,
        timeout=5.0,
        environment={"KEY": Secret("KEY")},
        resources=Resources(memory="4Gi"),
        trigger="all_done",
    )
    after = every(values=body.outputs["result"], names=["a"], node_id="after")
    total = summed(values=body.outputs["result"], node_id="total")
    bye = describe(n=1, label=FinalStatus()["state"], node_id="bye")
    return Pipeline("line", [part, after, total], root=root, on_exit=[bye])


def test_the_compiled_pipeline_is_the_same_again(root: Path) -> None:
    plan = compile_pipeline(whole(root))
    text = plan.to_json()
    assert CompiledPipeline.from_json(text) == plan
    assert CompiledPipeline.from_json(text).to_json() == text
    assert compile_pipeline(whole(root)).to_json() == text, "the same file gives the same plan"
    assert json.loads(text)["format"] == 2
    body = plan.node("body")
    assert (body.loops, len(body.conditions), body.inputs["examples"].item_of) == (("loop", "files"), 1, "files")
    assert plan.node("total").params["__collected__"] == ["values"]
    assert [plan.node("part.count").group, plan.node("bye").on_exit] == ["part", True]
    assert plan.parameters == {"factor": {"type": "int", "default": 2, "description": ""}}
    assert [node.id for node in plan.nodes][-1] == "bye"


def test_an_older_compiled_pipeline_is_read(root: Path) -> None:
    plan = compile_pipeline(Pipeline("line", [Train(examples=Source(path="x").outputs["examples"])], root=root))
    data = json.loads(plan.to_json())
    data["format"] = 1
    del data["parameters"]
    for node in data["nodes"]:
        for name in ("loops", "conditions", "settings", "group", "on_exit"):
            del node[name]
        for declared in node["inputs"].values():
            del declared["item_of"]
    assert CompiledPipeline.from_json(json.dumps(data)) == plan
    data["format"] = 3
    with pytest.raises(ConfigError, match="has format 3, this version reads 1 to 2"):
        CompiledPipeline.from_json(json.dumps(data))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 2}', "null", '{"format": 2, "nodes": [{"id": 1}]}'])
def test_what_is_no_compiled_pipeline_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        CompiledPipeline.from_json(text)


def test_models_of_all_passes_go_in_as_a_list() -> None:
    @component
    def merge(models: Input[list[Model]], one: Input[Model] | None = None) -> int:
        return len(models)

    assert merge.shape.many == {"models"}
    assert merge.shape.inputs["models"].type is Model
    assert merge.shape.inputs["one"].optional
    with pytest.raises(ConfigError, match="must say an artifact type"):

        @component
        def wrong(models: Input[list[int]]) -> int:
            return len(models)
