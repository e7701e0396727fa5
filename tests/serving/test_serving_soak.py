"""Long runs of mixed requests: none fails, and the server's memory stays where it was after the warm-up."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "soak.py"


def soaked(requests: int, connections: int = 32) -> dict[str, Any]:
    """The report of a run."""
    command = [sys.executable, str(SCRIPT), "--requests", str(requests), "--connections", str(connections)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    report: dict[str, Any] = json.loads(done.stdout)
    print(report)
    assert done.returncode == 0, report
    return report


def test_a_mix_of_good_and_bad_requests_is_answered_as_it_should_be() -> None:
    report = soaked(400, 4)
    assert (report["failed"], report["exit_status"]) == ([], 0)
    assert report["answered"] + report["hung_up"] == 400


@pytest.mark.slow
def test_memory_is_flat_over_fifty_thousand_requests() -> None:
    assert soaked(50_000)["holds"]


@pytest.mark.exhaustive
def test_memory_is_flat_over_a_million_requests() -> None:
    assert soaked(1_000_000)["holds"]
