"""For writers of accumulators: one call that checks an accumulator against the engine's contract."""

from __future__ import annotations

import dataclasses
import math
import struct
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from trueline.engine.base import Accumulator, AccumulatorSpec, Dataset

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["check_accumulator", "same_result"]


def check_accumulator(
    spec: AccumulatorSpec[Any],
    table: pa.Table,
    *,
    rtol: float = 0.0,
    atol: float = 0.0,
    block_rows: int | None = None,
    columns: Sequence[str] | None = None,
    recut: bool = True,
    processes: bool = True,
) -> Any:
    """Checks that an accumulator keeps the engine's promises on a table, and gives its result.

    Same bits: a state that is loaded gives the same state and result; 1 and 7 shards, 1 and 4 workers, threads and
    processes. Within `rtol`/`atol`: merging is associative, an empty state or an empty batch changes nothing, and
    (`recut`) other block borders give the same result.

    Args:
        spec: the accumulator; its name must be importable in a worker process.
        table: some rows, at least 8.
        rtol: relative tolerance of floats; 0 means equal bits.
        atol: absolute tolerance of floats.
        block_rows: rows a block; by default the table is cut into about 8 blocks.
        columns: only these columns.
        recut: whether the result may not depend on block borders beyond the tolerance; False for sketches.
        processes: whether to start worker processes too.

    Raises:
        AssertionError: naming the broken promise.
    """
    rows = block_rows or max(1, -(-table.num_rows // 8))
    dataset = Dataset.from_table(table, rows)
    expected = _check_engines(spec, dataset, columns, processes)
    _check_round_trip(spec, dataset, columns)
    _check_merge_laws(spec, dataset, columns, rtol, atol)
    if recut:
        from trueline.engine.local import LocalEngine

        other = LocalEngine(1).run(spec, Dataset.from_table(table, max(1, table.num_rows)), columns)
        _require(same_result(expected, other, rtol, atol), "other block borders give another result", expected, other)
    return expected


def _check_engines(spec: AccumulatorSpec[Any], dataset: Dataset, columns: Sequence[str] | None, processes: bool) -> Any:
    from trueline.engine.local import LocalEngine

    expected = LocalEngine(1).run(spec, dataset, columns)
    for shards, workers in ((1, 4), (7, 1), (7, 4)):
        got = LocalEngine(workers).run(spec, dataset.deal(shards), columns)
        _require(same_result(expected, got), f"{shards} shards and {workers} threads give other bits", expected, got)
    if processes:
        with LocalEngine(2, processes=True) as engine:
            got = engine.run(spec, dataset.deal(3), columns)
        _require(same_result(expected, got), "worker processes give other bits than threads", expected, got)
    return expected


def _states(spec: AccumulatorSpec[Any], dataset: Dataset, columns: Sequence[str] | None) -> list[bytes]:
    states = []
    for batch in dataset.batches(columns):
        accumulator = spec.new()
        accumulator.update(batch)
        states.append(accumulator.state())
    return states


def _check_round_trip(spec: AccumulatorSpec[Any], dataset: Dataset, columns: Sequence[str] | None) -> None:
    states = [spec.new().state(), *_states(spec, dataset, columns)]
    for number, state in enumerate(states, -1):
        _require(isinstance(state, bytes), "state() gives no bytes", bytes, type(state))
        again = spec.load(state).state()
        _require(again == state, f"the state of block {number} changes when it is loaded and saved", state, again)
    direct = spec.new()
    direct.update(next(iter(dataset.batches(columns))))
    loaded = spec.load(states[1])
    one, two = direct.finish(), loaded.finish()
    _require(same_result(one, two), "a loaded state gives another result than the accumulator itself", one, two)


def _check_merge_laws(
    spec: AccumulatorSpec[Any], dataset: Dataset, columns: Sequence[str] | None, rtol: float, atol: float
) -> None:
    states = _states(spec, dataset, columns)
    left, middle, right = states[0], states[len(states) // 2], states[-1]

    def merged(*parts: Accumulator[Any]) -> Accumulator[Any]:
        first = parts[0]
        for part in parts[1:]:
            first.merge(part)
        return first

    load = spec.load
    one = merged(load(left), load(middle), load(right)).finish()
    two = merged(load(left), merged(load(middle), load(right))).finish()
    _require(same_result(one, two, rtol, atol), "merging is not associative: (a+b)+c and a+(b+c)", one, two)
    alone = load(left).finish()
    for label, got in (
        ("merging an empty accumulator into one changes it", merged(load(left), spec.new()).finish()),
        ("merging into an empty accumulator changes it", merged(spec.new(), load(left)).finish()),
    ):
        _require(same_result(alone, got, rtol, atol), label, alone, got)
    empty = load(left)
    empty.update(dataset.blocks[0].read(columns).slice(0, 0))
    got = empty.finish()
    _require(same_result(alone, got, rtol, atol), "a batch without rows changes it", alone, got)


def _require(holds: bool, promise: str, expected: Any, got: Any) -> None:
    if not holds:
        raise AssertionError(f"{promise}\nexpected: {_short(expected)}\ngot:      {_short(got)}")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 600 else text[:600] + "..."


def same_result(one: Any, two: Any, rtol: float = 0.0, atol: float = 0.0) -> bool:
    """Whether two results are equal: containers, dataclasses, numpy, Arrow and protos; floats by bits, or tolerance."""
    if isinstance(one, float) and isinstance(two, float):
        return _same_floats(one, two, rtol, atol)
    if type(one) is not type(two):
        return False
    if isinstance(one, Mapping):
        return one.keys() == two.keys() and all(same_result(one[k], two[k], rtol, atol) for k in one)
    if isinstance(one, list | tuple):
        return len(one) == len(two) and all(same_result(a, b, rtol, atol) for a, b in zip(one, two, strict=True))
    if isinstance(one, np.ndarray):
        return _same_arrays(one, two, rtol, atol)
    if dataclasses.is_dataclass(one):
        return all(same_result(getattr(one, f.name), getattr(two, f.name), rtol, atol) for f in dataclasses.fields(one))
    if hasattr(one, "ListFields"):
        return _same_protos(one, two, rtol, atol)
    if hasattr(one, "to_pylist"):
        return bool(one.type == two.type if hasattr(one, "type") else one.schema == two.schema) and same_result(
            one.to_pylist(), two.to_pylist(), rtol, atol
        )
    return bool(one == two)


def _same_floats(one: float, two: float, rtol: float, atol: float) -> bool:
    if struct.pack("<d", one) == struct.pack("<d", two) or (math.isnan(one) and math.isnan(two)):
        return True
    return bool(rtol or atol) and math.isclose(one, two, rel_tol=rtol, abs_tol=atol)


def _same_arrays(one: np.ndarray[Any, Any], two: np.ndarray[Any, Any], rtol: float, atol: float) -> bool:
    if one.shape != two.shape or one.dtype != two.dtype:
        return False
    if one.dtype.kind == "f" and (rtol or atol):
        return bool(np.allclose(one, two, rtol=rtol, atol=atol, equal_nan=True))
    if one.dtype.kind == "O":
        return same_result(one.tolist(), two.tolist(), rtol, atol)
    return one.tobytes() == two.tobytes()


def _same_protos(one: Any, two: Any, rtol: float, atol: float) -> bool:
    if not (rtol or atol):
        return bool(one.SerializeToString(deterministic=True) == two.SerializeToString(deterministic=True))
    mine, other = one.ListFields(), two.ListFields()
    return [f.name for f, _ in mine] == [f.name for f, _ in other] and all(
        same_result(_plain(a), _plain(b), rtol, atol) for (_, a), (_, b) in zip(mine, other, strict=True)
    )


def _plain(value: Any) -> Any:
    """Repeated fields and maps as list and dict."""
    if hasattr(value, "items"):
        return dict(value.items())
    if hasattr(value, "ListFields") or isinstance(value, str | bytes | bool | int | float):
        return value
    return list(value)
