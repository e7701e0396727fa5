"""Every template is a whole project: what its files promise holds, from a clone and from an installed package."""

from __future__ import annotations

import re
import shutil
import sys
import threading
import tomllib

import pytest
from projects import EXAMPLES, packed

from trueline import LocalRunner, __version__
from trueline._core.errors import ConfigError
from trueline.cli.load import load_pipeline
from trueline.templates import TEMPLATES, make_project, template_files
from trueline.templates import sources as sources_module

OF_EVERY_PROJECT = {
    ".dockerignore",
    ".github/workflows/ci.yml",
    ".gitignore",
    "Dockerfile",
    "README.md",
    "model.py",
    "pipeline.py",
    "pyproject.toml",
    "requirements-dev.txt",
    "requirements.txt",
    "tests/conftest.py",
    "tests/test_line.py",
    "tests/test_model.py",
    "trueline.toml",
}
ENVIRONMENT_KEYS = {"root", "metadata", "engine", "runner", "params", "workers", "isolation", "cache"}
each_template = pytest.mark.parametrize("name", TEMPLATES)


@pytest.fixture(autouse=True)
def import_path():
    """Loading a pipeline file puts its folder on the import path: each test starts from the same one."""
    before, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = before
    for name in ("model", "pipeline"):
        if name not in modules:
            sys.modules.pop(name, None)


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """The templates as the wheel lays them out, and no clone beside them."""
    home = tmp_path / "site" / "projects"
    for inner, source in packed().items():
        place = home / inner
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, place)
    monkeypatch.setattr(sources_module, "_PACKAGED", home)
    monkeypatch.setattr(sources_module, "_EXAMPLES", tmp_path / "no clone")
    return home


@each_template
def test_a_project_is_whole(name):
    files = set(template_files(name))
    assert files >= OF_EVERY_PROJECT
    assert [file for file in files if file.startswith("data/")]


def test_an_installed_package_makes_the_same_projects_as_a_clone(installed, tmp_path, monkeypatch):
    made = {name: make_project(name, tmp_path / "installed" / name) for name in TEMPLATES}
    monkeypatch.undo()
    for name, project in made.items():
        cloned = make_project(name, tmp_path / "cloned" / name)
        assert project.files == cloned.files
        for file in cloned.files:
            assert (project.directory / file).read_bytes() == (cloned.directory / file).read_bytes(), file


def test_the_build_packs_nothing_that_no_project_takes(installed):
    taken = {f"{name}/{file}" for name in TEMPLATES for file in template_files(name)}
    common = {file for file in packed() if file.startswith("common/")}
    assert set(packed()) - common <= taken
    assert sum(path.stat().st_size for path in packed().values()) < 1_500_000


def test_an_installation_without_the_files_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(sources_module, "_PACKAGED", tmp_path / "none")
    monkeypatch.setattr(sources_module, "_EXAMPLES", tmp_path / "none")
    with pytest.raises(ConfigError, match=r"not there\nHint: .*install trueline again"):
        make_project("minimal", tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_the_taxi_template_is_the_taxi_example(tmp_path):
    """One line, kept in one place: the example runs on all rows, the template on a sample."""
    project = make_project("taxi", tmp_path / "taxi").directory
    for name in ("model.py", "pipeline.py"):
        assert (project / name).read_text() == (EXAMPLES / "taxi" / name).read_text()


@each_template
def test_requirements_admit_this_version(name, tmp_path):
    from packaging.requirements import Requirement

    project = make_project(name, tmp_path / "p").directory
    lines = (project / "requirements.txt").read_text().splitlines()
    (needed,) = [Requirement(line) for line in lines if line and not line.startswith("#")]
    assert (needed.name, needed.extras) == ("trueline", {"all-local"})
    assert needed.specifier.contains(__version__)
    major, minor = map(int, __version__.split(".")[:2])
    assert not needed.specifier.contains(f"{major + 1}.0" if major else f"0.{minor + 1}")
    assert needed.specifier.contains(f"{major}.{minor}.99")


@each_template
def test_environments_are_named_as_the_configuration_knows_them(name, tmp_path):
    project = make_project(name, tmp_path / "p", name="churn").directory
    text = (project / "trueline.toml").read_text()
    config = tomllib.loads(text)
    assert set(config) == {"project", "environments"}
    assert (project / config["project"]["pipeline"]).is_file()
    assert set(config["environments"]) == {"dev", "prod"}
    assert all(set(values) <= ENVIRONMENT_KEYS for values in config["environments"].values())
    assert config["environments"]["dev"]["params"] == {"serving_dir": "out/serving/churn"}
    prod = config["environments"]["prod"]
    assert all(re.fullmatch(r"\$\{TRUELINE_[A-Z_]+\}", prod[key]) for key in ("root", "metadata"))


@each_template
def test_the_image_is_slim_runs_the_line_and_is_not_root(name, tmp_path):
    project = make_project(name, tmp_path / "p").directory
    text = (project / "Dockerfile").read_text().replace("\\\n", " ")
    steps = [line.split(None, 1) for line in text.splitlines() if line and not line.startswith("#")]
    order = [step for step, _ in steps]
    assert set(order) <= {"FROM", "ENV", "WORKDIR", "COPY", "RUN", "USER", "EXPOSE", "ENTRYPOINT", "CMD"}
    said = dict(steps)
    assert said["FROM"].endswith("-slim")
    assert said["USER"] not in ("root", "0")
    assert order.index("USER") > max(place for place, step in enumerate(order) if step in ("RUN", "COPY"))
    assert (said["ENTRYPOINT"], said["CMD"]) == ('["trueline"]', '["run", "pipeline.py"]')
    copied = [arguments.split()[:-1] for step, arguments in steps if step == "COPY"]
    assert all((project / source).exists() for sources in copied for source in sources)


@each_template
def test_the_ci_file_runs_tests_and_line_with_the_least_rights(name, tmp_path):
    yaml = pytest.importorskip("yaml")
    project = make_project(name, tmp_path / "p").directory
    ci = yaml.safe_load((project / ".github" / "workflows" / "ci.yml").read_text())
    assert ci["permissions"] == {"contents": "read"}
    (job,) = ci["jobs"].values()
    commands = [step["run"] for step in job["steps"] if "run" in step]
    assert [command.split()[:3] for command in commands] == [
        ["python", "-m", "pip"],
        ["python", "-m", "pytest"],
        ["trueline", "run", "pipeline.py"],
    ]


@each_template
def test_links_and_files_that_a_readme_names_are_there(name, tmp_path):
    project = make_project(name, tmp_path / "p").directory
    text = (project / "README.md").read_text()
    named = re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)
    assert {"pipeline.py", "model.py", "data/", "tests/"} <= set(named)
    assert all((project / file).exists() for file in named)
    assert "## Where the data come from" in text


@each_template
def test_a_new_project_reads_its_data_and_makes_its_features(name, tmp_path):
    """The short version of the slow tests: the first half of the line, in this process."""
    project = make_project(name, tmp_path / "p").directory
    result = LocalRunner().run(load_pipeline(str(project / "pipeline.py")), to_nodes=["Transform"])
    assert result.ok, result.message
    assert result.nodes["Transform"].found["post_transform_anomalies"] == 0
    assert (project / "out" / "line").is_dir()


def test_of_many_who_make_one_project_at_once_one_succeeds(tmp_path):
    place = tmp_path / "deep" / "place"
    start, outcomes = threading.Barrier(6), []

    def make(name: str) -> None:
        start.wait()
        try:
            outcomes.append(make_project("taxi", place, name=name).name)
        except ConfigError as error:
            outcomes.append(error.message)

    threads = [threading.Thread(target=make, args=(f"line-{letter}",)) for letter in "abcdef"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count("something is there already") == 5
    (winner,) = {*outcomes} - {"something is there already"}
    assert list(place.parent.iterdir()) == [place]
    made = [path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file()]
    assert sorted(made) == template_files("taxi")
    assert f'NAME = "{winner}"' in (place / "pipeline.py").read_text()
