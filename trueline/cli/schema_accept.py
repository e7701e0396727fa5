"""``trueline schema accept``: findings one by one, and the schema that accepts those that are chosen."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from trueline._core.errors import ConfigError, did_you_mean
from trueline.cli.data_files import DataOptions
from trueline.cli.data_files_find import find_data, load_schema
from trueline.cli.data_files_options import data_options
from trueline.cli.validate_findings import Question, describe_finding, finding_json, place_of

if TYPE_CHECKING:
    from trueline.data_validation import Finding

__all__ = ["accept"]


@dataclass(frozen=True)
class _Choice:
    """Which findings are accepted.

    Attributes:
        everything: all of them.
        features: those at these features.
        types: those of these types.
    """

    everything: bool
    features: tuple[str, ...]
    types: tuple[str, ...]

    @property
    def made(self) -> bool:
        """Whether the command line says which."""
        return bool(self.everything or self.features or self.types)

    def takes(self, finding: Finding) -> bool:
        """Whether a finding is among them."""
        if self.everything:
            return True
        at = not self.features or place_of(finding) in self.features
        return at and (not self.types or finding.type in self.types)

    def check(self, findings: Sequence[Finding]) -> None:
        """Refuses names that no finding has.

        Raises:
            ConfigError: listing them all.
        """
        known = (("--feature", self.features, place_of), ("--type", self.types, lambda f: f.type))
        problems = [
            f"{option} {name}: nothing was found there. {did_you_mean(name, {of(f) for f in findings})}"
            for option, names, of in known
            for name in names
            if name not in {of(f) for f in findings}
        ]
        if problems:
            raise ConfigError("these findings do not exist", problems=problems)


@click.command(
    epilog="\b\nExamples:\n"
    "  trueline schema accept schema.pbtxt --data june.csv\n"
    "  trueline schema accept schema.pbtxt --data june.csv --feature age --type INT_TYPE_BIG_INT\n"
    "  trueline schema accept schema.pbtxt --statistics stats/ --anomalies SchemaDiff.pb --all --out new.pbtxt"
)
@click.argument("schema")
@click.option("--data", metavar="DATA", help="The data in which the findings are: a file, a folder, a pattern.")
@click.option("--statistics", metavar="FILE", help="Their statistics instead (FeatureStats.pb).")
@click.option("--anomalies", "anomalies_file", metavar="FILE", help="Only the findings of this file (SchemaDiff.pb).")
@click.option("--environment", help="The environment that the data are for.")
@click.option("--previous", metavar="DATA", help="Earlier data or statistics: drift is measured from them.")
@click.option("--serving", metavar="DATA", help="Serving data or statistics: skew is measured from them.")
@click.option(
    "--confidence", type=click.FloatRange(0, 1, min_open=True, max_open=True), help="Drift must be this sure."
)
@click.option("--rules", metavar="FILE", help="JSON list of severities and owners, as for `trueline validate`.")
@click.option(
    "--feature", "features", metavar="NAME", multiple=True, help="Accept what is at this feature; repeatable."
)
@click.option("--type", "types", metavar="TYPE", multiple=True, help="Accept findings of this type; repeatable.")
@click.option("--all", "everything", is_flag=True, help="Accept all that a change of the schema can accept.")
@click.option("--dry-run", is_flag=True, help="Show the findings and changes, and write nothing.")
@click.option("--out", metavar="FILE", help="Write the new schema there instead of over SCHEMA.")
@click.option("--json", "as_json", is_flag=True, help="Print findings and what was accepted as JSON; nobody is asked.")
@data_options
def accept(
    schema: str,
    data: str | None,
    statistics: str | None,
    features: tuple[str, ...],
    types: tuple[str, ...],
    everything: bool,
    dry_run: bool,
    out: str | None,
    as_json: bool,
    reading: DataOptions,
    **asked: Any,
) -> None:
    """Change SCHEMA so that it accepts findings: the least change for each, shown before it is made.

    On a terminal every finding is asked for. Elsewhere say which: --all, or --feature and --type (both: those that
    are at the feature and of the type). The file is written whole or not at all.
    """
    if (data is None) == (statistics is None):
        raise ConfigError("give the data with --data, or their statistics with --statistics")
    given = load_schema(schema)
    question = Question(find_data(str(data or statistics), reading), given, reading=reading, **asked)
    findings = question.findings()
    for note in question.notes:
        click.echo(f"Note: {note}", err=True)
    choice = _Choice(everything, features, types)
    choice.check(findings)
    if as_json:
        _accept_json(schema, given, findings, choice, out, dry_run)
        return
    if not findings:
        click.echo("No findings: the schema accepts these data.")
        return
    chosen = _chosen(findings, choice, dry_run)
    if chosen:
        _finish(schema, given, chosen, out, dry_run)
    elif not dry_run:
        click.echo("Nothing was accepted: the schema is as it was.")


def _accept_json(
    place: str, given: Any, findings: Sequence[Finding], choice: _Choice, out: str | None, dry_run: bool
) -> None:
    """``findings`` each with `accepted`, and ``written``: the schema's file, or null where it is as it was."""
    if findings and not choice.made and not dry_run:
        raise ConfigError("with --json nobody is asked", hint="give --all, --feature NAME, --type TYPE, or --dry-run.")
    chosen = [finding for finding in findings if choice.made and choice.takes(finding) and finding.changes]
    target = _write(place, given, chosen, out, dry_run) if chosen else None
    told = [{**finding_json(finding), "accepted": finding in chosen} for finding in findings]
    click.echo(json.dumps({"findings": told, "dry_run": dry_run, "written": target}, indent=1))


def _chosen(findings: Sequence[Finding], choice: _Choice, dry_run: bool) -> list[Finding]:
    ask = not choice.made and not dry_run
    if ask and not sys.stdin.isatty():
        raise ConfigError(
            "nobody can be asked here which findings to accept",
            problems=[f"{place_of(finding)}: {finding.type}" for finding in findings],
            hint="give --all, --feature NAME or --type TYPE; --dry-run shows the changes.",
        )
    chosen: list[Finding] = []
    for number, finding in enumerate(findings, start=1):
        if not choice.takes(finding):
            continue
        click.echo(describe_finding(finding, number, color=sys.stdout.isatty()))
        if not finding.changes:
            click.echo("    No change of the schema accepts this.")
        elif not ask or click.confirm("    Accept?", default=False):
            chosen.append(finding)
    return chosen


def _finish(place: str, given: Any, chosen: Sequence[Finding], out: str | None, dry_run: bool) -> None:
    target = _write(place, given, chosen, out, dry_run)
    if dry_run:
        click.echo(f"\n{len(chosen)} can be accepted; nothing was written.")
    else:
        click.echo(f"\nAccepted {len(chosen)}. Wrote {target}")


def _write(place: str, given: Any, chosen: Sequence[Finding], out: str | None, dry_run: bool) -> str | None:
    """Makes the changes, and writes them unless this is a rehearsal; the file that was written."""
    from trueline.data_validation import accept as accept_findings
    from trueline.schema import write_schema_text

    changed = accept_findings(given, chosen)
    if dry_run:
        return None
    target, comments = out or _file_of(place), _has_comments(_file_of(place))
    write_schema_text(changed, target)
    if comments:
        click.echo("Its comments are gone: protobuf text keeps none. An `annotation { comment: ... }` stays.", err=True)
    return target


def _file_of(place: str) -> str:
    from trueline._core import store

    inside = store.join(place, "schema.pbtxt")
    return inside if store.exists(inside) else place


def _has_comments(place: str) -> bool:
    from trueline._core import store

    return any(line.lstrip().startswith("#") for line in store.read_text(place).splitlines())
