"""The taxi line: will a passenger tip more than 20 % of the fare?

Run it with ``trueline run pipeline.py``. The first run trains, judges and pushes a model; a second one finds that
nothing has changed; edit model.py, and only what depends on the edit runs again.
"""

from __future__ import annotations

from pathlib import Path

from model import LABEL, preprocessing_fn, run_fn

from trueline import Pipeline
from trueline.components import (
    CsvExampleGen,
    Evaluator,
    ExampleValidator,
    InfraValidator,
    ModelCardGenerator,
    Pusher,
    Resolver,
    SchemaGen,
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

NAME = "taxi"
HERE = Path(__file__).resolve().parent

ALL = SlicingSpec()
BY_HOUR = SlicingSpec(feature_keys=("trip_start_hour",))
BY_PAYMENT = SlicingSpec(feature_keys=("payment_type",))


def gate(slices: SlicingSpec, margin: float, floor: float | None = None) -> PerSliceMetricThreshold:
    """On these slices: at least `floor`, and not below the model in use by more than `margin` and sampling noise."""
    return PerSliceMetricThreshold(
        (slices,),
        MetricThreshold(
            value_threshold=None if floor is None else GenericValueThreshold(lower_bound=floor),
            change_threshold=GenericChangeThreshold(direction="HIGHER_IS_BETTER", absolute=-margin),
        ),
    )


def eval_config(min_auc: float) -> EvalConfig:
    """What the model must be able to do: on all trips, and in every hour of the day."""
    metrics = (
        MetricConfig("AUC", per_slice_thresholds=(gate(ALL, 0.01, floor=min_auc), gate(BY_HOUR, 0.05))),
        MetricConfig("BinaryAccuracy", per_slice_thresholds=(gate(ALL, 0.02),)),
        MetricConfig("AUCPrecisionRecall"),
        MetricConfig("ExampleCount"),
    )
    return EvalConfig(
        metrics_specs=(MetricsSpec(metrics=metrics),),
        slicing_specs=(ALL, BY_HOUR, BY_PAYMENT),
        options=EvalOptions(min_slice_size=30),
    )


CARD = {
    "description": "Whether a passenger of a taxi tips more than a fifth of the fare.",
    "intended_use": "An example of a line; not for decisions about people.",
    "caveats": "Trips of one city: elsewhere, and for other ways to pay, nothing is known.",
}
"""What no measurement can tell, for the model card."""


def create_pipeline(
    data: str = str(HERE / "data"),
    serving_dir: str = str(HERE / "out" / "serving" / NAME),
    root: str = str(HERE / "out" / "line"),
    metadata: str | None = None,
    min_auc: float = 0.85,
    max_rejects: int = 0,
    max_iter: int = 100,
) -> Pipeline:
    """The line from CSV files to a model that servers pick up.

    Args:
        data: a CSV file or a folder of them.
        serving_dir: where servers look for versions of the model.
        root: where artifacts go.
        metadata: the metadata database's URL; SQLite beside the artifacts by default.
        min_auc: the least area under the ROC curve on all held-out trips.
        max_rejects: how many unreadable rows may be set aside.
        max_iter: trees of the model.
    """
    examples = CsvExampleGen(input_base=data, max_rejects=max_rejects)
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
        hyperparameters={"max_iter": max_iter},
        name=NAME,
    )
    blessed = Resolver(strategy="latest_blessed", node_id="LatestBlessedModel")
    evaluator = Evaluator(
        examples=examples.outputs["examples"],
        model=trainer.outputs["model"],
        baseline_model=blessed.outputs["model"],
        eval_config=eval_config(min_auc),
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
