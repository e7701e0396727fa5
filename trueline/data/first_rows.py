"""The first rows of a source: parts one after another until there are enough; the parts behind them are not read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from trueline.data.assemble import source_dataset
from trueline.engine.base import Engine, FunctionSpec

__all__ = ["first_parts", "shares_of"]


def shares_of(rows: int, splits: Sequence[str | None]) -> dict[str | None, int]:
    """How many rows each input split gets: equal shares, one more for the first splits where they do not come out.

    >>> shares_of(5, [None, None]), shares_of(5, ["train", "train", "eval"])
    ({None: 5}, {'train': 3, 'eval': 2})
    """
    names = list(dict.fromkeys(splits))
    share, over = divmod(rows, len(names))
    return {name: share + (i < over) for i, name in enumerate(names)}


def first_parts(
    engine: Engine, function: FunctionSpec, labels: Sequence[str], splits: Sequence[str | None], rows: int
) -> dict[int, dict[str, Any]]:
    """Runs the job of every part, each told how many rows are still wanted.

    Args:
        engine: runs the jobs.
        function: the job of a part, see `trueline.data.ingest_part`.
        labels: the names of all parts.
        splits: the input split of each part, or None.
        rows: how many rows are wanted in all.

    Returns:
        The jobs' results by part; a part behind the last wanted row has none of its rows.
    """
    wanted = shares_of(rows, splits)
    done: dict[int, dict[str, Any]] = {}
    behind: dict[int, str] = {}
    for number, (label, split) in enumerate(zip(labels, splits, strict=True)):
        if not wanted[split]:
            behind[number] = label
            continue
        done[number] = _run(engine, function, {number: label}, wanted[split])[number]
        wanted[split] -= done[number].get("rows", 0)
    return {**done, **_run(engine, function, behind, 0)}


def _run(engine: Engine, function: FunctionSpec, labels: Mapping[int, str], limit: int) -> dict[int, dict[str, Any]]:
    if not labels:
        return {}
    limited = replace(function, params={**function.params, "limit": limit})
    return dict(zip(labels, engine.map_blocks(limited, source_dataset(labels)), strict=True))
