"""Transform killed with SIGKILL in each of its phases, and with a disk that takes no more: a rerun makes the same."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from transform_struck import PLACES, executor

from trueline import LocalRunner, Pipeline
from trueline._core.manifest import read_manifest
from trueline.components import CsvExampleGen, SchemaGen, StatisticsGen, Transform
from trueline.pipeline.compile import CompiledPipeline, compile_pipeline
from trueline.pipeline.results import NodeResult

STEPS = """
import trueline.transform as tlt

def preprocessing_fn(inputs):
    z = tlt.scale_to_z_score(inputs["height"])
    return {
        "z": z,
        "bucket": tlt.bucketize(z, 5),
        "town": tlt.compute_and_apply_vocabulary(inputs["town"], vocab_filename="town", num_oov_buckets=1),
    }
"""


def _plan(home: Path) -> CompiledPipeline:
    data = home / "data"
    if not data.exists():
        data.mkdir(parents=True)
        dice = random.Random(7)
        rows = "".join(f"town {dice.randrange(40)},{dice.gauss(170, 9)!r}\n" for _ in range(600))
        (data / "rows.csv").write_text("town,height\n" + rows)
        (home / "steps.py").write_text(STEPS)
    examples = CsvExampleGen(input_base=str(data), block_rows=64)
    statistics = StatisticsGen(examples=examples.outputs["examples"])
    schema = SchemaGen(statistics=statistics.outputs["statistics"])
    made = Transform(
        examples=examples.outputs["examples"],
        schema=schema.outputs["schema"],
        module_file=str(home / "steps.py"),
    )
    nodes = [examples, statistics, schema, made]
    return compile_pipeline(Pipeline("kills", nodes, root=str(home / "line")))


def _prints(result: NodeResult) -> dict[str, str]:
    return {key: read_manifest(handles[0].uri, "sha256").fingerprint for key, handles in result.outputs.items()}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A line that has run once, with its fingerprints."""
    home = tmp_path_factory.mktemp("kills")
    result = LocalRunner().run(_plan(home))
    assert result.ok, result.message
    return home, _prints(result.nodes["Transform"])


def _folders(home: Path) -> set[str]:
    return {str(p) for p in (home / "line" / "Transform").glob("*/*")}


def _with_executor(plan: CompiledPipeline, reference: dict[str, Any]) -> CompiledPipeline:
    return replace(plan, nodes=tuple(replace(n, executor=reference) if n.id == "Transform" else n for n in plan.nodes))


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("place", PLACES)
def test_killed_there_it_leaves_nothing_and_a_rerun_makes_the_same(
    undisturbed: tuple[Path, dict[str, str]], place: str, after: bool
) -> None:
    home, prints = undisturbed
    plan, before = _plan(home), _folders(home)
    only: Any = {"from_nodes": ["Transform"], "to_nodes": ["Transform"], "use_cache": False}
    dead = LocalRunner().run(_with_executor(plan, executor(place, after)), isolation={"Transform": "process"}, **only)
    assert not dead.ok
    assert "signal 9" in str(dead.nodes["Transform"].message)
    assert dead.nodes["Transform"].outputs == {}
    assert _folders(home) == before
    again = LocalRunner().run(plan, **only)
    assert again.ok, again.message
    assert _prints(again.nodes["Transform"]) == prints
