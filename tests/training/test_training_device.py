"""Where to compute: one setting; an absent device is told with what there is; torch is asked where it may know."""

from __future__ import annotations

import subprocess
import sys

import pytest

from trueline._core.errors import ConfigError
from trueline.training import device as room
from trueline.training import resolve_device
from trueline.training.device import DEVICE_VARIABLE


@pytest.fixture(autouse=True)
def _no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(DEVICE_VARIABLE, raising=False)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch):
    """A machine with so many GPUs."""

    def make(gpus: int, mps: bool = False) -> None:
        monkeypatch.setattr(room, "_gpus", lambda: gpus)
        monkeypatch.setattr(room, "_has_mps", lambda: mps)

    return make


@pytest.mark.parametrize(
    ("gpus", "mps", "setting", "found"),
    [
        (0, False, "auto", "cpu"),
        (2, False, "auto", "cuda"),
        (0, True, "auto", "mps"),
        (2, False, "cpu", "cpu"),
        (2, False, "cuda:1", "cuda:1"),
        (1, False, "cuda", "cuda"),
        (0, True, "mps", "mps"),
    ],
)
def test_settings(machine, gpus: int, mps: bool, setting: str, found: str) -> None:
    machine(gpus, mps)
    assert resolve_device(setting) == found


@pytest.mark.parametrize(("setting", "there"), [("cuda:2", "cpu, cuda:0, cuda:1"), ("mps", "cpu, cuda:0, cuda:1")])
def test_an_absent_device_is_told_with_what_there_is(machine, setting: str, there: str) -> None:
    machine(2)
    with pytest.raises(
        ConfigError, match=rf"device='{setting}': there is no such device here\nHint: there is {there}\."
    ):
        resolve_device(setting)


def test_the_environment_goes_first(machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine(0)
    monkeypatch.setenv(DEVICE_VARIABLE, "cpu")
    assert resolve_device("cuda") == "cpu"
    monkeypatch.setenv(DEVICE_VARIABLE, "gpu")
    with pytest.raises(ConfigError, match="TRUELINE_DEVICE='gpu' is no device"):
        resolve_device("cpu")


@pytest.mark.parametrize("setting", ["", "gpu", "cuda:", "cuda:x", "CPU", "cpu;rm"])
def test_names_that_mean_nothing(setting: str) -> None:
    with pytest.raises(ConfigError, match="give auto, cpu, cuda, cuda:<number> or mps"):
        resolve_device(setting)


def test_torch_is_not_imported_for_cpu_or_where_no_driver_is() -> None:
    script = """
import sys
from trueline.training import device
assert device.resolve_device("cpu") == "cpu"
device._has_driver = lambda: False
device._has_mps = lambda: False
assert device.resolve_device("auto") == "cpu"
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], check=True)
