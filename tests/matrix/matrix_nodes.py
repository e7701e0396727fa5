"""Nodes of the matrix: small functions with numbers, files, values and properties, and some that go wrong."""

from __future__ import annotations

import time
from pathlib import Path
from typing import NamedTuple

from trueline._core import store
from trueline.pipeline import ExecutionContext, Input, Output, component
from trueline.pipeline.artifacts import Examples, Integer


class Halves(NamedTuple):
    low: int
    high: int


@component
def number(value: int) -> int:
    return value


@component
def add(a: int, b: int = 0) -> int:
    return a + b


@component
def halves(n: int) -> Halves:
    return Halves(n // 2, n - n // 2)


@component
def up_to(n: int) -> list:  # type: ignore[type-arg]
    return list(range(n))


@component
def total(values: list[int]) -> int:
    return sum(values)


@component
def ordered(numbers: Input[list[Integer]]) -> list[int]:
    return [handle.value for handle in numbers]


@component
def rows(n: int, file: Output[Examples]) -> None:
    store.write_text(file.path("Split-train", "rows.txt"), "row\n" * n)
    file.properties.update(span=n, split_names=["train"], origin="matrix")


@component
def count_rows(file: Input[Examples]) -> int:
    return len(store.read_text(file.path("Split-train", "rows.txt")).splitlines())


@component
def broken(n: int = 0) -> int:
    raise ValueError(f"broken at {n}")


@component
def fails_first(folder: str, times: int) -> int:
    """Fails so many times, counted outside."""
    place = Path(folder) / "attempts"
    with place.open("a") as file:
        file.write("x")
    tries = place.stat().st_size
    if tries <= times:
        raise RuntimeError(f"attempt {tries} fails")
    return tries


@component
def needs_file(path: str, n: int = 1) -> int:
    if not Path(path).exists():
        raise FileNotFoundError(path)
    return n


@component
def nap(seconds: float) -> int:
    time.sleep(seconds)
    return 1


@component
def told(status: dict, folder: str, ctx: ExecutionContext) -> str:  # type: ignore[type-arg]
    (Path(folder) / "told").write_text(f"{status['state']} {sorted(status['failed'])}")
    return str(status["state"])


@component
def text(value: str) -> str:
    return value
