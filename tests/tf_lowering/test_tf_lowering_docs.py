"""What the documentation shows of TensorFlow, where TensorFlow is."""

from __future__ import annotations

from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
PAGE = "docs/howto/features_elsewhere.md"


def test_the_page_on_tensorflow_is_true(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tensorflow", reason="NOT TESTED HERE: TensorFlow is not installed")
    monkeypatch.syspath_prepend(str(DOCS))
    from docs_blocks import blocks_of
    from docs_machine import Machine

    (tmp_path / "reader").mkdir()
    machine = Machine(tmp_path / "reader")
    try:
        for block in blocks_of(PAGE):
            machine.carry_out(block)
    finally:
        machine.close()
    assert any("tensorflow" in block.needs for block in machine.executed)
