"""`trueline runs`, and how the memory is found: one database, several, one that is named in a file."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from runs_cli import loop_run, make_database, small_line

from trueline._core.errors import ConfigError, MetadataError
from trueline.cli import main
from trueline.cli.memory import find_databases, find_run, shown_place


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A working folder in which two pipelines have run: `a` twice, `b` once, in between."""
    monkeypatch.chdir(tmp_path)
    a = make_database(tmp_path / "trueline-out/a/metadata.db")
    b = make_database(tmp_path / "trueline-out/b/metadata.db")
    small_line(a, "20260101-000000-aaa", pipeline="a", started=1_000_000)
    small_line(
        b, "20260101-000001-bbb", pipeline="b", started=2_000_000, message="Trainer: no luck\nmore", status="FAILED"
    )
    small_line(a, "20260101-000002-ccc", pipeline="a", started=round(time.time() * 1000), settings='{"sample": 50}')
    return tmp_path


def ids(out: str) -> list[str]:
    return [record["run_id"][-3:] for record in json.loads(out)]


def test_runs_of_several_databases_are_one_list_with_a_column_that_says_whose_they_are(folder, capsys):
    assert main(["runs"]) == 0
    out, err = capsys.readouterr()
    head, *lines = out.splitlines()
    assert head.split() == ["run", "pipeline", "status", "started", "took", "database", "note"]
    assert [line.split()[0][-3:] for line in lines] == ["ccc", "bbb", "aaa"]
    assert "trueline-out/b/metadata.db" in lines[1]
    assert "Trainer: no luck" in lines[1]
    assert "more" not in out
    assert "sample of 50 rows" in lines[0]
    assert not err


def test_one_database_needs_no_column(folder, capsys):
    assert main(["runs", "--metadata", "trueline-out/b/metadata.db"]) == 0
    assert "database" not in capsys.readouterr().out.splitlines()[0]


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ([], ["ccc", "bbb", "aaa"]),
        (["--limit", "1"], ["ccc"]),
        (["--pipeline", "a"], ["ccc", "aaa"]),
        (["--status", "failed"], ["bbb"]),
        (["--since", "2d"], ["ccc"]),
        (["--since", "1970-01-01T00:25:00+00:00"], ["ccc", "bbb"]),
        (["--status", "complete", "--since", "1970-01-02"], ["ccc"]),
        (["--pipeline", "nothing"], []),
    ],
)
def test_filters(folder, capsys, options, found):
    assert main(["runs", "--json", *options]) == 0
    assert ids(capsys.readouterr().out) == found


def test_a_run_whose_process_is_gone_has_died(folder, capsys):
    small_line(
        folder / "trueline-out/a/metadata.db", "dead", status="RUNNING", pid=2**22 + 1, pid_started="x:1", finished=None
    )
    for status, expected in (("died", ["ead"]), ("running", [])):
        assert main(["runs", "--json", "--status", status]) == 0
        out = capsys.readouterr().out
        assert ids(out) == expected
    assert main(["show", "dead"]) == 0
    out = capsys.readouterr().out
    assert "died" in out
    assert "trueline resume dead" in out


def test_a_database_that_cannot_be_read_is_passed_over_and_said(folder, capsys):
    (folder / "trueline-out/broken").mkdir()
    (folder / "trueline-out/broken/metadata.db").write_bytes(b"no database" * 1000)
    assert main(["runs", "--json"]) == 0
    out, err = capsys.readouterr()
    assert ids(out) == ["ccc", "bbb", "aaa"]
    assert "trueline-out/broken/metadata.db is passed over" in err
    assert main(["lineage", "Model", "--json"]) == 0
    capsys.readouterr()
    assert main(["runs", "--json", "--metadata", "trueline-out/broken/metadata.db"]) == 1
    assert "error" in json.loads(capsys.readouterr().out)


def test_nothing_that_is_like_the_filter_is_said(folder, capsys):
    assert main(["runs", "--pipeline", "x"]) == 0
    assert capsys.readouterr().out == "No run is like that.\n"
    place = make_database(folder / "new/metadata.db")
    assert main(["runs", "--metadata", str(place)]) == 0
    assert capsys.readouterr().out == "There are no runs yet.\n"


@pytest.mark.parametrize("text", ["5x", "yesterday", "2026-13-01", "", "-2d"])
def test_a_time_that_is_none_is_a_usage_error_that_shows_how(capsys, text):
    assert main(["runs", f"--since={text}"]) == 2
    assert "30min" in capsys.readouterr().err


def test_latest_and_beginnings_are_looked_for_in_all_databases_and_the_place_is_said(folder, capsys):
    assert find_run("latest", None)[1].run_id.endswith("ccc")
    assert find_run("20260101-000001", None)[1].pipeline == "b"
    assert "trueline-out/b/metadata.db" in capsys.readouterr().err
    with pytest.raises(MetadataError, match="3 runs begin with '2026'") as raised:
        find_run("2026", None)
    assert len(raised.value.problems) == 3
    with pytest.raises(MetadataError, match="Did you mean '20260101-000001-bbb'"):
        find_run("20260101-000001-bbx", None)


def test_what_lies_hidden_or_too_deep_is_not_found(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for place in (".venv/metadata.db", "node_modules/x/metadata.db", "1/2/3/4/metadata.db"):
        make_database(tmp_path / place)
    with pytest.raises(MetadataError, match="no metadata database below"):
        find_databases(None)
    make_database(tmp_path / "1/2/3/metadata.db")
    assert find_databases(None) == ["1/2/3/metadata.db"]


def test_a_configuration_file_names_the_database_for_all_folders_below_it(tmp_path, monkeypatch):
    make_database(tmp_path / "elsewhere/memory.db")
    (tmp_path / "trueline.toml").write_text('metadata = "elsewhere/memory.db"\n')
    (tmp_path / "deep/er").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "deep/er")
    assert find_databases(None) == ["../../elsewhere/memory.db"]
    (tmp_path / "trueline.toml").write_text('metadata = ["postgresql://u:p@h/db", "elsewhere/memory.db"]\n')
    assert find_databases(None) == ["postgresql://u:p@h/db", "../../elsewhere/memory.db"]
    assert find_databases("given.db") == ["given.db"]


@pytest.mark.parametrize("text", ["metadata = 3", "metadata = [1]", "metadata = ", 'metadata = [""]'])
def test_a_configuration_that_cannot_be_read_names_its_file(tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "trueline.toml").write_text(text)
    with pytest.raises(ConfigError, match=r"trueline\.toml"):
        find_databases(None)


@pytest.mark.parametrize(
    ("place", "shown"),
    [
        ("postgresql://ann:se@cret@host:5432/db", "postgresql://ann:***@host:5432/db"),
        ("mysql+pymysql://ann@host/db", "mysql+pymysql://ann@host/db"),
        ("sqlite:////a/b.db", "sqlite:////a/b.db"),
        ("a:b@c.db", "a:b@c.db"),
    ],
)
def test_passwords_are_never_shown(place, shown):
    assert shown_place(place) == shown


def test_runs_have_the_same_keys_in_every_command(folder, capsys):
    loop_run(folder / "trueline-out/a/metadata.db")
    assert main(["runs", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert main(["show", "20260102", "--json"]) == 0
    one = json.loads(capsys.readouterr().out)
    assert {tuple(record) for record in listed} == {tuple(key for key in one if key != "nodes")}
    assert one["settings"] == {"sample": 7}
    assert one["resumed"] == 2
