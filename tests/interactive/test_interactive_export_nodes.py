"""Any pipeline goes into a file and comes back equal: real lines, and nodes with unusual arguments."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from interactive_nodes import EXAMPLES, greet, shout
from interactive_steps import small_space, train

from trueline._core.errors import ConfigError
from trueline.cli.load import load_pipeline
from trueline.components import BulkInferrer, CsvExampleGen, Importer, Resolver, Tuner
from trueline.interactive.export import export
from trueline.pipeline import Cond, ForEach, Pipeline, RuntimeParameter, Secret
from trueline.pipeline.artifacts import Examples, Model, ModelBlessing, Schema, TransformGraph
from trueline.pipeline.compile import compile_pipeline
from trueline.pipeline.resolvers import rolling_range
from trueline.pipeline.settings import Resources
from trueline.training import Categorical, Float, Int, Space


def plan(pipeline: Pipeline) -> dict:
    """The compiled pipeline without lines, with user files by name alone."""

    def plain(data: dict) -> dict:
        named = {k: Path(v).name if k == "file" and v else v for k, v in data.items()}
        return {k: v for k, v in named.items() if k != "location"}

    return json.loads(compile_pipeline(pipeline).to_json(), object_hook=plain)


def exported(pipeline: Pipeline, path: Path) -> str:
    """The text of the file, whose plan is the pipeline's."""
    export(pipeline.nodes, pipeline, path)
    assert plan(load_pipeline(str(path))) == plan(pipeline)
    return path.read_text()


@pytest.mark.slow
@pytest.mark.parametrize("line", ["taxi", "penguin"])
def test_a_real_line_comes_back_equal(line, tmp_path):
    if line == "penguin":
        pytest.importorskip("torch")
    pipeline = load_pipeline(str(EXAMPLES / line / "pipeline.py"))
    text = exported(pipeline, tmp_path / f"again_{line}.py")
    assert (tmp_path / "model.py").read_bytes() == (EXAMPLES / line / "model.py").read_bytes()
    assert "import model" in text
    assert len(text) < 9000


def test_unusual_nodes_and_arguments_come_back_equal(tmp_path):
    rows = Importer(
        source_uri=str(tmp_path / "rows"), artifact_type=Examples, properties={"span": 3}, node_id="Rows",
        custom_properties={"who": "l'été \u2028 \"x\" {y} \\"}, reimport=True,
    )  # fmt: skip
    graph = Importer(source_uri=str(tmp_path / "g"), artifact_type=TransformGraph, output_key="graph", node_id="class")
    earlier = Resolver(strategy=rolling_range(num_spans=7), examples=Examples, node_id="Lately")
    blessed = Resolver(strategy="latest_blessed", node_id="Blessed")
    schema = Resolver(strategy="latest", schema=Schema, n=2, where="span >= 3", optional=True, node_id="2-schemas")
    space = Space(
        rate=Float(1e-4, 0.1, log=True), depth=Int(2, 8, when={"kind": ("a", None)}), kind=Categorical(("a", None, 2.5))
    )
    wires = {"examples": rows.outputs["result"], "transform_graph": graph.outputs["graph"], "run_fn": train}
    # `when` names an earlier parameter.
    space = Space.of([("kind", space.ranges["kind"]), ("rate", space.ranges["rate"]), ("depth", space.ranges["depth"])])
    tuner = Tuner(**wires, space=space, objective="auc", trials=3, seed=7, hyperparameters={"fixed": (1, 2)})
    by_function = Tuner(**wires, space=small_space, objective="auc", trials=2, node_id="ByFunction")
    models = RuntimeParameter("model_name", str, default="a'b", description='what "it" is')
    hello = greet(name=models)
    with Cond((hello.outputs["result"].value == "hello you") & (blessed.outputs["model"].property("span") != 3)):
        loud = shout(words=hello.outputs["result"], times=RuntimeParameter("times", int, default=2))
        with Cond(loud.outputs["result"].value != ""):
            bulk = BulkInferrer(
                examples=earlier.outputs["examples"], model=blessed.outputs["model"], rename={"a b": "c"},
                model_blessing=blessed.outputs["model_blessing"], output_columns=["label"],
            ).with_settings(
                retries=2, backoff=0.5, timeout=90, resources=Resources(cpu=2, memory="4Gi"), cache=False,
                environment={"TOKEN": Secret("MY_TOKEN"), "LEVEL": "1"},
            )  # fmt: skip
    last = shout(words=hello.outputs["result"], node_id="Last").with_settings(trigger="all_done").after(bulk, tuner)
    nodes = [rows, graph, earlier, blessed, schema, tuner, by_function, hello, loud, bulk, last]
    text = exported(Pipeline("unusual", nodes, root=tmp_path / "root"), tmp_path / "unusual.py")
    assert "MY_TOKEN" in text
    assert "with Cond(" in text
    assert 'RuntimeParameter("model_name", str' in text
    assert "class_ = Importer" in text or "class_2 = Importer" in text, "no variable is called like a keyword"
    assert {Model, ModelBlessing} == {channel.type for channel in blessed.outputs.values()}


def test_a_password_stays_out_of_the_file(tmp_path):
    hello = greet()
    metadata = "postgresql+psycopg://me:se%40cret@host:5433/db?sslmode=require"
    text = exported_without_password(
        Pipeline("p", [hello], root=tmp_path / "root", metadata=metadata), tmp_path / "p.py"
    )
    assert "cret" not in text
    assert "postgresql+psycopg://me@host:5433/db?sslmode=require" in text
    metadata = "postgresql+psycopg://me@host/db?password=se%40cret&sslmode=require"
    line = Pipeline("p", [hello], root=tmp_path / "root", metadata=metadata)
    text = exported_without_password(line, tmp_path / "p.py")
    assert "cret" not in text
    assert "postgresql+psycopg://me@host/db?sslmode=require" in text


def exported_without_password(pipeline: Pipeline, path: Path) -> str:
    export(pipeline.nodes, pipeline, path)
    return path.read_text()


def test_what_no_source_can_say_is_told_with_its_place(tmp_path):
    gen = CsvExampleGen(input_base="data")
    with ForEach(["a", "b"], name="Names") as item:
        each = greet(name=item)
    odd = shout(words=each.outputs["result"], times=3, node_id="Odd")
    odd.made_with[0][2]["times"] = object()
    pipeline = Pipeline("p", [gen, each], root=tmp_path / "root")
    with pytest.raises(ConfigError) as caught:
        export([*pipeline.nodes, odd], pipeline, tmp_path / "not a name.py")
    told = "\n".join(caught.value.problems)
    assert "is no name for a Python file" in told
    assert "ForEach, which cannot be exported" in told
    assert "Odd: times is a object, which cannot be written" in told
    assert list(tmp_path.glob("*.py")) == [], "nothing is left behind"
