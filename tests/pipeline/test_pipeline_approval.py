"""A line waits for a person: who says yes or no, once, from anywhere; and what happens where nobody does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from approval_lines import deciding, hook, line, make, push, run

sys.path.insert(0, str(Path(__file__).parents[1]))
from database_servers import store_url

from trueline._core.errors import ConfigError, MetadataError
from trueline.cli.run import exit_code_of_run
from trueline.metadata import MetadataStore, RunStore
from trueline.metadata.approvals import ask, decide, decision_of, expire, pending
from trueline.metadata.records import ExecutionState
from trueline.metadata.run_control import request_cancel
from trueline.pipeline import Approval, Pipeline, Secret
from trueline.runners import LocalRunner

__all__ = ["store_url"]

HERE = Path(__file__).parent


@contextmanager
def asking(url: str) -> Iterator[MetadataStore]:
    """A store in which run r1 asks at node Gate."""
    store = MetadataStore(url)
    RunStore(store).start("r1", "line", "{}", {}, ["Gate"])
    ask(store, "r1", "Gate", "Push?")
    yield store
    store.close()


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[MetadataStore]:
    with asking(str(tmp_path / "metadata.db")) as store:
        yield store


# -- the question in the database ----------------------------------------------------------------------------------


def test_a_question_is_decided_once_and_the_second_is_told_by_whom(asked: MetadataStore) -> None:
    assert [(one.node_id, one.run_status) for one in pending(asked)] == [("Gate", "RUNNING")]
    found = decide(asked, "r1", "Gate", True, by="ann", comment="fine")
    assert (found.decision, found.decided_by, found.comment) == ("approved", "ann", "fine")
    assert not pending(asked)
    with pytest.raises(MetadataError, match=r"ann approved it at .*: fine"):
        decide(asked, "r1", "Gate", False, by="bob")
    assert decision_of(asked, "r1", "Gate").decision == "approved"


def test_of_many_who_decide_at_once_one_gets_it(tmp_path: Path) -> None:
    one_wins(str(tmp_path / "metadata.db"))


@pytest.mark.slow
def test_of_many_who_decide_at_once_one_gets_it_on_every_database(store_url: str) -> None:
    one_wins(store_url)


def one_wins(url: str) -> None:
    """Four connections decide at once; then a question is asked again."""
    ready, won, lost = threading.Barrier(4), [], []

    def one(number: int) -> None:
        store = MetadataStore(url)
        ready.wait()
        try:
            decide(store, "r1", "Gate", number % 2 == 0, by=f"p{number}")
            won.append(f"p{number}")
        except MetadataError as error:
            lost.append(str(error))
        finally:
            store.close()

    with asking(url) as store:
        threads = [threading.Thread(target=one, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert decision_of(store, "r1", "Gate").decided_by == won[0]
        assert ask(store, "r1", "Gate", "Push?").decision is not None
        assert ask(store, "r1", "Gate", "Push another?", timeout=60).decision is None
        assert [one.question for one in pending(store)] == ["Push another?"]
    assert len(won) == 1
    assert len(lost) == 3
    assert all(won[0] in told for told in lost)


def test_the_same_question_goes_on_and_another_begins_anew(asked: MetadataStore) -> None:
    decide(asked, "r1", "Gate", True, by="ann")
    assert ask(asked, "r1", "Gate", "Push?").decision == "approved"
    assert ask(asked, "r1", "Gate", "Push? (about Model 8)").decision is None


def test_time_that_ran_out_takes_no_decision_and_is_asked_anew(asked: MetadataStore) -> None:
    ask(asked, "r1", "Gate", "Late?", timeout=0.001)
    time.sleep(0.01)
    with pytest.raises(MetadataError, match="the time to decide ended"):
        decide(asked, "r1", "Gate", True, by="ann")
    assert not pending(asked)
    assert expire(asked, "r1", "Gate", "rejected", "too late").decision == "rejected"
    again = ask(asked, "r1", "Gate", "Late?", timeout=60)
    assert again.decision is None
    assert not again.over


def test_names_are_cleaned_and_what_is_unknown_is_named(asked: MetadataStore) -> None:
    with pytest.raises(MetadataError, match=r"'Gat' of run r1 has asked for no approval[\s\S]*'Gate'"):
        decide(asked, "r1", "Gat", True)
    with pytest.raises(MetadataError, match="1 to 255"):
        decide(asked, "r1", "Gate", True, by="x" * 300)
    assert decide(asked, "r1", "Gate", True, by="an\x1b[31mn\u202e").decided_by == "an [31mn"


# -- a run -----------------------------------------------------------------------------------------------------------


def test_an_approved_line_goes_on_and_the_lineage_says_who(root: Path) -> None:
    pipeline = line(root)
    result = LocalRunner().run(pipeline, on_event=deciding(pipeline.metadata, True, "ann", "looks right"))
    assert result.ok
    assert result.nodes["push"].found == {"result": 4}
    (decision,) = result.nodes["Approval"].outputs["decision"]
    assert decision.value == {"approved": True, "by": "ann", "comment": "looks right"}
    with_store = MetadataStore(pipeline.metadata)
    (execution,) = with_store.executions(ids=[result.nodes["Approval"].execution_id or 0])
    assert execution.state is ExecutionState.COMPLETE
    assert execution.custom_properties["decided_by"] == "ann"
    (artifact,) = with_store.artifacts(ids=[decision.id or 0])
    assert artifact.custom_properties["decided_by"] == "ann"
    events = {(event.type.name, event.path) for event in with_store.events(execution_ids=[execution.id or 0])}
    assert ("INPUT", ("value", 0)) in events
    with_store.close()


def test_a_rejection_is_a_closed_gate_with_exit_code_3(root: Path) -> None:
    pipeline = line(root)
    states = []

    def on_event(event: Any) -> None:
        if event.kind == "node_waiting":
            store = MetadataStore(pipeline.metadata)
            states.append(RunStore(store).node(event.run_id, "Approval").state)
            store.close()
        deciding(pipeline.metadata, False, "bob", "too big")(event)

    result = LocalRunner().run(pipeline, on_event=on_event)
    assert states == ["WAITING"]
    assert result.nodes["Approval"].message == "bob rejected it: too big"
    assert result.nodes["Approval"].outputs["decision"][0].value["approved"] is False
    assert result.nodes["push"].state == "SKIPPED"
    assert exit_code_of_run(result) == 3


def test_a_decision_is_never_cached_and_equal_decisions_are_equal_artifacts(root: Path) -> None:
    first, second = run(line(root), True), run(line(root), True)
    assert second.nodes["make"].state == "CACHED"
    assert [r.nodes["Approval"].state for r in (first, second)] == ["COMPLETE", "COMPLETE"]
    prints = {r.nodes["Approval"].outputs["decision"][0].fingerprint for r in (first, second)}
    assert len(prints) == 1
    assert run(line(root), False).nodes["Approval"].state == "FAILED"


@pytest.mark.parametrize(
    ("on_timeout", "state", "code", "message"),
    [
        ("reject", "FAILED", 3, "not approved: nobody decided within 0.05 s"),
        ("approve", "COMPLETE", 0, None),
        ("fail", "FAILED", 1, "nobody decided within 0.05 s"),
    ],
)
def test_when_time_is_up(root: Path, on_timeout: Any, state: str, code: int, message: str | None) -> None:
    result = run(line(root, timeout=0.05, on_timeout=on_timeout))
    node = result.nodes["Approval"]
    assert (node.state, node.message, exit_code_of_run(result)) == (state, message, code)
    assert ("decision" in node.outputs) is (on_timeout != "fail")
    assert (result.nodes["push"].state == "COMPLETE") is (on_timeout == "approve")
    if on_timeout == "approve":
        assert node.outputs["decision"][0].value["by"] is None


def test_a_cancelled_run_stops_waiting_and_goes_on_with_the_same_question(root: Path) -> None:
    pipeline = line(root)

    def on_event(event: Any) -> None:
        if event.kind == "node_waiting":
            store = MetadataStore(pipeline.metadata)
            request_cancel(store, event.run_id)
            store.close()

    result = LocalRunner().run(pipeline, on_event=on_event, run_id="r1")
    assert result.status == "CANCELED"
    assert result.nodes["Approval"].state == "CANCELED"
    store = MetadataStore(pipeline.metadata)
    assert not pending(store)
    (open_one,) = pending(store, ended=True)
    decide(store, "r1", "Approval", True, by="ann")
    store.close()
    again = LocalRunner().resume(pipeline.metadata, "r1")
    assert again.ok
    assert again.nodes["Approval"].found["by"] == "ann"
    assert open_one.run_status == "CANCELED"


def test_a_killed_run_takes_a_decision_that_was_made_while_it_was_dead(root: Path) -> None:
    child = subprocess.Popen([sys.executable, str(HERE / "approval_lines.py"), str(root), "r1"])
    pipeline = line(root)
    store = None
    for _ in range(300):
        time.sleep(0.05)
        if store is None and (root / "metadata.db").exists():
            store = MetadataStore(pipeline.metadata)
        if store is not None and pending(store):
            break
    assert store is not None
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert [one.run_status for one in pending(store)] == ["DIED"]
    decide(store, "r1", "Approval", True, by="ann")
    store.close()
    again = LocalRunner().resume(pipeline.metadata, "r1")
    assert again.ok
    assert again.nodes["Approval"].found["by"] == "ann"


def test_a_partial_run_does_not_pass_by_its_approval(root: Path) -> None:
    """An earlier yes is about earlier artifacts: the node right before what runs is asked again."""
    assert run(line(root), True).ok
    result = run(line(root), False, from_nodes=["push"])
    assert {one: node.state for one, node in result.nodes.items()} == {
        "make": "REUSED",
        "Approval": "FAILED",
        "push": "SKIPPED",
    }


# -- what is wrong ---------------------------------------------------------------------------------------------------


def test_all_that_is_wrong_with_a_question_is_said_at_once(root: Path) -> None:
    made = make()
    gate = Approval(
        " ",
        about=made,  # type: ignore[arg-type]
        timeout=-1,
        on_timeout="later",  # type: ignore[arg-type]
        webhook="https://u:pw@example.org/",
        slack="https://hooks.example.org/T/K",  # type: ignore[arg-type]
        listen="nowhere",
    ).with_settings(timeout=3)
    with pytest.raises(ConfigError) as caught:
        Pipeline("line", [push(number=made.outputs["result"]).after(gate)], root=root)
    told = str(caught.value)
    for part in ("needs a question", "timeout=-1", "'later'", "give Secret", "slack=", "'nowhere'", "not as a setting"):
        assert part in told
    assert "pw" not in told
    assert "give one of its outputs" in told


def test_a_question_may_be_computed_but_is_no_secret(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUELINE_TEST_SECRET", "s3cr3t")
    result = run(line(root, Secret("TRUELINE_TEST_SECRET")))
    assert "text is needed, and no secret" in (result.nodes["Approval"].message or "")
    made = make()
    gate = Approval("Push " + made.outputs["result"].property("preview") + "?", about=[made.outputs["result"]])
    result = run(Pipeline("other", [gate], root=root), True)
    assert result.ok


def test_several_types_to_look_at_are_inputs_of_their_own(root: Path) -> None:
    first, second = make(), make(node_id="second")
    inner = Approval("First?", node_id="Inner")
    gate = Approval(
        "Both?", about=[first.outputs["result"], inner.outputs["decision"], second.outputs["result"]], node_id="Gate"
    )
    assert sorted(gate.inputs) == ["about_Integer", "about_JsonValue"]
    result = run(Pipeline("line", [gate], root=root), True)
    assert result.ok


# -- telling people ---------------------------------------------------------------------------------------------------


def post(url: str, body: bytes) -> tuple[int, dict[str, Any]]:
    request = urllib.request.Request(url, data=body, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def background(work: Callable[[], Any]) -> tuple[threading.Thread, list[Any]]:
    made: list[Any] = []
    thread = threading.Thread(target=lambda: made.append(work()))
    thread.start()
    return thread, made


def test_a_web_hook_is_told_and_its_token_alone_decides(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with hook() as told, hook() as slack:
        monkeypatch.setenv("HOOK", told.url)
        monkeypatch.setenv("SLACK", slack.url)
        pipeline = line(
            root, "Push <this>?", webhook=Secret("HOOK"), slack=Secret("SLACK"), listen="127.0.0.1:0", timeout=60
        )
        thread, results = background(lambda: run(pipeline, run_id="r1"))
        assert told.heard.wait(20)
        assert slack.heard.wait(20)
        (message,) = told.told
        assert (message["run"], message["node"], message["pipeline"]) == ("r1", "Approval", "line")
        assert message["approve"] == "trueline approve r1 Approval"
        assert [one["type"] for one in message["artifacts"]] == ["Integer"]
        url, token = message["listen"]["url"], message["listen"]["token"]
        right = {"token": token, "decision": "approve", "by": "ann", "comment": "ok"}
        refused = [
            (403, json.dumps({**right, "token": "guess"}).encode()),
            (403, json.dumps({**right, "token": None}).encode()),
            (403, b"[]"),
            (400, b"no JSON"),
            (400, b"[" * 10_000),
            (400, json.dumps({**right, "decision": "yes"}).encode()),
            (400, json.dumps({**right, "by": ""}).encode()),
            (413, b"x" * 20_000),
        ]
        for status, body in refused:
            assert post(url, body)[0] == status
        assert post(f"{url}any/path", json.dumps(right).encode()) == (200, {"decision": "approved"})
        thread.join(20)
        (result,) = results
        assert result.ok
        assert result.nodes["Approval"].found == {"approved": True, "by": "ann", "comment": "ok"}
        with pytest.raises(urllib.error.URLError):
            post(url, b"{}")
    (said,) = slack.told
    assert set(said) == {"text"}
    assert "Push &lt;this&gt;?" in said["text"]
    assert token not in said["text"]
    kept = b"".join(path.read_bytes() for path in root.rglob("*") if path.is_file())
    assert b"K3YK3Y" not in kept
    assert token.encode() not in kept
    log = Path(result.nodes["Approval"].log).read_text()
    assert "webhook was told (HTTP 200)" in log


def test_a_web_hook_that_fails_fails_nothing_and_is_not_followed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with hook(status=302) as moved:
        monkeypatch.setenv("SLACK", "http://127.0.0.1:9/T0/K3YK3Y")
        pipeline = line(root, webhook=moved.url, slack=Secret("SLACK"), timeout=60)

        def on_event(event: Any) -> None:
            if event.kind == "node_waiting":
                log = root / ".trueline" / "logs" / event.run_id / "Approval.log"
                threading.Thread(target=later, args=(event, log)).start()

        def later(event: Any, log: Path) -> None:
            for _ in range(200):
                if log.exists() and log.read_text().count("could not be told") == 2:
                    break
                time.sleep(0.05)
            deciding(pipeline.metadata, True)(event)

        result = run(pipeline, on_event=on_event)
    assert result.ok
    log = Path(result.nodes["Approval"].log).read_text()
    assert "webhook could not be told: it answered HTTP 302" in log
    assert "slack could not be told: ConnectionRefusedError" in log
    assert "K3YK3Y" not in log


def test_a_secret_that_is_not_set_and_a_place_that_is_taken_are_said_before_anybody_waits(root: Path) -> None:
    result = run(line(root, webhook=Secret("TRUELINE_NO_SUCH_HOOK")))
    assert "TRUELINE_NO_SUCH_HOOK is not set" in (result.nodes["Approval"].message or "")
    with hook() as taken:
        place = f"127.0.0.1:{taken.server_address[1]}"
        result = run(line(root, webhook=taken.url, listen=place))
        assert f"cannot listen at {place}" in (result.nodes["Approval"].message or "")
        assert not taken.told
