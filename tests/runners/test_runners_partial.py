"""Partial runs take earlier outputs of full runs, whatever a run's parameters and nodes are called."""

from __future__ import annotations

from trueline.metadata import MetadataStore
from trueline.metadata.run_control import newest_success
from trueline.pipeline import Pipeline, RuntimeParameter, component
from trueline.runners import LocalRunner


@component
def read(rows: int) -> int:
    return rows


@component
def double(rows: int) -> int:
    return 2 * rows


def test_a_parameter_called_sample_makes_no_run_a_sampled_one(tmp_path):
    first = read(rows=RuntimeParameter("sample", int, default=7))
    line = Pipeline("line", [double(rows=first.outputs["result"])], root=tmp_path / "root")
    runner = LocalRunner()
    full = runner.run(line)
    runner.run(line, sample=2, runtime_parameters={"sample": 9})
    part = runner.run(line, from_nodes=["double"], use_cache=False)
    assert {name: node.state for name, node in part.nodes.items()} == {"read": "REUSED", "double": "COMPLETE"}
    assert part.nodes["double"].found == {"result": 14}
    store = MetadataStore(line.metadata)
    assert newest_success(store, "line", "read") >= full.nodes["read"].execution_id
    assert newest_success(store, "line", "unknown") is None
