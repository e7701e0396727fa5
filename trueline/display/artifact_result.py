"""Frames of what a notebook shows: an artifact with its facts, and the result of one node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from trueline.display.html import Html, Safe, join, number, table, tag, visible

__all__ = ["ArtifactFrame", "ResultFrame", "artifact_frame", "artifacts_frame", "result_frame"]

_STATES = {"COMPLETE": "good", "CACHED": "good", "REUSED": "good", "FAILED": "bad", "CANCELED": "warn"}
_OPEN_AT_MOST = 2
_LONGEST = 200


@dataclass(frozen=True)
class ArtifactFrame:
    """An artifact: its type, number, folder, properties and views (title, piece)."""

    type: str
    id: int | None
    uri: str
    properties: Mapping[str, Any]
    sections: Sequence[tuple[str, Html]] = ()


@dataclass(frozen=True)
class ResultFrame:
    """What came of one node.

    Attributes:
        node_id: the node.
        state: COMPLETE, CACHED, FAILED and so on.
        seconds: how long it took.
        note: why it failed, or what the cache said.
        found: what the executor reported.
        inputs, outputs: artifacts by name.
        log: the log file.
    """

    node_id: str
    state: str
    seconds: float
    note: str = ""
    found: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Sequence[ArtifactFrame]] = field(default_factory=dict)
    outputs: Mapping[str, Sequence[ArtifactFrame]] = field(default_factory=dict)
    log: str = ""


def artifact_frame(artifact: ArtifactFrame, *, titled: bool = True) -> Html:
    """An artifact: one line about it, its properties, and its views one below the other."""
    parts: list[Safe] = []
    if titled:
        parts.append(tag("p", tag("b", artifact.type), _number(artifact), " ", tag("code", visible(artifact.uri))))
    properties = {k: v for k, v in artifact.properties.items() if v not in (None, "", [], {})}
    if properties:
        rows: list[Sequence[Safe]] = [[tag("b", visible(k)), _short(v)] for k, v in sorted(properties.items())]
        small = table(["Property", "Value"], rows, class_="plain")
        parts.append(tag("details", tag("summary", f"{len(properties)} properties"), small))
    for title, body in artifact.sections:
        parts += [tag("h3", title), body]
    return join(parts)


def artifacts_frame(artifacts: Sequence[ArtifactFrame]) -> Html:
    """Several artifacts, one below the other."""
    if not artifacts:
        return tag("p", "No artifacts.", class_="soft")
    return join(artifact_frame(artifact) for artifact in artifacts)


def result_frame(result: ResultFrame) -> Html:
    """A node's result: state, time, findings, inputs and outputs, and the views of the outputs.

    The views of many outputs are folded but for the first; they open without a script.
    """
    badge = tag("span", result.state.lower(), class_=f"badge {_STATES.get(result.state, 'warn')}")
    parts: list[Safe] = [tag("p", tag("b", visible(result.node_id)), " ", badge, " ", _seconds(result.seconds))]
    if result.note:
        class_ = "bad" if result.state == "FAILED" else "soft"
        parts.append(tag("p", visible_lines(result.note), class_=class_))
    if cards := [_card(k, v) for k, v in result.found.items() if _flat(v)]:
        parts.append(tag("div", *cards, class_="cards"))
    parts.append(_wires(result))
    shown = [(key, artifact) for key, found in result.outputs.items() for artifact in found]
    if result.outputs and not shown and result.state != "FAILED":
        parts.append(tag("p", "Its outputs hold no artifact.", class_="soft"))
    for i, (key, artifact) in enumerate(shown):
        is_open = "open" if i == 0 or len(shown) <= _OPEN_AT_MOST else None
        summary = tag("summary", tag("b", visible(key)), f" {artifact.type}", _number(artifact))
        parts.append(tag("details", summary, artifact_frame(artifact, titled=False), open=is_open))
    if result.log and result.state == "FAILED":
        parts.append(tag("p", "The whole log: ", tag("code", visible(result.log)), class_="soft"))
    return join(parts)


def visible_lines(text: str) -> Html:
    """A text with its line breaks."""
    return join((visible(line) for line in text.splitlines()), "<br>")


def _wires(result: ResultFrame) -> Html:
    rows: list[list[Safe]] = []
    for word, artifacts in (("input", result.inputs), ("output", result.outputs)):
        for key, found in artifacts.items():
            rows += [[word, tag("b", visible(key)), a.type, _id(a), tag("code", visible(a.uri))] for a in found]
            if not found:
                rows.append([word, tag("b", visible(key)), tag("span", "none", class_="soft"), "", ""])
    if not rows:
        return Html("")
    wires = table(["", "Name", "Type", "Number", "Where"], rows, numeric=[3])
    return tag("details", tag("summary", "Inputs and outputs"), wires)


def _number(artifact: ArtifactFrame) -> str:
    return "" if artifact.id is None else f" {artifact.id}"


def _id(artifact: ArtifactFrame) -> str:
    return "" if artifact.id is None else str(artifact.id)


def _seconds(seconds: float) -> Html:
    return tag("span", f"{seconds:.2f} s", class_="soft")


def _flat(value: Any) -> bool:
    return value is not None and value not in ("", [], {})


def _card(name: str, value: Any) -> Html:
    return tag("div", tag("b", _short(value)), tag("span", visible(name.replace("_", " "))), class_="card")


def _short(value: Any) -> str:
    if isinstance(value, bool | int | float):
        return number(value)
    if isinstance(value, Mapping):
        text = ", ".join(f"{k} {_short(v)}" for k, v in value.items() if _flat(v))
    elif isinstance(value, list | tuple):
        text = ", ".join(map(_short, value))
    else:
        text = visible(str(value))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
