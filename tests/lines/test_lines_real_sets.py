"""The real data sets as whole lines: from their files to a model that the server asks with raw rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trueline import Examples, LocalRunner, Model, Pipeline
from trueline.components import (
    CsvExampleGen,
    Evaluator,
    ImportExampleGen,
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
FEATURES = HERE.parent / "transform" / "real_sets"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.shared,
    pytest.mark.skipif(not DATA.exists(), reason=f"the data sets are not at {DATA}"),
]


@dataclass(frozen=True)
class Line:
    """A line over one data set.

    Attributes:
        source: the example generator, and its arguments besides the folder.
        label: the output to learn.
        raw_label: raw columns that a client is never asked for.
        metric: what the Evaluator measures, and the least it must be.
        rows: of the input.
        linear: a linear model, not trees.
        trees: how many, of each class.
        features: the model's inputs; by default all outputs.
        slices: raw columns to look at apart.
    """

    source: type
    arguments: dict[str, Any]
    label: str
    raw_label: str
    metric: tuple[str, float]
    rows: int
    linear: bool = False
    trees: int = 30
    features: Sequence[str] | None = None
    slices: tuple[str, ...] = field(default=())


LINES = {
    "taxi": Line(
        CsvExampleGen, {"pattern": "*.csv"}, "tips_xf", "tips", ("AUC", 0.85), 15_002, slices=("payment_type",)
    ),
    "adult": Line(
        CsvExampleGen,
        {"pattern": {"train": "adult.data", "eval": "adult.test"}, "trim": True},
        "income",
        "income",
        ("AUC", 0.88),
        48_841,
        slices=("sex",),
    ),
    "complaints": Line(
        CsvExampleGen, {}, "consumer_disputed_xf", "Consumer disputed?", ("AUC", 0.5), 3_186, slices=("Product",)
    ),
    "penguin": Line(
        CsvExampleGen,
        {"pattern": "penguins_raw.csv", "null_values": ("", "NA")},
        "species",
        "Species",
        ("SparseCategoricalAccuracy", 0.9),
        344,
        linear=True,
    ),
    "mnist": Line(
        ImportExampleGen,
        {},
        "image_class_xf",
        "image_class",
        ("SparseCategoricalAccuracy", 0.7),
        1_000,
        trees=5,
        features=("small", "ink"),
    ),
    "imdb": Line(CsvExampleGen, {}, "label", "label", ("AUC", 0.5), 100, linear=True, features=("counts", "words")),
}


def config(line: Line) -> EvalConfig:
    name, least = line.metric
    overall = PerSliceMetricThreshold(
        (SlicingSpec(),), MetricThreshold(value_threshold=GenericValueThreshold(lower_bound=least))
    )
    metrics = (MetricConfig(name, per_slice_thresholds=(overall,)), MetricConfig("ExampleCount"))
    slices = [SlicingSpec(feature_keys=(key,)) for key in line.slices]
    return EvalConfig(metrics_specs=(MetricsSpec(metrics=metrics),), slicing_specs=(SlicingSpec(), *slices))


def pipeline(name: str, root: Path) -> Pipeline:
    line = LINES[name]
    examples = line.source(input_base=str(DATA / name), **line.arguments)
    statistics = StatisticsGen(examples=examples.outputs["examples"])
    schema = SchemaGen(statistics=statistics.outputs["statistics"])
    transform = Transform(
        examples=examples.outputs["examples"],
        schema=schema.outputs["schema"],
        preprocessing_fn=f"{FEATURES / f'features_{name}.py'}:preprocessing_fn",
    )
    trainer = Trainer(
        examples=transform.outputs["transformed_examples"],
        transform_graph=transform.outputs["transform_graph"],
        schema=schema.outputs["schema"],
        run_fn=f"{HERE / 'lines_real_models.py'}:run_fn",
        label=line.label,
        features=line.features,
        hyperparameters={"linear": line.linear, "trees": line.trees},
        name=name,
    )
    evaluator = Evaluator(
        examples=examples.outputs["examples"], model=trainer.outputs["model"], eval_config=config(line)
    )
    return Pipeline(name, [evaluator], root=str(root))


@pytest.mark.parametrize("name", list(LINES))
def test_a_line_from_files_to_the_server(name: str, tmp_path: Path) -> None:
    """The line runs, its gate opens, and the server answers held-out raw rows as this process does."""
    line = LINES[name]
    result = LocalRunner().run(pipeline(name, tmp_path))
    assert result.ok, result.message
    assert result.nodes["Trainer"].found["parity_max_diff"] < 1e-5
    assert result.nodes["Evaluator"].found["blessed"] is True

    (raw,) = (o for o in result.nodes if o.endswith("ExampleGen"))
    held_out = Examples.open(result.nodes[raw].outputs["examples"][0].uri)
    assert sum(held_out.num_rows(split) for split in held_out.splits) == line.rows
    uri = result.nodes["Trainer"].outputs["model"][0].uri
    model = Model.load(uri)
    asked = [f.name for f in model.runtime.inputs]
    assert line.raw_label not in asked
    rows = held_out.table("eval", asked).slice(0, 50).to_pylist()
    expected = model.predict_proba(rows)
    np.testing.assert_allclose(expected.sum(axis=1), 1.0, atol=1e-5)
    report = validate_in_server(uri, rows, expected={"probabilities": expected.tolist()})
    assert report.ok, report.message
    assert report.rows == len(rows) >= 20
