"""User-written analyzers of the tests: importable by name, as a user's package would be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np


class Range:
    """Greatest minus least, in units of `unit`; also the two ends."""

    def __init__(self, unit: float = 1.0, constants: list[Any] | None = None) -> None:
        self.unit = unit * float((constants or [1.0])[0])
        self.ends = np.array([np.inf, -np.inf])

    def update(self, inputs: Any) -> None:
        values = inputs.elements(0)
        if len(values):
            self.ends = np.array([min(self.ends[0], values.min()), max(self.ends[1], values.max())])

    def merge(self, other: Self) -> None:
        self.ends = np.array([min(self.ends[0], other.ends[0]), max(self.ends[1], other.ends[1])])

    def parts(self) -> tuple[dict[str, Any], dict[str, Any]]:
        return {}, {"ends": self.ends}

    def restore(self, header: Mapping[str, Any], arrays: Mapping[str, Any]) -> None:
        self.ends = arrays["ends"]

    def result(self) -> float:
        return float(self.ends[1] - self.ends[0]) / self.unit

    def both(self) -> list[float]:
        return self.ends.tolist()


class WeightedCounts(Range):
    """Summed weights of the whole numbers 0 to 2: two inputs, a table."""

    def __init__(self) -> None:
        self.sums = np.zeros(3)

    def update(self, inputs: Any) -> None:
        np.add.at(self.sums, inputs.elements(0).astype(int) % 3, inputs.elements(1))

    def merge(self, other: Self) -> None:
        self.sums = self.sums + other.sums

    def parts(self) -> tuple[dict[str, Any], dict[str, Any]]:
        return {}, {"sums": self.sums}

    def restore(self, header: Mapping[str, Any], arrays: Mapping[str, Any]) -> None:
        self.sums = arrays["sums"]

    def result(self) -> Any:
        return self.sums


class Forgetful(Range):
    """Keeps less in its parts than it has."""

    def parts(self) -> tuple[dict[str, Any], dict[str, Any]]:
        return {}, {"ends": np.array([self.ends[0], 0.0])}


class Counting(Range):
    """Counts merges in its state, so that an empty one is not neutral."""

    def __init__(self) -> None:
        super().__init__()
        self.merges = 0

    def merge(self, other: Self) -> None:
        super().merge(other)
        self.merges += 1

    def parts(self) -> tuple[dict[str, Any], dict[str, Any]]:
        return {"merges": self.merges}, {"ends": self.ends}

    def restore(self, header: Mapping[str, Any], arrays: Mapping[str, Any]) -> None:
        self.merges, self.ends = header["merges"], arrays["ends"]


class Failing(Range):
    """Fails on the first block that has values."""

    def update(self, inputs: Any) -> None:
        if inputs.rows:
            raise ZeroDivisionError("nothing to divide by")


class Texts(Range):
    """Declared as a number, gives text."""

    def result(self) -> Any:
        return "wide"


class NoMerge:
    """Lacks most of the protocol."""

    def update(self, inputs: Any) -> None: ...
