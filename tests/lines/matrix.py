"""The data sets of the matrix, and the whole line of one of them for one framework."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from trueline import Examples, LocalRunner, Model, Pipeline
from trueline.components import (
    CsvExampleGen,
    Evaluator,
    ImportExampleGen,
    InfraValidator,
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
    PerSliceMetricThreshold,
    SlicingSpec,
)
from trueline.serving import validate_in_server

HERE = Path(__file__).resolve().parent
DATA = HERE.parents[2] / "shared" / "data"
MODELS = HERE / "matrix_models.py"
FEATURES = HERE.parent / "transform" / "real_sets"
CONFIDENT = 1e-4
"""How far the server's scores may be from this process' own."""


@dataclass(frozen=True)
class DataSet:
    """One data set on its way through the line.

    Attributes:
        folder: below the shared data.
        source: the example generator, and its arguments besides the folder.
        features_file: where ``preprocessing_fn`` is.
        label: the output to learn.
        raw_label: the raw column that a client is never asked for.
        task, classes: what is learned.
        metric: what the Evaluator gates on, and its bound: from below, or from above for an error.
        features: the model's inputs; by default all outputs.
        slices: raw columns whose values are judged apart.
        shape: ``image`` or ``row``: which network suits.
        allow_host: modules of host steps that the server may run.
    """

    folder: str
    source: type
    arguments: dict[str, Any]
    features_file: Path
    label: str
    raw_label: str
    task: str
    metric: tuple[str, float]
    classes: int = 2
    features: Sequence[str] | None = None
    slices: tuple[str, ...] = field(default=())
    shape: str = "row"
    allow_host: tuple[str, ...] = ()


_CSV: dict[str, Any] = {"pattern": "*.csv"}
DATA_SETS = {
    "taxi": DataSet("taxi", CsvExampleGen, _CSV, FEATURES / "features_taxi.py", "tips_xf", "tips", "binary",
                    ("AUC", 0.75), slices=("payment_type",)),
    "adult": DataSet("adult", CsvExampleGen, {"pattern": {"train": "adult.data", "eval": "adult.test"}, "trim": True},
                     FEATURES / "features_adult.py", "income", "income", "binary", ("AUC", 0.8),
                     slices=("sex", "race")),
    "penguin": DataSet("penguin", CsvExampleGen, {"pattern": "penguins_raw.csv", "null_values": ("", "NA")},
                       FEATURES / "features_penguin.py", "species", "Species", "multiclass",
                       ("SparseCategoricalAccuracy", 0.9), classes=3, slices=("Island",)),
    "fare": DataSet("taxi", CsvExampleGen, _CSV, HERE / "features_fare.py", "paid", "fare", "regression",
                    ("RootMeanSquaredError", 1.0), slices=("payment_type",)),
    "imdb": DataSet("imdb", CsvExampleGen, {}, FEATURES / "features_imdb.py", "label", "label", "binary",
                    ("AUC", 0.3), features=("counts", "words")),
    "mnist": DataSet("mnist", ImportExampleGen, {}, FEATURES / "features_mnist.py", "image_class_xf", "image_class",
                     "multiclass", ("SparseCategoricalAccuracy", 0.7), classes=10, features=("small",), shape="image"),
    "spacy": DataSet("imdb", CsvExampleGen, {}, HERE / "features_spacy.py", "label", "label", "binary", ("AUC", 0.3),
                     allow_host=("spacy_words",)),
}  # fmt: skip


def _config(data: DataSet) -> EvalConfig:
    name, bound = data.metric
    error = data.task == "regression"
    threshold = GenericValueThreshold(upper_bound=bound) if error else GenericValueThreshold(lower_bound=bound)
    overall = PerSliceMetricThreshold((SlicingSpec(),), MetricThreshold(value_threshold=threshold))
    metrics = (MetricConfig(name, per_slice_thresholds=(overall,)), MetricConfig("ExampleCount"))
    slices = [SlicingSpec(feature_keys=(key,)) for key in data.slices]
    return EvalConfig(metrics_specs=(MetricsSpec(metrics=metrics),), slicing_specs=(SlicingSpec(), *slices))


def line(
    data: DataSet, framework: str, root: Path, features: Sequence[str] | None = None, models: Path = MODELS
) -> Pipeline:
    """From files to a pushed model. Lines of one root share data, schema and features by the cache."""
    examples = data.source(input_base=str(DATA / data.folder), **data.arguments)
    statistics = StatisticsGen(examples=examples.outputs["examples"])
    schema = SchemaGen(statistics=statistics.outputs["statistics"])
    transform = Transform(
        examples=examples.outputs["examples"],
        schema=schema.outputs["schema"],
        preprocessing_fn=f"{data.features_file}:preprocessing_fn",
    )
    trainer = Trainer(
        examples=transform.outputs["transformed_examples"],
        transform_graph=transform.outputs["transform_graph"],
        schema=schema.outputs["schema"],
        run_fn=f"{models}:{framework}",
        label=data.label,
        features=features or data.features,
        custom_config={"task": data.task, "classes": data.classes, "shape": data.shape},
        name=data.folder,
    )
    evaluator = Evaluator(
        examples=examples.outputs["examples"], model=trainer.outputs["model"], eval_config=_config(data)
    )
    infra = InfraValidator(
        model=trainer.outputs["model"],
        examples=examples.outputs["examples"],
        allow_host=(*data.allow_host, *_own_code(framework)),
    ).after(evaluator)
    pusher = Pusher(
        model=trainer.outputs["model"],
        model_blessing=evaluator.outputs["blessing"],
        infra_blessing=infra.outputs["blessing"],
        push_destination=str(root / f"pushed-{framework}"),
    )
    return Pipeline(f"{data.folder}-{data.label}", [pusher], root=str(root))


def _own_code(framework: str) -> tuple[str, ...]:
    return ("matrix_models",) if framework == "python" else ()


def run_line(
    name: str, framework: str, root: Path, features: Sequence[str] | None = None, models: Path = MODELS
) -> Model:
    """Runs the line, asks its server with held-out raw rows, and gives the pushed model.

    Proves: the gate of exactness held, the model is good enough on all rows and was measured on every slice, it was
    pushed, the label's column is not asked of clients, and the server answers as this process does.
    """
    data = DATA_SETS[name]
    result = LocalRunner().run(line(data, framework, root, features, models))
    assert result.ok, result.message
    assert result.nodes["Trainer"].found["parity_max_diff"] <= CONFIDENT
    assert result.nodes["Evaluator"].found["blessed"] is True

    (generator,) = (node for node in result.nodes if node.endswith("ExampleGen"))
    held_out = Examples.open(result.nodes[generator].outputs["examples"][0].uri)
    (uri,) = (str(path) for path in (root / f"pushed-{framework}").iterdir())
    allow = (*data.allow_host, *_own_code(framework))
    model = Model.load(uri, allow_host=allow)
    asked = [f.name for f in model.runtime.inputs]
    assert data.raw_label not in asked
    rows = held_out.table("eval", asked).slice(0, 40).to_pylist()
    output = "prediction" if data.task == "regression" else "probabilities"
    expected = np.array(model.predict(rows)[output].to_pylist())
    if data.task != "regression":
        assert expected.shape == (len(rows), data.classes)
        np.testing.assert_allclose(expected.sum(axis=1), 1.0, atol=1e-5)
    report = validate_in_server(uri, rows, expected={output: expected.tolist()}, allow_host=allow)
    assert report.ok, report.message
    assert report.rows == len(rows) >= 20
    return model
