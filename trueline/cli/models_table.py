"""How models and releases are written: as JSON and as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trueline.cli.format import moment, table_console

if TYPE_CHECKING:
    from trueline.metadata import ModelEntry, Promotion

__all__ = ["entry_json", "print_entries", "print_entry", "promotion_json"]

_BLESSED = {True: "[green]yes[/]", False: "[bold red]no[/]", None: "[dim]not judged[/]"}
_STAGES = {"production": "green", "candidate": "cyan", "archived": "dim"}


def entry_json(entry: ModelEntry) -> dict[str, Any]:
    """One line of the registry."""
    release = entry.release
    return {
        "model": entry.model,
        "version": release.version if release else None,
        "stage": release.stage if release else None,
        "artifact": entry.artifact_id,
        "state": entry.state.name,
        "uri": entry.uri,
        "blessed": entry.blessed,
        "aliases": list(entry.aliases),
        "pushed": list(entry.pushed),
        "released": release.released if release else None,
        "released_by": release.released_by if release else None,
        "metrics": dict(entry.metrics),
    }


def print_entries(entries: list[ModelEntry]) -> None:
    """A table, the newest first."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("model", "version", "stage", "blessed", "aliases", "artifact", "pushed", "released"):
        table.add_column(heading, justify="right" if heading == "artifact" else "left", overflow="fold")
    for entry in entries:
        stage = entry.release.stage if entry.release else ""
        gone = "" if entry.state.name == "LIVE" else f" [yellow]{entry.state.name.lower()}[/]"
        table.add_row(
            escape(entry.model),
            entry.release.version if entry.release else "[dim]none[/]",
            f"[{_STAGES[stage]}]{stage}[/]" if stage in _STAGES else stage,
            _BLESSED[entry.blessed],
            escape(", ".join(entry.aliases)),
            f"{entry.artifact_id}{gone}",
            escape(", ".join(place.rpartition("@")[2] for place in entry.pushed)),
            moment(entry.release.released if entry.release else None),
        )
    table_console().print(table)


def print_entry(entry: ModelEntry) -> None:
    """One model, line by line."""
    from rich.markup import escape
    from rich.table import Table

    told = entry_json(entry)
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name in ("model", "version", "stage", "artifact", "state", "uri"):
        table.add_row(name, escape(str(told[name] if told[name] is not None else "none")))
    table.add_row("blessed", _BLESSED[entry.blessed])
    table.add_row("aliases", escape(", ".join(entry.aliases)))
    for place in entry.pushed:
        table.add_row("pushed", escape(place))
    table.add_row("released", f"{moment(told['released'])} {escape(told['released_by'] or '')}".strip())
    for name, value in entry.metrics.items():
        table.add_row(escape(name), f"{value:.6g}")
    table_console().print(table)


def promotion_json(done: Promotion, alias: str) -> dict[str, Any]:
    """What a promotion or a rollback did."""
    return {
        "model": done.release.model,
        "alias": alias,
        "version": done.release.version,
        "artifact": done.release.artifact_id,
        "stage": done.release.stage,
        "before": done.before.version if done.before else None,
        "changed": done.changed,
        "overruled": list(done.forced),
    }
