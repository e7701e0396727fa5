"""Rows made up from a schema: data for a user's tests that pass the schema they were made from."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from trueline._core.errors import ConfigError, SchemaError
from trueline.data_validation.synthetic_values import drawer, few
from trueline.schema.features import deprecated, in_environment

if TYPE_CHECKING:
    import pyarrow as pa
    from tensorflow_metadata.proto.v0 import schema_pb2

__all__ = ["generate_examples"]

_MOST_VALUES = 3
_MISSING = 0.1


def generate_examples(schema: schema_pb2.Schema, n: int, seed: int = 0, *, environment: str | None = None) -> pa.Table:
    """Made-up rows that the schema accepts: every domain, presence, valency and shape that it asks for.

    Each feature is drawn by its own stream of random numbers, so that another feature coming or going changes nothing
    of it. An optional feature lacks about one row in ten (never more than its ``min_fraction`` allows). Deprecated
    features, and those outside the environment, are left out. Distributions are uniform: such rows test code, and say
    nothing of a model.

    Args:
        schema: a tensorflow-metadata `Schema`.
        n: how many rows.
        seed: equal seeds give equal rows.
        environment: the environment that the rows are for.

    Raises:
        ConfigError: `n` is below zero.
        SchemaError: naming every feature for which no value can be made: no type, a domain that is empty or unknown.
    """
    if n < 0:
        raise ConfigError(f"n is {n}", hint="give zero rows or more.")
    import pyarrow as pa

    maker = _Maker(schema, n, seed, environment)
    columns: dict[str, pa.Array] = {}
    problems: list[str] = []
    for feature in schema.feature:
        if not maker.wanted(feature):
            continue
        try:
            values = maker.column(feature, (feature.name,), n)
            columns[feature.name] = pa.array(values, maker.arrow_type(feature))
        except SchemaError as error:
            problems.append(f"{feature.name!r}: {error.message}")
        except (ValueError, TypeError, OverflowError) as error:  # Arrow's errors are of these too
            problems.append(f"{feature.name!r}: its domain does not suit its type: {error}")
    if problems:
        raise SchemaError("no rows can be made from this schema", problems=problems)
    if not columns:
        return pa.Table.from_struct_array(pa.array([{}] * n, pa.struct([])))
    return pa.table(columns)


@dataclass(frozen=True)
class _Maker:
    schema: Any
    n: int
    seed: int
    environment: str | None

    def wanted(self, feature: Any) -> bool:
        """Whether rows of the environment hold it."""
        return not deprecated(feature) and in_environment(feature, self.schema, self.environment)

    def _rng(self, path: Sequence[str], what: str = "") -> np.random.Generator:
        return np.random.default_rng([self.seed & 0xFFFFFFFF, zlib.crc32("\0".join([*path, what]).encode())])

    def column(self, feature: Any, path: tuple[str, ...], rows: int) -> list[Any]:
        """Values, lists of values, structs, or None, one for each of so many rows (or structs around)."""
        group = self._group(feature.name) if len(path) == 1 else ()
        rng = self._rng(group or path, "shape")
        absent = self._absent(feature, rows, rng)
        levels = _levels(feature)
        sizes = [itertools.cycle(rng.integers(low, high + 1, 4 * rows + 16).tolist()) for low, high in levels]
        values = self._values(feature, path)
        return [None if missing else _nest(values, sizes) for missing in absent]

    def _group(self, name: str) -> tuple[str, ...]:
        """Features of one sparse or weighted feature share presence and lengths."""
        for sparse in self.schema.sparse_feature:
            members = {".".join(sparse.value_feature.name.split("."))} | {i.name for i in sparse.index_feature}
            if name in members:
                return ("sparse", sparse.name)
        for weighted in self.schema.weighted_feature:
            if name in (".".join(weighted.feature.step), ".".join(weighted.weight_feature.step)):
                return ("weighted", weighted.name)
        return ()

    def _absent(self, feature: Any, rows: int, rng: np.random.Generator) -> np.ndarray[Any, np.dtype[np.bool_]]:
        fraction = feature.presence.min_fraction if feature.HasField("presence") else 0.0
        allowed = int((1.0 - fraction) * rows)
        if feature.HasField("presence") and feature.presence.min_count:
            allowed = min(allowed, max(rows - feature.presence.min_count, 0))
        if feature.WhichOneof("shape_type") == "shape":
            allowed = 0  # a fixed shape has no room for a missing row
        absent = np.zeros(rows, bool)
        absent[rng.permutation(rows)[: min(allowed, round(_MISSING * rows))]] = True
        return absent

    def _values(self, feature: Any, path: tuple[str, ...]) -> Callable[[], Any]:
        from tensorflow_metadata.proto.v0 import schema_pb2

        if feature.type == schema_pb2.STRUCT:
            inner = [
                (f, self._struct_field(f, (*path, f.name))) for f in feature.struct_domain.feature if self.wanted(f)
            ]
            return lambda: {f.name: make() for f, make in inner}
        rng = self._rng(path)
        drawn = drawer(self.schema, feature, rng)
        return drawn if not feature.HasField("unique_constraints") else few(drawn, feature.unique_constraints, rng)

    def _struct_field(self, feature: Any, path: tuple[str, ...]) -> Callable[[], Any]:
        stream: Iterator[Any] = iter(())

        def one() -> Any:
            nonlocal stream
            for value in stream:
                return value
            stream = iter(self.column(feature, path, 64))
            return next(stream)

        return one

    def arrow_type(self, feature: Any) -> pa.DataType:
        """The column's type: plain for one value a row, else a list a level."""
        import pyarrow as pa
        from tensorflow_metadata.proto.v0 import schema_pb2

        if feature.type == schema_pb2.STRUCT:
            inner = [pa.field(f.name, self.arrow_type(f)) for f in feature.struct_domain.feature if self.wanted(f)]
            kind: pa.DataType = pa.struct(inner)
        elif feature.WhichOneof("domain_info") == "image_domain":
            kind = pa.binary()
        elif feature.type in (schema_pb2.INT, schema_pb2.FLOAT, schema_pb2.BYTES):
            kind = {schema_pb2.INT: pa.int64(), schema_pb2.FLOAT: pa.float64(), schema_pb2.BYTES: pa.string()}[
                feature.type
            ]
        else:
            raise SchemaError("it has no type")
        for _ in _levels(feature):
            kind = pa.list_(kind)
        return kind


def _nest(value: Callable[[], Any], sizes: Sequence[Iterator[int]]) -> Any:
    if not sizes:
        return value()
    return [_nest(value, sizes[1:]) for _ in range(next(sizes[0]))]


def _levels(feature: Any) -> list[tuple[int, int]]:
    """Least and greatest length at each list level; none for a plain column."""
    which = feature.WhichOneof("shape_type")
    if which == "shape":
        sizes = [int(d.size) for d in feature.shape.dim]
        return [] if sizes in ([], [1]) else [(size, size) for size in sizes]
    if which == "value_counts":
        return [_length(level) for level in feature.value_counts.value_count]
    if which == "value_count":
        found = _length(feature.value_count)
        return [] if found == (1, 1) else [found]
    return []


def _length(level: Any) -> tuple[int, int]:
    low = int(level.min)
    high = int(level.max) if level.HasField("max") else low + _MOST_VALUES
    if high < low:
        raise SchemaError(f"at least {low} and at most {high} values cannot be")
    return low, min(high, low + _MOST_VALUES)
