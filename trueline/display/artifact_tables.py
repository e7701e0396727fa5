"""Views of artifacts that are rows, columns and files: samples of rows, schemas, transform graphs, blessings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trueline.display.html import Html, Safe, join, number, table, tag, visible
from trueline.display.sections import facts_view
from trueline.display.svg import GraphNode, graph

__all__ = [
    "FeatureOrigin",
    "blessing_view",
    "files_view",
    "rows_view",
    "schema_rows_view",
    "transform_view",
    "value_view",
]

_LONGEST = 80
_BOXES = 40
_FEW_CHECKS = 8


@dataclass(frozen=True)
class FeatureOrigin:
    """One transformed feature.

    Attributes:
        name: the feature.
        type: its dtype, with its shape where it is no scalar.
        columns: raw columns that it reads.
        steps: what is done to them, in order.
        learned: what was measured over all rows for it.
    """

    name: str
    type: str
    columns: Sequence[str]
    steps: Sequence[str] = ()
    learned: Sequence[str] = ()


def rows_view(
    splits: Sequence[tuple[str, int]], columns: Sequence[tuple[str, str]], first: Sequence[Sequence[Any]], of: str
) -> Html:
    """Rows by split, the columns with their types, and the first rows of one split.

    Args:
        splits: (name, rows).
        columns: (name, type), in the order of the cells.
        first: cells of the first rows.
        of: the split that they are from.
    """
    counts = {f"rows in {name}": rows for name, rows in splits}
    heads = [_head(name, kind) for name, kind in columns]
    parts: list[Safe] = [facts_view({**counts, "columns": len(columns)})]
    if first:
        cells = [[_cell(value) for value in row] for row in first]
        numeric = [i for i, (_, kind) in enumerate(columns) if kind in ("int64", "double", "float", "float32")]
        parts += [tag("p", f"The first {len(first)} rows of {of}:", class_="soft")]
        parts.append(table(heads, cells, numeric=numeric, class_="sortable small"))
    else:
        parts.append(table(["Column", "Type"], [[tag("b", name), kind] for name, kind in columns]))
    return join(parts)


def _head(name: str, kind: str) -> Html:
    return join([visible(name), tag("span", f" {kind}", class_="soft small")])


def _cell(value: Any) -> Safe:
    if value is None:
        return tag("span", "–", class_="soft", title="missing")
    if isinstance(value, bool | int | float):
        return str(value) if isinstance(value, int) else number(value)
    text = visible(f"{len(value)} bytes" if isinstance(value, bytes) else str(value))
    return text if len(text) <= _LONGEST else tag("span", f"{text[:_LONGEST]}…", title=text[:1000])


def schema_rows_view(features: Sequence[Sequence[str]], domains: Sequence[Sequence[str]]) -> Html:
    """A schema's features (name, type, presence, valency, domain) and its string domains (name, values)."""
    rows: list[Sequence[Safe]] = [[tag("b", visible(row[0])), *(visible(text) for text in row[1:])] for row in features]
    parts: list[Safe] = [table(["Feature", "Type", "Presence", "Valency", "Domain"], rows)]
    if domains:
        named: list[Sequence[Safe]] = [[tag("b", visible(name)), visible(values)] for name, values in domains]
        parts += [tag("h3", f"String domains ({len(domains)})"), table(["Domain", "Values"], named)]
    return join(parts)


def transform_view(features: Sequence[FeatureOrigin], host_steps: Sequence[str] = ()) -> Html:
    """Each transformed feature with the raw columns and the steps that it is made by, and a drawing of the same."""
    rows: list[Sequence[Safe]] = [
        [tag("b", visible(f.name)), f.type, ", ".join(map(visible, f.columns)), " → ".join(f.steps), _learned(f)]
        for f in features
    ]
    raw = sorted({column for f in features for column in f.columns})
    facts = {"raw columns": len(raw), "features": len(features), "host steps": len(host_steps)}
    parts: list[Safe] = [facts_view(facts)]
    if len(raw) > 0 and max(len(raw), len(features)) <= _BOXES:
        parts.append(tag("div", _drawing(raw, features), class_="scroll"))
    parts.append(table(["Feature", "Type", "Reads", "Steps", "Learned from the data"], rows))
    return join(parts)


def _learned(feature: FeatureOrigin) -> Safe:
    return "; ".join(map(visible, feature.learned))


def _drawing(raw: Sequence[str], features: Sequence[FeatureOrigin]) -> Html:
    """Raw columns on the left, features on the right; names may be the same on both sides."""
    boxes = [GraphNode(_padded(name, ""), "raw column") for name in raw]
    boxes += [GraphNode(_padded(f.name, "\u200b"), f.type, "good") for f in features]
    edges = [(_padded(c, ""), _padded(f.name, "\u200b")) for f in features for c in f.columns]
    return graph(boxes, edges, label="Which raw columns each feature reads")


def _padded(name: str, sign: str) -> str:
    return visible(name) + sign


def blessing_view(blessed: bool | None, reason: str, facts: Mapping[str, Any], checks: Sequence[Any] = ()) -> Html:
    """A verdict, why, and every check that led to it; many that passed are folded.

    Args:
        blessed: None where nothing says so.
        reason: why not, or what is to be known beside it.
        facts: figures.
        checks: mappings with ``metric``, ``slice``, ``outcome`` and ``sentence``.
    """
    words = {True: ("good", "blessed"), False: ("bad", "not blessed"), None: ("warn", "no verdict")}
    class_, word = words[blessed]
    parts: list[Safe] = [tag("p", tag("span", word, class_=f"badge {class_}"), " ", visible(reason))]
    if facts:
        parts.append(facts_view(facts))
    passed = [c for c in checks if c.get("outcome") == "passed"]
    folded = passed if len(passed) > _FEW_CHECKS else []
    if shown := [c for c in checks if not folded or c.get("outcome") != "passed"]:
        parts.append(_checks_table(shown))
    if folded:
        parts.append(tag("details", tag("summary", f"{len(folded)} checks passed"), _checks_table(folded)))
    return join(parts)


def _checks_table(checks: Sequence[Any]) -> Html:
    rows: list[Sequence[Safe]] = [
        [tag("b", visible(str(c.get("metric", "")))), visible(str(c.get("slice", ""))), _outcome(c),
         visible(str(c.get("sentence", "")))]
        for c in checks
    ]  # fmt: skip
    return table(["Metric", "Slice", "Outcome", ""], rows)


def _outcome(check: Mapping[str, Any]) -> Html:
    said = str(check.get("outcome", ""))
    class_ = {"passed": "good", "failed": "bad"}.get(said, "soft")
    return tag("span", said, class_=class_)


def files_view(files: Sequence[tuple[str, int | None]]) -> Html:
    """Files with their sizes in bytes."""
    rows: list[Sequence[Safe]] = [[tag("code", visible(name)), number(size)] for name, size in files]
    return table(["File", "bytes"], rows, numeric=[1]) if rows else tag("p", "No files.", class_="soft")


def value_view(text: str) -> Html:
    """The value of a value artifact, as JSON text."""
    return tag("pre", visible(text) if "\n" not in text else text)
