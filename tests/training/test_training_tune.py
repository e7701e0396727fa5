"""Searches: the same trials whatever each takes, ended ones kept, pruned and failed ones told apart."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import random
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import tune_samples as samples

from trueline._core.errors import ArtifactError, ConfigError, ModelError
from trueline.training import Float, FnArgs, Int, Space, TuneResult, tune
from trueline.training.tuning.importance import parameter_importance
from trueline.training.tuning.records import MemoryJournal, TrialRecord
from trueline.training.tuning.search import Search
from trueline.training.tuning.settings import SearchSettings
from trueline.training.tuning.trial import Report, TrialEnd, run_trial

pytest.importorskip("optuna", reason="the tune extra is not installed")

SPACE = Space(x=Float(0, 1), depth=Int(1, 9))


class Curves:
    """Runs trials as curves of a formula, each delayed by chance: a search must not see when a trial ends."""

    in_process = False

    def __init__(self, delay: float = 0.0, seed: int = 0, steps: int = 6) -> None:
        self._delay, self._steps = delay, steps
        self._chance = random.Random(seed)
        self.ran: list[int] = []
        self._lock = threading.Lock()

    def run(self, number: int, hyperparameters: Mapping[str, Any], report: Report) -> TrialEnd:
        with self._lock:
            self.ran.append(number)
            delay = self._chance.random() * self._delay
        value = 0.0
        for step in range(self._steps):
            time.sleep(delay / self._steps)
            value = -((hyperparameters["x"] - 0.3) ** 2) - hyperparameters["depth"] / 50 - 1 / (step + 1)
            if report(value, step):
                return TrialEnd("PRUNED", logged={"score": value})
        return TrialEnd("COMPLETE", logged={"score": value})

    def stop(self) -> None:
        pass


def search(settings: SearchSettings, runner: Any = None, journal: Any = None, **more: Any) -> list[TrialRecord]:
    return Search(SPACE, settings, runner or Curves(), journal or MemoryJournal(), **more).run()


def plain(records: list[TrialRecord]) -> list[str]:
    """Trials as text, without the seconds that they took."""
    return [dataclasses.replace(record, seconds=0.0).to_text() for record in records]


SETTINGS = SearchSettings("score", trials=14, parallel=3, pruner="median", pruner_options={"n_startup_trials": 2})


@pytest.mark.parametrize("pruner", ["median", "hyperband", "none"])
def test_the_same_search_finds_the_same_whatever_a_trial_takes(pruner: str) -> None:
    """Trials that run beside each other end in any order; what is drawn and pruned does not depend on it."""
    settings = dataclasses.replace(SETTINGS, pruner=pruner, pruner_options={})
    runs = [plain(search(settings, Curves(0.04, seed))) for seed in range(3)]
    assert runs[0] == runs[1] == runs[2]
    assert ("PRUNED" in "".join(runs[0])) == (pruner != "none")
    assert plain(search(dataclasses.replace(settings, seed=1))) != runs[0]


@pytest.mark.parametrize("kept", [{0}, {0, 1, 2, 4}, {0, 1, 2, 3, 4, 5, 6, 8}])
def test_a_search_that_was_stopped_anywhere_ends_as_if_it_were_not(kept: set[int]) -> None:
    whole = search(SETTINGS)
    journal = MemoryJournal()
    for number in kept:
        journal.write(whole[number])
    runner, told = Curves(), []
    assert plain(search(SETTINGS, runner, journal, on_trial=lambda t: told.append(t.number))) == plain(whole)
    assert sorted(runner.ran) == [n for n in range(14) if n not in kept]
    assert sorted(told) == list(range(14))


def test_random_and_grid_searches_hold_the_same_trials_for_any_number_at_once() -> None:
    for settings in (
        SearchSettings("score", trials=9, sampler="random"),
        SearchSettings("score", sampler="grid"),
    ):
        found = [
            [r.params for r in Search(Space(x=Float(0, 1, points=3), depth=Int(1, 3)),
                                      dataclasses.replace(settings, parallel=n), Curves(), MemoryJournal()).run()]
            for n in (1, 2, 5)
        ]  # fmt: skip
        assert found[0] == found[1] == found[2]
        assert len(found[0]) == 9


def test_tpe_finds_better_than_chance() -> None:
    """On a bowl, with the same number of trials, over several seeds."""
    best = {"tpe": 0.0, "random": 0.0}
    for sampler in best:
        for seed in range(4):
            records = search(SearchSettings("score", trials=30, sampler=sampler, seed=seed), Curves(steps=1))
            best[sampler] += max(r.value or 0.0 for r in records)
    assert best["tpe"] > best["random"]


class Ends:
    """Ends trials as it is told, by number."""

    in_process = True

    def __init__(self, *ends: TrialEnd) -> None:
        self._ends = ends

    def run(self, number: int, hyperparameters: Mapping[str, Any], report: Report) -> TrialEnd:
        return self._ends[number % len(self._ends)]

    def stop(self) -> None:
        pass


def test_values_that_are_no_numbers_count_as_failed_and_the_search_goes_on() -> None:
    runner = Ends(*(TrialEnd("COMPLETE", value=v) for v in (float("nan"), float("inf"), 0.5, 0.25)))
    records = search(SearchSettings("score", trials=4), runner)
    assert [r.state for r in records] == ["FAILED", "FAILED", "COMPLETE", "COMPLETE"]
    assert records[0].error == "the objective 'score' is nan"
    result = TuneResult(tuple(records), SearchSettings("score", trials=4))
    assert result.best.number == 2
    assert TuneResult.from_json(json.loads(json.dumps(result.to_json(), allow_nan=False))).best == records[2]


def test_a_search_of_which_nothing_is_left_says_the_first_reasons() -> None:
    ends = [TrialEnd("FAILED", error=f"ValueError: {i}") for i in range(9)]
    with pytest.raises(ModelError, match=r"none of 5 trials came to its end \(5 failed, 0 pruned\)") as caught:
        search(SearchSettings("score", trials=5), Ends(*ends))
    assert caught.value.problems == tuple(f"trial {i} failed: ValueError: {i}" for i in range(3))


def test_the_search_ends_in_time_with_what_it_has() -> None:
    settings = SearchSettings("score", trials=1000, parallel=2, timeout=0.4)
    began = time.monotonic()
    records = search(settings, Curves(0.2))
    assert time.monotonic() - began < 3
    assert 0 < len(records) < 1000
    with pytest.raises(ModelError, match="time was over before a trial ended"):
        search(dataclasses.replace(settings, timeout=0.001), Curves(5.0))


@pytest.fixture(scope="module")
def given() -> dict[str, Any]:
    rows, transform = samples.rows_and_transform()
    return {"train": rows, "transform": transform, "label": "y"}


def run(run_fn: Any, given: dict[str, Any], tmp_path: Path, stop_at: int | None = None) -> TrialEnd:
    from trueline.engine.base import Dataset

    fn_args = FnArgs.create(**{**given, "train": Dataset.from_table(given["train"])}, hyperparameters={"x": 1.0},
                            working_dir=str(tmp_path))  # fmt: skip
    steps: list[int | None] = []

    def report(value: float, step: int | None) -> bool:
        steps.append(step)
        return step is not None and stop_at is not None and step >= stop_at

    return run_trial(run_fn, fn_args, "error", report)


def test_a_pruned_training_stops_though_its_code_catches_exceptions(given: dict[str, Any], tmp_path: Path) -> None:
    reached = []

    def careful(fn_args: FnArgs) -> Any:
        for step in range(5):
            with contextlib.suppress(Exception):
                fn_args.log("error", 1.0, step)
            reached.append(step)
        return samples.train(fn_args)

    def careless(fn_args: FnArgs) -> Any:
        for step in range(5):
            with contextlib.suppress(BaseException):
                fn_args.log("error", 1.0, step)
        return samples.PythonModel(samples.line, "prediction")

    def clumsy(fn_args: FnArgs) -> Any:
        try:
            fn_args.log("error", 1.0, 2)
        except BaseException as error:
            raise RuntimeError("wrapped") from error

    assert run(careful, given, tmp_path, 2).state == "PRUNED"
    assert reached == [0, 1]
    assert run(careless, given, tmp_path, 2).state == "PRUNED"
    assert run(clumsy, given, tmp_path, 2).state == "PRUNED"


def test_a_failed_training_says_where(given: dict[str, Any], tmp_path: Path) -> None:
    def broken(fn_args: FnArgs) -> Any:
        raise KeyError("depth")

    end = run(broken, given, tmp_path)
    assert end.state == "FAILED"
    assert end.error is not None
    assert end.error.startswith("KeyError: 'depth'")
    assert "test_training_tune.py:" in end.error


def test_an_objective_that_is_never_logged_ends_the_search_at_once(given: dict[str, Any]) -> None:
    runs = []

    def counted(fn_args: FnArgs) -> Any:
        runs.append(1)
        return samples.train(fn_args)

    with pytest.raises(ConfigError, match="'eror' was never logged; logged were: error\nHint: Did you mean 'error'"):
        tune(counted, {"x": [0.1, 0.2]}, objective="eror", **given)
    assert len(runs) == 1


def test_a_search_in_a_notebook(given: dict[str, Any], tmp_path: Path) -> None:
    result = tune(
        samples.train, {"x": {"low": 0.0, "high": 1.0}}, objective="error", direction="minimize", trials=8,
        hyperparameters={"steps": 2}, **given,
    )  # fmt: skip
    values = [t.value for t in result.trials]
    assert result.best.value == min(v for v in values if v is not None)
    assert result.best_hyperparameters == {"steps": 2, "x": result.best.params["x"]}
    assert result.best.value == pytest.approx((result.best.params["x"] - 0.3) ** 2 + 1 / 2)
    table = result.table()
    assert table.column_names == ["number", "state", "value", "seconds", "error", "param.x"]
    assert table.column("value").to_pylist() == values
    html = result.to_html(str(tmp_path / "search.html"))
    assert (tmp_path / "search.html").read_text() == html
    assert "Search: error" in html
    assert "8 trials" in repr(result)


def test_the_best_logged_value_may_count(given: dict[str, Any]) -> None:
    def up_and_down(fn_args: FnArgs) -> Any:
        for step, value in enumerate((1.0, 0.25, 2.0, float("nan"))):
            fn_args.log("error", value, step)
        return samples.PythonModel(samples.line, "prediction")

    found = tune(up_and_down, {"x": [1]}, objective="error", direction="minimize", take="best", sampler="grid", **given)
    assert found.best.value == 0.25


def test_wrong_names_are_told_before_the_first_trial(given: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match="zz"):
        tune(samples.train, {"x": [1]}, objective="error", **{**given, "label": "zz"})
    with pytest.raises(ConfigError, match="top level of a file"):
        tune(lambda fn_args: None, {"x": [1, 2]}, objective="error", parallel=2, **given)


def test_trials_in_processes_die_alone(given: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed, ended, raised: three of five fail, each with its reason; secrets of the store's address are not there."""
    monkeypatch.setenv("TRUELINE_STORE_URL", "postgresql://me:hunter2@host/db")
    for name in ("OMP_NUM_THREADS", "PYTEST_CURRENT_TEST"):
        monkeypatch.delenv(name, raising=False)
    result = tune(samples.train_or_die, {"x": [0, 1, 2, 3, 4]}, objective="error", sampler="grid", parallel=5, **given)
    assert [t.state for t in result.trials] == ["COMPLETE", "FAILED", "FAILED", "FAILED", "COMPLETE"]
    errors = [t.error or "" for t in result.trials]
    assert "killed by signal 9 (SIGKILL)" in errors[1]
    assert "ended with status 3" in errors[2]
    assert "ValueError: x may not be 3" in errors[3]
    assert result.best.params == {"x": 4}
    assert result.best.logged == {"threads": 1.0, "secrets": 0.0, "error": 4.0}


def test_trials_and_searches_in_processes_end_in_their_time(given: dict[str, Any]) -> None:
    many = {"x": {"low": 0.0, "high": 1.0}}
    with pytest.raises(ModelError, match=r"it took longer than 0\.05 seconds"):
        tune(samples.train, many, objective="error", trials=2, parallel=2, trial_timeout=0.05, **given)
    began = time.monotonic()
    with pytest.raises(ModelError, match="time was over before a trial ended"):
        tune(samples.train, many, objective="error", trials=50, parallel=2, timeout=0.05, **given)
    assert time.monotonic() - began < 15


def test_processes_and_this_process_find_the_same(given: dict[str, Any]) -> None:
    """One batch of two, measured on the returned model; pruning is asked over the pipe."""
    found = [
        tune(samples.train, {"x": {"low": 0.0, "high": 1.0}}, objective="error", measure=samples.measure, trials=2,
             sampler="random", direction="minimize", pruner="median", parallel=n, **given)
        for n in (1, 2)
    ]  # fmt: skip
    assert plain(list(found[0].trials)) == plain(list(found[1].trials))
    assert found[0].best.value == found[1].best.value


def test_a_folder_keeps_ended_trials_of_one_search(given: dict[str, Any], tmp_path: Path) -> None:
    noted = {"custom_config": {"folder": str(tmp_path)}, **given}
    kept = str(tmp_path / "kept")
    first = tune(samples.train_noted, {"x": [1, 2, 3]}, objective="error", sampler="grid", folder=kept, **noted)
    (tmp_path / "kept" / "trial-00001.json").unlink()
    again = tune(samples.train_noted, {"x": [1, 2, 3]}, objective="error", sampler="grid", folder=kept, **noted)
    assert (tmp_path / "runs.txt").read_text().split() == ["1", "2", "3", "2"]
    assert plain(list(first.trials)) == plain(list(again.trials))
    with pytest.raises(ConfigError, match="another space or other settings"):
        tune(samples.train_noted, {"x": [1, 2]}, objective="error", sampler="grid", folder=kept, **noted)


def test_importance_sees_what_matters_and_is_the_same_each_time() -> None:
    records = search(SearchSettings("score", trials=40, sampler="random"), Curves(steps=1))
    settings = SearchSettings("score")
    found = parameter_importance([dataclasses.replace(r, value=-abs(r.params["x"] - 0.3)) for r in records], settings)
    assert list(found) == ["x", "depth"]
    assert found["x"] > 0.7
    assert sum(found.values()) == pytest.approx(1.0)
    other = parameter_importance([dataclasses.replace(r, value=-float(r.params["depth"])) for r in records], settings)
    assert next(iter(other)) == "depth"
    assert other == parameter_importance(
        [dataclasses.replace(r, value=-float(r.params["depth"])) for r in records], settings
    )
    assert parameter_importance(records[:3], settings) == {}


@pytest.mark.parametrize(
    "text", [{"format": 2}, {"format": 1}, {"format": 1, "settings": {}, "fixed": {}, "trials": []}]
)
def test_results_that_are_none_are_refused(text: dict[str, Any]) -> None:
    with pytest.raises(ArtifactError, match=r"format 2|do not parse"):
        TuneResult.from_json(text)
