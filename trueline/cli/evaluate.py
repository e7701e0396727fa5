"""``trueline evaluate``: a model judged on the rows of a file, slice by slice; exit code 3 when a gate is closed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from trueline._core.errors import ConfigError, GateError
from trueline.cli.data_files import DataOptions
from trueline.cli.data_files_find import find_data
from trueline.cli.data_files_options import comma_separated, data_options

if TYPE_CHECKING:
    from trueline.engine import Dataset
    from trueline.model_analysis import EvalConfig, EvalResult, MetricsSpec

__all__ = ["evaluate"]

_DEFAULTS = {
    "binary": ("ExampleCount", "AUC", "AUCPrecisionRecall", "BinaryAccuracy", "Precision", "Recall", "Calibration"),
    "multiclass": ("ExampleCount", "Accuracy", "BalancedAccuracy", "CategoricalCrossEntropy"),
    "regression": ("ExampleCount", "MeanAbsoluteError", "RootMeanSquaredError", "Calibration", "MeanLabel"),
    "ranking": ("ExampleCount", "MeanAbsoluteError", "SquaredPearsonCorrelation"),
}


@click.command(
    epilog="\b\nExamples:\n"
    "  trueline evaluate models/taxi --data rides.csv\n"
    "  trueline evaluate models/taxi --data rides.csv --slice company --slice company,hour --html report.html\n"
    "  trueline evaluate models/new --data examples/ --config eval_config.pbtxt --baseline models/taxi\n"
    "  trueline evaluate models/taxi --data rides.csv --find-slices 10\n"
    "  trueline evaluate --data scored.parquet --label tipped --prediction score --metrics AUC,F1Score"
)
@click.argument("model", required=False)
@click.option("--data", required=True, metavar="DATA", help="The rows: a file, a folder, a pattern, or Examples.")
@click.option("--config", metavar="FILE", help="An EvalConfig: JSON, or TFMA's text proto or JSON.")
@click.option("--baseline", metavar="MODEL", help="The model to compare with.")
@click.option("--metrics", metavar="A,B,...", multiple=True, callback=comma_separated, help="In place of --config.")
@click.option("--slice", "slices", metavar="A,B,...", multiple=True, help="For each value, or cross, of columns too.")
@click.option("--intervals", is_flag=True, help="Measure confidence intervals.")
@click.option("--find-slices", type=click.IntRange(1), metavar="N", help="Search for the N worst slices too.")
@click.option("--prediction", metavar="COLUMN", help="The data hold predictions: no model is run.")
@click.option("--label", metavar="COLUMN", help="With --prediction: the label's column (label).")
@click.option("--weight", metavar="COLUMN", help="With --prediction: the weight's column.")
@click.option("--task", metavar="TASK", help="With --prediction: binary, regression, multiclass, multilabel.")
@click.option("--html", metavar="FILE", help="Write the page.")
@click.option("-o", "--out", metavar="FOLDER", help="Write the whole result.")
@click.option(
    "--allow-host", metavar="MODULE,...", multiple=True, callback=comma_separated, help="Modules whose code may run."
)
@data_options
def evaluate(
    model: str | None, data: str, html: str | None, out: str | None, find_slices: int | None, reading: DataOptions,
    **asked: Any,
) -> None:  # fmt: skip
    """Judge MODEL (a model's folder, or the folder that it was pushed to) on labelled rows, slice by slice."""
    from trueline.cli.evaluate_table import print_evaluation, print_found_slices

    _check(model, asked)
    found = find_data(data, reading)
    if not found.has_rows:
        raise ConfigError("statistics have no rows to evaluate", where=data, hint="give the data.")
    result, slices = _evaluate(model, found, find_slices, asked)
    print_evaluation(result)
    if slices is not None:
        click.echo()
        print_found_slices(slices)
    if html is not None:
        result.to_html(html)
        click.echo(f"Wrote {html}")
    if out is not None:
        result.save(out)
        click.echo(f"Wrote {out}")
    verdict = result.validation_result
    if verdict.failures and not verdict.missing_thresholds:
        first, *rest = verdict.failures
        raise GateError(first.sentence.rstrip("."), problems=[f.sentence for f in rest])


def _check(model: str | None, asked: dict[str, Any]) -> None:
    """Options that do not go together, all at once."""
    problems = []
    if (model is None) == (asked["prediction"] is None):
        problems.append("give a model, or the column of predictions by --prediction, and not both")
    if model is not None and (asked["label"] or asked["weight"] or asked["task"]):
        problems.append("--label, --weight and --task are for data with predictions; a model brings its own")
    if model is None and asked["baseline"]:
        problems.append("--baseline needs a model")
    if asked["config"] and (asked["metrics"] or asked["slices"]):
        problems.append("--metrics and --slice stand in place of --config")
    if problems:
        raise ConfigError("the command cannot run", problems=problems)


def _evaluate(model: str | None, found: Any, find: int | None, asked: dict[str, Any]) -> tuple[EvalResult, Any]:
    from trueline.cli.predict import TEXT_KINDS, model_folder, model_rows
    from trueline.model_analysis import evaluate, find_slices
    from trueline.models import Model
    from trueline.transform.datasets import opened

    if model is None:
        with opened(found.spec() if found.kind in TEXT_KINDS else model_rows(None, found)) as dataset:
            return _table(dataset, find, asked)
    loaded = Model.load(model_folder(model), allow_host=asked["allow_host"])
    base = asked["baseline"]
    other = Model.load(model_folder(base), allow_host=asked["allow_host"]) if base else None
    config = _config(asked, loaded.task)
    with opened(model_rows(loaded, found)) as dataset:
        result = evaluate(loaded, dataset, config, baseline=other)
        return result, find_slices(loaded, dataset, top_k=find) if find else None


def _table(dataset: Dataset, find: int | None, asked: dict[str, Any]) -> tuple[EvalResult, Any]:
    from trueline.model_analysis import analyze_raw_data, find_slices

    columns = {
        "label_key": asked["label"] or "label",
        "prediction_key": asked["prediction"],
        "example_weight_key": asked["weight"],
    }
    config = _config(asked, asked["task"] or "binary")
    result = analyze_raw_data(dataset, config, task=asked["task"], **columns)
    return result, find_slices(None, dataset, task=asked["task"], top_k=find, **columns) if find else None


def _config(asked: dict[str, Any], task: str) -> EvalConfig:
    """The configuration of the file, or one of the options."""
    from trueline.model_analysis import EvalConfig, EvalOptions, SlicingSpec

    if asked["config"]:
        return _read(asked["config"])
    slices = [SlicingSpec(tuple(c for c in text.split(",") if c)) for text in asked["slices"]]
    options = EvalOptions(compute_confidence_intervals=asked["intervals"])
    return EvalConfig((_metrics(asked["metrics"], task),), (SlicingSpec(), *slices), options)


def _metrics(names: Sequence[str], task: str) -> MetricsSpec:
    from trueline.model_analysis import MetricConfig, MetricsSpec

    return MetricsSpec(tuple(MetricConfig(name) for name in names or _DEFAULTS.get(task, ("ExampleCount",))))


def _read(path: str) -> EvalConfig:
    from trueline.model_analysis import EvalConfig

    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the evaluation config cannot be read: {error}", where=path) from error
    return EvalConfig.from_json(text) if path.endswith(".json") else EvalConfig.from_text(text)
