"""Laws that the features of every analyzer keep: no bit depends on who worked where, and none is lost in a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa

import trueline.transform as tlt
from trueline._core.values import raw_feature_of
from trueline.engine import Dataset, LocalEngine
from trueline.transform.analysis import analyze
from trueline.transform.output import TransformOutput
from trueline.transform.tracer import trace

Function = Callable[[Any], dict[str, Any]]


def assert_same_bits_for_any_work(table: pa.Table, function: Function) -> None:
    """One content hash for several shards and threads."""
    graph = trace(function, [raw_feature_of(f) for f in table.schema])
    whole = Dataset.from_table(table, block_rows=250)
    hashes = {
        analyze(graph, whole.deal(shards), LocalEngine(workers=workers)).content_hash
        for shards, workers in ((1, 1), (5, 4), (1, 4), (7, 1))
    }
    assert len(hashes) == 1


def assert_a_file_keeps_all(table: pa.Table, function: Function, folder: Path) -> None:
    """What was saved and loaded has the same hash and gives the same rows."""
    out, output = tlt.analyze_and_transform(table, function, engine=LocalEngine(workers=1))
    output.save(str(folder / "t"))
    again = TransformOutput.load(str(folder / "t"))
    assert again.content_hash == output.content_hash
    later = pa.Table.from_batches([again.transform(b) for b in table.to_batches()])
    assert repr(later.to_pylist()) == repr(out.to_pylist())  # as text, where NaN equals NaN
