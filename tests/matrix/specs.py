"""The shapes of the matrix as data: what is built, and how its run ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from matrix_nodes import (
    add,
    broken,
    count_rows,
    fails_first,
    halves,
    nap,
    needs_file,
    number,
    ordered,
    rows,
    text,
    told,
    total,
    up_to,
)

from trueline.pipeline import (
    Approval,
    Channel,
    Cond,
    FinalStatus,
    ForEach,
    Pipeline,
    PipelineInputs,
    RunInfo,
    RuntimeParameter,
)
from trueline.pipeline.placeholders import join, make_list

__all__ = ["SPECS", "Spec", "World"]


@dataclass(frozen=True)
class World:
    """Where a pipeline of the matrix lives; `folder` is a local folder outside of it."""

    root: str
    metadata: str
    folder: Path

    def pipeline(self, *nodes: Any, **more: Any) -> Pipeline:
        return Pipeline("line", nodes, root=self.root, metadata=self.metadata, **more)


@dataclass(frozen=True)
class Spec:
    """One shape.

    Attributes:
        build: makes the pipeline.
        states: of every node (every pass); nodes that are not named are COMPLETE.
        values: of nodes' output ``result``.
        status: how the run ends.
        again: states of a second run where they are not CACHED (loops, conditions and failures stay).
        runtime: runtime parameters of the run.
        last: the node that a partial run begins with, or None.
        partial: states of that partial run that are not COMPLETE, CACHED or REUSED.
        mend: a file that, once it is there, lets a resumed run succeed.
        resumed: states after that, where they are not COMPLETE or CACHED.
    """

    name: str
    build: Callable[[World], Pipeline]
    states: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)
    status: str = "COMPLETE"
    again: Mapping[str, str] = field(default_factory=dict)
    runtime: Mapping[str, Any] = field(default_factory=dict)
    last: str | None = None
    partial: Mapping[str, str] = field(default_factory=dict)
    mend: str | None = None
    resumed: Mapping[str, str] = field(default_factory=dict)


def _out(node: Any, key: str = "result") -> Channel:
    return node.outputs[key]  # type: ignore[no-any-return]


def linear(world: World) -> Pipeline:
    first = number(value=3, node_id="first")
    file = rows(n=_out(first), node_id="file")
    return world.pipeline(count_rows(file=_out(file, "file"), node_id="count"))


def diamond(world: World) -> Pipeline:
    first = halves(n=7, node_id="first")
    left = add(a=_out(first, "low"), b=10, node_id="left")
    right = add(a=_out(first, "high"), b=20, node_id="right")
    return world.pipeline(add(a=_out(left), b=_out(right), node_id="last"))


def wide(world: World) -> Pipeline:
    first = number(value=1, node_id="first")
    middle = [add(a=_out(first), b=n, node_id=f"n{n}") for n in range(12)]
    return world.pipeline(total(values=[_out(node) for node in middle], node_id="last"))


def properties(world: World) -> Pipeline:
    file = rows(n=4, node_id="file")
    made = _out(file, "file")
    spanned = add(a=made.property("span"), b=made.future()[0].property("span"), node_id="spanned")
    named = text(value=join([made.property("origin"), ":", _out(spanned)]), node_id="named")
    values = make_list([_out(spanned), made.property("span"), 5])
    return world.pipeline(named, total(values=values, node_id="summed"))


def condition_true(world: World) -> Pipeline:
    first = number(value=3, node_id="first")
    with Cond(_out(first).value > 2):
        inside = add(a=_out(first), b=1, node_id="inside")
    return world.pipeline(add(a=_out(inside), b=1, node_id="after"))


def condition_false(world: World) -> Pipeline:
    first = number(value=2, node_id="first")
    with Cond((_out(first).value > 2) | (_out(first).value == 0)):
        inside = add(a=_out(first), b=1, node_id="inside")
    after = add(a=_out(inside), b=1, node_id="after")
    return world.pipeline(after, number(value=9, node_id="beside"), number(value=8, node_id="later").after(inside))


def condition_nested(world: World) -> Pipeline:
    first = number(value=3, node_id="first")
    with Cond(_out(first).value >= 3):
        second = add(a=_out(first), b=1, node_id="second")
        with Cond(~(_out(second).value == 4)):
            never = add(a=_out(second), node_id="never")
        with Cond((_out(second).value == 4) & (_out(first).value != 4)):
            third = add(a=_out(second), b=1, node_id="third")
    return world.pipeline(never, third)


def loop_static(world: World) -> Pipeline:
    with ForEach([5, 6, 7], name="loop") as item:
        one = add(a=item, b=100, node_id="one")
        two = add(a=_out(one), b=item, node_id="two")
    return world.pipeline(ordered(numbers=_out(two), node_id="all"), total(values=_out(one), node_id="summed"))


def loop_dynamic(world: World) -> Pipeline:
    many = up_to(n=RuntimeParameter("many", int, 2), node_id="many")
    with ForEach(_out(many), name="loop") as item:
        one = add(a=item, b=1, node_id="one")
    return world.pipeline(total(values=_out(one), node_id="summed"))


def loop_records(world: World) -> Pipeline:
    with ForEach([{"n": 1, "f": [10, 20]}, {"n": 2, "f": [30, 40]}], name="loop") as item:
        one = add(a=item["n"], b=item["f"][1], node_id="one")
    return world.pipeline(ordered(numbers=_out(one), node_id="all"))


def loop_over_artifacts(world: World) -> Pipeline:
    with ForEach([1, 2], name="making") as n:
        file = rows(n=n, node_id="file")
    with ForEach(_out(file, "file"), name="reading") as made:
        count = count_rows(file=made, node_id="count")
        span = add(a=made.property("span"), b=_out(count), node_id="span")
    return world.pipeline(ordered(numbers=_out(span), node_id="all"))


def loop_without_items(world: World) -> Pipeline:
    none = up_to(n=0, node_id="none")
    with ForEach(_out(none), name="loop") as item:
        one = add(a=item, node_id="one")
        two = add(a=_out(one), node_id="two")
    return world.pipeline(total(values=_out(two), node_id="summed"), number(value=1, node_id="later").after(two))


def loop_nested(world: World) -> Pipeline:
    with ForEach([1, 2], name="outer") as a:
        some = up_to(n=a, node_id="some")
        with ForEach(_out(some), name="inner") as b:
            one = add(a=a, b=b, node_id="one")
        per = total(values=_out(one), node_id="per")
    return world.pipeline(ordered(numbers=_out(one), node_id="all"), total(values=_out(per), node_id="summed"))


def loop_in_turn(world: World) -> Pipeline:
    """What waits for all passes feeds the same loop again: turns must not wait for that."""
    with ForEach([1, 2, 3], name="loop", parallel=1) as item:
        one = add(a=item, b=1, node_id="one")
    every = total(values=_out(one), node_id="every")
    with ForEach([1, 2, 3], name="second", parallel=1) as other:
        two = add(a=other, b=_out(every), node_id="two")
        three = add(a=_out(two), b=1, node_id="three")
    return world.pipeline(total(values=_out(three), node_id="summed"))


def condition_in_loop(world: World) -> Pipeline:
    with ForEach([1, 2, 3], name="loop") as item:
        one = add(a=item, node_id="one")
        with Cond(_out(one).value != 2):
            two = add(a=_out(one), b=10, node_id="two")
    return world.pipeline(total(values=_out(two), node_id="summed"))


def loop_in_condition(world: World) -> Pipeline:
    first = number(value=0, node_id="first")
    with Cond(_out(first).value > 0), ForEach([1, 2], name="loop") as item:
        one = add(a=item, node_id="one")
    return world.pipeline(total(values=_out(one), node_id="summed"))


def loop_with_failure(world: World) -> Pipeline:
    with ForEach([1, 2], name="loop") as item:
        one = add(a=item, node_id="one")
        with Cond(item == 2):
            bad = needs_file(path=str(world.folder / "mended"), n=_out(one), node_id="bad")
        after = add(a=_out(bad), node_id="after")
    return world.pipeline(total(values=_out(after), node_id="summed"), number(value=1, node_id="beside"))


def _part(name: str, given: Channel, by: int) -> Pipeline:
    inputs = PipelineInputs({"n": given})
    inner = add(a=inputs["n"], b=by, node_id="inner")
    return Pipeline(name, [inner], inputs=inputs, outputs={"n": _out(inner)})


def sub_pipelines(world: World) -> Pipeline:
    """A pipeline in a pipeline in a pipeline."""
    first = number(value=1, node_id="first")
    inputs = PipelineInputs({"n": _out(first)})
    before = add(a=inputs["n"], b=1, node_id="before")
    deep = _part("deep", _out(before), 10)
    middle = Pipeline("middle", [deep], inputs=inputs, outputs={"n": deep.outputs["n"]})
    return world.pipeline(middle, add(a=middle.outputs["n"], b=100, node_id="last"))


def sub_pipeline_in_loop(world: World) -> Pipeline:
    with ForEach([1, 2], name="loop") as item:
        first = number(value=item, node_id="first")
        part = _part("part", _out(first), 10)
    return world.pipeline(part, total(values=part.outputs["n"], node_id="summed"))


def failing(world: World) -> Pipeline:
    """A node that fails, with each rule of when the nodes after it start."""
    good = number(value=1, node_id="good")
    bad = broken(node_id="bad")

    def after(trigger: str) -> Any:
        return number(value=5, node_id=trigger).after(good, bad).with_settings(trigger=trigger)

    nodes = [after(trigger) for trigger in ("all_success", "all_done", "any_success", "any_failed")]
    alone = number(value=6, node_id="no_failure").after(good).with_settings(trigger="any_failed")
    needs = add(a=_out(bad), node_id="needs").with_settings(trigger="all_done")
    return world.pipeline(*nodes, alone, needs, add(a=_out(needs), node_id="further"))


def retrying(world: World) -> Pipeline:
    tries = fails_first(folder=str(world.folder), times=2, node_id="tries")
    return world.pipeline(add(a=_out(tries.with_settings(retries=2, backoff=0.01)), node_id="after"))


def too_slow(world: World) -> Pipeline:
    slow = nap(seconds=60.0, node_id="slow").with_settings(timeout=0.2)
    return world.pipeline(add(a=_out(slow), node_id="after"))


def exit_after_success(world: World) -> Pipeline:
    bye = told(status=FinalStatus(), folder=str(world.folder), node_id="bye")
    return world.pipeline(number(value=1, node_id="work"), on_exit=[bye])


def exit_after_failure(world: World) -> Pipeline:
    bye = told(status=FinalStatus(), folder=str(world.folder), node_id="bye")
    late = text(value=FinalStatus()["state"], node_id="late").after(bye)
    return world.pipeline(add(a=_out(broken(node_id="bad")), node_id="work"), on_exit=[bye, late])


def runtime_parameters(world: World) -> Pipeline:
    n, name = RuntimeParameter("n", int, 1), RuntimeParameter("name", str)
    return world.pipeline(
        add(a=n, b=n + 1, node_id="summed"), text(value=RunInfo("pipeline") + "/" + name, node_id="named")
    )


def dynamic_parameters(world: World) -> Pipeline:
    first = halves(n=9, node_id="first")
    low, high = _out(first, "low").value, _out(first, "high").value
    chosen = number(value=make_list([low, high])[1], node_id="chosen")
    return world.pipeline(add(a=low + high, b=_out(chosen).value, node_id="summed"))


def approval(world: World) -> Pipeline:
    """One question is answered by the clock with yes, one with no."""
    first = number(value=1, node_id="first")
    yes = Approval("Go on?", _out(first), timeout=0.05, on_timeout="approve", node_id="yes")
    with Cond(_out(yes, "decision").value["approved"] == True):  # noqa: E712 - a placeholder
        inside = add(a=_out(first), node_id="inside")
    no = Approval("And this?", _out(inside), timeout=0.05, on_timeout="reject", node_id="no")
    return world.pipeline(number(value=2, node_id="never").after(no), number(value=3, node_id="pushed").after(yes))


def resumed(world: World) -> Pipeline:
    first = number(value=1, node_id="first")
    bad = needs_file(path=str(world.folder / "mended"), n=_out(first), node_id="bad")
    return world.pipeline(add(a=_out(bad), b=1, node_id="after"), add(a=_out(first), node_id="beside"))


SPECS: tuple[Spec, ...] = (
    Spec(
        "approval",
        approval,
        {"no": "FAILED", "never": "SKIPPED"},
        {"inside": 1, "pushed": 3},
        "FAILED",
        last="pushed",
    ),
    Spec("linear", linear, values={"count": 3}, last="count"),
    Spec("diamond", diamond, values={"last": 37}, last="last"),
    Spec("wide", wide, values={"last": 78}, last="last"),
    Spec("properties", properties, values={"spanned": 8, "named": "matrix:8", "summed": 17}, last="named"),
    Spec("condition-true", condition_true, values={"inside": 4, "after": 5}, last="inside"),
    Spec(
        "condition-false",
        condition_false,
        {"inside": "OMITTED", "after": "OMITTED"},
        {"beside": 9, "later": 8},
        last="inside",
        partial={"inside": "OMITTED", "after": "OMITTED"},
    ),
    Spec(
        "condition-nested",
        condition_nested,
        {"never": "OMITTED"},
        {"second": 4, "third": 5},
        last="third",
    ),
    Spec(
        "loop-static",
        loop_static,
        values={"one[0]": 105, "two[2]": 114, "all": [110, 112, 114], "summed": 318},
        last="all",
    ),
    Spec("loop-dynamic", loop_dynamic, values={"one[3]": 4, "summed": 10}, runtime={"many": 4}, last="summed"),
    Spec("loop-records", loop_records, values={"all": [21, 42]}, last="one"),
    Spec("loop-over-artifacts", loop_over_artifacts, values={"count[1]": 2, "all": [2, 4]}, last="span"),
    Spec(
        "loop-without-items",
        loop_without_items,
        {"one": "OMITTED", "two": "OMITTED", "summed": "OMITTED"},
        {"later": 1},
        last="loop",
        partial={"one": "OMITTED", "two": "OMITTED", "summed": "OMITTED"},
    ),
    Spec(
        "loop-nested",
        loop_nested,
        values={"one[1][1]": 3, "per[0]": 1, "all": [1, 2, 3], "summed": 6},
        last="per",
    ),
    Spec("loop-in-turn", loop_in_turn, values={"every": 9, "summed": 36}, last="two"),
    Spec(
        "condition-in-loop",
        condition_in_loop,
        {"two[1]": "OMITTED"},
        {"summed": 24},
        last="two",
        partial={"two[1]": "OMITTED"},
    ),
    Spec(
        "loop-in-condition",
        loop_in_condition,
        {"loop": "OMITTED", "one": "OMITTED", "summed": "OMITTED"},
        last="one",
        partial={"loop": "OMITTED", "one": "OMITTED", "summed": "OMITTED"},
    ),
    Spec(
        "loop-with-failure",
        loop_with_failure,
        {"bad[0]": "OMITTED", "after[0]": "OMITTED", "bad[1]": "FAILED", "after[1]": "SKIPPED", "summed": "SKIPPED"},
        {"beside": 1},
        "FAILED",
        mend="mended",
        resumed={"bad[0]": "OMITTED", "after[0]": "OMITTED"},
    ),
    Spec(
        "sub-pipelines",
        sub_pipelines,
        values={"middle.before": 2, "middle.deep.inner": 12, "last": 112},
        last="middle.deep.inner",
    ),
    Spec("sub-pipeline-in-loop", sub_pipeline_in_loop, values={"part.inner[1]": 12, "summed": 23}, last="summed"),
    Spec(
        "failing",
        failing,
        {
            "bad": "FAILED",
            "all_success": "SKIPPED",
            "needs": "SKIPPED",
            "further": "SKIPPED",
            "no_failure": "OMITTED",
        },
        {"all_done": 5, "any_success": 5, "any_failed": 5},
        "FAILED",
    ),
    Spec("retrying", retrying, values={"tries": 3, "after": 3}, last="after"),
    Spec("too-slow", too_slow, {"slow": "FAILED", "after": "SKIPPED"}, status="FAILED"),
    Spec("exit-after-success", exit_after_success, values={"bye": "SUCCEEDED"}),
    Spec(
        "exit-after-failure",
        exit_after_failure,
        {"bad": "FAILED", "work": "SKIPPED"},
        {"bye": "FAILED", "late": "FAILED"},
        "FAILED",
    ),
    Spec(
        "runtime-parameters",
        runtime_parameters,
        values={"summed": 9, "named": "line/x"},
        runtime={"n": "4", "name": "x"},
        last="summed",
    ),
    Spec("dynamic-parameters", dynamic_parameters, values={"chosen": 5, "summed": 14}, last="summed"),
    Spec(
        "resumed",
        resumed,
        {"bad": "FAILED", "after": "SKIPPED"},
        {"beside": 1},
        "FAILED",
        mend="mended",
    ),
)
