"""The state machine of a run: laws that hold for any graph, any outcome of any node, and any order of finishing."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from trueline.pipeline.compile import CompiledInput, CompiledNode, CompiledPipeline
from trueline.pipeline.passes import expand, pass_id, passes_seen
from trueline.pipeline.schedule import Schedule

SUCCESS = {"COMPLETE", "CACHED", "REUSED"}
TRIGGERS = ("all_success", "all_done", "any_success", "any_failed")


def node(name: str, upstream: tuple[str, ...] = (), loops: tuple[str, ...] = (), **more: Any) -> CompiledNode:
    """A node as the schedule sees it; `wired` names producers of a required input."""
    wired, trigger = more.pop("wired", ()), more.pop("trigger", "all_success")
    inputs = {"x": CompiledInput("T", False, tuple((one, "result") for one in wired))} if wired else {}
    return CompiledNode(
        id=name,
        type="t",
        system=more.pop("system", None),
        executor=None,
        fingerprint=None,
        params=more.pop("params", {}),
        inputs=inputs,
        outputs={},
        upstream=tuple(sorted({*upstream, *loops, *wired})),
        location="",
        loops=loops,
        settings={} if trigger == "all_success" else {"trigger": trigger},
        **more,
    )


def plan_of(*nodes: CompiledNode) -> CompiledPipeline:
    return CompiledPipeline("p", "", "", True, nodes, {})


@dataclass(frozen=True)
class Case:
    """A plan, and what would become of each pass: its state, and the items of loops."""

    plan: CompiledPipeline
    seed: int

    def outcome(self, one: CompiledNode) -> tuple[str, int | None]:
        draw = random.Random(f"{self.seed}/{one.id}")
        state = draw.choice(["COMPLETE", "COMPLETE", "COMPLETE", "CACHED", "FAILED", "OMITTED"])
        return state, draw.randrange(4) if one.system == "loop" and state in SUCCESS else None


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Nodes in topological order; loops as nodes, up to two around another; each node waits for earlier ones."""
    made: list[CompiledNode] = []
    for number in range(draw(st.integers(1, 9))):
        loops: tuple[str, ...] = ()
        open_loops = [one for one in made if one.system == "loop" and len(one.loops) < 2]
        if open_loops and draw(st.booleans()):
            around = draw(st.sampled_from(open_loops))
            loops = (*around.loops, around.id)
        before = [one.id for one in made]
        upstream = tuple(draw(st.lists(st.sampled_from(before), max_size=3, unique=True))) if before else ()
        wired = tuple(one for one in upstream if draw(st.booleans()))
        if draw(st.integers(0, 3)) == 0:
            parallel = draw(st.sampled_from([None, None, 1, 2]))
            made.append(node(f"L{number}", upstream, loops, system="loop", params={"parallel": parallel}))
        else:
            trigger = draw(st.sampled_from(("all_success", *TRIGGERS)))
            made.append(node(f"n{number}", upstream, loops, wired=wired, trigger=trigger))
    last = [node(f"end{n}", ("end0",) * n, on_exit=True) for n in range(draw(st.integers(0, 2)))]
    return Case(plan_of(*made, *last), draw(st.integers(0, 2**16)))


def carried_out(case: Case, order: random.Random, workers: int) -> dict[str, tuple[str, str]]:
    """Drives a run to its end, nodes finishing in a random order; states and reasons by pass."""
    schedule = Schedule(case.plan)
    running: dict[str, CompiledNode] = {}
    ended: dict[str, tuple[str, str]] = {}

    def finish(one: CompiledNode, state: str, because: str, items: int | None = None) -> None:
        assert one.id not in ended, f"{one.id} ended twice"
        ended[one.id] = (state, because)
        schedule.finished(one.id, state, items)

    while not schedule.over:
        decisions = schedule.decide()
        order.shuffle(decisions)
        progressed = False
        for decision in decisions:
            one = decision.node
            assert one.id not in running
            check_waited(case.plan, schedule, one, ended)
            if decision.action == "run":
                if len(running) >= workers:
                    continue
                running[one.id] = one
                schedule.started(one.id)
            else:
                if decision.action == "skip":
                    schedule.blame(one.id, decision.because)
                finish(one, {"skip": "SKIPPED", "omit": "OMITTED"}[decision.action], decision.because)
            progressed = True
        assert running or progressed, f"standstill; ended: {ended}"
        if running and (not progressed or order.random() < 0.7):
            one = running.pop(order.choice(sorted(running)))
            state, items = case.outcome(one)
            finish(one, state, "", items)
    return ended


def check_waited(
    plan: CompiledPipeline, schedule: Schedule, one: CompiledNode, ended: Mapping[str, tuple[str, str]]
) -> None:
    """Nothing is decided before what it waits for has ended; nodes for the end come after all others."""
    if one.loops and not one.index:
        return
    for before in one.upstream:
        seen = passes_seen(plan, one, before, schedule.counts)
        assert seen is not None
        assert set(seen) <= set(ended)
    if one.on_exit:
        assert all(p.id in ended for n in plan.nodes if not n.on_exit for p in schedule.passes(n))


@given(cases(), st.randoms(use_true_random=False), st.integers(1, 4))
@settings(max_examples=150, deadline=None)
def test_a_run_ends_and_its_end_does_not_depend_on_the_order_of_finishing(
    case: Case, order: random.Random, workers: int
) -> None:
    first = carried_out(case, order, workers)
    for again in (random.Random(1), random.Random(2)):
        assert {k: v[0] for k, v in carried_out(case, again, 3).items()} == {k: v[0] for k, v in first.items()}
    counted = Schedule(case.plan)
    for one, (state, _) in first.items():
        if case.plan.node(one.partition("[")[0]).system == "loop":
            items = None
            for candidate in counted.passes(case.plan.node(one.partition("[")[0])):
                if candidate.id == one and state in SUCCESS:
                    items = case.outcome(candidate)[1]
            counted.finished(one, state, items)
    everything = {one.id for n in case.plan.nodes for one in counted.passes(n)}
    assert everything <= set(first)


@given(cases(), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_the_order_of_the_plan_changes_no_state(case: Case, order: random.Random) -> None:
    """Any topological order of the same graph ends the same."""
    rest, sorted_again = list(case.plan.nodes), list[CompiledNode]()
    while rest:
        done = {one.id for one in sorted_again}
        ready = [one for one in rest if set(one.upstream) <= done and (not one.on_exit or all(r.on_exit for r in rest))]
        chosen = order.choice(ready)
        sorted_again.append(chosen)
        rest.remove(chosen)
    other = replace(case, plan=replace(case.plan, nodes=tuple(sorted_again)))
    states = [{k: v[0] for k, v in carried_out(c, random.Random(3), 2).items()} for c in (case, other)]
    assert states[0] == states[1]


@given(cases(), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_a_run_that_is_taken_up_ends_as_if_it_had_never_stopped(case: Case, order: random.Random) -> None:
    whole = carried_out(case, order, 2)
    schedule = Schedule(case.plan)
    while not schedule.over:
        for decision in schedule.decide():
            one = decision.node
            state, items = case.outcome(one) if decision.action == "run" else (decision.action.upper(), None)
            state = {"SKIP": "SKIPPED", "OMIT": "OMITTED"}.get(state, state)
            schedule.finished(one.id, state, items)
            schedule = Schedule(case.plan, schedule.ended, schedule.counts)  # nothing else is remembered
            break
    ended = {one: state for one, state in schedule.ended.items() if one in whole}
    assert ended == {one: state for one, (state, _) in whole.items()}


def brute_seen(producer: CompiledNode, consumer: CompiledNode, counts: Mapping[str, int]) -> list[str] | None:
    """By the definition: all passes of the producer that agree with the consumer's pass in every shared loop."""
    passes, complete = expand(producer, counts)
    shared = 0
    for mine, its in zip(consumer.loops[: len(consumer.index)], producer.loops, strict=False):
        if mine != its:
            break
        shared += 1
    fitting = [one for one in passes if one.index[:shared] == consumer.index[:shared]]
    return [one.id for one in fitting] if complete else None


@given(st.lists(st.integers(0, 3), min_size=4, max_size=4), st.integers(0, 2), st.integers(0, 2), st.booleans())
@settings(max_examples=200, deadline=None)
def test_the_passes_that_a_consumer_sees(items: list[int], mine: int, its: int, other: bool) -> None:
    outer, inner = node("L", system="loop"), node("M", (), ("L",), system="loop")
    apart = node("K", system="loop")
    producer = node("p", (), ("L", "M")[:its])
    consumer = node("c", ("p",), ("K",) if other else ("L", "M")[:mine])
    plan = plan_of(outer, inner, apart, producer, consumer)
    counts = {"L": items[0], "K": items[1], **{f"M[{n}]": items[2 + n % 2] for n in range(items[0])}}
    for one in expand(consumer, counts)[0]:
        assert passes_seen(plan, one, "p", counts) == brute_seen(producer, one, counts)


def test_passes_of_loops_that_are_not_counted_are_not_known() -> None:
    plan = plan_of(node("L", system="loop"), node("p", (), ("L",)), node("c", ("p",)))
    assert passes_seen(plan, plan.node("c"), "p", {}) is None
    assert passes_seen(plan, plan.node("c"), "p", {"L": 0}) == []
    assert expand(plan.node("p"), {}) == ([], False)
    assert pass_id("p", (1, 2)) == "p[1][2]"


def test_passes_in_turn() -> None:
    """Two at once, in the order of the items; the third waits for the whole of an earlier pass."""
    loop = node("L", system="loop", params={"parallel": 2})
    plan = plan_of(loop, node("a", (), ("L",)), node("b", ("a",), ("L",)))
    schedule = Schedule(plan)
    schedule.started("L")
    schedule.finished("L", "COMPLETE", 4)

    def may_run() -> list[str]:
        return [decision.node.id for decision in schedule.decide()]

    assert may_run() == ["a[0]", "a[1]"]
    schedule.finished("a[1]", "COMPLETE")
    assert may_run() == ["a[0]", "b[1]"]
    schedule.finished("b[1]", "COMPLETE")
    assert may_run() == ["a[0]", "a[2]"]
    schedule.finished("a[0]", "FAILED")
    assert [(d.node.id, d.action) for d in schedule.decide()] == [("a[2]", "run"), ("b[0]", "skip")]


def test_a_loop_that_is_left_and_entered_again_takes_turns_in_each_stage() -> None:
    loop = node("L", system="loop", params={"parallel": 1})
    plan = plan_of(loop, node("a", (), ("L",)), node("all", ("a",)), node("b", ("all",), ("L",)))
    schedule, ran = Schedule(plan), list[str]()
    while not schedule.over:
        decisions = schedule.decide()
        assert len(decisions) == 1
        ran.append(decisions[0].node.id)
        schedule.finished(ran[-1], "COMPLETE", 2)
    assert ran == ["L", "a[0]", "a[1]", "all", "b[0]", "b[1]"]


def test_the_node_to_blame_is_the_one_that_failed() -> None:
    plan = plan_of(node("a"), node("b", ("a",)), node("c", ("b",)))
    schedule = Schedule(plan)
    schedule.finished("a", "FAILED")
    (skipped,) = schedule.decide()
    schedule.blame("b", skipped.because)
    schedule.finished("b", "SKIPPED")
    assert [(d.action, d.because) for d in schedule.decide()] == [("skip", "a")]


def test_each_trigger_against_each_state_before_it() -> None:
    wanted = {
        "all_success": {"COMPLETE": "run", "FAILED": "skip", "OMITTED": "run"},
        "all_done": {"COMPLETE": "run", "FAILED": "run", "OMITTED": "run"},
        "any_success": {"COMPLETE": "run", "FAILED": "skip", "OMITTED": "omit"},
        "any_failed": {"COMPLETE": "omit", "FAILED": "run", "OMITTED": "omit"},
    }
    for trigger, by_state in wanted.items():
        for state, action in by_state.items():
            schedule = Schedule(plan_of(node("a"), node("b", ("a",), trigger=trigger)))
            schedule.finished("a", state)
            (decision,) = schedule.decide()
            assert (trigger, state, decision.action) == (trigger, state, action)
            assert (decision.because == "") == (action == "run")
