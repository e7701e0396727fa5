"""What the model itself reads, after the preprocessing: its input tensors, and distances between rows of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from trueline._core.errors import ModelError
from trueline.model_analysis.explain.target import Floats

if TYPE_CHECKING:
    import pyarrow as pa

    from trueline._core.runtime import ModelRuntime

__all__ = ["ModelInputs"]


class ModelInputs:
    """The numbers that a model reads of raw rows, each over its standard deviation in the reference rows.

    Distances are root mean squares over the columns. NaN and NaN are 0 apart, NaN and a number one standard deviation.

    Args:
        runtime: the model.
        reference: raw rows.

    Raises:
        ModelError: a graph in which the inputs cannot be found.
    """

    def __init__(self, runtime: ModelRuntime, reference: pa.Table) -> None:
        import onnx

        from trueline._core.model_files import read_graph
        from trueline._core.sessions import make_session

        self._runtime = runtime
        proto = onnx.load_model_from_string(read_graph(runtime.uri, "model.onnx"))
        made = {name for node in proto.graph.node for name in node.output}
        prefix = "input:" if runtime.python is not None else "model/"
        self._names = [
            f"{prefix}{i['name']}" for i in runtime.info.get("inputs") or () if f"{prefix}{i['name']}" in made
        ]
        if not self._names:
            raise ModelError("the graph does not say what the model reads", where=runtime.uri, hint="use space='raw'.")
        known = {o.name for o in proto.graph.output}
        proto.graph.output.extend(onnx.ValueInfoProto(name=n) for n in self._names if n not in known)
        self._session = make_session(proto.SerializeToString(), ("cpu",))
        self._scale = np.ones(1)
        values = self.encode(reference)
        with np.errstate(invalid="ignore"):
            counts = np.isfinite(values).sum(axis=0)
            safe = np.where(np.isfinite(values), values, 0.0)
            mean = safe.sum(axis=0) / np.maximum(counts, 1)
            gaps = np.where(np.isfinite(values), values - mean, 0.0)
            spread = np.sqrt(np.square(gaps).sum(axis=0) / np.maximum(counts, 1))
        self._scale = np.where(spread > 0, spread, 1.0)

    def encode(self, table: pa.Table) -> Floats:
        """What the model reads of raw rows, ``[N, columns]``, in standard deviations."""
        arrays = self._runtime.graph.arrays_from_arrow(table)
        feed = {i.name: arrays[i.name] for i in self._session.get_inputs()}
        found: list[Any] = self._session.run(self._names, feed)
        flat = [np.asarray(a, np.float64).reshape(table.num_rows, -1) for a in found]
        return np.concatenate(flat, axis=1) / self._scale

    def between(self, one: Floats, other: Floats) -> Floats:
        """Distances ``[Q, M]``."""
        out = np.empty((len(one), len(other)))
        for q, row in enumerate(one):
            with np.errstate(invalid="ignore"):
                gaps = np.where(row == other, 0.0, row - other)
            unknown = np.isnan(row) ^ np.isnan(other)
            gaps = np.where(np.isnan(gaps), unknown.astype(np.float64), gaps)
            out[q] = np.sqrt(np.square(gaps).mean(axis=1))
        return out
