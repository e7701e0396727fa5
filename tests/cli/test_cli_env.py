"""``--env`` where runs are read and taken up: the database, the engine and the runner of an environment."""

from __future__ import annotations

import json
import os
import sys
from contextlib import closing
from pathlib import Path

import pytest

from trueline.cli import main
from trueline.cli.completion import complete_environments
from trueline.cli.memory import find_databases
from trueline.engine.local import ENGINE_VARIABLE
from trueline.metadata import MetadataStore, RunStore

TOML = """
[project]
pipeline = "env_line.py"

[environments.dev]
root = "../far/dev"

[environments.prod]
root = "${ENV_ROOT}"
engine = "${ENV_ENGINE}"
runner = "env_carriers:Counting"
workers = 1
params = { token = "${ENV_TOKEN}" }

[environments.own]
workers = 2
"""
LINE = '''
import os
from pathlib import Path

from trueline.pipeline import Pipeline, component


@component
def engine() -> str:
    """Fails until the file `go` is there."""
    if not Path(__file__).with_name("go").exists():
        raise RuntimeError("not yet")
    return os.environ.get("TRUELINE_ENGINE", "")


def create_pipeline(token: str = "") -> Pipeline:
    return Pipeline("line", [engine()], root="beside")
'''
CARRIERS = '''
from pathlib import Path

from trueline.runners import LocalRunner


class Counting(LocalRunner):
    """Says that it was there."""

    def __init__(self, max_workers=None, isolation="thread"):
        super().__init__(max_workers, isolation)
        with Path(__file__).with_name("carried").open("a") as told:
            told.write(f"{max_workers} ")
'''


@pytest.fixture
def project(tmp_path, monkeypatch):
    folder = tmp_path / "project"
    folder.mkdir()
    for name, text in (("trueline.toml", TOML), ("env_line.py", LINE), ("env_carriers.py", CARRIERS)):
        (folder / name).write_text(text)
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    for name, value in (("ENV_ROOT", tmp_path / "prod"), ("ENV_TOKEN", "t0ken"), ("ENV_ENGINE", "local")):
        monkeypatch.setenv(name, str(value))
    monkeypatch.setenv(ENGINE_VARIABLE, "x")  # put back afterwards, whatever runs set
    monkeypatch.delenv(ENGINE_VARIABLE)
    yield folder
    sys.modules.pop("env_carriers", None)


def run_id(env: str, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    main(["run", "env_line.py", "--env", env, "--json"])
    return str(json.loads(capsys.readouterr().out)["run_id"])


READING = [
    ["runs"],
    ["show", "latest"],
    ["logs", "latest"],
    ["why", "latest", "engine"],
    ["lineage", "latest"],
    ["artifacts"],
    ["artifacts", "show", "1"],
    ["models", "list"],
    ["gc", "--dry-run"],
    ["approve", "--list"],
    ["store", "info"],
    ["doctor"],
]


def test_every_command_reads_what_run_has_written(project, capsys, monkeypatch):
    (project / "go").touch()
    prod, dev = run_id("prod", capsys), run_id("dev", capsys)
    # What only a run needs is not asked for to read it.
    monkeypatch.delenv("ENV_TOKEN")
    for env, mine, other in (("prod", prod, dev), ("dev", dev, prod)):
        for command in READING:
            if env == "prod" and command == ["doctor"]:
                continue  # it looks at the whole environment, and says what is missing
            assert main([*command, "--env", env, "--json"]) == 0, command
            told = capsys.readouterr().out
            assert other not in told, command
            if command[0] in ("runs", "show", "logs", "why"):
                assert mine in told, command
            assert f"/{env}/" in told or command[0] in ("runs", "why", "models", "gc", "approve"), command
    assert main(["cancel", prod, "--env", "prod"]) == 1
    assert "there is nothing to cancel" in capsys.readouterr().err
    assert main(["show", prod, "--env", "dev"]) == 1
    assert "there is no run" in capsys.readouterr().err
    assert main(["show", prod, "--env", "prd"]) == 2
    assert "Did you mean 'prod'" in capsys.readouterr().err


def test_what_goes_before_what(project, tmp_path, capsys, monkeypatch):
    (project / "go").touch()
    runs = {env: run_id(env, capsys) for env in ("dev", "prod", "own")}

    def shown(*options: str) -> str:
        assert main(["show", "latest", "--json", *options]) == 0
        told = capsys.readouterr().out
        return next(env for env, one in runs.items() if one in told)

    database = {"dev": str(tmp_path / "far" / "dev" / "metadata.db"), "own": str(project / "beside" / "metadata.db")}
    assert sorted(find_databases(None)) == sorted([database["dev"], "beside/metadata.db"])
    monkeypatch.setenv("TRUELINE_ENV", "prod")
    assert shown() == "prod"
    monkeypatch.setenv("TRUELINE_METADATA", database["own"])
    assert shown() == "own"
    assert shown("--env", "dev") == "dev"
    assert shown("--env", "dev", "--metadata", database["own"]) == "own"
    assert shown("--env", "own") == "own"
    # What a group was told goes before variables.
    assert main(["artifacts", "--env", "dev", "show", "1", "--json"]) == 0
    assert "/far/dev/" in capsys.readouterr().out
    monkeypatch.delenv("TRUELINE_METADATA")
    monkeypatch.delenv("TRUELINE_ENV")
    (project / "trueline.toml").write_text('metadata = "beside/metadata.db"\n' + TOML)
    assert shown() == "own"
    assert shown("--env", "prod") == "prod"


def test_a_run_is_taken_up_with_the_engine_and_the_runner_that_it_began_with(project, tmp_path, capsys, monkeypatch):
    failed = run_id("prod", capsys)
    with closing(MetadataStore(str(tmp_path / "prod" / "metadata.db"), create=False, readonly=True)) as store:
        kept = RunStore(store).run(failed).settings
    assert {key: kept[key] for key in ("environment", "engine", "workers", "runner")} == {
        "environment": "prod",
        "engine": "local",
        "workers": 1,
        "runner": "env_carriers:Counting",
    }
    assert "t0ken" not in json.dumps(kept)
    (project / "go").touch()
    monkeypatch.delenv("ENV_ENGINE")
    del os.environ[ENGINE_VARIABLE]
    where = ["--metadata", str(tmp_path / "prod" / "metadata.db")]
    assert main(["resume", failed, *where, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["nodes"]["engine"]["found"]["result"] == "local"
    assert (project / "carried").read_text() == "1 1 "
    # Named again, the environment is read again; a variable that somebody set goes before what was recorded.
    monkeypatch.setenv("ENV_ENGINE", "ray://head:10001")
    for options, variable, used in (
        (["--env", "prod"], "local", "ray://head:10001"),
        (where, "ray", "ray"),
        (where, "", "local"),
    ):
        monkeypatch.setenv(ENGINE_VARIABLE, variable)
        main(["replay", failed, "engine", *options, "--json"])
        replayed = json.loads(capsys.readouterr().out)
        assert replayed["found"]["result"] == used
        assert replayed["same"] is (used == "local")


def test_a_login_in_an_engines_address_is_kept_with_no_run(project, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("ENV_ENGINE", "ray://me:hush@head:10001")
    (project / "go").touch()
    done = run_id("prod", capsys)
    del os.environ[ENGINE_VARIABLE]
    with closing(MetadataStore(str(tmp_path / "prod" / "metadata.db"), create=False, readonly=True)) as store:
        assert "hush" not in json.dumps(RunStore(store).run(done).settings)
    main(["replay", done, "engine", "--metadata", str(tmp_path / "prod" / "metadata.db"), "--json"])
    assert json.loads(capsys.readouterr().out)["found"]["result"] == "ray://me:hush@head:10001"


def test_an_environment_that_says_no_place_that_can_be_read(project, tmp_path, capsys, monkeypatch):
    (project / "trueline.toml").write_text('[environments.far]\nroot = "s3://bucket/line"\n')
    assert main(["runs", "--env", "far"]) == 2
    assert 'metadata = "..."' in capsys.readouterr().err
    monkeypatch.chdir(tmp_path)
    assert main(["runs", "--env", "far"]) == 2
    assert "no trueline.toml here or above" in capsys.readouterr().err


def test_names_are_completed(project):
    class Context:
        params: dict[str, str] = {}  # noqa: RUF012

    assert [item.value for item in complete_environments(Context(), None, "p")] == ["prod"]  # type: ignore[arg-type]
    assert Path("trueline.toml").exists()
