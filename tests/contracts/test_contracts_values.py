"""Widening: whatever Arrow calls a column, the line sees one of the contract's types."""

from __future__ import annotations

import pyarrow as pa

from trueline._core.values import widen


def test_codes_of_any_kind_of_text_are_widened_to_text() -> None:
    """Polars hands out categories over string views, which Arrow's kernels cannot take by codes."""
    words = pa.array(["u", "v"], pa.string_view())
    codes = pa.DictionaryArray.from_arrays(pa.array([0, None, 1], pa.uint32()), words)
    assert widen(pa.record_batch({"c": codes})).column("c").to_pylist() == ["u", None, "v"]
