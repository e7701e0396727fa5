"""Pipeline files: parameters are converted by their annotations, and all problems are told at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from trueline._core.errors import ConfigError
from trueline.cli.load import load_module, load_pipeline, parse_params


def maker(data: str, rows: int = 3, share: float | None = None, fast: bool = False, place: Path = Path()) -> None:
    """A pipeline maker's signature."""


def test_values_take_the_type_of_their_annotation():
    texts = ["data=a=b", "rows=7", "share=0.5", "fast=yes", "place=x/y"]
    assert parse_params(maker, texts, "p.py") == {
        "data": "a=b",
        "rows": 7,
        "share": 0.5,
        "fast": True,
        "place": Path("x/y"),
    }


def listing(columns: list[int] | None = None, limits: dict[str, float] | None = None, rows: int = 1) -> None:
    """A pipeline maker that takes collections."""


def test_lists_and_tables_are_json_and_errors_say_what_is_wanted_not_how_python_reads_numbers():
    assert parse_params(listing, ["columns=[1, 2]", 'limits={"a": 0.5}'], "p.py") == {
        "columns": [1, 2],
        "limits": {"a": 0.5},
    }
    with pytest.raises(ConfigError) as caught:
        parse_params(listing, ["columns=1", "limits=[", "rows=x"], "p.py")
    text = str(caught.value)
    for part in ("'1' is not a JSON list", "'[' is not a JSON object", "'x' is not a whole number"):
        assert part in text
    assert "invalid literal" not in text


def test_all_problems_are_told_at_once():
    with pytest.raises(ConfigError) as caught:
        parse_params(maker, ["rows=many", "fast=perhaps", "dta=1", "odd"], "p.py")
    text = str(caught.value)
    assert len(caught.value.problems) == 5
    for part in ("rows=many", "fast=perhaps", "Did you mean 'data'", "write key=value", "needs data"):
        assert part in text


def test_two_projects_with_a_model_of_the_same_name_do_not_mix(tmp_path):
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "model.py").write_text(f"NAME = {name!r}\n")
        (folder / "pipeline.py").write_text("from model import NAME\n")
    assert load_module(str(tmp_path / "one" / "pipeline.py")).NAME == "one"
    assert load_module(str(tmp_path / "two" / "pipeline.py")).NAME == "two"
    assert load_module(str(tmp_path / "one" / "pipeline.py")).NAME == "one"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1\n", "makes no pipeline"),
        ("def create_pipeline():\n    return 3\n", "found int"),
        ("def create_pipeline(:\n", "does not parse"),
        ("import there_is_no_such_module\n", "there_is_no_such_module"),
    ],
)
def test_a_file_that_makes_no_pipeline_says_so(tmp_path, text, said):
    file = tmp_path / "pipeline.py"
    file.write_text(text)
    with pytest.raises(ConfigError, match=said):
        load_pipeline(str(file))


def test_a_missing_file_hints_at_its_neighbours(tmp_path):
    (tmp_path / "pipeline.py").write_text("")
    with pytest.raises(ConfigError, match=r"Did you mean 'pipeline\.py'"):
        load_pipeline(str(tmp_path / "pipelin.py"))


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("x = 1\n\ny = 1 / 0\n", 3, "ZeroDivisionError: division by zero"),
        ("def create_pipeline():\n    return helper()\n\n\ndef helper():\n    return {}['a']\n", 6, "KeyError: 'a'"),
        (
            "from trueline.components import Trainer\n\n\ndef create_pipeline():\n    return Trainer()\n",
            5,
            "missing .* required keyword-only arguments",
        ),
        ("import os\nimport there_is_no_such_module\n", 2, "no module|not there"),
    ],
)
def test_what_the_users_code_raises_is_told_at_its_own_line(tmp_path, text, line, said):
    file = tmp_path / "pipeline.py"
    file.write_text(text)
    with pytest.raises(ConfigError, match=said) as caught:
        load_pipeline(str(file))
    assert caught.value.where == f"{file}:{line}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("from trueline.components import BulkInferer\n", "Did you mean 'BulkInferrer'"),
        ("from trueline.components import Trainer\nTrainer.lightgbmm()\n", "Did you mean 'lightgbm'"),
        ("from trueline.components import Pusher\nPusher(modl=1)\n", "Did you mean 'model'"),
        ("from trueline.training import Int\nInt(1, 2, logg=True)\n", "Did you mean 'log'"),
        ("import trueline.transform as tlt\ntlt.scale_to_z_scor\n", "Did you mean 'scale_to_z_score'"),
        ("def mine(a): ...\nmine(b=1)\n", "--debug"),
        ("{}.keyz\n", "--debug"),
    ],
)
def test_a_name_of_trueline_that_is_misspelt_is_told_with_the_right_one(tmp_path, text, said):
    file = tmp_path / "pipeline.py"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_pipeline(str(file))
    assert said in str(caught.value)
