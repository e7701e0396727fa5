"""``trueline lineage`` and ``trueline why``: where an artifact comes from, and why a node ran."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from trueline._core.errors import MetadataError
from trueline.cli.memory import metadata_option, open_store

if TYPE_CHECKING:
    from rich.tree import Tree

    from trueline.metadata import LineageNode, MetadataStore

__all__ = ["lineage", "why"]


@click.command()
@click.argument("artifact")
@metadata_option
@click.option("--down", is_flag=True, help="What was made from it, instead of what it was made from.")
@click.option("--hops", default=100, show_default=True, type=click.IntRange(1), help="How far to look.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def lineage(artifact: str, location: str | None, down: bool, hops: int, as_json: bool) -> None:
    """Show the lineage of ARTIFACT: its number, its URI, or the name of a type (then the newest of it)."""
    from trueline.metadata import lineage_tree

    store = open_store(location)
    tree = lineage_tree(store, _artifact_id(store, artifact), "downstream" if down else "upstream", hops)
    if as_json:
        click.echo(json.dumps(_plain(tree), indent=1))
        return
    from rich.console import Console

    Console().print(_drawn(tree))


@click.command()
@click.argument("run")
@click.argument("node")
@metadata_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def why(run: str, node: str, location: str | None, as_json: bool) -> None:
    """Say why NODE of RUN (an id, the beginning of one, or "latest") ran or came from the cache."""
    from trueline.pipeline.reasons import why as explain

    found = explain(open_store(location), run, node)
    if as_json:
        click.echo(json.dumps(asdict(found), indent=1))
        return
    click.echo(f"{found.node_id} in run {found.run_id}: {found.state.lower()}")
    for text in (found.reason, found.message):
        if text:
            click.echo(text)
    if found.changes and found.earlier_run:
        click.echo(f"What changed since run {found.earlier_run}:")
    for change in found.changes:
        click.echo(f"  - {change}")


def _artifact_id(store: MetadataStore, text: str) -> int:
    if text.isdigit():
        return int(text)
    found = store.artifacts(uri=text, newest_first=True, limit=1) or store.artifacts(
        type=text, newest_first=True, limit=1
    )
    if not found or found[0].id is None:
        raise MetadataError(
            f"there is no artifact {text!r}", hint="give its number, its URI, or an artifact type such as Model."
        )
    return found[0].id


def _title(node: LineageNode) -> str:
    from trueline.metadata import Artifact

    item = node.item
    if isinstance(item, Artifact):
        return f"{item.type} {item.id}  {item.uri or ''}".rstrip()
    return f"{item.type.rpartition('.')[2]} (execution {item.id}, {item.state.name})"


def _drawn(node: LineageNode, into: Tree | None = None) -> Tree:
    from rich.markup import escape
    from rich.tree import Tree

    title = escape(_title(node)) + (" [dim](see above)[/]" if node.repeated else "")
    tree = Tree(title) if into is None else into.add(title)
    for branch in node.branches:
        _drawn(branch, tree)
    return tree


def _plain(node: LineageNode) -> dict[str, Any]:
    from trueline.metadata import Artifact

    item = node.item
    data: dict[str, Any] = {
        "kind": "artifact" if isinstance(item, Artifact) else "execution",
        "id": item.id,
        "type": item.type,
        "state": item.state.name,
    }
    if isinstance(item, Artifact):
        data["uri"] = item.uri
    if node.repeated:
        data["repeated"] = True
    if node.branches:
        data["branches"] = [_plain(branch) for branch in node.branches]
    return data
