"""Rows in a random order, without holding them: scattered into buckets by hash, then sorted by hash in each bucket.

A row's place is that of ``hash(__row__)`` with the seed among all rows of its split, so the order depends on the seed
and the rows alone: not on files, workers or how many buckets there are. A bucket is a range of hashes, chosen so that
its rows take about `BUCKET_BYTES` in memory; the scattered rows lie in one file for each chunk of a job's rows, each
row group those of one bucket and split.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trueline._core import store
from trueline.data.repartition_job import Dealt, RowFile, file_dataset
from trueline.data.shuffle_job import scattered_name
from trueline.engine.base import Block, Dataset, Engine, FunctionSpec, Shard

if TYPE_CHECKING:
    import pyarrow as pa

    from trueline.data.rows import Keep
    from trueline.data.splits_rules import Rule

__all__ = ["BUCKET_BYTES", "MAX_BUCKETS", "Shuffle"]

BUCKET_BYTES = 32 << 20
"""How much of the rows (in memory, as Arrow) a bucket is meant to hold."""
MAX_BUCKETS = 4096
"""Beyond ``MAX_BUCKETS * BUCKET_BYTES`` (128 GiB) of rows buckets grow with the rows."""
_SAMPLE_ROWS = 16_384
_JOBS = "trueline.data.shuffle_job"
_PLAN = "shuffle.json"


@dataclass(frozen=True)
class Shuffle:
    """One shuffle of rows that lie in Parquet files.

    Attributes:
        uri: the artifact's folder.
        staging: the folder for scattered rows.
        seed: of the order.
        block_rows: rows of a block.
        engine: runs the jobs.
        bucket_bytes: what a bucket is meant to hold; `BUCKET_BYTES` by default.
    """

    uri: str
    staging: str
    seed: int
    block_rows: int
    engine: Engine
    bucket_bytes: int | None = None

    def run(
        self, files: Sequence[RowFile], full: pa.Schema, *, rule: Rule | None, keep: Keep, sources: Sequence[str]
    ) -> list[Dealt]:
        """Scatters and gathers; what each gathering job wrote."""
        buckets = self._buckets(files)
        params = {
            "staging": self.staging,
            "rule": None if rule is None else rule.to_json(),
            "fixed": {str(f.number): f.split for f in files if f.split is not None},
            "keep": keep.to_json(),
            "seed": self.seed,
            "buckets": buckets,
            "sources": list(sources),
        }
        scattered = self.engine.map_blocks(FunctionSpec(f"{_JOBS}:scatter_file", params), file_dataset(files, full))
        pieces = self._pieces(files, scattered)
        place = store.join(self.staging, _PLAN)
        store.write_text(place, json.dumps({str(n): found for n, (_, found) in enumerate(pieces)}))
        jobs = tuple(Block(n, place, 0, sum(p[2] for p in found)) for n, (_, found) in enumerate(pieces))
        gather = {"uri": self.uri, "seed": self.seed, "block_rows": self.block_rows, "splits": [s for s, _ in pieces]}
        written = self.engine.map_blocks(FunctionSpec(f"{_JOBS}:gather", gather), Dataset((Shard(0, jobs),), full))
        dealt = [Dealt(n, {s: tuple(w)}) for n, ((s, _), w) in enumerate(zip(pieces, written, strict=True))]
        left_out = (sum(r["filtered"] for r in scattered), sum(r["sampled_out"] for r in scattered))
        return [*dealt, Dealt(len(dealt), {}, *left_out)]

    def _buckets(self, files: Sequence[RowFile]) -> int:
        """How many buckets: by what the first rows of some files take in memory."""
        from trueline.engine.blocks import read_block

        rows = sum(sum(f.blocks) for f in files)
        looked = size = 0
        for found in files[:: max(len(files) // 4, 1)][:4]:
            batch = read_block(Block(0, found.uri, 0, found.blocks[0])).slice(0, _SAMPLE_ROWS)
            looked += batch.num_rows
            size += batch.get_total_buffer_size() if batch.num_rows < _SAMPLE_ROWS else batch.nbytes
        whole = size / max(looked, 1) * rows
        return max(1, min(MAX_BUCKETS, -(-int(whole) // (self.bucket_bytes or BUCKET_BYTES))))

    def _pieces(
        self, files: Sequence[RowFile], scattered: Sequence[Mapping[str, Any]]
    ) -> list[tuple[str, list[tuple[str, int, int]]]]:
        """For each split and bucket its row groups: file, number, rows; in the order of split and bucket."""
        pieces: dict[tuple[str, int], list[tuple[str, int, int]]] = {}
        for found, result in zip(files, scattered, strict=True):
            for chunk, groups in enumerate(result["chunks"]):
                place = store.join(self.staging, scattered_name(found.number, chunk))
                for group, (split, bucket, rows) in enumerate(groups):
                    pieces.setdefault((split, bucket), []).append((place, group, rows))
        return [(split, pieces[split, bucket]) for split, bucket in sorted(pieces)]
