"""``trueline explain --what-if``: a page as a file, and options that do not belong together."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from trueline.cli.app import run_command
from trueline.models import Model


def test_the_page_is_written_with_both_models(
    number: Model, table: pa.Table, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pq.write_table(table, tmp_path / "rows.parquet")
    for name in ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"):
        (tmp_path / name).write_bytes(b"stands for it")
    command = ["explain", number.uri, "--data", str(tmp_path / "rows.parquet"), "--what-if", "--rows", "12"]
    files = ["--html", str(tmp_path / "page.html"), "--runtime", str(tmp_path), "--compare", number.uri]
    assert run_command([*command, *files, "--slice", "shared"]) == 0
    assert "MB, with the models" in capsys.readouterr().out
    html = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert 'id="part-model-1"' in html
    assert '"facets": ["shared"]' in html


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--what-if"], "into a file or is served"),
        (["--what-if", "--html", "page.html"], "--runtime"),
        (["--what-if", "--serve", "--row", "3"], "--row do not belong"),
        (["--serve"], "--serve belongs to --what-if"),
    ],
)
def test_options_that_do_not_fit_are_told(
    number: Model, table: pa.Table, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    pq.write_table(table, tmp_path / "rows.parquet")
    assert run_command(["explain", number.uri, "--data", str(tmp_path / "rows.parquet"), *options]) == 2
    assert said in capsys.readouterr().err
