"""``trueline store``: the metadata database itself: its versions, adopting another program's, upgrading, checking."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from trueline._core.errors import MetadataError
from trueline.cli.failures import FAILED, OK
from trueline.cli.format import amount
from trueline.cli.memory import find_database, find_databases, metadata_option

if TYPE_CHECKING:
    from trueline.cli.store_facts import StoreFacts

__all__ = ["store"]

_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_KINDS = {
    "ours": "trueline's",
    "foreign": "ML Metadata's, without trueline's tables",
    "empty": "empty",
    "half": "half made",
}


@click.group()
def store() -> None:
    """Look after the metadata database."""


@store.command("info")
@metadata_option
@_json
def info(location: str | None, as_json: bool) -> None:
    """Say what each database is: versions of its tables, how much is in it, and what it needs."""
    from trueline.cli.store_facts import facts_of

    found = [facts_of(place) for place in find_databases(location)]
    if as_json:
        click.echo(json.dumps([_plain(facts) for facts in found], indent=1))
        return
    for facts in found:
        click.echo("\n".join(_lines(facts)))


def _plain(facts: StoreFacts) -> dict[str, Any]:
    return {**asdict(facts), "counts": dict(facts.counts)}


def _lines(facts: StoreFacts) -> list[str]:
    size = f", {amount(facts.bytes)}" if facts.bytes is not None else ""
    lines = [f"{facts.place}: {_KINDS[facts.kind]}{size}"]
    if facts.kind in ("ours", "foreign"):
        own = f", trueline's tables {facts.own_version}" if facts.kind == "ours" else ""
        newest = "" if facts.kind == "foreign" else " (the newest)" if facts.current else " (older than this trueline)"
        lines.append(f"  versions: ML Metadata's tables {facts.mlmd_version}{own}{newest}")
        lines.append("  holds: " + ", ".join(f"{number} {name}" for name, number in facts.counts.items()))
    return [*lines, *([f"  next: {facts.next}"] if facts.next else [])]


@store.command("adopt")
@metadata_option
@_json
def adopt(location: str | None, as_json: bool) -> None:
    """Add trueline's tables to a database that ML Metadata or TFX made; what is there stays as it is."""
    from trueline.metadata import MetadataStore

    place = find_database(location)
    before = _known(place)
    if before.kind != "ours":
        MetadataStore(place, create=False, adopt=True).close()
    _tell(before, place, as_json, copy=None)


@store.command("upgrade")
@metadata_option
@click.option("--no-copy", is_flag=True, help="Make no copy of the SQLite file first.")
@click.option("--yes", is_flag=True, help="The server's database was dumped: go on without a copy.")
@_json
def upgrade(location: str | None, no_copy: bool, yes: bool, as_json: bool) -> None:
    """Bring the tables of an older version to the newest. An SQLite file is copied beside itself first."""
    from trueline.metadata import MetadataStore

    place = find_database(location)
    before = _known(place)
    copy = None
    if not _newest(before):
        if before.bytes is None and not yes:
            raise click.UsageError(f"dump the database {before.place} first, then give --yes.")
        copy = None if before.bytes is None or no_copy else _copied(place)
        MetadataStore(place, create=False, upgrade=True).close()
    _tell(before, place, as_json, copy)


def _known(place: str) -> StoreFacts:
    """What the database is; an empty one is none.

    Raises:
        MetadataError: it has no tables yet.
    """
    from trueline.cli.store_facts import facts_of

    found = facts_of(place)
    if found.kind in ("empty", "half"):
        raise MetadataError("the database has no tables yet", where=found.place, hint=found.next)
    return found


def _newest(facts: StoreFacts) -> bool:
    from trueline.metadata.tables import MLMD_VERSION

    return facts.current or (facts.kind == "foreign" and facts.mlmd_version == MLMD_VERSION)


def _copied(place: str) -> str:
    """A whole copy of an SQLite database beside it, made while others may read and write."""
    import sqlalchemy as sa

    from trueline.metadata.connect import url_of

    path = Path(sa.make_url(url_of(place)).database or "")
    copy = path.with_name(f"{path.name}.before-{datetime.now(UTC):%Y%m%d-%H%M%S}")
    if copy.exists():
        raise MetadataError("a copy of this second is there already", where=str(copy), hint="call it again.")
    address = f"{path.absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(address, uri=True)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    return str(copy)


def _tell(before: StoreFacts, place: str, as_json: bool, copy: str | None) -> None:
    from trueline.cli.store_facts import facts_of

    after = facts_of(place)
    changed = (before.kind, before.mlmd_version, before.own_version) != (
        after.kind,
        after.mlmd_version,
        after.own_version,
    )
    if as_json:
        click.echo(json.dumps({**_plain(after), "changed": changed, "copy": copy}, indent=1))
        return
    if copy:
        click.echo(f"Copied to {copy}")
    if not changed:
        click.echo("Nothing to do.")
    click.echo("\n".join(_lines(after)))


@store.command("check")
@metadata_option
@click.option("--files", "every_file", is_flag=True, help="Look at the files of every artifact, not of the newest 200.")
@click.option("--recover", "mend", is_flag=True, help="End the runs whose process is gone, and remove what they left.")
@_json
def check(location: str | None, every_file: bool, mend: bool, as_json: bool) -> int:
    """Look for runs whose process is gone, executions that they left open, and artifacts without their files.

    Sizes are compared with each artifact's manifest. The exit code is 1 where something is amiss.
    """
    from trueline.cli.store_facts import amiss, facts_of
    from trueline.metadata import MetadataStore
    from trueline.pipeline.recover import recover

    place = find_database(location)
    facts = facts_of(place, quick_check=True)
    with closing(MetadataStore(place, create=False, readonly=not mend)) as opened:
        if not opened.database.adopted:
            raise MetadataError("there are no runs of trueline", where=facts.place, hint=facts.next)
        ended = recover(opened) if mend else []
        problems, looked = amiss(opened, every_file=every_file)
    if as_json:
        told = {"place": facts.place, "problems": problems, "artifacts_checked": looked, "recovered": ended}
        click.echo(json.dumps(told, indent=1))
        return FAILED if problems else OK
    for run_id in ended:
        click.echo(f"Run {run_id} is ended as failed")
    for sentence in problems:
        click.echo(f"- {sentence}")
    of = f" of {facts.counts['artifacts']}" if looked < facts.counts["artifacts"] else ""
    click.echo(f"{facts.place}: {len(problems) or 'nothing'} amiss; the files of {looked}{of} artifacts were looked at")
    return FAILED if problems else OK
