"""For those who write metrics of their own: the proof that a metric keeps the promises of a pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trueline._core.errors import ConfigError
from trueline.model_analysis.config import EvalConfig, EvalOptions, MetricConfig, MetricsSpec
from trueline.model_analysis.measured import Estimate

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["check_metric"]


def check_metric(
    metric: MetricConfig,
    table: pa.Table,
    *,
    task: str = "binary",
    label_key: str = "label",
    prediction_key: str = "prediction",
    example_weight_key: str | None = None,
    classes: int = 0,
    rtol: float = 1e-9,
    atol: float = 1e-12,
    processes: bool = True,
) -> dict[str, Estimate]:
    """Checks a metric on a table, and gives its values on all of it.

    The same bits with 1 and 7 shards, 1 and 4 workers, threads and processes, and from a state that was written and
    read. Within the tolerance: merging is associative, an empty state changes nothing, and other block borders give
    the same value.

    Args:
        metric: what is checked; its module must be importable in a worker process.
        table: at least 8 rows.
        task: what rows are, see `metrics.TASKS`.
        label_key: the label's column.
        prediction_key: the prediction's column.
        example_weight_key: the weight's column, if any.
        classes: number of classes of a multi-class or multi-label table.
        rtol: relative tolerance of sums that are taken in another order.
        atol: absolute tolerance of them.
        processes: whether to start worker processes too.

    Raises:
        ConfigError: the metric cannot be computed.
        AssertionError: naming the broken promise.
    """
    from trueline._core.rowid import row_ids
    from trueline.engine.base import AccumulatorSpec
    from trueline.engine.testing import check_accumulator
    from trueline.model_analysis.check import config_problems
    from trueline.model_analysis.noise import ROW_COLUMN
    from trueline.model_analysis.plan import CANDIDATE, make_plan
    from trueline.model_analysis.sources import BATCH_EVALUATOR

    config = EvalConfig(
        (MetricsSpec((metric,)),), options=EvalOptions(noise_groups=8, compute_confidence_intervals=True)
    )
    problems = config_problems(config, task, table.column_names)
    if problems:
        raise ConfigError("the metric cannot be computed", problems=problems)
    if ROW_COLUMN not in table.column_names:
        table = table.append_column(ROW_COLUMN, row_ids(0, 0, table.num_rows))
    output = {"label": label_key, "weight": example_weight_key, "predictions": {CANDIDATE: prediction_key}}
    source = {"kind": "table", "outputs": {"": output}, "classes": None}
    plan = make_plan(config, task, classes, baseline=False)
    spec: AccumulatorSpec[Any] = AccumulatorSpec(BATCH_EVALUATOR, {"source": source, "plan": plan.to_json()})
    measured = check_accumulator(spec, table, rtol=rtol, atol=atol, processes=processes)
    return dict(measured.slices[0].metrics)
