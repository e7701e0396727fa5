"""The estimators behind `trueline.transform.sklearn_transformer`; this file alone imports scikit-learn."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from trueline._core.errors import TransformError
from trueline.transform.output import TransformOutput
from trueline.transform.sklearn_data import (
    as_table,
    check_columns,
    feature_matrix,
    flat_names,
    label_column,
    matched,
    numbers_only,
    with_row_numbers,
)

if TYPE_CHECKING:
    import pyarrow as pa
    from tensorflow_metadata.proto.v0 import schema_pb2

__all__ = ["FrozenTransformer", "GraphTransformer"]


class GraphTransformer(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """See `trueline.transform.as_transformer` for the parameters.

    Attributes:
        output_: the analysed graph.
        n_features_in_: columns of the X that `fit` saw.
        feature_names_in_: their names, where X had names.
    """

    def __init__(
        self,
        preprocessing_fn: Callable[[Any], Mapping[str, Any]],
        *,
        schema: schema_pb2.Schema | None = None,
        outputs: Sequence[str] | None = None,
        label: str | None = None,
        feature_names: Sequence[str] | None = None,
        dtype: str = "float32",
    ) -> None:
        self.preprocessing_fn = preprocessing_fn
        self.schema = schema
        self.outputs = outputs
        self.label = label
        self.feature_names = feature_names
        self.dtype = dtype

    def fit(self, X: Any, y: Any = None) -> Self:
        """Traces the function for the columns of X and learns its analyzers.

        Args:
            X: a DataFrame of pandas or polars, an Arrow table, or a numpy array ``[N, F]``.
            y: values of the label, where `label` names it; else it is not looked at.

        Raises:
            TransformError: a function that cannot be traced, outputs that are no numbers or read the label.
            ValueError: X or y that scikit-learn refuses.
        """
        self._learn(X, y)
        return self

    def fit_transform(self, X: Any, y: Any = None) -> npt.NDArray[Any]:
        """`fit`, and the rows that it saw as a model is to be trained on them.

        That is `transform` of the same rows, but for `tlt.target_encode`: there a row's value is taken from the other
        folds, so that it does not see its own label. Pipelines and searches call this one for the training rows.
        """
        table = self._learn(X, y)
        made = self.output_.transform(table, self._chosen(self.output_), training=True)
        return feature_matrix(made, self._features(), self.dtype)

    def _learn(self, X: Any, y: Any) -> pa.Table:
        from trueline.engine.base import Dataset
        from trueline.schema import raw_features
        from trueline.transform.analysis import analyze
        from trueline.transform.tracer import trace

        checked = check_columns(self, X, reset=True)
        table = as_table(checked, self.feature_names)
        self.input_features_ = raw_features(table.schema, self.schema)
        if self.label is not None:
            column = label_column(type(self).__name__, self.label, y, table)
            table = table.append_column(self.label, column)
        table = with_row_numbers(table)
        graph = trace(self.preprocessing_fn, raw_features(table.schema, self.schema))
        output = analyze(graph, Dataset.from_table(table))
        self._check_outputs(output)
        self.output_ = output
        return table

    def _check_outputs(self, output: TransformOutput) -> None:
        chosen = self._chosen(output)
        numbers_only(output, chosen)
        leaking = [name for name in chosen if self.label is not None and self.label in output.depends(name)]
        if leaking:
            raise TransformError(
                f"the outputs {', '.join(leaking)} read the label {self.label!r} in every row, where it is to be told",
                hint="name the others: as_transformer(preprocessing_fn, outputs=[...]).",
            )

    def _chosen(self, output: TransformOutput) -> list[str]:
        return list(self.outputs) if self.outputs is not None else [f.name for f in output.outputs]

    def transform(self, X: Any) -> npt.NDArray[Any]:
        """The outputs as an array ``[N, columns]`` of `dtype`, in the order of `get_feature_names_out`.

        Raises:
            NotFittedError: before `fit`.
            ValueError: other columns than in `fit`.
            FeedError: columns of other types than in `fit`, or missing values where the schema has none.
        """
        check_is_fitted(self)
        table = self._table(X)
        return feature_matrix(self.output_.transform(table, self._chosen(self.output_)), self._features(), self.dtype)

    def _table(self, X: Any) -> pa.Table:
        checked = check_columns(self, X, reset=False)
        return matched(as_table(checked, [f.name for f in self.input_features_]), self.input_features_)

    def _features(self) -> list[Any]:
        known = {f.name: f for f in self.output_.outputs}
        return [known[name] for name in self._chosen(self.output_)]

    def get_feature_names_out(self, input_features: Any = None) -> npt.NDArray[Any]:
        """A name for each column: the output's, or ``<output>_<i>`` within a vector.

        Args:
            input_features: None, or the names of the columns that `fit` saw.

        Raises:
            NotFittedError: before `fit`.
            ValueError: `input_features` are other names.
        """
        check_is_fitted(self)
        names = getattr(self, "feature_names_in_", None)
        if input_features is not None and names is not None and list(input_features) != list(names):
            raise ValueError("input_features is not equal to feature_names_in_")
        if input_features is not None and len(input_features) != self.n_features_in_:
            raise ValueError(f"input_features should have length equal to number of features ({self.n_features_in_})")
        return np.array(flat_names(self._features()), dtype=object)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "output_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.target_tags.required = self.label is not None
        tags.transformer_tags.preserves_dtype = []
        return tags

    def __getstate__(self) -> dict[str, Any]:
        """What a search sends to its workers: the graph and its findings, without sessions of ONNX Runtime."""
        state: dict[str, Any] = dict(super().__getstate__())
        if "output_" in state:
            state["output_"] = (self.output_.traced, self.output_.findings)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        if isinstance(state.get("output_"), tuple):
            state["output_"] = TransformOutput(*state["output_"])
        super().__setstate__(state)


class FrozenTransformer(GraphTransformer):
    """See `trueline.transform.TransformOutput.as_transformer` for the parameters."""

    def __init__(
        self, output: TransformOutput, *, outputs: Sequence[str] | None = None, dtype: str = "float32"
    ) -> None:
        self.output = output
        self.outputs = outputs
        self.dtype = dtype
        self.label = None
        self.output_ = output
        numbers_only(output, self._chosen(output))
        self.input_features_ = output.raw_features(outputs)
        self.n_features_in_ = len(self.input_features_)
        self.feature_names_in_ = np.array([f.name for f in self.input_features_], dtype=object)

    def fit(self, X: Any, y: Any = None) -> Self:
        """Leaves everything as it is."""
        return self

    def fit_transform(self, X: Any, y: Any = None) -> npt.NDArray[Any]:
        """`transform`."""
        return self.transform(X)

    def _table(self, X: Any) -> pa.Table:
        names = [f.name for f in self.input_features_]
        return matched(as_table(X, names), self.input_features_)

    def __sklearn_clone__(self) -> Self:
        return self

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in super().__getstate__().items() if key != "output"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self.output = self.output_
