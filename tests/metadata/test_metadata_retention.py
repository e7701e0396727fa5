"""What a garbage collection keeps, why, and what it takes: only files below the root of the run that made them."""

from __future__ import annotations

import gzip
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1]))
from registry_world import World

from trueline._core.errors import ConfigError, MetadataError
from trueline.metadata import (
    Artifact,
    ArtifactState,
    Event,
    EventType,
    Execution,
    ExecutionState,
    GcPolicy,
    GcResult,
    MetadataStore,
    collect,
    pin,
    pins,
    plan_gc,
    promote,
    release_pushed,
    rollback,
    unpin,
)
from trueline.metadata.deletion import mark
from trueline.metadata.own_tables import run as run_table
from trueline.metadata.places import Occupied, bytes_of, place_problem
from trueline.metadata.run_rows import open_execution
from trueline.metadata.sweep import leftovers, sweep, work_dir_of
from trueline.pipeline.run_context import RunContext


def gone(world: World) -> set[int]:
    return {number for number, state in world.states().items() if state == "DELETED"}


def why(world: World, number: int, policy: GcPolicy) -> str | None:
    return next((kept.why for kept in plan_gc(world.store, policy).kept if kept.artifact_id == number), None)


BARE = GcPolicy(keep_last=1, keep_blessed=False)


def test_the_last_runs_stay_and_what_goes_is_gone_with_its_bytes(world: World) -> None:
    done = [world.run(span=span, blessed=False) for span in (1, 2, 3)]
    plan = plan_gc(world.store, GcPolicy(keep_last=2))
    assert {item.artifact_id for item in plan.doomed} == set(done[0].values())
    assert plan.total_bytes == sum(bytes_of(world.uri(number)) for number in done[0].values()) > 500
    assert set(world.states().values()) == {"LIVE"}, "a plan changes nothing"
    result = collect(world.store, GcPolicy(keep_last=2))
    assert (gone(world), result.bytes, result.failed) == (set(done[0].values()), plan.total_bytes, ())
    world.consistent()
    assert collect(world.store, GcPolicy(keep_last=2)).deleted == ()


def test_failed_runs_do_not_push_out_good_ones(world: World) -> None:
    good = world.run(span=1, blessed=False)
    bad = [world.run(span=span, blessed=False, status="FAILED") for span in (2, 3, 4)]
    assert plan_gc(world.store, BARE).doomed == ()
    newest = world.run(span=5, blessed=False)
    collect(world.store, BARE)
    assert gone(world) == {*good.values(), *(number for done in bad for number in done.values())}
    assert gone(world).isdisjoint(newest.values())


def test_sampled_runs_are_counted_by_themselves(world: World) -> None:
    full = world.run(span=1, blessed=False)
    samples = [world.run(span=span, blessed=False, sample=5) for span in (1, 2, 3)]
    collect(world.store, BARE)
    assert gone(world) == {number for done in samples[:2] for number in done.values()}
    assert gone(world).isdisjoint(full.values())


def test_blessed_models_stay_with_all_that_they_were_made_of_and_their_verdicts(world: World) -> None:
    blessed, refused, last = world.run(span=1), world.run(span=2, blessed=False), world.run(span=3, blessed=False)
    policy = GcPolicy(keep_last=1)
    assert why(world, blessed["model"], policy) == "it is blessed"
    assert why(world, blessed["examples"], policy) == f"Model {blessed['model']} was made of it"
    assert why(world, blessed["evaluation"], policy) == f"it judges Model {blessed['model']}"
    assert why(world, blessed["pushed_model"], policy) == f"it says where Model {blessed['model']} was pushed"
    collect(world.store, policy)
    assert gone(world) == set(refused.values())
    assert gone(world).isdisjoint(last.values())


def test_how_far_up_is_a_choice(world: World) -> None:
    done = world.run(span=1)
    world.run(span=2, blessed=False)
    told = {"blessing", "evaluation", "pushed_model"}  # verdicts of what is kept have no depth
    above = {0: set(), 1: {"examples", "schema"}, 2: {"examples", "schema", "statistics"}}
    for depth, kept in (*above.items(), (None, above[2])):
        doomed = {item.artifact_id for item in plan_gc(world.store, GcPolicy(keep_last=1, depth=depth)).doomed}
        assert {name for name, number in done.items() if number not in doomed} == kept | told | {"model"}, depth


def test_without_keep_blessed_the_newest_blessed_model_is_still_the_next_baseline(world: World) -> None:
    first, second = world.run(span=1), world.run(span=2)
    world.run(span=3, blessed=False)
    collect(world.store, BARE)
    assert first["model"] in gone(world)
    assert second["model"] not in gone(world)


def test_what_was_pushed_last_stays_whatever_was_said_of_it(world: World) -> None:
    first, second = (world.run(span=span, blessed=None) for span in (1, 2))
    elsewhere = world.run(span=3, blessed=None, push="elsewhere")
    world.run(span=4, blessed=False)
    collect(world.store, BARE)
    assert first["model"] in gone(world)
    assert {second["model"], second["pushed_model"], elsewhere["model"]} & gone(world) == set()


def test_refused_later_is_refused_and_the_verdict_that_says_so_stays_while_the_model_does(world: World) -> None:
    done = world.run(span=1)
    again = world.begin()
    later = world.judge(again, done, False, {"auc": 0.1})
    world.runs.finish(again, "COMPLETE")
    world.run(span=2, blessed=False)
    pin(world.store, done["model"])
    collect(world.store, GcPolicy(keep_last=1))
    assert {done["model"], later["blessing"]} & gone(world) == set()
    assert done["blessing"] in gone(world), "the older verdict no longer counts"


def test_names_pins_production_and_the_way_back_keep_their_models(world: World) -> None:
    done = [world.run(span=span) for span in range(1, 7)]
    release_pushed(world.store)
    for version in ("1.0.0", "1.0.1", "1.0.2"):
        promote(world.store, "taxi", version)
    promote(world.store, "taxi", "1.0.3", alias="challenger")
    pin(world.store, done[4]["schema"], "for the audit")
    world.run(span=7, blessed=False)
    policy = BARE
    assert why(world, done[0]["model"], policy) is None
    assert why(world, done[1]["model"], policy) == "a rollback of taxi goes to release 1.0.1"
    assert why(world, done[2]["model"], policy) == "alias champion of taxi"
    assert why(world, done[3]["model"], policy) == "alias challenger of taxi"
    assert why(world, done[4]["schema"], policy) == "it is pinned: for the audit"
    assert why(world, done[4]["statistics"], policy) == f"Schema {done[4]['schema']} was made of it"
    assert why(world, done[4]["model"], policy) is None
    assert why(world, done[5]["model"], policy) == "the newest blessed model of taxi"
    collect(world.store, policy)
    world.consistent()
    assert rollback(world.store, "taxi").release.artifact_id == done[1]["model"]


def test_pins_come_and_go(world: World) -> None:
    done = world.run(blessed=False)
    world.run(span=2, blessed=False)
    pin(world.store, done["model"], by="ann")
    assert pin(world.store, done["model"], "because", by="bob").reason == "because"
    assert [(p.artifact_id, p.pinned_by) for p in pins(world.store)] == [(done["model"], "bob")]
    assert unpin(world.store, done["model"]) is True
    assert unpin(world.store, done["model"]) is False
    collect(world.store, BARE)
    with pytest.raises(MetadataError, match="nothing left to pin"):
        pin(world.store, done["model"])
    with pytest.raises(MetadataError, match="no artifact with id 999"):
        pin(world.store, 999)


def test_young_and_newest_spans_stay(world: World) -> None:
    done = {span: world.run(span=span, blessed=False) for span in (1, 2, 3, 4)}
    assert plan_gc(world.store, GcPolicy(keep_last=1, keep_days=1)).doomed == ()
    assert len(plan_gc(world.store, GcPolicy(keep_last=1, keep_days=0)).doomed) > 0
    collect(world.store, GcPolicy(keep_last=1, keep_spans=3))
    examples = {span: made["examples"] in gone(world) for span, made in done.items()}
    assert examples == {1: True, 2: False, 3: False, 4: False}
    assert done[3]["model"] in gone(world)


def test_properties_of_other_types_than_expected_stop_no_collection(world: World) -> None:
    """Executors give properties freely: a text where a number is expected is nobody's span and nobody's verdict."""
    done = world.run(span=1)
    (examples,) = world.store.artifacts(ids=[done["examples"]])
    odd = {"span": "may", "current_model_id": "none", "blessed": "perhaps"}
    world.store.put_artifacts(
        [
            replace(examples, custom_properties={**examples.custom_properties, "span": "may"}),
            Artifact("Examples", uri="/odd/1", custom_properties=odd),
            Artifact("ModelBlessing", uri="/odd/2", custom_properties=odd),
        ]
    )
    assert why(world, done["examples"], GcPolicy(keep_last=0, keep_blessed=False, keep_spans=1)) is not None
    assert plan_gc(world.store, GcPolicy(keep_last=0)).kept


def test_a_run_that_is_going_on_keeps_everything_of_its_pipeline(world: World) -> None:
    old = world.run(span=1, blessed=False)
    world.run(span=2, blessed=False)
    other = world.run("penguin", span=1, blessed=False)
    world.run("penguin", span=2, blessed=False)
    going = world.begin("taxi")
    collect(world.store, BARE)
    assert gone(world) == set(other.values())
    assert why(world, old["model"], BARE) == f"run {going} is going on and may take it"
    world.runs.finish(going, "COMPLETE")
    assert set(old.values()) & gone(world) == set()


@pytest.mark.parametrize("reads", ["taxi", {"__placeholder__": {}}])
def test_a_run_whose_resolver_looks_into_another_pipeline_keeps_that_too(world: World, reads: object) -> None:
    old = world.run("taxi", span=1, blessed=False)
    world.run("taxi", span=2, blessed=False)
    reader = world.begin("reader", reads=reads)
    assert collect(world.store, BARE).deleted == ()
    world.runs.finish(reader, "COMPLETE")
    collect(world.store, BARE)
    assert gone(world) == set(old.values())


def test_what_an_open_execution_reads_stays_whatever_its_run_says(world: World) -> None:
    old = world.run(span=1, blessed=False)
    last = world.begin()
    execution, _, _ = world.store.put_execution(Execution("components.Trainer", ExecutionState.RUNNING))
    world.store.put_events([Event(old["examples"], execution, EventType.INPUT, ("examples", 0))])
    world.store.database.write(lambda c: open_execution(c, execution, last, "Trainer", []))
    world.runs.finish(last, "FAILED")
    world.run(span=2, blessed=False)
    collect(world.store, BARE)
    assert set(old.values()) - gone(world) == {old["examples"]}


def test_only_one_pipeline_and_nothing_that_another_one_met(world: World) -> None:
    old = world.run("taxi", span=1, blessed=False)
    world.run("taxi", span=2, blessed=False)
    far = world.run("penguin", span=1, blessed=False)
    reader = world.begin("penguin")
    world.execute(reader, "Resolver", {}, {}, pipeline="penguin", existing={"examples": [old["examples"]]})
    world.runs.finish(reader, "COMPLETE")
    for _ in range(2):
        world.run("penguin", span=2, blessed=False)
    collect(world.store, replace(BARE, pipelines=("taxi",)))
    assert set(old.values()) - gone(world) == {old["examples"]}
    assert gone(world).isdisjoint(far.values())
    assert why(world, old["examples"], replace(BARE, pipelines=("taxi",))) == "pipeline penguin met it"
    with pytest.raises(MetadataError, match="Did you mean 'taxi'"):
        plan_gc(world.store, GcPolicy(pipelines=("taxy",)))


def test_imported_files_and_files_that_an_import_shares_are_never_touched(world: World, tmp_path: Path) -> None:
    old = world.run(span=1, blessed=False)
    link = tmp_path / "by-link"
    link.symlink_to(world.uri(old["schema"]))
    for uri in (world.uri(old["examples"]), str(link), str(Path(world.uri(old["statistics"])).parent)):
        imported = Artifact("Model", uri, ArtifactState.LIVE, custom_properties={"is_external": 1})
        run_id = world.begin("other")
        (number,) = world.store.put_artifacts([imported])
        world.execute(run_id, "Resolver", {}, {}, pipeline="other", existing={"result": [number]})
        world.runs.finish(run_id, "COMPLETE")
    for _ in range(2):
        world.run(span=2, blessed=False)
        world.run("other", span=9, blessed=False)
    collect(world.store, GcPolicy(keep_last=0, keep_blessed=False))
    shared = {old["examples"], old["schema"], old["statistics"]}
    assert set(old.values()) - gone(world) == shared
    assert "has the same files" in (why(world, old["schema"], BARE) or "")
    for number in shared:
        assert (Path(world.uri(number)) / "MANIFEST.json").is_file()


def test_files_outside_the_place_of_an_output_are_never_deleted(world: World, tmp_path: Path) -> None:
    done = world.run(span=1, blessed=False)
    world.run(span=2, blessed=False)
    uris = {name: Path(world.uri(number)) for name, number in done.items()}
    victim = tmp_path / "victim" / "a" / "b"
    shutil.copytree(uris["model"], victim)
    wrong = {
        "examples": str(uris["examples"].parent),
        "statistics": world.root,
        "schema": f"{world.root}-other/SchemaGen/schema/9",
        "model": f"{world.root}/Trainer/model/../../../victim/a/b",
        "blessing": f"{world.root}/.trueline/tmp/x",
        "evaluation": str(victim),
    }
    for name, uri in wrong.items():
        (stored,) = world.store.artifacts(ids=[done[name]])
        world.store.put_artifacts([replace(stored, uri=uri)])
    result = collect(world.store, BARE)
    assert gone(world) == set()
    rules = {kept.artifact_id: kept.rule for kept in result.plan.kept}
    assert {rules[number] for number in done.values()} <= {"place", "shared"}
    assert (victim / "weights").is_file()
    assert all((path / "MANIFEST.json").is_file() for path in uris.values())


def test_no_deletion_goes_through_a_link(world: World, tmp_path: Path) -> None:
    done = world.run(span=1, blessed=False)
    world.run(span=2, blessed=False)
    linked = {}
    for level, name in enumerate(("examples", "schema", "model")):
        place = linked[name] = [Path(world.uri(done[name])), *Path(world.uri(done[name])).parents][level]
        shutil.move(place, tmp_path / f"precious-{name}")
        place.symlink_to(tmp_path / f"precious-{name}")
    result = collect(world.store, BARE)
    reasons = {kept.artifact_id: kept.why for kept in result.plan.kept}
    for name, place in linked.items():
        assert reasons[done[name]] == f"{place} is a link"
        assert place.is_symlink()
        assert list((tmp_path / f"precious-{name}").rglob("MANIFEST.json"))


def test_a_link_within_an_artifact_goes_and_what_it_points_to_stays(world: World, tmp_path: Path) -> None:
    done = world.run(span=1, blessed=False)
    world.run(span=2, blessed=False)
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("x")
    (Path(world.uri(done["model"])) / "link").symlink_to(precious)
    assert collect(world.store, BARE).failed == ()
    assert (precious / "file").read_text() == "x"


def test_a_link_that_came_after_the_mark_stops_the_deletion(world: World, tmp_path: Path) -> None:
    done = world.run(span=1, blessed=False)
    world.run(span=2, blessed=False)
    mark(world.store, plan_gc(world.store, BARE))
    place, away = Path(world.uri(done["model"])), tmp_path / "precious"
    shutil.move(place, away)
    place.symlink_to(away)
    result = collect(world.store, BARE)
    assert [(f.artifact_id, "is a link" in f.message) for f in result.failed] == [(done["model"], True)]
    assert (away / "weights").is_file()
    assert world.states()[done["model"]] == "MARKED_FOR_DELETION"


def test_an_artifact_with_the_same_place_that_lives_keeps_the_files(world: World) -> None:
    done = world.run(span=1, blessed=False)
    world.run(span=2, blessed=False)
    mark(world.store, plan_gc(world.store, BARE))
    (stored,) = world.store.artifacts(ids=[done["model"]])
    world.store.put_artifacts([replace(stored, id=None, name="copy", state=ArtifactState.LIVE)])
    collect(world.store, BARE)
    assert world.states()[done["model"]] == "DELETED"
    assert (Path(stored.uri or "") / "MANIFEST.json").is_file()


def test_what_happens_between_look_and_mark_counts(world: World) -> None:
    done = world.run(span=1, blessed=False)
    world.run(span=2, blessed=False)
    plan = plan_gc(world.store, BARE)
    pin(world.store, done["model"])
    marked = mark(world.store, plan)
    assert done["model"] not in {item.artifact_id for item in marked.doomed}
    assert world.states()[done["schema"]] == "LIVE", "the model was made of it"
    unpin(world.store, done["model"])
    plan = plan_gc(world.store, BARE)
    world.begin()
    assert mark(world.store, plan).doomed == ()
    assert "MARKED_FOR_DELETION" not in world.states().values()


def test_nothing_less_than_nothing_is_kept() -> None:
    with pytest.raises(ConfigError, match=r"(?s)keep_last is -1.*depth is -2"):
        GcPolicy(keep_last=-1, depth=-2)
    with pytest.raises(ConfigError, match="keep_days is nan"):
        GcPolicy(keep_days=float("nan"))


def test_a_store_of_another_program_is_left_alone(tmp_path: Path) -> None:
    target = tmp_path / "foreign.db"
    target.write_bytes(gzip.decompress((Path(__file__).parent / "mlmd_1_17_1.db.gz").read_bytes()))
    store = MetadataStore(str(target))
    with pytest.raises(MetadataError, match="holds no runs of trueline"):
        plan_gc(store)
    store.close()
    adopted = MetadataStore(str(target), adopt=True)
    policy = GcPolicy(keep_last=0, keep_blessed=False)
    plan = plan_gc(adopted, policy)
    assert plan.doomed == ()
    assert {kept.why for kept in plan.kept} <= {
        "no run of this database made it",
        "it was imported: its files are the user's",
    }
    adopted.close()


def test_logs_and_temporary_files_of_ended_runs_go_and_only_of_known_ones(world: World) -> None:
    world.run(span=1, blessed=False)
    old = world.last
    world.run(span=2, blessed=False)
    kept = world.last
    going = world.begin()
    work = Path(world.root) / ".trueline"
    for run_id in (old, kept, going, "of-another-database"):
        for kind in ("logs", "tmp"):
            (work / kind / run_id).mkdir(parents=True)
            (work / kind / run_id / "x").write_text("12345")
    (work / "logs" / "link").symlink_to(work / "logs" / kept)
    plan = plan_gc(world.store, BARE)
    found = leftovers(world.store, plan)
    assert sorted((item.run_id, item.kind, item.bytes) for item in found) == [
        (old, "log", 5),
        (old, "temporary files", 5),
        (kept, "temporary files", 5),
    ]
    removed, failed = sweep(world.store, found)
    assert (len(removed), failed) == (3, [])
    assert sorted(os.listdir(work / "tmp")) == ["of-another-database", going]
    assert sorted(os.listdir(work / "logs")) == ["link", "of-another-database", kept, going]
    assert leftovers(world.store, plan_gc(world.store, replace(BARE, keep_days=1))) == []


@pytest.mark.parametrize("root", ["/data/root", "s3://bucket/root"])
def test_the_work_folder_is_the_one_that_runs_use(root: str) -> None:
    class Plan:
        name = "taxi"

    plan = Plan()
    plan.root = root  # type: ignore[attr-defined]
    context = RunContext(plan, "run", None, None)  # type: ignore[arg-type]
    assert work_dir_of(root, "taxi") == context.work_dir


STEPS = st.sampled_from(["a", "b", ".", "..", "", ".trueline", "7"])


@given(st.lists(STEPS, max_size=6), st.sampled_from(["/r/root", "s3://b/root", "/r/root2", "/r"]))
def test_no_place_that_is_let_through_leads_out_of_its_root(steps: list[str], base: str) -> None:
    uri = "/".join([base, *steps])
    for root in ("/r/root", "s3://b/root", "/r/root/"):
        if place_problem(uri, root) is None:
            inside = os.path.normpath(uri.split("://")[-1])
            assert inside.startswith(os.path.normpath(root.split("://")[-1]) + "/")
            assert len(Path(inside).relative_to(root.split("://")[-1]).parts) >= 3


PLACES = st.lists(st.sampled_from("ab"), min_size=1, max_size=4).map(lambda steps: "/" + "/".join(steps))


@given(st.lists(PLACES, max_size=6), PLACES)
def test_a_place_is_occupied_when_one_lies_at_above_or_below_it(taken: list[str], place: str) -> None:
    occupied = Occupied((other, i) for i, other in enumerate(taken))
    expected = any(place == o or o.startswith(f"{place}/") or place.startswith(f"{o}/") for o in taken)
    assert (occupied.by(place) is not None) == expected


def test_runs_are_only_known_by_their_plans_root(world: World) -> None:
    done = world.run(span=1, blessed=False)
    run_id = world.last
    world.run(span=2, blessed=False)
    broken = run_table.update().where(run_table.c.run_id == run_id).values(plan="{}")
    world.store.database.write(lambda c: c.execute(broken))
    result: GcResult = collect(world.store, BARE)
    assert gone(world) == set()
    assert {k.why for k in result.plan.kept if k.artifact_id in done.values()} == {
        "the root of its run is not recorded"
    }
