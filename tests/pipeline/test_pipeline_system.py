"""The nodes that the launcher carries out itself: what is imported, what is found again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pipeline_nodes import Source, Train, bless

from trueline._core import store as files
from trueline._core.errors import ConfigError
from trueline.metadata import EventType, MetadataStore
from trueline.pipeline import Importer, Pipeline, Resolver
from trueline.pipeline.artifacts import Examples, Model, Schema
from trueline.pipeline.results import RunResult
from trueline.runners import LocalRunner

Opened = Callable[[], MetadataStore]


def ids(result: RunResult, node: str, key: str) -> list[int | None]:
    return [handle.id for handle in result.nodes[node].outputs[key]]


@pytest.fixture
def trained(data: Path, root: Path) -> Callable[..., Pipeline]:
    def make(steps: int, verdict: bool = True, how: str = "well") -> Pipeline:
        source = Source(path=str(data))
        resolver = Resolver(strategy="latest_blessed")
        model = Train(examples=source.outputs.examples, steps=steps, how=how).after(resolver)
        return Pipeline("line", [bless(model=model.outputs.model, verdict=verdict)], root=root)

    return make


def test_latest_blessed_is_empty_at_first_and_then_the_newest_blessed(
    trained: Callable[..., Pipeline], runner: LocalRunner, opened: Opened
) -> None:
    first = runner.run(trained(1))
    assert first.ok, "with nothing blessed yet the resolver succeeds with empty outputs"
    assert (ids(first, "Resolver", "model"), ids(first, "Resolver", "model_blessing")) == ([], [])
    second = runner.run(trained(2, verdict=False))
    assert ids(second, "Resolver", "model") == ids(first, "Train", "model")
    assert ids(second, "Resolver", "model_blessing") == ids(first, "bless", "blessing")
    third = runner.run(trained(3))
    assert ids(third, "Resolver", "model") == ids(first, "Train", "model"), "the second was not blessed"
    fourth = runner.run(trained(4))
    assert ids(fourth, "Resolver", "model") == ids(third, "Train", "model")
    events = opened().events(execution_ids=[fourth.nodes["Resolver"].execution_id or 0])
    assert {e.type for e in events} == {EventType.INTERNAL_OUTPUT}


def test_a_blessed_model_whose_files_are_gone_is_passed_over(
    trained: Callable[..., Pipeline], runner: LocalRunner
) -> None:
    first, second = runner.run(trained(1)), runner.run(trained(2))
    files.remove_tree(second.nodes["Train"].outputs["model"][0].uri)
    third = runner.run(trained(3))
    assert ids(third, "Resolver", "model") == ids(first, "Train", "model")
    assert "missing or was never finished" in str(third.nodes["Resolver"].found["passed_over"])


def test_a_damaged_model_that_was_made_again_keeps_its_blessing(
    trained: Callable[..., Pipeline], runner: LocalRunner
) -> None:
    first = runner.run(trained(1))
    files.remove_tree(first.nodes["Train"].outputs["model"][0].uri)
    again = runner.run(trained(1))
    assert again.nodes["Train"].outputs["model"][0].fingerprint == first.nodes["Train"].outputs["model"][0].fingerprint
    third = runner.run(trained(3))
    assert ids(third, "Resolver", "model") == ids(again, "Train", "model") != ids(first, "Train", "model")


def test_the_newest_verdict_counts(trained: Callable[..., Pipeline], runner: LocalRunner) -> None:
    runner.run(trained(1))
    runner.run(trained(1, verdict=False))  # the same model from the cache, judged again
    third = runner.run(trained(3))
    assert ids(third, "Resolver", "model") == []


def test_latest_by_type(data: Path, root: Path, runner: LocalRunner) -> None:
    def look(n: int) -> RunResult:
        return runner.run(Pipeline("line", [Resolver(strategy="latest", n=n, found=Examples)], root=root))

    nothing = look(1)
    assert nothing.status == "FAILED"
    assert "1 artifact of type Examples wanted, 0 found" in str(nothing.nodes["Resolver"].message)
    made = [runner.run(Pipeline("line", [Source(path=str(data), times=t)], root=root)) for t in (1, 2, 3)]
    newest = [ids(result, "Source", "examples")[0] for result in reversed(made)]
    assert ids(look(1), "Resolver", "found") == newest[:1]
    assert ids(look(2), "Resolver", "found") == newest[:2]
    many = Pipeline("line", [Resolver(n=4, optional=True, found=Examples)], root=root)
    assert ids(runner.run(many), "Resolver", "found") == newest, "what there is, where fewer are no failure"
    other = Pipeline("other", [Resolver(found=Examples)], root=root)
    assert runner.run(other).status == "FAILED", "another pipeline's artifacts are not seen"
    first = runner.run(Pipeline("other", [Resolver(optional=True, found=Examples)], root=root))
    assert (first.status, ids(first, "Resolver", "found")) == ("COMPLETE", [])


def test_latest_is_what_an_earlier_run_put_out_last_also_from_the_cache(
    data: Path, root: Path, runner: LocalRunner
) -> None:
    def line(times: int) -> Pipeline:
        source = Source(path=str(data), times=times)
        late = Resolver(optional=True, found=Examples, node_id="Late").after(source)
        return Pipeline("line", [Resolver(optional=True, found=Examples), late], root=root)

    runs = [runner.run(line(times)) for times in (1, 2, 1, 2, 2)]
    made = [ids(run, "Source", "examples") for run in runs]
    assert made[0] == made[2] != made[1] == made[3], "the third and the fourth come from the cache"
    assert [ids(run, "Resolver", "found") for run in runs] == [[], *made[:-1]]
    assert [ids(run, "Late", "found") for run in runs] == [[], *made[:-1]], "what this run makes is not earlier"


def test_latest_passes_over_what_a_gate_stopped(
    trained: Callable[..., Pipeline], runner: LocalRunner, root: Path
) -> None:
    good = runner.run(trained(1))
    assert runner.run(trained(2, how="close")).nodes["Train"].state == "FAILED"
    result = runner.run(Pipeline("line", [Resolver(model=Model, node_id="look")], root=root))
    assert ids(result, "look", "model") == ids(good, "Train", "model")


def test_what_a_resolver_finds_feeds_other_nodes(data: Path, root: Path, runner: LocalRunner) -> None:
    made = runner.run(Pipeline("line", [Source(path=str(data))], root=root))
    resolver = Resolver(examples=Examples)
    result = runner.run(Pipeline("line", [Train(examples=resolver.outputs["examples"])], root=root))
    assert result.ok
    assert ids(result, "Resolver", "examples") == ids(made, "Source", "examples")


def test_an_empty_resolution_fails_only_a_required_input(data: Path, root: Path, runner: LocalRunner) -> None:
    resolver = Resolver(strategy="latest_blessed")
    result = runner.run(Pipeline("line", [bless(model=resolver.outputs.model)], root=root))
    assert result.nodes["Resolver"].state == "COMPLETE"
    assert "input 'model' of type Model is empty: Resolver.model holds no artifact" in str(
        result.nodes["bless"].message
    )


def importing(folder: Path, root: Path, **more: object) -> Pipeline:
    return Pipeline("line", [Importer(source_uri=str(folder), artifact_type=Schema, **more)], root=root)  # type: ignore[arg-type]


def test_importing_again_reuses_until_something_changes(tmp_path: Path, root: Path, runner: LocalRunner) -> None:
    folder = tmp_path / "schema"
    folder.mkdir()
    (folder / "schema.pbtxt").write_text("feature {}")
    first = runner.run(importing(folder, root))
    second = runner.run(importing(folder, root))
    assert (first.nodes["Importer"].state, second.nodes["Importer"].state) == ("COMPLETE", "CACHED")
    assert ids(first, "Importer", "result") == ids(second, "Importer", "result")
    assert sorted(p.name for p in folder.iterdir()) == ["schema.pbtxt"], "nothing is written beside the user's files"
    states = [
        runner.run(importing(folder, root, reimport=True)).nodes["Importer"].state,
        runner.run(importing(folder, root, properties={"team": "a"})).nodes["Importer"].state,
    ]
    (folder / "schema.pbtxt").write_text("feature { name: 'x' }")
    states.append(runner.run(importing(folder, root)).nodes["Importer"].state)
    assert states == ["COMPLETE"] * 3
    last = runner.run(importing(folder, root))
    assert last.nodes["Importer"].state == "CACHED"
    assert ids(last, "Importer", "result") != ids(first, "Importer", "result")


def test_a_single_file_can_be_imported_and_used(tmp_path: Path, root: Path, runner: LocalRunner, data: Path) -> None:
    file = tmp_path / "schema.pbtxt"
    file.write_text("one")
    source = Source(path=str(data))

    def build() -> Pipeline:
        importer = Importer(source_uri=str(file), artifact_type=Schema, output_key="schema")
        train = Train(examples=source.outputs.examples, schema=importer.outputs.schema)
        return Pipeline("line", [train], root=root)

    assert runner.run(build()).ok
    assert runner.run(build()).nodes["Train"].state == "CACHED"
    file.write_text("two")
    result = runner.run(build())
    assert result.nodes["Train"].cached_reason == "input schema (of Importer.schema) changed"


def test_importing_nothing_fails(tmp_path: Path, root: Path, runner: LocalRunner) -> None:
    result = runner.run(importing(tmp_path / "nowhere", root))
    assert "there is nothing to import" in str(result.nodes["Importer"].message)


def test_latest_blessed_wants_both_types(root: Path) -> None:
    with pytest.raises(ConfigError, match="exactly one Model and one ModelBlessing"):
        Pipeline("line", [Resolver(strategy="latest_blessed", model=Model)], root=root)
