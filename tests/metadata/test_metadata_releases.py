"""Versions of releases follow from lineage; notes say what changed; names and stages move in one step."""

from __future__ import annotations

import json
import re
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1]))
from registry_world import FEATURES, INPUTS, World

from trueline._core.errors import ArtifactError, ConfigError, GateError, MetadataError
from trueline.metadata import (
    ArtifactState,
    MetadataStore,
    aliases,
    notes_json,
    notes_markdown,
    promote,
    registered_models,
    release,
    release_pushed,
    releases,
    rollback,
)
from trueline.metadata.model_changes import compare, next_version, version_key
from trueline.metadata.own_tables import release as table
from trueline.metadata.promotion import archive, drop_alias, rollback_target
from trueline.metadata.spans import models_from_span

MORE = {**FEATURES, "tips": "FLOAT"}
CHANGES = [
    pytest.param({"span": 2}, "1.0.1", "data", "spans 1 -> 2", id="data: another span"),
    pytest.param({"rows": 250}, "1.0.1", "data", "rows 100 -> 250", id="data: more rows"),
    pytest.param({"code": "b"}, "1.1.0", "code", "Trainer: code of run_fn changed", id="code: the user's function"),
    pytest.param({"rate": 0.2}, "1.1.0", "parameters", "Trainer.rate: 0.1 -> 0.2", id="code: a parameter"),
    pytest.param({"span": 2, "code": "b"}, "1.1.0", "code", "Trainer: code of run_fn changed", id="code and data"),
    pytest.param({"features": MORE}, "2.0.0", "schema", "feature tips (FLOAT) is new", id="schema: a new feature"),
    pytest.param(
        {"features": {**FEATURES, "fare": "INT"}}, "2.0.0", "schema", "feature fare: FLOAT -> INT", id="schema: a type"
    ),
    pytest.param(
        {"inputs": {"fare": "float64"}},
        "2.0.0",
        "schema",
        "input company is no longer there (it was utf8 scalar)",
        id="signature: an input less",
    ),
    pytest.param(
        {"span": 2, "code": "b", "features": MORE}, "2.0.0", "schema", "feature tips (FLOAT) is new", id="everything"
    ),
    pytest.param(
        {"span": 2, "limits": 'string_domain { name: "c" value: "x" }\n'},
        "1.0.1",
        "schema",
        "the schema's ranges, domains or limits changed",
        id="data: what a schema was inferred to hold",
    ),
]


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world with one release."""
    made = World(tmp_path_factory.mktemp("released"))
    first = release(made.store, made.run()["model"])
    assert (first.version, first.stage, first.model) == ("1.0.0", "candidate", "taxi")
    yield made
    made.store.close()


@pytest.mark.parametrize(("change", "version", "section", "sentence"), CHANGES)
def test_the_version_follows_from_what_changed(
    released: World, change: dict[str, object], version: str, section: str, sentence: str
) -> None:
    world = released
    second = release(world.store, world.run(**change)["model"])  # type: ignore[arg-type]
    assert second.version == version
    assert sentence in second.notes["changes"][section]
    assert second.notes["before"] == "1.0.0"
    assert sentence in re.sub(r"\\(.)", r"\1", notes_markdown(second))
    world.store.database.write(lambda c: c.execute(table.delete().where(table.c.id == second.id)))


def test_a_model_gone_on_from_is_another_way_and_its_own_data_are_not_told_again(world: World) -> None:
    first = world.run(span=1)
    release(world.store, first["model"])
    second = world.run(span=2, base=[first["model"]])
    made = release(world.store, second["model"])
    assert made.version == "1.1.0"
    assert made.notes["changes"]["code"] == ["training goes on from an earlier model"]
    assert [data["span"] for data in made.notes["origin"]["data"]] == [2]
    assert [base["artifact"] for base in made.notes["origin"]["base_models"]] == [first["model"]]


def test_a_window_of_spans_is_all_of_its_data(world: World) -> None:
    first, second = world.run(span=1), world.run(span=2)
    release(world.store, second["model"])
    third = world.run(span=3, spans=[first["examples"], second["examples"]])
    made = release(world.store, third["model"])
    assert made.version == "1.0.1"
    assert made.notes["changes"]["data"][:2] == ["spans 2 -> 1 to 3", "rows 100 -> 300"]
    for pipeline in (None, "taxi"):
        assert [found.id for found in models_from_span(world.store, pipeline, 1)] == [first["model"], third["model"]]
        assert models_from_span(world.store, pipeline, 9) == []
    assert models_from_span(world.store, "penguin", 1) == []


def test_the_same_artifact_and_the_same_contents_are_the_same_release(world: World) -> None:
    first = world.run()
    made = release(world.store, first["model"])
    assert release(world.store, first["model"]) == made
    again = world.run()  # trained again from the same: the same bytes under another number
    assert again["model"] != first["model"]
    assert release(world.store, again["model"]) == made
    (stored,) = world.store.artifacts(ids=[first["model"]])
    world.store.put_artifacts([replace(stored, state=ArtifactState.DELETED)])
    assert release(world.store, again["model"]).artifact_id == again["model"]
    assert [r.version for r in releases(world.store, "taxi")] == ["1.0.0"]


def test_what_is_not_known_is_never_taken_for_equal(world: World) -> None:
    first, second = world.run(), world.run(span=2, limits='string_domain { name: "c" value: "x" }\n')
    release(world.store, first["model"])
    Path(world.uri(second["schema"]), "schema.pbtxt").unlink()
    made = release(world.store, second["model"])
    assert made.version == "2.0.0"
    assert made.notes["changes"]["unknown"] == ["a schema of one of the two could not be read"]
    assert "cannot be read" in made.notes["origin"]["unknown"][0]


def test_an_old_release_is_compared_with_though_its_files_are_gone(world: World) -> None:
    first = world.run()
    release(world.store, first["model"])
    for name in ("schema", "examples", "model"):
        for path in Path(world.uri(first[name])).rglob("*"):
            if path.is_file():
                path.unlink()
    assert release(world.store, world.run(code="b")["model"]).version == "1.1.0"


def test_sampled_unfinished_and_changed_models_are_no_releases(world: World) -> None:
    with pytest.raises(MetadataError, match="sampled run"):
        release(world.store, world.run(sample=10)["model"])
    changed = world.run()
    Path(world.uri(changed["model"]), "weights").write_text("other")
    with pytest.raises(ArtifactError, match="not whole"):
        release(world.store, changed["model"])
    with pytest.raises(MetadataError, match="of type Schema, not a Model"):
        release(world.store, changed["schema"])
    with pytest.raises(MetadataError, match="no artifact with id 999"):
        release(world.store, 999)
    assert releases(world.store) == []


def test_every_push_is_a_release_by_itself_in_the_order_of_the_pushes(world: World) -> None:
    first, second = world.run(span=1), world.run(span=2)
    unpushed = world.run(span=3, push=None)
    world.run(span=4, sample=5)
    made = release_pushed(world.store)
    assert [(r.version, r.artifact_id) for r in made] == [("1.0.0", first["model"]), ("1.0.1", second["model"])]
    assert made[0].released_by == "run run-0001"
    assert release_pushed(world.store) == []
    entries = {entry.artifact_id: entry for entry in registered_models(world.store)}
    assert set(entries) == {first["model"], second["model"], unpushed["model"]}
    assert entries[unpushed["model"]].release is None
    assert entries[unpushed["model"]].blessed is True
    assert entries[first["model"]].pushed[0].partition("@")[0].endswith("/serving")
    assert [e.artifact_id for e in registered_models(world.store, limit=1)] == [unpushed["model"]]


def test_models_of_two_pipelines_are_numbered_by_themselves(world: World) -> None:
    world.run("taxi")
    world.run("penguin", span=7)
    assert [(r.model, r.version) for r in release_pushed(world.store)] == [("taxi", "1.0.0"), ("penguin", "1.0.0")]


def test_promotion_moves_alias_and_stages_and_writes_it_down(world: World) -> None:
    first, second = world.run(span=1), world.run(span=2)
    release_pushed(world.store)
    done = promote(world.store, "taxi", "1.0.0", by="ann")
    assert (done.before, done.changed) == (None, True)
    done = promote(world.store, "taxi", "latest", by="bob", reason="newer data")
    assert (done.release.version, done.before and done.before.version) == ("1.0.1", "1.0.0")
    stages = {r.version: r.stage for r in releases(world.store, "taxi")}
    assert stages == {"1.0.1": "production", "1.0.0": "archived"}
    (champion,) = aliases(world.store, "taxi")
    assert (champion.name, champion.artifact_id, champion.set_by) == ("champion", second["model"], "bob")
    assert promote(world.store, "taxi", "champion").changed is False
    text = notes_markdown(releases(world.store, "taxi")[0])
    assert "became `champion`, by bob, after 1.0.0; reason: newer data" in text
    assert first["model"] != second["model"]


def test_rollback_goes_back_step_by_step_and_a_new_promotion_starts_from_there(world: World) -> None:
    for span in (1, 2, 3, 4):
        world.run(span=span)
    release_pushed(world.store)
    for version in ("1.0.0", "1.0.1", "1.0.2"):
        promote(world.store, "taxi", version)
    assert rollback(world.store, "taxi").release.version == "1.0.1"
    assert rollback(world.store, "taxi").release.version == "1.0.0"
    with pytest.raises(MetadataError, match="none to go back to"):
        rollback(world.store, "taxi")
    promote(world.store, "taxi", "1.0.3")
    champion, target = rollback_target(world.store, "taxi")
    assert (champion.version, target.version) == ("1.0.3", "1.0.0")
    assert {r.version: r.stage for r in releases(world.store, "taxi")} == {
        "1.0.0": "archived",
        "1.0.1": "archived",
        "1.0.2": "archived",
        "1.0.3": "production",
    }


def test_nothing_unfit_becomes_champion(world: World) -> None:
    good = world.run(span=1)
    refused, unjudged = world.run(span=2, blessed=False), world.run(span=3, blessed=None, push=None)
    for done in (good, refused, unjudged):
        release(world.store, done["model"])
    with pytest.raises(GateError, match=r"(?s)not blessed.*auc is 0\.5"):
        promote(world.store, "taxi", "1.0.1")
    with pytest.raises(GateError, match="no Evaluator ever judged it"):
        promote(world.store, "taxi", "1.0.2")
    with pytest.raises(ConfigError, match="needs a reason"):
        promote(world.store, "taxi", "1.0.2", force=True, reason=" ")
    assert aliases(world.store) == []
    done = promote(world.store, "taxi", "1.0.2", force=True, reason="a rule of law")
    assert done.forced == ("no Evaluator ever judged it",)
    assert "overruled: no Evaluator ever judged it; reason: a rule of law" in notes_markdown(done.release)
    promote(world.store, "taxi", "1.0.0")
    with pytest.raises(GateError, match="no Evaluator"):  # what was forced once is to be forced again
        rollback(world.store, "taxi")
    Path(world.uri(unjudged["model"]), "weights").write_text("x")
    with pytest.raises(ArtifactError, match="not whole"):
        rollback(world.store, "taxi", force=True, reason="still")
    assert aliases(world.store, "taxi")[0].artifact_id == good["model"]


def test_the_newest_verdict_counts(world: World) -> None:
    done = world.run()
    release_pushed(world.store)
    again = world.begin()
    world.judge(again, done, False, {"auc": 0.5})
    with pytest.raises(GateError, match="not blessed"):
        promote(world.store, "taxi", "1.0.0")


def test_other_aliases_are_names_alone(world: World) -> None:
    world.run(span=1), world.run(span=2)
    release_pushed(world.store)
    promote(world.store, "taxi", "1.0.0")
    done = promote(world.store, "taxi", "1.0.1", alias="challenger")
    assert done.release.stage == "candidate"
    assert promote(world.store, "taxi", "challenger").release.version == "1.0.1"
    assert drop_alias(world.store, "taxi", "challenger") is not None
    assert drop_alias(world.store, "taxi", "challenger") is None
    for name in ("latest", "1.0.0", "12", "", "a b", "x" * 65):
        with pytest.raises(MetadataError, match="no name for an alias"):
            promote(world.store, "taxi", "1.0.0", alias=name)
    with pytest.raises(MetadataError, match="is the champion"):
        archive(world.store, "taxi", "1.0.1")
    dropped = drop_alias(world.store, "taxi", "champion")
    assert dropped is not None
    assert {r.version: r.stage for r in releases(world.store, "taxi")}["1.0.1"] == "archived"
    with pytest.raises(MetadataError, match="has no champion"):
        rollback(world.store, "taxi")
    assert promote(world.store, "taxi", "1.0.0").before is None


def test_unknown_models_and_releases_are_told_with_what_there_is(world: World) -> None:
    world.run()
    release_pushed(world.store)
    with pytest.raises(MetadataError, match="Did you mean 'taxi'"):
        promote(world.store, "taxy", "latest")
    with pytest.raises(MetadataError, match=r"There is: 1\.0\.0"):
        promote(world.store, "taxi", "2.0.0")


def test_two_at_once_make_no_version_twice_and_one_champion(world: World) -> None:
    models = [world.run(span=span, push=None)["model"] for span in range(1, 7)]
    problems: list[Exception] = []

    def work(number: int) -> None:
        store = MetadataStore(world.url)
        try:
            made = release(store, number)
            promote(store, "taxi", made.version)
        except Exception as error:
            problems.append(error)
        finally:
            store.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in models]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    known = releases(world.store, "taxi")
    assert sorted(r.version for r in known) == [f"1.0.{i}" for i in range(6)]
    assert sorted(r.stage for r in known) == ["archived"] * 5 + ["production"]
    champion = next(r for r in known if r.stage == "production")
    assert [a.artifact_id for a in aliases(world.store, "taxi")] == [champion.artifact_id]


def test_notes_measure_beside_the_release_before_and_say_who_and_when(world: World) -> None:
    world.run(span=1, metrics={"auc": 0.9, "recall": 0.5})
    world.run(span=2, rows=1234, metrics={"auc": 0.95, "precision": 0.7})
    first, second = release_pushed(world.store)
    text = notes_markdown(second)
    assert "| auc | 0.95 | 0.9 | +0.05 |" in text
    assert "| recall | - | 0.5 | - |" in text
    assert "| ExampleGen | 2 | 1,234 |" in text
    assert "## Changes since 1.0.0 (patch)" in text
    assert "by run run-0002" in text.replace("\\", "")
    told = json.loads(json.dumps(notes_json(second)))
    assert (told["version"], told["metrics_before"], told["changes"]["level"]) == (
        "1.0.1",
        {"auc": 0.9, "recall": 0.5},
        "patch",
    )
    assert "The first release." in notes_markdown(first)


def test_text_of_others_stays_text_in_markdown(world: World) -> None:
    world.run()
    release_pushed(world.store)
    promote(world.store, "taxi", "latest", by="<b>x</b>", reason="a | b\n# no heading [l](u)")
    text = notes_markdown(releases(world.store)[0])
    assert "<b>" not in text
    assert "\n# no heading" not in text
    assert "a \\| b # no heading \\[l\\](u)" in text


def test_packages_and_files_of_the_code_are_code() -> None:
    node = {"executor": {}, "functions": {}, "packages": {"numpy": "2.0"}, "files": {"a.txt": "1"}, "python": "3.11"}
    origin = {"signature": {}, "schema": [], "data": [], "parameters": {}, "code": {"Trainer": node}}
    now = {**node, "packages": {"numpy": "2.1"}, "files": {"a.txt": "2"}, "python": "3.12"}
    found = compare(origin, {**origin, "code": {"Trainer": now}})
    assert (found.level, found.code) == (
        "minor",
        (
            "Trainer: the file a.txt that the code reads changed",
            "Trainer: package numpy 2.0 -> 2.1",
            "Trainer: Python 3.11 -> 3.12",
        ),
    )


LEVELS = st.sampled_from(["major", "minor", "patch"])


@settings(max_examples=30)
@given(st.lists(LEVELS, max_size=20))
def test_versions_only_grow(levels: list[str]) -> None:
    version, seen = None, []
    for level in levels:
        version = next_version(version, level)  # type: ignore[arg-type]
        seen.append(version_key(version))
    assert seen == sorted(set(seen))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=30)
@given(
    st.dictionaries(st.sampled_from(["Trainer", "Transform"]), st.dictionaries(st.text(max_size=4), JSON, max_size=3))
)
def test_an_origin_is_equal_to_itself_and_another_parameter_is_always_told(parameters: dict[str, object]) -> None:
    origin = {
        "signature": {"inputs": dict(INPUTS), "outputs": {}, "task": "binary", "classes": None},
        "schema": [],
        "data": [],
        "code": {name: {"executor": {}} for name in parameters} or {"x": {"executor": {}}},
        "parameters": parameters,
    }
    same = compare(origin, origin)
    assert (same.level, same.parameters, same.code, same.schema) == ("patch", (), (), ())
    if "Trainer" in parameters:
        other = {**origin, "parameters": {**parameters, "Trainer": {**parameters["Trainer"], "new!": 1}}}  # type: ignore[dict-item]
        found = compare(origin, other)
        assert (found.level, found.parameters) == ("minor", ("Trainer.new!: 1 is new",))
