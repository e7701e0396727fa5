"""Building a pipeline finds every mistake at once and says at which of the user's lines it was made."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pipeline_nodes import MakeSchema, Source, Train, count

from trueline._core.errors import ConfigError
from trueline.pipeline import CompiledPipeline, Component, Out, Pipeline, Resolver, compile_pipeline
from trueline.pipeline.artifacts import ArtifactType, Examples, artifact_type


def line() -> int:
    frame = inspect.currentframe()
    assert frame is not None
    assert frame.f_back is not None
    return frame.f_back.f_lineno


def test_all_mistakes_at_once_each_with_its_line(tmp_path: Path) -> None:
    source, at_source = Source(path="x"), line()
    schema, at_schema = MakeSchema(examples=source.outputs["example"]), line()
    trained, at_train = Train(examples=schema.outputs["schema"], schema=source), line()  # type: ignore[arg-type]
    lonely, at_lonely = MakeSchema(node_id="lonely"), line()
    counted, at_count = count(examples=source.outputs.examples, factr=2, factor="x"), line()
    other, at_other = Source(path="y", times=object()), line()  # type: ignore[arg-type]
    with pytest.raises(ConfigError) as caught:
        Pipeline("bad name!", [trained, lonely, counted, schema, other], root=tmp_path)
    problems = caught.value.problems
    here = __file__

    def has(at: int, *texts: str) -> bool:
        return any(p.startswith(f"{here}:{at}:") and all(t in p for t in texts) for p in problems)

    assert has(at_schema, "Source has no output 'example'", "Did you mean 'examples'?")
    assert has(at_train, "input 'examples' takes Examples", "MakeSchema.schema is Schema")
    assert has(at_train, "was given the node 'Source'", "Source.outputs['examples']")
    assert has(at_lonely, "lonely needs the input 'examples' of type Examples")
    assert has(at_count, "takes no argument 'factr'", "Did you mean 'factor'")
    assert has(at_count, "argument 'factor' takes int, but was given 'x'")
    assert has(at_other, "parameter 'times' is a object, which is no JSON value")
    assert has(at_other, "2 nodes are called 'Source'", f":{at_source}")
    assert any("the pipeline's name 'bad name!'" in p for p in problems)
    assert len(problems) == 9


def test_a_circle_is_drawn(tmp_path: Path) -> None:
    source = Source(path="x")
    schema = MakeSchema(examples=source.outputs.examples)
    trained = Train(examples=source.outputs.examples, schema=schema.outputs.schema)
    schema.after(trained)
    with pytest.raises(ConfigError, match=r"circle: (MakeSchema -> Train -> MakeSchema|Train -> MakeSchema -> Train)"):
        Pipeline("p", [trained], root=tmp_path)


def test_all_circles_are_told_at_once(tmp_path: Path) -> None:
    alone, after = Source(path="x", node_id="alone"), Source(path="x", node_id="after")
    alone.after(alone)
    after.after(alone)
    left, right = Source(path="x", node_id="left"), Source(path="x", node_id="right")
    left.after(right)
    right.after(left)
    with pytest.raises(ConfigError) as caught:
        Pipeline("p", [after, left, Source(path="x")], root=tmp_path)
    circles = sorted(problem.partition("circle: ")[2] for problem in caught.value.problems)
    assert circles[0] == "alone -> alone"
    assert circles[1] in ("left -> right -> left", "right -> left -> right")
    assert len(circles) == 2


class Nameless(Component):
    OUTPUTS = {"x": Out(Examples)}  # noqa: RUF012


class Missing(Component):
    EXECUTOR = "pipeline_nodes:no_such_thing.py"


class Gone(Component):
    EXECUTOR = "no_such_package.module:execute"


def test_executors_are_looked_for_when_the_pipeline_is_built(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        Pipeline("p", [Nameless(), Missing(), Gone()], root=tmp_path)
    text = str(caught.value)
    assert "Nameless names no EXECUTOR" in text
    assert "names no function" in text
    assert "there is no module 'no_such_package.module'" in text
    assert len(caught.value.problems) == 3


def test_nothing_and_strange_things_in_the_list(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there are no nodes"):
        Pipeline("p", [], root=tmp_path)
    with pytest.raises(ConfigError, match="which is no node"):
        Pipeline("p", ["Source"], root=tmp_path)  # type: ignore[list-item]
    with pytest.raises(ConfigError, match="say with metadata="):
        Pipeline("p", [Source(path="x")], root="s3://bucket/root")
    with pytest.raises(ConfigError) as caught:
        Pipeline("p", [Resolver(strategy="newest", examples=Examples), Resolver(n=0, node_id="r")], root=tmp_path)  # type: ignore[arg-type]
    assert len(caught.value.problems) == 3


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.permutations(range(4)))
def test_the_order_of_listing_changes_nothing(tmp_path: Path, order: list[int]) -> None:
    source = Source(path="x")
    schema = MakeSchema(examples=source.outputs.examples)
    nodes = [
        source,
        schema,
        Train(examples=source.outputs.examples, schema=schema.outputs.schema),
        Resolver(e=Examples),
    ]
    compiled = compile_pipeline(Pipeline("p", [nodes[i] for i in order], root=tmp_path))
    assert [n.id for n in compiled.nodes] == ["Resolver", "Source", "MakeSchema", "Train"]


def test_compiled_form_survives_json_and_other_formats_are_refused(tmp_path: Path) -> None:
    source = Source(path="x")
    counted = count(examples=source.outputs.examples)
    compiled = compile_pipeline(Pipeline("p", [counted], root=tmp_path))
    again = CompiledPipeline.from_json(compiled.to_json())
    assert again == compiled
    assert again.to_json() == compiled.to_json()
    data = json.loads(compiled.to_json())
    with pytest.raises(ConfigError, match="has format 99, this version reads 1"):
        CompiledPipeline.from_json(json.dumps({**data, "format": 99}))
    with pytest.raises(ConfigError, match="no compiled pipeline"):
        CompiledPipeline.from_json(json.dumps({**data, "nodes": [{}]}))
    with pytest.raises(ConfigError, match="Did you mean 'Source'"):
        compiled.node("Sorce")


def test_listed_nodes_bring_their_upstream_along(tmp_path: Path) -> None:
    source = Source(path="x")
    pipeline = Pipeline("p", [MakeSchema(examples=source.outputs.examples)], root=tmp_path)
    assert [n.node_id for n in pipeline.nodes] == ["Source", "MakeSchema"]


def test_a_type_of_ones_own_and_a_type_without_a_class() -> None:
    class Wavelets(ArtifactType):
        PROPERTIES = {"depth": "int"}  # noqa: RUF012

    assert artifact_type("Wavelets") is Wavelets
    assert artifact_type("FromAnotherProgram").TYPE_NAME == "FromAnotherProgram"
    with pytest.raises(ConfigError, match="no name for an artifact type"):
        type("Bad", (ArtifactType,), {"TYPE_NAME": "no spaces please"})


def test_importing_the_room_loads_no_heavy_library() -> None:
    code = (
        "import sys, trueline.pipeline, trueline.metadata, trueline.runners\n"
        "print([m for m in ('sqlalchemy', 'pyarrow', 'onnx', 'onnxruntime', 'numpy') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == "[]"
