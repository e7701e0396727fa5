"""``trueline approve``: yes, no, a list of what waits; and what is said where nothing waits or somebody was first."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from trueline.cli.app import run_command
from trueline.metadata import MetadataStore, RunStore
from trueline.metadata.approvals import ask, decision_of

sys.path.insert(0, str(Path(__file__).parents[1] / "pipeline"))
from approval_lines import deciding, line, run

Ask = Callable[..., tuple[int, str, str]]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[MetadataStore]:
    made = MetadataStore(str(tmp_path / "metadata.db"))
    RunStore(made).start("20260101-aaa", "line", "{}", {}, ["Gate", "Late[0]"])
    ask(made, "20260101-aaa", "Gate", "Push [bold]this[/]?", token_hash="f" * 64)
    yield made
    made.close()


@pytest.fixture
def tell(store: MetadataStore, capsys: pytest.CaptureFixture[str]) -> Ask:
    """Runs ``trueline approve`` and gives exit code, stdout and stderr."""

    def told(*arguments: str) -> tuple[int, str, str]:
        code = run_command(["approve", *arguments, "--metadata", str(store.database.path)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return told


def test_what_waits_is_listed_without_the_token(tell: Ask) -> None:
    code, out, _ = tell("--list")
    assert code == 0
    assert "Gate" in out
    assert "Push [bold]this[/]?" in out
    code, out, _ = tell("--list", "--json")
    assert [(one["run_id"], one["node_id"], one["run_status"]) for one in json.loads(out)] == [
        ("20260101-aaa", "Gate", "RUNNING")
    ]
    assert "ffff" not in out


def test_the_first_decision_stays(store: MetadataStore, tell: Ask) -> None:
    code, out, _ = tell("2026", "Gate", "--comment", "fine", "--by", "ann")
    assert (code, out) == (0, "Gate of run 20260101-aaa: approved by ann\n")
    code, _, err = tell("latest", "Gate", "--reject", "--by", "bob")
    assert code == 1
    assert "ann approved it at" in err
    found = decision_of(store, "20260101-aaa", "Gate")
    assert (found.decision, found.comment) == ("approved", "fine")
    assert tell("--list")[1] == "Nothing waits for a decision.\n"


def test_a_no_as_json_by_this_user(tell: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "carol")
    code, out, _ = tell("latest", "--reject", "--json")
    told = json.loads(out)
    assert (code, told["decision"], told["decided_by"], told["node_id"]) == (0, "rejected", "carol", "Gate")


def test_a_node_may_be_left_out_where_one_asks(store: MetadataStore, tell: Ask) -> None:
    ask(store, "20260101-aaa", "Late[0]", "And this?")
    code, _, err = tell("latest")
    assert code == 1
    assert "2 nodes of run 20260101-aaa wait" in err
    assert "Late[0]" in err
    assert tell("latest", "Late[0]")[0] == 0
    assert tell("latest")[0] == 0
    code, _, err = tell("latest")
    assert (code, "no node of run 20260101-aaa waits" in err) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 2, "--list"),
        (["--list", "--reject"], 2, "decides nothing"),
        (["latest", "--all"], 2, "belongs to --list"),
        (["latest", "Gat"], 1, "'Gate'"),
        (["nope", "Gate"], 1, "nope"),
        (["latest", "Gate", "--by", "x" * 300], 1, "1 to 255"),
    ],
)
def test_what_cannot_be_decided_is_said(tell: Ask, arguments: list[str], code: int, said: str) -> None:
    found, _, err = tell(*arguments)
    assert found == code
    assert said in err


def test_a_run_that_waits_is_ended_by_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A real line: the command is given while the node waits."""
    pipeline = line(tmp_path / "root")

    def on_event(event: object) -> None:
        if getattr(event, "kind", "") == "node_waiting":
            assert run_command(["approve", "latest", "--reject", "--by", "ann", "--metadata", pipeline.metadata]) == 0

    result = run(pipeline, on_event=on_event)
    assert result.nodes["Approval"].message == "ann rejected it"
    assert "rejected by ann" in capsys.readouterr().out
    with_event = deciding(pipeline.metadata, True)
    assert run(pipeline, on_event=with_event).ok
