"""A recorded run as it was started: the folder of its code, and the engine and runner that carried it out."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from trueline.cli.config import Environment
from trueline.cli.config_place import CARRIES_OUT, part_of_environment

if TYPE_CHECKING:
    from trueline.metadata import RunRecord

__all__ = ["stand_as_started"]


def stand_as_started(record: RunRecord) -> Environment:
    """Puts this process where the run was: its pipeline file's folder on the import path, its engine for data passes.

    The engine is that of ``--env``, else of ``$TRUELINE_ENGINE``, else the one the run began with. An address that
    holds a login is kept with no run: it is read again from the run's environment.

    Returns:
        The engine, the runner and the number of workers, each None where nothing was said.

    Raises:
        ConfigError: the environment is not there, or not right.
    """
    from trueline.engine.local import ENGINE_VARIABLE

    _stand_in_project(record)
    named = click.get_current_context().params.get("env")
    found = part_of_environment(named, CARRIES_OUT) if named else _recorded(record)
    if found.engine is not None and (named or not os.environ.get(ENGINE_VARIABLE)):
        os.environ[ENGINE_VARIABLE] = found.engine
    return found


def _recorded(record: RunRecord) -> Environment:
    kept = record.settings
    found = Environment(engine=kept.get("engine"), runner=kept.get("runner"), workers=kept.get("workers"))
    if "engine" in kept or not kept.get("environment"):
        return found
    return part_of_environment(str(kept["environment"]), CARRIES_OUT)


def _stand_in_project(record: RunRecord) -> None:
    file = record.settings.get("file")
    if isinstance(file, str) and Path(file).is_absolute():
        folder = str(Path(file).parent)
        if folder not in sys.path:
            sys.path.insert(0, folder)
