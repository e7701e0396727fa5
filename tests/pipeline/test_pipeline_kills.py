"""SIGKILL for the launcher at every stage; the run is taken up again and comes to what an undisturbed one makes."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
from database_servers import new_database
from kill_world import Server, Watch, World

Prints = dict[tuple[str, str], str]
# Along one path of the line, in the order in which a run comes to them: the run goes on behind each kill.
CHAIN = (
    *("begun", "resolve:source", "inside:source", "closed:source", "look_up:right", "registered:right"),
    *("publish:right", "counted", "added", "publish:train[1]", "inside:train", "publish:farewell", "finish"),
)
EACH = (
    *CHAIN,
    *("begin", "resolve:join", "look_up:train[2]", "register:source", "register:train[0]", "registered:train[2]"),
    *(
        "node_retry:flaky",
        "closed:whole",
        "published:whole",
        "publish:join",
        "inside:left",
        "inside:right",
        "inside:flaky",
        "inside:join",
        "manifest:left",
        "manifest:source",
    ),
    *("publish:source", "published:left", "published:train[0]", "published:join"),
    *("fail:flaky", "failed:flaky", "passes", "finished"),
)
RESUMES = ("claim", "claimed", "again", "readied", "inside:join", "publish:join")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture(scope="module")
def expected(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Prints:
    """What an undisturbed run makes."""
    world = World(server, tmp_path_factory.mktemp("undisturbed"))
    assert world.do("run") == 0, world.words
    prints = world.fingerprints()
    world.check(prints)
    assert {node for node, _ in prints} == {
        *("source", "left", "right", "flaky", "whole", "join", "farewell"),
        *(f"train[{number}]" for number in range(3)),
    }
    return prints


def kill_at(world: World, point: str, **env: str) -> None:
    status = world.do("resume" if world.has_run() else "run", KILL_AT=point, **env)
    assert status == -9, f"{point} was not reached: {world.words}"


def finish(world: World, expected: Prints) -> None:
    assert world.do("resume" if world.has_run() else "run") == 0, world.words
    world.check(expected)


def test_one_run_killed_at_many_stages_one_after_the_other(server: Server, expected: Prints, tmp_path: Path) -> None:
    world = World(server, tmp_path)
    with Watch(world) as watch:
        for point in CHAIN:
            kill_at(world, point)
        finish(world, expected)
    assert watch.looks > 3


@pytest.mark.parametrize("point", ["node_retry:flaky"])
def test_a_run_killed_between_attempts(server: Server, expected: Prints, tmp_path: Path, point: str) -> None:
    world = World(server, tmp_path)
    with Watch(world):
        kill_at(world, point)
        finish(world, expected)


def test_a_run_killed_inside_a_node_with_a_process_of_its_own(server: Server, expected: Prints, tmp_path: Path) -> None:
    world = World(server, tmp_path)
    with Watch(world):
        kill_at(world, "inside:source", SOURCE_APART="1")
        finish(world, expected)


@pytest.mark.parametrize(
    "isolation",
    [pytest.param("thread", marks=pytest.mark.slow), pytest.param("process", marks=pytest.mark.exhaustive)],
)
@pytest.mark.parametrize("point", EACH)
def test_each_stage_by_itself(server: Server, expected: Prints, tmp_path: Path, point: str, isolation: str) -> None:
    world = World(server, tmp_path, isolation=isolation)
    with Watch(world):
        kill_at(world, point)
        finish(world, expected)


@pytest.mark.slow
@pytest.mark.parametrize("point", RESUMES)
def test_the_taking_up_itself_is_killed(server: Server, expected: Prints, tmp_path: Path, point: str) -> None:
    world = World(server, tmp_path)
    with Watch(world):
        kill_at(world, "inside:train")
        kill_at(world, point)
        finish(world, expected)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["postgresql", "mysql"])
@pytest.mark.parametrize("point", ["publish:train[1]", "counted", "registered:join"])
def test_other_databases(server: Server, expected: Prints, tmp_path: Path, kind: str, point: str) -> None:
    with new_database(kind, tmp_path) as url:
        world = World(server, tmp_path, url=url)
        with Watch(world):
            kill_at(world, point)
            finish(world, expected)


def random_kills(server: Server, expected: Prints, folder: Path, kills: int, seed: int, most: float = 1.5) -> int:
    """Lines run and killed until so many kills are used; how many lines there were."""
    dice = random.Random(seed)
    left, lines = kills, 0
    while left > 0:
        world = World(server, folder)
        lines += 1
        with Watch(world):
            status = -9
            while status != 0:
                process = world.start("resume" if world.has_run() else "run", PACE="0.05")
                status = server.kill_after(process, dice.uniform(0, most)) if left > 0 else server.wait(process)
                assert status in (0, -9), world.words
                left -= status == -9
            world.check(expected)
    return lines


@pytest.mark.parametrize(
    "kills",
    [pytest.param(25, marks=pytest.mark.slow), pytest.param(200, marks=pytest.mark.exhaustive)],
)
def test_kills_at_random_moments_lose_nothing(server: Server, expected: Prints, tmp_path: Path, kills: int) -> None:
    assert random_kills(server, expected, tmp_path, kills=kills, seed=kills) > 1


def test_two_that_take_a_run_up_at_once(server: Server, expected: Prints, tmp_path: Path) -> None:
    world = World(server, tmp_path)
    with Watch(world):
        kill_at(world, "inside:train")
        both = [world.start("resume", PACE="0.2") for _ in range(2)]
        statuses = sorted(server.wait(process) for process in both)
        world.check(expected)
    assert statuses == [0, 3], world.words
    assert "MetadataError: run run " in world.words
    assert "under way" in world.words or "taken up by another process" in world.words
