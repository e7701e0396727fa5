"""The order of what is said in a change: nobody changes before all stand still, and nobody is waited for in vain."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest

from trueline.serving.config import ServerConfig
from trueline.serving.errors import RequestError
from trueline.serving.options import ServerOptions
from trueline.serving.scan import Candidate
from trueline.serving.worker_board import Board
from trueline.serving.worker_control import Channel, Told
from trueline.serving.worker_pool import Member
from trueline.serving.worker_rounds import HOLD_LIMIT, HOLD_TRIES, Rounds

TOLD = Told({2: Candidate(2, "/m/2", "s")})
DONE = {"states": {"taxi": {"2": ("AVAILABLE", "")}}}


class Stage:
    """A supervisor's rounds over real lines, whose other ends the test holds."""

    def __init__(self, workers: int) -> None:
        self.pool: Any = SimpleNamespace(live=[])
        self.board = Board(ServerConfig.of({"taxi": "/m"}), ServerOptions())
        self.events: list[tuple[str, Any]] = []
        self.rounds = Rounds(self.pool, self.board, lambda e, f: self.events.append((e, f)), lambda: None)
        self.order: list[str] = []
        self.lines: list[Channel] = []
        self.peers = [self.join(i) for i in range(workers)]

    def join(self, index: int) -> Peer:
        """One more worker."""
        ours, theirs = socket.socketpair()
        line: Any = Channel(ours)
        member = Member(index, None, line)  # type: ignore[arg-type]
        line.on_message = lambda message: self._heard(member, message)
        line.on_closed = lambda: self.leave(member)
        line.start()
        self.pool.live.append(member)
        self.lines += [line, Channel(theirs)]
        return Peer(index, member, self.lines[-1], self.order)

    def _heard(self, member: Member, message: Any) -> None:
        member.states = message.get("states", member.states)
        if message["say"] == "failed":
            self.rounds.load_failed(member, "taxi", message["version"], message["error"])
        else:
            self.rounds.heard(member, message)

    def close(self) -> None:
        """Hangs up everywhere."""
        for line in self.lines:
            line.close()

    def leave(self, member: Member) -> None:
        """A worker's line is cut."""
        self.pool.live.remove(member)
        self.rounds.left(member)


class Peer:
    """The other end of a line: does what a worker does, or what the test says instead."""

    def __init__(self, index: int, member: Member, line: Channel, order: list[str]) -> None:
        self.member = member
        self.line = line
        self.does: dict[str, Callable[[Any], None]] = {
            "look": lambda m: line.send({"say": "loaded", "round": m["round"], "model": "taxi", "version": 2}),
            "hold": lambda m: line.send({"say": "held", "flip": m["flip"]}),
            "commit": lambda m: line.send({"say": "looked", "round": m["round"], **DONE}),
            "abort": lambda m: line.send({"say": "looked", "round": m["round"], "states": {}}),
            "configure": lambda m: line.send({"say": "prepared", "round": m["round"]}),
            "release": lambda m: None,
        }

        def heard(message: Any) -> None:
            order.append(f"{message['do']} {index}")
            self.does[message["do"]](message)

        line.on_message = heard
        line.start()


def play(workers: int, acts: Callable[[Stage], Awaitable[Any]]) -> tuple[Stage, Any]:
    """A stage, and what the acts gave."""

    async def run() -> tuple[Stage, Any]:
        stage = Stage(workers)
        try:
            return stage, await asyncio.wait_for(acts(stage), 20)
        finally:
            stage.close()

    return asyncio.run(run())


def test_one_goes_ahead_and_all_change_after_all_stand_still() -> None:
    stage, finished = play(3, lambda s: s.rounds.look("taxi", TOLD))
    assert finished
    kinds = [entry.split()[0] for entry in stage.order]
    assert stage.order[0] == "look 0"
    assert kinds == ["look"] * 3 + ["hold"] * 3 + ["commit"] * 3
    event, facts = stage.events[0]
    assert (event, facts["version"], facts["workers"], facts["held"]) == ("available", 2, 3, True)
    assert set(stage.board.committed["taxi"]) == {2}


def test_who_does_not_stand_still_is_not_waited_for_for_ever() -> None:
    def acts(stage: Stage) -> Awaitable[bool]:
        stage.peers[1].does["hold"] = lambda m: None
        return stage.rounds.look("taxi", TOLD)

    began = time.monotonic()
    stage, finished = play(2, acts)
    assert finished
    assert time.monotonic() - began >= HOLD_TRIES * HOLD_LIMIT
    assert stage.order.count("release 0") == HOLD_TRIES - 1
    assert stage.events[0][1]["held"] is False


def test_a_version_that_fails_in_one_is_refused_in_all() -> None:
    def acts(stage: Stage) -> Awaitable[bool]:
        def fails(message: Any) -> None:
            line = stage.peers[1].line
            line.send({"say": "failed", "version": 2, "error": "no memory"})
            line.send({"say": "looked", "round": message["round"], "states": {}})

        stage.peers[1].does["look"] = fails
        return stage.rounds.look("taxi", TOLD)

    stage, finished = play(3, acts)
    assert finished
    assert sorted(e for e in stage.order if e.startswith("abort")) == ["abort 0", "abort 2"]
    assert not any(e.startswith(("hold", "commit")) for e in stage.order)
    assert stage.events == [("load_failed", {"model": "taxi", "version": 2, "error": "no memory"})]
    assert stage.board.usable("taxi", TOLD).candidates == {}
    assert stage.board.view([])["taxi"] == {"2": ("END", "no memory")}


def test_who_comes_while_others_wait_takes_part() -> None:
    """And who leaves then is not waited for."""

    def acts(stage: Stage) -> Awaitable[bool]:
        def late(message: Any) -> None:
            newcomer = stage.join(7)
            stage.rounds.joined(newcomer.member)
            stage.peers[1].line.close()

        stage.peers[1].does["look"] = late
        return stage.rounds.look("taxi", TOLD)

    stage, finished = play(2, acts)
    assert finished
    assert {"look 7", "hold 7", "commit 7", "commit 0"} <= set(stage.order)
    assert stage.events[0][1]["workers"] == 2


def test_a_version_that_ends_two_workers_is_given_up() -> None:
    def acts(stage: Stage) -> Awaitable[bool]:
        for peer in stage.peers[:2]:
            peer.does["look"] = lambda m, line=peer.line: line.close()
        stage.peers[2].does["look"] = lambda m: stage.peers[2].line.send(
            {"say": "looked", "round": m["round"], "states": {}, "told": json.dumps(m["told"])}
        )
        return stage.rounds.look("taxi", TOLD)

    stage, finished = play(3, acts)
    assert finished
    assert stage.order == ["look 0", "look 1", "look 2"]
    assert "2 worker processes ended while they loaded it" in stage.events[0][1]["error"]


def test_a_configuration_that_one_refuses_is_refused_by_all() -> None:
    async def acts(stage: Stage) -> None:
        refusal = {"code": "UNKNOWN", "message": "model 'x' did not become available", "problems": ["x: why"]}
        line = stage.peers[1].line
        stage.peers[1].does["configure"] = lambda m: line.send(
            {"say": "unprepared", "round": m["round"], "error": refusal}
        )
        with pytest.raises(RequestError, match="did not become available") as caught:
            await stage.rounds.configure(ServerConfig.of({"x": "/x"}), {"x": TOLD})
        assert list(caught.value.problems) == ["x: why"]

    stage, _ = play(2, acts)
    assert "abort 0" in stage.order
    assert not any(e.startswith("commit") for e in stage.order)
    assert list(stage.board.config.by_name) == ["taxi"]


def test_without_workers_a_look_is_put_off_and_a_configuration_refused() -> None:
    async def acts(stage: Stage) -> None:
        assert await stage.rounds.look("taxi", TOLD) is False
        with pytest.raises(RequestError):
            await stage.rounds.configure(ServerConfig.of({"x": "/x"}), {})

    stage, _ = play(0, acts)
    assert stage.events == []
