"""`TransformOutput`: an analysed graph: transforms batches, gives the ONNX graph, answers what depends on what."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from trueline._core.errors import FeedError, TransformError, did_you_mean
from trueline._core.feeds import Feeds
from trueline._core.host import HostStep
from trueline._core.rowid import ROW_COLUMN
from trueline._core.values import RawFeature, arrow_type_of, widen
from trueline.transform.bind import bind
from trueline.transform.exports import TransformExports
from trueline.transform.folds import with_fold_columns
from trueline.transform.graph import Graph
from trueline.transform.lower_onnx import OUTPUT_PREFIX, Target, lower, output_feature
from trueline.transform.operations.base import Value, inside
from trueline.transform.phases import Findings, constants
from trueline.transform.pieces import Pieces
from trueline.transform.render import path_steps
from trueline.transform.views import TransformViews

if TYPE_CHECKING:
    import onnx
    import pyarrow as pa
    from tensorflow_metadata.proto.v0 import schema_pb2

    from trueline.transform.bulk import Executor

__all__ = ["TransformOutput"]

_CHUNK_ROWS = 262_144
"""Rows of a table that are worked on at a time: more distinct texts would repeat in smaller pieces."""


class TransformOutput(TransformViews, TransformExports):
    """An analysed preprocessing function.

    Args:
        traced: the graph as traced, with its analyzers.
        findings: what the analyzers found, by node.
    """

    def __init__(self, traced: Graph, findings: Findings) -> None:
        self.traced = traced
        self.findings = dict(findings)
        self.graph = bind(traced, constants(self.findings))
        self._executors: dict[tuple[bool, tuple[str, ...]], Executor] = {}

    @cached_property
    def training_graph(self) -> Graph:
        """The graph for the rows that a model is trained on: with out-of-fold values where the user asked for them."""
        if all(n.op != "by_fold" for n in self.traced.nodes):
            return self.graph
        return bind(self.traced, constants(self.findings), training=True)

    @cached_property
    def outputs(self) -> tuple[RawFeature, ...]:
        """The transformed features in the order of the user's dict; floats are float32."""
        return tuple(output_feature(name, self.graph.nodes[i]) for name, i in self.graph.outputs)

    def _chosen(self, outputs: Sequence[str] | None, graph: Graph | None = None) -> list[tuple[str, int]]:
        graph = self.graph if graph is None else graph
        if outputs is None:
            return list(graph.outputs)
        if isinstance(outputs, str):
            raise TransformError(f"outputs is {outputs!r}", hint=f"give a list of names: [{outputs!r}].")
        return [(name, graph.output(name)) for name in outputs]

    def transform(self, data: Any, outputs: Sequence[str] | None = None, *, training: bool = False) -> Any:
        """The transformed rows, computed by ONNX Runtime; of a table or DataFrame an Arrow table, of a batch a batch.

        Args:
            data: an Arrow table or batch, or a DataFrame of pandas or polars, of raw columns; narrower types are
                widened, further columns are ignored.
            outputs: names of the outputs wanted; all by default.
            training: these are the rows that were analysed and that a model will be trained on: `target_encode` gives
                them out-of-fold values. Such a graph needs ``__row__`` then.

        Returns:
            Arrow data with ``__row__`` first where the input has it, then the outputs; missing values are nulls.

        Raises:
            FeedError: columns of another type than traced, or missing values in a required column.
            ModelError: a host step that fails.
        """
        import pyarrow as pa

        if hasattr(type(data), "__arrow_c_stream__") and not isinstance(data, pa.Table | pa.RecordBatch):
            from trueline.transform.frames import frame_table

            data = frame_table(data, self.raw_features(outputs))
        if not isinstance(data, pa.Table | pa.RecordBatch):
            raise TransformError(
                f"transform takes an Arrow table or batch, or a DataFrame, not a {type(data).__name__}",
                hint="transform_raw_features takes rows in other forms.",
            )
        row_id = ROW_COLUMN in data.schema.names
        schema = self.arrow_schema(outputs, row_id)
        if isinstance(data, pa.Table):
            batches = data.to_batches(max_chunksize=_CHUNK_ROWS)
            return pa.Table.from_batches([p for b in batches for p in self._pieces(b, outputs, training)], schema)
        made = list(self._pieces(data, outputs, training))
        return made[0] if len(made) == 1 else pa.concat_batches(made)

    def _pieces(self, batch: pa.RecordBatch, outputs: Sequence[str] | None, training: bool) -> Iterator[pa.RecordBatch]:
        """The transformed rows of a batch, as many at a time as memory bears."""
        graph = self.training_graph if training else self.graph
        chosen = self._chosen(outputs, graph)
        executor = self._executor(graph, chosen)
        for piece in Pieces(graph, [i for _, i in chosen]).of(batch):
            yield self._arrow(piece, chosen, executor.run(self._prepared(piece, chosen, graph)))

    def oracle(
        self, data: pa.RecordBatch | pa.Table, outputs: Sequence[str] | None = None, *, training: bool = False
    ) -> pa.RecordBatch:
        """As `transform`, computed by the numpy interpreter: slow, and independent of ONNX Runtime."""
        from trueline.transform.oracle import evaluate, feed_values

        graph = self.training_graph if training else self.graph
        chosen = self._chosen(outputs, graph)
        table = self._prepared(data, chosen, graph)
        names = graph.input_names(i for _, i in chosen)
        found = evaluate(graph, feed_values(graph, table, names), [i for _, i in chosen])
        return self._arrow(data, chosen, {name: _as_output(found[i]) for name, i in chosen})

    def _executor(self, graph: Graph, chosen: Sequence[tuple[str, int]]) -> Executor:
        from trueline.transform.bulk import Executor

        key = (graph is not self.graph, tuple(name for name, _ in chosen))
        if key not in self._executors:
            self._executors[key] = Executor(graph, dict(chosen))
        return self._executors[key]

    def _prepared(
        self, data: pa.RecordBatch | pa.Table, chosen: Sequence[tuple[str, int]], graph: Graph | None = None
    ) -> Any:
        """The columns that the outputs read, widened, with host columns and folds."""
        import pyarrow as pa

        graph = self.graph if graph is None else graph

        names = graph.input_names(i for _, i in chosen)
        steps = graph.steps_for(names)
        needed = graph.raw_names(names)
        twice = sorted(n for n in needed if data.schema.names.count(n) > 1)
        if twice:
            raise FeedError("two columns have the same name", problems=[f"column {n!r}" for n in twice])
        table = data.combine_chunks() if isinstance(data, pa.Table) else pa.Table.from_batches([data])
        table = _typed_nulls(table.select([n for n in table.schema.names if n in needed]), graph)
        batches = table.to_batches()
        if batches:
            table = pa.Table.from_batches([widen(b, keep_dictionaries=True) for b in batches])
        else:
            table = pa.Table.from_batches([widen(pa.RecordBatch.from_pylist([], schema=table.schema))])
        if steps:
            from trueline._core.host_arrow import with_host_columns

            table = with_host_columns(table, steps)
        rows = data.column(ROW_COLUMN) if ROW_COLUMN in data.schema.names else None
        return with_fold_columns(table, names, rows)

    def _arrow(self, data: Any, chosen: Sequence[tuple[str, int]], values: Mapping[str, Value]) -> pa.RecordBatch:
        import pyarrow as pa

        features = {f.name: f for f in self.outputs}
        has_row = ROW_COLUMN in data.schema.names
        arrays = []
        if has_row:
            rows = data.column(ROW_COLUMN)
            arrays.append(rows.combine_chunks() if isinstance(rows, pa.ChunkedArray) else rows)
        arrays += [_array(features[name], values[name]) for name, _ in chosen]
        return pa.RecordBatch.from_arrays(arrays, schema=self.arrow_schema([n for n, _ in chosen], has_row))

    def arrow_schema(self, outputs: Sequence[str] | None = None, row_id: bool = False) -> pa.Schema:
        """The Arrow schema of `transform`'s result."""
        import pyarrow as pa

        features = {f.name: f for f in self.outputs}
        fields = [pa.field(ROW_COLUMN, pa.int64())] if row_id else []
        fields += [pa.field(n, arrow_type_of(features[n])) for n, _ in self._chosen(outputs)]
        return pa.schema(fields)

    def to_onnx(self, outputs: Sequence[str] | None = None) -> onnx.ModelProto:
        """The ONNX graph of some outputs: only what they reach, only the columns that they read.

        Inputs are `feeds(outputs).onnx_inputs()`; outputs are ``transformed:<name>`` and, where a value may be
        missing, bool ``transformed:<name>:present``. ``metadata_props["trueline.feeds"]`` describes the feeds.
        """
        return lower(self.graph, [Target(OUTPUT_PREFIX + name, i) for name, i in self._chosen(outputs)])

    def feeds(self, outputs: Sequence[str] | None = None) -> Feeds:
        """The feeds of `to_onnx(outputs)`, host columns included."""
        names = self.graph.input_names(i for _, i in self._chosen(outputs))
        everything = (*self.graph.features, *(s.feature for s in self.graph.host_steps))
        return Feeds([f for f in everything if f.name in names])

    def raw_features(self, outputs: Sequence[str] | None = None) -> tuple[RawFeature, ...]:
        """The raw columns that some outputs read in a row, those of host steps included: what a client sends."""
        names = self.graph.raw_names(self.graph.input_names(i for _, i in self._chosen(outputs)))
        return tuple(f for f in self.graph.features if f.name in names)

    def host_steps(self, outputs: Sequence[str] | None = None) -> tuple[HostStep, ...]:
        """The host steps that some outputs need, in the order in which they run."""
        return self.graph.steps_for(self.graph.input_names(i for _, i in self._chosen(outputs)))

    def depends(self, output: str) -> frozenset[str]:
        """The raw columns that an output's value in a row depends on; what analyzers read does not count."""
        return self.graph.raw_names(self.graph.input_names([self.graph.output(output)]))

    def path(self, output: str, raw: str) -> list[str]:
        """Readable steps from a raw column to an output: ``["tips", "tips > 0.2 * fare (greater)", "big_tipper"]``.

        Raises:
            TransformError: when the output does not depend on the column.
        """
        target = self.traced.output(output)
        for column in sorted(self.traced.input_names([target])):
            steps = self.traced.steps_for([column])
            if column != raw and raw not in {i for s in steps for i in s.inputs}:
                continue
            hosts = [f"{s.function} (host step {s.output})" for s in steps]
            return [raw, *hosts, *path_steps(self.traced, column, target), output]
        raise TransformError(
            f"output {output!r} does not depend on {raw!r}", hint=did_you_mean(raw, self.depends(output))
        )

    @cached_property
    def output_schema(self) -> schema_pb2.Schema:
        """The outputs as a tensorflow-metadata Schema, with the domains of ids and buckets."""
        from trueline.transform.output_schema import output_schema

        return output_schema(self.graph, self.outputs)

    @cached_property
    def content_hash(self) -> str:
        """sha256 of what the analysed graph computes, constants and vocabularies included."""
        return self.graph.content_hash

    def save(self, uri: str) -> None:
        """Writes ``graph.json``, ``transform.onnx``, ``transformed_schema.pbtxt`` and ``vocabularies/``."""
        from trueline.transform.storage import save

        save(self, uri)

    @classmethod
    def load(cls, uri: str) -> TransformOutput:
        """What `save` wrote.

        Raises:
            ArtifactError: a file is missing or does not belong to the graph.
            TransformError: another format, or a graph that contradicts itself.
        """
        from trueline.transform.storage import load

        return load(uri)


def _typed_nulls(table: pa.Table, graph: Graph) -> pa.Table:
    """The table with columns in which Arrow found no value at all in the types that they were traced with."""
    import pyarrow as pa

    nothing = (pa.null(), pa.list_(pa.null()), pa.large_list(pa.null()))
    features = {f.name: f for f in graph.features}
    for place, field in enumerate(table.schema):
        if field.type in nothing:
            wanted = arrow_type_of(features[field.name])
            if pa.types.is_null(field.type) or pa.types.is_list(wanted):
                table = table.set_column(place, field.name, table.column(place).cast(wanted))
    return table


def _as_output(value: Value) -> Value:
    with np.errstate(all="ignore"):
        data = value.data
        if data.dtype == np.float64:
            if value.present is not None or value.lengths is not None:
                # Blanking what is missing or lies behind a list's end makes -0 to +0, see operations.base.select; it
                # comes before the cast, so that a tiny negative double is still the -0.0 of float32.
                data = data + 0.0
            data = data.astype(np.float32)
    return Value(data, value.present, value.lengths)


def _array(feature: RawFeature, value: Value) -> pa.Array:
    import pyarrow as pa

    data, present = value.data, value.present
    arrow_type = arrow_type_of(feature)
    missing = None if present is None or present.all() else ~present
    if feature.kind == "fixed" and not feature.size:  # Arrow divides by the size
        there = np.ones(len(data), np.bool_) if present is None else present
        return pa.array([[] if p else None for p in there], arrow_type)
    if feature.kind == "fixed":
        flat = pa.array(np.ascontiguousarray(data).ravel(), arrow_type.value_type)
        mask = None if missing is None else pa.array(missing)
        return pa.FixedSizeListArray.from_arrays(flat, type=arrow_type, mask=mask)
    if value.lengths is not None:
        lengths = value.lengths if present is None else np.where(present, value.lengths, 0)
        flat = pa.array(data[inside(data, lengths)], arrow_type.value_type, from_pandas=False)
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)]).astype(np.int32)
        mask = None if missing is None else pa.array(missing)
        return pa.ListArray.from_arrays(pa.array(offsets), flat, type=arrow_type, mask=mask)
    return pa.array(data, arrow_type, mask=missing, from_pandas=False)
