"""A training killed with SIGKILL in its middle: the next run goes on from the checkpoint, to the same bytes."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

import pytest
from trainer_line import apart

from trueline.training import read_metrics

pytestmark = pytest.mark.frameworks

# Every step is noted in a file beside the line; the pace leaves a test the time to kill.
CODE = """
import os
import time

def run_fn(fn_args):
    import torch
    from trueline import Fitted

    torch.set_num_threads(1)
    net = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.Dropout(0.3), torch.nn.Linear(8, 1))
    adam = torch.optim.Adam(net.parameters(), lr=0.01)
    loader = fn_args.train.torch_loader(32)
    step, kept = 0, fn_args.checkpoints.latest()
    if kept is not None:
        kept.load_torch(model=net, optimizer=adam)
        loader.load_state(kept.state)
        step = kept.step + 1
    bar = fn_args.progress(total=fn_args.train_steps, done=step)
    while step < fn_args.train_steps:
        for x, y, _ in loader:
            loss = torch.nn.functional.binary_cross_entropy_with_logits(net(x)[:, 0], y.float())
            adam.zero_grad()
            loss.backward()
            adam.step()
            fn_args.log("loss", loss.item(), step)
            if step % 5 == 4:
                fn_args.checkpoints.save_torch(step, model=net, optimizer=adam, state=loader.state())
            with open(os.environ["NOTED"], "a") as noted:  # a file that code names is part of the cache's key
                noted.write(f"{step} {loss.item()!r}\\n")
            time.sleep(float(os.environ.get("PACE", "0")))
            bar.update()
            step += 1
            if step == fn_args.train_steps:
                break
    return Fitted(net.eval(), output="logits")
"""
STEPS = 60


def _steps(home: Path) -> list[int]:
    path = home / "steps.txt"
    return [int(line.split()[0]) for line in path.read_text().splitlines()] if path.exists() else []


def _begun(home: Path) -> subprocess.Popen[str]:
    os.environ["NOTED"] = str(home / "steps.txt")
    return apart(home, train_steps=STEPS, seed=5)


def _end(home: Path) -> Path:
    """Runs to the end; the model's folder."""
    process = _begun(home)
    said, _ = process.communicate(timeout=300)
    _, state, uri = said.splitlines()[-1].split()
    assert state == "COMPLETE", said
    return Path(uri)


def test_a_killed_training_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, parted = tmp_path / "whole", tmp_path / "parted"
    for home in (whole, parted):
        home.mkdir()
        (home / "model.py").write_text(CODE)
    undisturbed = _end(whole)
    assert _steps(whole) == list(range(STEPS))

    monkeypatch.setenv("PACE", "0.1")
    process = _begun(parted)
    deadline = time.monotonic() + 120
    while len(_steps(parted)) < 23 and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.02)
    process.kill()
    process.communicate()
    done = _steps(parted)
    assert 23 <= len(done) < STEPS - 10
    time.sleep(1)  # the node's own process ends with its parent
    assert len(_steps(parted)) <= len(done) + 10
    done = _steps(parted)

    monkeypatch.setenv("PACE", "0")
    resumed = _end(parted)
    again = _steps(parted)[len(done) :]
    # at most the steps since the last checkpoint, every fifth, are done twice
    assert again == list(range(again[0], STEPS))
    assert len(done) - 5 <= again[0] <= len(done)
    assert again[0] % 5 == 0

    for file in sorted(p.relative_to(undisturbed) for p in undisturbed.rglob("*") if p.is_file()):
        if file.name != "MANIFEST.json":
            assert (resumed / file).read_bytes() == (undisturbed / file).read_bytes(), file
    assert json.loads((resumed / "MANIFEST.json").read_text()) == json.loads(
        (undisturbed / "MANIFEST.json").read_text()
    )
    logs = [read_metrics(str(next((home / "line" / "Trainer" / "model_run").iterdir()))) for home in (whole, parted)]
    assert logs[0] == logs[1]
    assert [entry["step"] for entry in logs[1]] == list(range(STEPS))
    assert list((parted / "line" / ".trueline").rglob("step-*")) == []
