"""The plots of an evaluation: found among what was measured, in TFMA's shape, and in a file.

``plots.parquet`` has one row per slice, model and plot: ``slice``, ``slice_key``, ``model`` (``candidate`` or
``baseline``), ``output``, ``sub_key``, ``metric`` (the key's text), ``plot`` (its kind) and ``data`` (JSON of TFMA's
shape).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from trueline._core import store
from trueline.model_analysis.keys import MetricKey
from trueline.model_analysis.measured import Estimate, Measured
from trueline.model_analysis.plots.codec import PlotData, is_plot, plot_from_json
from trueline.model_analysis.slices import SliceKey, key_text, slice_name

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["PLOTS_FILE", "FoundPlot", "Plots", "find_plots", "plots_of", "plots_table", "save_plots"]

PLOTS_FILE = "plots.parquet"
CANDIDATE, BASELINE = "candidate", "baseline"
Plots: TypeAlias = list[tuple[SliceKey, dict[str, dict[str, dict[str, Any]]]]]


@dataclass(frozen=True)
class FoundPlot:
    """One plot of one slice: the metric's key, and the data by model, the candidate's first."""

    slice: SliceKey
    key: MetricKey
    models: Mapping[str, PlotData]


def find_plots(measured: Measured) -> Iterator[FoundPlot]:
    """All plots among the structured values, slice by slice; those that are undefined are left out."""
    for s in measured.slices:
        for text, estimate in s.metrics.items():
            sides: dict[str, Estimate | None] = {CANDIDATE: estimate, BASELINE: s.baseline.get(text)}
            there = {m: plot_from_json(e.data) for m, e in sides.items() if e is not None and is_plot(e.data)}
            if CANDIDATE in there:
                yield FoundPlot(s.key, MetricKey.parse(text), there)


def plots_of(measured: Measured) -> Plots:
    """The candidate's plots in TFMA's shape: ``[(slice key, {output: {sub key: {plot: data}}})]``.

    Of two plots of one kind on one slice, output and sub key the later stays, as in TFMA.
    """
    found: Plots = [(s.key, {}) for s in measured.slices]
    by_slice = dict(found)
    for plot in find_plots(measured):
        outputs = by_slice[plot.slice].setdefault(plot.key.output_name, {})
        kinds = outputs.setdefault(_sub_key(plot.key), {})
        kinds[plot.models[CANDIDATE].KIND] = plot.models[CANDIDATE].to_tfma()
    return found


def _sub_key(key: MetricKey) -> str:
    return " ".join(part for part in (key.sub_key.tfma, key.aggregation) if part)


def plots_table(measured: Measured) -> pa.Table:
    """The rows of ``plots.parquet``."""
    import pyarrow as pa

    rows = [
        {
            "slice": slice_name(found.slice), "slice_key": key_text(found.slice), "model": model,
            "output": found.key.output_name, "sub_key": _sub_key(found.key), "metric": found.key.text,
            "plot": plot.KIND, "data": json.dumps(plot.to_tfma(), allow_nan=False, ensure_ascii=False),
        }
        for found in find_plots(measured)
        for model, plot in found.models.items()
    ]  # fmt: skip
    names = ("slice", "slice_key", "model", "output", "sub_key", "metric", "plot", "data")
    return pa.Table.from_pylist(rows, schema=pa.schema([(name, pa.string()) for name in names]))


def save_plots(measured: Measured, uri: str) -> str | None:
    """Writes ``plots.parquet`` into a folder; nothing where there is no plot. The file's place is returned."""
    import io

    import pyarrow.parquet as pq

    table = plots_table(measured)
    if not table.num_rows:
        return None
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    path = store.join(uri, PLOTS_FILE)
    store.write_bytes(path, buffer.getvalue())
    return path
