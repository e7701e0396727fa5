"""Artifacts: complete only with their manifest, equal contents have equal fingerprints, damage is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trueline._core import store
from trueline._core.errors import ArtifactError
from trueline._core.manifest import read_manifest, write_manifest


def make(root: Path, files: dict[str, bytes]) -> str:
    for name, data in files.items():
        store.write_bytes(store.join(str(root), name), data)
    return str(root)


FILES = {"a.txt": b"one", "Split-train/b.bin": b"\x00" * 100, "Split-train/c.bin": b""}


def test_round_trip_and_equal_fingerprints(tmp_path: Path) -> None:
    first, second = make(tmp_path / "1", FILES), make(tmp_path / "2", dict(reversed(FILES.items())))
    written = write_manifest(first, "Examples")
    assert read_manifest(first, "sha256") == written
    assert [f.path for f in written.files] == ["Split-train/b.bin", "Split-train/c.bin", "a.txt"]
    assert write_manifest(second, "Examples").fingerprint == written.fingerprint
    assert write_manifest(second, "Examples", 2).fingerprint != written.fingerprint


def test_no_manifest_no_artifact(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="never finished"):
        read_manifest(make(tmp_path / "1", FILES))
    with pytest.raises(ArtifactError, match="never finished"):
        read_manifest(str(tmp_path / "nowhere"))


def test_damage_is_listed(tmp_path: Path) -> None:
    uri = make(tmp_path / "1", FILES)
    write_manifest(uri, "Examples")
    (tmp_path / "1" / "a.txt").write_bytes(b"two")
    read_manifest(uri, "size")
    with pytest.raises(ArtifactError, match=r"a\.txt has other contents"):
        read_manifest(uri, "sha256")
    (tmp_path / "1" / "a.txt").write_bytes(b"three")
    (tmp_path / "1" / "Split-train" / "b.bin").unlink()
    with pytest.raises(ArtifactError) as caught:
        read_manifest(uri)
    assert len(caught.value.problems) == 2


@pytest.mark.parametrize("text", ["", "{}", "[]", "nul", '{"format": 99}', '{"format": 1, "kind": 1, "files": 3}'])
def test_a_manifest_that_does_not_parse(tmp_path: Path, text: str) -> None:
    uri = make(tmp_path / "1", {**FILES, "MANIFEST.json": text.encode()})
    with pytest.raises(ArtifactError):
        read_manifest(uri)


def test_a_manifest_cannot_point_outside(tmp_path: Path) -> None:
    uri = make(tmp_path / "1", {"a": b"1"})
    write_manifest(uri, "X")
    path = tmp_path / "1" / "MANIFEST.json"
    data = json.loads(path.read_text())
    data["files"][0]["path"] = "../a"
    path.write_text(json.dumps(data))
    with pytest.raises(ArtifactError, match="outside"):
        read_manifest(uri)
    data["files"][0]["path"] = "a"
    data["files"][0]["size"] = 2
    path.write_text(json.dumps(data))
    with pytest.raises(ArtifactError, match="changed by hand"):
        read_manifest(uri)


def test_the_same_through_another_store(tmp_path: Path) -> None:
    local = make(tmp_path / "1", FILES)
    fingerprint = write_manifest(local, "Examples").fingerprint
    store.copy_tree(local, "memory://manifest-copies/examples")
    assert read_manifest("memory://manifest-copies/examples", "sha256").fingerprint == fingerprint
    assert store.listdir("memory://manifest-copies/examples") == ["MANIFEST.json", "Split-train", "a.txt"]
    store.remove_tree("memory://manifest-copies/examples")
    assert not store.exists("memory://manifest-copies/examples/a.txt")


def test_a_failed_write_leaves_the_old_bytes(tmp_path: Path) -> None:
    uri = str(tmp_path / "x")
    store.write_bytes(uri, b"old")
    with pytest.raises(TypeError):
        store.write_bytes(uri, "not bytes")  # type: ignore[arg-type]
    assert store.read_bytes(uri) == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["x"]
