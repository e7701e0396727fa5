"""A notebook in a real kernel: results show themselves, cells become modules, the session becomes a file that runs."""

from __future__ import annotations

import pytest
from interactive_nodes import EXAMPLES, cut

from trueline import LocalRunner
from trueline.cli.load import load_pipeline

CELLS = (
    "from trueline import InteractiveContext\nfrom trueline.components import CsvExampleGen, StatisticsGen\n"
    "context = InteractiveContext('k')",
    "gen = CsvExampleGen(input_base='data')\ncontext.run(gen)",
    "stats = StatisticsGen(examples=gen.outputs['examples'])\ncontext.run(stats)",
    "%%trueline_module steps.py\nfrom trueline.pipeline import component, Input\n"
    "from trueline.pipeline.artifacts import Examples\nfrom trueline.data import Examples as Rows\n\n"
    "@component\ndef count(examples: Input[Examples]) -> int:\n    return Rows.open(examples.uri).num_rows('train')\n",
    "n = count(examples=gen.outputs['examples'])\ncontext.run(n)",
    "%%skip_for_export\ncontext.run(count(examples=gen.outputs['examples'], node_id='scratch'))",
    "context.export_pipeline('line.py')",
)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_a_notebook_runs_shows_and_exports(tmp_path, monkeypatch):
    import nbformat
    from nbclient import NotebookClient

    monkeypatch.chdir(tmp_path)
    cut(EXAMPLES / "taxi" / "data" / "taxi.csv", 500, tmp_path / "data")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    NotebookClient(notebook, timeout=200).execute()
    shown = [cell.outputs[-1].data["text/html"] for cell in (notebook.cells[i] for i in (1, 2, 4))]
    assert "pickup_latitude" in shown[0]
    assert "<svg" in shown[1]
    assert "complete" in shown[2]
    loaded = load_pipeline(str(tmp_path / "line.py"))
    assert [node.node_id for node in loaded.nodes] == ["CsvExampleGen", "StatisticsGen", "count"]
    result = LocalRunner().run(loaded)
    assert {node.state for node in result.nodes.values()} == {"CACHED"}, "code, inputs and parameters are the session's"
