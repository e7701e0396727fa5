from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1]))
SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


@pytest.fixture
def shared_data() -> Path:
    if not SHARED.is_dir():
        pytest.skip(f"the shared data sets are not at {SHARED}")
    return SHARED


@pytest.fixture
def folder(tmp_path):
    """Writes files into one input folder: ``folder(a="x,y\\n1,2\\n")`` makes ``a.csv``."""

    def make(**files: str | bytes) -> str:
        base = tmp_path / "input"
        base.mkdir(exist_ok=True)
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            (base / f"{name}.csv").write_bytes(data)
        return str(base)

    return make


@pytest.fixture
def out(tmp_path) -> str:
    return str(tmp_path / "examples")
