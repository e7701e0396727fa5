from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from trueline.cli.app import run_command

sys.path.insert(0, str(Path(__file__).parents[1]))
from registry_world import World, world

__all__ = ["world"]


@pytest.fixture
def ask(
    world: World, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> Callable[..., tuple[int, str, str]]:
    """Runs the command that the test's module is about (`COMMAND`): exit code, stdout and stderr."""

    def run(*arguments: str) -> tuple[int, str, str]:
        code = run_command([request.module.COMMAND, *arguments, "--metadata", world.url])
        told = capsys.readouterr()
        return code, told.out, told.err

    return run
