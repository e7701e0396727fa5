"""An input without rows, or none at all, stops the first node with its place and what lies there instead."""

from __future__ import annotations

import pytest

from trueline._core.errors import DataError
from trueline.components.example_gen import execute_csv

OPTIONS = {
    "splits": [["train", 2], ["eval", 1]],
    "block_rows": 100,
    "pattern": "*",
    "max_rejects": 0,
    "delimiter": ",",
    "encoding": "utf8",
    "null_values": [""],
}


@pytest.mark.parametrize("text", ["a,b\n", "a,b", "a,b\n\n"])
def test_a_header_alone_is_refused(context, tmp_path, text):
    (tmp_path / "rows.csv").write_text(text)
    ctx = context({"input_base": str(tmp_path / "rows.csv"), **OPTIONS}, {}, {"examples": "Examples"})
    with pytest.raises(DataError, match=r"rows\.csv: there is no row in it \(rejects: 0\)"):
        execute_csv(ctx)


def test_a_wrong_path_says_where_it_was_looked_for_and_what_is_there(context, tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path)
    ctx = context({"input_base": "dta", **OPTIONS}, {}, {"examples": "Examples"})
    with pytest.raises(DataError, match="dta: the input does not exist") as caught:
        execute_csv(ctx)
    assert f"it was looked for in {tmp_path}. Did you mean 'data'?" in str(caught.value)
    ctx.params["input_base"] = "no/such"
    with pytest.raises(DataError, match=f"there is no folder {tmp_path}/no either"):
        execute_csv(ctx)
