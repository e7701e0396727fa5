"""The smallest honest line: a table is measured, checked, learnt from, judged on rows held out, pushed if it passed.

Run it with ``trueline run pipeline.py``.
"""

from __future__ import annotations

from pathlib import Path

from model import LABEL, preprocessing_fn, run_fn

from trueline import Pipeline
from trueline.components import (
    CsvExampleGen,
    Evaluator,
    ExampleValidator,
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

NAME = "minimal"
HERE = Path(__file__).resolve().parent


def eval_config(min_accuracy: float) -> EvalConfig:
    """What the model must be able to do on rows that it never saw."""
    bar = MetricThreshold(value_threshold=GenericValueThreshold(lower_bound=min_accuracy))
    metrics = (MetricConfig("Accuracy", threshold=bar), MetricConfig("ExampleCount"))
    return EvalConfig(metrics_specs=(MetricsSpec(metrics=metrics),), slicing_specs=(SlicingSpec(),))


def create_pipeline(
    data: str = str(HERE / "data"),
    serving_dir: str = str(HERE / "out" / "serving" / NAME),
    root: str = str(HERE / "out" / "line"),
    metadata: str | None = None,
    min_accuracy: float = 0.75,
    max_iter: int = 50,
) -> Pipeline:
    """The line from a CSV file to a model that servers pick up.

    Args:
        data: a CSV file or a folder of them; the first row names the columns.
        serving_dir: where servers look for versions of the model.
        root: where artifacts go.
        metadata: the metadata database's URL; SQLite beside the artifacts by default.
        min_accuracy: the least share of right answers on the rows held out. Always naming the most frequent class
            reaches that class's share: a bar below it lets a model through that has learnt nothing.
        max_iter: trees of the model.
    """
    examples = CsvExampleGen(input_base=data)
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
    evaluator = Evaluator(
        examples=examples.outputs["examples"], model=trainer.outputs["model"], eval_config=eval_config(min_accuracy)
    )
    pusher = Pusher(
        model=trainer.outputs["model"], model_blessing=evaluator.outputs["blessing"], push_destination=serving_dir
    )
    return Pipeline(NAME, [pusher], root=root, metadata=metadata)
