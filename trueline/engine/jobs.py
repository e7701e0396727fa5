"""The work on one block, the same in a thread, in a worker process and on another machine."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from trueline._core.errors import EngineError, TruelineError
from trueline.engine.base import Accumulator, AccumulatorSpec, Block, Detachable, FunctionSpec

__all__ = ["call_function", "describe_block", "kept", "loaded", "update_block", "update_here"]

R = TypeVar("R")
T = TypeVar("T")


def describe_block(block: Block) -> str:
    """A block for people: its number and file."""
    return f"block {block.number} ({block.uri or 'a table in memory'}, row group {block.row_group})"


def update_block(spec: AccumulatorSpec[Any], block: Block, columns: Sequence[str] | None) -> bytes:
    """The state of one block, to be sent elsewhere.

    Raises:
        TruelineError: as `update_here`.
    """
    return _worked(spec, block, columns, lambda accumulator: accumulator.state())


def update_here(spec: AccumulatorSpec[R], block: Block, columns: Sequence[str] | None) -> bytes | Accumulator[R]:
    """The state of one block, to be merged in this process: see `kept` and `loaded`.

    Raises:
        TruelineError: the accumulator's own, with the block's place where it named none.
        EngineError: any other failure of the accumulator, naming block and file.
    """
    return _worked(spec, block, columns, kept)


def kept(accumulator: Accumulator[R]) -> bytes | Accumulator[R]:
    """The accumulator itself where it is `Detachable`, else its state."""
    whole = isinstance(accumulator, Detachable) and accumulator.detach()
    return accumulator if whole else accumulator.state()


def loaded(spec: AccumulatorSpec[R], found: bytes | Accumulator[R]) -> Accumulator[R]:
    """The accumulator that `kept` or `update_block` gave."""
    return spec.load(found) if isinstance(found, bytes) else found


def _worked(
    spec: AccumulatorSpec[R], block: Block, columns: Sequence[str] | None, give: Callable[[Accumulator[R]], T]
) -> T:
    batch = block.read(columns, spec.dictionaries) if spec.dictionaries else block.read(columns)
    try:
        accumulator = spec.new()
        accumulator.update(batch)
        return give(accumulator)
    except Exception as error:
        raise _placed(error, f"accumulator {spec.name}", block) from error


def call_function(function: FunctionSpec, block: Block) -> Any:
    """A function's result on one block, passed through JSON so that it is the same value on every engine.

    Raises:
        TruelineError: as in `update_block`; an EngineError too when the result is no JSON value.
    """
    try:
        result = function.call(block)
    except Exception as error:
        raise _placed(error, f"function {function.name}", block) from error
    try:
        return json.loads(json.dumps(result))
    except (TypeError, ValueError) as error:
        raise EngineError(
            f"function {function.name} returned no JSON value: {error}", where=describe_block(block)
        ) from error


def _placed(error: Exception, who: str, block: Block) -> TruelineError:
    if not isinstance(error, TruelineError):
        return EngineError(f"{who} failed: {type(error).__name__}: {error}", where=describe_block(block))
    if error.where is not None:
        return error
    try:
        return type(error)(error.message, where=describe_block(block), hint=error.hint, problems=error.problems)
    except TypeError:  # a subclass with a signature of its own
        return error
