"""``trueline gc``: look, act, say why; what fails is named and the exit code tells."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from registry_world import World

from trueline.metadata.own_tables import run as run_table
from trueline.metadata.run_rows import open_execution

Ask = Callable[..., tuple[int, str, str]]
COMMAND = "gc"


def test_a_dry_run_says_what_would_go_and_changes_nothing(world: World, ask: Ask) -> None:
    old = world.run(span=1, blessed=False)
    world.run(span=2, blessed=False)
    code, out, _ = ask("--keep-last", "1", "--keep-blessed", "--dry-run")
    assert code == 0
    assert [line.split()[:3] for line in out.splitlines()[1:4]] == [
        ["taxi", "ExampleStatistics", "1"],
        ["taxi", "Examples", "1"],
        ["taxi", "Model", "1"],
    ]
    assert "Would free" in out
    assert "Kept 6 artifacts: last runs 6." in out
    told = json.loads(ask("--keep-last", "1", "--dry-run", "--json")[1])
    assert {item["artifact_id"] for item in told["delete"]} == set(old.values())
    assert told["bytes"] == sum(item["bytes"] for item in told["delete"]) > 0
    assert told["policy"]["keep_last"] == 1
    assert set(world.states().values()) == {"LIVE"}
    _, out, _ = ask("--keep-last", "1", "--dry-run", "--list")
    assert world.uri(old["model"]) in out
    assert "is one of the last" in out


def test_it_acts_without_asking_and_says_what_it_did(world: World, ask: Ask) -> None:
    old = world.run(span=1, blessed=False)
    log = Path(world.root) / ".trueline" / "logs" / world.last
    log.mkdir(parents=True)
    (log / "Trainer.log").write_text("x")
    given_up, going_on = (Path(world.root) / ".trueline" / "resume" / "Trainer" / name for name in ("old", "new"))
    for folder in (given_up, going_on):
        folder.mkdir(parents=True)
    os.utime(given_up, (0, 0))
    world.run(span=2, blessed=False)
    code, out, err = ask("--keep-last", "1")
    assert (code, err) == (0, "")
    assert (given_up.exists(), going_on.exists()) == (False, True)
    assert "Freed" in out
    assert " bytes" in out.splitlines()[1]
    assert "6 artifacts, logs of 1 runs, temporary files of 0." in out
    assert {world.states()[number] for number in old.values()} == {"DELETED"}
    assert not log.exists()
    world.consistent()
    told = json.loads(ask("--json")[1])
    assert (told["deleted"], told["problems"], told["bytes"]) == ([], [], 0)


def test_a_run_whose_process_is_gone_is_ended_first_and_its_leftovers_go(world: World, ask: Ask) -> None:
    old = world.run(span=1, blessed=False)
    dead = world.begin()
    half = Path(world.root) / "Trainer" / "model" / "999"
    half.mkdir(parents=True)
    (half / "weights").write_text("half")
    from trueline.metadata import Execution, ExecutionState

    execution, _, _ = world.store.put_execution(Execution("components.Trainer", ExecutionState.RUNNING))
    world.store.database.write(lambda c: open_execution(c, execution, dead, "Trainer", [str(half)]))
    gone = run_table.update().where(run_table.c.run_id == dead).values(pid=2**22 + 1, pid_started="never")
    world.store.database.write(lambda c: c.execute(gone))
    world.run(span=2, blessed=False)
    code, out, _ = ask("--keep-last", "1")
    assert code == 0
    assert f"Ended 1 runs whose process is gone: {dead}" in out
    assert not half.exists()
    assert {world.states()[number] for number in old.values()} == {"DELETED"}


def test_what_fails_is_named_with_exit_code_1_and_tried_again(world: World, ask: Ask) -> None:
    done = world.run(span=1, blessed=False)
    world.run(span=2, blessed=False)
    from trueline.metadata import GcPolicy, plan_gc
    from trueline.metadata.deletion import mark

    mark(world.store, plan_gc(world.store, GcPolicy(keep_last=1)))
    place = Path(world.uri(done["model"]))
    place.rename(place.with_name("aside"))
    place.symlink_to(place.with_name("aside"))
    code, out, err = ask("--keep-last", "1")
    assert code == 1
    assert f"not deleted: artifact {done['model']} ({place}): {place} is a link" in err
    assert "5 artifacts" in out
    place.unlink()
    place.with_name("aside").rename(place)
    assert ask("--keep-last", "1")[0] == 0
    assert world.states()[done["model"]] == "DELETED"


def test_wrong_options_run_nothing(world: World, ask: Ask) -> None:
    world.run(blessed=False)
    assert ask("--keep-last", "-1")[0] == 2
    assert ask("--keep-days", "nan")[0] == 2
    code, _, err = ask("--pipeline", "taxy")
    assert (code, "Did you mean 'taxi'" in err) == (1, True)
    assert set(world.states().values()) == {"LIVE"}
