from __future__ import annotations

import gzip
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from trueline.metadata import MetadataStore, PropertyType, TypeKind, TypeSpec

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
from database_servers import store_url  # noqa: E402
from registry_world import world  # noqa: E402

__all__ = ["store_url", "world"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "metadata.db"


@pytest.fixture
def store(path: Path) -> Iterator[MetadataStore]:
    made = MetadataStore(str(path))
    made.put_type(
        TypeSpec(
            "Data",
            TypeKind.ARTIFACT,
            {"span": PropertyType.INT, "rate": PropertyType.DOUBLE, "kind": PropertyType.STRING},
            base="mlmd.Dataset",
        )
    )
    made.put_type(TypeSpec("m.Step", TypeKind.EXECUTION))
    made.put_type(TypeSpec("pipeline", TypeKind.CONTEXT))
    made.put_type(TypeSpec("pipeline_run", TypeKind.CONTEXT))
    yield made
    made.close()


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """A database that ml-metadata 1.17.1 itself wrote."""
    target = tmp_path / "foreign.db"
    target.write_bytes(gzip.decompress((HERE / "mlmd_1_17_1.db.gz").read_bytes()))
    return target
