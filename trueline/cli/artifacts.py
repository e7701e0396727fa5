"""``trueline artifacts``: list, show, pin, unpin."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from trueline._core.errors import MetadataError, did_you_mean
from trueline.cli.completion import complete_artifact_types, complete_pipelines
from trueline.cli.format import moment, table_console
from trueline.cli.memory import metadata_option, open_store
from trueline.cli.registry_store import open_writable

if TYPE_CHECKING:
    from trueline.metadata import Artifact, MetadataStore, Pin

__all__ = ["artifacts"]

_STATES = ("live", "pending", "marked_for_deletion", "deleted", "abandoned", "reference", "unknown")
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group(invoke_without_command=True)
@metadata_option
@click.option("--type", "kind", shell_complete=complete_artifact_types, help="Only this type, such as Model.")
@click.option("--pipeline", shell_complete=complete_pipelines, help="Only artifacts of this pipeline.")
@click.option("--state", type=click.Choice(_STATES, case_sensitive=False), help="Only this state.")
@click.option("--span", type=int, help="Only this span.")
@click.option("--pinned", is_flag=True, help="Only pinned ones.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1), help="At most so many.")
@_json
@click.pass_context
def artifacts(
    context: click.Context,
    location: str | None,
    kind: str | None,
    pipeline: str | None,
    state: str | None,
    span: int | None,
    pinned: bool,
    limit: int,
    as_json: bool,
) -> None:
    """List artifacts, newest first; or show, pin or unpin one.

    A pinned artifact, and all that it was made of, stays when `trueline gc` deletes.
    """
    if context.invoked_subcommand is not None:
        context.obj = location
        return
    from trueline.metadata.listing import list_artifacts

    store = open_store(location)
    found = list_artifacts(store, kind, pipeline=pipeline, state=state, span=span, pinned=pinned, limit=limit)
    pins = _pins(store)
    if as_json:
        click.echo(json.dumps([_plain(artifact, pins) for artifact in found], indent=1))
        return
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("artifact", "type", "state", "span", "made", "uri"):
        table.add_column(heading, justify="right" if heading in ("artifact", "span") else "left", overflow="fold")
    for artifact in found:
        pin = " [cyan]pinned[/]" if artifact.id in pins else ""
        at = artifact.properties.get("span", artifact.custom_properties.get("span", ""))
        where = escape(artifact.uri or "")
        table.add_row(
            str(artifact.id),
            escape(artifact.type),
            f"{artifact.state.name}{pin}",
            str(at),
            moment(artifact.created),
            where,
        )
    table_console().print(table)


def _pins(store: MetadataStore) -> dict[int, Pin]:
    from trueline.metadata import pins

    return {pin.artifact_id: pin for pin in pins(store)} if store.database.adopted else {}


def _plain(artifact: Artifact, pins: dict[int, Pin]) -> dict[str, Any]:
    from trueline.metadata.words import unwrapped

    pin = pins.get(artifact.id or 0)
    return {
        "id": artifact.id,
        "type": artifact.type,
        "state": artifact.state.name,
        "uri": artifact.uri,
        "name": artifact.name,
        "created": artifact.created,
        "updated": artifact.updated,
        "properties": json.loads(json.dumps(dict(artifact.properties), default=repr)),
        "custom_properties": json.loads(json.dumps(unwrapped(artifact.custom_properties), default=repr)),
        "pinned": None if pin is None else {"reason": pin.reason, "at": pin.pinned_at, "by": pin.pinned_by},
    }


def _one(store: MetadataStore, number: int) -> Artifact:
    found = store.artifacts(ids=[number])
    if not found:
        newest = store.artifacts(newest_first=True, limit=5)
        raise MetadataError(
            f"there is no artifact with id {number}", hint=did_you_mean(str(number), [str(a.id) for a in newest])
        )
    return found[0]


@artifacts.command("show")
@click.argument("number", type=int, metavar="ARTIFACT")
@metadata_option
@_json
@click.pass_obj
def show_artifact(above: str | None, number: int, location: str | None, as_json: bool) -> None:
    """Show ARTIFACT, by its number: properties, files, and the run that made it."""
    from trueline.metadata import RunStore
    from trueline.metadata.model_origin import producers
    from trueline.metadata.places import bytes_of

    store = open_store(location or above)
    artifact = _one(store, number)
    told = _plain(artifact, _pins(store))
    execution = producers(store, [number]).get(number)
    place = RunStore(store).run_of_execution(execution) if execution is not None and store.database.adopted else None
    told["execution"], told["run"], told["node"] = execution, place and place[0], place and place[1]
    told["bytes"] = bytes_of(artifact.uri) if artifact.uri and artifact.state.name != "DELETED" else 0
    if as_json:
        click.echo(json.dumps(told, indent=1))
        return
    _print_one(told)


def _print_one(told: dict[str, Any]) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name in ("id", "type", "state", "uri", "run", "node", "execution"):
        if told[name] is not None:
            table.add_row(name, escape(str(told[name])))
    table.add_row("bytes", f"{told['bytes']:,}")
    table.add_row("made", moment(told["created"]))
    if told["pinned"]:
        reason = told["pinned"]["reason"]
        table.add_row("pinned", escape(f"by {told['pinned']['by']}" + (f": {reason}" if reason else "")))
    for name, value in {**told["properties"], **told["custom_properties"]}.items():
        table.add_row(escape(name), escape(value if isinstance(value, str) else json.dumps(value)))
    table_console().print(table)


@artifacts.command("pin")
@click.argument("numbers", type=int, nargs=-1, required=True, metavar="ARTIFACT...")
@metadata_option
@click.option("--reason", help="Why, for the record.")
@_json
@click.pass_obj
def pin_artifact(
    above: str | None, numbers: tuple[int, ...], location: str | None, reason: str | None, as_json: bool
) -> None:
    """Keep ARTIFACT, and all that it was made of, from garbage collection."""
    from trueline.metadata import pin

    store = open_writable(location or above)
    done = [pin(store, number, reason) for number in numbers]
    if as_json:
        click.echo(json.dumps([vars(made) for made in done], indent=1))
    else:
        click.echo("\n".join(f"Artifact {made.artifact_id} is pinned" for made in done))


@artifacts.command("unpin")
@click.argument("numbers", type=int, nargs=-1, required=True, metavar="ARTIFACT...")
@metadata_option
@_json
@click.pass_obj
def unpin_artifact(above: str | None, numbers: tuple[int, ...], location: str | None, as_json: bool) -> None:
    """Take the pin of ARTIFACT away."""
    from trueline.metadata import unpin

    store = open_writable(location or above)
    done = {number: unpin(store, number) for number in numbers}
    if as_json:
        click.echo(json.dumps([{"artifact_id": number, "was_pinned": was} for number, was in done.items()], indent=1))
        return
    for number, was in done.items():
        click.echo(f"Artifact {number} is no longer pinned" if was else f"Artifact {number} was not pinned")
