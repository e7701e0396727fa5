"""The Examples artifact: what ``examples.json`` says, and the rows as datasets of blocks.

``examples.json`` (format 1) holds the Arrow schema, the sources in the order of ``__row__``'s source numbers, the split
rule, and for each split its blocks, numbered from 0. The Parquet files lie in ``Split-<name>/``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from trueline._core import store
from trueline._core.errors import ArtifactError, did_you_mean
from trueline.data.arrow_json import schema_from_json, schema_to_json
from trueline.engine.base import Block, Dataset, Shard

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["EXAMPLES_FORMAT", "EXAMPLES_NAME", "Examples", "StoredBlock", "write_examples_json"]

EXAMPLES_NAME = "examples.json"
EXAMPLES_FORMAT = 1


@dataclass(frozen=True)
class StoredBlock:
    """One row group: its number in the split, its file relative to the artifact, and its rows."""

    number: int
    file: str
    row_group: int
    rows: int


@dataclass(frozen=True)
class Examples:
    """Examples as they lie in a folder; nothing is read before it is asked for.

    Attributes:
        uri: the artifact's folder.
        arrow_schema: the columns of every split, ``__row__`` last.
        sources: what was ingested: ``{"name", "rows", "rejects"}``, in the order of the source numbers in ``__row__``.
        blocks: each split's blocks.
        info: the whole of ``examples.json``.
    """

    uri: str
    arrow_schema: pa.Schema = field(compare=False)
    sources: tuple[Mapping[str, Any], ...] = field(compare=False)
    blocks: Mapping[str, tuple[StoredBlock, ...]]
    info: Mapping[str, Any] = field(compare=False, repr=False)

    @classmethod
    def open(cls, uri: str, verify: bool = False) -> Examples:
        """Opens Examples.

        Args:
            uri: the artifact's folder.
            verify: check ``MANIFEST.json`` and the contents of every file against it.

        Raises:
            ArtifactError: no or a damaged ``examples.json``, a newer format, or (`verify`) changed files.
        """
        if verify:
            from trueline._core.manifest import read_manifest

            read_manifest(uri, verify="sha256")
        place = store.join(uri, EXAMPLES_NAME)
        if not store.exists(place):
            raise ArtifactError(
                f"no {EXAMPLES_NAME}: these are no Examples, or they were never finished",
                where=uri,
                hint="run the ingestion again.",
            )
        try:
            data = json.loads(store.read_text(place))
            if data["format"] != EXAMPLES_FORMAT:
                raise ArtifactError(f"format {data['format']!r}; this release reads {EXAMPLES_FORMAT}", where=place)
            schema = schema_from_json(data["schema"])
            blocks = {str(n): tuple(map(_block, s["blocks"])) for n, s in data["splits"].items()}
            sources = tuple(dict(s) for s in data["sources"])
            _check_places(uri, blocks)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ArtifactError(f"the file is damaged: {type(error).__name__}: {error}", where=place) from error
        return cls(uri, schema, sources, blocks, data)

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits' names, in the order they were declared."""
        return tuple(self.blocks)

    def _split(self, split: str) -> tuple[StoredBlock, ...]:
        if split not in self.blocks:
            raise ArtifactError(f"there is no split {split!r}", where=self.uri, hint=did_you_mean(split, self.splits))
        return self.blocks[split]

    def num_rows(self, split: str) -> int:
        """Rows of a split.

        Raises:
            ArtifactError: when there is no such split.
        """
        return sum(block.rows for block in self._split(split))

    def dataset(self, split: str) -> Dataset:
        """A split for the engine.

        Raises:
            ArtifactError: when there is no such split.
        """
        blocks = (Block(b.number, store.join(self.uri, b.file), b.row_group, b.rows) for b in self._split(split))
        return Dataset((Shard(0, tuple(blocks)),), self.arrow_schema)

    def table(self, split: str, columns: Sequence[str] | None = None) -> pa.Table:
        """All rows of a split in memory: for small data, notebooks and tests.

        Raises:
            ArtifactError: when there is no such split or column, or a file is gone.
        """
        import pyarrow as pa

        dataset = self.dataset(split)
        names = self.arrow_schema.names
        if problems := [f"{c!r}. {did_you_mean(str(c), names)}" for c in columns or () if c not in names]:
            raise ArtifactError("the Examples have no such column", where=self.uri, problems=problems)
        schema = self.arrow_schema if columns is None else pa.schema([self.arrow_schema.field(c) for c in columns])
        return pa.Table.from_batches(dataset.batches(columns), schema=schema)


def _check_places(uri: str, blocks: Mapping[str, Sequence[StoredBlock]]) -> None:
    """Names become folders where the rows are written anew; a link could lead to any file of this machine.

    Raises:
        ValueError: a name that no split has, a file that a link takes out of the artifact.
    """
    from trueline.data.splits import check_split_name

    problems = [p for name in blocks if (p := check_split_name(name))]
    if store.is_local(uri) and not problems:
        root = store.local_path(uri).resolve()
        names = dict.fromkeys(b.file for found in blocks.values() for b in found)
        problems = [
            f"a link leads out of the artifact: {n!r}" for n in names if not (root / n).resolve().is_relative_to(root)
        ]
    if problems:
        raise ValueError("; ".join(problems[:3]))


def _block(data: Mapping[str, Any]) -> StoredBlock:
    numbers = (data["number"], data["row_group"], data["rows"])
    name = data["file"]
    if any(not isinstance(n, int) or n < 0 for n in numbers) or not isinstance(name, str):
        raise ValueError(f"a block {dict(data)!r}")
    if "://" in name or "\0" in name or "\\" in name or {"", ".", ".."} & set(name.split("/")):
        raise ValueError(f"a block lies outside the artifact, or nowhere: {name!r}")
    return StoredBlock(data["number"], name, data["row_group"], data["rows"])


def write_examples_json(
    uri: str,
    schema: pa.Schema,
    sources: Sequence[Mapping[str, Any]],
    blocks: Mapping[str, Sequence[StoredBlock]],
    more: Mapping[str, Any],
) -> None:
    """Writes ``examples.json``; the files that it names must be there already."""
    content = {
        "format": EXAMPLES_FORMAT,
        "schema": schema_to_json(schema),
        "sources": [dict(s) for s in sources],
        "splits": {
            name: {
                "rows": sum(b.rows for b in found),
                "blocks": [
                    {"number": b.number, "file": b.file, "row_group": b.row_group, "rows": b.rows} for b in found
                ],
            }
            for name, found in blocks.items()
        },
        **more,
    }
    store.write_text(store.join(uri, EXAMPLES_NAME), json.dumps(content, indent=1) + "\n")
