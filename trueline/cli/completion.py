"""What a shell is offered after Tab, and the option that sets the shell up.

Completing must be quick, so that the memory is read by Python's own ``sqlite3``, without the metadata room: SQLite
files alone are asked, and one that cannot be read offers nothing. Commands of a run use these::

    @click.argument("run", shell_complete=complete_runs)
    @click.argument("node", shell_complete=complete_nodes)
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

__all__ = [
    "complete_artifact_types",
    "complete_environments",
    "complete_files",
    "complete_nodes",
    "complete_pipelines",
    "complete_runs",
    "complete_templates",
]

_RUNS = 20

Items = list[CompletionItem]


def complete_runs(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """``latest`` and the ids of the 20 newest runs, with pipeline and status beside them."""
    rows = _ask(ctx, f"SELECT run_id, pipeline, status, started FROM trueline_run ORDER BY started DESC LIMIT {_RUNS}")  # noqa: S608
    rows = sorted(rows, key=lambda row: -row[3])[:_RUNS]
    items = [CompletionItem(run_id, help=f"{pipeline}, {status.lower()}") for run_id, pipeline, status, _ in rows]
    return _that_begin([CompletionItem("latest", help="the newest run"), *items], incomplete)


def complete_nodes(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Node ids of the run that stands before on the line (the newest where there is none)."""
    run = str(ctx.params.get("run") or "latest")
    newest = "SELECT run_id FROM trueline_run ORDER BY started DESC LIMIT 1"
    wanted = f"({newest})" if run == "latest" else "(SELECT run_id FROM trueline_run WHERE substr(run_id, 1, ?) = ?)"
    values = () if run == "latest" else (len(run), run)
    rows = _ask(ctx, f"SELECT node_id, state FROM trueline_node WHERE run_id IN {wanted} ORDER BY node_id", values)  # noqa: S608
    return _that_begin([CompletionItem(node, help=state.lower()) for node, state in dict(rows).items()], incomplete)


def complete_pipelines(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Names of pipelines that have run."""
    rows = _ask(ctx, "SELECT DISTINCT pipeline FROM trueline_run ORDER BY pipeline")
    return _that_begin([CompletionItem(name) for (name,) in dict.fromkeys(rows)], incomplete)


def complete_artifact_types(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Types of artifacts that are stored, then runs."""
    rows = _ask(ctx, "SELECT DISTINCT t.name FROM Artifact a JOIN Type t ON t.id = a.type_id ORDER BY t.name")
    types = [CompletionItem(name, help="the newest of it") for (name,) in dict.fromkeys(rows)]
    return [*_that_begin(types, incomplete), *complete_runs(ctx, param, incomplete)]


def complete_templates(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Names of project templates."""
    from trueline.templates import TEMPLATES

    return _that_begin([CompletionItem(found.name, help=found.about) for found in TEMPLATES.values()], incomplete)


def complete_environments(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Environments of the ``trueline.toml`` beside the pipeline file or above, or of this folder's."""
    from trueline.cli.config_file import find_config, read_config

    file = ctx.params.get("file")
    with suppress(Exception):
        path = find_config(Path(file).absolute().parent if file else Path())
        names = read_config(path).data.get("environments", {}) if path else {}
        return _that_begin([CompletionItem(name) for name in names], incomplete)
    return []


def complete_files(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Files, which the shell itself knows best."""
    return [CompletionItem(incomplete, type="file")]


def _that_begin(items: Items, incomplete: str) -> Items:
    return [item for item in items if str(item.value).startswith(incomplete)]


def _ask(ctx: click.Context, query: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The rows of all databases; what cannot be read is passed over: a shell has no place for errors."""
    from trueline.cli.config import ENVIRONMENT_VARIABLE
    from trueline.cli.config_place import place_of_environment
    from trueline.cli.memory import ENVIRONMENT, find_databases

    with suppress(Exception):
        location, named = ctx.params.get("location"), ctx.params.get("env")
        location = location or (place_of_environment(named) if named else os.environ.get(ENVIRONMENT))
        if location is None and (named := named or os.environ.get(ENVIRONMENT_VARIABLE)):
            location = place_of_environment(named)
        return [row for place in find_databases(location) for row in _rows(place, query, values)]
    return []


def _rows(place: str, query: str, values: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    import sqlite3

    path = place.removeprefix("sqlite:///") if place.startswith("sqlite:///") else place
    if "://" in path or not Path(path).is_file():
        return
    with suppress(sqlite3.Error), closing(sqlite3.connect(f"{Path(path).absolute().as_uri()}?mode=ro", uri=True)) as c:
        yield from c.execute(query, values).fetchall()
