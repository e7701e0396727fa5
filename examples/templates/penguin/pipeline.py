"""The penguin line: which of three species is it? Parquet in, gaps in the measurements, a schema that people keep.

Run it with ``trueline run pipeline.py``. The first run trains, judges and pushes a model; a second one finds that
nothing has changed; edit model.py, and only what depends on the edit runs again.
"""

from __future__ import annotations

from pathlib import Path

from model import LABEL, preprocessing_fn, run_fn

from trueline import Pipeline
from trueline.components import (
    Evaluator,
    ExampleValidator,
    ImportSchemaGen,
    InfraValidator,
    ModelCardGenerator,
    ParquetExampleGen,
    Pusher,
    Resolver,
    StatisticsGen,
    Trainer,
    Transform,
)
from trueline.model_analysis import (
    EvalConfig,
    EvalOptions,
    GenericChangeThreshold,
    GenericValueThreshold,
    MetricConfig,
    MetricsSpec,
    MetricThreshold,
    PerSliceMetricThreshold,
    SlicingSpec,
)

NAME = "penguin"
HERE = Path(__file__).resolve().parent

ALL = SlicingSpec()
BY_ISLAND = SlicingSpec(feature_keys=("Island",))

CARD = {
    "description": "Which of three species a penguin is.",
    "intended_use": "An example of a line; not for decisions about people.",
    "caveats": "Penguins of one archipelago, measured from 2007 to 2009.",
}
"""What no measurement can tell, for the model card."""


def eval_config(min_accuracy: float) -> EvalConfig:
    """What the model must be able to do: so much on all rows, and not less than the model in use."""
    bar = MetricThreshold(
        value_threshold=GenericValueThreshold(lower_bound=min_accuracy),
        change_threshold=GenericChangeThreshold(direction="HIGHER_IS_BETTER", absolute=-0.02),
    )
    metrics = (
        MetricConfig("SparseCategoricalAccuracy", per_slice_thresholds=(PerSliceMetricThreshold((ALL,), bar),)),
        MetricConfig("MultiClassBalancedAccuracy"),
        MetricConfig("MultiClassConfusionMatrixPlot"),
        MetricConfig("ExampleCount"),
    )
    return EvalConfig(
        metrics_specs=(MetricsSpec(metrics=metrics),),
        slicing_specs=(ALL, BY_ISLAND),
        options=EvalOptions(min_slice_size=20),
    )


def create_pipeline(
    data: str = str(HERE / "data"),
    serving_dir: str = str(HERE / "out" / "serving" / NAME),
    root: str = str(HERE / "out" / "line"),
    metadata: str | None = None,
    min_accuracy: float = 0.9,
    strength: float = 1.0,
    schema_file: str = str(HERE / "schema.pbtxt"),
) -> Pipeline:
    """The line from Parquet files to a model that servers pick up.

    Args:
        data: a folder of Parquet files.
        serving_dir: where servers look for versions of the model.
        root: where artifacts go.
        metadata: the metadata database's URL; SQLite beside the artifacts by default.
        min_accuracy: the least share of right answers on the rows held out.
        strength: of the model's fit; a smaller one keeps the weights nearer to 0.
        schema_file: what is normal, read and mended by people.
    """
    examples = ParquetExampleGen(input_base=data, splits={"train": 3, "eval": 1})
    statistics = StatisticsGen(examples=examples.outputs["examples"])
    schema = ImportSchemaGen(schema_file=schema_file)
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
        hyperparameters={"C": strength},
        name=NAME,
    )
    blessed = Resolver(strategy="latest_blessed", node_id="LatestBlessedModel")
    evaluator = Evaluator(
        examples=examples.outputs["examples"],
        model=trainer.outputs["model"],
        baseline_model=blessed.outputs["model"],
        eval_config=eval_config(min_accuracy),
    )
    infra = InfraValidator(model=trainer.outputs["model"], examples=examples.outputs["examples"]).after(evaluator)
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
        texts=CARD,
    )
    return Pipeline(NAME, [pusher, validator, card], root=root, metadata=metadata)
