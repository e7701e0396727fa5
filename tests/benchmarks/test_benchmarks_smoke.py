"""Each benchmark runs by its path, tiny, and prints what it promises: CPU, rows per CPU second, memory, ratios."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


def run(name: str, *arguments: str) -> dict[str, Any]:
    """What a benchmark prints, started as a user starts it."""
    command = [sys.executable, str(FOLDER / name), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def check(record: dict[str, Any]) -> None:
    """CPU time and throughput of one candidate."""
    assert record["cpu_seconds"] >= 0
    assert record["rows_per_cpu_second"] > 0


pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", ["serving.py", "statistics.py", "transform.py"])
def test_a_benchmark_started_by_path_finds_the_standard_librarys_statistics(name: str) -> None:
    command = [sys.executable, str(FOLDER / name), "--help"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    code = f"import runpy, sys; sys.path.insert(0, {str(FOLDER)!r}); runpy.run_path({str(FOLDER / name)!r}); "
    code += "import statistics; print(statistics.median([1, 2, 3]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.strip() == "2", done.stderr


def test_serving_compares_with_an_app_that_does_nothing() -> None:
    report = run("serving.py", "--seconds", "0.3", "--rounds", "1", "--cases", "rows_1", "columns_256")
    assert report["load"] == "built-in"
    for case, rows in (("rows_1", 1), ("columns_256", 256)):
        for server in ("server", "empty_app"):
            check(report["cases"][case][server])
            assert report["cases"][case][server]["rows_per_request"] == rows
            assert report["peak_memory_mb"][server] > 1
        assert report["cases"][case]["empty_app"]["ratio_to_empty_app"] == 1
        assert report["cases"][case]["server"]["ratio_to_empty_app"] > 1


def test_serving_measures_models_of_one_vector() -> None:
    report = run("serving.py", "--seconds", "0.3", "--rounds", "1", "--cases", "dense_256", "big_1")
    cases = report["cases"]
    check(cases["big_1"]["unbatched"])
    assert cases["big_1"]["server"]["batching_gain"] > 0
    assert cases["dense_256"]["server"]["ratio_to_decoding"] > 0.5
    assert "unbatched" not in cases["dense_256"]


def test_statistics_compares_with_reading_alone() -> None:
    report = run("statistics.py", "--rows", "2000", "--rounds", "1")
    for name in ("trueline", "decode"):
        check(report["results"][name])
        assert report["results"][name]["peak_memory_mb"] > 1
    assert report["trueline_cpu_ratio_to"]["trueline"] == 1
    assert report["trueline_cpu_ratio_to"]["decode"] > 0


def test_transform_compares_with_scikit_learn() -> None:
    pytest.importorskip("sklearn", reason="scikit-learn is the alternative measured")
    report = run("transform.py", "--rows", "2000", "--rounds", "1")
    for candidate in ("trueline", "scikit-learn", "scikit-learn without hashes"):
        check(report["apply"][candidate])
    assert report["apply"]["scikit-learn"]["cpu_of_it_for_one_of_ours"] > 0
    assert report["pass"]["peak_mb"] > 1
    assert report["pass"]["rows_per_cpu_second"] > 0
    assert report["one_row"]["median_us"] > 0
