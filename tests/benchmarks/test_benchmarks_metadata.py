"""The metadata benchmark, small: its history is what the store itself would read, and its questions find answers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

FILE = Path(__file__).resolve().parents[2] / "benchmarks" / "metadata.py"


def test_a_thousand_runs_are_filled_and_asked(tmp_path: Path) -> None:
    from trueline.metadata import MetadataStore, RunStore, upstream

    command = [sys.executable, str(FILE), "--runs", "1000", "--rounds", "1", "--puts", "5", "--keep", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["runs"], report["nodes"]) == (1000, 10)
    assert {"latest blessed model", "a run's page", "lineage, 3 hops up", "cache lookup"} <= set(report["questions"])
    assert report["put_execution"]["trueline_per_second"] > 0
    store = MetadataStore(str(tmp_path / "history.db"), readonly=True)
    runs = RunStore(store).runs()
    assert len(runs) == 1000
    (model,) = store.artifacts(ids=[json.loads((tmp_path / "facts.json").read_text())["newest_model"]])
    assert (model.type, dict(model.properties)) == ("Model", {"span": 999})
    made_of = [artifact.type for artifact in upstream(store, [model.id or 0], hops=2)]
    assert made_of == ["Examples", "Schema", "TransformGraph"]
    (context,) = store.contexts(type="pipeline_run", name=runs[0].run_id)
    assert len(store.executions(context=context.id)) == len(store.artifacts(context=context.id)) == 10
    assert store.artifacts(type="Model", newest_first=True, limit=1) == [model]
    store.close()
