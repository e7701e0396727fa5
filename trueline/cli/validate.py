"""``trueline validate``: data held to a schema; exit code 3 when they break it."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from trueline.cli.data_files import DataOptions
from trueline.cli.data_files_find import find_data, load_schema
from trueline.cli.data_files_options import data_options
from trueline.cli.failures import GATE, OK
from trueline.cli.validate_findings import Question, describe_finding, finding_json, place_of

if TYPE_CHECKING:
    from trueline.data_validation import Finding

__all__ = ["validate"]

_MOST_LINES = 14  # of a change; `trueline schema accept` shows all


@click.command(
    epilog="\b\nExamples:\n"
    "  trueline validate june.csv schema.pbtxt\n"
    "  trueline validate june.csv schema.pbtxt --previous may.csv --confidence 0.95\n"
    "  trueline validate requests.jsonl schema.pbtxt --environment SERVING --rows broken.jsonl\n"
    "\b\nExit codes: 0 the data pass, 3 they do not."
)
@click.argument("data")
@click.argument("schema")
@click.option("--environment", help="One of the schema's environments: features outside it are not expected.")
@click.option("--previous", metavar="DATA", help="Earlier data or statistics: drift is measured from them.")
@click.option("--serving", metavar="DATA", help="Serving data or statistics: skew is measured from them.")
@click.option(
    "--confidence", type=click.FloatRange(0, 1, min_open=True, max_open=True), help="Drift must be this sure."
)
@click.option("--rules", metavar="FILE", help="JSON list of severities and owners by type of finding and feature.")
@click.option("--custom", metavar="FILE", help="JSON of custom validations: expressions over the statistics.")
@click.option("--rows", "rows_file", metavar="OUT", help="Write each row that breaks the schema there, as JSON lines.")
@click.option("--html", "html_file", metavar="OUT", help="Write a page of statistics with the findings marked.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@click.option(
    "--fail-on", type=click.Choice(["error", "warning"]), default="error", show_default=True, help="What ends with 3."
)
@data_options
def validate(
    data: str,
    schema: str,
    rows_file: str | None,
    html_file: str | None,
    as_json: bool,
    fail_on: str,
    reading: DataOptions,
    **asked: Any,
) -> int:
    """Hold DATA (a file, a folder, a pattern, or statistics) to SCHEMA and list what is wrong.

    Each finding tells its severity, its owner, and the exact change of the schema that would accept it.
    """
    question = Question(find_data(data, reading), load_schema(schema), reading=reading, **asked)
    if rows_file:
        question.data.rows()  # statistics have none: say so before anything is read
    findings = question.findings()
    for note in question.notes:
        click.echo(f"Note: {note}", err=True)
    empty = question.anomalies.data_missing
    failed = empty or any(f.severity == "ERROR" or fail_on == "warning" for f in findings)
    if html_file:
        _write_page(html_file, question)
    broken = None
    if rows_file:
        from trueline.cli.validate_rows import write_rows

        broken = write_rows(question.data, question.schema, question.environment, rows_file)
    if as_json:
        click.echo(json.dumps(_report(question, findings, failed, broken), indent=1))
    else:
        _print(question, findings, (data, schema), html_file, rows_file, broken)
    return GATE if failed else OK


def _report(question: Question, findings: Sequence[Finding], failed: bool, broken: int | None) -> dict[str, Any]:
    from google.protobuf import json_format

    drift = [json_format.MessageToDict(d, preserving_proto_field_name=True) for d in question.anomalies.drift_skew_info]
    report: dict[str, Any] = {
        "ok": not failed,
        "rows": _rows(question),
        "data_missing": question.anomalies.data_missing,
        "findings": [finding_json(finding) for finding in findings],
        "drift_skew": drift,
    }
    return report if broken is None else {**report, "rows_broken": broken}


def _rows(question: Question) -> int:
    return int(question.statistics.datasets[0].num_examples) if question.statistics.datasets else 0


def _print(
    question: Question,
    findings: Sequence[Finding],
    given: tuple[str, str],
    html_file: str | None,
    rows_file: str | None,
    broken: int | None,
) -> None:
    for finding in findings:
        click.echo(describe_finding(finding, color=sys.stdout.isatty(), most_lines=_MOST_LINES))
    rows = _rows(question)
    if question.anomalies.data_missing:
        click.echo("The data have no rows.")
    elif not findings:
        click.echo(f"No findings in {rows:,} rows.")
    else:
        errors = sum(finding.severity == "ERROR" for finding in findings)
        features = len({place_of(finding) for finding in findings})
        counts = f"{_many(errors, 'error')} and {_many(len(findings) - errors, 'warning')}"
        click.echo(f"\n{counts} at {_many(features, 'feature')}, in {rows:,} rows.")
        if any(finding.changes for finding in findings):
            data, schema = given
            option = "--data" if question.data.has_rows else "--statistics"
            command = shlex.join(["schema", "accept", schema, option, data, *question.again()])
            click.echo(f"If the data are right: trueline {command}")
        if question.data.has_rows and rows_file is None:
            click.echo("Which rows they are: --rows broken.jsonl")
    for place in (html_file, rows_file):
        if place:
            click.echo(f"Wrote {place}" + (f": {_many(broken or 0, 'row')}" if place == rows_file else ""))


def _many(count: int, thing: str) -> str:
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def _write_page(out: str, question: Question) -> None:
    from trueline._core import store
    from trueline.data_validation import get_statistics_html

    controls = question.controls
    other = controls.get("previous_statistics", controls.get("serving_statistics"))
    names = (question.data.name, "previous" if "previous_statistics" in controls else "serving")
    page = get_statistics_html(question.statistics, other, *names, schema=question.schema, anomalies=question.anomalies)
    store.write_text(out, page)
