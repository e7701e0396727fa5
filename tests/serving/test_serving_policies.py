"""Which versions are served: policies, the order of loading and unloading, retries, looks, empty and missing bases."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from serving_helpers import publish, taxi_graph, until, write_model

from trueline.serving.config import AllVersions, Latest, ModelConfig, ServerConfig, Specific
from trueline.serving.manager import ModelManager
from trueline.serving.options import ServerOptions
from trueline.serving.versions import State

Events = list[tuple[str, Mapping[str, Any]]]


def manager_of(base: Path, events: Events, model: dict[str, Any] | None = None, **settings: Any) -> ModelManager:
    """A manager of one model that looks only when it is told to, unless `settings` say more."""
    config = ServerConfig((replace(ModelConfig("taxi", str(base)), **(model or {})),))
    options = ServerOptions(**({"poll_seconds": -1} | settings))
    return ModelManager(config, options, lambda name, facts: events.append((name, facts)))


def serving(manager: ModelManager, name: str = "taxi") -> list[int]:
    """The versions in the table."""
    return sorted(manager.table[name].versions) if name in manager.table else []


def names(events: Events) -> list[tuple[str, Any]]:
    return [(name, facts.get("version")) for name, facts in events]


@pytest.mark.parametrize(
    ("policy", "first", "second"),
    [
        (Latest(), [3], [4]),
        (Latest(2), [2, 3], [3, 4]),
        (AllVersions(), [1, 2, 3], [1, 2, 3, 4]),
        (Specific((1, 3)), [1, 3], [1, 3]),
        (Specific((2, 9)), [2], [2]),
    ],
)
def test_a_policy_serves_what_it_says_and_follows_a_push(
    tmp_path: Path, taxi: Path, policy: Any, first: list[int], second: list[int]
) -> None:
    for number in (1, 2, 3):
        publish(taxi, tmp_path / "base", number)

    async def main() -> None:
        manager = manager_of(tmp_path / "base", [], {"policy": policy})
        await manager.refresh("taxi")
        assert serving(manager) == first
        publish(taxi, tmp_path / "base", 4)
        await manager.refresh("taxi")
        assert serving(manager) == second
        assert manager.table["taxi"].default.number == max(second)
        await manager.stop()

    asyncio.run(main())


def test_a_specific_version_that_is_missing_is_told_once_and_served_when_it_comes(base: Path, taxi: Path) -> None:
    events: Events = []

    async def main() -> None:
        manager = manager_of(base, events, {"policy": Specific((1, 7))})
        for _ in range(3):
            await manager.refresh("taxi")
        assert [facts["versions"] for name, facts in events if name == "version_missing"] == [[7]]
        publish(taxi, base, 7)
        await manager.refresh("taxi")
        assert serving(manager) == [1, 7]
        shutil.rmtree(base / "7")
        await manager.refresh("taxi")
        assert serving(manager) == [1]
        assert len([1 for name, _ in events if name == "version_missing"]) == 2
        await manager.stop()

    asyncio.run(main())


def test_new_versions_are_loaded_before_old_ones_go_and_the_lowest_goes_first(tmp_path: Path, taxi: Path) -> None:
    base, events = tmp_path / "base", []
    for number in (1, 2):
        publish(taxi, base, number)

    async def main() -> None:
        manager = manager_of(base, events, {"policy": Latest(2)})
        await manager.refresh("taxi")
        first = manager.table["taxi"].versions[1]
        first.acquire()
        for number in (3, 4):
            publish(taxi, base, number)
        await manager.refresh("taxi")
        await asyncio.sleep(0.05)
        assert serving(manager) == [3, 4]
        states = {n: v.state for n, v in manager.tracked["taxi"].items()}
        assert states == {1: "UNLOADING", 2: "UNLOADING", 3: "AVAILABLE", 4: "AVAILABLE"}
        first.release()
        await until(lambda: ("unloaded", 2) in names(events))
        order = [event for event in names(events) if event[1] in (1, 2, 3, 4)]
        assert order[-4:] == [("available", 4), ("available", 3), ("unloaded", 1), ("unloaded", 2)]
        await manager.stop()

    asyncio.run(main())


def test_a_resource_preserving_model_is_unloaded_first_and_comes_back_when_the_new_one_fails(
    base: Path, tmp_path: Path, taxi: Path
) -> None:
    events: Events = []

    async def main() -> None:
        manager = manager_of(base, events, {"resource_preserving": True})
        await manager.refresh("taxi")
        publish(taxi, base, 2)
        await manager.refresh("taxi")
        assert names(events) == [("available", 1), ("unloaded", 1), ("available", 2)]
        changed = write_model(tmp_path / "changed", taxi_graph())
        (changed / "model.onnx").write_bytes((changed / "model.onnx").read_bytes()[::-1])
        publish(changed, base, 3)  # its files do not fit its manifest: no room is made for it
        await manager.refresh("taxi")
        assert serving(manager) == [2]
        assert names(events)[3:] == [("load_failed", 3)]
        publish(write_model(tmp_path / "broken", b"no graph"), base, 4)  # whole, but no model
        await manager.refresh("taxi")
        assert names(events)[4:] == [("unloaded", 2), ("load_failed", 4), ("available", 2)]
        assert serving(manager) == [2]
        await manager.stop()

    asyncio.run(main())


def test_a_failed_load_is_tried_again_as_often_as_is_said_and_then_only_after_a_change(
    base: Path, tmp_path: Path, taxi: Path
) -> None:
    publish(write_model(tmp_path / "broken", b"no graph"), base, 2)
    events: Events = []

    async def main() -> None:
        manager = manager_of(base, events, max_load_retries=2, retry_seconds=0)
        for _ in range(6):
            await manager.refresh("taxi")
        assert names(events).count(("load_failed", 2)) == 3
        assert serving(manager) == [1]
        shutil.rmtree(base / "2")
        publish(taxi, base, 2)
        await manager.refresh("taxi")
        assert serving(manager) == [2]
        await manager.stop()

    asyncio.run(main())


@pytest.mark.parametrize("always", [True, False])
def test_an_empty_base_takes_the_last_version_down_only_where_that_is_asked_for(base: Path, always: bool) -> None:
    events: Events = []

    async def main() -> None:
        manager = manager_of(base, events, servable_versions_always_present=always)
        await manager.refresh("taxi")
        shutil.rmtree(base / "1")
        await manager.refresh("taxi")
        assert serving(manager) == ([1] if always else [])
        assert manager.ready == always
        shutil.rmtree(base)
        await manager.refresh("taxi")  # a base that is not there is an error, and changes nothing in both
        assert serving(manager) == ([1] if always else [])
        assert "does not exist" in manager.scan_errors["taxi"]
        await manager.stop()

    asyncio.run(main())
    assert [name for name, _ in events].count("no_version") == (0 if always else 2)


def test_a_model_whose_base_is_missing_does_not_stop_the_others(base: Path, tmp_path: Path) -> None:
    events: Events = []

    async def main() -> None:
        config = ServerConfig((ModelConfig("taxi", str(base)), ModelConfig("none", str(tmp_path / "none"))))
        manager = ModelManager(config, ServerOptions(poll_seconds=0), lambda *event: events.append(event))
        manager.start()
        await until(lambda: serving(manager) == [1] and "none" in manager.scan_errors)
        assert not manager.ready
        assert "does not exist" in manager.silence("none")
        assert manager.silence("taxi") == ""
        await manager.stop()

    asyncio.run(main())


def test_one_look_no_look_and_looks_for_ever(base: Path, taxi: Path) -> None:
    async def main() -> None:
        once, never = manager_of(base, [], poll_seconds=0), manager_of(base, [], poll_seconds=-1)
        often = manager_of(base, [], poll_seconds=0.02)
        for manager in (once, never, often):
            manager.start()
        await until(lambda: serving(once) == serving(often) == [1])
        publish(taxi, base, 2)
        await until(lambda: serving(often) == [2])
        assert (serving(once), serving(never)) == ([1], [])
        for manager in (once, never, often):
            await manager.stop()

    asyncio.run(main())


def test_nobody_asks_a_version_before_the_hook_lets_it_and_what_the_hook_raises_fails_the_load(base: Path) -> None:
    async def main() -> None:
        manager = manager_of(base, [])
        seen: list[tuple[State, list[int]]] = []

        async def hook(name: str, number: int) -> None:
            seen.append((manager.tracked[name][number].state, serving(manager)))
            if len(seen) == 1:
                raise RuntimeError("another process cannot load it")

        manager.before_publish = hook
        await manager.refresh("taxi")
        failed = manager.tracked["taxi"][1]
        assert (failed.state, failed.error) == (State.END, "RuntimeError: another process cannot load it")
        assert failed.live is None
        publish_again(base)
        await manager.refresh("taxi")
        version = manager.tracked["taxi"][1]
        assert seen == [(State.LOADING, []), (State.LOADING, [])]
        assert (version.state, version.error, serving(manager)) == (State.AVAILABLE, "", [1])
        await manager.stop()
        assert (version.state, version.live) == (State.END, None)

    asyncio.run(main())


def publish_again(base: Path) -> None:
    """The same files with other times: a change."""
    for file in (base / "1").iterdir():
        os.utime(file, ns=(1, 1))


def test_the_silence_of_a_model_is_told_once_with_its_reason(base: Path, tmp_path: Path) -> None:
    shutil.rmtree(base / "1")
    events: Events = []

    async def main() -> None:
        manager = manager_of(base, events)
        for _ in range(2):
            await manager.refresh("taxi")
        publish(write_model(tmp_path / "broken", b"no graph"), base, 3)
        await manager.refresh("taxi")
        await manager.stop()

    asyncio.run(main())
    told = [facts["error"] for name, facts in events if name == "no_version"]
    assert len(told) == 2
    assert "there is no complete version in" in told[0]
    assert told[1].startswith("version 3: ")


def test_every_version_that_leaves_has_the_whole_drain_time_and_a_stop_waits_no_longer(base: Path, taxi: Path) -> None:
    publish(taxi, base, 2)
    events: Events = []

    async def main() -> None:
        manager = manager_of(base, events, {"policy": Latest(2)}, drain_seconds=0.3)
        await manager.refresh("taxi")
        versions = [manager.table["taxi"].versions[n] for n in (1, 2)]
        for version in versions:
            version.acquire()  # requests that never end
        for number in (3, 4):
            publish(taxi, base, number)
        started = time.monotonic()
        await manager.refresh("taxi")
        await until(lambda: len([1 for name, _ in events if name == "unloaded"]) == 2)
        assert 0.25 < time.monotonic() - started < 5
        assert [facts["drained"] for name, facts in events if name == "unloaded"] == [False, False]
        await manager.stop()

    asyncio.run(main())
