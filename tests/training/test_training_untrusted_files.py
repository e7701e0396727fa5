"""Files of a search, a checkpoint and a log that someone else wrote or damaged: errors of ours, or something whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from trueline._core.errors import ArtifactError, ConfigError, ModelError
from trueline.training import read_metrics
from trueline.training.checkpoints import Checkpoints
from trueline.training.tuning.ranges import Categorical, Float, Int
from trueline.training.tuning.records import TrialRecord
from trueline.training.tuning.result import TuneResult
from trueline.training.tuning.settings import SearchSettings
from trueline.training.tuning.space import checked_space

RANGES = {"lr": Float(1e-4, 1.0, log=True), "kind": Categorical(("a", "b"))}


def _result() -> dict[str, Any]:
    drawn = {"lr": 0.1, "kind": "a"}
    trials = tuple(TrialRecord(i, "COMPLETE", drawn, drawn, RANGES, 0.5 + i, ((1, 0.3),)) for i in range(4))
    made: dict[str, Any] = json.loads(json.dumps(TuneResult(trials, SearchSettings("acc")).to_json()))
    assert TuneResult.from_json(made).best.number == 3
    return made


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("params", {"lr": 0.1}, "has draws"),
        ("params", {"lr": 0.1, "kind": "c"}, "none of its choices"),
        ("params", {"lr": "x", "kind": "a"}, "no number"),
        ("ranges", {"lr": {"kind": "float", "low": "x", "high": 1}, "kind": {"choices": ["a"]}}, "finite number"),
        ("ranges", [], "does not parse"),
        ("ranges", {"lr": 3, "kind": 3}, "does not parse"),
        ("logged", "x", "does not parse"),
        ("state", "WON", "state is"),
        ("value", None, "has no value"),
        ("error", {"a": 1}, "error is"),
        ("number", float("inf"), "does not parse"),
    ],
)
def test_a_trial_that_does_not_hold_together_is_an_error_of_ours(key: str, value: Any, said: str) -> None:
    made = _result()
    made["trials"][1][key] = value
    with pytest.raises(ArtifactError, match=said):
        TuneResult.from_json(made)


@pytest.mark.parametrize("settings", [{"objective": 3}, {"objective": "a", "direction": "up"}, {"what": 1}, 5])
def test_settings_of_a_result_are_checked(settings: Any) -> None:
    with pytest.raises(ArtifactError):
        TuneResult.from_json(_result() | {"settings": settings})


def test_whole_numbers_beyond_64_bits_are_no_ends_of_a_range() -> None:
    with pytest.raises(ConfigError, match="whole number"):
        checked_space({"units": Int(1, 10**400)}, {})


@pytest.mark.parametrize("step", ['"x"', "{}", "1e400", "true", "1.5"])
def test_a_step_in_a_log_is_a_whole_number(tmp_path: Path, step: str) -> None:
    (tmp_path / "metrics.jsonl").write_text(f'{{"metric": "loss", "step": {step}, "value": 1.0}}\n')
    with pytest.raises(ModelError, match="line 1"):
        read_metrics(str(tmp_path))


@pytest.mark.parametrize(
    "change", [{"step": float("inf")}, {"logged": float("inf")}, {"files": {"../secret": ""}}, {"files": 3}]
)
def test_a_damaged_checkpoint_is_passed_over(tmp_path: Path, change: dict[str, Any]) -> None:
    kept = Checkpoints(str(tmp_path / "kept"))
    kept.save(1, {"a": b"1"})
    kept.save(2, {"a": b"2"})
    (tmp_path / "kept" / "secret").write_bytes(b"mine")
    about = tmp_path / "kept" / "step-000000000002" / "checkpoint.json"
    if isinstance(change.get("files"), dict):
        import hashlib

        change = {"files": {"../secret": hashlib.sha256(b"mine").hexdigest()}}
    about.write_text(json.dumps(json.loads(about.read_text()) | change))
    found = kept.latest()
    assert found is not None
    assert found.step == 1


def test_what_a_killed_process_was_saving_goes_with_the_next_checkpoint(tmp_path: Path) -> None:
    left = tmp_path / ".undone-7-1"
    left.mkdir()
    (left / "weights").write_bytes(b"half")
    Checkpoints(str(tmp_path)).save(8, {"a": b"1"})
    assert [p.name for p in tmp_path.iterdir()] == ["step-000000000008"]
