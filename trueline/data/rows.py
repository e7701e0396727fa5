"""Which rows are kept (`Keep`: a filter and a sample), and where rows go (`SplitOutput`, `RejectOutput`)."""

from __future__ import annotations

import contextlib
import json
import os
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from trueline._core import store
from trueline._core.errors import ConfigError, DataError, ExprError, did_you_mean
from trueline._core.rowid import ROW_COLUMN
from trueline.data.source import Reject
from trueline.data.splits import rows_by_split
from trueline.data.writer import PartWriter

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["SHOWN_REJECTS", "Keep", "RejectOutput", "SplitOutput", "known_columns"]

SHOWN_REJECTS = 10
_SAMPLE_SEED = 0x53414D504C45
"""So that the sample is not the same draw as a split, a shuffle or a bootstrap weight of the same seed."""


def known_columns(wanted: Sequence[str], existing: Sequence[str], use: str) -> list[str]:
    """A problem for each column that does not exist."""
    return [f"{use}: there is no column {n!r}. {did_you_mean(n, existing)}" for n in wanted if n not in existing]


@dataclass(frozen=True)
class Keep:
    """Which rows are kept.

    Args:
        where: an expression over raw columns (`trueline._core.expr`); rows for which it is true are kept.
        sample: the share of the remaining rows that is kept, by a hash of ``__row__`` and `seed`: the same rows for
            any engine, and a larger share keeps what a smaller one kept.
        seed: another draw for another seed.

    Raises:
        ConfigError: for an expression that does not parse or a share outside (0, 1]; all problems at once.
    """

    where: str | None = None
    sample: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        problems = []
        if self.where is not None:
            try:
                self._expression()
            except ExprError as error:
                problems.append(f"where: {error}")
        if self.sample is not None and not 0 < self.sample <= 1:
            problems.append(f"sample is {self.sample!r}, give a share above 0 and at most 1")
        if problems:
            raise ConfigError("the rows to keep are described wrongly", problems=problems)

    def _expression(self) -> Any:
        from trueline._core.expr import parse

        return parse(self.where or "True")

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that `mask` reads."""
        found = tuple(self._expression().columns) if self.where is not None else ()
        return found if self.sample is None or ROW_COLUMN in found else (*found, ROW_COLUMN)

    @property
    def all(self) -> bool:
        """Whether every row is kept."""
        return self.where is None and self.sample is None

    def check(self, schema: pa.Schema) -> list[str]:
        """What is wrong with the expression for these columns: unknown ones, types that do not go together."""
        import pyarrow as pa

        if self.where is None:
            return []
        unknown = known_columns(self._expression().columns, schema.names, "where")
        if unknown:
            return unknown
        try:
            self._expression().mask(pa.RecordBatch.from_pylist([], schema=schema))
        except ExprError as error:
            return [f"where: {error}"]
        return []

    def apply(self, batch: pa.RecordBatch) -> tuple[pa.RecordBatch, int, int]:
        """The kept rows; how many the filter left out; how many of the others the sample left out."""
        rows = batch.num_rows
        if self.where is not None:
            batch = self._expression().filter(batch)
        filtered = rows - batch.num_rows
        if self.sample is None or self.sample >= 1:
            return batch, filtered, 0
        import pyarrow as pa

        from trueline._core.hash import hash_array

        limit = np.uint64(int(self.sample * 2.0**64))
        drawn = hash_array(batch.column(ROW_COLUMN), self.seed ^ _SAMPLE_SEED) < limit
        kept = batch.filter(pa.array(drawn))
        return kept, filtered, batch.num_rows - kept.num_rows

    def to_json(self) -> dict[str, Any]:
        """The arguments as JSON."""
        return {"where": self.where, "sample": self.sample, "seed": self.seed}


class SplitOutput:
    """The Parquet files of one job, one a split; a split without rows gets none.

    Args:
        uri: the artifact's folder.
        number: the job's number, part of the files' names.
        rule: which split a row belongs to.
        schema: the rows' schema, ``__row__`` included.
        block_rows: rows of a block.
        sources: names of the sources that ``__row__`` numbers, for errors.
        folder: the folder of a split; ``{split}`` stands for its name.
    """

    def __init__(
        self,
        uri: str,
        number: int,
        rule: Any,
        schema: pa.Schema,
        block_rows: int,
        *,
        sources: Sequence[str] | None = None,
        folder: str = "Split-{split}",
    ) -> None:
        self._rule, self._sources = rule, sources
        self._parts = {
            name: PartWriter(uri, f"{folder.format(split=name)}/part-{number:05d}.parquet", schema, block_rows)
            for name in rule.names
        }

    def write(self, batch: pa.RecordBatch) -> None:
        """Takes in rows."""
        if batch.num_rows:
            for name, part in rows_by_split(self._rule.names, self._rule, batch, self._sources):
                self._parts[name].write(part)

    def close(self) -> dict[str, list[int]]:
        """Finishes the files; the rows of each of their blocks, by split."""
        return {name: part.close() for name, part in self._parts.items()}

    def abort(self) -> None:
        """Drops what was written."""
        for part in self._parts.values():
            part.abort()


class RejectOutput:
    """The rejects of one part: a file of JSON lines under a name of this attempt, renamed when it is whole.

    Args:
        uri: the artifact's folder.
        number: the part's number.
        source: the part's name.
        limit: how many rejects are allowed.
    """

    def __init__(self, uri: str, number: int, source: str, limit: int) -> None:
        self._name = f"rejects/part-{number:05d}.jsonl"
        self._target = store.join(uri, self._name)
        self._source, self._limit = source, limit
        self._sink: IO[Any] | None = None
        self._temporary: str | None = None
        self.count = 0
        self.first: list[str] = []

    def write(self, rejects: Sequence[Reject]) -> None:
        """Takes in the rejects that a batch brought.

        Raises:
            DataError: when they are more than allowed, naming the first.
        """
        ordered = sorted(rejects, key=lambda r: r.record)
        self.count += len(ordered)
        self.first += [r.sentence(self._source) for r in ordered[: SHOWN_REJECTS - len(self.first)]]
        if self.count > self._limit:
            raise DataError(
                f"more than {self._limit} rows cannot be taken in" if self._limit else "a row cannot be taken in",
                where=self._source,
                problems=self.first,
                hint="mend the rows, or allow some with max_rejects: they are then kept in rejects/ and counted.",
            )
        for reject in ordered:
            line = json.dumps(reject.to_json(self._source), ensure_ascii=False) + "\n"
            self._open().write(line.encode("utf-8", "backslashreplace"))

    def close(self) -> str | None:
        """Finishes the file and gives its name below the artifact; None without rejects."""
        if self._sink is None:
            return None
        self._sink.close()
        if self._temporary is not None:
            os.replace(self._temporary, store.local_path(self._target))
        self._sink = self._temporary = None
        return self._name

    def abort(self) -> None:
        """Drops what was written."""
        if self._sink is not None:
            with contextlib.suppress(Exception):
                self._sink.close()
            with contextlib.suppress(Exception):
                store.remove_tree(self._temporary or self._target)
        self._sink = self._temporary = None

    def _open(self) -> IO[Any]:
        if self._sink is None:
            if store.is_local(self._target):
                path = store.local_path(self._target)
                self._temporary = str(path.with_name(f".{path.name}.{uuid.uuid4().hex}"))
            self._sink = store.open_uri(self._temporary or self._target, "wb")
        return self._sink


def keep_from_json(data: Mapping[str, Any]) -> Keep:
    """What `Keep.to_json` described."""
    return Keep(data["where"], data["sample"], data["seed"])
