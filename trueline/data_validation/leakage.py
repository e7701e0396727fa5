"""`leakage_report`: features that alone predict the label almost perfectly, found before a model is trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from trueline.data_validation.leakage_findings import LeakageFinding, LeakageReport

if TYPE_CHECKING:
    import pyarrow as pa

    from trueline.engine.base import Dataset, Engine

__all__ = ["LeakageFinding", "LeakageReport", "leakage_report"]


def leakage_report(
    dataset: Dataset | pa.Table | Any,
    *,
    label: str,
    threshold: float = 0.99,
    features: Sequence[str] | None = None,
    schema: Any = None,
    sample_rows: int = 8192,
    engine: Engine | None = None,
) -> LeakageReport:
    """Which features give the label away: each is judged alone, in one pass of bounded memory.

    Scores come from a uniform sample of rows and are measured out of fold: see `leakage_scores`. What counts as a
    finding, so that few rows do not cry wolf, is stated in `leakage_findings`.
    Whether a feature is the label itself is counted over all rows. Two features that only together give the label away
    are not found.

    Args:
        dataset: a dataset of blocks, or a table in memory of any library that speaks Arrow.
        label: the column to predict: two classes, several, or a number (AUC, accuracy above chance, R squared).
        threshold: the least score that is reported, above 0.5 and up to 1.
        features: the columns to judge, or None for all.
        schema: a tensorflow-metadata `Schema`: integers that it declares categorical are categories.
        sample_rows: rows of the sample, at least 100; a state has 16 bytes a row and feature.
        engine: where it runs; the local engine if None.

    Raises:
        ConfigError: naming every argument that is wrong.
        SchemaError: for columns whose type has no statistics.
    """
    from trueline.data_validation.generators.planning import sample_columns, sampled_features
    from trueline.data_validation.given import dataset_of
    from trueline.data_validation.leakage_accumulator import check_leakage, leakage_plan
    from trueline.data_validation.options import StatsOptions
    from trueline.data_validation.plan import plan_features

    if engine is None:
        from trueline.engine import default_engine

        engine = default_engine()
    dataset = dataset_of(dataset)
    check_leakage(dataset.columns, label, threshold, sample_rows, features or ())
    allowed = None if features is None else list(dict.fromkeys([*features, label]))
    plans = plan_features(dataset.arrow_schema, StatsOptions(schema=schema, feature_allowlist=allowed))
    sampled = sampled_features(plans, dataset.arrow_schema)
    spec = leakage_plan(sampled, label, threshold, sample_rows=sample_rows)
    found: LeakageReport = engine.run(spec, dataset, sample_columns(sampled, dataset.arrow_schema))
    return found
