"""Executors are called as the launcher calls them: with real artifacts in real folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from trueline._core.manifest import write_manifest
from trueline.pipeline import ArtifactHandle, ExecutionContext


@pytest.fixture
def artifact(tmp_path):
    """Makes a finished artifact of files, with properties and a number."""

    def make(kind: str, files: dict[str, bytes] | None = None, number: int = 1, **properties: Any) -> ArtifactHandle:
        folder = tmp_path / "artifacts" / f"{kind}-{number}"
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in (files or {}).items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
        fingerprint = write_manifest(str(folder), kind).fingerprint
        return ArtifactHandle(kind, str(folder), properties, id=number, fingerprint=fingerprint)

    return make


@pytest.fixture
def context(tmp_path):
    """Makes an execution context with empty output folders; of a sampled run where its attribute `sample` is set."""

    def make(params: dict[str, Any], inputs: dict[str, list[ArtifactHandle]], outputs: dict[str, str]):
        handles = {}
        for key, kind in outputs.items():
            folder = tmp_path / "out" / key
            folder.mkdir(parents=True, exist_ok=True)
            handles[key] = ArtifactHandle(kind, str(folder))
        scratch = Path(tmp_path / "scratch")
        scratch.mkdir(exist_ok=True)
        return ExecutionContext(
            inputs=inputs,
            outputs=handles,
            params=params,
            tmp_dir=str(scratch),
            sample=make.sample,
            left_out=make.left_out,
        )

    make.sample, make.left_out = None, ()
    return make
