"""JSON Lines under attack."""

from __future__ import annotations

import json

import pytest

from trueline.data import Examples, ingest_jsonl


@pytest.mark.parametrize("read_bytes", [1, 40, 1 << 20])
def test_values_that_are_no_times_are_rejects_all_of_them(tmp_path, read_bytes):
    """A value of another kind in a block must not let the block's text that is no time pass as missing."""
    values = ["2024-01-01", "yy", 10**30, 7, None, [1], "x", "2024-01-02T03:04:05"]
    place = tmp_path / "a.jsonl"
    place.write_text("".join(json.dumps({"c": v, "n": n}) + "\n" for n, v in enumerate(values)))
    out = str(tmp_path / "out")
    types = {"c": "timestamp"}
    options = {"column_types": types, "max_rejects": 4, "splits": {"all": 1}, "read_bytes": read_bytes}
    report = ingest_jsonl(str(place), out, **options)
    assert report.rejects == 4
    table = Examples.open(out).table("all")
    assert table["n"].to_pylist() == [0, 3, 4, 7]
    assert [v is None for v in table["c"].to_pylist()] == [False, False, True, False]
