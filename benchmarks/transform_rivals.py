"""The features of `benchmarks/transform.py` as a careful user of scikit-learn makes them of a data frame.

All 18 outputs: the two hashed features and the hash of words beyond the vocabulary are `FunctionTransformer`s over
scikit-learn's own MurmurHash3, since it has no transformer that gives a column of bucket numbers. `without_hashes`
leaves these out: what scikit-learn does in compiled code alone.
"""

from __future__ import annotations

from typing import Any

__all__ = ["column_transformer"]

FLOATS = [f"f{i}" for i in range(6)]


def _hash(values: Any, buckets: int) -> Any:
    import numpy as np
    from sklearn.utils import murmurhash3_32

    return np.fromiter((murmurhash3_32(v, positive=True) % buckets for v in values), np.int64, len(values))[:, None]


def hashed(frame: Any) -> Any:
    """One column of text as bucket numbers."""
    return _hash(frame.iloc[:, 0].tolist(), 1000)


def crossed(frame: Any) -> Any:
    """Two columns of text joined and hashed."""
    return _hash((frame.iloc[:, 0] + "_x_" + frame.iloc[:, 1]).tolist(), 1000)


def column_transformer(without_hashes: bool = False) -> Any:
    """The transformer, not fitted."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import (
        FunctionTransformer,
        KBinsDiscretizer,
        OneHotEncoder,
        OrdinalEncoder,
        StandardScaler,
    )

    def fill() -> Any:
        return SimpleImputer(strategy="constant", fill_value=0.0)

    bins = KBinsDiscretizer(10, encode="ordinal", strategy="quantile", subsample=None, quantile_method="linear")
    unknown = {"handle_unknown": "use_encoded_value", "unknown_value": -1}
    steps: list[Any] = [
        ("z", make_pipeline(fill(), StandardScaler()), FLOATS),
        ("i", StandardScaler(), ["i0"]),
        ("b", make_pipeline(fill(), bins), FLOATS),
        ("v", OrdinalEncoder(**unknown), ["few", "many"]),
        ("h", OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["few"]),
    ]
    if not without_hashes:
        steps += [
            ("hash", FunctionTransformer(hashed), ["many"]),
            ("cross", FunctionTransformer(crossed), ["few", "many"]),
        ]
    return ColumnTransformer(steps, sparse_threshold=0)
