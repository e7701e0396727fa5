"""Release notes: what a release is, what changed, how it measures beside the one before, and what became of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from trueline.metadata.model_releases import Release

__all__ = ["notes_json", "notes_markdown"]

_SECTIONS = (
    ("schema", "Schema and signature"),
    ("code", "Code"),
    ("parameters", "Parameters"),
    ("data", "Data"),
    ("unknown", "Not known, and so not taken for equal"),
)


def notes_json(release: Release) -> dict[str, Any]:
    """The notes as JSON."""
    notes = release.notes
    return {
        "model": release.model,
        "version": release.version,
        "artifact": release.artifact_id,
        "stage": release.stage,
        "released": release.released,
        "released_by": release.released_by,
        "before": notes.get("before"),
        "changes": notes.get("changes") or {},
        "metrics": notes.get("metrics") or {},
        "metrics_before": notes.get("metrics_before"),
        "data": notes["origin"]["data"],
        "base_models": notes["origin"]["base_models"],
        "fingerprint": notes["origin"]["model"]["fingerprint"],
        "history": notes.get("history") or [],
    }


def notes_markdown(release: Release) -> str:
    """The notes as Markdown."""
    told = notes_json(release)
    parts = [
        [f"# {_plain(release.model)} {release.version}"],
        list(_facts(told)),
        list(_changes(told)),
        list(_metrics(told["metrics"], told["metrics_before"], told["before"])),
        list(_data(told["data"])),
        list(_history(told["history"])),
    ]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def _facts(told: Mapping[str, Any]) -> Iterator[str]:
    yield f"- Released {_moment(told['released'])} by {_plain(told['released_by'] or 'unknown')}"
    yield f"- Stage: {told['stage']}"
    yield f"- Model: artifact {told['artifact']}, fingerprint `{told['fingerprint']}`"
    for base in told["base_models"]:
        yield f"- Trained on from artifact {base['artifact']}"


def _changes(told: Mapping[str, Any]) -> Iterator[str]:
    if told["before"] is None:
        yield "The first release."
        return
    changes = told["changes"]
    yield f"## Changes since {told['before']} ({changes['level']})"
    said = [(title, changes.get(key) or []) for key, title in _SECTIONS]
    if not any(sentences for _, sentences in said):
        yield "\nNothing that the lineage knows of: the same work gave other contents."
    for title, sentences in said:
        if sentences:
            yield f"\n### {title}\n"
            yield from (f"- {_plain(sentence)}" for sentence in sentences)


def _metrics(now: Mapping[str, float], before: Mapping[str, float] | None, version: str | None) -> Iterator[str]:
    if not now:
        yield "## Metrics\n\nNo evaluation is recorded."
        return
    yield "## Metrics\n"
    if before is None:
        yield "| metric | value |\n|---|---:|"
        yield from (f"| {_cell(name)} | {value:.6g} |" for name, value in now.items())
        return
    yield f"| metric | this | {version} | change |\n|---|---:|---:|---:|"
    for name in sorted({*now, *before}):
        new, old = now.get(name), before.get(name)
        change = f"{new - old:+.6g}" if new is not None and old is not None else "-"
        yield f"| {_cell(name)} | {_number(new)} | {_number(old)} | {change} |"


def _data(data: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if not data:
        yield "## Data\n\nNo Examples are recorded."
        return
    yield "## Data\n\n| examples | node | span | rows |\n|---:|---|---:|---:|"
    for item in data:
        rows = f"{item['rows']:,}" if isinstance(item.get("rows"), int) else "unknown"
        span = item.get("span") if item.get("span") is not None else "-"
        yield f"| {item['artifact']} | {_cell(item.get('node') or '-')} | {span} | {rows} |"


def _history(history: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if not history:
        return
    yield "## History\n"
    words = {"promote": "became", "rollback": "became again", "drop": "is no longer"}
    for event in history:
        text = f"- {_moment(event['at'])}: {words[event['step']]} `{event['alias']}`, by {_plain(event['by'])}"
        if event.get("before") and event["step"] != "drop":
            text += f", after {event['before']}"
        if event.get("forced"):
            text += f"; overruled: {_plain('; '.join(event['forced']))}"
        if event.get("reason"):
            text += f"; reason: {_plain(event['reason'])}"
        if event.get("pushed"):
            text += f"; pushed to {_plain(event['pushed']['destination'])} as {_plain(event['pushed']['version'])}"
        yield text


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.6g}"


def _moment(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _plain(text: str) -> str:
    """On one line, with what Markdown and HTML would read taken as it stands."""
    flat = " ".join(str(text).split())
    for mark in "\\`*_[]<>|":
        flat = flat.replace(mark, f"\\{mark}")
    return flat


def _cell(text: Any) -> str:
    return " ".join(str(text).split()).replace("|", "\\|").replace("<", "\\<")
