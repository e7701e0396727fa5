"""``trueline models``: releases, what is in production, and the way back."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from trueline._core.errors import MetadataError, did_you_mean
from trueline.cli.completion import complete_pipelines
from trueline.cli.memory import metadata_option
from trueline.cli.models_table import entry_json, print_entries, print_entry, promotion_json
from trueline.cli.registry_store import open_registry, open_writable

if TYPE_CHECKING:
    from trueline.cli.models_push import Served
    from trueline.metadata import MetadataStore, ModelEntry, Promotion

__all__ = ["models"]

F = TypeVar("F", bound=Callable[..., object])
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_model = click.argument("model", shell_complete=complete_pipelines)
_serving = click.option(
    "--serving-dir", metavar="FOLDER", help="Also push it there, as a new version that servers take at once."
)


def _overruling(function: F) -> F:
    """`--force` and `--reason` of the commands that change what is in production."""
    reason: Callable[[F], F] = click.option("--reason", help="Why, for the record; a forced step needs one.")
    force: Callable[[F], F] = click.option(
        "--force", is_flag=True, help="Let through a model that is not blessed; with --reason."
    )
    return force(reason(function))


@click.group()
def models() -> None:
    """Models and their releases: list, show, notes, promote, rollback, alias, archive.

    A MODEL is named like its pipeline. Every pushed model is a release; its version follows from its lineage: another
    schema or signature raises the major number, other code or parameters the minor, other data alone the patch.
    A RELEASE is a version, an alias, the number of its artifact, or "latest".
    """


@models.command("list")
@click.argument("model", required=False, shell_complete=complete_pipelines)
@metadata_option
@click.option("--span", type=int, help="Only models that Examples of this span went into.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1), help="At most so many.")
@_json
def list_models(model: str | None, location: str | None, span: int | None, limit: int, as_json: bool) -> None:
    """List every model that was pushed, blessed or released, newest first."""
    from trueline.metadata.registry import registered_models
    from trueline.metadata.spans import models_from_span

    store = open_registry(location)
    among = None if span is None else {found.id or 0 for found in models_from_span(store, model, span)}
    entries = registered_models(store, model, among=among, limit=limit)
    if not entries and model is not None and span is None:
        known = {entry.model for entry in registered_models(store)}
        raise MetadataError(f"there is no model {model!r}", hint=did_you_mean(model, known))
    if as_json:
        click.echo(json.dumps([entry_json(entry) for entry in entries], indent=1))
    elif entries:
        print_entries(entries)
    else:
        click.echo("No model was pushed, blessed or released yet." if span is None else f"No model saw span {span}.")


@models.command("show")
@_model
@click.argument("release", default="latest")
@metadata_option
@_json
def show_model(model: str, release: str, location: str | None, as_json: bool) -> None:
    """Show RELEASE of MODEL (the latest by default)."""
    store = open_registry(location)
    entry = _entry(store, model, release)
    if as_json:
        from trueline.metadata import notes_json

        assert entry.release is not None
        click.echo(json.dumps({**entry_json(entry), "notes": notes_json(entry.release)}, indent=1))
    else:
        print_entry(entry)


def _entry(store: MetadataStore, model: str, which: str) -> ModelEntry:
    from trueline.metadata import registered_models
    from trueline.metadata.model_releases import find_release

    wanted = find_release(store, model, which)
    return registered_models(store, model, among=[wanted.artifact_id])[0]


@models.command("notes")
@_model
@click.argument("release", default="latest")
@metadata_option
@_json
def show_notes(model: str, release: str, location: str | None, as_json: bool) -> None:
    """Print the release notes of RELEASE of MODEL (the latest by default), as Markdown."""
    from trueline.metadata import notes_json, notes_markdown
    from trueline.metadata.model_releases import find_release

    found = find_release(open_registry(location), model, release)
    click.echo(json.dumps(notes_json(found), indent=1) if as_json else notes_markdown(found), nl=as_json)


@models.command("promote")
@_model
@click.argument("release", default="latest")
@metadata_option
@click.option("--alias", default="champion", show_default=True, help="The alias that moves.")
@_overruling
@_serving
@_json
def promote_model(
    model: str,
    release: str,
    location: str | None,
    alias: str,
    force: bool,
    reason: str | None,
    serving_dir: str | None,
    as_json: bool,
) -> None:
    """Make RELEASE (the latest by default) of MODEL the champion: the one in production.

    The number of a Model artifact that is no release yet makes it one.
    """
    from trueline.cli.models_push import put_to_serve, recorded_destinations, served_elsewhere
    from trueline.metadata import promote
    from trueline.metadata.promotion import check_fit

    store = _ready(location, model, release)
    wanted = _released(store, model, release)
    check_fit(store, wanted, force=force, reason=reason)
    served = put_to_serve(store, wanted, [serving_dir] if serving_dir else [])
    done = promote(store, model, wanted.version, alias=alias, force=force, reason=reason, pushed=_record(served))
    remarks = (
        [] if served or alias != "champion" else served_elsewhere(wanted, recorded_destinations(store, wanted)[:1])
    )
    _tell(done, alias, served, remarks, as_json)


def _ready(location: str | None, model: str, which: str) -> MetadataStore:
    """The store with all pushes released, and with the artifact of that number released if it is none yet."""
    from trueline.metadata import release, release_pushed, releases

    store = open_writable(location)
    release_pushed(store)
    known = [str(found.artifact_id) for found in releases(store, model)]
    if which.isascii() and which.isdigit() and which not in known:
        release(store, int(which), model)
    return store


def _released(store: MetadataStore, model: str, which: str) -> Any:
    from trueline.metadata.model_releases import find_release

    return find_release(store, model, which)


@models.command("rollback")
@_model
@metadata_option
@_overruling
@click.option(
    "--serving-dir",
    metavar="FOLDER",
    help="Push the earlier release there; by default where the champion's Pusher put it.",
)
@click.option("--no-push", is_flag=True, help="Change the registry alone; servers go on as they are.")
@_json
def rollback_model(
    model: str,
    location: str | None,
    force: bool,
    reason: str | None,
    serving_dir: str | None,
    no_push: bool,
    as_json: bool,
) -> None:
    """Go back to the release of MODEL that was champion before, in the registry and where it is served.

    Servers take the newest version of their folder, so that the earlier release is pushed again as a new version.
    """
    from trueline.cli.models_push import put_to_serve, recorded_destinations
    from trueline.metadata import rollback
    from trueline.metadata.promotion import check_fit, rollback_target

    if serving_dir and no_push:
        raise click.UsageError("--serving-dir and --no-push exclude each other.")
    store = open_writable(location)
    champion, target = rollback_target(store, model)
    check_fit(store, target, force=force, reason=reason)
    places = [serving_dir] if serving_dir else recorded_destinations(store, champion)[:1]
    # First where it can fail half-way: done again it changes nothing, and the registry tells what is served.
    served = put_to_serve(store, target, [] if no_push else places, instead_of=champion)
    done = rollback(store, model, force=force, reason=reason, pushed=_record(served))
    remarks = [] if served else ["Nothing was pushed: servers go on with the version that they have."]
    if served:
        remarks.append("Runs of the pipeline do not push the model that was taken back there again, only another one.")
    _tell(done, "champion", served, remarks, as_json)


def _record(served: list[Served]) -> dict[str, str] | None:
    return {"destination": served[0].destination, "version": served[0].version} if served else None


def _tell(done: Promotion, alias: str, served: list[Served], remarks: list[str], as_json: bool) -> None:
    if as_json:
        told = promotion_json(done, alias)
        told["pushed"] = [{"destination": s.destination, "version": s.version, "new": s.new} for s in served]
        click.echo(json.dumps({**told, "remarks": remarks}, indent=1))
        return
    name = f"{done.release.model} {done.release.version} (artifact {done.release.artifact_id})"
    if done.changed:
        click.echo(f"{alias}: {name}" + (f", before {done.before.version}" if done.before else ""))
    else:
        click.echo(f"{alias}: {name} already; nothing changed")
    for sentence in (*(f"Overruled: {text}" for text in done.forced), *(s.sentence for s in served), *remarks):
        click.echo(sentence)


@models.command("alias")
@_model
@click.argument("name")
@click.argument("release", required=False)
@metadata_option
@click.option("--delete", is_flag=True, help="Take the alias away.")
@_overruling
@_json
def alias_model(
    model: str,
    name: str,
    release: str | None,
    location: str | None,
    delete: bool,
    force: bool,
    reason: str | None,
    as_json: bool,
) -> None:
    """Let NAME (such as challenger) stand for RELEASE of MODEL; without RELEASE say what it stands for."""
    from trueline.metadata import promote
    from trueline.metadata.promotion import drop_alias

    if delete and release:
        raise click.UsageError("--delete takes no RELEASE.")
    if release:
        store = _ready(location, model, release)
        wanted = _released(store, model, release)
        done = promote(store, model, wanted.version, alias=name, force=force, reason=reason)
        _tell(done, name, [], [], as_json)
        return
    if delete:
        dropped = drop_alias(open_writable(location), model, name)
        if dropped is None:
            raise MetadataError(f"model {model!r} has no alias {name!r}")
        text = f"{name} is no longer {model} {dropped.version}"
        click.echo(json.dumps({"model": model, "alias": name, "deleted": dropped.version}) if as_json else text)
        return
    found = _released(open_registry(location), model, name)
    told = {"model": model, "alias": name, "version": found.version, "artifact": found.artifact_id}
    click.echo(json.dumps(told) if as_json else f"{name}: {model} {found.version} (artifact {found.artifact_id})")


@models.command("archive")
@_model
@click.argument("release")
@metadata_option
@_json
def archive_model(model: str, release: str, location: str | None, as_json: bool) -> None:
    """Put RELEASE of MODEL aside; never the champion."""
    from trueline.metadata.promotion import archive

    done = archive(open_writable(location), model, release)
    told = {"model": model, "version": done.version, "stage": done.stage}
    click.echo(json.dumps(told) if as_json else f"{model} {done.version} is archived")
