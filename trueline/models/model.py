"""`Model`: a model artifact that predicts from raw rows, whatever framework trained it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from trueline._core.errors import ModelError
from trueline._core.model_form import check_model_form
from trueline._core.rowid import ROW_COLUMN
from trueline._core.runtime import ModelRuntime, OnnxGraph
from trueline.models.contract import PROBABILITIES
from trueline.models.model_data import Rows, python_columns, tabular

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

    from trueline.models.calibration import Calibration
    from trueline.models.decision import Decision
    from trueline.models.native import Native

__all__ = ["Model", "Rows"]

_CHUNK = 8192


class Model:
    """A model directory, loaded.

    Attributes:
        runtime: the part that needs numpy and ONNX Runtime alone; the server runs the same.
        info: the contents of ``model.json``.
    """

    def __init__(self, runtime: ModelRuntime) -> None:
        self.runtime = runtime
        self.info: dict[str, Any] = runtime.info

    @classmethod
    def load(cls, uri: str, *, allow_host: Collection[str] | None = ()) -> Self:
        """Loads a model artifact; nothing in the directory is executed but its ONNX graph.

        A model may need Python code: host steps before its graph, or a Python function that is the model. That code is
        installed on this machine and only named by the directory; it runs where its module is allowed here.

        Args:
            uri: the folder.
            allow_host: modules whose code may run, such as ``["my_package.features"]``; None allows all that are
                installed, which is right for models of your own.

        Raises:
            ArtifactError: the folder is incomplete or was changed.
            ModelError: files that do not parse, or code that is not allowed: the error says what to pass.
        """
        runtime = ModelRuntime.load(str(uri), allow_host=allow_host)
        check_model_form(runtime.info, runtime.uri, ("parity", "transform"))
        return cls(runtime)

    @property
    def uri(self) -> str:
        """The model's folder."""
        return self.runtime.uri

    @property
    def name(self) -> str:
        """The model's name."""
        return str(self.info["name"])

    @property
    def task(self) -> str:
        """``binary``, ``multiclass``, ``regression``, ``ranking`` or ``embedding``."""
        return str(self.info["task"])

    @property
    def classes(self) -> list[Any] | None:
        """The label's values in the order of the probabilities; None for what is no classifier."""
        return self.runtime.classes

    @property
    def label(self) -> str | None:
        """The transform output that the model predicts; None for an embedding that was learnt without one."""
        return None if self.info["label"] is None else str(self.info["label"])

    @property
    def features(self) -> list[str]:
        """The transform outputs that the model reads, in order."""
        return list(self.info["features"])

    @property
    def framework(self) -> str:
        """What it was trained with, such as ``sklearn``."""
        return str(self.info["framework"])

    @property
    def versions(self) -> dict[str, str]:
        """Versions of the packages that made it."""
        return dict(self.info["versions"])

    @property
    def transform_hash(self) -> str:
        """The contents' hash of the transform whose outputs it was trained on."""
        return str(self.info["transform"])

    @property
    def parity(self) -> dict[str, Any]:
        """What the parity gate found: rows, the largest difference, the worst row, rows whose class changed."""
        return dict(self.info["parity"])

    @property
    def about(self) -> dict[str, str]:
        """What people should know of it: description, licence, intended use, owner, as far as they were given."""
        return dict(self.info.get("about") or {})

    @property
    def training(self) -> dict[str, Any]:
        """Facts of its training, such as seed, hyperparameters, rows and metrics."""
        return dict(self.info.get("training") or {})

    @property
    def decision(self) -> Decision | None:
        """Threshold and calibration, where `with_decision` gave the model any."""
        from trueline.models.decision import Decision

        found = self.info.get("decision")
        return Decision.from_json(found) if found else None

    def native(self) -> Native:
        """The framework's own files, as bytes; nothing of them is opened or run."""
        from trueline.models.native import native_of

        manifest = self.runtime.manifest
        paths = None if manifest is None else [f.path for f in manifest.files]
        return native_of(self.uri, self.info.get("native"), paths)

    def predict(self, data: Rows) -> pa.Table:
        """Predictions for raw rows.

        Args:
            data: an Arrow table or batch, a DataFrame of pandas or polars (of all of these further columns, the
                label's for one, are ignored), a list of rows or a dict of columns (unknown names are an error).

        Returns:
            ``__row__`` where the data has it, then ``probabilities`` (a list of C float32) and ``label``, or
            ``prediction`` or ``score`` (float32), or ``embedding`` (a list of D float32).

        Raises:
            FeedError: rows that do not fit the signature; every problem is named.
        """
        import pyarrow as pa

        table = tabular(data, self.runtime.inputs)
        outputs = self.outputs_of(data if table is None else table)
        columns: dict[str, Any] = {}
        if table is not None and ROW_COLUMN in table.schema.names:
            columns[ROW_COLUMN] = table.column(ROW_COLUMN)
        for output in self.runtime.outputs:
            values = outputs[output["name"]]
            if values.ndim == 2:
                flat = pa.array(np.ascontiguousarray(values).reshape(-1))
                columns[output["name"]] = pa.FixedSizeListArray.from_arrays(flat, values.shape[1])
            else:
                columns[output["name"]] = pa.array(values, pa.string() if output["dtype"] == "utf8" else None)
        return pa.table(columns)

    def predict_proba(self, data: Rows) -> npt.NDArray[np.float32]:
        """Probabilities ``[N, C]`` in the order of `classes`.

        Raises:
            ModelError: for what is no classifier.
        """
        if self.classes is None:
            raise ModelError(
                f"{self.name} has no probabilities: its task is {self.task}", where=self.uri, hint="use predict."
            )
        return np.asarray(self.outputs_of(data)[PROBABILITIES], np.float32)

    def outputs_of(self, data: Rows) -> dict[str, npt.NDArray[Any]]:
        """The outputs as arrays by name; numpy matrices ``[N, F]`` of the raw features are taken too.

        Raises:
            FeedError: rows that do not fit the signature; every problem is named.
            ModelError: a form of data that is none of `predict`'s.
        """
        return _run(self.runtime, data)

    def explain(self, data: Rows, method: str = "ablation", **options: Any) -> Any:
        """Why the model says what it says of these rows.

        Args:
            data: raw rows, as for `predict`.
            method: ``ablation``, or a name of `trueline.models.register_explainer`.
            options: the method's own; see `trueline.models.explain.ablation`.

        Returns:
            what the method gives: for ``ablation`` a `trueline.models.Explanation`.

        Raises:
            ModelError: no such method, or rows that it cannot explain.
        """
        from trueline.models.explain import explainer

        return explainer(method)(self, data, **options)

    def score_function(self, output_class: Any = None) -> Callable[[Rows], npt.NDArray[np.float64]]:
        """A function from raw rows to one score each, for tools like SHAP; see `trueline.models.explain`."""
        from trueline.models.explain import score_function

        return score_function(self, output_class)

    def with_decision(
        self,
        uri: str,
        *,
        threshold: float | None = None,
        calibration: Calibration | None = None,
        chosen_on: str | None = None,
        cost_matrix: Sequence[Sequence[float]] | None = None,
        evidence: Mapping[str, Any] | None = None,
    ) -> Model:
        """A new artifact of the same model whose graph calibrates its probabilities and decides at a threshold.

        Args:
            uri: an empty or absent folder.
            threshold: for two classes, of the calibrated probability of the second.
            calibration: from `trueline.models.fit_calibration`.
            chosen_on: what they were chosen on, for people.
            cost_matrix: ``[C, C]``, true class by predicted class: the label is the class of the least expected cost.
            evidence: how they were chosen, as JSON; kept in ``model.json``.

        Raises:
            ModelError: a decision that does not fit; see `trueline.models.decision.with_decision`.
        """
        from trueline.models.decision import with_decision

        return with_decision(
            self,
            str(uri),
            threshold=threshold,
            calibration=calibration,
            chosen_on=chosen_on,
            cost_matrix=cost_matrix,
            evidence=evidence,
        )

    def with_group_thresholds(
        self,
        uri: str,
        column: str,
        thresholds: Mapping[Any, float],
        default: float = 0.5,
        *,
        chosen_on: str | None = None,
        evidence: Mapping[str, Any] | None = None,
    ) -> Model:
        """A new artifact of the same two-class model whose label is decided at a threshold of the row's group.

        Deciding by a protected attribute may be unlawful where the model is used, however fair its effect.

        Args:
            uri: an empty or absent folder.
            column: a raw column; it becomes an optional part of the signature if it was none.
            thresholds: value -> threshold of the probability of the second class.
            default: of all other values, and where the value is missing.
            chosen_on: what they were chosen on, for people.
            evidence: how they were chosen, as JSON; kept in ``model.json``.

        Raises:
            ModelError: what does not fit; see `trueline.models.decision_groups.with_group_thresholds`.
        """
        from trueline.models.decision_groups import with_group_thresholds

        return with_group_thresholds(
            self, str(uri), column, thresholds, default, chosen_on=chosen_on, evidence=evidence
        )

    def targets(self, data: Rows) -> tuple[pa.Array, npt.NDArray[np.float32] | None]:
        """The true labels of raw rows, and their weights.

        Args:
            data: raw rows with the label's columns, as for `predict`.

        Returns:
            The label as an Arrow array with nulls where it is missing, and float32 weights ``[N]``, None where the
            model has no weight.

        Raises:
            FeedError: rows that do not have the label's columns; every problem is named.
            ModelError: the model has no label.
        """
        import pyarrow as pa

        graph, names = self.runtime.targets, self.info["targets"]["outputs"]
        found = _run(graph, data)
        values, present = found[names["label"]], found[names["present"]]
        label = pa.array(values, pa.string() if values.dtype == object else None, mask=~present)
        return label, found[names["weight"]] if "weight" in names else None

    def save_web(self, uri: str, *, runtime: str | None = None) -> None:
        """Writes the model as a folder for the browser; see `trueline.models.web_export.save_web`.

        Args:
            uri: the folder; made if need be.
            runtime: the folder ``dist`` of the npm package onnxruntime-web, or the address of its script.

        Raises:
            ModelError: host steps, a Python model, and operators that onnxruntime-web does not have.
        """
        from trueline.models.web_export import save_web

        save_web(self, uri, runtime=runtime)

    def _repr_html_(self) -> str:
        from trueline.models.model_html import model_html

        return model_html(self)

    def __repr__(self) -> str:
        return f"Model({self.name!r}, task={self.task!r}, label={self.label!r}, uri={self.uri!r})"


def _run(graph: ModelRuntime | OnnxGraph, data: Rows) -> dict[str, npt.NDArray[Any]]:
    """The outputs of a graph for raw rows in any form; tables go through it piece by piece."""
    features = graph.inputs if isinstance(graph, ModelRuntime) else graph.feeds.features
    table = tabular(data, features)
    if table is not None:
        starts = range(0, max(table.num_rows, 1), _CHUNK)
        parts = [graph.predict_arrow(table.slice(start, _CHUNK)) for start in starts]
        return {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}
    if isinstance(data, Sequence) and not isinstance(data, str | bytes):
        return graph.predict_rows(data)
    return graph.predict_columns(python_columns(data, features))
