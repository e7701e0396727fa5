"""Feature engineering as one typed graph from raw columns to features: traced, analysed, lowered to ONNX.

Imports `trueline._core`, `trueline.schema` and `trueline.engine`; users write ``import trueline.transform as tlt``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trueline._core.lazy import lazy_names

if TYPE_CHECKING:
    from trueline.transform.analysis import analyze
    from trueline.transform.column import Column
    from trueline.transform.folds import fold_of_rows
    from trueline.transform.functions import (
        abs,
        cast,
        ceil,
        clip,
        concat,
        cross,
        exp,
        fill_missing,
        floor,
        hash_strings,
        is_missing,
        is_nan,
        join,
        log,
        log1p,
        lower,
        matches,
        maximum,
        minimum,
        one_hot,
        parse_number,
        round,
        sigmoid,
        sqrt,
        upper,
        where,
    )
    from trueline.transform.graph import Graph, Node, ValueType
    from trueline.transform.hoststeps import host
    from trueline.transform.lookup import take
    from trueline.transform.mappers import (
        apply_buckets,
        bucketize,
        max,
        mean,
        min,
        quantiles,
        scale_by_min_max,
        scale_to_0_1,
        scale_to_z_score,
        size,
        sum,
        var,
    )
    from trueline.transform.mappers_gaussian import scale_to_gaussian, tukey_h_params, tukey_location, tukey_scale
    from trueline.transform.mappers_targets import target_encode
    from trueline.transform.mappers_vocabulary import apply_vocabulary, compute_and_apply_vocabulary, vocabulary
    from trueline.transform.output import TransformOutput
    from trueline.transform.sklearn_transformer import as_transformer
    from trueline.transform.standalone import (
        analyze_and_transform,
        get_analyze_input_columns,
        get_transform_input_columns,
        transform_to_parquet,
    )
    from trueline.transform.tracer import trace

__all__ = [
    "Column",
    "Graph",
    "Node",
    "TransformOutput",
    "ValueType",
    "abs",
    "analyze",
    "analyze_and_transform",
    "apply_buckets",
    "apply_vocabulary",
    "as_transformer",
    "bucketize",
    "cast",
    "ceil",
    "clip",
    "compute_and_apply_vocabulary",
    "concat",
    "cross",
    "exp",
    "fill_missing",
    "floor",
    "fold_of_rows",
    "get_analyze_input_columns",
    "get_transform_input_columns",
    "hash_strings",
    "host",
    "is_missing",
    "is_nan",
    "join",
    "log",
    "log1p",
    "lower",
    "matches",
    "max",
    "maximum",
    "mean",
    "min",
    "minimum",
    "one_hot",
    "parse_number",
    "quantiles",
    "round",
    "scale_by_min_max",
    "scale_to_0_1",
    "scale_to_gaussian",
    "scale_to_z_score",
    "sigmoid",
    "size",
    "sqrt",
    "sum",
    "take",
    "target_encode",
    "trace",
    "transform_to_parquet",
    "tukey_h_params",
    "tukey_location",
    "tukey_scale",
    "upper",
    "var",
    "vocabulary",
    "where",
]

_HOMES = {
    "tukey_scale": "mappers_gaussian",
    "tukey_location": "mappers_gaussian",
    "tukey_h_params": "mappers_gaussian",
    "scale_to_gaussian": "mappers_gaussian",
    **dict.fromkeys(("fold_of_rows",), "folds"),
    **dict.fromkeys(("target_encode",), "mappers_targets"),
    **dict.fromkeys(("take",), "lookup"),
    "Column": "column",
    "Graph": "graph",
    "Node": "graph",
    "TransformOutput": "output",
    "ValueType": "graph",
    "analyze": "analysis",
    "analyze_and_transform": "standalone",
    "get_analyze_input_columns": "standalone",
    "get_transform_input_columns": "standalone",
    "transform_to_parquet": "standalone",
    "as_transformer": "sklearn_transformer",
    "host": "hoststeps",
    "trace": "tracer",
    **dict.fromkeys(
        (
            "apply_buckets",
            "bucketize",
            "max",
            "mean",
            "min",
            "quantiles",
            "scale_by_min_max",
            "scale_to_0_1",
            "scale_to_z_score",
            "size",
            "sum",
            "var",
        ),
        "mappers",
    ),
    **dict.fromkeys(("apply_vocabulary", "compute_and_apply_vocabulary", "vocabulary"), "mappers_vocabulary"),
}

__getattr__, __dir__ = lazy_names(__name__, {**dict.fromkeys(__all__, "functions"), **_HOMES})
