"""Statistics, schema, validator and transform: thin nodes over the libraries, and the gate for data."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from trueline._core.errors import ArtifactError
from trueline._core.manifest import write_manifest
from trueline.components import (
    ImportExampleGen,
    ImportSchemaGen,
    Transform,
    example_validator,
    schema_gen,
    statistics_gen,
    transform,
)
from trueline.components.sample import read_sample
from trueline.components.sampled import BY_NUMBER
from trueline.components.transform_statistics import STATISTICS_OUTPUTS
from trueline.data import Examples, ExamplesWriter
from trueline.data_validation import load_anomalies_binary, load_statistics
from trueline.pipeline import ArtifactHandle, UserFunction
from trueline.schema import load_schema_text
from trueline.transform import TransformOutput

MORE = {"rules": [], "custom_validation_config": None, "drift_confidence": None}


def rows(start, n, town="Oslo"):
    return {
        "town": [None if i % 7 == 3 else [town, "Bergen"][i % 2] for i in range(start, start + n)],
        "height": [float(i) for i in range(start, start + n)],
        "tall": [i % 3 == 0 for i in range(start, start + n)],
    }


@pytest.fixture
def examples(tmp_path):
    """Makes an Examples artifact of one batch a split, in blocks of 40 rows."""

    def make(name: str = "examples", **splits: dict[str, list]) -> ArtifactHandle:
        uri = str(tmp_path / name)
        schema = pa.schema([("town", pa.string()), ("height", pa.float64()), ("tall", pa.bool_())])
        with ExamplesWriter(uri, schema, block_rows=40, splits=list(splits)) as writer:
            for split, columns in splits.items():
                writer.write(split, pa.RecordBatch.from_pydict(columns, schema))
        write_manifest(uri, "Examples")
        return ArtifactHandle("Examples", uri, {"span": 3, "split_names": list(splits)}, id=1)

    return make


def finished(context, key):
    """The output as the next node's input."""
    handle = context.outputs[key]
    write_manifest(handle.uri, handle.type)
    return handle


@pytest.fixture
def measured(context, examples):
    """Statistics of a made artifact."""

    def make(name="examples", **splits):
        ctx = context(
            {"stats_options": {}, "exclude_splits": [], "sample_rate_by_split": {}},
            {"examples": [examples(name, **splits)], "schema": []},
            {"statistics": "ExampleStatistics"},
        )
        ctx.outputs["statistics"].uri += "-" + name
        statistics_gen.execute(ctx)
        return finished(ctx, "statistics"), ctx

    return make


@pytest.fixture
def inferred(context):
    """The schema of statistics."""

    def make(statistics):
        params = {"infer_feature_shape": True, "max_string_domain_size": 100, "exclude_splits": []}
        ctx = context(params, {"statistics": [statistics]}, {"schema": "Schema"})
        schema_gen.execute(ctx)
        return finished(ctx, "schema"), ctx

    return make


def test_every_split_gets_its_statistics(measured):
    handle, ctx = measured(train=rows(0, 100), eval=rows(100, 50))
    for split, count in (("train", 100), ("eval", 50)):
        (dataset,) = load_statistics(handle.path(f"Split-{split}", "FeatureStats.pb")).datasets
        assert dataset.num_examples == count
        assert {f.path.step[0] if f.path.step else f.name for f in dataset.features} == {"town", "height", "tall"}
    assert handle.properties == {"span": 3, "split_names": ["train", "eval"]}
    assert ctx.found == {"features": 3, "rows": {"train": 100, "eval": 50}}


def test_a_split_to_exclude_must_exist(context, examples):
    params = {"stats_options": {}, "exclude_splits": ["evla"], "sample_rate_by_split": {}}
    inputs = {"examples": [examples(train=rows(0, 9), eval=rows(9, 9))], "schema": []}
    with pytest.raises(ArtifactError, match="Did you mean 'eval'"):
        statistics_gen.execute(context(params, inputs, {"statistics": "ExampleStatistics"}))


def test_the_schema_holds_what_any_split_showed(measured, inferred):
    statistics, _ = measured(train=rows(0, 100), eval=rows(100, 50, town="Tromsø"))
    handle, ctx = inferred(statistics)
    schema = load_schema_text(handle.path("schema.pbtxt"))
    (domain,) = schema.string_domain
    assert sorted(domain.value) == ["Bergen", "Oslo", "Tromsø"]
    assert ctx.found == {"features": 3, "domains": 1}


def validation(context, statistics, schema, fail=True):
    inputs = {"statistics": [statistics], "schema": [schema], "previous_statistics": [], "serving_statistics": []}
    params = {"environment": None, "exclude_splits": [], "fail_on_anomalies": fail, **MORE}
    ctx = context(params, inputs, {"anomalies": "ExampleAnomalies"})
    example_validator.execute(ctx)
    return ctx


def test_data_that_fits_leaves_the_gate_open(context, measured, inferred):
    statistics, _ = measured(train=rows(0, 100), eval=rows(100, 50))
    schema, _ = inferred(statistics)
    ctx = validation(context, statistics, schema)
    assert ctx.gate is None
    assert ctx.found["anomalies"] == 0
    assert ctx.outputs["anomalies"].properties["blessed"] == {"train": 1, "eval": 1}


def test_data_that_breaks_the_schema_closes_the_gate_and_names_the_feature(context, measured, inferred):
    statistics, _ = measured(train=rows(0, 100), eval=rows(100, 50))
    schema, _ = inferred(statistics)
    broken, _ = measured("broken", train=rows(0, 100), eval=rows(100, 50, town="Atlantis"))
    ctx = validation(context, broken, schema)
    assert ctx.gate.startswith("The data breaks the schema: feature 'town' in split 'eval': ")
    assert ctx.gate.endswith(".")
    found = load_anomalies_binary(ctx.outputs["anomalies"].path("Split-eval", "SchemaDiff.pb"))
    assert list(found.anomaly_info) == ["town"]
    assert not load_anomalies_binary(ctx.outputs["anomalies"].path("Split-train", "SchemaDiff.pb")).anomaly_info
    assert ctx.outputs["anomalies"].properties["blessed"] == {"train": 1, "eval": 0}
    assert ctx.found["features"] == ["town"]


def test_in_a_sampled_run_what_hangs_on_the_number_of_rows_is_told_and_closes_nothing(context, measured, inferred):
    statistics, _ = measured(train=rows(0, 100), eval=rows(100, 50))
    handle, _ = inferred(statistics)
    schema = load_schema_text(handle.path("schema.pbtxt"))
    schema.dataset_constraints.min_examples_count = 1000
    next(f for f in schema.feature if f.name == "town").presence.min_fraction = 0.99
    Path(handle.path("schema.pbtxt")).write_text(str(schema))
    whole = validation(context, statistics, handle)
    assert "town" in whole.gate or "the data set" in whole.gate
    context.sample = 150
    ctx = validation(context, statistics, handle)
    assert ctx.gate is None
    assert ctx.found["would_close"] == whole.gate
    assert (ctx.found["sample"], ctx.found["anomalies"]) == (150, whole.found["anomalies"])
    assert ctx.outputs["anomalies"].properties["blessed"] == {"train": 0, "eval": 0}
    # What a single row shows, or a column that is not there, is no matter of the number of rows.
    broken, _ = measured("broken", train=rows(0, 100), eval=rows(100, 50, town="Atlantis"))
    ctx = validation(context, broken, handle)
    assert "feature 'town' in split 'eval'" in ctx.gate
    extra = schema.feature.add()
    extra.CopyFrom(schema.feature[0])
    extra.name = "gone"
    extra.ClearField("string_domain")
    Path(handle.path("schema.pbtxt")).write_text(str(schema))
    ctx = validation(context, statistics, handle)
    assert "feature 'gone' in split 'train'" in ctx.gate
    assert ctx.found["would_close"] == whole.gate


def test_types_of_anomaly_that_hang_on_the_number_of_rows_are_known():
    from tensorflow_metadata.proto.v0 import anomalies_pb2

    assert set(anomalies_pb2.AnomalyInfo.Type.keys()) >= BY_NUMBER
    assert not BY_NUMBER & {"SCHEMA_MISSING_COLUMN", "UNEXPECTED_DATA_TYPE", "ENUM_TYPE_UNEXPECTED_STRING_VALUES"}


def test_previous_statistics_that_no_threshold_compares_are_told_of(context, measured, inferred, caplog):
    statistics, _ = measured(train=rows(0, 100), eval=rows(100, 50))
    schema, _ = inferred(statistics)
    inputs = {"statistics": [statistics], "schema": [schema], "previous_statistics": [statistics]}
    params = {"environment": None, "exclude_splits": [], "fail_on_anomalies": True, **MORE}
    ctx = context(params, {**inputs, "serving_statistics": []}, {"anomalies": "ExampleAnomalies"})
    with caplog.at_level("WARNING"):
        example_validator.execute(ctx)
    (told,) = caplog.messages
    assert told.startswith("no feature of the schema has a drift threshold: nothing was compared with the previous")
    assert ctx.gate is None


def test_the_gate_can_be_left_open_by_name(context, measured, inferred):
    statistics, _ = measured(train=rows(0, 100), eval=rows(100, 50))
    schema, _ = inferred(statistics)
    broken, _ = measured("broken", train=rows(0, 100), eval=rows(100, 50, town="Atlantis"))
    ctx = validation(context, broken, schema, fail=False)
    assert ctx.gate is None
    assert ctx.found["anomalies"] == 1


STEPS = """
import trueline.transform as tlt

def preprocessing_fn(inputs, custom_config):
    return {
        "height": tlt.scale_to_0_1(inputs["height"]) * custom_config["factor"],
        "town": tlt.compute_and_apply_vocabulary(
            tlt.fill_missing(inputs["town"], "nowhere"), num_oov_buckets=1, vocab_filename="town"
        ),
        "tall": inputs["tall"],
    }
"""


def test_transform_learns_from_train_alone_and_transforms_every_split(context, examples, measured, inferred, tmp_path):
    source = examples(train=rows(0, 100), eval=rows(100, 50, town="Tromsø"))
    schema, _ = inferred(measured("measured", train=rows(0, 100), eval=rows(100, 50, town="Tromsø"))[0])
    (tmp_path / "steps.py").write_text(STEPS)
    code = UserFunction.of(f"{tmp_path}/steps.py:preprocessing_fn")
    params = {"preprocessing_fn": code, "custom_config": {"factor": 2.0}, "analyze": "train", "transform_splits": None}
    outputs = {"transform_graph": "TransformGraph", "transformed_examples": "Examples"}
    ctx = context(params, {"examples": [source], "schema": [schema]}, outputs)
    transform.execute(ctx)
    graph = TransformOutput.load(ctx.outputs["transform_graph"].uri)
    assert sorted(graph.vocabulary_by_name("town")) == ["Bergen", "Oslo", "nowhere"]
    made = Examples.open(ctx.outputs["transformed_examples"].uri)
    raw = Examples.open(source.uri)
    assert made.splits == ("train", "eval")
    for split in made.splits:
        assert made.table(split)["__row__"].equals(raw.table(split)["__row__"])
        assert [b.rows for b in made.dataset(split).blocks] == [b.rows for b in raw.dataset(split).blocks]
    # 99 is the greatest height in train: 1 after scaling, doubled; eval goes beyond it.
    assert max(made.table("train")["height"].to_pylist()) == pytest.approx(2.0)
    assert min(made.table("eval")["height"].to_pylist()) > 2.0
    assert ctx.found == {"outputs": 3, "vocabularies": {"town": 3}, "host_steps": []}
    assert ctx.outputs["transformed_examples"].properties["span"] == 3


def test_transform_measures_what_goes_in_and_what_comes_out(context, examples, measured, inferred, tmp_path):
    """By split, of the raw columns that the graph reads and of the features; the features fit their own schema."""
    source = examples(train=rows(0, 100), eval=rows(100, 50))
    schema, _ = inferred(measured("measured", train=rows(0, 100), eval=rows(100, 50))[0])
    (tmp_path / "steps.py").write_text(STEPS.replace('        "tall": inputs["tall"],\n', ""))
    code = UserFunction.of(f"{tmp_path}/steps.py:preprocessing_fn")
    params = {"preprocessing_fn": code, "custom_config": {"factor": 2.0}, "analyze": "train", "transform_splits": None}
    kinds = {"schema": "Schema", "stats": "ExampleStatistics", "anomalies": "ExampleAnomalies"}
    outputs = {key: kinds[key.rpartition("_")[2]] for key in STATISTICS_OUTPUTS}
    outputs |= {"transform_graph": "TransformGraph", "transformed_examples": "Examples"}
    ctx = context(params, {"examples": [source], "schema": [schema]}, outputs)
    transform.execute(ctx)
    before = load_schema_text(f"{ctx.outputs['pre_transform_schema'].uri}/schema.pbtxt")
    after = load_schema_text(f"{ctx.outputs['post_transform_schema'].uri}/schema.pbtxt")
    assert [f.name for f in before.feature] == ["town", "height"]
    assert [f.name for f in after.feature] == ["height", "town"]
    for split, count in (("train", 100), ("eval", 50)):
        raw, made = (
            load_statistics(f"{ctx.outputs[key].uri}/Split-{split}/FeatureStats.pb").datasets[0]
            for key in ("pre_transform_stats", "post_transform_stats")
        )
        assert raw.num_examples == made.num_examples == count
        assert sorted(f.path.step[0] for f in raw.features) == ["height", "town"]
        means = {f.path.step[0]: f.num_stats.mean for f in made.features}
        assert means["height"] == pytest.approx(2.0 * (49.5 if split == "train" else 124.5) / 99.0, rel=1e-6)
        place = f"{ctx.outputs['post_transform_anomalies'].uri}/Split-{split}/SchemaDiff.pb"
        assert not load_anomalies_binary(place).anomaly_info
    assert ctx.found["post_transform_anomalies"] == 0
    assert ctx.outputs["post_transform_stats"].properties == {"span": 3, "split_names": ["train", "eval"]}


def test_statistics_can_be_left_out():
    source = ImportExampleGen(input_base="data").outputs["examples"]
    schema = ImportSchemaGen(schema_file="schema.pbtxt").outputs["schema"]
    plain = Transform(examples=source, schema=schema, preprocessing_fn="steps.py:f", disable_statistics=True)
    assert sorted(plain.declared_outputs) == ["transform_graph", "transformed_examples", "updated_analyzer_cache"]
    assert not plain.problems or all("steps.py" in p for p in plain.problems)


def test_the_parity_sample_is_raw_rows_of_every_split_and_always_the_same(examples, tmp_path):
    from trueline.components.sample import write_sample

    source = Examples.open(examples(train=rows(0, 1000), eval=rows(1000, 300)).uri)
    for name in ("a", "b"):
        write_sample(source, ["train", "eval"], str(tmp_path / name), rows=100)
    sample = read_sample(str(tmp_path / "a"))
    assert (tmp_path / "a" / "sample.parquet").read_bytes() == (tmp_path / "b" / "sample.parquet").read_bytes()
    heights = sample["height"].to_pylist()
    assert sample.schema.names == source.arrow_schema.names
    assert min(heights) == 0.0
    assert max(heights) > 1200
    assert 80 <= sum(h < 1000 for h in heights) <= 120
    assert 80 <= sum(h >= 1000 for h in heights) <= 120


def test_a_graph_without_a_sample_says_what_to_do(tmp_path):
    with pytest.raises(ArtifactError, match="Transform component"):
        read_sample(str(tmp_path))
    assert not list(Path(tmp_path).iterdir())
