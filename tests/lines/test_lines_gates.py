"""Gates fail closed: data that breaks its schema, and a model that nobody judged."""

from __future__ import annotations

from pathlib import Path

import pytest
from lines_taxi import EXAMPLES

from trueline import LocalRunner, Pipeline
from trueline.cli.load import load_module
from trueline.cli.run import exit_code_of_run
from trueline.components import CsvExampleGen, ExampleValidator, ImportSchemaGen, SchemaGen, StatisticsGen
from trueline.components.evaluator_evidence import read_evidence
from trueline.data_validation import load_anomalies_binary
from trueline.model_analysis import EvalConfig, MetricConfig, MetricsSpec


def checked(taxi, schema_file=None):
    """Data against a schema: one inferred from it, or one from a file."""
    examples = CsvExampleGen(input_base=str(taxi.folder / "data"))
    statistics = StatisticsGen(examples=examples.outputs["examples"])
    made = SchemaGen(statistics=statistics.outputs["statistics"])
    schema = made if schema_file is None else ImportSchemaGen(schema_file=schema_file)
    validator = ExampleValidator(statistics=statistics.outputs["statistics"], schema=schema.outputs["schema"])
    return LocalRunner().run(Pipeline("checked", [validator], root=taxi.folder / "line"))


def test_yesterdays_schema_stops_todays_broken_data(taxi, taxi_rows):
    first = checked(taxi)
    assert first.ok, first.message
    kept = taxi.folder / "schema.pbtxt"
    (schema,) = first.nodes["SchemaGen"].outputs["schema"]
    kept.write_text(Path(schema.path("schema.pbtxt")).read_text())
    assert checked(taxi, str(kept)).ok

    taxi.write([row.replace("Credit Card", "Creditcard") for row in taxi_rows])
    broken = checked(taxi, str(kept))
    assert exit_code_of_run(broken) == 3
    sentence = broken.nodes["ExampleValidator"].message
    assert "'payment_type'" in sentence
    assert "Creditcard" in sentence
    (anomalies,) = broken.nodes["ExampleValidator"].outputs["anomalies"]
    for split in ("train", "eval"):
        assert list(load_anomalies_binary(anomalies.path(f"Split-{split}", "SchemaDiff.pb")).anomaly_info) == [
            "payment_type"
        ]


def test_a_model_that_nobody_judged_is_not_pushed(taxi):
    """A config without thresholds measures and blesses nothing: the line goes on, the Pusher does not push."""
    module = load_module(str(EXAMPLES / "taxi" / "pipeline.py"))
    module.eval_config = lambda min_auc: EvalConfig(metrics_specs=(MetricsSpec(metrics=(MetricConfig("AUC"),)),))
    result = LocalRunner().run(module.create_pipeline(**taxi.params()))
    assert result.nodes["Evaluator"].state == "COMPLETE"
    assert result.nodes["Evaluator"].found["blessed"] is False
    (blessing,) = result.nodes["Evaluator"].outputs["blessing"]
    evidence = read_evidence(blessing.uri)
    assert (evidence["blessed"], evidence["checks"]) == (False, [])
    assert evidence["verdict"]["missing_thresholds"] is True
    assert evidence["candidate"]["fingerprint"] == blessing.properties["current_model_fingerprint"]
    assert result.nodes["InfraValidator"].state == "COMPLETE"
    assert result.nodes["Pusher"].state == "FAILED"
    assert "was not judged" in result.nodes["Pusher"].message
    assert exit_code_of_run(result) == 3
    assert taxi.versions == []
    (pushed,) = result.nodes["Pusher"].outputs["pushed_model"]
    assert pushed.properties["pushed"] == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"splits": {"train": 0}}, "split 'train' has 0 buckets"),
        ({"splits": {}}, "there is no split"),
        ({"max_rejects": -1}, "max_rejects is -1"),
        ({"delimiter": "::"}, "give one ASCII character"),
    ],
)
def test_wrong_parameters_are_told_with_file_and_line_before_anything_runs(arguments, said, tmp_path):
    from trueline._core.errors import ConfigError

    node = CsvExampleGen(input_base=str(tmp_path), **arguments)
    with pytest.raises(ConfigError) as caught:
        Pipeline("wrong", [node], root=tmp_path / "line")
    (problem,) = caught.value.problems
    assert said in problem
    assert "test_lines_gates.py:" in problem
    assert not (tmp_path / "line").exists()
