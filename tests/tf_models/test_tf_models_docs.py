"""What the documentation shows of models of TensorFlow, Keras and JAX, where these are."""

from __future__ import annotations

from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
PAGE = "docs/howto/tensorflow_and_jax.md"


@pytest.mark.filterwarnings("ignore")  # what frameworks say of each other
def test_the_page_is_true(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tensorflow", reason="NOT TESTED HERE: TensorFlow is not installed")
    pytest.importorskip("jax", reason="NOT TESTED HERE: JAX is not installed")
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
    assert machine.left_out == []
    assert sum("tensorflow" in block.needs for block in machine.executed) > 4
