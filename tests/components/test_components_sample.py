"""A sampled run: the first rows alone, nothing blessed, nothing pushed; and a rolled-back model is not pushed again."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from trueline._core.errors import ConfigError
from trueline._core.manifest import read_manifest
from trueline.cli.load import load_pipeline
from trueline.components import Pusher
from trueline.components.pusher import execute, push_model, pushed_versions
from trueline.components.pusher_rollback import ROLLBACK_FILE, note_rollback, read_rollback, refused_models
from trueline.data import Examples, SourceSpec, ingest
from trueline.data.first_rows import shares_of
from trueline.pipeline import Importer, Pipeline
from trueline.pipeline.artifacts import Model
from trueline.runners import LocalRunner

MODEL = {"model.onnx": b"graph", "model.json": b"{}"}
TAXI = Path(__file__).parents[2] / "examples" / "taxi" / "pipeline.py"


def csv_files(folder: Path, sizes: list[int]) -> SourceSpec:
    folder.mkdir()
    number = 0
    for index, size in enumerate(sizes):
        rows = range(number, number + size)
        (folder / f"{index}.csv").write_text("n\n" + "".join(f"{row}\n" for row in rows))
        number += size
    return SourceSpec("trueline.data.csv_source:CsvSource", {"input_base": str(folder)})


def rows_in(uri: str) -> list[int]:
    import pyarrow.parquet as pq

    return sorted(n for file in Path(uri).rglob("*.parquet") for n in pq.read_table(file)["n"].to_pylist())


@pytest.mark.parametrize(("wanted", "kept"), [(1, 1), (10, 10), (11, 11), (24, 24), (99, 30)])
def test_the_first_rows_go_in_over_several_files(tmp_path: Path, wanted: int, kept: int) -> None:
    source = csv_files(tmp_path / "data", [10, 5, 15])
    report = ingest(source, str(tmp_path / "out"), first_rows=wanted)
    assert report.rows == kept
    assert rows_in(str(tmp_path / "out")) == list(range(kept))


def test_the_rows_are_counted_after_the_filter_and_go_to_all_splits(tmp_path: Path) -> None:
    source = csv_files(tmp_path / "data", [50, 50])
    report = ingest(source, str(tmp_path / "out"), where="n >= 40", first_rows=30, group_by="n", shuffle=True)
    assert rows_in(str(tmp_path / "out")) == list(range(40, 70))
    assert sum(report.splits.values()) == 30
    assert min(report.splits.values()) > 0


def test_input_splits_share_the_rows(tmp_path: Path) -> None:
    sources = {name: csv_files(tmp_path / name, [20]) for name in ("train", "eval")}
    report = ingest(sources, str(tmp_path / "out"), first_rows=5)
    assert dict(report.splits) == {"train": 3, "eval": 2}
    assert shares_of(2, ["a", "b", "c"]) == {"a": 1, "b": 1, "c": 0}


def test_a_wrong_number_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        ingest(csv_files(tmp_path / "data", [3]), str(tmp_path / "out"), first_rows=0)
    assert caught.value.problems == ("first_rows is 0, give at least 1",)


def test_a_sampled_run_pushes_nothing_though_every_blessing_says_yes(artifact, context, tmp_path):
    model = artifact("Model", MODEL, 7)
    ctx = context(
        {"push_destination": str(tmp_path / "serving"), "needs": ["model_blessing"]},
        {"model": [model], "model_blessing": [], "infra_blessing": []},
        {"pushed_model": "PushedModel"},
    )
    ctx.sample = 20
    execute(ctx)
    assert (ctx.gate, ctx.outputs["pushed_model"].properties) == (None, {"pushed": 0})
    assert ctx.found == {"pushed": False, "reason": "a sampled run never pushes"}
    assert not (tmp_path / "serving").exists()


@pytest.fixture
def line(tmp_path, artifact):
    """Pushes a model by a run, and says what became of it."""
    models = [artifact("Model", {**MODEL, "model.onnx": bytes([65 + n])}, n) for n in range(1, 4)]
    destination = tmp_path / "serving"

    def push(number: int, **options):
        found = Importer(source_uri=models[number].uri, artifact_type=Model, node_id="Candidate").outputs["result"]
        pushed = Pusher(model=found, push_destination=destination)
        return LocalRunner().run(Pipeline("line", [pushed], root=tmp_path / "root"), **options).nodes["Pusher"]

    return models, str(destination), push


def test_a_model_that_was_rolled_back_is_not_pushed_again_and_another_is(line) -> None:
    models, destination, push = line
    assert [push(0).state, push(1).state] == ["COMPLETE", "COMPLETE"]
    version, new = push_model(models[0].uri, destination)
    assert new
    note_rollback(destination, str(version), models[1].fingerprint)
    # From the cache, and without it: the refused model stays away.
    assert push(1).state == "CACHED"
    refused = push(1, use_cache=False)
    assert (refused.state, refused.found["pushed"]) == ("COMPLETE", False)
    assert "rolled back" in refused.found["reason"]
    assert pushed_versions(destination)[-1] == version
    assert push(2).found["pushed"] is True
    newest = f"{destination}/{pushed_versions(destination)[-1]}"
    assert read_manifest(newest, "sha256").fingerprint == models[2].fingerprint
    # Something else was pushed since: going back to the once refused model is a step of its own again.
    assert refused_models(destination) == frozenset()
    assert push(1).found["pushed"] is True


def test_two_rollbacks_refuse_both_models_and_a_broken_mark_none(line) -> None:
    models, destination, push = line
    for number in range(3):
        push(number)
    for target, refused in ((1, 2), (0, 1)):
        version, _ = push_model(models[target].uri, destination)
        note_rollback(destination, str(version), models[refused].fingerprint)
    assert refused_models(destination) == {models[1].fingerprint, models[2].fingerprint}
    found = read_rollback(destination)
    assert found is not None
    assert len(found.versions) == 3
    for text in ("", "[]", '{"version": "../x", "refused": [], "versions": []}', '{"version": 3}'):
        (Path(destination) / ROLLBACK_FILE).write_text(text)
        assert read_rollback(destination) is None


@pytest.mark.slow
def test_the_taxi_line_on_a_few_rows_and_then_in_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sampled run blesses and pushes nothing; the full run after it takes nothing of it."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    places = {"root": str(tmp_path / "line"), "serving_dir": str(tmp_path / "serving"), "max_iter": 5, "min_auc": 0.5}
    runner = LocalRunner()
    tried = runner.run(load_pipeline(str(TAXI), places), sample=200)
    assert tried.status == "COMPLETE"
    assert tried.nodes["CsvExampleGen"].found["rows"] == 200
    examples = tried.nodes["CsvExampleGen"].outputs["examples"][0]
    assert sum(Examples.open(examples.uri).num_rows(split) for split in ("train", "eval")) == 200
    (blessing,) = tried.nodes["Evaluator"].outputs["blessing"]
    assert (blessing.properties["blessed"], blessing.properties["sample"]) == (0, 200)
    assert (Path(blessing.uri) / "NOT_BLESSED").is_file()
    assert "never blesses" in str(blessing.properties["reason"])
    assert not (tmp_path / "serving").exists()
    again = runner.run(load_pipeline(str(TAXI), places), sample=200)
    assert again.nodes["Trainer"].state == "CACHED"
    full = runner.run(load_pipeline(str(TAXI), places))
    assert {node.state for node in full.nodes.values()} == {"COMPLETE"}
    assert full.nodes["CsvExampleGen"].found["rows"] > 1_000
    assert full.nodes["Pusher"].found["pushed"] is True
    assert full.nodes["Evaluator"].found["compared_with_baseline"] is False
