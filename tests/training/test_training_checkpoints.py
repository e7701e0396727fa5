"""Checkpoints: whole or not there at all, the newest found again, torch's state without pickle; and early stopping."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueline._core.errors import ArtifactError, ConfigError, ModelError
from trueline.training import Checkpoints, EarlyStopping, MetricLog, read_metrics
from trueline.training.tracking import EARLIER_METRICS


def test_the_newest_is_found_and_the_oldest_go(tmp_path: Path) -> None:
    kept = Checkpoints(str(tmp_path))
    assert kept.latest() is None
    for step in (9, 10, 100):
        kept.save(step, {"a.bin": b"%d" % step, "in/b.bin": b""}, metrics={"loss": 1 / step}, state={"epoch": step})
    last = kept.latest()
    assert last is not None
    assert (last.step, last.files, last.read("a.bin")) == (100, ("a.bin", "in/b.bin"), b"100")
    assert (last.metrics, last.state) == ({"loss": 0.01}, {"epoch": 100})
    assert sorted(p.name for p in tmp_path.iterdir()) == ["step-000000000010", "step-000000000100"]
    with pytest.raises(ArtifactError, match=r"Did you mean 'a\.bin'"):
        last.read("a.bim")


def test_one_of_the_same_step_is_replaced_and_a_function_may_write(tmp_path: Path) -> None:
    kept = Checkpoints(str(tmp_path))
    kept.save(3, {"old": b"1"})
    kept.save(3, lambda folder: Path(folder, "new").write_bytes(b"2"))
    last = kept.latest()
    assert last is not None
    assert last.files == ("new",)
    assert [p.name for p in tmp_path.iterdir()] == ["step-000000000003"]


def test_a_relative_folder_and_one_behind_a_link_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real", target_is_directory=True)
    for folder in ("here", "link/there"):
        kept = Checkpoints(folder)
        kept.save(1, {"a": b"1", "in/b": b"2"})
        last = kept.latest()
        assert last is not None
        assert last.files == ("a", "in/b")
        with pytest.raises(ConfigError, match="plain names"):
            kept.save(2, {"../a": b""})


@pytest.mark.parametrize("harm", ["cut", "changed", "gone", "no list", "list cut"])
def test_a_damaged_one_is_passed_over(tmp_path: Path, harm: str) -> None:
    kept = Checkpoints(str(tmp_path))
    for step in (1, 2):
        kept.save(step, {"a": b"whole", "b": b"whole"})
    broken = tmp_path / "step-000000000002"
    {
        "cut": lambda: (broken / "a").write_bytes(b"who"),
        "changed": lambda: (broken / "a").write_bytes(b"wh0le"),
        "gone": lambda: (broken / "a").unlink(),
        "no list": lambda: (broken / "checkpoint.json").unlink(),
        "list cut": lambda: (broken / "checkpoint.json").write_text('{"format": 1, "st'),
    }[harm]()
    last = kept.latest()
    assert last is not None
    assert last.step == 1


def test_what_fails_while_writing_leaves_nothing(tmp_path: Path) -> None:
    kept = Checkpoints(str(tmp_path))

    def fails(folder: str) -> None:
        Path(folder, "half").write_bytes(b"half")
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="disk is full"):
        kept.save(1, fails)
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_saved_is_said_at_once(tmp_path: Path) -> None:
    kept = Checkpoints(str(tmp_path))
    with pytest.raises(ConfigError) as caught:
        kept.save(-1, {"a": b""}, keep=0, state={"x": object()})
    assert len(caught.value.problems) == 3
    for name in ("../out", "/tmp/out", "checkpoint.json"):
        with pytest.raises(ConfigError, match="has no file"):
            kept.save(1, {name: b""})
    with pytest.raises(ConfigError, match="step 1 has no file"):
        kept.save(1, {})
    assert kept.latest() is None


def test_a_kill_at_any_moment_leaves_a_whole_one(tmp_path: Path) -> None:
    """A process that does nothing but save is killed eight times; each time the newest is whole and goes on."""
    dice, seen = random.Random(1), -1
    for _ in range(8):
        process = subprocess.Popen(
            [sys.executable, str(Path(__file__).parent / "checkpoint_writer.py"), str(tmp_path)], stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        said = int(process.stdout.readline())
        time.sleep(dice.random() * 0.03)
        process.kill()
        said = max([said, *map(int, process.stdout.read().split())])
        process.stdout.close()
        process.wait()
        last = Checkpoints(str(tmp_path)).latest()
        assert last is not None
        assert last.step >= said > seen
        assert last.read("one.bin") == last.read("two.bin") == str(last.step).encode() * 200_000
        seen = said


def test_a_run_that_goes_on_has_the_log_until_then(tmp_path: Path) -> None:
    run, log = Checkpoints(str(tmp_path / "kept"), metrics_of=str(tmp_path)), MetricLog(str(tmp_path))
    for step in range(6):
        log.log("loss", step, step)
        if step == 3:
            run.save(step, {"a": b""})
    (tmp_path / "metrics.jsonl").rename(tmp_path / EARLIER_METRICS)
    assert Checkpoints(str(tmp_path / "kept"), metrics_of=str(tmp_path)).latest() is not None
    assert [e["step"] for e in read_metrics(str(tmp_path))] == [0, 1, 2, 3]


def _torch_training(steps: int, kept: Checkpoints, stop_at: int | None = None) -> dict[str, Any]:
    import torch

    torch.manual_seed(3)
    net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Dropout(0.5), torch.nn.Linear(8, 1))
    adam = torch.optim.Adam(net.parameters(), lr=0.01)
    rate = torch.optim.lr_scheduler.StepLR(adam, 3)
    parts = {"model": net, "optimizer": adam, "rate": rate}
    last = kept.latest()
    if last is not None:
        last.load_torch(**parts)
    for step in range(last.step + 1 if last else 0, steps):
        if step == stop_at:
            break
        x = torch.randn(16, 4) + float(np.random.rand()) + random.random()
        loss = net(x).square().mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
        rate.step()
        kept.save_torch(step, **parts)
    return {name: value.clone() for name, value in net.state_dict().items()}


@pytest.mark.frameworks
def test_torch_goes_on_as_if_nothing_had_been(tmp_path: Path) -> None:
    """Dropout, Adam, a schedule and three generators: an interrupted training ends with the weights of a whole one."""
    torch = pytest.importorskip("torch")
    np.random.seed(1)
    random.seed(1)
    whole = _torch_training(8, Checkpoints(str(tmp_path / "whole")))
    np.random.seed(1)
    random.seed(1)
    kept = Checkpoints(str(tmp_path / "parts"))
    _torch_training(8, kept, stop_at=5)
    np.random.seed(99)
    random.seed(99)
    parted = _torch_training(8, kept)
    assert all(torch.equal(whole[name], parted[name]) for name in whole)
    last = kept.latest()
    assert last is not None
    assert last.files == ("torch.json", "torch.safetensors")
    with pytest.raises(ModelError, match="has no scaler"):
        last.load_torch(scaler=torch.nn.Linear(1, 1))


def test_early_stopping_counts_what_is_no_better() -> None:
    stopping = EarlyStopping(patience=2, min_delta=0.1)
    said = [stopping(v) for v in (1.0, 0.95, 0.85, float("nan"), 0.8)]
    assert said == [False, False, False, False, True]
    assert (stopping.best, stopping.best_step, stopping.improved) == (0.85, 2, False)
    upward = EarlyStopping(patience=1, mode="max")
    assert [upward(v, step) for step, v in ((10, 0.5), (20, 0.6), (30, 0.6))] == [False, False, True]
    assert (upward.best, upward.best_step) == (0.6, 20)


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=30), st.integers(1, 5), st.integers(0, 30))
def test_early_stopping_goes_on_from_its_state(values: list[float], patience: int, cut: int) -> None:
    """Law: stopped anywhere and gone on from its state, it says what it would have said; it stops as it is defined."""
    whole, first, second = (EarlyStopping(patience) for _ in range(3))
    said = [whole(v) for v in values]
    parts = [first(v) for v in values[:cut]]
    second.load_state(first.state())
    assert parts + [second(v) for v in values[cut:]] == said
    best = [min(values[: i + 1]) for i in range(len(values))]
    expected = [
        i - max(j for j in range(i + 1) if best[j] == values[j] and best[j] not in best[:j]) for i in range(len(values))
    ]
    assert said == [waited >= patience for waited in expected]


def test_early_stopping_refuses_nonsense() -> None:
    with pytest.raises(ConfigError) as caught:
        EarlyStopping(patience=0, min_delta=-1, mode="least")  # type: ignore[arg-type]
    assert len(caught.value.problems) == 3
