"""A node's environment: its process has it, the cache key knows it, and a secret stays with the process."""

from __future__ import annotations

from pathlib import Path

import pytest

from trueline import LocalRunner, Pipeline
from trueline.pipeline import Component, component
from trueline.pipeline.placeholders import Secret


@component
def mode_now() -> str:
    import os

    return f"{os.environ['LINE_MODE']} {len(os.environ.get('LINE_KEY', ''))}"


def _line(root: Path, mode: str) -> Pipeline:
    node: Component = mode_now().with_settings(environment={"LINE_MODE": mode, "LINE_KEY": Secret("LINE_TEST_KEY")})
    return Pipeline("environment", [node], root=root)


def test_a_changed_environment_runs_the_node_again_and_a_changed_secret_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LINE_TEST_KEY", "a very secret text")
    first = LocalRunner().run(_line(tmp_path, "fast")).nodes["mode_now"]
    assert first.found == {"result": "fast 18"}
    assert LocalRunner().run(_line(tmp_path, "fast")).nodes["mode_now"].state == "CACHED"
    other = LocalRunner().run(_line(tmp_path, "slow")).nodes["mode_now"]
    assert (other.state, other.cached_reason) == ("COMPLETE", "environment variable LINE_MODE changed")
    monkeypatch.setenv("LINE_TEST_KEY", "another secret text")
    assert LocalRunner().run(_line(tmp_path, "slow")).nodes["mode_now"].state == "CACHED"
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"secret text" not in kept


def test_a_secret_that_is_not_set_fails_the_node_with_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LINE_TEST_KEY", raising=False)
    result = LocalRunner().run(_line(tmp_path, "fast")).nodes["mode_now"]
    assert result.state == "FAILED"
    assert "LINE_TEST_KEY is not set" in str(result.message)
