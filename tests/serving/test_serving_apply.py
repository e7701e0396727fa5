"""A configuration is in force as a whole or not at all; until then, and when it is refused, all answers as before."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from serving_helpers import publish, running, until, write_model

from trueline._core.errors import ConfigError, TruelineError
from trueline.serving.config import AllVersions, Latest, ModelConfig, ServerConfig, Specific
from trueline.serving.errors import Code, RequestError
from trueline.serving.manager import ModelManager
from trueline.serving.options import ServerOptions
from trueline.serving.versions import State


def config_of(*models: ModelConfig) -> ServerConfig:
    return ServerConfig(tuple(models))


async def started(config: ServerConfig, events: list[Any] | None = None, **options: Any) -> ModelManager:
    """A manager whose models answer."""
    told = events if events is not None else []
    manager = ModelManager(
        config, ServerOptions(**({"poll_seconds": 0} | options)), lambda name, facts: told.append((name, facts))
    )
    manager.start()
    await until(lambda: manager.ready)
    return manager


def serving(manager: ModelManager) -> dict[str, list[int]]:
    return {name: sorted(routes.versions) for name, routes in manager.table.items()}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, taxi: Path) -> Path:
    """Bases ``a`` (1, 2, 3), ``b`` (5), ``broken`` (1, whole but no model), ``empty``."""
    place = tmp_path_factory.mktemp("world")
    for base, number in (("a", 1), ("a", 2), ("a", 3), ("b", 5)):
        publish(taxi, place / base, number)
    publish(write_model(place / "broken_model", b"no graph"), place / "broken", 1)
    (place / "empty").mkdir()
    return place


def test_models_come_and_go_and_change_by_one_assignment(world: Path) -> None:
    tables: list[Mapping[str, Any]] = []

    class Watched(ModelManager):
        def __setattr__(self, name: str, value: Any) -> None:
            if name == "table":
                tables.append(value)
            super().__setattr__(name, value)

    async def main() -> None:
        events: list[Any] = []
        config = config_of(ModelConfig("stays", str(world / "a")), ModelConfig("goes", str(world / "b")))
        options = ServerOptions(poll_seconds=0)
        manager = Watched(config, options, lambda name, facts: events.append((name, facts.get("model"))))
        manager.start()
        await until(lambda: manager.ready)
        held = manager.table["goes"].versions[5]
        held.acquire()
        tables.clear()
        new = config_of(
            ModelConfig("stays", str(world / "a"), Specific((1, 2)), {"stable": 1, "canary": 2}),
            ModelConfig("comes", str(world / "b")),
        )
        await manager.apply(new)
        assert len(tables) == 1
        assert serving(manager) == {"stays": [1, 2], "comes": [5]}
        assert dict(manager.table["stays"].labels) == {"stable": 1, "canary": 2}
        assert manager.config is new
        assert manager.ready
        assert held.state is State.UNLOADING
        assert manager.tracked["goes"][5] is held
        held.release()
        await until(lambda: held.state is State.END)
        await until(lambda: ("unloaded", "stays") in events)
        assert manager.tracked["stays"][3].state is State.END
        assert ("configured", None) in events
        await manager.stop()

    asyncio.run(main())


def refused(world: Path) -> list[tuple[str, Code, ServerConfig]]:
    """What must not come into force beside ``ok``, and a word of the reason."""
    a, b = str(world / "a"), str(world / "b")
    ok = ModelConfig("ok", a)
    return [
        ("cannot load the graph", Code.UNKNOWN, config_of(ok, ModelConfig("new", str(world / "broken")))),
        ("no complete version", Code.UNKNOWN, config_of(ok, ModelConfig("new", str(world / "empty")))),
        ("does not exist", Code.UNKNOWN, config_of(ok, ModelConfig("new", str(world / "nowhere")))),
        ("wants none", Code.UNKNOWN, config_of(ok, ModelConfig("new", b, Specific((77,))))),
        ("no complete version", Code.UNKNOWN, config_of(ModelConfig("ok", str(world / "empty")))),
        ("version 9", Code.FAILED_PRECONDITION, config_of(ModelConfig("ok", a, labels={"stable": 9}))),
        ("version 1", Code.FAILED_PRECONDITION, config_of(ModelConfig("ok", a, Latest(), {"stable": 1}))),
        ("version 9", Code.FAILED_PRECONDITION, config_of(ok, ModelConfig("new", b, labels={"stable": 9}))),
        ("version 2", Code.FAILED_PRECONDITION, config_of(ModelConfig("ok", a, AllVersions(), {"x": 2, "y": 8}),
                                                          ModelConfig("new", b, labels={"version 2": 1}))),
    ]  # fmt: skip


def test_what_is_refused_leaves_everything_as_it_was(world: Path) -> None:
    async def main() -> None:
        events: list[Any] = []
        old = config_of(ModelConfig("ok", str(world / "a"), labels={"stable": 3}), ModelConfig("b", str(world / "b")))
        manager = await started(old, events)
        for word, code, config in refused(world):
            table, tracked = manager.table, {n: dict(v) for n, v in manager.tracked.items()}
            with pytest.raises(RequestError) as caught:
                await manager.apply(config)
            assert caught.value.code is code, word
            assert word in str(caught.value)
            assert manager.table is table
            assert manager.config is old
            assert {n: dict(v) for n, v in manager.tracked.items()} == tracked
            assert [v.state for v in tracked["ok"].values()] == [State.AVAILABLE]
            assert manager.ready
            await manager.refresh("ok")
            assert manager.table is table
        assert [name for name, _ in events].count("configuration_failed") == len(refused(world))
        with pytest.raises(ConfigError, match="nothing here knows sources of the kind 'pipeline'"):
            await manager.apply(config_of(ModelConfig("p", "pipeline:churn")))
        assert manager.table is table
        await manager.stop()

    asyncio.run(main())


def test_a_cancelled_change_and_a_failing_hook_leave_everything_as_it_was(world: Path) -> None:
    async def main() -> None:
        manager = await started(config_of(ModelConfig("a", str(world / "a"))))
        table, reached = manager.table, asyncio.Event()

        async def wait(name: str, number: int) -> None:
            reached.set()
            await asyncio.sleep(60)

        async def fail(name: str, number: int) -> None:
            raise RuntimeError("the others cannot")

        new = config_of(ModelConfig("a", str(world / "a"), AllVersions()), ModelConfig("b", str(world / "b")))
        manager.before_publish = wait
        task = asyncio.ensure_future(manager.apply(new))
        await reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert manager.table is table
        manager.before_publish = fail
        with pytest.raises(RequestError, match="the others cannot"):
            await manager.apply(new)
        assert manager.table is table
        assert serving(manager) == {"a": [3]}
        assert list(manager.tracked) == ["a"]
        manager.before_publish = None
        await manager.apply(new)
        assert serving(manager) == {"a": [1, 2, 3], "b": [5]}
        await manager.stop()

    asyncio.run(main())


def test_a_stop_ends_a_change_that_is_under_way(world: Path) -> None:
    async def main() -> None:
        manager = await started(config_of(ModelConfig("a", str(world / "a"))))
        reached = asyncio.Event()

        async def wait(name: str, number: int) -> None:
            reached.set()
            await asyncio.sleep(60)

        manager.before_publish = wait
        task = asyncio.ensure_future(manager.apply(config_of(ModelConfig("b", str(world / "b")))))
        await reached.wait()
        await asyncio.wait_for(manager.stop(), 10)
        assert task.cancelled()
        with pytest.raises(RequestError, match="the server is stopping"):
            await manager.apply(config_of(ModelConfig("b", str(world / "b"))))

    asyncio.run(main())


def test_labels_wait_for_their_version_at_the_start_and_where_the_flag_lets_them(base: Path, taxi: Path) -> None:
    async def main() -> None:
        labels = {"stable": 1, "canary": 2}
        model = ModelConfig("taxi", str(base), AllVersions(), labels)
        manager = await started(config_of(model), allow_version_labels_for_unavailable_models=True)
        assert dict(manager.table["taxi"].labels) == {"stable": 1}
        later = ModelConfig("taxi", str(base), AllVersions(), {**labels, "next": 3})
        await manager.apply(config_of(later))
        publish(taxi, base, 2)
        await manager.refresh("taxi")
        assert dict(manager.table["taxi"].labels) == labels
        moved = ModelConfig("taxi", str(base), AllVersions(), {"stable": 3, "canary": 2})
        with pytest.raises(RequestError, match="label 'stable' cannot be given to version 3"):
            await manager.apply(config_of(moved))  # the flag speaks of labels that are not in use
        publish(taxi, base, 3)
        await manager.apply(config_of(moved))
        assert dict(manager.table["taxi"].labels) == {"stable": 3, "canary": 2}
        await manager.stop()

    asyncio.run(main())


def test_one_change_brings_a_version_and_its_label(world: Path) -> None:
    async def main() -> None:
        manager = await started(config_of(ModelConfig("a", str(world / "a"))))
        both = ModelConfig("a", str(world / "a"), Specific((2, 3)), {"stable": 2, "canary": 3})
        await manager.apply(config_of(both))
        assert serving(manager) == {"a": [2, 3]}
        kept = manager.table["a"].versions[3]
        await manager.apply(config_of(ModelConfig("a", str(world / "a"), labels={"stable": 3})))
        assert manager.table["a"].versions[3] is kept  # what is loaded is not loaded again
        assert dict(manager.table["a"].labels) == {"stable": 3}
        await manager.stop()

    asyncio.run(main())


_MODELS = st.builds(
    lambda name, base, policy, labels, careful: (name, base, policy, labels, careful),
    st.sampled_from(["m", "n", "o"]),
    st.sampled_from(["a", "a", "b", "broken", "empty", "nowhere"]),
    st.sampled_from([Latest(), Latest(2), AllVersions(), Specific((1,)), Specific((2, 5)), Specific((9,)), Latest(0)]),
    st.dictionaries(st.sampled_from(["stable", "canary"]), st.sampled_from([1, 2, 3, 5, 9]), max_size=2),
    st.booleans(),
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.lists(_MODELS, min_size=0, max_size=3), min_size=1, max_size=4))
def test_after_any_change_the_new_configuration_or_the_very_same_table_is_there(world: Path, steps: list[Any]) -> None:
    async def main() -> None:
        first = config_of(ModelConfig("m", str(world / "a")), ModelConfig("n", str(world / "b")))
        manager = await started(first)
        for step in steps:
            table, before = manager.table, manager.config
            versions = {n: dict(r.versions) for n, r in table.items()}
            try:
                config = config_of(*(ModelConfig(n, str(world / b), p, la, c) for n, b, p, la, c in step))
                await manager.apply(config)
            except TruelineError:
                assert manager.table is table
                assert manager.config is before
                assert {n: dict(r.versions) for n, r in table.items()} == versions
                assert all(v.live is not None for r in table.values() for v in r.versions.values())
            else:
                assert manager.config is config
                assert set(manager.table) == set(config.by_name)
                for name, model in config.by_name.items():
                    routes = manager.table[name]
                    assert routes.default is not None
                    assert all(n in routes.versions for n in routes.labels.values()), (name, routes)
                    if not model.resource_preserving:
                        assert routes.labels == model.labels
            states = {v.state for r in manager.table.values() for v in r.versions.values()}
            assert states == {State.AVAILABLE}
        await manager.stop()
        alive = [v for tracked in manager.tracked.values() for v in tracked.values() if v.live is not None]
        assert alive == []

    asyncio.run(main())


def test_changes_under_load_fail_no_request(world: Path, taxi_other: Path, tmp_path: Path) -> None:
    """16 clients of one model while it and its neighbours change 12 times, 4 times in vain."""
    for number in (3, 4):
        publish(taxi_other, tmp_path / "c", number)
    bases = [str(world / "a"), str(tmp_path / "c")]

    async def main() -> None:
        async with running({"taxi": world / "a"}) as (app, client):
            failures: list[str] = []
            counts = 0
            stop = asyncio.Event()

            async def one() -> None:
                nonlocal counts
                while not stop.is_set():
                    answer = await client.post("/v1/models/taxi:predict", json={"instances": [{}]})
                    counts += 1
                    if answer.status_code != 200:
                        failures.append(answer.text)

            clients = [asyncio.ensure_future(one()) for _ in range(16)]
            for turn in range(12):
                model = ModelConfig("taxi", bases[turn % 2], AllVersions() if turn % 3 else Latest())
                others = [ModelConfig("other", str(world / "b"))] if turn % 2 else []
                broken = [ModelConfig("broken", str(world / "broken"))] if turn % 3 == 2 else []
                try:
                    await app.manager.apply(config_of(model, *others, *broken))
                except RequestError:
                    assert broken
                else:
                    assert not broken
                await asyncio.sleep(0.02)
            stop.set()
            await asyncio.gather(*clients)
            assert failures == []
            assert counts > 100

    asyncio.run(main())
