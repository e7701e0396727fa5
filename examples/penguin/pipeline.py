"""The penguin line: which of three species is it? Parquet in, a PyTorch network out, missing values on the way."""

from __future__ import annotations

from pathlib import Path

from model import LABEL, preprocessing_fn, run_fn

from trueline import Pipeline
from trueline.components import (
    Evaluator,
    ExampleValidator,
    InfraValidator,
    ModelCardGenerator,
    ParquetExampleGen,
    Pusher,
    SchemaGen,
    StatisticsGen,
    Trainer,
    Transform,
)
from trueline.model_analysis import (
    EvalConfig,
    GenericValueThreshold,
    MetricConfig,
    MetricsSpec,
    MetricThreshold,
    SlicingSpec,
)

HERE = Path(__file__).resolve().parent

EVAL_CONFIG = EvalConfig(
    metrics_specs=(
        MetricsSpec(
            metrics=(
                MetricConfig(
                    "SparseCategoricalAccuracy",
                    threshold=MetricThreshold(value_threshold=GenericValueThreshold(lower_bound=0.9)),
                ),
                MetricConfig("ExampleCount"),
            )
        ),
    ),
    slicing_specs=(SlicingSpec(), SlicingSpec(feature_keys=("Island",))),
)


def create_pipeline(
    data: str = str(HERE / "data"),
    serving_dir: str = str(HERE / "out" / "serving" / "penguin"),
    root: str = str(HERE / "out" / "line"),
) -> Pipeline:
    """The line from a folder of Parquet files to a model that servers pick up."""
    examples = ParquetExampleGen(input_base=data, splits={"train": 3, "eval": 1})
    statistics = StatisticsGen(examples=examples.outputs["examples"])
    schema = SchemaGen(statistics=statistics.outputs["statistics"])
    validator = ExampleValidator(statistics=statistics.outputs["statistics"], schema=schema.outputs["schema"])
    transform = Transform(
        examples=examples.outputs["examples"], schema=schema.outputs["schema"], preprocessing_fn=preprocessing_fn
    ).after(validator)
    trainer = Trainer(
        examples=transform.outputs["transformed_examples"],
        transform_graph=transform.outputs["transform_graph"],
        schema=schema.outputs["schema"],
        run_fn=run_fn,
        label=LABEL,
        hyperparameters={"hidden": 16, "steps": 200},
        name="penguin",
    )
    evaluator = Evaluator(
        examples=examples.outputs["examples"], model=trainer.outputs["model"], eval_config=EVAL_CONFIG
    )
    infra = InfraValidator(
        model=trainer.outputs["model"], examples=examples.outputs["examples"], allow_host=("penguin_steps",)
    ).after(evaluator)
    pusher = Pusher(
        model=trainer.outputs["model"],
        model_blessing=evaluator.outputs["blessing"],
        infra_blessing=infra.outputs["blessing"],
        push_destination=serving_dir,
    )
    card = ModelCardGenerator(
        model=trainer.outputs["model"],
        evaluation=evaluator.outputs["evaluation"],
        statistics=statistics.outputs["statistics"],
        schema=schema.outputs["schema"],
        examples=examples.outputs["examples"],
        anomalies=validator.outputs["anomalies"],
        infra_blessing=infra.outputs["blessing"],
        texts={"description": "Which of three species a penguin is."},
    )
    return Pipeline("penguin", [pusher, validator, card], root=root)
