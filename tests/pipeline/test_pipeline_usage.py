"""What a node used is measured where it ran, and each number says what it covers."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueline._core.errors import ConfigError
from trueline.pipeline.energy import GRID_VARIABLE, WATTS_VARIABLE, Energy, Meter
from trueline.pipeline.usage import measuring, process_usage

MEGABYTE = 1 << 20


def burn(seconds: float) -> None:
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        sum(range(1000))


def test_alone_the_seconds_are_those_of_the_whole_process_with_threads_and_children() -> None:
    with measuring() as used:
        thread = threading.Thread(target=burn, args=(0.15,))
        thread.start()
        thread.join()
        subprocess.run([sys.executable, "-S", "-c", "sum(range(3_000_000))"], check=True)
    found = used.result()
    assert found["cpu_scope"] == "process"
    assert found["cpu_seconds"] >= 0.15 + 0.02, "the helper thread, and the child that was waited for"
    assert found["wall_seconds"] > 0.1
    time.sleep(0.02)
    assert used.result() == found, "after its end it changes no more"


def test_beside_another_node_the_seconds_are_those_of_the_nodes_own_thread() -> None:
    begun, results = threading.Barrier(2), {}

    def node(name: str, seconds: float) -> None:
        with measuring() as used:
            begun.wait()
            burn(seconds)
            begun.wait()
        results[name] = used.result()

    threads = [threading.Thread(target=node, args=("short", 0.02)), threading.Thread(target=node, args=("long", 0.2))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {found["cpu_scope"] for found in results.values()} == {"thread"}
    assert 0.01 < results["short"]["cpu_seconds"] < 0.12
    assert 0.19 < results["long"]["cpu_seconds"] < 0.4


def test_memory_that_was_given_back_before_the_end_is_in_the_peak() -> None:
    with measuring() as small:
        pass
    with measuring() as used:
        block = bytearray(b"x") * (200 * MEGABYTE)
        time.sleep(0.12)
        del block
    assert used.result()["memory_scope"] == "process"
    assert used.result()["peak_memory_bytes"] >= small.result()["peak_memory_bytes"] + 150 * MEGABYTE


def test_an_error_passes_through_and_what_was_used_is_told() -> None:
    measures = []

    def fails() -> None:
        with measuring() as used:
            measures.append(used)
            burn(0.03)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    (used,) = measures
    assert used.result()["cpu_seconds"] >= 0.03
    with measuring() as after:
        pass
    assert after.result()["cpu_scope"] == "process", "the one that failed runs no more"


OWN = """
import json, sys, types
from importlib.machinery import ModuleSpec
sys.modules["__main__"].__spec__ = ModuleSpec("trueline.pipeline.node_process", None)
from trueline.pipeline.usage import measuring
with measuring() as used:
    block = bytearray(b"x") * (120 << 20)
    del block
print(json.dumps(used.result()))
"""


def test_in_a_process_of_its_own_all_is_the_nodes_and_nothing_of_the_parents() -> None:
    held = bytearray(b"x") * (400 * MEGABYTE)
    out = subprocess.run([sys.executable, "-c", OWN], check=True, capture_output=True, text=True).stdout
    found = json.loads(out)
    assert (found["cpu_scope"], found["memory_scope"]) == ("own", "own")
    assert found["cpu_seconds"] > 0.02, "the start of the interpreter counts"
    assert 120 * MEGABYTE < found["peak_memory_bytes"] < 350 * MEGABYTE < len(held)


def test_another_process_is_looked_at_from_outside() -> None:
    child = subprocess.Popen([sys.executable, "-S", "-c", "x = bytearray(b'x') * (50 << 20); input()"], stdin=-1)
    try:
        deadline = time.monotonic() + 10
        while (found := process_usage(child.pid) or {}).get("peak_memory_bytes", 0) < 50 * MEGABYTE:
            assert time.monotonic() < deadline, found
            time.sleep(0.01)
    finally:
        child.communicate(b"\n")
    assert found["cpu_scope"] == "own"
    assert process_usage(child.pid) is None, "it is gone"


def test_energy_is_off_until_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (WATTS_VARIABLE, GRID_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    with measuring() as used:
        pass
    assert not [name for name in used.result() if "energy" in name or "co2" in name]
    monkeypatch.setenv(WATTS_VARIABLE, "10")
    monkeypatch.setenv(GRID_VARIABLE, "400")
    with measuring() as used:
        burn(0.02)
    found = used.result()
    assert found["energy_how"] in ("estimated", "measured")
    assert found["co2_grams"] == pytest.approx(found["energy_kwh"] * 400)


@given(st.floats(0, 1e6), st.floats(0, 500), st.floats(0, 2000))
def test_the_estimate_is_the_formula(cpu: float, watts: float, grid: float) -> None:
    found = Energy(watts, grid).spent(cpu, None)
    assert found["energy_how"] == "estimated"
    assert found["energy_kwh"] == pytest.approx(cpu / 3600 * watts / 1000)
    assert found["co2_grams"] == pytest.approx(cpu / 3600 * watts / 1000 * grid)


def test_what_was_measured_goes_before_the_estimate_and_nothing_is_no_zero() -> None:
    assert Energy(10.0).spent(1.0, 7.2e6) == {"energy_kwh": 2.0, "energy_how": "measured"}
    assert "not set" in Energy(None, 400.0).spent(1.0, None)["energy_unknown"]


def test_settings_of_energy_that_mean_nothing_are_told_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError) as caught:
        Energy.from_environment({WATTS_VARIABLE: "many", GRID_VARIABLE: "few"})
    assert WATTS_VARIABLE in str(caught.value)
    assert GRID_VARIABLE in str(caught.value)
    monkeypatch.setenv(WATTS_VARIABLE, "many")
    with measuring() as used:
        pass
    assert "'many'" in used.result()["energy_unknown"], "no work is lost for a wrong setting"
    with pytest.raises(ConfigError, match="-1"):
        Energy(watts_per_core=-1.0)
    assert Energy.from_environment({WATTS_VARIABLE: " "}) is None


def counter(root: Path, name: str, value: int, most: int = 1_000_000_000) -> Path:
    folder = root / name
    folder.mkdir(exist_ok=True)
    (folder / "energy_uj").write_text(f"{value}\n")
    (folder / "max_energy_range_uj").write_text(f"{most}\n")
    return folder


def test_the_processors_counters_are_added_by_package_and_may_begin_again(tmp_path: Path) -> None:
    assert Meter(tmp_path / "none").joules() is None
    counter(tmp_path, "intel-rapl:0", 900_000_000)
    counter(tmp_path, "intel-rapl:1", 5_000_000)
    counter(tmp_path, "intel-rapl:0:0", 1)
    meter = Meter(tmp_path)
    assert meter.joules() == 0
    counter(tmp_path, "intel-rapl:0", 100_000_000)
    counter(tmp_path, "intel-rapl:1", 7_000_000)
    counter(tmp_path, "intel-rapl:0:0", 50_000_000)
    assert meter.joules() == pytest.approx(200 + 2)
    (tmp_path / "intel-rapl:1" / "energy_uj").unlink()
    assert meter.joules() is None, "a counter that is gone is no zero"
