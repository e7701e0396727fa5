"""Makes docs/metrics.md: every metric by topic, as its record in `trueline.model_analysis.metrics` says.

python scripts/make_metrics_table.py            # writes the page
python scripts/make_metrics_table.py --check    # exit code 1 when the page is not up to date
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from trueline.model_analysis.metrics import TASKS, Metric, table
from trueline.model_analysis.metrics.record import CLASS_TASKS, HIGHER, LOWER, REQUIRED, ResampledState

PAGE = Path(__file__).resolve().parents[1] / "docs" / "metrics.md"
FAMILIES: Mapping[str, tuple[str, ...]] = {
    "Counts and decisions at a threshold": ("CONFUSION_METRICS", "FAIRNESS_METRICS"),
    "Ranking of scores": ("RANK_METRICS",),
    "Probabilities": ("PROBABILITY_METRICS",),
    "Counts, means and errors": ("MEAN_METRICS", "ERROR_METRICS"),
    "Several classes": ("CLASS_METRICS",),
    "Several labels a row": ("MULTILABEL_METRICS",),
    "Queries": ("RANKING_METRICS",),
    "Against the baseline, row by row": ("DIFFERENCE_METRICS",),
    "Texts": ("TEXT_METRICS",),
    "Boxes": ("DETECTION_METRICS",),
    "Sets": ("SET_METRICS",),
    "Masks": ("SEGMENTATION_METRICS",),
    "Columns of the data": ("FEATURE_METRICS",),
    "Attributions": ("ATTRIBUTION_METRICS",),
    "Plots": ("PLOT_METRICS",),
}
COMMON = ("thresholds", "num_thresholds", "class_id", "k", "top_k")
"""Options of all metrics at thresholds, told once."""
SHORT = {HIGHER: "higher", LOWER: "lower", None: ""}
HEAD = """# All metrics

Made by `scripts/make_metrics_table.py` from the metrics themselves; [metrics](howto/metrics.md) tells how to use them.

- **metric** is the class name of a `MetricConfig`; **key** is its name in results, unless its option `name` says
  otherwise.
- **tasks**: what rows are. `binary`, `regression` and `ranking` have one number a row, `multiclass` and `multilabel`
  one a class; `objects` are texts, boxes, sets or masks. A `binary` metric of a `multiclass` or `multilabel` model is
  measured on every class of every row, or on what `binarize` and `aggregate` say.
- **better**: in which direction it improves; without one, a change threshold has to say it.
- **options** with their defaults; those that *must be given* have none. Metrics at thresholds also take `thresholds` or
  `num_thresholds`, and `class_id`, `k` or `top_k`; these are left out below.
- **interval**: `yes` for a value with noise, changes and differences between slices; `no` for a value or structure
  alone; `structure` for JSON data or a plot; `parts` for several keys, each with an interval of its own.
- **undefined** says when there is no value. Whatever the metric: a label or prediction that it needs and that is
  missing, NaN or infinite makes it undefined on that slice, with the count.
"""


def records() -> dict[str, list[Metric]]:
    """The records by topic."""
    return {topic: [m for name in names for m in getattr(table, name)] for topic, names in FAMILIES.items()}


def interval(metric: Metric) -> str:
    """Whether its value has an interval."""
    if metric.parts:
        return "parts"
    if metric.data is not None or (metric.own is not None and metric.class_name.endswith("Plot")):
        return "structure"
    if metric.own is None:
        return "yes"
    state = metric.own({name: 1 if value is REQUIRED else value for name, value in metric.options.items()})
    return "yes" if isinstance(state, ResampledState) else "no"


def options(metric: Metric) -> str:
    """Its own options; those that must be given first."""
    own = {n: v for n, v in metric.options.items() if n not in COMMON or v not in (None, REQUIRED)}
    must = [f"`{n}` *must be given*" for n, v in metric.options.items() if v is REQUIRED]
    return ", ".join([*must, *(f"`{n}={shown(v)}`" for n, v in own.items() if v is not REQUIRED)])


def shown(value: Any) -> str:
    """A default, short."""
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list | tuple) and len(value) > 4:
        return f"{shown(value[0])}..{shown(value[-1])}"
    return repr(value) if not isinstance(value, str) else f'"{value}"'


def tasks(metric: Metric) -> str:
    """The tasks of its record, and `all` for all."""
    if set(metric.tasks) == set(TASKS):
        return "all"
    return ", ".join(task for task in TASKS if task in metric.tasks)


def parts(metric: Metric) -> str:
    """The keys of its parts; what stands before a slash in all of them once."""
    names = [part.name for part in metric.parts]
    before = {name.rpartition("/")[0] for name in names}
    if before != {""} and len(before) == 1:
        return f"`{before.pop()}/` and " + ", ".join(f"`{name.rpartition('/')[2]}`" for name in names)
    return ", ".join(f"`{name}`" for name in names)


def row(metric: Metric) -> str:
    """A line of the page."""
    keys = parts(metric) if metric.parts else f"`{metric.name}`"
    held = "; holds a slice's rows" if metric.holds_slice else ""
    cells = (f"`{metric.class_name}`", keys, tasks(metric), SHORT[metric.better], options(metric),
             f"{interval(metric)}{held}", metric.undefined)  # fmt: skip
    return "| " + " | ".join(cells).replace("\n", " ") + " |"


def section(topic: str, metrics: Iterable[Metric]) -> str:
    """A topic with its table."""
    head = "| metric | key | tasks | better | options | interval | undefined |\n|---|---|---|---|---|---|---|\n"
    return f"## {topic}\n{head}" + "\n".join(row(m) for m in metrics) + "\n"


def names_by_task(every: Sequence[Metric]) -> str:
    """Which metrics there are for a task."""
    lines = ["## By task", "| task | metrics |", "|---|---|"]
    for task in TASKS:
        own = sorted({m.class_name for m in every if task in m.tasks})
        more = ", and those of `binary` on its classes" if task in CLASS_TASKS else ""
        lines.append(f"| `{task}` | {', '.join(own)}{more} |")
    return "\n".join(lines) + "\n"


def page() -> str:
    """The page's text."""
    made = records()
    every = [m for metrics in made.values() for m in metrics]
    count = len({m.class_name for m in every})
    head = HEAD.replace("# All metrics", f"# All {count} metrics")
    return "\n".join([head, *(section(topic, metrics) for topic, metrics in made.items()), names_by_task(every)])


def main() -> None:
    """Writes or checks the page."""
    made = page()
    if "--check" in sys.argv[1:]:
        if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != made:
            sys.exit(f"{PAGE.name} is not up to date: python scripts/make_metrics_table.py")
        return
    PAGE.write_text(made, encoding="utf-8")


if __name__ == "__main__":
    main()
