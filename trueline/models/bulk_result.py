"""Predictions as they lie in a folder: ``inference.json`` (format 1) and Parquet files in ``Split-<name>/``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from trueline._core import store
from trueline._core.errors import ArtifactError, did_you_mean
from trueline.engine.base import Block, Dataset, Shard

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["INFERENCE_FORMAT", "INFERENCE_NAME", "Predictions", "write_inference_json"]

INFERENCE_NAME = "inference.json"
INFERENCE_FORMAT = 1


@dataclass(frozen=True)
class Predictions:
    """What `predict_dataset` wrote.

    Attributes:
        uri: the folder.
        arrow_schema: the columns of every split, ``__row__`` first where the rows had it.
        model: ``name``, ``task``, ``label``, ``classes`` and ``fingerprint`` of the model.
        blocks: each split's files as ``(number, file, rows)``, in order.
    """

    uri: str
    arrow_schema: pa.Schema = field(compare=False)
    model: Mapping[str, Any]
    blocks: Mapping[str, tuple[tuple[int, str, int], ...]]

    @classmethod
    def open(cls, uri: str) -> Predictions:
        """Opens predictions.

        Raises:
            ArtifactError: no or a damaged ``inference.json``, or another format.
        """
        from trueline.data.arrow_json import schema_from_json

        place = store.join(uri, INFERENCE_NAME)
        if not store.exists(place):
            raise ArtifactError(
                f"no {INFERENCE_NAME}: these are no predictions, or they were never finished", where=uri
            )
        try:
            data = json.loads(store.read_text(place))
            if data["format"] != INFERENCE_FORMAT:
                raise ArtifactError(f"format {data['format']!r}; this release reads {INFERENCE_FORMAT}", where=place)
            blocks = {str(name): tuple(map(_block, split["blocks"])) for name, split in data["splits"].items()}
            model = dict(data["model"])
            if not isinstance(model.get("classes") or [], list):
                raise ValueError("the model's classes are no list")
            return cls(uri, schema_from_json(data["schema"]), model, blocks)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ArtifactError(f"the file is damaged: {type(error).__name__}: {error}", where=place) from error

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits; ``all`` where the rows had none."""
        return tuple(self.blocks)

    def num_rows(self, split: str | None = None) -> int:
        """Rows of a split, or of all."""
        return sum(rows for name in ([split] if split else self.splits) for _, _, rows in self._split(name))

    def _split(self, split: str) -> tuple[tuple[int, str, int], ...]:
        if split not in self.blocks:
            raise ArtifactError(f"there is no split {split!r}", where=self.uri, hint=did_you_mean(split, self.splits))
        return self.blocks[split]

    def dataset(self, split: str) -> Dataset:
        """A split's rows in blocks, in the order of the data."""
        blocks = tuple(Block(n, store.join(self.uri, file), 0, rows) for n, file, rows in self._split(split))
        return Dataset((Shard(0, blocks),), self.arrow_schema)

    def batches(self, split: str | None = None) -> Iterator[pa.RecordBatch]:
        """Rows of a split, or of all, block by block.

        Raises:
            ArtifactError: a file that holds other columns than ``inference.json`` says.
        """
        for name in [split] if split else self.splits:
            for batch in self.dataset(name).batches():
                if not batch.schema.equals(self.arrow_schema):
                    raise ArtifactError(f"a file of {name!r} has other columns than {INFERENCE_NAME}", where=self.uri)
                yield batch

    def table(self, split: str | None = None) -> pa.Table:
        """Rows of a split, or of all, in memory."""
        import pyarrow as pa

        return pa.Table.from_batches(self.batches(split), schema=self.arrow_schema)

    def _repr_html_(self) -> str:
        return self.table(self.splits[0]).slice(0, 20).to_pandas().to_html() if self.splits else "no predictions"


def _block(data: Mapping[str, Any]) -> tuple[int, str, int]:
    name = data["file"]
    if {"", ".", ".."} & set(str(name).split("/")) or "\\" in name or "://" in name:
        raise ValueError(f"a block lies outside the folder: {name!r}")
    return int(data["number"]), str(name), int(data["rows"])


def write_inference_json(
    uri: str,
    schema: pa.Schema,
    model: Mapping[str, Any],
    columns: Sequence[Sequence[str]],
    blocks: Mapping[str, Sequence[tuple[int, str, int]]],
) -> None:
    """Writes ``inference.json``; the files that it names must be there already."""
    from trueline.data.arrow_json import schema_to_json

    content = {
        "format": INFERENCE_FORMAT,
        "model": dict(model),
        "schema": schema_to_json(schema),
        "columns": [{"name": name, "from": origin, "source": there} for name, origin, there in columns],
        "splits": {
            name: {
                "rows": sum(rows for _, _, rows in found),
                "blocks": [{"number": n, "file": file, "rows": rows} for n, file, rows in found],
            }
            for name, found in blocks.items()
        },
    }
    store.write_text(store.join(uri, INFERENCE_NAME), json.dumps(content, indent=1, ensure_ascii=False) + "\n")
