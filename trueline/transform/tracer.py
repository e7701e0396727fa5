"""Tracing: the user's preprocessing function is called once with `Column` objects, and a typed graph comes out.

Nothing is computed while tracing. Every mistake is reported at the user's own file and line, with the column as the
user wrote it and its type.
"""

from __future__ import annotations

import contextlib
import contextvars
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from trueline._core.errors import TransformError
from trueline._core.host import HostStep
from trueline._core.values import DType, RawFeature
from trueline.transform.bind import constant_node
from trueline.transform.check import node_type
from trueline.transform.column import Column
from trueline.transform.graph import Graph, Node, ValueType, encode_json
from trueline.transform.offered import Offered, check_call
from trueline.transform.operations import RuleError
from trueline.transform.places import user_place
from trueline.transform.profiles import check_profile, known_profile
from trueline.transform.render import expression

__all__ = ["Tracer", "active_tracer", "current_tracer", "trace", "user_place"]

_ACTIVE: contextvars.ContextVar[Tracer | None] = contextvars.ContextVar("active_trace", default=None)


class Tracer:
    """Builds one graph; equal nodes are made once.

    Args:
        features: the raw columns.
        profile: for which the graph is made, see `trueline.transform.profiles`; functions may choose by it.
    """

    def __init__(self, features: Sequence[RawFeature], profile: str | None = None) -> None:
        self.profile = profile
        self.features = tuple(features)
        self.nodes: list[Node] = []
        self.host_steps: list[HostStep] = []
        self._known: dict[str, int] = {}
        self._scope: contextvars.ContextVar[str] = contextvars.ContextVar("scope", default="")

    @property
    def graph(self) -> Graph:
        """What has been traced so far, without outputs."""
        return Graph(tuple(self.nodes), (), self.features, tuple(self.host_steps))

    @contextlib.contextmanager
    def scope(self, name: str) -> Iterator[None]:
        """Nodes made inside belong to the user function `name` (the outermost one counts)."""
        token = self._scope.set(self._scope.get() or name)
        try:
            yield
        finally:
            self._scope.reset(token)

    @contextlib.contextmanager
    def active(self) -> Iterator[None]:
        """Functions that are given no column belong to this trace inside, see `current_tracer`."""
        token = _ACTIVE.set(self)
        try:
            yield
        finally:
            _ACTIVE.reset(token)

    def error(self, message: str, hint: str | None = None) -> TransformError:
        """A `TransformError` at the user's line."""
        return TransformError(message, where=user_place() or None, hint=hint)

    def describe(self, column: Column) -> str:
        """``'fare * 2' (float64, may be missing)``."""
        text = expression(self.graph, column.index)
        return f"'{text if len(text) <= 60 else text[:57] + '...'}' ({column.type})"

    def _add(self, node: Node) -> Column:
        key = json.dumps(
            [node.op, node.inputs, encode_json(dict(node.attrs)), node.type.dtype, node.type.kind],
            sort_keys=True,
            ensure_ascii=False,
        )
        if not key.isascii() and any("\ud800" <= c <= "\udfff" for c in key):
            raise self.error(f"{node.op} is given half a character (a surrogate), which UTF-8 has no form for")
        if key not in self._known:
            self._known[key] = len(self.nodes)
            self.nodes.append(node)
        return Column(self, self._known[key])

    def _place(self) -> str:
        path, _, line = user_place().rpartition(":")
        return f"{Path(path).name}:{line}" if path else ""

    def input(self, feature: RawFeature) -> Column:
        """The column of a raw feature or of a host step."""
        value_type = ValueType(feature.dtype, feature.kind, feature.size, feature.optional)
        return self._add(Node("input", (), {"name": feature.name}, value_type, "", self._place()))

    def constant(self, value: bool | int | float | str) -> Column:
        """A literal that the user wrote."""
        dtypes: dict[type, DType] = {bool: "bool", int: "int64", float: "float64", str: "utf8"}
        dtype = dtypes.get(type(value))
        if dtype is None:
            value, dtype = _plain_number(self, value)
        if dtype == "int64" and not -(2**63) <= int(value) < 2**63:
            raise self.error(f"the integer {value} does not fit into 64 bits")
        return self._add(constant_node(value, ValueType(dtype)))

    def table(self, values: Sequence[Any], dtype: DType) -> Column:
        """A constant list: boundaries, tokens."""
        return self._add(constant_node(list(values), ValueType(dtype, "table")))

    def column(self, value: Any) -> Column:
        """A column as it is, or a literal as a constant column."""
        if isinstance(value, Column):
            if value.tracer is not self:
                raise self.error(
                    "a column of another trace is used here", "use only the columns that this call was given."
                )
            return value
        if isinstance(value, bool | int | float | str) or hasattr(value, "dtype"):
            return self.constant(value)
        raise self.error(
            f"expected a column or a literal, got {type(value).__name__}",
            "columns, numbers, booleans and strings can be used; what is missing: tlt.is_missing, tlt.fill_missing.",
        )

    def op(self, name: str, /, *inputs: Any, **attrs: Any) -> Column:
        """One operation or analyzer on columns and literals."""
        columns = [self.column(i) for i in inputs]
        types = [c.type for c in columns]
        try:
            value_type = node_type(name, attrs, types)
        except RuleError as error:
            of = " and ".join(self.describe(c) for c in columns)
            scope = self._scope.get()
            raise TransformError(
                f"{scope or name.removeprefix('analyze.')} of {of}: {error}",
                where=user_place() or None,
                hint=self._hint_of(columns, str(error)),
            ) from None
        except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
            given = ", ".join(f"{key}={value!r:.60}" for key, value in attrs.items())
            raise self.error(
                f"{self._scope.get() or name} cannot take {given}: {type(error).__name__}: {error}",
                "these arguments are the same for all rows: numbers, texts, or lists of them.",
            ) from error
        node = Node(name, tuple(c.index for c in columns), attrs, value_type, self._scope.get(), self._place())
        return self._add(node)

    def _hint_of(self, columns: Sequence[Column], problem: str) -> str | None:
        """How to mend a text where a number is needed: usually one column that was read as text."""
        if "different types" in problem:
            return "make them one type: with a literal of the other's type, tlt.cast, or tlt.parse_number of a text."
        texts = [self.describe(c).rpartition(" (")[0] for c in columns if c.type.dtype == "utf8"]
        if len(texts) == len(columns) == 2 and "not utf8" in problem:
            return "tlt.join puts texts together, tlt.parse_number makes a number of a text."
        if len(texts) == 1 and problem == "it takes a vector":
            return "tlt.substring cuts a text."
        if len(texts) != 1 or "not utf8" not in problem or not ("float64" in problem or "int64" in problem):
            return None
        return (
            f"{texts[0]} is text. If it is a column of numbers, some cells hold none, or all are empty: name those in "
            "CsvExampleGen(null_values=...), or use tlt.parse_number; for words, compute_and_apply_vocabulary."
        )

    def finish(self, outputs: Mapping[str, Any]) -> Graph:
        """The graph with its outputs; what they do not reach is left out."""
        named = tuple((name, self._row_column(column).index) for name, column in outputs.items())
        return Graph(tuple(self.nodes), named, self.features, tuple(self.host_steps)).pruned()

    def _row_column(self, column: Column) -> Column:
        """A column as it is; a constant as a column that has it in every row."""
        if not column.type.constant:
            return column
        like = next((f for f in self.features if f.dtype != "bytes"), None)
        if like is None:
            raise self.error("a constant alone is no output: there is no column to give it rows")
        return self.op("repeat", column, self.input(like))


def _plain_number(tracer: Tracer, value: Any) -> tuple[Any, DType]:
    import numpy as np

    for kinds, dtype, make in ((np.bool_, "bool", bool), (np.integer, "int64", int), (np.floating, "float64", float)):
        if isinstance(value, kinds):
            return make(value), dtype  # type: ignore[return-value]  # the three dtypes above
    raise tracer.error(f"a {type(value).__name__} is no literal", "write a Python number, boolean or string.")


def active_tracer() -> Tracer | None:
    """The trace that is going on, if there is one."""
    return _ACTIVE.get()


def current_tracer() -> Tracer:
    """The trace that is going on, for functions that are given no column.

    Raises:
        TransformError: outside a preprocessing function.
    """
    tracer = _ACTIVE.get()
    if tracer is None:
        raise TransformError("this works only inside a preprocessing function", where=user_place() or None)
    return tracer


def trace(
    preprocessing_fn: Callable[[Any], Mapping[str, Any]],
    features: Sequence[RawFeature],
    *,
    profile: str | None = None,
    refused: Mapping[str, str] | None = None,
) -> Graph:
    """The graph of a preprocessing function.

    Args:
        preprocessing_fn: takes a mapping of column name to `Column` and returns a non-empty dict of output name to
            `Column`; it is called once, without data.
        features: the raw columns.
        profile: where the graph must be able to run: ``portable``, ``server``, ``tensorflow`` or ``host``; None checks
            nothing. With ``tensorflow`` hash buckets are TensorFlow's own.
        refused: columns that are there and are no features, such as structs, with the reason: an error tells it where
            the function reads one of them.

    Raises:
        TransformError: at the user's file and line; for a profile, listing every operation that it cannot run.
    """
    if profile is not None:
        known_profile(profile)
    check_call(preprocessing_fn, features)
    tracer = Tracer(features, profile)
    with tracer.active():
        outputs = preprocessing_fn(Offered(tracer, features, refused or {}))
    code = getattr(preprocessing_fn, "__code__", None)
    where = f"{code.co_filename}:{code.co_firstlineno}" if code is not None else None
    if not isinstance(outputs, Mapping) or not outputs:
        got = "an empty dict" if isinstance(outputs, Mapping) else type(outputs).__name__
        raise TransformError(
            f"preprocessing_fn returned {got}", where=where, hint="return a dict of output name to column."
        )
    problems = [p for name, value in outputs.items() if (p := _output_problem(tracer, name, value))]
    if problems:
        raise TransformError(
            "preprocessing_fn returned unusable outputs",
            where=where,
            problems=problems,
            hint="outputs are columns, made by tlt functions and operators; texts: tlt.join, not f-strings.",
        )
    graph = tracer.finish(outputs)
    if profile is not None:
        check_profile(graph, profile)
    return graph


def _output_problem(tracer: Tracer, name: Any, value: Any) -> str | None:
    if not isinstance(name, str) or not name:
        return f"an output is named {name!r}; names are non-empty strings"
    if name.startswith("__") or ":" in name:
        return f"output {name!r}: names that begin with '__' or hold ':' are the line's own"
    if not isinstance(value, Column) or value.tracer is not tracer:
        return f"output {name!r} is a {type(value).__name__}, no column of this trace"
    if value.type.kind == "table" and (value.type.size is None or value.type.dtype not in ("float64", "int64")):
        return f"output {name!r} is a table for the whole data, not a column: {tracer.describe(value)}"
    if value.type.dtype == "bytes":
        return f"output {name!r} is {value.type}; turn it into numbers or text with tlt.host"
    return None
