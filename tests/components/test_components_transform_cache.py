"""Transform over spans: the second run reads the new span alone, and several artifacts become one."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from trueline._core.errors import ArtifactError
from trueline._core.manifest import write_manifest
from trueline._core.rowid import split_row_ids
from trueline.components import Transform, transform
from trueline.data import Examples, ExamplesWriter
from trueline.engine import LocalEngine
from trueline.pipeline import ArtifactHandle, ExecutionContext, UserFunction
from trueline.pipeline.artifacts import TransformCache
from trueline.transform import TransformOutput

STEPS = """
import trueline.transform as tlt

def preprocessing_fn(inputs):
    return {
        "height": tlt.scale_to_0_1(inputs["height"]),
        "town": tlt.compute_and_apply_vocabulary(inputs["town"], vocab_filename="town"),
    }
"""
SCHEMA = pa.schema([("town", pa.string()), ("height", pa.float64()), ("__row__", pa.int64())])
PBTXT = b'feature { name: "town" type: BYTES } feature { name: "height" type: FLOAT }'


class CountingEngine(LocalEngine):
    """Counts the rows that analysis runs over."""

    def __init__(self) -> None:
        super().__init__(workers=2)
        self.rows: list[int] = []

    def run(self, spec: Any, dataset: Any, columns: Any = None) -> Any:
        self.rows.append(dataset.num_rows)
        return super().run(spec, dataset, columns)


class Line:
    """Runs Transform as the launcher does, each run with folders of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "steps.py").write_text(STEPS)
        self.code = UserFunction.of(f"{folder}/steps.py:preprocessing_fn")
        (folder / "schema").mkdir()
        (folder / "schema" / "schema.pbtxt").write_bytes(PBTXT)
        self.schema = ArtifactHandle("Schema", str(folder / "schema"), {})
        self.runs = 0

    def span(self, number: int, train: int = 50, evaluation: int = 10, **other: pa.DataType) -> ArtifactHandle:
        uri = str(self.folder / f"examples-{number}")
        schema = pa.schema([pa.field(f.name, other.get(f.name, f.type)) for f in SCHEMA])
        with ExamplesWriter(
            uri, schema, block_rows=16, splits=["train", "eval"], sources=[{"name": f"{number}.csv"}]
        ) as writer:
            for split, first, rows in (("train", 0, train + number), ("eval", train + number, evaluation)):
                heights = [100.0 * number + i for i in range(rows)]
                columns = {
                    "town": [f"town {number}", "Oslo"] * (rows // 2) + ["Bergen"] * (rows % 2),
                    "height": heights,
                    "__row__": list(range(first, first + rows)),
                }
                arrays = [pa.array(columns[f.name]).cast(f.type) for f in schema]
                writer.write(split, pa.RecordBatch.from_arrays(arrays, schema=schema))
        fingerprint = write_manifest(uri, "Examples").fingerprint
        return ArtifactHandle("Examples", uri, {"span": number, "version": 0}, id=number, fingerprint=fingerprint)

    def run(self, spans: list[ArtifactHandle], cache: ArtifactHandle | None = None, **params: Any) -> ExecutionContext:
        self.runs += 1
        outputs = {}
        kinds = {"transform_graph": "TransformGraph", "transformed_examples": "Examples"}
        for key, kind in {**kinds, "updated_analyzer_cache": "TransformCache"}.items():
            uri = self.folder / f"run-{self.runs}" / key
            uri.mkdir(parents=True)
            outputs[key] = ArtifactHandle(kind, str(uri))
        defaults = {"preprocessing_fn": self.code, "custom_config": None, "analyze": "train", "transform_splits": None}
        inputs = {"examples": spans, "schema": [self.schema], "analyzer_cache": [cache] if cache else []}
        ctx = ExecutionContext(inputs=inputs, outputs=outputs, params={**defaults, **params}, _engine=CountingEngine())
        transform.execute(ctx)
        for handle in outputs.values():
            write_manifest(handle.uri, handle.type)
        return ctx


@pytest.fixture
def line(tmp_path: Path) -> Line:
    return Line(tmp_path)


def graph_hash(ctx: ExecutionContext) -> str:
    return TransformOutput.load(ctx.outputs["transform_graph"].uri).content_hash


def test_the_second_run_reads_the_new_span_alone(line: Line) -> None:
    spans = [line.span(i) for i in range(3)]
    first = line.run(spans[:2])
    assert first.engine.rows == [50, 51]
    second = line.run(spans, first.outputs["updated_analyzer_cache"])
    assert second.engine.rows == [52]
    assert second.found["analyzer_cache"] == {"hits": 2, "misses": 1}
    fresh = line.run(spans)
    assert fresh.engine.rows == [50, 51, 52]
    assert graph_hash(fresh) == graph_hash(second)
    window = line.run(spans[1:], second.outputs["updated_analyzer_cache"])
    assert window.engine.rows == []
    kept = Path(window.outputs["updated_analyzer_cache"].uri)
    assert len(list(kept.glob("*/*.state"))) == 2  # the state of the span that left is not carried along


def test_the_order_in_which_spans_are_listed_does_not_matter(line: Line) -> None:
    spans = [line.span(i) for i in range(3)]
    assert graph_hash(line.run(spans)) == graph_hash(line.run(spans[::-1]))


def test_several_artifacts_become_one(line: Line) -> None:
    """Rows of all spans, in order, told apart by their sources; vocabulary and range are those of all of them."""
    spans = [line.span(i) for i in range(2)]
    ctx = line.run(spans[::-1])
    made = Examples.open(ctx.outputs["transformed_examples"].uri)
    table = made.table("train")
    sources, records = split_row_ids(table["__row__"].to_numpy())
    assert sources.tolist() == [0] * 50 + [1] * 51
    assert records.tolist() == [*range(50), *range(51)]
    assert [s["name"] for s in made.sources] == ["0.csv", "1.csv"]
    assert table["height"].to_pylist()[0] == 0.0
    assert table["height"].to_pylist()[-1] == 1.0
    assert made.num_rows("eval") == 20
    graph = TransformOutput.load(ctx.outputs["transform_graph"].uri)
    assert set(graph.vocabulary_by_name("town")) == {"Oslo", "town 0", "town 1", "Bergen"}
    assert ctx.outputs["transformed_examples"].properties["span"] == 1


def test_an_artifact_counts_once_and_equal_contents_count_twice(line: Line) -> None:
    span = line.span(0)
    assert line.run([span, span]).engine.rows == [50]
    twin = ArtifactHandle("Examples", str(line.folder / "twin"), {"span": 7}, id=9, fingerprint=span.fingerprint)
    shutil.copytree(span.uri, twin.uri)
    both = line.run([span, twin])
    assert both.engine.rows == [50, 50]
    assert Examples.open(both.outputs["transformed_examples"].uri).num_rows("train") == 100
    assert line.run([span, twin], both.outputs["updated_analyzer_cache"]).engine.rows == []


def test_several_splits_can_be_analysed(line: Line) -> None:
    ctx = line.run([line.span(0)], analyze=["train", "eval"], transform_splits=["eval"])
    assert ctx.engine.rows == [50, 10]
    assert Examples.open(ctx.outputs["transformed_examples"].uri).splits == ("eval",)


def test_a_damaged_cache_is_no_failure(line: Line) -> None:
    span = line.span(0)
    first = line.run([span])
    for entry in Path(first.outputs["updated_analyzer_cache"].uri).glob("*/*.state"):
        entry.write_bytes(entry.read_bytes()[:-3])
    second = line.run([span], first.outputs["updated_analyzer_cache"])
    assert second.engine.rows == [50]
    assert graph_hash(second) == graph_hash(first)


def test_spans_of_other_columns_are_refused(line: Line) -> None:
    with pytest.raises(ArtifactError, match="different columns") as error:
        line.run([line.span(0), line.span(1, height=pa.int64())])
    assert "examples-1" in str(error.value)


def test_a_split_that_one_span_lacks_is_named(line: Line) -> None:
    with pytest.raises(ArtifactError, match="no split 'trian'"):
        line.run([line.span(0)], analyze="trian")


def test_the_cache_is_an_output_unless_it_is_disabled() -> None:
    from trueline.components import CsvExampleGen, SchemaGen, StatisticsGen

    examples = CsvExampleGen(input_base="data")
    statistics = StatisticsGen(examples=examples.outputs["examples"])
    schema = SchemaGen(statistics=statistics.outputs["statistics"]).outputs["schema"]
    wired = {"examples": examples.outputs["examples"], "schema": schema, "preprocessing_fn": "steps.py:f"}
    assert Transform(**wired).outputs["updated_analyzer_cache"].type is TransformCache
    without = Transform(**wired, disable_analyzer_cache=True)
    assert "updated_analyzer_cache" not in without.outputs
    assert "transform_graph" in without.outputs
    both = Transform(
        **wired, disable_analyzer_cache=True, analyzer_cache=Transform(**wired).outputs["updated_analyzer_cache"]
    )
    assert any("told not to use it" in problem for problem in both.problems)
    assert any("no split to analyze" in problem for problem in Transform(**wired, analyze=[]).problems)


def test_two_runs_of_a_pipeline(tmp_path: Path) -> None:
    """As a user writes it: the cache of the last run comes from a Resolver, the second run has one more span."""
    from trueline import LocalRunner, Pipeline
    from trueline.components import CsvExampleGen, SchemaGen, StatisticsGen
    from trueline.pipeline import Resolver

    (tmp_path / "steps.py").write_text(STEPS)

    def pipeline(count: int) -> Pipeline:
        gens = []
        for i in range(count):
            folder = tmp_path / f"span-{i}"
            folder.mkdir(exist_ok=True)
            rows = "".join(f"town {i},{100 * i + j}.5\n" for j in range(60))
            (folder / "rows.csv").write_text("town,height\n" + rows)
            gens.append(CsvExampleGen(input_base=str(folder), node_id=f"Span{i}"))
        statistics = StatisticsGen(examples=gens[0].outputs["examples"])
        schema = SchemaGen(statistics=statistics.outputs["statistics"])
        last = Resolver(strategy="latest", optional=True, analyzer_cache=TransformCache, node_id="LastCache")
        made = Transform(
            examples=[gen.outputs["examples"] for gen in gens],
            schema=schema.outputs["schema"],
            module_file=str(tmp_path / "steps.py"),
            analyzer_cache=last.outputs["analyzer_cache"],
        )
        return Pipeline("spans", [*gens, statistics, schema, last, made], root=str(tmp_path / "line"))

    runner = LocalRunner()
    first = runner.run(pipeline(2)).nodes["Transform"]
    assert first.state == "COMPLETE"
    second = runner.run(pipeline(3)).nodes["Transform"]
    assert second.state == "COMPLETE"
    assert second.found["analyzer_cache"] == {"hits": 2, "misses": 1}
    (graph,) = second.outputs["transform_graph"]
    assert TransformOutput.load(graph.uri).vocabulary_by_name("town") != []


OWN = '''
import numpy as np
import trueline.transform as tlt

class Peak:
    """The greatest value."""

    def __init__(self):
        self.peak = np.array([-np.inf])

    def update(self, inputs):
        self.peak = np.maximum(self.peak, inputs.elements(0).max(initial=-np.inf))

    def merge(self, other):
        self.peak = np.maximum(self.peak, other.peak)

    def parts(self):
        return {}, {"peak": self.peak}

    def restore(self, header, arrays):
        self.peak = arrays["peak"]

    def result(self):
        return float(self.peak[0])

def preprocessing_fn(inputs):
    return {"height": inputs["height"] / tlt.analyzer(Peak, inputs["height"])}
'''


def test_an_analyzer_of_the_users_own_file(line: Line) -> None:
    """The class stands in the module file beside preprocessing_fn: it is found, cached, and missed when it changes."""
    span = line.span(0)
    (line.folder / "own.py").write_text(OWN)
    code = {"preprocessing_fn": UserFunction.of(f"{line.folder}/own.py:preprocessing_fn")}
    first = line.run([span], **code)
    made = Examples.open(first.outputs["transformed_examples"].uri)
    assert max(made.table("train")["height"].to_pylist()) == 1.0
    cache = first.outputs["updated_analyzer_cache"]
    assert line.run([span], cache, **code).engine.rows == []
    (line.folder / "own.py").write_text(OWN.replace("return float(self.peak[0])", "return float(self.peak[0]) * 2.0"))
    changed = line.run([span], cache, preprocessing_fn=UserFunction.of(f"{line.folder}/own.py:preprocessing_fn"))
    assert changed.engine.rows == [50]
