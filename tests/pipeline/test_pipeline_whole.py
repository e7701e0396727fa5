"""An artifact's files are read once, and again after whatever could have changed them."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from trueline._core import manifest
from trueline._core.errors import ArtifactError
from trueline._core.manifest import write_manifest
from trueline.metadata.records import Artifact, ArtifactState
from trueline.pipeline import whole
from trueline.pipeline.handles import FINGERPRINT
from trueline.pipeline.whole import check_whole


@pytest.fixture
def artifact(tmp_path: Path) -> Artifact:
    folder = tmp_path / "artifact"
    (folder / "inner").mkdir(parents=True)
    (folder / "a.bin").write_bytes(b"0" * 100)
    (folder / "inner" / "b.bin").write_bytes(b"1" * 100)
    print_of = write_manifest(str(folder), "Model").fingerprint
    return Artifact("Model", str(folder), ArtifactState.LIVE, custom_properties={FINGERPRINT: print_of})


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files whose contents were read."""
    names: list[str] = []
    true = manifest.file_sha256

    def watched(uri: str) -> str:
        names.append(Path(uri).name)
        return true(uri)

    monkeypatch.setattr(manifest, "file_sha256", watched)
    monkeypatch.setattr(whole, "_SETTLED_SECONDS", 0.0)
    return names


def test_what_was_found_whole_is_not_read_again(artifact: Artifact, tmp_path: Path, read: list[str]) -> None:
    for _ in range(3):
        check_whole(artifact, tmp_path / "memory")
    assert read == ["a.bin", "b.bin"]
    check_whole(artifact, tmp_path / "another memory")
    assert len(read) == 4


def same_size_and_time(file: Path) -> None:
    """As the worst program could do it: other contents, and the old time of change put back."""
    stat = file.stat()
    file.write_bytes(b"2" * 100)
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def another_file_in_its_place(file: Path) -> None:
    stat = file.stat()
    other = file.with_name("other")
    other.write_bytes(b"3" * 100)
    os.utime(other, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    other.replace(file)


@pytest.mark.parametrize(
    "harm",
    [same_size_and_time, another_file_in_its_place, lambda file: file.unlink(), lambda file: file.write_text("")],
)
def test_damage_after_that_is_seen(
    artifact: Artifact, tmp_path: Path, read: list[str], harm: Callable[[Path], Any]
) -> None:
    check_whole(artifact, tmp_path / "memory")
    time.sleep(0.02)
    harm(Path(str(artifact.uri)) / "inner" / "b.bin")
    for _ in range(2):
        with pytest.raises(ArtifactError, match=r"b\.bin"):
            check_whole(artifact, tmp_path / "memory")


def test_fresh_files_are_not_remembered(artifact: Artifact, tmp_path: Path, read: list[str]) -> None:
    whole._SETTLED_SECONDS = 60.0
    for _ in range(2):
        check_whole(artifact, tmp_path / "memory")
    assert len(read) == 4
    assert not (tmp_path / "memory").exists()


def test_a_memory_that_is_broken_or_cannot_be_written_costs_reading_alone(
    artifact: Artifact, tmp_path: Path, read: list[str]
) -> None:
    check_whole(artifact, tmp_path / "memory")
    (note,) = (tmp_path / "memory").iterdir()
    note.write_text("{")
    check_whole(artifact, tmp_path / "memory")
    assert len(read) == 4
    note.write_text(json.dumps({"fingerprint": "another", "files": {}}))
    check_whole(artifact, tmp_path / "memory")
    assert len(read) == 6
    (tmp_path / "file").write_text("")
    check_whole(artifact, tmp_path / "file" / "memory")
    assert len(read) == 8


def test_the_memory_does_not_grow_without_end(artifact: Artifact, tmp_path: Path, read: list[str]) -> None:
    memory = tmp_path / "memory"
    memory.mkdir()
    for number in range(whole._MOST + 10):
        (memory / f"{number}.json").write_text("{}")
    check_whole(artifact, memory)
    check_whole(artifact, memory)
    assert len(list(memory.iterdir())) < whole._MOST
    assert read == ["a.bin", "b.bin"], "the newest stays"


def test_other_artifacts_are_checked_as_before(artifact: Artifact, tmp_path: Path) -> None:
    gone = Artifact("Model", artifact.uri, ArtifactState.DELETED, custom_properties=artifact.custom_properties)
    with pytest.raises(ArtifactError, match="not LIVE"):
        check_whole(gone, tmp_path)
    swapped = Artifact("Model", artifact.uri, ArtifactState.LIVE, custom_properties={FINGERPRINT: "0" * 64})
    with pytest.raises(ArtifactError, match="was changed since"):
        check_whole(swapped, tmp_path)
