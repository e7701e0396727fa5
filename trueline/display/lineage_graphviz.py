"""A lineage graph in Graphviz's language, for those who draw or join graphs themselves.

Grammar and escapes: https://graphviz.org/doc/info/lang.html and https://graphviz.org/docs/attr-types/escString/.
"""

from __future__ import annotations

from collections.abc import Mapping

from trueline.display.html import visible
from trueline.display.lineage import LineageGraph, LineageItem

__all__ = ["lineage_dot"]

_COLOURS = {"FAILED": "#c0362c", "CANCELED": "#c0362c", "CACHED": "#2563b0", "RUNNING": "#2563b0"}
_BACKSLASH = "\u29f5"
"""Graphviz (2.43 at least) reads escapes of a tooltip twice: a doubled backslash does not save the letter after it."""


def lineage_dot(graph: LineageGraph) -> str:
    """The graph as a DOT text: ellipses are artifacts, boxes executions, tooltips tell more."""
    lines = [
        "digraph lineage {",
        f"  graph [{_attributes({'rankdir': 'LR', 'label': graph.title, 'labelloc': 't', 'fontname': 'sans-serif'})}];",
        '  node [fontname="sans-serif", fontsize="11"];',
        '  edge [fontname="sans-serif", fontsize="9", color="#5b6675"];',
        *(f"  {_quoted(item.key)} [{_attributes(_item(item))}];" for item in graph.items),
    ]
    for edge in graph.edges:
        said = f" [{_attributes({'label': edge.name})}]" if edge.name else ""
        lines.append(f"  {_quoted(edge.source)} -> {_quoted(edge.target)}{said};")
    return "\n".join([*lines, "}", ""])


def _item(item: LineageItem) -> dict[str, str]:
    artifact = item.kind == "artifact"
    gone = artifact and item.state not in ("LIVE", "")
    facts = [f"{name}: {text}" for name, text in item.facts.items() if text]
    told = "\n".join([f"{item.label} {item.key[1:]} {item.state.lower()}".strip(), *facts])
    return {
        "label": "\n".join(filter(None, [item.label, item.detail])),
        "shape": "ellipse" if artifact else "box",
        "style": "dashed" if gone or item.state == "CACHED" else "filled",
        "fillcolor": "#e3edf8" if artifact else "#f6f8fa",
        "color": "#d9822b" if item.focus else _COLOURS.get(item.state, "#2563b0" if artifact else "#5b6675"),
        "penwidth": "3" if item.focus else "1",
        "tooltip": _shown(told).replace("\\", _BACKSLASH),
    }


def _attributes(values: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={_quoted(value)}" for name, value in values.items())


def _quoted(text: str) -> str:
    r"""A double-quoted id: a backslash would begin one of Graphviz's escapes (``\N``), ``&`` an HTML entity."""
    shown = _shown(text)
    escaped = shown.replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;").replace("\n", "\\n")
    return f'"{escaped}"'


def _shown(text: str) -> str:
    return "\n".join(visible(line) for line in text.split("\n"))
