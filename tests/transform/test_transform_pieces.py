"""Wide rows are worked on in small pieces: memory stays bounded, and no value depends on where a piece ends."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

import trueline.transform as tlt
from trueline.transform import pieces
from trueline.transform.pieces import Pieces

TABLE = pa.table(
    {
        "text": [None if i % 11 == 0 else " ".join(f"w{j % (i + 1)}" for j in range(i % 40)) for i in range(400)],
        "tags": [None if i % 7 == 0 else [f"t{j}" for j in range(i % 5)] for i in range(400)],
        "x": [float(i) for i in range(400)],
    }
)


def preprocessing(x: Any) -> dict[str, Any]:
    words = tlt.tokenize(x["text"])
    return {
        "ids": tlt.compute_and_apply_vocabulary(words, top_k=5, num_oov_buckets=3),
        "tags": tlt.compute_and_apply_vocabulary(x["tags"]),
        "words": tlt.word_count(words),
        "x": tlt.scale_to_0_1(x["x"]),
    }


def test_pieces_change_no_value(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, first = tlt.analyze_and_transform(TABLE, preprocessing)
    monkeypatch.setattr(pieces, "_BUDGET", 1)
    small, second = tlt.analyze_and_transform(TABLE, preprocessing)
    assert first.content_hash == second.content_hash
    assert small.combine_chunks().equals(whole.combine_chunks())
    batch = TABLE.combine_chunks().to_batches()[0]
    assert pa.Table.from_batches([second.transform(batch)]).equals(whole.combine_chunks())


def test_only_wide_rows_are_cut() -> None:
    """Numbers and short texts are not cut; a single long text cuts the batch that it is in."""
    _, output = tlt.analyze_and_transform(TABLE, preprocessing)
    roots = [i for _, i in output.graph.outputs]
    batch = TABLE.combine_chunks().to_batches()[0]
    assert len(list(Pieces(output.graph, roots).of(batch))) == 1
    long = pa.record_batch({**{n: batch.column(n) for n in ("tags", "x")}, "text": ["a " * 500_000, *["b"] * 399]})
    cut = list(Pieces(output.graph, roots).of(long))
    assert len(cut) > 1
    assert sum(p.num_rows for p in cut) == 400
    assert Pieces(output.graph, [output.graph.output("x")]).rows(long) >= 400


def test_vectors_count_too() -> None:
    table = pa.table({"v": pa.array([[0.0] * 5000] * 10, pa.list_(pa.float64(), 5000))})
    _, output = tlt.analyze_and_transform(table, lambda x: {"v": x["v"] * 2.0})
    batch = table.to_batches()[0]
    assert Pieces(output.graph, [output.graph.output("v")]).rows(batch) < 2000


def test_no_rows_are_one_piece() -> None:
    table, output = tlt.analyze_and_transform(TABLE.slice(0, 0), preprocessing)
    assert table.num_rows == 0
    assert output.transform(TABLE.slice(0, 0)).num_rows == 0
