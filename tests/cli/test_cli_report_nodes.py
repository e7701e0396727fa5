"""The report of a run with several nodes of one kind tells them apart, and counts what all of them read."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from trueline.cli.report import run_view
from trueline.components import CsvExampleGen, StatisticsGen
from trueline.metadata import MetadataStore, RunStore
from trueline.pipeline import Pipeline
from trueline.runners import LocalRunner


def test_two_readers_are_added_up_and_two_statistics_are_told_apart(tmp_path: Path) -> None:
    nodes = []
    for name, rows in (("may", 40), ("june", 60)):
        (tmp_path / f"{name}.csv").write_text("a\n" + "".join(f"{i}\n" for i in range(rows)))
        data = CsvExampleGen(input_base=str(tmp_path / f"{name}.csv"), node_id=f"Read_{name}")
        nodes += [data, StatisticsGen(examples=data.outputs["examples"], node_id=f"Stats_{name}")]
    pipeline = Pipeline("two", nodes, root=str(tmp_path / "root"))
    assert LocalRunner(isolation="thread").run(pipeline).ok
    with closing(MetadataStore(str(tmp_path / "root" / "metadata.db"), create=False)) as store:
        view = run_view(RunStore(store), "latest")
    assert (view.facts["rows read"], view.facts["rows rejected"]) == (100, 0)
    titles = {section.title for section in view.sections}
    assert titles == {"Statistics: train and eval (Stats_may)", "Statistics: train and eval (Stats_june)"}
    assert len(view.sections) == 2
