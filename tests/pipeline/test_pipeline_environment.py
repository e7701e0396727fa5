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


@component
def once() -> int:
    return 1


def test_a_node_says_for_itself_whether_it_comes_from_the_cache(tmp_path: Path) -> None:
    def line(cache: bool, own: bool | None) -> Pipeline:
        return Pipeline("own", [once().with_settings(cache=own)], root=tmp_path, cache=cache)

    LocalRunner().run(line(True, None))
    never = LocalRunner().run(line(True, False)).nodes["once"]
    assert (never.state, never.cached_reason) == ("COMPLETE", "the cache is off for this node")
    assert LocalRunner().run(line(False, None)).nodes["once"].state == "COMPLETE"
    assert LocalRunner().run(line(False, True)).nodes["once"].state == "CACHED"
    assert LocalRunner().run(line(True, True), use_cache=False).nodes["once"].state == "COMPLETE"
