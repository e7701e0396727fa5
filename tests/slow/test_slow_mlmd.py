"""ML Metadata's own client opens the database of a real run: in an environment of its own, without trueline."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from trueline import LocalRunner
from trueline.cli.load import load_pipeline

ROOT = Path(__file__).resolve().parents[2]
CLIENT = ROOT / ".venvs" / "mlmd" / "bin" / "python"
SCRIPT = ROOT / "tests" / "slow_scripts" / "mlmd_client.py"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not CLIENT.exists(), reason="NOT TESTED HERE: no environment with ml-metadata; make it with scripts/mlmd_env.sh"
    ),
]


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The database of a taxi run on 1,500 trips."""
    folder = tmp_path_factory.mktemp("mlmd")
    (folder / "data").mkdir()
    with (ROOT / "examples" / "taxi" / "data" / "taxi.csv").open() as whole:
        (folder / "data" / "taxi.csv").write_text("".join(line for _, line in zip(range(1501), whole, strict=False)))
    before = list(sys.path)
    params = {"data": str(folder / "data"), "root": str(folder / "line"), "serving_dir": str(folder / "serving")}
    pipeline = load_pipeline(str(ROOT / "examples" / "taxi" / "pipeline.py"), {**params, "min_auc": 0.6})
    result = LocalRunner().run(pipeline)
    sys.path[:] = before
    assert result.ok, result.message
    return folder / "line" / "metadata.db"


def client(*arguments: str) -> dict[str, Any]:
    done = subprocess.run([str(CLIENT), str(SCRIPT), *arguments], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_the_client_has_no_trueline() -> None:
    done = subprocess.run([str(CLIENT), "-P", "-c", "import trueline"], capture_output=True, text=True, cwd="/")
    assert "No module named 'trueline'" in done.stderr


def test_the_tables_are_those_of_the_real_library(database: Path) -> None:
    assert client(str(database), "--schema") == {"differences": {}}


def test_the_real_client_reads_the_run_and_writes_beside_it(database: Path) -> None:
    answer = client(str(database))
    text = json.dumps(answer)
    for expected in (
        "Examples",
        "ExampleStatistics",
        "Schema",
        "TransformGraph",
        "Model",
        "ModelBlessing",
        "PushedModel",
    ):
        assert expected in text
    for expected in ("pipeline", "pipeline_run", "node"):
        assert expected in text
    assert "trueline.components.trainer.Trainer" in text
