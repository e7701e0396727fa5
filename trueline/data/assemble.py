"""From the results of single jobs to finished Examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trueline._core import store
from trueline._core.rowid import ROW_COLUMN
from trueline.data.examples import StoredBlock, write_examples_json
from trueline.data.report import IngestReport
from trueline.data.splits import SplitRule
from trueline.data.widening import check_same_names
from trueline.data.writer import remove_strays
from trueline.engine.base import Block, Dataset, Shard

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["SourceResult", "assemble", "check_same_names", "finish", "source_dataset"]

_SHOWN = 10


@dataclass(frozen=True)
class SourceResult:
    """What became of one part of a source: rows of each block by split, and its rejects."""

    number: int
    name: str
    rows: int
    rejects: int
    first: tuple[str, ...]
    rejects_file: str | None
    parts: Mapping[str, tuple[int, ...]]
    filtered: int = 0
    sampled_out: int = 0
    split: str | None = None

    @classmethod
    def of(cls, number: int, name: str, data: Mapping[str, Any], split: str | None = None) -> SourceResult:
        """From a job's JSON result."""
        parts = {split: tuple(counts) for split, counts in data["parts"].items()}
        first, rejects_file = tuple(data.get("first", ())), data.get("rejects_file")
        left_out = data.get("filtered", 0), data.get("sampled_out", 0)
        return cls(
            number, name, data["rows"], data.get("rejects", 0), first, rejects_file, parts, *left_out, split=split
        )

    def to_json(self) -> dict[str, Any]:
        """The part's entry in ``examples.json``; what is zero or nothing is left out."""
        more = {"filtered": self.filtered, "sampled_out": self.sampled_out, "split": self.split}
        return {"name": self.name, "rows": self.rows, "rejects": self.rejects, **{k: v for k, v in more.items() if v}}


def source_dataset(uris: Mapping[int, str]) -> Dataset:
    """Input files as blocks for `Engine.map_blocks`: the number is the source's."""
    import pyarrow as pa

    return Dataset((Shard(0, tuple(Block(n, uri, 0, 0) for n, uri in uris.items())),), pa.schema([]))


def finish(
    uri: str,
    full: pa.Schema,
    names: Sequence[str],
    outputs: Sequence[tuple[int, Mapping[str, Sequence[int]]]],
    sources: Sequence[Mapping[str, Any]],
    more: Mapping[str, Any],
    keep_files: Sequence[str] = (),
) -> dict[str, int]:
    """Numbers the blocks in the order of job and position, removes strays and writes ``examples.json``.

    Args:
        uri: the artifact's folder.
        full: the rows' schema, ``__row__`` included.
        names: the splits, in order.
        outputs: each job's number and what it wrote: the rows of the blocks of ``part-<number>``, by split.
        sources: the entries of ``sources``.
        more: further entries of ``examples.json``.
        keep_files: files of ``rejects/`` that belong to it.

    Returns:
        The rows of each split.
    """
    blocks: dict[str, list[StoredBlock]] = {name: [] for name in names}
    for number, parts in outputs:
        for split, counts in parts.items():
            name = f"Split-{split}/part-{number:05d}.parquet"
            blocks[split] += [StoredBlock(len(blocks[split]) + i, name, i, rows) for i, rows in enumerate(counts)]
    winners = {b.file for found in blocks.values() for b in found} | set(keep_files)
    folders = [name for name in store.listdir(uri) if name.startswith("Split-")]
    remove_strays(uri, [*folders, "rejects"], winners)
    write_examples_json(uri, full, sources, blocks, more)
    return {name: sum(b.rows for b in found) for name, found in blocks.items()}


def report_of(results: Sequence[SourceResult], splits: Mapping[str, int], schema: pa.Schema) -> IngestReport:
    """The counts of an ingestion."""
    return IngestReport(
        rows=sum(splits.values()),
        rejects=sum(r.rejects for r in results),
        splits=splits,
        files=len(results),
        columns={field.name: str(field.type) for field in schema},
        first_rejects=tuple(sentence for r in results for sentence in r.first)[:_SHOWN],
        filtered=sum(r.filtered for r in results),
        sampled_out=sum(r.sampled_out for r in results),
    )


def rejects_json(results: Sequence[SourceResult]) -> dict[str, Any]:
    """The entry ``rejects`` of ``examples.json``."""
    files = [r.rejects_file for r in results if r.rejects_file is not None]
    return {"rows": sum(r.rejects for r in results), "files": files}


def assemble(uri: str, schema: pa.Schema, results: Sequence[SourceResult], rule: SplitRule) -> IngestReport:
    """Finishes Examples of which each source wrote its own files."""
    import pyarrow as pa

    more = {"split_rule": rule.describe(), "rejects": rejects_json(results)}
    full = schema.append(pa.field(ROW_COLUMN, pa.int64()))
    outputs = [(r.number, r.parts) for r in results]
    sources = [r.to_json() for r in results]
    splits = finish(uri, full, rule.names, outputs, sources, more, more["rejects"]["files"])
    return report_of(results, splits, schema)
