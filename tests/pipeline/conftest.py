from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pipeline_nodes import MakeSchema, Source, Train

from trueline.metadata import MetadataStore
from trueline.pipeline import Pipeline
from trueline.runners import LocalRunner

Build = Callable[..., Pipeline]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "rows.csv"
    path.write_text("a\nb\nc\n")
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


@pytest.fixture
def build(data: Path, root: Path) -> Build:
    """Source -> MakeSchema -> Train."""

    def make(times: int = 1, **train: object) -> Pipeline:
        source = Source(path=str(data), times=times)
        schema = MakeSchema(examples=source.outputs["examples"])
        model = Train(examples=source.outputs.examples, schema=schema.outputs.schema, **train)  # type: ignore[arg-type]
        return Pipeline("line", [model], root=root)

    return make


@pytest.fixture
def runner() -> LocalRunner:
    return LocalRunner()


@pytest.fixture
def opened(root: Path) -> Iterator[Callable[[], MetadataStore]]:
    stores: list[MetadataStore] = []

    def open_store() -> MetadataStore:
        stores.append(MetadataStore(str(root / "metadata.db"), create=False))
        return stores[-1]

    yield open_store
    for store in stores:
        store.close()
