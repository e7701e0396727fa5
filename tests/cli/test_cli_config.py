"""Environments of trueline.toml: what is read, what is refused, what a run makes of it, and where secrets never are."""

import gc
import json
import os
import re
import sys
from pathlib import Path
from urllib.parse import quote

import pytest

from trueline._core.errors import ConfigError
from trueline.cli.app import run_command
from trueline.cli.config import apply, environment_of, project_pipeline
from trueline.engine.local import ENGINE_VARIABLE, LocalEngine, default_engine
from trueline.pipeline import Pipeline, component

sys.path.insert(0, str(Path(__file__).parents[1]))
from database_servers import PASSWORD, new_database

TOML = """
[project]
pipeline = "line/pipeline.py"

[environments.dev]
root = "out/line"
params = { serving_dir = "out/serving", rows = 5, fast = true, name = "a" }

[environments.prod]
root = "${K_ROOT}"
metadata = "postgresql://line:${K_PASSWORD}@db/line"
engine = "local"
workers = 3
isolation = "process"
cache = false
params = { serving_dir = "${K_SERVING}" }
"""
PIPELINE = """
import os

from trueline.pipeline import Pipeline, Secret, component


@component
def call(token: str) -> int:
    print("token in the log:", token, os.environ["K_NODE"])
    return len(token)


def create_pipeline(name: str = "secretive") -> Pipeline:
    return Pipeline(name, [call(token=Secret("K_TOKEN")).with_settings(environment={"K_NODE": Secret("K_OTHER")})])
"""


@component
def one() -> int:
    """A node."""
    return 1


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "line").mkdir()
    (tmp_path / "trueline.toml").write_text(TOML)
    (tmp_path / "line" / "pipeline.py").write_text("pipeline = None\n")
    return tmp_path


def problems_of(project: Path, toml: str, name: str | None = None, **variables: str) -> tuple[str, ...]:
    (project / "trueline.toml").write_text(toml)
    with pytest.raises(ConfigError) as caught:
        environment_of(project / "line" / "pipeline.py", name, variables=variables)
    return caught.value.problems


def test_dev_is_taken_where_nothing_is_said_and_paths_are_relative_to_the_file(project: Path) -> None:
    found = environment_of(project / "line" / "pipeline.py", variables={})
    assert (found.name, found.root) == ("dev", str(project / "out" / "line"))
    assert found.params == {"serving_dir": str(project / "out" / "serving"), "rows": 5, "fast": True, "name": "a"}
    assert found.texts(["name=b"])[1:] == ["rows=5", "fast=true", "name=b"]


def test_variables_are_filled_for_the_chosen_environment_and_a_password_is_encoded(project: Path) -> None:
    given = {"K_ROOT": "s3://bucket/line", "K_PASSWORD": "p@ss/w:rd", "K_SERVING": "/srv", "TRUELINE_ENV": "prod"}
    found = environment_of(project / "line" / "pipeline.py", variables=given)
    assert (found.root, found.workers, found.isolation, found.cache) == ("s3://bucket/line", 3, "process", False)
    assert found.metadata == "postgresql://line:p%40ss%2Fw%3Ard@db/line"
    assert "p@ss" not in repr(found)
    assert "p%40ss" not in repr(found)
    assert found.recorded() == {"serving_dir": "${K_SERVING}"}


def test_every_missing_variable_is_named_with_its_key_and_line(project: Path) -> None:
    problems = problems_of(project, TOML, "prod", K_PASSWORD="")
    assert [p.partition(": ")[0].rpartition(":")[2] for p in problems] == ["10", "11", "16"]
    assert "environments.prod.root: the environment variable K_ROOT is not set" in problems[0]
    assert "K_PASSWORD is empty" in problems[1]


def test_all_that_is_wrong_is_told_at_once(project: Path) -> None:
    toml = """
[enviroments.x]
[environments.dev]
rot = "a"
root = 7
workers = 0
isolation = "threads"
engine = "spark"
params = { a = [1] }
"""
    told = "\n".join(problems_of(project, toml))
    assert "Did you mean 'environments'?" in told
    assert "trueline.toml:4: environments.dev.rot is no setting. Did you mean 'root'?" in told
    for line, word in ((5, "a folder or a URI"), (6, "from 1 on"), (7, "'thread'"), (8, "'local'"), (9, "a table of")):
        assert any(f":{line}: " in p and word in p for p in told.splitlines()), (line, told)


def test_an_unknown_environment_and_broken_toml_are_refused(project: Path) -> None:
    assert "Did you mean 'prod'?" in problems_of(project, TOML, "prd")[0]
    (project / "trueline.toml").write_text("[project\n")
    with pytest.raises(ConfigError, match=r"trueline\.toml:1: it is no TOML"):
        environment_of(project / "line" / "pipeline.py")
    (project / "trueline.toml").unlink()
    with pytest.raises(ConfigError, match="no environment 'dev'"):
        environment_of(project / "line" / "pipeline.py", "dev", variables={})
    assert environment_of(project / "line" / "pipeline.py", variables={}).name == ""


def test_a_password_in_the_file_is_warned_of_and_a_variable_is_not(project: Path) -> None:
    said: list[str] = []
    literal = TOML.replace("${K_PASSWORD}", "hunter22")
    (project / "trueline.toml").write_text(literal)
    environment_of(project / "line" / "pipeline.py", variables={}, warn=said.append)
    assert len(said) == 1
    assert "trueline.toml:11: environments.prod.metadata holds a password" in said[0]
    assert "hunter22" not in said[0]
    (project / "trueline.toml").write_text(TOML)
    environment_of(project / "line" / "pipeline.py", variables={}, warn=said.append)
    assert len(said) == 1


def test_the_engine_is_chosen_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENGINE_VARIABLE, "local")
    assert isinstance(default_engine(), LocalEngine)
    assert default_engine() is default_engine()
    monkeypatch.setenv(ENGINE_VARIABLE, "spork")
    with pytest.raises(ConfigError, match="'spork', which is no engine"):
        default_engine()


def test_root_and_database_of_the_environment_replace_those_of_the_pipeline(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ENGINE_VARIABLE, "local")
    pipeline = apply(Pipeline("p", [one()]), environment_of(project / "line" / "pipeline.py", variables={}))
    assert pipeline.metadata == f"sqlite:///{project}/out/line/metadata.db"
    (project / "trueline.toml").write_text('[environments.dev]\nroot = "s3://b/line"\n')
    with pytest.raises(ConfigError, match="is remote"):
        apply(Pipeline("p", [one()]), environment_of(project / "line" / "pipeline.py", variables={}))


def test_the_projects_pipeline_is_found_from_a_folder_below(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "deep" / "er").mkdir(parents=True)
    monkeypatch.chdir(project / "deep" / "er")
    assert Path(project_pipeline()).resolve() == project / "line" / "pipeline.py"
    (project / "trueline.toml").write_text("[project]\n")
    with pytest.raises(ConfigError, match="names no pipeline file"):
        project_pipeline()


def test_a_misspelt_pipeline_is_told_with_all_else_that_is_wrong_in_the_files_order(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    text = (
        '[project]\npipelin = "x.py"\n[environments.dev]\nisolation = "proces"\nworkers = "four"\nrot = 1\nroot = 5\n'
    )
    (project / "trueline.toml").write_text(text)
    with pytest.raises(ConfigError, match="not right") as told:
        project_pipeline()
    assert [problem.partition(": ")[0].rpartition(":")[2] for problem in told.value.problems] == [
        "2",
        "4",
        "5",
        "6",
        "7",
    ]
    assert "Did you mean 'pipeline'" in told.value.problems[0]


def test_parameters_are_for_the_projects_pipeline_alone(project: Path) -> None:
    other = environment_of(project / "line" / "other.py", variables={})
    assert (other.name, other.params, other.root) == ("dev", {}, str(project / "out" / "line"))


def everything_below(folder: Path) -> bytes:
    return b"\0".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def rows_of(url: str) -> str:
    import sqlalchemy as sa

    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        names = sa.inspect(connection).get_table_names()
        found = [str(list(connection.execute(sa.text(f'SELECT * FROM "{name}"')))) for name in names]
    engine.dispose()
    return "\n".join(found)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_secrets_are_nowhere_after_a_run(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    secrets = {"K_TOKEN": "tokenfortytwo", "K_OTHER": "anotherdeepsecret"}
    for name, text in secrets.items():
        monkeypatch.setenv(name, text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TRUELINE_ENV", raising=False)
    with new_database(kind, tmp_path) as url:
        monkeypatch.setenv("K_PASSWORD", PASSWORD)
        address = re.sub(r"(://\w+):[^@]*@", r"\1:${K_PASSWORD}@", url)
        assert ("${K_PASSWORD}" in address) == (kind == "postgresql")
        toml = f'[project]\npipeline = "pipeline.py"\n[environments.dev]\nroot = "out"\nmetadata = "{address}"\n'
        (tmp_path / "trueline.toml").write_text(toml)
        (tmp_path / "pipeline.py").write_text(PIPELINE)
        assert run_command(["run", "--json", "--report", "out/report.html"]) == 0
        told = capfd.readouterr()
        assert run_command(["plan", "--compiled"]) == 0
        assert run_command(["show", "latest", "--json", "--metadata", url]) == 0
        shown = capfd.readouterr()
        assert json.loads(told.out)["nodes"]["call"]["state"] == "COMPLETE"
        written = everything_below(tmp_path / "out").decode("utf-8", "replace")
        assert "token in the log:" in written
        gc.collect()  # a command that ends with its process leaves its connection to that
        stored = rows_of(url)
        assert '"secretive"' in stored or "'secretive'" in stored
    hidden = [*secrets.values(), PASSWORD, quote(PASSWORD, safe="")]
    places = {"files": written, "tables": stored, "out": told.out, "err": told.err, "show": shown.out + shown.err}
    found = [(place, text) for place, words in places.items() for text in hidden if text in words]
    assert found == []
    assert "${K_PASSWORD}" in (tmp_path / "trueline.toml").read_text() or kind == "sqlite"
    assert os.environ["K_TOKEN"] == "tokenfortytwo"
