"""Changes of a schema as the lines of its text that change."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import groupby

from trueline.schema.changes import SchemaChange, Where

__all__ = ["render_changes"]


def render_changes(changes: Iterable[SchemaChange]) -> str:
    """The changed lines of the schema's proto text inside the messages they stand in: ``-`` for old, ``+`` for new.

    feature {
      name: "fare"
      presence {
    -   min_fraction: 1.0
    +   min_fraction: 0.95
      }
    }
    """
    lines: list[str] = []
    for where, group in groupby(changes, key=lambda change: change.where):
        lines += _within(where, list(group))
    return "\n".join(lines)


def _within(where: Where, changes: list[SchemaChange]) -> list[str]:
    opened, depth = [], 0
    for field, name in where:
        opened.append("  " + "  " * depth + f"{field} {{")
        depth += 1
        if name is not None:
            opened.append("  " + "  " * depth + f"name: {json.dumps(name, ensure_ascii=False)}")
    closed = ["  " + "  " * level + "}" for level in reversed(range(depth))]
    inner: list[str] = []
    for change in changes:
        if change.kind == "order":
            inner += [f"# order of {change.field}: {change.before} -> {change.after}"]
            continue
        for mark, text in (("-", change.before), ("+", change.after)):
            inner += [f"{mark} {'  ' * depth}{line}" for line in text.splitlines()]
    return [*opened, *inner, *closed]
