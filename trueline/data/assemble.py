"""From the results of single files to finished Examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trueline._core import store
from trueline._core.errors import DataError
from trueline._core.hash import HASH_NAME
from trueline._core.rowid import ROW_COLUMN
from trueline.data.examples import StoredBlock, write_examples_json
from trueline.data.report import IngestReport
from trueline.data.splits import SPLIT_RULE, SplitRule
from trueline.data.writer import remove_strays
from trueline.engine.base import Block, Dataset, Shard

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["SourceResult", "assemble", "check_same_names", "source_dataset"]

_SHOWN = 10


@dataclass(frozen=True)
class SourceResult:
    """What became of one input file: rows of each block by split, and its rejects."""

    number: int
    name: str
    rows: int
    rejects: int
    first: tuple[str, ...]
    rejects_file: str | None
    parts: Mapping[str, tuple[int, ...]]

    @classmethod
    def of(cls, number: int, name: str, data: Mapping[str, Any]) -> SourceResult:
        """From a job's JSON result."""
        parts = {split: tuple(counts) for split, counts in data["parts"].items()}
        first, rejects_file = tuple(data.get("first", ())), data.get("rejects_file")
        return cls(number, name, data["rows"], data.get("rejects", 0), first, rejects_file, parts)


def source_dataset(uris: Mapping[int, str]) -> Dataset:
    """Input files as blocks for `Engine.map_blocks`: the number is the source's."""
    import pyarrow as pa

    return Dataset((Shard(0, tuple(Block(n, uri, 0, 0) for n, uri in uris.items())),), pa.schema([]))


def check_same_names(headers: Sequence[tuple[str, Sequence[str]]]) -> None:
    """All files of one input have the same columns in the same order.

    Raises:
        DataError: naming the first file that differs, with both headers.
    """
    first_name, first = headers[0]
    for name, names in headers[1:]:
        if list(names) == list(first):
            continue
        what = "in another order" if sorted(names) == sorted(first) else "other columns"
        raise DataError(
            f"the files of one input have {what if what.startswith('other') else 'their columns ' + what}",
            where=name,
            problems=[f"{first_name}: {', '.join(first)}", f"{name}: {', '.join(names)}"],
            hint="give all files the same header, or ingest them apart.",
        )


def assemble(uri: str, schema: pa.Schema, results: Sequence[SourceResult], rule: SplitRule) -> IngestReport:
    """Numbers the blocks in the order of source and position, removes strays and writes ``examples.json``."""
    import pyarrow as pa

    blocks: dict[str, list[StoredBlock]] = {name: [] for name in rule.names}
    for result in results:
        for split, counts in result.parts.items():
            name = f"Split-{split}/part-{result.number:05d}.parquet"
            blocks[split] += [StoredBlock(len(blocks[split]) + i, name, i, rows) for i, rows in enumerate(counts)]
    winners = {b.file for found in blocks.values() for b in found}
    winners |= {r.rejects_file for r in results if r.rejects_file is not None}
    folders = [name for name in store.listdir(uri) if name.startswith("Split-")]
    remove_strays(uri, [*folders, "rejects"], winners)
    more = {
        "split_rule": {"name": SPLIT_RULE, "hash": HASH_NAME, "splits": [list(s) for s in rule.splits]},
        "rejects": {
            "rows": sum(r.rejects for r in results),
            "files": [r.rejects_file for r in results if r.rejects_file is not None],
        },
    }
    sources = [{"name": r.name, "rows": r.rows, "rejects": r.rejects} for r in results]
    write_examples_json(uri, schema.append(pa.field(ROW_COLUMN, pa.int64())), sources, blocks, more)
    return IngestReport(
        rows=sum(r.rows for r in results),
        rejects=sum(r.rejects for r in results),
        splits={name: sum(b.rows for b in found) for name, found in blocks.items()},
        files=len(results),
        columns={field.name: str(field.type) for field in schema},
        first_rejects=tuple(sentence for r in results for sentence in r.first)[:_SHOWN],
    )
