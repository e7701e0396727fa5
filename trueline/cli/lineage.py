"""``trueline lineage``: what an artifact or a run was made from, and what from it: text, JSON, DOT or a page."""

from __future__ import annotations

import io
import json
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import click

from trueline._core.errors import ConfigError
from trueline.cli.completion import complete_artifact_types, complete_files
from trueline.cli.lineage_subject import Subject, find_subject
from trueline.cli.memory import metadata_option

if TYPE_CHECKING:
    from rich.tree import Tree

    from trueline.interactive.lineage_graph import Found
    from trueline.metadata import LineageNode

__all__ = ["lineage"]

_FORMATS = ("text", "json", "dot", "html")
_WAYS = {
    (True, False): "what it was made from",
    (False, True): "what was made from it",
    (True, True): "what it was made from, and what from it",
}
_RUN_WAYS = {
    (False, False): "read and put out",
    (True, False): "read and put out, and what that was made from",
    (False, True): "read and put out, and what was made from it",
    (True, True): "read and put out, with all that lies before and after",
}
_ENDINGS = {".json": "json", ".dot": "dot", ".gv": "dot", ".html": "html", ".htm": "html", ".txt": "text"}


@click.command(
    epilog="\b\nExamples:\n"
    "  trueline lineage Model                          the newest model, upward\n"
    "  trueline lineage 13 --down                      what artifact 13 was used for\n"
    "  trueline lineage latest --out run.html          the newest run, drawn\n"
    "  trueline lineage Model --up --down --format dot | dot -Tpdf -o model.pdf"
)
@click.argument("subject", metavar="ARTIFACT|RUN", shell_complete=complete_artifact_types)
@metadata_option
@click.option("--up", is_flag=True, help="What it was made from (of an artifact the default).")
@click.option("--down", is_flag=True, help="What was made from it; with --up both.")
@click.option("--hops", default=100, show_default=True, type=click.IntRange(1), help="How far to look.")
@click.option("--format", "form", type=click.Choice(_FORMATS), help="text, unless --out ends in one of the others.")
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option("--out", metavar="FILE", shell_complete=complete_files, help="Write it there; - is standard output.")
def lineage(
    subject: str,
    location: str | None,
    up: bool,
    down: bool,
    hops: int,
    form: str | None,
    as_json: bool,
    out: str | None,
) -> None:
    """Show the lineage of an artifact or of a run.

    ARTIFACT is its number, its URI, or the name of a type (then the newest of it). RUN is an id, the beginning of one,
    or "latest": what its nodes read and put out, with --up and --down also what lies before and after.
    """
    if as_json and form not in (None, "json"):
        raise ConfigError(f"--json and --format {form} do not go together")
    ending = _ENDINGS.get(PurePath(out).suffix.lower()) if out else None
    chosen = "json" if as_json else form or ending or "text"
    about = find_subject(subject, location)
    text = _written(about, chosen, up, down, hops)
    if out and out != "-":
        from trueline._core import store

        store.write_text(out, text)
        click.echo(f"Wrote {out}", err=as_json)
    else:
        click.echo(text, nl=not text.endswith("\n"))


def _written(about: Subject, form: str, up: bool, down: bool, hops: int) -> str:
    if about.artifact is not None and form == "text":
        return _tree_text(about, up, down, hops)
    found, title, note = _found(about, up, down, hops)
    return _WRITERS[form](about, found, title, note)


def _found(about: Subject, up: bool, down: bool, hops: int) -> tuple[Found, str, str]:
    from trueline.interactive.lineage_graph import around_artifact, of_run

    if about.artifact is not None:
        upward = up or not down
        found = around_artifact(about.store, about.artifact, up=upward, down=down, hops=hops)
        title = f"{found.artifacts[about.artifact].type} {about.artifact}"
        return found, f"{title}: {_WAYS[upward, down]}", found.artifacts[about.artifact].uri or ""
    assert about.run is not None
    executions = [node.execution_id for node in about.run.nodes if node.execution_id is not None]
    found = of_run(about.store, executions, up=up, down=down)
    return found, f"Run {about.run.run_id} of {about.run.pipeline}", f"What its nodes {_RUN_WAYS[up, down]}."


def _json(about: Subject, found: Found, title: str, note: str) -> str:
    from trueline.interactive.lineage_graph import graph_json

    return json.dumps({"of": about.json(), **graph_json(found)}, indent=1)


def _dot(about: Subject, found: Found, title: str, note: str) -> str:
    from trueline.display.lineage_graphviz import lineage_dot
    from trueline.interactive.lineage_graph import view_of

    return lineage_dot(view_of(found, title, note))


def _html(about: Subject, found: Found, title: str, note: str) -> str:
    from trueline.display.lineage import lineage_html
    from trueline.interactive.lineage_graph import view_of

    return lineage_html(view_of(found, title, note))


def _run_text(about: Subject, found: Found, title: str, note: str) -> str:
    """Execution by execution: what went in, what came out."""
    lines = [title, *([note] if note else [])]
    for key, execution in sorted(found.executions.items()):
        node = found.owners.get(key, ("", ""))[1] or execution.type.rpartition(".")[2]
        lines.append(f"\n{node} (execution {key}, {execution.state.name})")
        for word, is_side in (("  from", "is_input"), ("  made", "is_output")):
            for event in found.events:
                if event.execution_id == key and getattr(event.type, is_side):
                    item = found.artifacts[event.artifact_id]
                    name = next((step for step in event.path if isinstance(step, str)), "")
                    lines.append(f"{word} {item.type} {item.id}  {name}  {item.uri or ''}".rstrip())
    return "\n".join(lines) + "\n"


_WRITERS = {"json": _json, "dot": _dot, "html": _html, "text": _run_text}


def _tree_text(about: Subject, up: bool, down: bool, hops: int) -> str:
    import sys

    from rich.console import Console

    from trueline.metadata import lineage_tree

    assert about.artifact is not None
    terminal = sys.stdout.isatty()
    width = Console().width if terminal else 10_000
    console = Console(
        file=io.StringIO(), width=width, force_terminal=terminal, color_system="auto" if terminal else None
    )
    both = up and down
    for wanted, direction, head in ((up or not down, "upstream", "Made from"), (down, "downstream", "Used for")):
        if wanted:
            if both:
                console.print(f"[bold]{head}[/]")
            way: Any = direction
            console.print(_drawn(lineage_tree(about.store, about.artifact, way, hops)), soft_wrap=not terminal)
    file: Any = console.file
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines()) + "\n"


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
