"""The fixed merge tree: which states meet, and in what order, depends on block numbers alone.

Positions 0, 1, 2, ... are the blocks in number order. A subtree over 2**k positions starts at a multiple of 2**k, as
in a binary counter; what is left over at the end is merged from the right. So no more than log2(n) + 1 merged states
are held, plus those that arrived before their turn, and any order of arrival gives the same merges.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from trueline._core.errors import EngineError

__all__ = ["TreeMerge"]

S = TypeVar("S")
T = TypeVar("T")


class TreeMerge(Generic[S, T]):
    """Merges states as they come.

    Args:
        merge: takes the state of a range of positions and that of the range right after it, gives that of both.
        load: makes a state from what `add` was given, when its turn has come (so waiting ones stay compact).
    """

    def __init__(self, merge: Callable[[T, T], T], load: Callable[[S], T]) -> None:
        self._merge = merge
        self._load = load
        self._waiting: dict[int, S] = {}
        self._next = 0
        self._stack: list[tuple[int, T]] = []

    @property
    def next_position(self) -> int:
        """The first position that has not been taken in."""
        return self._next

    @property
    def held(self) -> int:
        """How many states are in memory now."""
        return len(self._stack) + len(self._waiting)

    def add(self, position: int, state: S) -> None:
        """Takes in the state of one position, in any order of positions.

        Raises:
            EngineError: when the position was added before.
        """
        if position < self._next or position in self._waiting:
            raise EngineError(f"position {position} was merged twice")
        self._waiting[position] = state
        while self._next in self._waiting:
            self._push(self._load(self._waiting.pop(self._next)))

    def _push(self, state: T) -> None:
        level = 0
        while self._stack and self._stack[-1][0] == level:
            state = self._merge(self._stack.pop()[1], state)
            level += 1
        self._stack.append((level, state))
        self._next += 1

    def finish(self) -> T | None:
        """The state of all positions, or None when there were none.

        Raises:
            EngineError: when a position is missing.
        """
        if self._waiting:
            raise EngineError(f"position {self._next} is missing, {min(self._waiting)} is there")
        if not self._stack:
            return None
        state = self._stack.pop()[1]
        while self._stack:
            state = self._merge(self._stack.pop()[1], state)
        return state
