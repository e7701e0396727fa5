"""Many accumulators as one: each gets every batch, so all of them cost one pass over the data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from trueline._core.errors import EngineError, TruelineError
from trueline.engine.base import Accumulator, AccumulatorSpec, Detachable
from trueline.engine.state import pack_state, unpack_state

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Product", "combine"]

_KIND = "product"
_VERSION = 1


def combine(parts: Mapping[str, AccumulatorSpec[Any]]) -> AccumulatorSpec[dict[str, Any]]:
    """The product of named accumulators; its result maps each name to that accumulator's result.

    Raises:
        EngineError: when a parameter is no JSON value.
    """
    described: dict[str, Any] = {}
    for name, spec in parts.items():
        spec.to_json()
        described[name] = {"name": spec.name, "params": dict(spec.params)}
        if spec.dictionaries:
            described[name]["dictionaries"] = list(spec.dictionaries)
    codes = sorted({column for spec in parts.values() for column in spec.dictionaries})
    return AccumulatorSpec("trueline.engine.product:Product", {"parts": described}, tuple(codes))


def _specs(parts: Mapping[str, Mapping[str, Any]]) -> dict[str, AccumulatorSpec[Any]]:
    return {
        name: AccumulatorSpec(str(part["name"]), dict(part["params"]), tuple(part.get("dictionaries", ())))
        for name, part in sorted(parts.items())
    }


def _plain(batch: pa.RecordBatch, kept: tuple[str, ...]) -> pa.RecordBatch:
    """The batch with all dictionary columns but `kept` as plain values."""
    import pyarrow as pa
    import pyarrow.compute as pc

    names = batch.schema.names
    codes = [pa.types.is_dictionary(kind) and n not in kept for n, kind in zip(names, batch.schema.types, strict=True)]
    if not any(codes):
        return batch
    columns = [
        pc.cast(column, column.type.value_type) if code else column
        for column, code in zip(batch.columns, codes, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, names=names)


class Product:
    """The accumulator that `combine` describes."""

    def __init__(self, parts: Mapping[str, Mapping[str, Any]]) -> None:
        self._specs = _specs(parts)
        self._parts: dict[str, Accumulator[Any]] = {n: spec.new() for n, spec in self._specs.items()}

    def update(self, batch: pa.RecordBatch) -> None:
        """Gives the batch to every part, dictionary columns only to those that take them.

        Raises:
            EngineError: when a part fails, naming it; the product's own errors pass as they are.
        """
        for name, part in self._parts.items():
            try:
                part.update(_plain(batch, self._specs[name].dictionaries))
            except TruelineError:
                raise
            except Exception as error:
                raise EngineError(f"part {name!r} failed: {type(error).__name__}: {error}") from error

    def merge(self, other: Self) -> None:
        """Merges part by part."""
        if self._specs != other._specs:
            raise EngineError("two products of different accumulators cannot be merged")
        for name, part in self._parts.items():
            part.merge(other._parts[name])

    def detach(self) -> bool:
        """Whether every part can be merged as it is in this process."""
        return all(isinstance(part, Detachable) and part.detach() for part in self._parts.values())

    def state(self) -> bytes:
        """The parts' states, by name; of one part alone it is that part's."""
        if len(self._parts) == 1:
            return next(iter(self._parts.values())).state()
        arrays = {name: np.frombuffer(part.state(), np.uint8) for name, part in self._parts.items()}
        return pack_state(_KIND, _VERSION, {}, arrays)

    def finish(self) -> dict[str, Any]:
        """Each part's result by its name."""
        return {name: part.finish() for name, part in self._parts.items()}

    @classmethod
    def load(cls, state: bytes, parts: Mapping[str, Mapping[str, Any]]) -> Product:
        """The product that gave this state.

        Raises:
            EngineError: for a damaged state, or one of other parts.
        """
        product = cls.__new__(cls)
        product._specs = _specs(parts)
        if len(parts) == 1:
            product._parts = {name: spec.load(state) for name, spec in product._specs.items()}
            return product
        _, _, arrays = unpack_state(state, _KIND, _VERSION)
        if set(arrays) != set(product._specs):
            raise EngineError(f"the state holds parts {sorted(arrays)}, the product has {sorted(product._specs)}")
        product._parts = {n: spec.load(arrays[n].tobytes()) for n, spec in product._specs.items()}
        return product
