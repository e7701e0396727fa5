"""Plays TensorFlow Transform's own pipelines: a case's inputs, its steps as calls, and what comes out.

Where the value contract has no counterpart the harness translates, and nothing else: a sparse column stands as the list
of its values and, for functions that work place by place, as one optional column for each place; lists of lists stand
as the list of all their values (functions keep the structure, so the values are compared).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

import trueline.transform as tlt
from trueline._core.values import RawFeature, arrow_type_of
from trueline.engine import Dataset, LocalEngine
from trueline.transform.bind import bind
from trueline.transform.column import Column
from trueline.transform.graph import Graph
from trueline.transform.oracle import evaluate
from trueline.transform.output import TransformOutput
from trueline.transform.phases import constants, find
from trueline.transform.tracer import Tracer

DTYPES = {"float32": "float64", "float64": "float64", "string": "utf8", "int64": "int64", "int32": "int64"}
DTYPES |= {
    "float16": "float64",
    "bool": "bool",
    "uint8": "int64",
    "int16": "int64",
    "uint16": "int64",
    "uint32": "int64",
}
BY_PLACE = {"elementwise": True, "reduce_instance_dims": False}


def plain(value: Any) -> Any:
    """JSON's NaN and infinities as floats."""
    if isinstance(value, list):
        return [plain(v) for v in value]
    return float(value) if value in ("NaN", "Infinity", "-Infinity") else value


def flat(value: Any) -> list[Any]:
    """All values of nested lists."""
    return [v for item in value for v in flat(item)] if isinstance(value, list) else [value]


@dataclass(frozen=True)
class Sparse:
    """A sparse column: its values as lists, and each place as an optional column."""

    values: Any
    places: list[Any]
    dense: bool = False
    """Whether the case made it dense; what fills the gaps is compared from the expectation's side."""


@dataclass(frozen=True)
class Input:
    """One feature of a case as columns of a table."""

    name: str
    spec: dict[str, Any]

    @property
    def kind(self) -> str:
        return str(self.spec["kind"])

    @property
    def size(self) -> int:
        return int(np.prod(self.spec.get("shape") or self.spec.get("size") or [1]))

    def features(self) -> list[RawFeature]:
        dtype: Any = DTYPES[self.spec["dtype"]]
        if self.kind != "FixedLenFeature":
            made = [RawFeature(self.name, dtype, "ragged", optional=False)]
            if self.kind == "SparseFeature":
                made += [RawFeature(f"{self.name}@{i}", dtype) for i in range(self.size)]
            return made
        shape = self.spec.get("shape") or []
        if shape in ([], [1]):
            return [RawFeature(self.name, dtype, optional=False)]
        return [RawFeature(self.name, dtype, "fixed", self.size, optional=False)]

    def columns(self, rows: list[dict[str, Any]]) -> list[list[Any]]:
        """The values of each of `features`."""
        number = float if self.spec["dtype"] in ("float32", "float64") else lambda v: v
        key = self.spec.get("value_key", self.name)
        values = [[number(v) for v in flat(plain(r.get(key, [])))] for r in rows]
        if self.kind == "FixedLenFeature":
            return [[v[0] if self.features()[0].kind == "scalar" else v for v in values]]
        if self.kind != "SparseFeature":
            return [values]
        places: list[list[Any]] = [[None] * len(rows) for _ in range(self.size)]
        for i, row in enumerate(rows):
            index = np.array([row[k] for k in self.spec["index_key"]], dtype=np.int64)
            found = np.ravel_multi_index(tuple(index), self.spec["size"]).tolist() if index.size else []
            order = sorted(range(len(found)), key=found.__getitem__)
            for j in order:
                places[found[j]][i] = values[i][j]
        return [values, *places]


def inputs_of(case: dict[str, Any]) -> list[Input]:
    return [Input(name, spec) for name, spec in case["feature_spec"].items()]


def table_of(case: dict[str, Any], key: str) -> pa.Table:
    given = case[key]
    rows = given.get("rows")
    rows = rows if rows is not None else [r for batch in given.get("batches", []) for r in batch]
    columns = {}
    for item in inputs_of(case):
        for feature, values in zip(item.features(), item.columns(rows), strict=True):
            columns[feature.name] = pa.array(values, arrow_type_of(feature))
    return pa.table(columns)


def start_of(case: dict[str, Any], tracer: Tracer) -> dict[str, Any]:
    """The inputs as the steps see them."""
    found: dict[str, Any] = {}
    for item in inputs_of(case):
        first, *others = (tracer.input(f) for f in item.features())
        found[item.name] = Sparse(first, others) if item.kind == "SparseFeature" else first
    return found


def cast(x: Any, dtype: Any) -> Any:
    wanted: Any = DTYPES[dtype]
    if x is None:  # the values of a sparse column that was treated place by place
        return None
    if isinstance(x, list):
        return [cast(v, dtype) for v in x]
    if isinstance(x, int | float):
        return float(x) if wanted == "float64" else int(x)
    if isinstance(x, Sparse):
        return Sparse(cast(x.values, dtype), [cast(p, dtype) for p in x.places], x.dense)
    if x.dtype == "float64" and wanted == "int64" and x.type.kind != "scalar":
        return x  # whole numbers stay what they are; our cast of lists would have to leave elements out
    return tlt.cast(x, wanted)


def to_dense(sp_input: Any, default_value: Any = None) -> Any:
    if isinstance(sp_input, Sparse):
        return Sparse(sp_input.values, sp_input.places, dense=True)
    return sp_input


def getitem(args: list[Any]) -> Any:
    value, (_, index) = args
    return value[index]


def unstack(value: Any, axis: int) -> Any:
    """The columns of a vector; the boundaries of each place, which are the quantiles of that place."""
    if not isinstance(value, Column):
        return value
    node = value.tracer.nodes[value.index]
    if node.op == "analyze.quantiles":
        x = Column(value.tracer, node.inputs[0])
        return [tlt.quantiles(x[i], node.attrs["num_buckets"]) for i in range(x.type.size or 0)]
    return [value[i] for i in range(value.type.size or 0)]


def is_table(x: Any) -> bool:
    """Whether it is a table by key: cases round those to two digits, which they have anyway; they stay as they are."""
    return isinstance(x, Column) and x.type.kind == "table"


def joined(values: list[Any], axis: int) -> Any:
    """Columns one below the other, for a joint vocabulary: a vector of them has the same values."""
    return tlt.stack(values) if all(isinstance(v, Column) and v.type.kind == "scalar" for v in values) else flat(values)


def stack(values: list[Any], axis: int) -> Any:
    if all(isinstance(v, Column) and not v.type.constant for v in values):
        return tlt.stack(values) if all(v.type.kind == "scalar" for v in values) else tlt.concat(values)
    return values


STEPS: dict[str, Callable[..., Any]] = {
    "tf.cast": cast,
    "tf.stack": stack,
    "tf.concat": joined,
    "tf.unstack": unstack,
    "tf.expand_dims": lambda input, axis: input,
    "tf.tile": lambda input, multiples: tlt.stack([input] * multiples[-1]),
    "tf.zeros_like": lambda input, dtype: tlt.cast(input == input, "int64") * 0,
    "tf.round": lambda x: x if is_table(x) else tlt.round(x),
    "tf.multiply": lambda x, y: x * y,
    "tf.sparse.to_dense": to_dense,
    "tf.compat.v1.strings.split": lambda input: tlt.split(input, None),
    "tensor.add": lambda args: args[0] + args[1],
    "tensor.sub": lambda args: args[0] - args[1],
    "tensor.truediv": lambda args: args[0] if is_table(args[0]) else args[0] / args[1],
    "tensor.rmul": lambda args: args[0] if is_table(args[0]) else args[1] * args[0],
    "tensor.getitem": getitem,
}
PRIVATE = {"_mean_and_var": "mean_and_var", "_mean_and_var_per_key": "mean_and_var_per_key"}
PRIVATE |= {"_min_and_max_per_key": "min_and_max_per_key", "_quantiles_per_key": "quantiles_per_key"}


def function_of(op: str) -> Callable[..., Any]:
    """The product's function of that name."""
    if op in STEPS:
        return STEPS[op]
    name = op.removeprefix("tft.").removeprefix("analyzers.")
    home: Any = tlt
    if name.startswith("experimental."):
        home, name = tlt.experimental, name.removeprefix("experimental.")
    found: Callable[..., Any] = getattr(home, PRIVATE.get(name, name))
    return found


def call(op: str, args: dict[str, Any]) -> Any:
    """One step; of sparse columns place by place where it works so, else on the lists of values."""
    function = function_of(op)
    sparse = {k: v for k, v in args.items() if isinstance(v, Sparse)}
    if not sparse or op in STEPS:
        return function(**args)
    if any(k in args and args[k] is by_place for k, by_place in BY_PLACE.items()):
        count = len(next(iter(sparse.values())).places)
        each = {k: v for k, v in args.items() if k not in BY_PLACE}
        made = [function(**{k: v.places[i] if k in sparse else v for k, v in each.items()}) for i in range(count)]
        if isinstance(made[0], tuple):
            return tuple(list(part) for part in zip(*made, strict=True))
        return Sparse(None, made) if not made[0].type.constant else made
    result = function(**{k: v.values if k in sparse else v for k, v in args.items()})
    return Sparse(result, []) if isinstance(result, Column) and not result.type.constant else result


class Played:
    """A case's steps, traced."""

    def __init__(self, case: dict[str, Any]) -> None:
        self.case = case
        features = [f for item in inputs_of(case) for f in item.features()]
        self.tracer = Tracer(features, "tensorflow")  # hash buckets are upstream's own
        self.start = start_of(case, self.tracer)
        self.made: dict[int, Any] = {}
        with self.tracer.active():
            for step in case["steps"]:
                args = {k: self.value(v) for k, v in step["args"].items() if v is not None}
                self.made[step["step"]] = call(step["op"], args)
        self.outputs = {name: self.value(ref) for name, ref in case["outputs"].items()}

    def value(self, ref: Any) -> Any:
        if isinstance(ref, list):
            return [self.value(v) for v in ref]
        if not isinstance(ref, dict):
            return plain(ref)
        if "input" in ref:
            return self.start[ref["input"]]
        if "step" in ref:
            found = self.made[ref["step"]]
            return found[ref["output"]] if "output" in ref and isinstance(found, list | tuple) else found
        return plain(ref.get("const", ref.get("dtype", ref.get("slice"))))

    def run(self) -> Results:
        """Analyses the case's data."""
        columns = [c for value in self.outputs.values() for c in columns_of(value)]
        analyzers = [Column(self.tracer, i) for i, n in enumerate(self.tracer.nodes) if n.is_analyzer]
        named = tuple((f"o{i}", c.index) for i, c in enumerate([*columns, *analyzers]))
        graph = Graph(tuple(self.tracer.nodes), named, self.tracer.features, tuple(self.tracer.host_steps))
        table = table_of(self.case, "inputs")
        return Results(self, graph, find(graph, Dataset.from_table(table), LocalEngine(workers=1)))


def columns_of(value: Any) -> list[Column]:
    if isinstance(value, Sparse):
        return [c for c in [value.values, *value.places] if isinstance(c, Column)]
    if isinstance(value, list | tuple):
        return [c for item in value for c in columns_of(item)]
    return [value] if isinstance(value, Column) else []


class Results:
    """What a case gives: rows, constants, vocabularies and a schema."""

    def __init__(self, played: Played, graph: Graph, findings: dict[int, Any]) -> None:
        self.played, self.graph, self.findings = played, graph, findings
        self.bound = bind(graph, constants(findings))
        self.places = dict(zip([i for _, i in graph.outputs], [i for _, i in self.bound.outputs], strict=True))
        rows = {n: v for n, v in played.outputs.items() if row_columns(v)}
        self.names = {f"{n}#{i}": c for n, v in rows.items() for i, c in enumerate(row_columns(v))}
        outputs = tuple((name, c.index) for name, c in self.names.items())
        everything = Graph(graph.nodes, outputs, graph.features, graph.host_steps)
        self.output = TransformOutput(everything, findings)

    def rows(self, table: pa.Table) -> list[dict[str, Any]]:
        """Per row, each output's values as one flat list; a missing value is None."""
        if not self.names:
            return []
        out = self.output.transform(table).to_pylist()
        wanted = {n: [k for k in self.names if k.rpartition("#")[0] == n] for n in self.played.outputs}
        return [{n: flat([r[k] for k in keys]) for n, keys in wanted.items() if keys} for r in out]

    def constant(self, value: Any) -> list[Any]:
        """A constant output's values, flat."""
        if isinstance(value, list | tuple):
            return list(itertools.chain.from_iterable(self.constant(v) for v in value))
        place = self.places[value.index]
        found = evaluate(self.bound, {}, [place])[place]
        return flat(np.asarray(found.data).tolist())


def row_columns(value: Any) -> list[Column]:
    """The columns of an output that differ by row."""
    if isinstance(value, Sparse):
        chosen = value.places if value.values is None else [value.values]
        return [c for c in chosen if isinstance(c, Column)]
    return [c for c in columns_of(value) if not c.type.constant]
