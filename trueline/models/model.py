"""`Model`: a model artifact that predicts from raw rows, whatever framework trained it."""

from __future__ import annotations

import html
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from trueline._core.errors import ModelError
from trueline._core.rowid import ROW_COLUMN
from trueline._core.runtime import ModelRuntime
from trueline.models.exporters.base import PROBABILITIES

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Model", "Rows"]

_CHUNK = 8192
Rows = Any
"""An Arrow table or batch, a list of ``{name: value}`` rows, or a dict of columns."""


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
    def load(cls, uri: str, *, allow_host: Collection[str] | None = None) -> Self:
        """Loads a model artifact; nothing in the directory is executed but its ONNX graph.

        Args:
            uri: the folder.
            allow_host: modules whose host steps may run; None allows all that are installed.

        Raises:
            ArtifactError: the folder is incomplete or was changed.
            ModelError: files that do not parse, or a host step that is not allowed.
        """
        return cls(ModelRuntime.load(str(uri), allow_host=allow_host))

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
        """``binary``, ``multiclass`` or ``regression``."""
        return str(self.info["task"])

    @property
    def classes(self) -> list[Any] | None:
        """The label's values in the order of the probabilities; None for a regression."""
        return self.runtime.classes

    @property
    def label(self) -> str:
        """The transform output that the model predicts."""
        return str(self.info["label"])

    @property
    def features(self) -> list[str]:
        """The transform outputs that the model reads, in order."""
        return list(self.info["features"])

    def predict(self, data: Rows) -> pa.Table:
        """Predictions for raw rows.

        Args:
            data: an Arrow table or batch (further columns, the label's for one, are ignored), a list of rows or a
                dict of columns (unknown names are an error).

        Returns:
            ``__row__`` where the data has it, then ``probabilities`` (a list of C float32) and ``label``, or
            ``prediction`` (float32).

        Raises:
            FeedError: rows that do not fit the signature; every problem is named.
        """
        import pyarrow as pa

        outputs = self._outputs(data)
        columns: dict[str, Any] = {}
        if _is_arrow(data) and ROW_COLUMN in data.schema.names:
            columns[ROW_COLUMN] = data.column(ROW_COLUMN)
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
            ModelError: for a regression.
        """
        if self.classes is None:
            raise ModelError(f"{self.name} is a regression and has no probabilities", hint="use predict.")
        return np.asarray(self._outputs(data)[PROBABILITIES], np.float32)

    def _outputs(self, data: Rows) -> dict[str, npt.NDArray[Any]]:
        if _is_arrow(data):
            starts = range(0, max(data.num_rows, 1), _CHUNK)
            parts = [self.runtime.predict_arrow(data.slice(start, _CHUNK)) for start in starts]
            return {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}
        if isinstance(data, Mapping):
            return self.runtime.predict_columns(data)
        if isinstance(data, Sequence) and not isinstance(data, (str, bytes)):
            return self.runtime.predict_rows(data)
        raise ModelError(
            f"cannot predict for a {type(data).__name__}",
            hint="give an Arrow table, a list of rows or a dict of columns.",
        )

    def targets(self, table: pa.Table | pa.RecordBatch) -> tuple[pa.Array, npt.NDArray[np.float32] | None]:
        """The true labels of raw rows, and their weights.

        Args:
            table: raw rows with the label's columns.

        Returns:
            The label as an Arrow array with nulls where it is missing, and float32 weights ``[N]``, None where the
            model has no weight.
        """
        import pyarrow as pa

        names = self.info["targets"]["outputs"]
        starts = range(0, max(table.num_rows, 1), _CHUNK)
        parts = [self.runtime.targets.predict_arrow(table.slice(start, _CHUNK)) for start in starts]
        found = {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}
        values, present = found[names["label"]], found[names["present"]]
        label = pa.array(values, pa.string() if values.dtype == object else None, mask=~present)
        return label, found[names["weight"]] if "weight" in names else None

    def save_web(self, uri: str, *, runtime: str | None = None) -> None:
        """Writes the model as a folder for the browser; see `trueline.models.web_export.save_web`.

        Args:
            uri: the folder; made if need be.
            runtime: the folder ``dist`` of the npm package onnxruntime-web, or the address of its script.

        Raises:
            ModelError: host steps, and operators that onnxruntime-web does not have.
        """
        from trueline.models.web_export import save_web

        save_web(self, uri, runtime=runtime)

    def _repr_html_(self) -> str:
        parity = self.info["parity"]
        rows = {
            "task": self.task,
            "framework": self.info["framework"],
            "label": self.label,
            "classes": ", ".join(map(str, self.classes or [])) or "none",
            "features": ", ".join(self.features),
            "parity": f"{parity['rows']} rows, largest difference {parity['max_difference']:.2g}",
        }
        body = "".join(f"<tr><th>{html.escape(k)}</th><td>{html.escape(str(v))}</td></tr>" for k, v in rows.items())
        return f"<table><caption>{html.escape(self.name)}</caption>{body}</table>"

    def __repr__(self) -> str:
        return f"Model({self.name!r}, task={self.task!r}, label={self.label!r}, uri={self.uri!r})"


def _is_arrow(data: Any) -> bool:
    return hasattr(data, "schema") and hasattr(data, "num_rows")
