"""A preprocessing function as a scikit-learn transformer; scikit-learn is imported when one is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import schema_pb2

    from trueline.transform.output import TransformOutput
    from trueline.transform.sklearn_estimator import FrozenTransformer, GraphTransformer

__all__ = ["as_transformer", "frozen_transformer"]


def as_transformer(
    preprocessing_fn: Callable[[Any], Mapping[str, Any]],
    schema: schema_pb2.Schema | None = None,
    outputs: Sequence[str] | None = None,
    *,
    label: str | None = None,
    feature_names: Sequence[str] | None = None,
    dtype: Literal["float32", "float64"] = "float32",
) -> GraphTransformer:
    """A transformer that learns the function's analyzers in `fit` and gives one column a number in `transform`.

    It stands in a Pipeline, a ColumnTransformer or a search as any transformer does: analyzers see the training folds
    alone. ``transformer.output_`` is the `TransformOutput`: ``output_.save(uri)`` keeps it, ``output_.to_onnx()``
    serves it.

    Args:
        preprocessing_fn: the user's function.
        schema: says which columns are always there; without it every column may be missing.
        outputs: names of the outputs wanted, in order; all by default. They are numbers: scalars, or fixed vectors,
            which are laid out flat.
        label: the name under which the function finds `y` of `fit`, for analyzers that take labels. No wanted output
            may read it in a row.
        feature_names: names of the columns of numpy arrays; by default ``x0``, ``x1`` ...
        dtype: the type of the array that `transform` gives.

    Returns:
        An unfitted transformer. It takes DataFrames of pandas and polars, Arrow tables and numpy arrays. NaN of pandas
        and numpy is missing, as scikit-learn has it; a missing output is NaN.

    Raises:
        ModuleNotFoundError: scikit-learn is not installed: ``pip install 'trueline[sklearn]'``.
    """
    from trueline.transform.sklearn_estimator import GraphTransformer

    return GraphTransformer(
        preprocessing_fn, schema=schema, outputs=outputs, label=label, feature_names=feature_names, dtype=dtype
    )


def frozen_transformer(
    output: TransformOutput, outputs: Sequence[str] | None = None, *, dtype: Literal["float32", "float64"] = "float32"
) -> FrozenTransformer:
    """An analysed graph as a fitted transformer, which `fit` and `clone` leave as it is.

    Args:
        output: the analysed graph.
        outputs: as in `as_transformer`.
        dtype: as in `as_transformer`.

    Raises:
        TransformError: outputs that are no numbers.
        ModuleNotFoundError: as in `as_transformer`.
    """
    from trueline.transform.sklearn_estimator import FrozenTransformer

    return FrozenTransformer(output, outputs=outputs, dtype=dtype)
