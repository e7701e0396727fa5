"""`find_slices`: the way in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline._core.errors import ConfigError, DataError
from trueline.engine.base import AccumulatorSpec, Dataset, Engine
from trueline.model_analysis.datasets import as_dataset, features_read
from trueline.model_analysis.noise import ROW_COLUMN
from trueline.model_analysis.slice_finder.axes import Axis, cells_of
from trueline.model_analysis.slice_finder.contrasts import group_of
from trueline.model_analysis.slice_finder.found import FoundSlice, FoundSlices
from trueline.model_analysis.slice_finder.inputs import Source, check_columns, model_source, table_source
from trueline.model_analysis.slice_finder.lattice import Candidate
from trueline.model_analysis.slice_finder.make_axes import Axes, make_axes
from trueline.model_analysis.slice_finder.options import Options
from trueline.model_analysis.slice_finder.sample import ROW_SAMPLE, SAMPLE_ROWS, SampledRows
from trueline.model_analysis.slice_finder.search import Found, Request, search
from trueline.model_analysis.slice_finder.select import Judged, Selected, select
from trueline.model_analysis.slices import SliceKey

if TYPE_CHECKING:
    import pyarrow as pa

    from trueline.model_analysis.api import HasRuntime

__all__ = ["find_slices"]

Bools = npt.NDArray[np.bool_]


def find_slices(
    model: HasRuntime | None,
    data: Any,
    *,
    baseline: HasRuntime | None = None,
    label_key: str | None = None,
    prediction_key: str | None = None,
    baseline_prediction_key: str | None = None,
    example_weight_key: str | None = None,
    task: str | None = None,
    loss: str = "auto",
    features: Sequence[str] | None = None,
    extra_features: Sequence[str] = (),
    max_order: int = 2,
    min_rows: int | None = None,
    max_share: float = 0.5,
    min_effect: float = 0.1,
    top_k: int = 10,
    alpha: float = 0.05,
    multiplicity: str = "benjamini_yekutieli",
    confirm: bool = True,
    buckets: int = 8,
    max_values: int = 50,
    max_overlap: float = 0.5,
    seed: int = 0,
    engine: Engine | None = None,
) -> FoundSlices:
    """Finds the slices of the data on which a model does worst, or became worse than a baseline.

    A slice is a conjunction of conditions on columns: a value, a range of neighbouring quantile buckets of a number or
    time, missing, NaN. The search takes at most `max_order` + 1 passes over the rows, in memory that does not grow with
    them: one for a sample (16,384 rows) that sets buckets and values, then one a level.

    The best of many slices always looks worse than it is. So the rows are dealt into two halves by the hash of their
    row ids: slices are chosen on one, and mean losses, intervals and p-values are measured on the other, which chose
    nothing (`confirm`). Rows without a row id are dealt by content, so that copies of one row stay together; rows that
    belong together in another way (one customer's, one day's) make the test too sure of itself.

    Args:
        model: the candidate, whose ``targets.onnx`` gives labels and weights; None where `data` holds predictions.
        data: rows with the columns of models, or with labels and predictions: an Arrow table, a DataFrame, a `Dataset`,
            `Examples` or a path, as `as_dataset` reads them.
        baseline: another model: then the loss is the candidate's minus the baseline's, row by row.
        label_key: of a table, the label's column (``label``): 0..1, a number, or a class number.
        prediction_key: of a table, the prediction's column (``prediction``): a number, or a list of probabilities.
        baseline_prediction_key: of a table, the baseline's predictions.
        example_weight_key: of a table, the weight's column.
        task: of a table ``binary``, ``regression`` or ``multiclass``; by default multi-class for a list column,
            regression where the loss is a squared or absolute error, else binary.
        loss: ``log_loss``, ``zero_one``, ``squared_error``, ``absolute_error``, or ``auto``: the log loss, of a
            regression the squared error.
        features: columns to search; by default the raw columns of the model's signature, or all columns of a table but
            label, predictions and weight.
        extra_features: columns to search besides these.
        max_order: most conditions of a slice, 1 to 3.
        min_rows: least rows of a slice; by default 1 % of the rows, 32 at least.
        max_share: most rows of a slice, as a share of all: what most rows are in is no slice.
        min_effect: least effect size (difference of mean losses / sqrt of the mean of both variances).
        top_k: most slices to give; with `confirm` twice as many are tested.
        alpha: level of the adjusted p-values, and 1 - confidence of the intervals.
        multiplicity: ``benjamini_yekutieli``, ``benjamini_hochberg``, ``bonferroni`` or ``holm``.
        confirm: False chooses and measures on all rows, and adjusts for every slice that was judged.
        buckets: quantile buckets of a number, 4 to 10.
        max_values: most values of a column that are searched, the most frequent ones.
        max_overlap: slices that share more of their rows with a better one (Jaccard index) are left out.
        seed: of the halves and the sample.
        engine: where it runs; threads of this machine by default.

    Raises:
        ConfigError: every problem of the arguments at once.
        DataError: too few rows, or columns of labels, predictions or weights that hold no numbers.
        ModelError: a task without a loss of one row, or a baseline of another task or other classes.
    """
    options = Options(
        max_order, min_rows, max_share, min_effect, top_k, alpha, multiplicity, confirm, buckets, max_values,
        max_overlap, seed,
    )  # fmt: skip
    runtimes = [m.runtime if m is not None else None for m in (model, baseline)]
    dataset = as_dataset(data, features=features_read(*runtimes))
    if model is not None:
        keys = (label_key, prediction_key, baseline_prediction_key, example_weight_key, task)
        source = model_source(model, baseline, loss, keys)
    else:
        if baseline is not None:
            raise ConfigError("a baseline model needs a model", hint="name baseline_prediction_key for a table.")
        names = {"candidate": prediction_key or "prediction"}
        names |= {"baseline": baseline_prediction_key} if baseline_prediction_key else {}
        source = table_source(dataset, label_key or "label", names, example_weight_key, task, loss)
    wanted = tuple(dict.fromkeys([*(source.features if features is None else features), *extra_features]))
    check_columns(dataset, [*wanted, *source.reads], wanted)
    if engine is None:
        from trueline.engine import default_engine

        engine = default_engine()
    return _find(source, dataset, wanted, options, engine)


def _find(source: Source, dataset: Dataset, wanted: tuple[str, ...], options: Options, engine: Engine) -> FoundSlices:
    reads = {*wanted, *source.reads, ROW_COLUMN}
    columns = tuple(name for name in dataset.columns if name in reads)
    sampling: AccumulatorSpec[SampledRows] = AccumulatorSpec(
        ROW_SAMPLE, {"columns": list(wanted), "rows": SAMPLE_ROWS, "seed": options.seed}
    )
    sampled = engine.run(sampling, dataset, [name for name in columns if name in wanted or name == ROW_COLUMN])
    if sampled.table is None:
        raise DataError("the data has no rows, so no slice can be found")
    share = 0.01 if options.min_rows is None else min(options.min_rows / sampled.rows, 1.0)
    axes = make_axes(sampled.table, wanted, options.buckets, options.max_values, share)
    if not axes.axes:
        raise ConfigError("no column can be searched", problems=[f"{k}: {v}" for k, v in axes.left_out.items()])
    params = {**source.params, "halves": 2 if options.confirm else 1, "seed": options.seed}
    found = search(engine, dataset, Request(params, columns, axes.axes, source.weighted, options))
    members = _membership(axes.axes, sampled.table)
    return _result(source, found, select(found, members, options), axes, members, options)


def _membership(axes: Sequence[Axis], table: pa.Table) -> Callable[[Candidate], Bools]:
    """Tells which sampled rows are in a candidate."""
    batch = table.combine_chunks().to_batches()[0]
    cells = dict(zip(axes, cells_of(axes, batch), strict=True))

    def members(candidate: Candidate) -> Bools:
        inside = np.ones(batch.num_rows, dtype=bool)
        for c in candidate.conditions:
            inside &= (cells[c.axis] >= c.first) & (cells[c.axis] <= c.last)
        return inside

    return members


def _key(candidate: Candidate) -> SliceKey:
    pairs: list[tuple[str, Any]] = [c.pair for c in candidate.conditions if c.pair is not None]
    expressions = [c.expression for c in candidate.conditions if c.expression is not None]
    if expressions:
        pairs.append((" and ".join(expressions), None))
    return tuple(sorted(pairs, key=lambda pair: pair[0]))


def _result(
    source: Source,
    found: Found,
    selected: Selected,
    axes: Axes,
    members: Callable[[Candidate], Bools],
    options: Options,
) -> FoundSlices:
    total = group_of(found.total[:, -1])
    rows = int(found.total[0].sum())
    slices = tuple(_found_slice(j, rows, found.limits.signed, total) for j in selected.slices)
    covered = [members(j.candidate) for j in selected.slices]
    return FoundSlices(
        slices=slices,
        loss=source.params["loss"],
        task=source.params["task"],
        compared=found.limits.signed,
        rows=rows,
        left_out=found.left_out,
        mean_loss=float(total.mean),
        coverage=float(np.logical_or.reduce(covered).mean()) if covered else 0.0,
        tested=selected.tested,
        searched=found.searched,
        refused=selected.refused,
        columns=tuple(dict.fromkeys(a.column for a in axes.axes)),
        columns_left_out=axes.left_out,
        skipped=found.skipped,
        passes=found.passes + 1,
        options={**options.to_json(), "min_rows": int(found.limits.rows)},
    )


def _found_slice(judged: Judged, rows: int, signed: bool, total: Any) -> FoundSlice:
    inside = group_of(judged.candidate.inside[:, -1])
    part = float(inside.mean * inside.weight / (total.mean * total.weight)) if not signed and total.mean > 0 else None
    return FoundSlice(
        key=_key(judged.candidate),
        name=judged.candidate.name,
        rows=judged.rows,
        share=judged.rows / rows,
        loss_share=part,
        inside=judged.inside,
        outside=judged.outside,
        difference=judged.difference,
        low=judged.low,
        high=judged.high,
        effect_size=judged.effect,
        p_value=judged.p_value,
        adjusted_p_value=judged.adjusted_p_value,
        search_difference=judged.search_difference,
    )
