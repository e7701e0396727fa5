"""The Tuner in a line: what it writes, what it keeps, what it refuses, and that a kill costs only the trial at hand."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import tuner_line

from trueline import LocalRunner, Pipeline
from trueline._core.errors import ConfigError
from trueline.components import Trainer, Tuner
from trueline.model_analysis import MetricConfig
from trueline.training import Float, Int, Space, TuneResult

pytest.importorskip("optuna", reason="the tune extra is not installed")

SCRIPT = Path(tuner_line.__file__)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("tuner")
    tuner_line.write_data(made)
    return made


@pytest.fixture
def noted(folder: Path) -> Path:
    """Where trainings leave a line; empty."""
    path = folder / "noted.txt"
    path.unlink(missing_ok=True)
    return path


def ran(pipeline: Pipeline) -> Any:
    return LocalRunner().run(pipeline).nodes["Tuner"]


def result_of(node: Any) -> TuneResult:
    (handle,) = node.outputs["tuner_results"]
    return TuneResult.from_json(json.loads(Path(handle.uri, "tuner_results.json").read_text()))


def best_of(node: Any) -> Any:
    (handle,) = node.outputs["best_hyperparameters"]
    return json.loads(Path(handle.uri, "best_hyperparameters.txt").read_text())


def test_the_best_hyperparameters_and_every_trial_are_written(folder: Path, noted: Path) -> None:
    node = ran(tuner_line.line(folder, hyperparameters={"fixed": 7}, trials=3))
    assert node.state == "COMPLETE", node.message
    result = result_of(node)
    assert [t.state for t in result.trials] == ["COMPLETE"] * 3
    assert result.best.value == max(t.value for t in result.trials if t.value is not None)
    assert best_of(node) == {"fixed": 7, **result.best.hyperparameters}
    assert node.found["best"] == result.best.value
    assert (node.found["trials"], node.found["failed"], node.found["pruned"]) == (3, 0, 0)
    (handle,) = node.outputs["tuner_results"]
    page = Path(handle.uri, "tuner_results.html").read_text()
    assert "Search: score" in page
    assert str(folder) not in page
    starts = [text.split() for text in noted.read_text().splitlines()]
    assert len({pid for pid, _ in starts}) == 3, "each trial has a process of its own"
    assert str(os.getpid()) not in {pid for pid, _ in starts}
    again = ran(tuner_line.line(folder, hyperparameters={"fixed": 7}, trials=3))
    assert again.state == "CACHED"


@pytest.mark.frameworks
def test_a_killed_search_goes_on_and_runs_no_ended_trial_again(folder: Path, noted: Path) -> None:
    """The whole process tree is struck with trials running; the second run ends with what one run would have found."""
    child = subprocess.Popen([sys.executable, str(SCRIPT), str(folder)], stderr=subprocess.DEVNULL)
    database = folder / "line" / "metadata.db"
    deadline = time.monotonic() + 90
    while kept(database) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    before = kept(database)
    assert 2 <= before < 6
    trainers = {int(text.split()[0]) for text in noted.read_text().splitlines()}
    while any(alive(pid) for pid in trainers) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(alive(pid) for pid in trainers), "trials end with the search that started them"
    started = noted.read_text().splitlines()
    ended = trials_of(database)
    node = ran(tuner_line.killed_line(folder))
    assert node.state == "COMPLETE", node.message
    assert node.found["trials_kept"] == before
    assert len(noted.read_text().splitlines()) - len(started) == 6 - before
    trials = {t.number: t.to_json() for t in result_of(node).trials}
    assert sorted(trials) == list(range(6))
    assert all(trials[number] == record for number, record in ended.items())
    whole = ran(Pipeline("searching", tuner_line.killed_line(folder).nodes, root=str(folder / "whole")))
    strip = [{**t.to_json(), "seconds": 0} for t in result_of(whole).trials]
    assert [{**trials[n], "seconds": 0} for n in range(6)] == strip


def kept(database: Path) -> int:
    return len(trials_of(database))


def trials_of(database: Path) -> dict[int, Any]:
    """What is kept of searches that are not done."""
    wanted = "SELECT number, record FROM trueline_trial JOIN trueline_search USING (search_id) WHERE state = 'RUNNING'"
    if not database.exists():
        return {}
    connection = sqlite3.connect(database, timeout=30)
    try:
        return {number: json.loads(record) for number, record in connection.execute(wanted)}
    except sqlite3.OperationalError:
        return {}
    finally:
        connection.close()


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_metric_measures_the_returned_models(folder: Path, noted: Path) -> None:
    """The weight of b in the data is 0.3; the nearer a model's weight, the better it ranks. All rows are checked."""
    ranges = {"x": [0.0, 0.3, 3.0], "depth": [1]}
    node = ran(
        tuner_line.line(folder, space=ranges, sampler="grid", objective=None, metric=MetricConfig("AUC"), trials=None,
                        parallel=3)
    )  # fmt: skip
    assert node.state == "COMPLETE", node.message
    values = [t.value for t in result_of(node).trials]
    assert best_of(node) == {"x": 0.3, "depth": 1}
    assert values[1] == pytest.approx(1.0, abs=1e-6)
    assert 0.5 < values[2] < values[0] < 1.0  # type: ignore[operator]


def test_a_function_of_the_trial_decides_what_there_is(folder: Path, noted: Path) -> None:
    node = ran(tuner_line.line(folder, space=f"{SCRIPT}:chosen_space", trials=2))
    assert node.state == "COMPLETE", node.message
    trials = result_of(node).trials
    assert [set(t.hyperparameters) == ({"depth"} if t.params["depth"] == 1 else {"depth", "x"}) for t in trials] == [
        True
    ] * 2


@pytest.mark.slow
def test_a_trial_that_falls_behind_is_pruned(folder: Path, noted: Path) -> None:
    """The first trial is the best there is; the others are worse at each step."""
    node = ran(
        tuner_line.line(folder, space={"x": [0.3, 0.9, 1.0], "depth": [1]}, sampler="grid", trials=None, parallel=1,
                        pruner="median", pruner_options={"n_startup_trials": 1, "n_min_trials": 1})
    )  # fmt: skip
    assert node.state == "COMPLETE", node.message
    assert node.found["pruned"] == 2
    first, *rest = result_of(node).trials
    assert len(first.reported) == 3
    assert [(t.state, len(t.reported), t.error) for t in rest] == [("PRUNED", 1, "stopped at step 0")] * 2


@pytest.mark.slow
def test_when_every_trial_fails_the_node_says_why_and_the_next_run_begins_anew(folder: Path) -> None:
    node = ran(tuner_line.line(folder, run_fn=tuner_line.failing_run_fn, trials=1))
    assert node.state == "FAILED"
    assert "none of 1 trials came to its end (1 failed, 0 pruned)" in node.message
    assert "trial 0 failed: ValueError: depth" in node.message
    assert "tuner_line.py:" in node.message
    again = ran(tuner_line.line(folder, run_fn=tuner_line.failing_run_fn, trials=1))
    assert "trials_kept" not in again.found


@pytest.mark.slow
def test_an_objective_that_is_not_logged_is_told_with_what_was(folder: Path, noted: Path) -> None:
    node = ran(tuner_line.line(folder, objective="scor", trials=40, parallel=1))
    assert node.state == "FAILED"
    assert "the objective 'scor' was never logged; logged were: score" in node.message
    assert "Did you mean 'score'?" in node.message
    assert len(noted.read_text().splitlines()) == 1


def test_everything_wrong_with_a_tuner_is_told_before_anything_runs(folder: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        LocalRunner().run(
            tuner_line.line(
                folder, space=Space(x=Float(1, 0), depth=Int(1, 2)), hyperparameters={"depth": 1}, objective=None,
                sampler="grid", pruner="hyperbandd", trials=0, metric="AUCC", device="gpu", seed=-1,
            )
        )  # fmt: skip
    told = str(caught.value)
    for expected in (
        "'x' has low 1 above high 0", "'depth' is both searched and fixed", "pruner='hyperbandd'", "trials=0",
        "AUCC", "device='gpu'", "seed=-1",
    ):  # fmt: skip
        assert expected in told, expected
    with pytest.raises(ConfigError, match=r"either objective .* or metric .*, and exactly one"):
        LocalRunner().run(tuner_line.line(folder, metric="AUC"))
    with pytest.raises(ConfigError, match="with a pruner give objective, not metric"):
        LocalRunner().run(tuner_line.line(folder, objective=None, metric="AUC", pruner="median"))
    with pytest.raises(ConfigError, match="needs a space to search"):
        LocalRunner().run(tuner_line.line(folder, space=None))
    with pytest.raises(ConfigError, match="'x' is continuous"):
        LocalRunner().run(tuner_line.line(folder, sampler="grid"))


@pytest.mark.frameworks
def test_a_ready_made_trainer_is_searched_and_trained_with_the_best(folder: Path) -> None:
    """`Tuner.xgboost` brings a space of its own; the Trainer after it has the hyperparameters that were found."""
    pytest.importorskip("xgboost")
    pipeline = tuner_line.line(folder)
    *before, _ = pipeline.nodes
    transform = before[-1]
    wired = {
        "examples": transform.outputs["transformed_examples"],
        "transform_graph": transform.outputs["transform_graph"],
        "label": "y",
    }
    search = Tuner.xgboost(**wired, metric="AUC", trials=3, parallel=1, n_estimators=5)
    trainer = Trainer.xgboost(**wired, hyperparameters=search.outputs["best_hyperparameters"])
    found = LocalRunner().run(Pipeline("ready", [*before, search, trainer], root=str(folder / "ready")))
    assert found.ok, found.message
    best = best_of(found.nodes["Tuner"])
    assert best["n_estimators"] == 5
    assert {"learning_rate", "max_depth"} <= set(best)
    assert found.nodes["Trainer"].found["framework"] == "xgboost"


@pytest.mark.frameworks
def test_code_that_changes_while_the_search_runs_ends_it(folder: Path, tmp_path: Path) -> None:
    """Trials of two programs under one key would be nobody's result."""
    module = tmp_path / "changing.py"
    module.write_text(
        "from pathlib import Path\n"
        "from trueline.models.exporters.python_function import PythonModel\n"
        "LEVEL = 1.0\n"
        "def run_fn(fn_args):\n"
        "    text = Path(__file__).read_text()\n"
        "    Path(__file__).write_text(text.replace('LEVEL = 1.0', 'LEVEL = 2.0'))\n"
        "    fn_args.log('score', LEVEL)\n"
        "    return PythonModel('changing:run_fn', 'probabilities', classes=[False, True])\n"
    )
    node = ran(tuner_line.line(folder, run_fn=None, module_file=str(module), parallel=1, trials=3))
    assert node.state == "FAILED"
    assert "changed while the search ran" in node.message
