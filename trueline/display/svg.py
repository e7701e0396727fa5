"""The few marks that the views are drawn with: histogram, bars, interval, and a layered graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from trueline.display.html import Html, Safe, join, number, percent, tag, visible
from trueline.display.layout import layered

__all__ = ["Bucket", "GraphNode", "bars", "frame", "graph", "histogram", "paired_bars", "quantile_strips"]


@dataclass(frozen=True)
class Bucket:
    """One bucket of a histogram: ``[low, high]`` and how many values it holds."""

    low: float
    high: float
    count: float


def frame(width: float, height: float, label: str, *content: Safe) -> Html:
    """A picture of that many pixels; a screen reader reads its label."""
    title = tag("title", label)
    return tag(
        "svg",
        title,
        *content,
        viewBox=f"0 0 {width:g} {height:g}",
        width=f"{width:g}",
        height=f"{height:g}",
        role="img",
    )


def _shares(buckets: Sequence[Bucket]) -> list[float]:
    total = sum(b.count for b in buckets) or 1.0
    return [b.count / total for b in buckets]


def histogram(
    buckets: Sequence[Bucket],
    other: Sequence[Bucket] = (),
    *,
    label: str,
    width: int = 190,
    height: int = 46,
    shown: Callable[[float], str] | None = None,
) -> Html:
    """Equal-width buckets as bars, a second data set laid over the first as shares of each.

    Two data sets are drawn on buckets of one common width: what a bucket holds is taken as spread evenly over it.
    `shown` writes a value at the axis, as a number if None.
    """
    if buckets and other:
        buckets, other = _common_buckets(buckets, other)
    everything = [b for b in (*buckets, *other) if abs(b.low) != float("inf") and abs(b.high) != float("inf")]
    if not everything:
        return tag("span", "no finite values", class_="soft")
    low, high = min(b.low for b in everything), max(b.high for b in everything)
    top = max([*_shares(buckets), *_shares(other), 1e-12])
    marks: list[Html] = []
    for series, class_ in ((buckets, "bar"), (other, "bar2")):
        for bucket, share in zip(series, _shares(series), strict=True):
            if abs(bucket.low) == float("inf") or abs(bucket.high) == float("inf"):
                continue
            x = _between(bucket.low, low, high) * (width - 2)
            w = max(_between(bucket.high, low, high) * (width - 2) - x - 1, 2.0)
            h = share / top * (height - 14)
            ends = " to ".join((shown or number)(edge) for edge in (bucket.low, bucket.high))
            text = tag("title", f"{ends}: {number(round(bucket.count, 1))}")
            marks.append(_rect(x, height - 12 - h, w, h, class_, text))
    axis = tag("line", x1="0", x2=str(width), y1=str(height - 12), y2=str(height - 12), class_="axis")
    return frame(width, height, label, *marks, axis, _ends(low, high, width, height - 1, shown))


def _ends(low: float, high: float, width: int, y: int, shown: Callable[[float], str] | None) -> Html:
    """What stands at the two ends of an axis."""
    first, last = (shown(x) if shown is not None else number(x, 3) for x in (low, high))
    right = tag("text", last, x=str(width), y=str(y), text_anchor="end", class_="soft")
    return join([tag("text", first, x="0", y=str(y), class_="soft"), right])


def _between(x: float, low: float, high: float) -> float:
    """Where x lies between two numbers, 0 to 1: their distance may be more than the greatest float, or the least."""
    if low == high:
        return 0.0
    if high - low < float("inf"):
        return (x - low) / (high - low)
    return (x / 2 - low / 2) / (high / 2 - low / 2)


def _common_buckets(one: Sequence[Bucket], other: Sequence[Bucket]) -> tuple[list[Bucket], list[Bucket]]:
    finite = [b for b in (*one, *other) if abs(b.low) != float("inf") and abs(b.high) != float("inf")]
    if not finite:
        return list(one), list(other)
    low, high = min(b.low for b in finite), max(b.high for b in finite)
    if low == high:
        return list(one), list(other)
    n = max(len(one), len(other), 10)
    narrow = high - low < float("inf")
    edges = [low + (high - low) * i / n if narrow else low * (1 - i / n) + high * (i / n) for i in range(n)] + [high]
    return _rebinned(one, edges), _rebinned(other, edges)


def _rebinned(buckets: Sequence[Bucket], edges: Sequence[float]) -> list[Bucket]:
    """The finite buckets' counts on new edges of one width."""
    counts = [0.0] * (len(edges) - 1)
    for bucket in buckets:
        if abs(bucket.low) == float("inf") or abs(bucket.high) == float("inf"):
            continue
        last = len(counts) - 1
        places = [_between(x, edges[0], edges[-1]) * len(counts) for x in (bucket.low, bucket.high)]
        first, final = (min(max(int(place), 0), last) for place in places)
        for i in range(first, final + 1):
            ends = (max(bucket.low, edges[i]), min(bucket.high, edges[i + 1]))
            low, high = (_between(x, bucket.low, bucket.high) for x in ends)
            counts[i] += bucket.count * (max(high - low, 0.0) if bucket.low < bucket.high else float(i == first))
    return [Bucket(a, b, n) for a, b, n in zip(edges, edges[1:], counts, strict=False)]


def _rect(x: float, y: float, w: float, h: float, class_: str, *content: Safe) -> Html:
    return tag(
        "rect", *content, x=f"{x:.1f}", y=f"{y:.1f}", width=f"{w:.1f}", height=f"{max(h, 0.5):.1f}", class_=class_
    )


def bars(
    values: Sequence[tuple[str, float]], *, label: str, width: int = 240, most: int = 5, class_: str = "bar"
) -> Html:
    """The largest values as horizontal bars with their names and shares."""
    shown = list(values[:most])
    if not shown:
        return tag("span", "no values", class_="soft")
    total = sum(v for _, v in values) or 1.0
    top = max(v for _, v in shown) or 1.0
    marks: list[Html] = []
    for i, (name, value) in enumerate(shown):
        y = i * 15
        text = visible(name if len(name) <= 21 else name[:20] + "…")
        marks.append(_rect(0, y + 2, value / top * 70, 11, class_, tag("title", f"{name}: {number(value)}")))
        marks.append(tag("text", f"{percent(value / total)}\u2002{text or '(empty)'}", x="76", y=str(y + 11)))
    return frame(width, 15 * len(shown) + 2, label, *marks)


def paired_bars(
    one: Sequence[tuple[str, float]], other: Sequence[tuple[str, float]], *, label: str, width: int = 260, most: int = 5
) -> Html:
    """The largest values of the first data set, each with its share in both."""
    totals = [sum(v for _, v in values) or 1.0 for values in (one, other)]
    shares = [{n: v / t for n, v in values} for values, t in zip((one, other), totals, strict=True)]
    names = [name for name, _ in one[:most]]
    names += [name for name, _ in other[:most] if name not in shares[0]][: max(most - len(names), 2)]
    if not names:
        return tag("span", "no values", class_="soft")
    top = max(found.get(name, 0.0) for found in shares for name in names) or 1.0
    marks: list[Html] = []
    for i, name in enumerate(names):
        y = i * 18
        values = [found.get(name, 0.0) for found in shares]
        told = f"{name}: {100 * values[0]:.1f}% and {100 * values[1]:.1f}%"
        for k, (value, class_) in enumerate(zip(values, ("bar", "bar2"), strict=True)):
            marks.append(_rect(0, y + 2 + 7 * k, value / top * 70, 6, class_, tag("title", told)))
        text = visible(name if len(name) <= 18 else name[:17] + "…")
        shown = f"{percent(values[0])} | {percent(values[1])}\u2002{text or '(empty)'}"
        marks.append(tag("text", shown, x="76", y=str(y + 13)))
    return frame(width, 18 * len(names) + 2, label, *marks)


def quantile_strips(
    series: Sequence[Sequence[float]], *, label: str, width: int = 190, shown: Callable[[float], str] | None = None
) -> Html:
    """One strip a data set on a common scale: a tick at each quantile, the middle one thick, extremes joined.

    Args:
        series: each data set's quantiles in ascending order, extremes included; infinite ones are left out.
        label: what the drawing is of.
        width: in pixels.
        shown: writes a value, as a number if None.
    """
    finite = [[q for q in quantiles if abs(q) != float("inf") and q == q] for quantiles in series]
    everything = [q for quantiles in finite for q in quantiles]
    if not everything:
        return tag("span", "no finite values", class_="soft")
    low, high = min(everything), max(everything)
    marks: list[Html] = []
    for row, (quantiles, class_) in enumerate(zip(finite, ("bar", "bar2"), strict=False)):
        if not quantiles:
            continue
        y = 4 + row * 16
        places = [2 + _between(q, low, high) * (width - 4) for q in quantiles]
        marks.append(_rect(places[0], y + 5, max(places[-1] - places[0], 1.0), 2, class_))
        for i, (place, q) in enumerate(zip(places, quantiles, strict=True)):
            middle = 2 * i == len(quantiles) - 1
            told = tag("title", f"quantile {i}/{len(quantiles) - 1}: {(shown or number)(q)}")
            marks.append(_rect(place - (2 if middle else 0.75), y, 4 if middle else 1.5, 12, class_, told))
    height = 6 + 16 * len(finite)
    return frame(width, height + 10, label, *marks, _ends(low, high, width, height + 8, shown))


@dataclass(frozen=True)
class GraphNode:
    """One box of a graph: its text, a second line, a class for its colour and a link."""

    id: str
    detail: str = ""
    class_: str = ""
    href: str | None = None


def graph(nodes: Sequence[GraphNode], edges: Sequence[tuple[str, str]], *, label: str) -> Html:
    """A layered drawing of a directed acyclic graph, left to right."""
    box_w, box_h, gap_x, gap_y = 148, 40, 40, 14
    layout = layered([n.id for n in nodes], edges)
    places = [*layout.nodes.values(), *(p for bend in layout.bends.values() for p in bend)]
    columns = max((x for x, _ in places), default=0) + 1
    lanes = max((y for _, y in places), default=0.0) + 1

    def corner(place: tuple[int, float]) -> tuple[float, float]:
        return 2 + place[0] * (box_w + gap_x), 2 + place[1] * (box_h + gap_y)

    marks: list[Html] = []
    for (a, b), bends in layout.bends.items():
        points = []
        for place in (layout.nodes[a], *bends, layout.nodes[b]):
            x, y = corner(place)
            points += [(x, y + box_h / 2), (x + box_w, y + box_h / 2)]
        marks.append(tag("path", tag("title", f"{a} to {b}"), d=_curve(points[1:-1]), class_="edge"))
    marks += [_box(node, corner(layout.nodes[node.id]), box_w, box_h) for node in nodes]
    return frame(columns * (box_w + gap_x) - gap_x + 4, lanes * (box_h + gap_y) - gap_y + 4, label, *marks)


def _curve(points: Sequence[tuple[float, float]]) -> str:
    """Curves over the gaps between layers, straight lines through the layers."""
    path = f"M{points[0][0]:.0f} {points[0][1]:.0f}"
    for i, ((x1, y1), (x2, y2)) in enumerate(pairwise(points)):
        middle = (x1 + x2) / 2
        over_gap = f"C{middle:.0f} {y1:.0f} {middle:.0f} {y2:.0f} {x2:.0f} {y2:.0f}"
        path += over_gap if i % 2 == 0 else f"L{x2:.0f} {y2:.0f}"
    return path


def _box(node: GraphNode, corner: tuple[float, float], width: float, height: float) -> Html:
    x, y = corner
    name = node.id if len(node.id) <= 21 else node.id[:20] + "…"
    parts: list[Html] = [
        tag("rect", tag("title", node.id), x=f"{x:g}", y=f"{y:g}", width=f"{width:g}", height=f"{height:g}", rx="6",
            class_=f"box {node.class_}".strip()),
        tag("text", name, x=f"{x + 10:g}", y=f"{y + 17:g}"),
        tag("text", node.detail[:24], x=f"{x + 10:g}", y=f"{y + 32:g}", class_="soft"),
    ]  # fmt: skip
    inner = join(parts)
    return tag("a", inner, href=node.href) if node.href else inner


def edges_of(upstream: Mapping[str, Sequence[str]]) -> list[tuple[str, str]]:
    """Edges from a mapping of node to the nodes it depends on."""
    return [(a, b) for b, before in upstream.items() for a in before]
