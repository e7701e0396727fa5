"""An importer: what it notes, when it uses it again, and what it refuses."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from trueline._core import store as files
from trueline._core.errors import ArtifactError, ConfigError
from trueline.metadata import ArtifactState, ExecutionState, MetadataStore
from trueline.pipeline import Importer, Pipeline, importing
from trueline.pipeline.artifacts import Examples, Schema
from trueline.pipeline.importing import settled_fingerprint
from trueline.pipeline.results import NodeResult
from trueline.runners import LocalRunner

Opened = Callable[[], MetadataStore]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "given"
    made.mkdir()
    (made / "a.csv").write_text("1")
    return made


@pytest.fixture
def bring(root: Path, runner: LocalRunner) -> Callable[..., NodeResult]:
    def run(source: object, **more: Any) -> NodeResult:
        given = {"artifact_type": Examples, **more}
        return runner.run(Pipeline("line", [Importer(source_uri=str(source), **given)], root=root)).nodes["Importer"]

    return run


def the_id(result: NodeResult) -> int | None:
    (handle,) = result.outputs["result"]
    return handle.id


def test_use_again_is_recorded_as_cached(folder: Path, bring: Callable[..., NodeResult], opened: Opened) -> None:
    first, second = bring(folder), bring(folder)
    states = [e.state for e in opened().executions(ids=[first.execution_id or 0, second.execution_id or 0])]
    assert states == [ExecutionState.COMPLETE, ExecutionState.CACHED]
    assert the_id(first) == the_id(second)
    assert second.cached_reason == f"artifact {the_id(first)} has the same URI, properties and contents"


def test_why_a_new_artifact_is_made(folder: Path, bring: Callable[..., NodeResult]) -> None:
    first = the_id(bring(folder, properties={"span": 1}))
    other = bring(folder, properties={"span": 2, "team": "a"})
    assert other.cached_reason == f"changed since artifact {first}: property 'span', property 'team'"
    (folder / "a.csv").write_text("2")
    changed = bring(folder, properties={"span": 2, "team": "a"})
    assert changed.cached_reason == f"changed since artifact {the_id(other)}: contents"
    assert bring(folder, properties={"span": 2, "team": "a"}, reimport=True).cached_reason == "reimport is asked for"
    (folder / "a.csv").write_text("1")
    back = bring(folder, properties={"span": 1})
    assert (back.state, the_id(back)) == ("CACHED", first), "contents that went back are the artifact that they were"


def test_declared_and_custom_properties(folder: Path, bring: Callable[..., NodeResult], opened: Opened) -> None:
    given = {"properties": {"span": 3, "tags": ["x"]}, "custom_properties": {"span": 4, "city": "Bonn"}}
    result = bring(folder, **given)
    (stored,) = opened().artifacts(ids=[the_id(result) or 0])
    assert stored.properties == {"span": 3}
    own = {name: stored.custom_properties[name] for name in ("span", "city", "tags")}
    assert own == {"span": 4, "city": "Bonn", "tags": {"__value__": ["x"]}}
    assert bring(folder, **given).state == "CACHED"


def test_a_deleted_artifact_and_one_of_an_older_trueline(
    folder: Path, bring: Callable[..., NodeResult], opened: Opened
) -> None:
    first = the_id(bring(folder)) or 0
    store = opened()
    (stored,) = store.artifacts(ids=[first])
    older = {**stored.custom_properties, "trueline_version": "0.0.1"}
    store.put_artifacts([replace(stored, custom_properties=older)])
    assert bring(folder).state == "CACHED", "an upgrade is no change of the contents"
    store.put_artifacts([replace(stored, state=ArtifactState.DELETED)])
    again = bring(folder)
    assert (again.state, again.cached_reason) == ("COMPLETE", f"artifact {first} is DELETED")


def test_a_relative_path_is_noted_in_full(
    folder: Path, bring: Callable[..., NodeResult], opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder.parent)
    result = bring("given")
    (stored,) = opened().artifacts(ids=[the_id(result) or 0])
    assert stored.uri == str(folder)
    assert the_id(bring(folder)) == the_id(result)


def test_nothing_an_empty_folder_and_what_cannot_be_read(
    tmp_path: Path, folder: Path, bring: Callable[..., NodeResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "there is nothing to import" in str(bring(tmp_path / "nowhere").message)
    (tmp_path / "empty").mkdir()
    assert "the folder is empty" in str(bring(tmp_path / "empty").message)
    os.mkfifo(folder / "pipe")
    assert bring(folder).state == "COMPLETE", "only files count"
    (folder / "pipe").unlink()
    opening = files.open_uri

    def refuse(uri: str, mode: str = "rb") -> Any:
        if uri.endswith("a.csv"):
            raise PermissionError(13, "Permission denied", uri)
        return opening(uri, mode)

    monkeypatch.setattr(files, "open_uri", refuse)  # whoever runs the tests may read everything
    result = bring(folder)
    assert "it cannot be read: PermissionError" in str(result.message)
    assert "may this user read the files?" in str(result.message)


def test_files_that_change_while_they_are_read_are_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hashing = importing.content_fingerprint

    def disturbed(uri: str) -> str:
        found = hashing(uri)
        (folder / "a.csv").write_text("somebody else writes")
        (folder / "b.csv").write_text("and adds")
        return found

    monkeypatch.setattr(importing, "content_fingerprint", disturbed)
    with pytest.raises(ArtifactError, match=r"changed while they were read: a\.csv, b\.csv"):
        settled_fingerprint(str(folder))


def test_what_is_written_wrongly_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        Pipeline(
            "line",
            [
                Importer(source_uri="x", artifact_type="Examples", node_id="a"),  # type: ignore[arg-type]
                Importer(source_uri="x", artifact_type=Examples, properties={"span": "3", "__gate__": 1}, node_id="b"),
                Importer(source_uri="", artifact_type=Schema, output_key="no name", node_id="c"),
            ],
            root=tmp_path,
        )
    text = str(caught.value)
    for told in (
        "a needs an artifact type, not 'Examples'",
        "b cannot set the property '__gate__'",
        "b was given span='3', but Examples declares it as int",
        "c needs a source_uri",
        "c cannot call its output 'no name'",
    ):
        assert told in text, told


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An S3 bucket on loopback."""
    moto_server = pytest.importorskip("moto.server")
    import fsspec
    import s3fs

    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in (
        ("AWS_ENDPOINT_URL", f"http://{host}:{port}"),
        ("AWS_ACCESS_KEY_ID", "x"),
        ("AWS_SECRET_ACCESS_KEY", "x"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
    ):
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    fsspec.filesystem("s3").mkdir("imports")
    yield "s3://imports/given"
    s3fs.S3FileSystem.clear_instance_cache()
    server.stop()


def test_a_remote_folder_is_imported_used_again_and_found_changed(
    bucket: str, bring: Callable[..., NodeResult], opened: Opened
) -> None:
    assert "there is nothing to import" in str(bring(bucket).message)
    files.write_text(f"{bucket}/part/a.csv", "1")
    first = bring(bucket)
    assert first.state == "COMPLETE", first.message
    (stored,) = opened().artifacts(ids=[the_id(first) or 0])
    assert stored.uri == bucket
    assert bring(bucket).state == "CACHED"
    files.write_text(f"{bucket}/part/a.csv", "2")
    assert bring(bucket).cached_reason == f"changed since artifact {the_id(first)}: contents"
    assert bring(f"{bucket}/part/a.csv").state == "COMPLETE", "a single remote file"
