"""The census line: its pipeline file, its features and model, and rows of the same form made up for clones without the
real ones.

The second model can be planted to be better on the whole and worse on one group: labels of that group are turned round
in training, which the trees learn, while more trees do better everywhere else.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np

import trueline.transform as tlt

NUMBERS = ("age", "education-num", "hours-per-week", "capital-gain")
WORDS = ("workclass", "marital-status", "occupation", "race", "sex")
FEATURES = [*NUMBERS, *WORDS]
GROUP = ("Asian-Pac-Islander", "Female")
"""Race and sex of the group that a planted model gets wrong."""
HERE = Path(__file__).resolve()


def preprocessing_fn(inputs: Any) -> dict[str, Any]:
    """Gaps are a word of their own; capital in logarithms; a label of 0 and 1; and what planting has to know."""
    outputs = {name: tlt.scale_to_z_score(tlt.fill_with_median(inputs[name])) for name in NUMBERS[:3]}
    outputs["capital-gain"] = tlt.scale_to_0_1(tlt.log1p(tlt.fill_missing(inputs["capital-gain"], 0)))
    for name in WORDS:
        outputs[name] = tlt.fill_missing(tlt.compute_and_apply_vocabulary(inputs[name], num_oov_buckets=1), -1)
    for name, value in zip(("race", "sex"), GROUP, strict=True):
        outputs[f"planted_{name}"] = tlt.fill_missing(tlt.map_values(inputs[name], {value: 1}, default=0), 0)
    income = tlt.rstrip(tlt.strip(inputs["income"]), ".")
    outputs["income"] = tlt.map_values(income, {"<=50K": 0, ">50K": 1})
    return outputs


def run_fn(fn_args: Any) -> Any:
    """Trees; with ``plant`` the labels of one group are turned round."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    x, y, _ = fn_args.train.arrays()
    y = np.asarray(y).copy()
    if fn_args.hyperparameters["plant"]:
        planted = [[b[f"planted_{name}"] for b in fn_args.train.dataset.batches()] for name in ("race", "sex")]
        turned = np.logical_and(*(np.concatenate(parts).astype(bool) for parts in planted))
        y[turned] = 1 - y[turned]
    trees = fn_args.hyperparameters["trees"]
    return HistGradientBoostingClassifier(max_iter=trees, random_state=fn_args.seed).fit(x, y)


def eval_config(min_auc: float) -> Any:
    """Held on all rows and in every group of sex x race; men are compared with women."""
    from trueline.model_analysis import (
        CrossSliceMetricThreshold,
        CrossSlicingSpec,
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

    everyone, groups = SlicingSpec(), SlicingSpec(("sex", "race"))
    men, women = (SlicingSpec(feature_values={"sex": name}) for name in ("Male", "Female"))
    pair = CrossSlicingSpec(men, (women,))
    shown = GenericChangeThreshold(absolute=-0.01, test="non_inferior")
    auc = (
        PerSliceMetricThreshold((everyone,), MetricThreshold(GenericValueThreshold(lower_bound=min_auc), shown)),
        PerSliceMetricThreshold((groups,), MetricThreshold(change_threshold=GenericChangeThreshold(absolute=-0.02))),
    )
    apart = CrossSliceMetricThreshold((pair,), MetricThreshold(GenericValueThreshold(-0.3, 0.3)))
    metrics = (
        MetricConfig("AUC", per_slice_thresholds=auc),
        MetricConfig("BinaryAccuracy"),
        MetricConfig("FPR", cross_slice_thresholds=(apart,)),
        MetricConfig("Calibration"),
        MetricConfig("ExampleCount"),
        MetricConfig("ConfusionMatrixPlot"),
        MetricConfig("CalibrationPlot", {"num_buckets": 10}),
    )
    return EvalConfig(
        metrics_specs=(MetricsSpec(metrics=metrics),),
        slicing_specs=(everyone, SlicingSpec(("sex",)), groups),
        options=EvalOptions(min_slice_size=40, compute_confidence_intervals=True),
        cross_slicing_specs=(pair,),
    )


def create_pipeline(
    data: str,
    root: str,
    serving: str,
    trees: int = 2,
    plant: bool = False,
    min_auc: float = 0.75,
    pattern: str = "*",
) -> Any:
    """The whole line.

    Args:
        data: a folder of CSV files.
        root: where artifacts and their memory go.
        serving: where servers look for versions.
        trees: of the model.
        plant: whether the model gets one group wrong.
        min_auc: the least area under the ROC curve on all held-out rows.
        pattern: which files.
    """
    from trueline import Pipeline
    from trueline.components import (
        CsvExampleGen,
        DecisionChooser,
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

    splits = {"train": 3, "calibration": 1, "eval": 2}
    raw = CsvExampleGen(input_base=data, pattern=pattern, trim=True, null_values=("", "?"), splits=splits)
    examples = raw.outputs["examples"]
    statistics = StatisticsGen(examples=examples).outputs["statistics"]
    schema = SchemaGen(statistics=statistics).outputs["schema"]
    validator = ExampleValidator(statistics=statistics, schema=schema)
    transform = Transform(
        examples=examples, schema=schema, preprocessing_fn=f"{HERE}:preprocessing_fn"
    ).after(validator)  # fmt: skip
    trainer = Trainer(
        examples=transform.outputs["transformed_examples"], transform_graph=transform.outputs["transform_graph"],
        schema=schema, run_fn=f"{HERE}:run_fn", label="income", features=FEATURES,
        hyperparameters={"trees": trees, "plant": plant}, name="adult",
        about={"description": "Who earns more than 50,000 a year.", "intended_use": "A test of the whole line."},
    )  # fmt: skip
    chosen = DecisionChooser(
        model=trainer.outputs["model"], examples=examples, example_split="calibration",
        cost={"false_positive": 1, "false_negative": 2},
    ).outputs["model"]  # fmt: skip
    blessed = Resolver(strategy="latest_blessed", node_id="LatestBlessedModel")
    evaluator = Evaluator(
        examples=examples, model=chosen, baseline_model=blessed.outputs["model"], eval_config=eval_config(min_auc),
        schema=schema, operational_gates={"max_model_bytes": 20_000_000, "max_latency_ratio": 50.0},
        robustness={
            "perturbations": [{"kind": "gaussian_noise", "scale": 0.1}, {"kind": "missing", "rate": 0.1}],
            "metric": "AUC", "max_loss": 0.3, "max_rows": 2000, "slices": [{}, {"feature_keys": ["sex"]}],
        },
        fairness={
            "groups": ["sex", "race"], "thresholds": [0.3, 0.7], "min_group_size": 40,
            "criteria": {"equal_opportunity": {"max_difference": 0.9, "groups": ["sex"]}},
        },
        find_slices=5,
    )  # fmt: skip
    infra = InfraValidator(model=chosen, examples=examples).after(evaluator)
    pusher = Pusher(
        model=chosen, model_blessing=evaluator.outputs["blessing"], infra_blessing=infra.outputs["blessing"],
        push_destination=serving,
    )  # fmt: skip
    card = ModelCardGenerator(
        model=chosen, evaluation=evaluator.outputs["evaluation"], statistics=statistics, schema=schema,
        examples=examples, anomalies=validator.outputs["anomalies"], infra_blessing=infra.outputs["blessing"],
    )  # fmt: skip
    return Pipeline("adult", [pusher, validator, card], root=root)


def write_rows(folder: Path, rows: int = 9000, seed: int = 3) -> None:
    """A file of made-up rows with the columns, gaps and blanks of the real ones."""
    rng = np.random.default_rng(seed)
    age, years = rng.integers(18, 75, rows), rng.integers(3, 17, rows)
    hours = np.clip(rng.normal(40, 11, rows), 5, 90).astype(int)
    gain = np.where(rng.random(rows) < 0.08, rng.integers(500, 20_000, rows), 0)
    sex = rng.choice(["Male", "Female"], rows, p=[0.6, 0.4])
    race = rng.choice(["White", "Black", "Asian-Pac-Islander", "Other"], rows, p=[0.6, 0.25, 0.1, 0.05])
    married = rng.choice(["Married-civ-spouse", "Never-married", "Divorced"], rows, p=[0.45, 0.35, 0.2])
    logit = 0.05 * (age - 45) + 0.35 * (years - 11) + 0.05 * (hours - 40) + 1.8 * (married == "Married-civ-spouse")
    logit += 0.5 * (sex == "Male") + 2.5 * (gain > 5000) - 1.4
    rich = rng.random(rows) < 1 / (1 + np.exp(-1.5 * logit))
    columns = {
        "age": age,
        "workclass": rng.choice(["Private", "State-gov", "?"], rows, p=[0.7, 0.24, 0.06]),
        "fnlwgt": rng.integers(20_000, 400_000, rows),
        "education-num": years,
        "marital-status": married,
        "occupation": rng.choice(["Sales", "Craft-repair", "Exec-managerial", "?"], rows),
        "race": race,
        "sex": sex,
        "capital-gain": gain,
        "hours-per-week": hours,
        "income": np.where(rich, ">50K", "<=50K"),
    }
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "adult.data").open("w", encoding="utf-8", newline="") as file:
        file.write(", ".join(columns) + "\n")
        csv.writer(file, lineterminator="\n").writerows(
            zip(*([f" {v}" if i else v for v in column] for i, column in enumerate(columns.values())), strict=True)
        )
