"""Statistics beside the basic ones: sparse and weighted features, lift, cross-features, domains, mutual information.

Each is an accumulator of the engine whose `finish` gives a partial `DatasetFeatureStatistics`: only `features` (by
path) with what it found, and `cross_features`. `generate_statistics` merges the parts by path, as protos merge.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

    from trueline.data_validation.options import StatsOptions
    from trueline.engine.base import AccumulatorSpec

__all__ = ["generator_specs"]


def generator_specs(
    arrow_schema: pa.Schema, options: StatsOptions
) -> dict[str, tuple[AccumulatorSpec[Any], tuple[str, ...]]]:
    """The generators that these options ask for: by name, the accumulator and the columns that it reads.

    Args:
        arrow_schema: the columns of the data, widened.
        options: its schema, label and switches decide.

    Raises:
        ConfigError, SchemaError: when options or schema ask for what the columns cannot give.
    """
    from trueline.data_validation.generators.planning import planned

    return planned(arrow_schema, options)
