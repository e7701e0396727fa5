"""Filter, DistributionValidator, ExampleDiff, and the validator's own rules: as nodes, on real artifacts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from trueline._core.errors import ArtifactError, DataError
from trueline._core.manifest import write_manifest
from trueline.components import (
    DistributionValidator,
    ExampleDiff,
    ExampleValidator,
    Filter,
    StatisticsGen,
    distribution_validator,
    example_diff,
    example_validator,
    statistics_gen,
)
from trueline.components import filter as filter_node
from trueline.data import Examples, ExamplesWriter
from trueline.data_validation import (
    CustomValidation,
    CustomValidationConfig,
    FeatureValidation,
    RuleConfig,
    StatsOptions,
    load_anomalies_binary,
    load_statistics,
)
from trueline.pipeline import ArtifactHandle
from trueline.schema import write_schema_text


class Channels:
    """Stands where a channel would: nodes are looked at here, not wired."""


@pytest.fixture
def examples(tmp_path):
    """Makes Examples of columns a split."""

    def make(name: str, **splits: dict[str, list[Any]]) -> ArtifactHandle:
        uri = str(tmp_path / name)
        tables = {split: pa.table(columns) for split, columns in splits.items()}
        schema = next(iter(tables.values())).schema
        with ExamplesWriter(uri, schema, block_rows=50, splits=list(splits)) as writer:
            for split, table in tables.items():
                for batch in table.to_batches():
                    writer.write(split, batch)
        write_manifest(uri, "Examples")
        return ArtifactHandle("Examples", uri, {"span": 4, "version": 2, "split_names": list(splits)}, id=1)

    return make


@pytest.fixture
def carry(context):
    """Carries out a node's executor with its parameters; finished outputs."""

    def run(execute: Any, node: Any, inputs: dict[str, list[ArtifactHandle]], outputs: dict[str, str]) -> Any:
        ctx = context(json.loads(json.dumps(node.params)), inputs, outputs)
        for key in outputs:
            ctx.outputs[key].uri += f"-{id(node)}-{key}"
        execute(ctx)
        for handle in ctx.outputs.values():
            write_manifest(handle.uri, handle.type)
        return ctx

    return run


@pytest.fixture
def measured(examples, carry):
    """Statistics of columns a split."""

    def make(name: str, options: StatsOptions | None = None, rates: Any = None, **splits: Any) -> ArtifactHandle:
        node = StatisticsGen(examples=None, stats_options=options, sample_rate_by_split=rates)  # type: ignore[arg-type]
        inputs = {"examples": [examples(name, **splits)], "schema": []}
        return carry(statistics_gen.execute, node, inputs, {"statistics": "ExampleStatistics"}).outputs["statistics"]

    return make


def rides(n: int, shift: float = 0.0, shop: str = "a") -> dict[str, list[Any]]:
    return {
        "id": list(range(n)),
        "fare": [i % 10 + shift for i in range(n)],
        "shop": [shop if i % 2 else "b" for i in range(n)],
    }


def problems(node: Any) -> str:
    return "\n".join(p for p in node.problems if "needs the input" not in p)


def test_filter_keeps_rows_and_where_they_came_from(examples: Any, carry: Any) -> None:
    source = examples("in", train=rides(100), eval=rides(40))
    node = Filter(examples=None, where="fare >= 5", only=["train"])  # type: ignore[arg-type]
    ctx = carry(filter_node.execute, node, {"examples": [source]}, {"examples": "Examples"})
    kept = Examples.open(ctx.outputs["examples"].uri)
    assert kept.splits == ("train",)
    assert all(fare >= 5 for fare in kept.table("train")["fare"].to_pylist())
    assert kept.num_rows("train") == 50
    assert ctx.outputs["examples"].properties["span"] == 4
    assert ctx.found["left_out"] == 50
    rows = {r["id"]: r["__row__"] for r in Examples.open(source.uri).table("train").to_pylist()}
    assert all(rows[r["id"]] == r["__row__"] for r in kept.table("train").to_pylist())
    with pytest.raises(DataError, match="no row is kept"):
        carry(
            filter_node.execute,
            Filter(examples=None, where="fare > 99"),  # type: ignore[arg-type]
            {"examples": [source]},
            {"examples": "Examples"},
        )
    wrong = problems(Filter(examples=None, where="fare >", sample=0.0, splits={"a": 0}))  # type: ignore[arg-type]
    assert all(word in wrong for word in ("where", "sample", "cannot split so"))


def validator(**options: Any) -> DistributionValidator:
    given: dict[str, Any] = {"features": {"fare": {"jensen_shannon_divergence": 0.05}, "shop": {"infinity_norm": 0.2}}}
    return DistributionValidator(statistics=None, **{**given, **options})  # type: ignore[arg-type]


def test_distributions_that_moved_close_the_line(measured: Any, carry: Any, context: Any) -> None:
    """The sentence names feature and splits; what fits is blessed; anomalies of other kinds are not looked for."""
    base = measured("base", train=rides(200), eval=rides(100))
    moved = measured("moved", train=rides(200), eval=rides(100, shift=7.0, shop="c"))
    inputs = {"statistics": [moved], "baseline_statistics": [base]}
    ctx = carry(distribution_validator.execute, validator(), inputs, {"anomalies": "ExampleAnomalies"})
    out = ctx.outputs["anomalies"]
    assert out.properties["blessed"] == {"train_train": 1, "eval_eval": 0}
    found = load_anomalies_binary(f"{out.uri}/SplitPair-eval_eval/SchemaDiff.pb")
    assert sorted(found.anomaly_info) == ["fare", "shop"]
    assert len(found.drift_skew_info) == 2
    assert ctx.gate.startswith("The distributions moved: feature 'fare' in split 'eval' against 'eval': ")
    assert "(1 more)" in ctx.gate
    context.sample = 300
    told = carry(distribution_validator.execute, validator(), inputs, {"anomalies": "ExampleAnomalies"})
    assert (told.gate, told.found["would_close"]) == (None, ctx.gate)
    assert told.outputs["anomalies"].properties["blessed"] == out.properties["blessed"]
    context.sample = None
    quiet = carry(
        distribution_validator.execute,
        validator(include_split_pairs=[("eval", "train")], features={"fare": {"jensen_shannon_divergence": 1.0}}),
        inputs,
        {"anomalies": "ExampleAnomalies"},
    )
    assert quiet.gate is None
    assert quiet.outputs["anomalies"].properties["blessed"] == {"eval_train": 1}


def test_a_first_run_has_no_baseline_and_a_missing_feature_is_told(measured: Any, carry: Any) -> None:
    one = measured("one", train=rides(50))
    inputs: dict[str, Any] = {"statistics": [one], "baseline_statistics": []}
    ctx = carry(distribution_validator.execute, validator(), inputs, {"anomalies": "ExampleAnomalies"})
    assert ctx.outputs["anomalies"].properties["blessed"] == {"train": 2}
    assert ctx.gate is None
    node = validator(features={"fair": {"infinity_norm": 0.1}}, num_examples={"min_fraction": 0.5})
    inputs["baseline_statistics"] = [measured("big", train=rides(500))]
    ctx = carry(distribution_validator.execute, node, inputs, {"anomalies": "ExampleAnomalies"})
    found = load_anomalies_binary(f"{ctx.outputs['anomalies'].uri}/SplitPair-train_train/SchemaDiff.pb")
    assert found.anomaly_info["fair"].reason[0].type == found.anomaly_info["fair"].STATS_NOT_AVAILABLE
    assert found.dataset_anomaly_info.reason[0].type == found.dataset_anomaly_info.COMPARATOR_LOW_NUM_EXAMPLES
    wrong = validator(features={"a": {"infinity": 1, "jensen_shannon_divergence": 3}, "b": {}}, confidence=2.0)
    assert len(wrong.problems) - ("needs the input" in wrong.problems[0]) == 4


def test_rows_that_differ_close_the_line(examples: Any, carry: Any, context: Any) -> None:
    """All pairs of splits by default; the share of pairs that differ is what counts."""
    base = examples("base", train=rides(100), eval=rides(30))
    test = examples("test", serving={**rides(100), "fare": [float(i % 10 + (i < 20)) for i in range(100)]})
    inputs = {"examples_test": [test], "examples_base": [base]}
    outputs = {"examples_diff": "ExamplesDiff"}

    def node(**options: Any) -> ExampleDiff:
        return ExampleDiff(examples_test=None, examples_base=None, identifier_features=["id"], **options)  # type: ignore[arg-type]

    ctx = carry(example_diff.execute, node(max_difference=0.1, sample_size=3), inputs, outputs)
    folder = Path(ctx.outputs["examples_diff"].uri)
    assert sorted(p.name for p in folder.iterdir() if p.is_dir()) == [
        "SplitPair-serving_eval",
        "SplitPair-serving_train",
    ]
    skew = json.loads((folder / "SplitPair-serving_train" / "skew.json").read_text())
    assert [(r["feature_name"], r["diff_count"]) for r in skew["skew_results"]] == [("fare", 20), ("shop", 0)]
    assert len((folder / "SplitPair-serving_train" / "sample_pairs.jsonl").read_text().splitlines()) == 3
    assert "feature 'fare' differs in 20.0% of 100 pairs of split 'serving' and 'train', at most 10.0% may" in ctx.gate
    context.sample = 100
    told = carry(example_diff.execute, node(max_difference=0.1, sample_size=3), inputs, outputs)
    assert (told.gate, told.found["would_close"]) == (None, ctx.gate)
    context.sample = None
    assert carry(example_diff.execute, node(), inputs, outputs).gate is None
    with pytest.raises(ArtifactError, match="Did you mean 'train'"):
        carry(example_diff.execute, node(include_split_pairs=[("serving", "trian")]), inputs, outputs)
    apart = examples("apart", train={**rides(10), "id": list(range(1000, 1010))})
    ctx = carry(
        example_diff.execute, node(max_difference=0.5), {"examples_test": [test], "examples_base": [apart]}, outputs
    )
    assert "no identifiers occur in both" in ctx.gate


def test_statistics_take_options_weights_slices_and_rates(measured: Any) -> None:
    """All options travel as JSON; a rate is for one split."""
    options = StatsOptions(num_top_values=1, weight_feature="fare", slices=["fare > 5"])
    out = measured("weighted", options, train={**rides(100, shift=1.0)})
    found = load_statistics(f"{out.uri}/Split-train/FeatureStats.pb")
    assert [d.num_examples for d in found.datasets] == [100, 50]
    assert found.datasets[0].weighted_num_examples == sum(rides(100, shift=1.0)["fare"])
    out = measured("sampled", None, {"train": 0.5}, train=rides(1000), eval=rides(100))
    rows = {
        s: load_statistics(f"{out.uri}/Split-{s}/FeatureStats.pb").datasets[0].num_examples for s in ("train", "eval")
    }
    assert rows["eval"] == 100
    assert 400 < rows["train"] < 600
    wrong = StatisticsGen(
        examples=None,  # type: ignore[arg-type]
        stats_options=StatsOptions(schema=schema_pb2.Schema()),
        sample_rate_by_split={"train": 2.0},
    )
    assert "schema" in problems(wrong)
    assert "train" in problems(wrong)


def test_the_validator_follows_rules_and_custom_validations(measured: Any, carry: Any, tmp_path: Path) -> None:
    """A severity decides whether the line stops; findings say whom it concerns and how to accept."""
    folder = tmp_path / "schema"
    folder.mkdir()
    schema = text_format.Parse(
        """
        feature { name: "id" type: INT } feature { name: "fare" type: FLOAT }
        feature { name: "shop" type: BYTES string_domain { value: "b" } }
        """,
        schema_pb2.Schema(),
    )
    write_schema_text(schema, str(folder / "schema.pbtxt"))
    write_manifest(str(folder), "Schema")
    inputs = {
        "statistics": [measured("one", train=rides(50, shift=0.5))],
        "schema": [ArtifactHandle("Schema", str(folder), {}, id=2)],
        "previous_statistics": [],
        "serving_statistics": [],
    }
    check = CustomValidation("num_stats.mean < 3", description="fares are small")
    node = ExampleValidator(
        statistics=None,  # type: ignore[arg-type]
        schema=None,  # type: ignore[arg-type]
        rules=[RuleConfig(path="shop", severity="WARNING", owner="team-shops")],
        custom_validation_config=CustomValidationConfig((FeatureValidation("fare", (check,)),)),
    )
    ctx = carry(example_validator.execute, node, inputs, {"anomalies": "ExampleAnomalies"})
    assert ctx.gate is not None
    assert "'fare'" in ctx.gate
    assert "shop" not in ctx.gate
    findings = json.loads(Path(ctx.outputs["anomalies"].uri, "Split-train", "findings.json").read_text())
    found = {(f["feature"], f["type"]): f for f in findings}
    assert found["shop", "ENUM_TYPE_UNEXPECTED_STRING_VALUES"]["owner"] == "team-shops"
    assert found["shop", "ENUM_TYPE_UNEXPECTED_STRING_VALUES"]["severity"] == "WARNING"
    assert '+     value: "a"' in found["shop", "ENUM_TYPE_UNEXPECTED_STRING_VALUES"]["how_to_accept"]
    assert found["fare", "CUSTOM_VALIDATION"]["severity"] == "ERROR"
    wrong = ExampleValidator(
        statistics=None,  # type: ignore[arg-type]
        schema=None,  # type: ignore[arg-type]
        rules=[RuleConfig(type="NO_SUCH_TYPE")],
        custom_validation_config={
            "feature_validations": [{"feature_path": "fare", "validations": [{"expression": "x ="}]}]
        },
        drift_confidence=7.0,
    )
    assert problems(wrong).count("is set up wrongly") >= 3
