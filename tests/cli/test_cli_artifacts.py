"""``trueline artifacts``: a list by type, pipeline, state and span; one of them; pins that hold."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
from registry_world import World

from trueline.cli.app import run_command

Ask = Callable[..., tuple[int, str, str]]
COMMAND = "artifacts"


def numbers(text: str) -> list[int]:
    return [item["id"] for item in json.loads(text)]


def test_lists_by_type_pipeline_state_span_and_pin(world: World, ask: Ask) -> None:
    first, second = world.run(span=1), world.run(span=2)
    far = world.run("penguin", span=2)
    assert numbers(ask("--type", "Model", "--json")[1]) == [far["model"], second["model"], first["model"]]
    assert numbers(ask("--type", "Model", "--pipeline", "taxi", "--limit", "1", "--json")[1]) == [second["model"]]
    assert numbers(ask("--span", "2", "--json")[1]) == [far["examples"], second["examples"]]
    assert numbers(ask("--state", "deleted", "--json")[1]) == []
    assert len(numbers(ask("--state", "LIVE", "--limit", "99", "--json")[1])) == 21
    assert ask("pin", str(first["model"]), str(second["model"]), "--reason", "audit")[0] == 0
    assert numbers(ask("--pinned", "--json")[1]) == [second["model"], first["model"]]
    code, out, _ = ask("--type", "Model")
    assert code == 0
    assert [line.split()[:3] for line in out.splitlines()[1:]] == [
        [str(far["model"]), "Model", "LIVE"],
        [str(second["model"]), "Model", "LIVE"],
        [str(first["model"]), "Model", "LIVE"],
    ]
    for wrong in (["--type", "Modell"], ["--pipeline", "taxy"]):
        code, _, err = ask(*wrong)
        assert (code, "Did you mean" in err) == (1, True)


def test_shows_one_with_the_run_that_made_it(world: World, ask: Ask) -> None:
    done = world.run(span=4)
    told = json.loads(ask("show", str(done["examples"]), "--json")[1])
    assert (told["run"], told["node"], told["properties"]) == (world.last, "ExampleGen", {"span": 4})
    assert told["bytes"] > 0
    code, out, _ = ask("show", str(done["model"]))
    assert code == 0
    assert world.uri(done["model"]) in out
    code, _, err = ask("show", "999")
    assert (code, "no artifact with id 999" in err) == (1, True)


def test_a_pin_holds_until_it_is_taken_away(world: World, ask: Ask, capsys: pytest.CaptureFixture[str]) -> None:
    done = world.run(span=1, blessed=False)
    world.run(span=2, blessed=False)
    assert ask("pin", str(done["schema"]), "--reason", "audit")[1] == f"Artifact {done['schema']} is pinned\n"
    assert "audit" in ask("show", str(done["schema"]))[1]
    collect = ["gc", "--keep-last", "1", "--metadata", world.url]
    assert run_command(collect) == 0
    states = world.states()
    assert (states[done["schema"]], states[done["examples"]], states[done["model"]]) == ("LIVE", "LIVE", "DELETED")
    assert ask("unpin", str(done["schema"]))[1].endswith("is no longer pinned\n")
    assert ask("unpin", str(done["schema"]))[1].endswith("was not pinned\n")
    assert run_command(collect) == 0
    assert world.states()[done["schema"]] == "DELETED"
    capsys.readouterr()
    assert ask("pin", str(done["schema"]))[0] == 1
    assert "DELETED" in ask("show", str(done["schema"]))[1]
