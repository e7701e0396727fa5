"""`Places`: one state of plain numbers for all of a column, or one for each place of a vector column."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, Self

import numpy as np

from trueline.transform.analyzers.base import Array, Attrs, Parts, StateMaker
from trueline.transform.analyzers.inputs import Inputs
from trueline.transform.graph import ValueType

__all__ = ["Item", "Places", "by_place", "each"]


class Item(Protocol):
    """A state of plain arrays; made by ``item(dtype, params)``."""

    def update(self, values: Array, *others: Array) -> None:
        """Takes in values ``[n]`` and what belongs to each of them (weights), ``[n]``."""
        ...

    def merge(self, other: Self) -> None:
        """Takes in the state of later blocks."""
        ...

    def parts(self) -> Parts:
        """The state as header and arrays."""
        ...

    def restore(self, header: Mapping[str, Any], arrays: Mapping[str, Any]) -> None:
        """Takes on the state that `parts` gave."""
        ...


class Places:
    """A state of items: one, or with the parameter ``reduce=False`` one for each place of a vector."""

    def __init__(self, make: Callable[[str, Attrs], Any], types: Sequence[ValueType], params: Attrs) -> None:
        x = types[0]
        self.vector = x.kind == "fixed" and not params.get("reduce", True)
        places = int(x.size or 1) if self.vector else 1
        self.items: list[Any] = [make(x.dtype, params) for _ in range(places)]

    def update(self, inputs: Inputs) -> None:
        if not self.vector:
            self.items[0].update(inputs.numbers(), *(inputs.elements(i) for i in range(1, len(inputs))))
            return
        matrix = inputs.matrix(0)
        others = [inputs.matrix(i) for i in range(1, len(inputs))]
        for place, item in enumerate(self.items):
            beside = [o[:, place if o.shape[1] > 1 else 0] for o in others]
            item.update(np.ascontiguousarray(matrix[:, place]), *beside)

    def merge(self, other: Self) -> None:
        for mine, theirs in zip(self.items, other.items, strict=True):
            mine.merge(theirs)

    def parts(self) -> Parts:
        headers, arrays = [], {}
        for place, item in enumerate(self.items):
            header, own = item.parts()
            headers.append(header)
            arrays.update({f"{place}.{name}": array for name, array in own.items()})
        return {"items": headers}, arrays

    def restore(self, header: Mapping[str, Any], arrays: Mapping[str, Any]) -> None:
        for place, item in enumerate(self.items):
            start = f"{place}."
            own = {k.removeprefix(start): v for k, v in arrays.items() if k.startswith(start)}
            item.restore(header["items"][place], own)

    def each(self, read: Callable[[Any], Any]) -> Any:
        """The result of the only item, or a list of each place's."""
        found = [read(item) for item in self.items]
        return found if self.vector else found[0]


def by_place(make: Callable[[str, Attrs], Any]) -> StateMaker:
    """The maker of a `Places` state of such items."""
    return lambda types, params: Places(make, types, params)


def each(name: str) -> Callable[[Places, Attrs], Any]:
    """Reads one attribute of each item."""
    return lambda state, attrs: state.each(lambda item: getattr(item, name))
