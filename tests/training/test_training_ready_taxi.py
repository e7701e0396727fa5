"""The ready-made trainers with nothing but their defaults on the taxi trips of the example: all of them are good."""

from __future__ import annotations

from pathlib import Path

import pytest

from trueline import LocalRunner, Pipeline
from trueline.components import CsvExampleGen, ModelSelector, SchemaGen, StatisticsGen, Trainer, Transform
from trueline.model_analysis import EvalConfig, MetricConfig, MetricsSpec

for module in ("sklearn", "skl2onnx", "xgboost", "lightgbm", "torch"):
    pytest.importorskip(module)

pytestmark = pytest.mark.frameworks
TAXI = Path(__file__).parents[2] / "examples" / "taxi"


def test_every_default_reaches_an_auc_above_nine_tenths_on_taxi_trips(tmp_path: Path) -> None:
    examples = CsvExampleGen(input_base=str(TAXI / "data"))
    statistics = StatisticsGen(examples=examples.outputs["examples"])
    schema = SchemaGen(statistics=statistics.outputs["statistics"])
    transform = Transform(
        examples=examples.outputs["examples"],
        schema=schema.outputs["schema"],
        preprocessing_fn=f"{TAXI / 'model.py'}:preprocessing_fn",
    )
    shared = {
        "examples": transform.outputs["transformed_examples"],
        "transform_graph": transform.outputs["transform_graph"],
        "label": "big_tipper",
    }
    trainers = [
        Trainer.xgboost(**shared, node_id="xgboost"),
        Trainer.lightgbm(**shared, node_id="lightgbm"),
        Trainer.sklearn(**shared, node_id="sklearn"),
        Trainer.sklearn(**shared, estimator="linear", node_id="linear"),
        Trainer.torch_mlp(**shared, epochs=3, node_id="torch"),
    ]
    selector = ModelSelector(
        examples=examples.outputs["examples"],
        models={node.node_id: node.outputs["model"] for node in trainers},
        eval_config=EvalConfig(metrics_specs=(MetricsSpec(metrics=(MetricConfig("AUC"),)),)),
        metric="AUC",
    )
    nodes = [examples, statistics, schema, transform, *trainers, selector]
    result = LocalRunner().run(Pipeline("taxi", nodes, root=str(tmp_path)))
    assert result.status == "COMPLETE", result.message
    found = result.nodes["ModelSelector"].found["models"]
    assert all(value > 0.9 for value in found.values()), found
