"""A garbage collection that is killed, refused, doubled or raced leaves a store that the next one finishes."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
from registry_world import World

from trueline._core import store as files
from trueline._core.errors import MetadataError
from trueline.metadata import GcPolicy, GcResult, MetadataStore, collect, pin, plan_gc, promote, release_pushed
from trueline.metadata.deletion import mark

TESTS = Path(__file__).parents[1]
BARE = GcPolicy(keep_last=1, keep_blessed=False)


def child(world: World, point: str, count: int) -> int:
    command = [sys.executable, str(TESTS / "gc_child.py"), world.url, point, str(count)]
    return subprocess.run(command, check=False, capture_output=True).returncode


def half_done(world: World) -> None:
    """Whatever was reached: nothing that stays is hurt, nothing that is not marked is touched."""
    for number, state in world.states().items():
        if state == "LIVE":
            assert (Path(world.uri(number)) / "MANIFEST.json").is_file()
        elif state == "DELETED":
            assert not Path(world.uri(number)).exists()
        else:
            assert state == "MARKED_FOR_DELETION"


EVERY = (("marked", 1), ("manifest", 2), ("files", 3), ("said", 2))


@pytest.mark.parametrize("points", [EVERY[1:3], pytest.param(EVERY, marks=pytest.mark.slow)], ids=["two", "all"])
def test_a_collection_that_is_killed_is_finished_by_the_next(world: World, points: tuple[tuple[str, int], ...]) -> None:
    old = [world.run(span=span, blessed=False) for span in (1, 2, 3)]
    last = world.run(span=4, blessed=False)
    doomed = {number for done in old for number in done.values()}
    for point, count in points:
        assert child(world, point, count) == -signal.SIGKILL
        half_done(world)
        states = world.states()
        assert "MARKED_FOR_DELETION" in states.values(), point
        assert all(states[number] == "LIVE" for number in last.values())
    # A marked model is nobody's any more.
    marked = next(done["model"] for done in reversed(old) if world.states()[done["model"]] != "LIVE")
    with pytest.raises(MetadataError):
        pin(world.store, marked)
    result = collect(world.store, BARE)
    assert result.failed == ()
    assert {number for number, state in world.states().items() if state == "DELETED"} == doomed
    world.consistent()


@pytest.mark.slow
def test_forty_kills_at_random_moments_lose_nothing(world: World) -> None:
    """Each in a process of its own, at whatever it is doing then; runs go on being recorded between them."""
    chance = random.Random(7)
    last = {}
    for turn in range(40):
        last = world.run(span=turn, blessed=False)
        worker = subprocess.Popen([sys.executable, str(TESTS / "gc_child.py"), world.url, "never", "1"])
        time.sleep(chance.uniform(0.2, 1.2))
        worker.kill()
        worker.wait()
        half_done(world)
        assert all(world.states()[number] == "LIVE" for number in last.values())
    assert collect(world.store, BARE).failed == ()
    world.consistent()
    assert {number for number, state in world.states().items() if state == "LIVE"} == set(last.values())


def test_two_at_once_do_each_other_no_harm(world: World) -> None:
    for span in range(6):
        world.run(span=span, blessed=False)
    results: list[GcResult] = []

    def work() -> None:
        store = MetadataStore(world.url)
        results.append(collect(store, BARE))
        store.close()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [result.failed for result in results] == [(), (), ()]
    world.consistent()
    assert sum(state == "LIVE" for state in world.states().values()) == 6


@pytest.mark.skipif(sys.platform != "linux", reason="takes root its power over permissions with setpriv")
def test_what_may_not_be_deleted_is_named_and_the_rest_goes(world: World) -> None:
    done = world.run(span=1, blessed=False)
    world.run(span=2, blessed=False)
    denied = Path(world.uri(done["model"]))
    powerless = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search,-fowner"] if os.getuid() == 0 else []
    if powerless and shutil.which("setpriv") is None:
        pytest.skip("root needs setpriv to be refused anything")
    line = "import sys; from trueline.cli.app import run_command; sys.exit(run_command())"
    command = [*powerless, sys.executable, "-c", line, "gc", "--keep-last", "1", "--metadata", world.url]
    denied.chmod(0o500)
    try:
        refused = subprocess.run(command, check=False, capture_output=True, text=True)
    finally:
        denied.chmod(0o700)
    assert refused.returncode == 1
    assert str(denied) in refused.stderr
    assert "permission denied" in refused.stderr
    assert f"artifact {done['model']}" in refused.stderr
    assert "Traceback" not in refused.stderr
    states = world.states()
    assert states[done["model"]] == "MARKED_FOR_DELETION"
    assert {states[number] for name, number in done.items() if name != "model"} == {"DELETED"}
    assert collect(world.store, BARE).failed == ()
    world.consistent()


def test_every_database_marks_in_one_step_that_nothing_gets_between(store_url: str, tmp_path: Path) -> None:
    world = World(tmp_path, url=store_url)
    done = [world.run(span=span) for span in (1, 2, 3)]
    release_pushed(world.store)
    promote(world.store, "taxi", "1.0.0")
    plan = plan_gc(world.store, BARE)
    assert {item.artifact_id for item in plan.doomed} == set(done[1].values())
    promote(world.store, "taxi", "1.0.1")  # after the look, before the mark
    assert mark(world.store, plan).doomed == ()
    promote(world.store, "taxi", "1.0.2")
    outcomes = race(world, done[0]["model"])
    world.consistent()
    states = world.states()
    # Pinned in time, or too late and refused: never pinned and deleted.
    assert (states[done[0]["model"]] == "LIVE") == (outcomes == ["pinned"])
    world.store.close()


def race(world: World, number: int) -> list[str]:
    """A pin and a collection at once."""
    outcomes: list[str] = []
    start = threading.Barrier(2)

    def pins() -> None:
        store = MetadataStore(world.url)
        start.wait()
        try:
            pin(store, number)
            outcomes.append("pinned")
        except MetadataError:
            outcomes.append("refused")
        store.close()

    thread = threading.Thread(target=pins)
    thread.start()
    start.wait()
    assert collect(world.store, BARE).failed == ()
    thread.join()
    return outcomes


def remote_collection(folder: Path, root: str) -> None:
    world = World(folder, root=root)
    done = world.run(span=1, blessed=False)
    world.run(span=2, blessed=False)
    plan = plan_gc(world.store, BARE)
    assert plan.total_bytes > 500
    assert child_free(world) == plan.total_bytes
    assert {n for n, state in world.states().items() if state == "DELETED"} == set(done.values())
    world.consistent()
    assert not files.exists(world.uri(done["model"]))
    release_pushed(world.store)
    world.store.close()


def child_free(world: World) -> int:
    result = collect(world.store, BARE)
    assert result.failed == ()
    return result.bytes


def test_other_stores_than_folders_are_collected_alike(tmp_path: Path) -> None:
    remote_collection(tmp_path, f"memory://{uuid.uuid4().hex}/root")


@pytest.mark.slow
def test_an_s3_store_is_collected_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moto_server, fsspec = pytest.importorskip("moto.server"), pytest.importorskip("fsspec")
    pytest.importorskip("s3fs")
    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    settings = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
    for name, value in {**settings, "FSSPEC_S3_ENDPOINT_URL": f"http://{host}:{port}"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setitem(fsspec.config.conf, "s3", {})
    fsspec.config.set_conf_env(fsspec.config.conf)
    filesystem = fsspec.filesystem("s3")
    filesystem.clear_instance_cache()
    try:
        fsspec.filesystem("s3").mkdir("bucket")
        remote_collection(tmp_path, "s3://bucket/root")
    finally:
        fsspec.filesystem("s3").clear_instance_cache()
        server.stop()
