"""``trueline gc``: deletes what no rule keeps, and says why the rest stays."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from trueline.cli.completion import complete_pipelines
from trueline.cli.failures import FAILED, OK
from trueline.cli.format import amount, table_console
from trueline.cli.memory import metadata_option, open_store
from trueline.cli.registry_store import open_writable

if TYPE_CHECKING:
    from trueline.metadata import GcPlan, GcPolicy, GcResult
    from trueline.metadata.sweep import Leftover

__all__ = ["gc"]


@click.command()
@metadata_option
@click.option(
    "--pipeline",
    "pipelines",
    multiple=True,
    shell_complete=complete_pipelines,
    help="Only this pipeline (may be repeated).",
)
@click.option(
    "--keep-last",
    default=5,
    show_default=True,
    type=click.IntRange(0),
    help="Keep the last N complete runs, and since.",
)
@click.option(
    "--keep-blessed/--no-keep-blessed", default=True, show_default=True, help="Keep every blessed model, or the newest."
)
@click.option("--keep-days", type=click.FloatRange(0), metavar="D", help="Keep what was made or used in D days.")
@click.option("--keep-spans", type=click.IntRange(0), metavar="N", help="Keep Examples of the newest N spans.")
@click.option(
    "--depth",
    type=click.IntRange(0),
    metavar="N",
    help="How many steps upwards kept models keep what they were made of; all by default.",
)
@click.option("--dry-run", is_flag=True, help="Delete nothing: say what would go, and how many bytes.")
@click.option("--list", "each", is_flag=True, help="Name every artifact, and why those that stay do.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def gc(
    location: str | None,
    pipelines: tuple[str, ...],
    keep_last: int,
    keep_blessed: bool,
    keep_days: float | None,
    keep_spans: int | None,
    depth: int | None,
    dry_run: bool,
    each: bool,
    as_json: bool,
) -> int:
    """Delete artifacts that nothing needs: by lineage, never what is pinned, named, in production or imported.

    It acts at once; look first with --dry-run. Deleted artifacts stay in the lineage as DELETED. A collection that
    was interrupted is finished by the next one. Logs of runs that are not kept go too, and work that no run went on
    with for a week.
    """
    from trueline.metadata import GcPolicy

    policy = GcPolicy(pipelines or None, keep_last, keep_blessed, keep_days, keep_spans, depth)
    return _look(location, policy, each, as_json) if dry_run else _act(location, policy, each, as_json)


def _look(location: str | None, policy: GcPolicy, each: bool, as_json: bool) -> int:
    from trueline.metadata import plan_gc
    from trueline.metadata.sweep import leftovers

    store = open_store(location)
    plan = plan_gc(store, policy)
    left = leftovers(store, plan)
    if as_json:
        click.echo(json.dumps({**_plain(plan, left), "dry_run": True}, indent=1))
        return OK
    _print_doomed(plan, each)
    total = plan.total_bytes + sum(item.bytes for item in left)
    click.echo(f"Would free {amount(total)}: {len(plan.doomed):,} artifacts, {_left_text(left)}.")
    _print_kept(plan, each)
    return OK


def _act(location: str | None, policy: GcPolicy, each: bool, as_json: bool) -> int:
    from trueline.metadata import collect
    from trueline.metadata.sweep import leftovers, sweep, work_dirs
    from trueline.pipeline.recover import recover
    from trueline.pipeline.resume import drop_old

    store = open_writable(location)
    ended = recover(store)
    done = collect(store, policy)
    gone, failed = sweep(store, leftovers(store, done.plan))
    for home in (path for folder in work_dirs(store, policy.pipelines) for path in (folder / "resume").glob("*")):
        drop_old(home)
    problems = [f"artifact {f.artifact_id} ({f.uri}): {f.message}" for f in done.failed] + failed
    if as_json:
        click.echo(json.dumps(_done_json(done, gone, problems, ended), indent=1))
    else:
        if ended:
            click.echo(f"Ended {len(ended)} runs whose process is gone: {', '.join(ended)}")
        _print_deleted(done, each)
        total = done.bytes + sum(item.bytes for item in gone)
        click.echo(f"Freed {amount(total)}: {len(done.deleted):,} artifacts, {_left_text(gone)}.")
        _print_kept(done.plan, each)
    for problem in problems:
        click.echo(click.style("Error: ", fg="red", bold=True) + f"not deleted: {problem}", err=True)
    if problems:
        click.echo("Hint: mend what is in the way and run `trueline gc` again: it goes on from here.", err=True)
    return FAILED if problems else OK


def _plain(plan: GcPlan, left: Sequence[Leftover]) -> dict[str, Any]:
    return {
        "policy": asdict(plan.policy),
        "delete": [asdict(item) for item in plan.doomed],
        "keep": [asdict(item) for item in plan.kept],
        "kept_by_rule": plan.kept_by_rule,
        "bytes": plan.total_bytes,
        "leftovers": [asdict(item) for item in left],
    }


def _done_json(done: GcResult, gone: Sequence[Leftover], problems: list[str], ended: list[str]) -> dict[str, Any]:
    return {
        "dry_run": False,
        "policy": asdict(done.plan.policy),
        "deleted": [asdict(item) for item in done.deleted],
        "failed": [asdict(item) for item in done.failed],
        "problems": problems,
        "keep": [asdict(item) for item in done.plan.kept],
        "kept_by_rule": done.plan.kept_by_rule,
        "bytes": done.bytes,
        "leftovers": [asdict(item) for item in gone],
        "ended_runs": ended,
    }


def _left_text(left: Sequence[Leftover]) -> str:
    logs = sum(item.kind == "log" for item in left)
    return f"logs of {logs:,} runs, temporary files of {len(left) - logs:,}"


def _print_doomed(plan: GcPlan, each: bool) -> None:
    rows = [(d.pipeline, d.type, d.artifact_id, d.bytes or 0, d.uri) for d in plan.doomed]
    _print_rows(rows, each)


def _print_deleted(done: GcResult, each: bool) -> None:
    _print_rows([(d.pipeline, d.type, d.artifact_id, d.bytes, d.uri) for d in done.deleted], each)


def _print_rows(rows: Sequence[tuple[str, str, int, int | None, str]], each: bool) -> None:
    """One row a type, or with `each` one row an artifact."""
    from rich.markup import escape
    from rich.table import Table

    if not rows:
        return
    table = Table(box=None, pad_edge=False)
    if each:
        for heading in ("pipeline", "type", "artifact", "size", "uri"):
            table.add_column(heading, justify="right" if heading in ("artifact", "size") else "left", overflow="fold")
        for pipeline, kind, number, size, uri in rows:
            table.add_row(escape(pipeline), escape(kind), str(number), amount(size), escape(uri))
    else:
        for heading in ("pipeline", "type", "artifacts", "size"):
            table.add_column(heading, justify="right" if heading in ("artifacts", "size") else "left")
        groups: dict[tuple[str, str], list[int | None]] = {}
        for pipeline, kind, _, size, _ in rows:
            groups.setdefault((pipeline, kind), []).append(size)
        for (pipeline, kind), sizes in sorted(groups.items()):
            total = None if None in sizes else sum(size or 0 for size in sizes)
            table.add_row(escape(pipeline), escape(kind), f"{len(sizes):,}", amount(total))
    table_console().print(table)


def _print_kept(plan: GcPlan, each: bool) -> None:
    if not each:
        told = ", ".join(f"{rule} {count:,}" for rule, count in plan.kept_by_rule.items())
        click.echo(f"Kept {len(plan.kept):,} artifacts" + (f": {told}." if told else "."))
        return
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("kept", "type", "because"):
        table.add_column(heading, justify="right" if heading == "kept" else "left", overflow="fold")
    for item in plan.kept:
        table.add_row(str(item.artifact_id), escape(item.type), escape(item.why))
    table_console().print(table)
