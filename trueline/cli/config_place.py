"""What an environment of ``trueline.toml`` says to commands that read runs or take them up: where they are remembered,
and what carries them out. Its other settings, and the variables that those need, are not asked for."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from trueline._core import store
from trueline._core.errors import ConfigError, did_you_mean
from trueline.cli.config import DEFAULT, Environment, read_environment
from trueline.cli.config_file import find_config, read_config

__all__ = ["CARRIES_OUT", "default_place", "part_of_environment", "place_of_environment"]

CARRIES_OUT = ("engine", "runner", "workers")
_REMEMBERS = ("root", "metadata")


def part_of_environment(name: str, keys: Collection[str]) -> Environment:
    """Some settings of an environment of the nearest ``trueline.toml``, this folder's or one above.

    Raises:
        ConfigError: no such file or environment, or one of these settings is not right.
    """
    path = find_config(Path())
    if path is None:
        raise ConfigError(
            f"there is no environment {name!r}: no trueline.toml here or above",
            where=str(Path.cwd()),
            hint="go into the project's folder, or give --metadata LOCATION.",
        )
    config, problems = read_config(path), list[str]()
    known = config.table(problems, "environments")
    if name not in known:
        problems.append(f"{config.line_of('environments')}: no environment {name!r}. {did_you_mean(name, known)}")
        raise ConfigError("the configuration is not right", where=str(path), problems=problems)
    table = config.table(problems, "environments", name)
    part = {"environments": {name: {key: value for key, value in table.items() if key in keys}}}
    found = read_environment(replace(config, data=part), name, problems, os.environ)
    if problems:
        raise ConfigError("the configuration is not right", where=str(path), problems=problems)
    return found


def place_of_environment(name: str) -> str | None:
    """The metadata database of an environment's runs; None where it leaves that to the pipeline.

    Raises:
        ConfigError: as `part_of_environment`; or its root is remote and it names no database.
    """
    found = part_of_environment(name, _REMEMBERS)
    if found.metadata is not None or found.root is None:
        return found.metadata
    if not store.is_local(found.root):
        raise ConfigError(
            f"the root {found.root} of environment {name!r} is remote",
            where=str(found.file),
            hint='say there with metadata = "..." where the database is.',
        )
    return os.fspath(store.local_path(found.root) / "metadata.db")


def default_place() -> str | None:
    """The database of the environment that `trueline run` takes unasked, where there is that one.

    Raises:
        ConfigError: it cannot be said where that is.
    """
    path = find_config(Path())
    if path is None or DEFAULT not in read_config(path).table([], "environments"):
        return None
    return place_of_environment(DEFAULT)
