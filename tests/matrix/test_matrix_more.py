"""What a table of shapes has no column for: a run that is cancelled, groups of a resolver, types known late."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from matrix_nodes import add, count_rows, nap, number, ordered, rows, text, told, total, up_to
from specs import World

from trueline.metadata import MetadataStore
from trueline.metadata.run_control import request_cancel
from trueline.metadata.runs import RunStore
from trueline.pipeline import (
    Cond,
    FinalStatus,
    ForEach,
    Input,
    Output,
    Pipeline,
    Resolver,
    RunInfo,
    RuntimeParameter,
    component,
)
from trueline.pipeline.artifacts import Examples, ExampleStatistics
from trueline.pipeline.resolvers import paired_spans, sliding_window
from trueline.pipeline.results import RunEvent
from trueline.runners import LocalRunner

Place = Callable[[str, str], World]


@pytest.fixture
def world(place: Place) -> World:
    return place("sqlite", "local")


@component
def spans(files: Input[list[Examples]]) -> str:
    return "+".join(str(handle.properties["span"]) for handle in files)


@component
def statistics(file: Input[Examples], made: Output[ExampleStatistics]) -> None:
    Path(made.path("rows")).write_text("x")
    made.properties.update(span=file.properties["span"], split_names=["train"])


@component
def both(file: Input[Examples], about: Input[ExampleStatistics]) -> str:
    return f"{file.properties['span']}{about.properties['span']}"


@component
def joined(parts: list[str]) -> str:
    return " ".join(parts)


def _four_spans(world: World) -> None:
    file = rows(n=RuntimeParameter("span", int), node_id="file")
    pipeline = world.pipeline(statistics(file=file.outputs["file"]))
    for span in (1, 2, 3, 4):
        assert LocalRunner(isolation="main").run(pipeline, runtime_parameters={"span": span}).ok


def test_a_loop_goes_through_the_windows_of_a_resolver(world: World) -> None:
    _four_spans(world)
    found = Resolver(strategy=sliding_window(window_size=2), n=1, files=Examples, node_id="found")
    with ForEach(found.outputs["files"], name="windows") as window:
        shown = spans(files=window, node_id="shown")
        with ForEach(window, name="each") as file:
            counted = count_rows(file=file, node_id="counted")
    last = joined(parts=shown.outputs["result"], node_id="last")
    everything = ordered(numbers=counted.outputs["result"], node_id="everything")
    pipeline = world.pipeline(last, everything)
    result = LocalRunner(isolation="main").run(pipeline)
    assert result.ok, result.message
    windows = result.nodes["last"].outputs["result"][0].value.split(" ")
    assert len(windows) == 3
    assert [sorted(window.split("+")) for window in sorted(windows)] in (
        [["1", "2"], ["2", "3"], ["3", "4"]],
        sorted([["1", "2"], ["2", "3"], ["3", "4"]]),
    )
    flat = [int(span) for window in windows for span in window.split("+")]
    assert result.nodes["everything"].outputs["result"][0].value == flat
    part = LocalRunner(isolation="main").run(pipeline, from_nodes=["counted"])
    assert part.ok, part.message
    assert part.nodes["everything"].outputs["result"][0].value == flat


def test_a_loop_goes_through_pairs_side_by_side(world: World) -> None:
    _four_spans(world)
    found = Resolver(strategy=paired_spans(), files=Examples, about=ExampleStatistics, node_id="found")
    with ForEach(found.outputs, name="pairs") as pair:
        shown = both(file=pair["files"], about=pair["about"], node_id="shown")
    result = LocalRunner(isolation="main").run(world.pipeline(joined(parts=shown.outputs["result"], node_id="last")))
    assert result.ok, result.message
    assert result.nodes["last"].outputs["result"][0].value == "11 22 33 44"


def test_channels_side_by_side_have_equally_many_items(world: World) -> None:
    with ForEach([1, 2], name="twice") as n:
        file = rows(n=n, node_id="file")
    one = rows(n=5, node_id="one")
    with ForEach({"a": file.outputs["file"], "b": one.outputs["file"]}, name="pairs") as pair:
        inside = count_rows(file=pair["a"], node_id="inside")
    result = LocalRunner(isolation="main").run(world.pipeline(inside))
    assert (result.nodes["pairs"].state, result.nodes["inside"].state) == ("FAILED", "SKIPPED")
    assert "the channels have different numbers of items (a: 2, b: 1)" in str(result.nodes["pairs"].message)


@pytest.mark.parametrize("isolation", ["thread", "process"])
def test_a_cancelled_run_ends_its_processes_and_still_says_goodbye(world: World, isolation: str) -> None:
    bye = told(status=FinalStatus(), folder=str(world.folder), node_id="bye").with_settings(isolation=isolation)
    slow = nap(seconds=60.0, node_id="slow").with_settings(isolation="process")
    after = add(a=slow.outputs["result"], node_id="after")
    pipeline = world.pipeline(after, on_exit=[bye])

    def cancel(event: RunEvent) -> None:
        if event.kind == "node_started" and event.node_id == "slow":
            store = MetadataStore(world.metadata)
            request_cancel(store, event.run_id)
            store.close()

    result = LocalRunner().run(pipeline, on_event=cancel)
    assert result.status == "CANCELED"
    states = {one: node.state for one, node in result.nodes.items()}
    assert states == {"slow": "CANCELED", "after": "CANCELED", "bye": "COMPLETE"}, result.nodes["bye"].message
    assert (world.folder / "told").read_text() == "CANCELLED ['after', 'slow']"
    store = MetadataStore(world.metadata)
    assert {n.node_id: n.state for n in RunStore(store).run(result.run_id).nodes} == states
    store.close()


@pytest.mark.parametrize(
    ("node", "says"),
    [
        (
            lambda many: add(a=many.value[0], node_id="late"),
            "argument 'a' takes int, but was given a value of type str",
        ),
        (lambda many: add(a=many.value[1], node_id="late"), "argument 'a' takes int, but was given None"),
        (
            lambda many: add(a=many.value[2], node_id="late"),
            "argument 'a' takes int, but was given a value of type bool",
        ),
        (lambda many: text(value=many.value[3], node_id="late"), "takes str, but was given a value of type int"),
        (lambda many: total(values=[many], node_id="late"), None),
    ],
)
def test_types_that_are_known_late_are_checked(world: World, node: Callable[..., object], says: str | None) -> None:
    made = up_to(n=0, node_id="made") if says is None else mixed(node_id="made")
    result = LocalRunner(isolation="main").run(world.pipeline(node(made.outputs["result"])))
    late = result.nodes["late"]
    assert late.state == ("COMPLETE" if says is None else "FAILED")
    assert says is None or says in str(late.message)


@component
def mixed() -> list:  # type: ignore[type-arg]
    return ["x", None, True, 4]


def test_a_node_that_takes_the_runs_id_runs_every_time(world: World) -> None:
    pipeline = world.pipeline(text(value=RunInfo("run_id") + "/" + RunInfo("node_id"), node_id="said"))
    results = [LocalRunner(isolation="main").run(pipeline) for _ in range(2)]
    assert [r.nodes["said"].state for r in results] == ["COMPLETE", "COMPLETE"]
    assert [r.nodes["said"].outputs["result"][0].value for r in results] == [f"{r.run_id}/said" for r in results]


def test_a_part_of_a_line_whose_past_is_missing_says_so(world: World) -> None:
    first = number(value=1, node_id="first")
    with Cond(first.outputs["result"].value == 1), ForEach([1, 2], name="loop") as item:
        one = add(a=item, b=first.outputs["result"], node_id="one")
    pipeline: Pipeline = world.pipeline(total(values=one.outputs["result"], node_id="last"))
    result = LocalRunner(isolation="main").run(pipeline, from_nodes=["last"])
    assert result.nodes["first"].state == "FAILED"
    assert "which has never succeeded" in str(result.nodes["first"].message)
    assert {result.nodes[one].state for one in ("loop", "one", "last")} == {"SKIPPED"}
