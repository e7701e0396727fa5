"""`trueline show`: states, loops, attempts, usage, outputs, and the report as a page."""

from __future__ import annotations

import json

import pytest
from runs_cli import loop_run, make_database, small_line

from trueline.cli import main
from trueline.cli.format import amount, duration

NODE_KEYS = [
    "node_id", "base", "state", "attempt", "started", "finished", "seconds", "usage", "found", "message", "reason",
    "log", "execution_id", "outputs",
]  # fmt: skip


@pytest.fixture
def memory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return make_database(tmp_path / "metadata.db")


def test_attempts_usage_outputs_and_logs_are_told(memory, tmp_path, capsys):
    small_line(memory, "one", logs=tmp_path / "logs")
    assert main(["show", "one"]) == 0
    out = capsys.readouterr().out
    head = next(line for line in out.splitlines() if line.startswith("node"))
    assert head.split() == ["node", "state", "took", "attempts", "cpu", "memory", "found"]
    trainer = next(line for line in out.splitlines() if line.startswith("Trainer "))
    assert trainer.split() == ["Trainer", "complete", "0.50", "s", "2", "2.50", "s", "300", "MiB", "rows", "5"]
    reader = next(line for line in out.splitlines() if line.startswith("CsvExampleGen "))
    assert reader.split() == ["CsvExampleGen", "complete", "0.50", "s", "1.50", "s", "300", "MiB", "rows", "5"]
    # What is only a bound says so: a thread's CPU lacks its helpers', memory in a thread is the whole process's.
    pusher = next(line for line in out.splitlines() if line.startswith("Pusher "))
    assert pusher.split()[4:10] == ["≥", "3.50", "s", "≤", "300", "MiB"]
    assert any(line.split() == ["Trainer.model", "Model", "2", "/line/Trainer/one"] for line in out.splitlines())
    assert f"Logs in {tmp_path / 'logs/one'} (trueline logs one)" in out


def test_columns_in_which_nothing_stands_are_left_out_and_passes_stand_below_their_loop(memory, capsys):
    run_id = loop_run(memory)
    assert main(["show", run_id]) == 0
    out = capsys.readouterr().out
    assert "A sampled run: 7 rows" in out
    assert "Resumed 2 times" in out
    lines = out.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("node"))
    assert lines[start].split() == ["node", "state", "took", "attempts", "found"]
    names = [line.split()[0] for line in lines[start + 1 : start + 16]]
    assert names == ["Reader", "train", *(f"train[{i}]" for i in range(11)), "Left", "Approve"]
    train = lines[start + 2]
    assert "11 passes: 10 complete, 1 failed" in train
    assert "omitted" in lines[start + 14]
    assert "waiting" in lines[start + 15]
    # Text from a run is text, never markup.
    assert "train[10]: [red] no luck" in out


def test_json_has_all_keys_of_every_node(memory, capsys):
    small_line(memory, "one")
    loop_run(memory)
    for run in ("one", "20260102"):
        assert main(["show", run, "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert all(list(node) == NODE_KEYS for node in told["nodes"])
    assert main(["show", "one", "--json"]) == 0
    trainer = json.loads(capsys.readouterr().out)["nodes"][1]
    assert trainer["usage"] == {"cpu_seconds": 2.5, "peak_memory_bytes": 314572800}
    assert trainer["outputs"] == {
        "model": [{"id": 2, "type": "Model", "uri": "/line/Trainer/one", "state": "LIVE", "name": None}]
    }


def test_the_report_has_the_passes_the_usage_and_the_lineage(memory, tmp_path, capsys):
    small_line(memory, "one")
    loop_run(memory)
    assert main(["show", "one", "--html", "one.html"]) == 0
    page = (tmp_path / "one.html").read_text()
    for text in (
        "Attempts",
        "Peak memory",
        "300 MiB",
        "2.50 s",
        "≥ 3.50 s",
        "≤ 300 MiB",
        "<h2>Lineage</h2>",
        "artifact (3)",
    ):
        assert text in page
    assert main(["show", "20260102", "--html", "two.html", "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out[out.index("{") :])["run_id"].endswith("loop")
    assert "Wrote two.html" in err
    page = (tmp_path / "two.html").read_text()
    assert page.index(">train[2]<") < page.index(">train[10]<") < page.index(">Left<")
    assert "A sampled run of 7 rows" in page
    assert "Peak memory" not in page
    assert "badge warn'>waiting" in page.replace('"', "'")


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (None, ""),
        (0, "0 bytes"),
        (1023, "1023 bytes"),
        (1024, "1.0 KiB"),
        (380_000_000, "362 MiB"),
        (2.0**41, "2.0 TiB"),
    ],
)
def test_amounts_of_memory(size, text):
    assert amount(size) == text


def test_long_durations():
    assert duration(59.996) == "1 min 00 s"
    assert duration(7620) == "2 h 07 min"
