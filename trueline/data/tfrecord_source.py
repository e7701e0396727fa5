"""TFRecord files of tf.Example or tf.SequenceExample as a source, and `ingest_tfrecord`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from trueline._core.errors import ConfigError, DataError
from trueline.data.file_source import FileParts
from trueline.data.source import Reject, SchemaGrew, SourceBatch
from trueline.data.tf_example_arrow import Columns, columns_of
from trueline.data.tf_example_decode import Decoded, decode
from trueline.data.tf_example_types import OPEN_MARK, join_open, named_type
from trueline.data.tfrecord import RecordBlock, record_blocks

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["PAYLOADS", "TfRecordSource"]

PAYLOADS = ("example", "sequence_example")
_BATCH_ROWS = 65_536
_SHOWN = 60


class TfRecordSource(FileParts):
    """Rows of TFRecord files, plain, gzip or zlib; each file is a part, columns stand by name.

    int64 lists give int64, float lists float64 (float32 widened, exactly), bytes lists utf8 where all values are UTF-8
    and bytes otherwise. A column is a plain value where every record that has it holds at most one value, else a list.
    A feature that is absent or has no kind is null. A feature with a kind and no values is an empty list; in a column
    of plain values, null.

    A SequenceExample's context features are columns; its feature lists are the fields of one struct column,
    ``##SEQUENCE##``, each a list of steps that are lists of values.

    Args:
        input_base: a TFRecord file, or a folder of them.
        pattern: which files of the folder, as in a shell.
        payload: ``example`` or ``sequence_example``.
        fixed: types that are not guessed, by column: ``int64``, ``float64``, ``utf8``, ``bytes`` or ``list<...>`` of
            one of them. Records that do not fit are rejects. Context features only.
        files: the files' names relative to `input_base`, where they are known already.

    Raises:
        ConfigError: a payload or type that does not exist.
    """

    def __init__(
        self,
        input_base: str,
        pattern: str = "*",
        payload: str = "example",
        fixed: Mapping[str, str] | None = None,
        files: Sequence[str] | None = None,
    ) -> None:
        if payload not in PAYLOADS:
            raise ConfigError(f"payload is {payload!r}", hint=f"give one of {', '.join(PAYLOADS)}.")
        self._fixed = dict(fixed or {})
        for name in self._fixed.values():
            named_type(name)
        self._sequence = payload == "sequence_example"
        options = json.dumps([payload, sorted(self._fixed.items())])
        super().__init__(input_base, pattern, files, options)

    def schema(self) -> pa.Schema:
        """The columns in the first block of every file; `read` asks for more when more comes.

        Raises:
            DataError: a file that is no TFRecord file, or numbers in one file where another has bytes.
        """
        schema = _empty()
        for part, label in enumerate(self.parts()):
            here = _empty()
            for _, found in self._decoded(part, only_first=True):
                here = columns_of(found, here, self._fixed).schema
            schema = join_open(schema, here, ("the files before it", label))
        return schema

    def read(self, part: int, schema: pa.Schema) -> Iterator[SourceBatch]:
        """The file's rows. What does not fit is looked for to the end of the file, then asked for at once.

        Raises:
            DataError: naming file, record and byte, after all rows before that place.
            SchemaGrew: for features that are new, or do not fit their column.
        """
        grown = schema
        try:
            for block, found in self._decoded(part):
                made = columns_of(found, grown, self._fixed)
                if made.batch is None:
                    grown = made.schema
                if grown is schema and made.batch is not None:
                    yield _rows(block, found, made)
        except DataError:
            if grown is schema:
                raise
            # The rows before the damage are to be had first; the next reading comes to it again.
        if grown is not schema:
            raise SchemaGrew(grown)

    def _decoded(self, part: int, only_first: bool = False) -> Iterator[tuple[RecordBlock, Decoded]]:
        """Batches of records with an intact frame; their number in `Decoded` is that in the block."""
        for block in record_blocks(self.uri(part)):
            for begin in range(0, block.starts.size, _BATCH_ROWS):
                end = min(begin + _BATCH_ROWS, block.starts.size)
                chosen = np.flatnonzero(block.intact[begin:end]) + begin
                found = decode(block.data, block.starts[chosen], block.lengths[chosen], sequence=self._sequence)
                bad = {int(chosen[number]): reason for number, reason in found.bad.items()}
                for number in (np.flatnonzero(~block.intact[begin:end]) + begin).tolist():
                    bad[number] = f"the checksum of the record's bytes is wrong, at byte {block.place(number)}"
                yield block, _renumbered(found, chosen, bad)
            if only_first:
                return


def _empty() -> pa.Schema:
    import pyarrow as pa

    return pa.schema([], metadata={OPEN_MARK: b"1"})


def _renumbered(found: Decoded, chosen: Any, bad: Mapping[int, str]) -> Decoded:
    return Decoded(chosen[found.records], found.columns, found.values, found.lists, found.steps, bad)


def _rows(block: RecordBlock, found: Decoded, made: Columns) -> SourceBatch:
    import pyarrow as pa

    rejects = [_reject(block, index, None, reason) for index, reason in found.bad.items()]
    rejects += [_reject(block, int(found.records[row]), *why) for row, why in made.bad.items()]
    records, batch = found.records, made.batch
    if made.bad:
        keep = np.ones(records.size, bool)
        keep[list(made.bad)] = False
        records = records[keep]
        batch = None if batch is None else batch.filter(pa.array(keep))
    return SourceBatch(batch, records + block.first, sorted(rejects, key=lambda r: r.record))


def _reject(block: RecordBlock, index: int, column: str | None, reason: str) -> Reject:
    raw = block.record(index)
    return Reject(block.first + index, column, reason, repr(raw[:_SHOWN])[2:-1] + ("..." if len(raw) > _SHOWN else ""))
