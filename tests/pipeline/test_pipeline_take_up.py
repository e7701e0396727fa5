"""A run that is complete is not carried out again, whatever its conditions left out and whatever ran at its end."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path

import pytest

from trueline.cli import main
from trueline.metadata import MetadataStore, RunStore
from trueline.pipeline import Cond, Pipeline, component
from trueline.runners import LocalRunner


@component
def number(n: int) -> int:
    return n


@component
def farewell() -> int:
    return 0


@component
def after(n: int = 0) -> int:
    return n


def line(root: Path) -> Pipeline:
    first = number(n=1)
    with Cond(first.outputs["result"].future()[0].value > 5):
        left_out = number(n=2, node_id="left_out")
    late = after(n=first.outputs["result"]).with_settings(trigger="all_done")
    late.add_upstream_node(left_out)
    return Pipeline("line", [first, left_out, late], root=root, on_exit=[farewell()])


def executions(place: str) -> int:
    with closing(MetadataStore(place, create=False, readonly=True)) as store:
        return len(store.executions())


def test_nothing_of_a_complete_run_is_carried_out_again(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = LocalRunner().run(line(root))
    states = {node: found.state for node, found in run.nodes.items()}
    assert states == {"number": "COMPLETE", "left_out": "OMITTED", "after": "COMPLETE", "farewell": "COMPLETE"}
    place = str(root / "metadata.db")
    before, events = executions(place), []
    again = LocalRunner().resume(place, run.run_id, on_event=events.append)
    assert (again.status, {node: found.state for node, found in again.nodes.items()}) == ("COMPLETE", states)
    assert (events, executions(place)) == ([], before)
    assert main(["resume", run.run_id, "--metadata", place]) == 0
    assert "there is nothing to resume" in " ".join(capsys.readouterr().out.split())
    # What is gone is made again, and what comes after it.
    (handle,) = run.nodes["number"].outputs["result"]
    shutil.rmtree(handle.uri)
    mended = LocalRunner().resume(place, run.run_id)
    assert (mended.status, executions(place) > before, Path(handle.uri).parent.exists()) == ("COMPLETE", True, True)
    with closing(MetadataStore(place, create=False, readonly=True)) as store:
        assert RunStore(store).run(run.run_id).status == "COMPLETE"
