"""Opening the memory to change it, or to look at it with the releases of all pushes made."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import click

from trueline._core.errors import MetadataError
from trueline.cli.memory import find_database, open_store

if TYPE_CHECKING:
    from trueline.metadata import MetadataStore

__all__ = ["open_registry", "open_writable"]

_AT_ONCE = 200
"""How many releases a look at the registry makes before it answers."""


def open_writable(location: str | None) -> MetadataStore:
    """The metadata store, to be changed.

    Raises:
        MetadataError: there is none, or another program made it and it was not adopted.
    """
    from trueline.metadata import MetadataStore

    store = MetadataStore(find_database(location), create=False)
    if not store.database.adopted:
        raise MetadataError(
            "this metadata database was made by another program",
            where=store.database.place,
            hint="`trueline store adopt` adds the tables that trueline needs.",
        )
    return store


def open_registry(location: str | None) -> MetadataStore:
    """The metadata store with a release for everything that was pushed; where it cannot be written to, as it is."""
    from trueline.metadata import release_pushed

    with suppress(MetadataError):
        store = open_writable(location)
        if len(release_pushed(store, limit=_AT_ONCE)) == _AT_ONCE:
            click.echo(f"({_AT_ONCE} pushed models became releases just now; the next call goes on)", err=True)
        return store
    return open_store(location)
