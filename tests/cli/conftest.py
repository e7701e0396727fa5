from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
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


@pytest.fixture(autouse=True)
def forgets_projects(tmp_path: Path) -> Iterator[None]:
    """One process serves one project on the command line; here each test has its own, with modules named alike."""
    yield
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(f"{tmp_path}{os.sep}"):
            del sys.modules[name]
