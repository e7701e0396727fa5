"""A model's folder holds a whole model or nothing of one, also when the disk is full."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from trueline._core.errors import ModelError
from trueline._core.manifest import read_manifest
from trueline.models.written import write_model_files

FULL = """
import resource, signal, sys
from trueline.models.written import write_model_files
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_model_files(sys.argv[1], {"host.json": b"{}", "native/a": b"x", "model.onnx": b"y" * 5000})
except OSError as error:
    print("refused")
"""


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    pytest.importorskip("resource")
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path / "model")], capture_output=True, text=True, check=True
    )
    assert done.stdout == "refused\n"
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


def test_what_a_killed_writer_left_does_not_become_part_of_the_next_model(tmp_path: Path) -> None:
    (tmp_path / "native").mkdir()
    for name in ("native/old.ubj", "targets.onnx", "model.json"):
        (tmp_path / name).write_text("half")
    (tmp_path / "notes.txt").write_text("the user's own")
    write_model_files(str(tmp_path), {"model.json": b"{}", "model.onnx": b"y"})
    assert [f.path for f in read_manifest(str(tmp_path)).files] == ["model.json", "model.onnx", "notes.txt"]
    with pytest.raises(ModelError, match="finished artifact already"):
        write_model_files(str(tmp_path), {"model.json": b"other"})
    assert (tmp_path / "model.json").read_bytes() == b"{}"
