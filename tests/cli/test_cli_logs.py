"""`trueline logs`: whole, by their ends, while they are written; and why there is none."""

from __future__ import annotations

import json
import threading
import time
from contextlib import closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from runs_cli import loop_run, make_database, small_line

from trueline.cli import log_files, main
from trueline.cli.log_files import LogReader, last_lines
from trueline.metadata import MetadataStore, RunStore

TEXT = st.text(st.sampled_from("ab\n\r é"), max_size=60)


@pytest.fixture
def memory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return make_database(tmp_path / "metadata.db")


@settings(max_examples=60, deadline=None)
@given(text=TEXT, count=st.integers(0, 8), block=st.integers(1, 9))
def test_the_last_lines_are_the_end_of_all_lines_whatever_the_block(tmp_path_factory, text, count, block):
    path = tmp_path_factory.mktemp("tail") / "x.log"
    path.write_bytes(text.encode())
    every = last_lines(str(path), None)
    expected = [line.rstrip("\r") for line in text.split("\n")]
    assert every == (expected if text and not text.endswith("\n") else expected[:-1])
    before, log_files._BLOCK = log_files._BLOCK, block
    try:
        assert last_lines(str(path), count) == (every[-count:] if count else [])
    finally:
        log_files._BLOCK = before


@settings(max_examples=60, deadline=None)
@given(parts=st.lists(st.binary(max_size=12), max_size=6))
def test_a_reader_that_comes_back_reads_the_same_lines_as_one_that_comes_late(tmp_path_factory, parts):
    path = tmp_path_factory.mktemp("follow") / "x.log"
    reader, seen = LogReader(str(path)), []
    for part in parts:
        with path.open("ab") as file:
            file.write(part)
        seen += reader.new_lines()
    seen += reader.new_lines(to_end=True)
    assert seen == (last_lines(str(path), None) if path.exists() else [])


def test_a_file_that_was_cut_short_is_read_from_its_beginning(tmp_path):
    path = tmp_path / "x.log"
    path.write_text("one\ntwo\n")
    reader = LogReader(str(path))
    assert reader.new_lines() == ["one", "two"]
    path.write_text("new\n")
    assert reader.new_lines() == ["new"]


def test_one_node_is_printed_as_it_is_and_all_nodes_under_headings(memory, tmp_path, capsys):
    small_line(memory, "one", logs=tmp_path / "logs")
    assert main(["logs", "latest", "Trainer"]) == 0
    assert capsys.readouterr().out == "Trainer begins\nTrainer works\nTrainer ended\n"
    assert main(["logs", "one", "--tail", "1"]) == 0
    out = capsys.readouterr().out
    assert out == "\n".join(f"==> {node} (complete)\n{node} ended\n" for node in ("CsvExampleGen", "Trainer", "Pusher"))
    assert main(["logs", "one", "Trainer", "--json", "--tail", "2"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["run_id"] == "one"
    assert told["nodes"][0] == {
        "node_id": "Trainer", "state": "COMPLETE", "log": str(tmp_path / "logs/one/Trainer.log"),
        "lines": ["Trainer works", "Trainer ended"], "problem": None,
    }  # fmt: skip


def test_a_log_that_is_not_there_is_said_plainly(memory, tmp_path, capsys):
    small_line(memory, "one", logs=tmp_path / "logs")
    (tmp_path / "logs/one/Trainer.log").unlink()
    assert main(["logs", "one", "Trainer"]) == 1
    err = capsys.readouterr().err
    assert "there is no log file: the node wrote nothing, or it was removed" in err
    assert "Traceback" not in err
    assert main(["logs", "one"]) == 0
    assert "(there is no log file" in capsys.readouterr().out
    for file in (tmp_path / "logs/one").iterdir():
        file.unlink()
    (tmp_path / "logs/one").rmdir()
    assert main(["logs", "one", "Pusher", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)["nodes"][0]
    assert told["lines"] is None
    assert "its folder too" in told["problem"]


def test_a_node_from_the_cache_is_told_as_such_and_not_as_a_log_that_got_lost(memory, tmp_path, capsys):
    made = small_line(memory, "one")
    small_line(memory, "two", logs=tmp_path / "logs", examples=made["Examples"])
    (tmp_path / "logs/two/CsvExampleGen.log").unlink(missing_ok=True)
    assert main(["logs", "two", "CsvExampleGen"]) == 1
    err = capsys.readouterr().err
    assert "came from the cache and did not run" in err
    assert "gone" not in err


def test_nodes_that_never_ran_say_so_and_a_loop_stands_for_its_passes(memory, capsys):
    loop_run(memory)
    assert main(["logs", "latest", "Left"]) == 1
    assert "the node is omitted and never ran" in capsys.readouterr().err
    assert main(["logs", "latest", "train", "--json"]) == 1
    assert [node["node_id"] for node in json.loads(capsys.readouterr().out)["nodes"]] == [
        f"train[{i}]" for i in range(11)
    ]
    assert main(["logs", "latest", "trian"]) == 1
    assert "Did you mean 'train'" in capsys.readouterr().err


def test_following_prints_what_is_written_and_ends_with_the_run(memory, tmp_path, capsys):
    small_line(memory, "one", logs=tmp_path / "logs", status="RUNNING", finished=None)
    log = tmp_path / "logs/one/Trainer.log"
    log.write_text("old\nnewer\n")

    def work() -> None:
        with closing(MetadataStore(str(memory))) as store:
            for i in range(3):
                time.sleep(0.25)
                with log.open("a") as file:
                    file.write(f"step {i}\n" if i < 2 else "no end of line")
            RunStore(store).finish("one", "COMPLETE")

    worker = threading.Thread(target=work)
    worker.start()
    begun = time.monotonic()
    assert main(["logs", "one", "--follow", "--tail", "1", "--json"]) == 0
    worker.join()
    assert time.monotonic() - begun < 10
    out, err = capsys.readouterr()
    said = [json.loads(line) for line in out.splitlines()]
    assert [entry["line"] for entry in said if entry["node_id"] == "Trainer"] == [
        "newer", "step 0", "step 1", "no end of line",
    ]  # fmt: skip
    assert "run one ended: complete" in err


def test_following_one_node_ends_when_the_node_has_ended(memory, tmp_path, capsys):
    small_line(memory, "one", logs=tmp_path / "logs", status="RUNNING", finished=None)
    assert main(["logs", "one", "Trainer", "-f"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == ["Trainer begins", "Trainer works", "Trainer ended"]
    assert "Trainer: complete" in err
