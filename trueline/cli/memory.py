"""Where the runs are remembered: finds the metadata database and opens it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from trueline._core.errors import MetadataError

if TYPE_CHECKING:
    from trueline.metadata import MetadataStore, RunStore

__all__ = ["ENVIRONMENT", "find_database", "metadata_option", "open_runs", "open_store"]

F = TypeVar("F", bound=Callable[..., object])
ENVIRONMENT = "TRUELINE_METADATA"
_PATTERNS = ("metadata.db", "*/metadata.db", "*/*/metadata.db", "*/*/*/metadata.db")


def metadata_option(function: F) -> F:
    """The option `--metadata` of every command that asks the memory."""
    option: Callable[[F], F] = click.option(
        "--metadata",
        "location",
        metavar="LOCATION",
        envvar=ENVIRONMENT,
        help=f"Path or URL of the metadata database (or ${ENVIRONMENT}); by default the one below this folder.",
    )
    return option(function)


def find_database(location: str | None) -> str:
    """The given location, or the only ``metadata.db`` in this folder or up to three folders below.

    Raises:
        MetadataError: there is none, or more than one.
    """
    if location:
        return location
    found = sorted({path for pattern in _PATTERNS for path in Path().glob(pattern) if path.is_file()})
    if len(found) == 1:
        return os.fspath(found[0])
    if not found:
        raise MetadataError(
            "there is no metadata database below this folder", where=str(Path.cwd()), hint="give --metadata LOCATION."
        )
    raise MetadataError(
        f"there are {len(found)} metadata databases below this folder",
        where=str(Path.cwd()),
        problems=[os.fspath(path) for path in found],
        hint="say which one: --metadata LOCATION.",
    )


def open_store(location: str | None) -> MetadataStore:
    """The metadata store, to read from; it is never made here."""
    from trueline.metadata import MetadataStore

    return MetadataStore(find_database(location), create=False, readonly=True)


def open_runs(location: str | None) -> RunStore:
    """The runs in the metadata store."""
    from trueline.metadata import RunStore

    return RunStore(open_store(location))
