"""What a source of rows is: numbered parts that yield Arrow batches. Every format, and a user's own, is one of these.

A source is data to the engine (`SourceSpec`: an importable name and JSON parameters), so that each part can be read in
a process of its own. `trueline.data.ingest` turns any source into Examples; `source_batches` reads it without writing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

__all__ = ["Reject", "SchemaGrew", "Source", "SourceBatch", "SourceSpec"]

_TEXT_SHOWN = 120


@dataclass(frozen=True)
class Reject:
    """A row that is not taken in.

    Attributes:
        record: its number in its part, from 0.
        column: the column at fault; None: the whole row.
        reason: why, in a few words.
        text: the row or value as it stands in the source, for people.
        line: the physical line where it begins, from 1, where the format has lines.
    """

    record: int
    column: str | None
    reason: str
    text: str
    line: int | None = None

    def to_json(self, source: str) -> dict[str, Any]:
        """A line of the rejects file."""
        return {
            "source": source,
            "line": self.line,
            "record": self.record,
            "column": self.column,
            "reason": self.reason,
            "text": self.text,
        }

    def sentence(self, source: str) -> str:
        """The reject for people."""
        column = f", column {self.column!r}" if self.column is not None else ""
        shown = self.text if len(self.text) <= _TEXT_SHOWN else self.text[:_TEXT_SHOWN] + "..."
        place = f"record {self.record + 1}" if self.line is None else f"line {self.line}"
        return f"{source} {place}{column}: {self.reason}: {shown!r}"


@dataclass(frozen=True)
class SourceBatch:
    """Rows of a part, in order.

    Attributes:
        batch: the columns of the source's schema, in its order and types.
        records: int64 ``[rows]``, each row's record number in its part, ascending; None: they follow the last batch's.
        rejects: rows found bad since the last batch; the batch may have no rows.
    """

    batch: pa.RecordBatch
    records: np.ndarray[Any, np.dtype[np.int64]] | None = None
    rejects: Sequence[Reject] = field(default=())


class SchemaGrew(Exception):  # noqa: N818 - a message to the ingestion, not an error
    """Raised by `Source.read` when a value does not fit the schema that it was given: reading starts again with this.

    Args:
        schema: the wider schema; joined with what other parts ask for by `trueline.data.widening.join_schemas`.
    """

    def __init__(self, schema: pa.Schema) -> None:
        self.schema = schema
        super().__init__("the schema grew")


@runtime_checkable
class Source(Protocol):
    """Rows in numbered parts: files, partitions of a query, tables.

    ``parts`` and ``schema`` are asked once, by the process that starts the ingestion; ``read`` is called in any worker,
    on a source made anew by its `SourceSpec`.
    """

    def parts(self) -> Sequence[str]:
        """Names of the parts, in the order that numbers them: relative file names, table names."""
        ...

    def schema(self) -> pa.Schema:
        """The raw columns of every part in the contract's types (see `trueline._core.values.widened_type`).

        Raises:
            DataError: an input that is not there or cannot be read, or parts that do not fit together.
        """
        ...

    def read(self, part: int, schema: pa.Schema) -> Iterator[SourceBatch]:
        """The part's rows.

        Raises:
            DataError: naming part and place, when the rest cannot be read.
            SchemaGrew: when a value does not fit.
        """
        ...

    def fingerprint(self) -> str | None:
        """A hash of the contents for the cache key; None where only reading would tell (then nothing is cached)."""
        ...


@dataclass(frozen=True)
class SourceSpec:
    """A source as data.

    Attributes:
        name: ``package.module:factory``; ``factory(**params)`` makes the `Source`.
        params: JSON values only; no secrets (connection strings name environment variables instead).
    """

    name: str
    params: Mapping[str, Any] = field(default_factory=dict)

    def open(self) -> Source:
        """The source.

        Raises:
            EngineError: when the name leads nowhere.
            ConfigError: when the parameters are wrong.
        """
        from trueline.data.params import check_params
        from trueline.engine.base import resolve

        factory = resolve(self.name)
        check_params(self.name, factory, self.params)
        source: Source = factory(**self.params)
        return source
