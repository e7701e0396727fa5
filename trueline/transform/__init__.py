"""Feature engineering as one typed graph from raw columns to features: traced, analysed, lowered to ONNX.

Imports `trueline._core`, `trueline.schema`, `trueline.data` and `trueline.engine`; users write
``import trueline.transform as tlt``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trueline._core.lazy import lazy_names
from trueline.transform.guard import guarded

if TYPE_CHECKING:
    from trueline.transform.analysis import *
    from trueline.transform.analyzer_functions import *
    from trueline.transform.analyzer_functions_matrix import *
    from trueline.transform.cache import *
    from trueline.transform.column import *
    from trueline.transform.folds import *
    from trueline.transform.functions import *
    from trueline.transform.functions_host import *
    from trueline.transform.functions_images import *
    from trueline.transform.functions_lists import *
    from trueline.transform.functions_lookup import *
    from trueline.transform.functions_maths import *
    from trueline.transform.functions_missing import *
    from trueline.transform.functions_text import *
    from trueline.transform.functions_times import *
    from trueline.transform.functions_tokens import *
    from trueline.transform.functions_vectors import *
    from trueline.transform.graph import *
    from trueline.transform.hoststeps import *
    from trueline.transform.live_tables import *
    from trueline.transform.mappers_approximate import *
    from trueline.transform.mappers_buckets import *
    from trueline.transform.mappers_density import *
    from trueline.transform.mappers_documents import *
    from trueline.transform.mappers_gaussian import *
    from trueline.transform.mappers_keyed import *
    from trueline.transform.mappers_scale import *
    from trueline.transform.mappers_targets import *
    from trueline.transform.mappers_vocabulary import *
    from trueline.transform.namespaces import *
    from trueline.transform.output import *
    from trueline.transform.sklearn_transformer import *
    from trueline.transform.standalone import *
    from trueline.transform.tracer import *
    from trueline.transform.user_analyzers import *

_NAMES = {
    "analysis": "analyze",
    "analyzer_functions": "max mean mean_and_var min percentile quantiles size sum var",
    "analyzer_functions_matrix": "covariance pca",
    "cache": "AnalyzerCache",
    "column": "Column",
    "folds": "fold_of_rows",
    "functions": (
        "abs cast ceil clip concat cross exp fill_missing floor hash_strings is_missing is_nan join log log1p "
        "lower matches maximum minimum one_hot round sigmoid sqrt upper where"
    ),
    "functions_host": "apply_pyfunc decode_image embed_text to_local to_utc",
    "functions_images": (
        "center_crop channels_first crop_image flip_image grayscale normalize_image resize_image standardize_image"
    ),
    "functions_lists": (
        "as_list contains_value dedupe deduplicate_tensor_per_row list_all list_any list_concat list_get "
        "list_length list_max list_mean list_min list_slice list_sort list_sum pad segment_indices "
        "sparse_tensor_left_align sparse_tensor_to_dense_with_shape truncate"
    ),
    "functions_lookup": "lookup lookup_version take",
    "functions_maths": (
        "acos acosh asin asinh atan atan2 atanh cos cosh cyclical erf expm1 is_finite is_inf log10 log2 "
        "reciprocal rsqrt sign sin sinh square tan tanh"
    ),
    "functions_missing": (
        "coalesce fill_with_mean fill_with_median fill_with_mode missing_if missing_indicator nan_to_missing"
    ),
    "functions_text": (
        "contains ends_with is_empty length lstrip map_values parse_int parse_number regex_extract regex_replace "
        "rstrip starts_with strip substring text_length"
    ),
    "functions_times": (
        "cyclical_time date_difference day day_of_year epoch_seconds from_epoch hour is_weekend iso_year "
        "microsecond minute month parse_date parse_time quarter second time_difference time_part truncate_time "
        "week weekday year"
    ),
    "functions_tokens": "bag_of_words char_ngrams characters ngrams reduce_join split tokenize word_count",
    "functions_vectors": (
        "dot hash_trick matmul multi_hot normalize_l2 stack unstack vector_max vector_mean vector_min vector_norm "
        "vector_sum"
    ),
    "graph": "Graph Node ValueType",
    "hoststeps": "host",
    "live_tables": "write_lookup_version",
    "mappers_approximate": "approximate_vocabulary compute_and_apply_approximate_vocabulary",
    "mappers_buckets": (
        "apply_buckets apply_buckets_with_interpolation bucketize get_num_buckets_for_transformed_feature"
    ),
    "mappers_density": "estimated_probability_density histogram",
    "mappers_documents": "tfidf",
    "mappers_gaussian": "scale_to_gaussian tukey_h_params tukey_location tukey_scale",
    "mappers_keyed": (
        "bucketize_per_key count_per_key mean_and_var_per_key min_and_max_per_key quantiles_per_key "
        "scale_by_min_max_per_key scale_to_0_1_per_key scale_to_z_score_per_key"
    ),
    "mappers_scale": "clip_outliers robust_scale scale_by_min_max scale_to_0_1 scale_to_z_score winsorize",
    "mappers_targets": "count_encode group_rare target_encode",
    "mappers_vocabulary": "apply_vocabulary compute_and_apply_vocabulary vocabulary",
    "namespaces": "experimental",
    "output": "TransformOutput",
    "sklearn_transformer": "as_transformer",
    "standalone": "analyze_and_transform get_analyze_input_columns get_transform_input_columns transform_to_parquet",
    "tracer": "trace",
    "user_analyzers": "UserAnalyzer analyzer",
}
"""The public names by the module that holds them."""
_HOMES = {name: module for module, names in _NAMES.items() for name in names.split()}

__all__ = sorted(_HOMES)

_found, __dir__ = lazy_names(__name__, _HOMES)


def __getattr__(name: str) -> Any:
    """A public name; its mistaken calls are told at the user's line."""
    value = _found(name)
    return guarded(value) if name in _HOMES else value
