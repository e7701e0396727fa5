"""``trueline explain``: every method as a table, a page and JSON; what is written wrongly is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

from trueline.cli.app import run_command
from trueline.model_analysis.explain import load_explanation
from trueline.models import Model

METHODS = {
    "permutation": ["feature", "importance", "Overall: log_loss"],
    "pdp": ["probability of True by depth", "missing"],
    "shap": ["mean |value|", "200 rows"],
    "lime": ["coefficient", "local R²"],
    "counterfactual": ["wanted: another class than", "becomes"],
    "neighbours": ["itself", "distance", "source 1 record"],
}
ROW = ("lime", "counterfactual", "neighbours")


@pytest.fixture(scope="module")
def data(room: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rows")
    pq.write_table(room.table, folder / "rows.parquet")
    pacsv.write_csv(room.table.drop_columns(["__row__", "tags", "kind"]), folder / "rows.csv")
    return folder


@pytest.mark.parametrize("method", METHODS)
def test_every_method_prints_a_table_and_writes_a_page(
    method: str, tree_model_: Model, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["explain", tree_model_.uri, "--data", str(data / "rows.parquet"), "--method", method, "--seed", "1"]
    command += ["--row", "4"] if method in ROW else []
    files = ["--html", str(tmp_path / "p.html"), "--json", str(tmp_path / "p.json")]
    assert run_command([*command, *files]) == 0
    said = capsys.readouterr().out
    for text in METHODS[method]:
        assert text in said
    assert (tmp_path / "p.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert load_explanation(str(tmp_path / "p.json")).to_html() == (tmp_path / "p.html").read_text(encoding="utf-8")


def test_one_row_and_text_files(forest_model: Model, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = ["explain", forest_model.uri, "--data", str(data / "rows.csv")]
    assert run_command([*place, "--method", "shap", "--row", "3"]) == 0
    assert "from a base of" in capsys.readouterr().out
    assert run_command([*place, "--method", "counterfactual", "--row", "3", "--target", "4:"]) == 0
    assert "a prediction from 4 on" in capsys.readouterr().out
    assert run_command([*place, "--method", "pdp", "--row", "0", "--features", "depth"]) == 0
    assert run_command([*place, "--features", "depth,size", "--slice", "color", "--metric", "absolute_error"]) == 0
    said = capsys.readouterr().out
    assert "color=red: absolute_error" in said
    assert "count" not in said.split("Overall")[1]


def test_a_row_is_no_neighbour_of_itself(forest_model: Model, room: Any, tmp_path: Path) -> None:
    pq.write_table(room.table.drop_columns(["__row__"]), tmp_path / "bare.parquet")
    command = ["explain", forest_model.uri, "--data", str(tmp_path / "bare.parquet"), "--method", "neighbours"]
    assert run_command([*command, "--row", "2", "--json", str(tmp_path / "n.json")]) == 0
    near = load_explanation(str(tmp_path / "n.json")).found[0]
    assert all(n.row != 2 and n.distance > 0 for n in near)


@pytest.mark.parametrize(
    ("given", "code", "match"),
    [
        (["--method", "shapley"], 2, "Did you mean 'shap'"),
        (["--method", "lime"], 2, "lime explains one row"),
        (["--row", "1"], 2, "permutation importance is of all rows"),
        (["--method", "shap", "--row", "9999"], 1, "there is no row 9999"),
        (["--method", "shap", "--class", "Tru"], 2, "There is: false, true"),
        (["--features", "dpeth"], 1, "Did you mean 'depth'"),
        (["--metric", "AUCC"], 2, "no metric 'AUCC'"),
        (["--method", "counterfactual", "--row", "1", "--schema", "absent.pbtxt"], 1, "no schema here"),
    ],
)
def test_what_is_written_wrongly_is_told(
    given: list[str], code: int, match: str, tree_model_: Model, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(["explain", tree_model_.uri, "--data", str(data / "rows.parquet"), *given]) == code
    assert match in capsys.readouterr().err


def test_an_interval_that_is_none_is_told(forest_model: Model, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = [
        "explain",
        forest_model.uri,
        "--data",
        str(data / "rows.parquet"),
        "--method",
        "counterfactual",
        "--row",
        "1",
    ]
    assert run_command([*place, "--target", "much"]) == 2
    assert "is no interval" in capsys.readouterr().err
