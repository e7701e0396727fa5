"""The metrics of several processes as one: Prometheus' text of each, added up line by line.

Counters and histograms are sums, also over processes that are gone. Gauges are sums over the living ones, but for
those whose sum says nothing (`_GAUGES`). No label says which process a figure is from: processes come and go, and
a label for each would make new series with every one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

__all__ = ["MetricsText", "added"]

_GAUGES: Mapping[str, Callable[[list[float]], float]] = {
    "trueline_shadow_largest_difference": max,
    "trueline_model_available": min,
    "trueline_load_seconds": max,
    "process_start_time_seconds": min,
}


@dataclass
class _Family:
    """One metric: its header, and by sample the values of all processes."""

    header: list[str] = field(default_factory=list)
    kind: str = "untyped"
    samples: dict[str, list[str]] = field(default_factory=dict)


class MetricsText:
    """What processes said, added up."""

    def __init__(self) -> None:
        self._families: dict[str, _Family] = {}

    def add(self, text: str, *, gauges: bool = True) -> None:
        """Adds what one process said.

        Args:
            text: Prometheus' text format.
            gauges: False leaves gauges out: the process is gone.
        """
        family = _Family()
        for line in text.splitlines():
            if line.startswith("#"):
                _, what, name, rest = (*line.split(" ", 3), "")[:4]
                family = self._families.setdefault(name, _Family())
                if len(family.header) < 2 and line not in family.header:
                    family.header.append(line)
                if what == "TYPE":
                    family.kind = rest
            elif line and (gauges or family.kind != "gauge"):
                sample, _, value = line.rpartition(" ")
                family.samples.setdefault(sample, []).append(value)

    def text(self) -> str:
        """The sum in Prometheus' text format."""
        lines: list[str] = []
        for name, family in self._families.items():
            lines += family.header
            how = _GAUGES.get(name, sum) if family.kind == "gauge" else sum
            if name.endswith("_created"):
                how = min
            lines += [f"{sample} {_together(values, how)}" for sample, values in family.samples.items()]
        return "\n".join(lines) + "\n"


def _together(values: list[str], how: Callable[[list[float]], float]) -> str:
    if len(values) == 1:
        return values[0]
    made = how([float(value) for value in values])
    return str(int(made)) if all(value.isdigit() for value in values) else repr(made)


def added(living: Iterable[str], gone: Iterable[str] = ()) -> str:
    """The metrics of all processes in one text.

    Args:
        living: what each process says now.
        gone: what processes that are gone said last.
    """
    total = MetricsText()
    for text in living:
        total.add(text)
    for text in gone:
        total.add(text, gauges=False)
    return total.text()
