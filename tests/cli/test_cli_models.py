"""``trueline models``: releases of what was pushed, promotion, and a rollback that changes what servers take."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
from registry_world import World

from trueline._core import store as files
from trueline._core.manifest import read_manifest
from trueline.cli.app import run_command
from trueline.components import Pusher
from trueline.components.pusher import pushed_versions
from trueline.pipeline import Component, ExecutionContext, Out, Pipeline
from trueline.pipeline.artifacts import Model
from trueline.runners import LocalRunner

Ask = Callable[..., tuple[int, str, str]]
COMMAND = "models"


def served(world: World, folder: str = "serving") -> str:
    """The fingerprint of what servers of a folder take."""
    destination = Path(world.root).parent / folder
    newest = pushed_versions(str(destination))[-1]
    return read_manifest(str(destination / str(newest))).fingerprint


def fingerprint(world: World, number: int) -> str:
    return read_manifest(world.uri(number)).fingerprint


def test_a_pushed_model_is_listed_with_its_release(world: World, ask: Ask) -> None:
    first = world.run(span=1)
    second = world.run(span=2, push=None)
    code, out, _ = ask("list")
    assert code == 0
    rows = [line.split() for line in out.splitlines()]
    assert rows[0][:5] == ["model", "version", "stage", "blessed", "aliases"]
    assert rows[1][:3] == ["taxi", "none", "yes"]
    assert rows[2][:4] == ["taxi", "1.0.0", "candidate", "yes"]
    told = json.loads(ask("list", "--json")[1])
    assert [(m["artifact"], m["version"]) for m in told] == [(second["model"], None), (first["model"], "1.0.0")]
    assert told[1]["metrics"] == {"auc": 0.9}
    assert [m["artifact"] for m in json.loads(ask("list", "--span", "1", "--json")[1])] == [first["model"]]
    assert ask("list", "--span", "9")[1] == "No model saw span 9.\n"


def test_a_list_of_nothing_and_of_an_unknown_model(world: World, ask: Ask) -> None:
    assert ask("list")[:2] == (0, "No model was pushed, blessed or released yet.\n")
    world.run()
    code, _, err = ask("list", "taxy")
    assert (code, "Did you mean 'taxi'" in err) == (1, True)


def test_the_number_of_a_model_makes_it_a_release_and_the_champion(world: World, ask: Ask) -> None:
    world.run(span=1)
    second = world.run(span=2, push=None)
    code, out, _ = ask("promote", "taxi", str(second["model"]))
    assert (code, out) == (0, f"champion: taxi 1.0.1 (artifact {second['model']})\n")
    assert ask("promote", "taxi", "1.0.1")[1].startswith("champion: taxi 1.0.1")
    assert "already; nothing changed" in ask("promote", "taxi", "1.0.1")[1]
    told = json.loads(ask("show", "taxi", "champion", "--json")[1])
    assert (told["version"], told["stage"], told["aliases"]) == ("1.0.1", "production", ["champion"])
    assert told["notes"]["history"][0]["alias"] == "champion"
    assert "champion" in ask("show", "taxi")[1]


def test_promoting_says_when_servers_take_another_model(world: World, ask: Ask) -> None:
    first = world.run(span=1)
    world.run(span=2)
    code, out, _ = ask("promote", "taxi", "1.0.0")
    assert code == 0
    assert "which is another model; --serving-dir" in out
    folder = str(Path(world.root).parent / "serving")
    code, out, _ = ask("promote", "taxi", "1.0.0", "--serving-dir", folder)
    assert "servers that read this folder take it now" in out
    assert served(world) == fingerprint(world, first["model"])


def test_a_rollback_makes_the_earlier_release_the_served_one(world: World, ask: Ask) -> None:
    first, second = world.run(span=1), world.run(span=2)
    assert ask("promote", "taxi", "1.0.0")[0] == 0
    assert ask("promote", "taxi", "1.0.1")[0] == 0
    assert served(world) == fingerprint(world, second["model"])
    code, out, _ = ask("rollback", "taxi", "--reason", "complaints")
    assert code == 0
    assert out.startswith(f"champion: taxi 1.0.0 (artifact {first['model']}), before 1.0.1\n")
    assert "Pushed to" in out
    assert "do not push the model that was taken back there again" in out
    assert served(world) == fingerprint(world, first["model"])
    assert len(pushed_versions(str(Path(world.root).parent / "serving"))) == 3
    notes = ask("notes", "taxi", "champion")[1]
    assert "became again `champion`" in notes
    assert "reason: complaints; pushed to" in notes
    code, _, err = ask("rollback", "taxi")
    assert (code, "none to go back to" in err) == (1, True)


def test_a_rollback_of_the_registry_alone_says_so(world: World, ask: Ask) -> None:
    world.run(span=1)
    second = world.run(span=2)
    ask("promote", "taxi", "1.0.0")
    ask("promote", "taxi", "1.0.1")
    told = json.loads(ask("rollback", "taxi", "--no-push", "--json")[1])
    assert (told["version"], told["before"], told["pushed"]) == ("1.0.0", "1.0.1", [])
    assert told["remarks"] == ["Nothing was pushed: servers go on with the version that they have."]
    assert served(world) == fingerprint(world, second["model"])


def test_a_rollback_that_cannot_push_changes_nothing(world: World, ask: Ask) -> None:
    world.run(span=1), world.run(span=2)
    ask("promote", "taxi", "1.0.0")
    ask("promote", "taxi", "1.0.1")
    blocked = Path(world.root).parent / "blocked"
    blocked.write_text("a file")
    code, _, err = ask("rollback", "taxi", "--serving-dir", str(blocked))
    assert code == 1
    assert "Traceback" not in err
    assert json.loads(ask("show", "taxi", "champion", "--json")[1])["version"] == "1.0.1"


def test_gates_hold_with_their_exit_code(world: World, ask: Ask) -> None:
    world.run(span=1)
    refused = world.run(span=2, blessed=False)
    code, _, err = ask("promote", "taxi", str(refused["model"]))
    assert code == 3
    assert "auc is 0.5" in err
    assert ask("promote", "taxi", "1.0.1", "--force")[0] == 2
    code, out, _ = ask("promote", "taxi", "1.0.1", "--force", "--reason", "a court said so")
    assert (code, "Overruled: its Evaluator did not bless it" in out) == (0, True)
    sampled = world.run(span=3, sample=5)
    code, _, err = ask("promote", "taxi", str(sampled["model"]))
    assert (code, "sampled run" in err) == (1, True)


def test_names_come_and_go(world: World, ask: Ask) -> None:
    first = world.run(span=1)
    world.run(span=2)
    assert ask("alias", "taxi", "challenger", "1.0.0")[0] == 0
    assert ask("alias", "taxi", "challenger")[1] == f"challenger: taxi 1.0.0 (artifact {first['model']})\n"
    assert ask("alias", "taxi", "challenger", "--delete")[1] == "challenger is no longer taxi 1.0.0\n"
    assert ask("alias", "taxi", "challenger", "--delete")[0] == 1
    assert ask("alias", "taxi", "x", "1.0.0", "--delete")[0] == 2
    assert ask("archive", "taxi", "1.0.0")[1] == "taxi 1.0.0 is archived\n"
    assert ask("alias", "taxi", "latest", "1.0.0")[0] == 1


def test_a_database_that_may_only_be_read_is_listed_without_new_releases(
    world: World, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    from trueline._core.errors import MetadataError
    from trueline.cli import registry_store

    def refuse(location: str | None) -> Any:
        raise MetadataError("attempt to write a readonly database")

    world.run()
    monkeypatch.setattr(registry_store, "open_writable", refuse)
    code, out, _ = ask("list", "--json")
    assert (code, json.loads(out)[0]["version"]) == (0, None)


def train(ctx: ExecutionContext) -> None:
    files.write_text(ctx.output("model").path("weights"), str(ctx.params["rate"]))


class Train(Component):
    """A model of one number."""

    OUTPUTS: ClassVar[Mapping[str, Out]] = {"model": Out(Model)}
    EXECUTOR = train

    def __init__(self, rate: float) -> None:
        super().__init__(params={"rate": rate})


def test_runs_of_a_real_pipeline_make_releases(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "root"
    for rate in (0.1, 0.2, 0.1):
        model = Train(rate)
        pusher = Pusher(model=model.outputs["model"], push_destination=tmp_path / "serving")
        assert LocalRunner(isolation="thread").run(Pipeline("line", [model, pusher], root=root)).ok
    place = ["--metadata", str(root / "metadata.db")]
    assert run_command(["models", "list", "--json", *place]) == 0
    told = json.loads(capsys.readouterr().out)
    # The third run went back to the first model, which is the release that it was. Without a schema and a signature
    # nobody knows whether clients have to follow.
    assert [(m["model"], m["version"], m["blessed"]) for m in told] == [
        ("line", "2.0.0", None),
        ("line", "1.0.0", None),
    ]
    assert len(told[1]["pushed"]) == 2
    assert run_command(["models", "notes", "line", *place]) == 0
    assert "Train.rate: 0.1 -\\> 0.2" in capsys.readouterr().out
    assert run_command(["gc", "--keep-last", "1", "--json", *place]) == 0
    assert {item["type"] for item in json.loads(capsys.readouterr().out)["deleted"]} == {"Model", "PushedModel"}
