"""``trueline evaluate``: a model judged on the rows of a file, slice by slice; exit code 3 when a gate is closed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import click

from trueline._core import store
from trueline._core.errors import ConfigError, DataError, GateError, TruelineError, did_you_mean
from trueline.cli.data_files import DataFile, DataOptions
from trueline.cli.data_files_find import find_data
from trueline.cli.data_files_options import comma_separated, data_options
from trueline.cli.failures import GATE, OK

if TYPE_CHECKING:
    from trueline.engine import Dataset
    from trueline.model_analysis import EvalConfig, EvalResult
    from trueline.models import Model

__all__ = ["evaluate"]

_DEFAULTS = {
    "binary": ("AUC", "AUCPrecisionRecall", "BinaryAccuracy", "Precision", "Recall", "Calibration"),
    "multiclass": ("Accuracy", "BalancedAccuracy", "CategoricalCrossEntropy"),
    "multilabel": ("HammingLoss", "SubsetAccuracy", "BinaryCrossEntropy"),
    "regression": ("MeanAbsoluteError", "RootMeanSquaredError", "Calibration", "MeanLabel"),
    "ranking": ("MeanAbsoluteError", "SquaredPearsonCorrelation"),
    "objects": ("ExampleCount",),
}
_TASKS = tuple(_DEFAULTS)
_QUERIES = ("NDCG", "MeanAveragePrecision", "MeanReciprocalRank")
_JUDGED = "eval"
"""The split of Examples that is judged unless another is named: an Evaluator's own."""


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
@click.option("--task", type=click.Choice(_TASKS), metavar="TASK", help=f"With --prediction: {', '.join(_TASKS)}.")
@click.option(
    "--classes",
    metavar="A,B,...",
    multiple=True,
    callback=comma_separated,
    help="With --prediction: what labels say, in the order of the probabilities; of two the positive one last.",
)
@click.option("--query", metavar="COLUMN", help="Rows of equal value are one query, for metrics of rankings.")
@click.option("--allow-missing-columns", is_flag=True, help="A column that is not there is missing in every row.")
@click.option("--html", metavar="FILE", help="Write the page.")
@click.option("-o", "--out", metavar="FOLDER", help="Write the whole result.")
@click.option("--json", "as_json", is_flag=True, help="Print slices, metrics and the verdict as JSON.")
@click.option(
    "--allow-host", metavar="MODULE,...", multiple=True, callback=comma_separated, help="Modules whose code may run."
)
@data_options
def evaluate(
    model: str | None, data: str, html: str | None, out: str | None, as_json: bool, reading: DataOptions, **asked: Any
) -> int:  # fmt: skip
    """Judge MODEL (a model's folder, or the folder that it was pushed to) on labelled rows, slice by slice."""
    from trueline.cli.evaluate_table import print_evaluation, print_found_slices

    config = _read(asked["config"]) if asked["config"] else None
    _check(model, asked, config)
    found = _judged(find_data(data, reading), reading)
    if not found.has_rows:
        raise ConfigError("statistics have no rows to evaluate", where=data, hint="give the data.")
    with _rows(model, found, asked) as (loaded, dataset):
        result, slices = _evaluate(loaded, dataset, config, asked["find_slices"], asked)
    if not as_json:
        print_evaluation(result, found.split)
    if slices is not None and not as_json:
        click.echo()
        print_found_slices(slices)
    if html is not None:
        result.to_html(html)
    if out is not None:
        result.save(out)
    written = [place for place in (html, out) if place is not None]
    for place in written:
        click.echo(f"Wrote {place}", err=as_json)
    verdict = result.validation_result
    closed = bool(verdict.failures) and not verdict.missing_thresholds
    if as_json:
        from trueline.cli.evaluate_json import evaluation_json

        click.echo(evaluation_json(result, found.split, slices, written))
        return GATE if closed else OK
    if closed:
        raise GateError("the gate is closed", problems=[f.sentence for f in verdict.failures])
    return OK


def _check(model: str | None, asked: dict[str, Any], config: EvalConfig | None) -> None:
    """Options that do not go together, all at once."""
    problems = []
    specs = config.model_specs if config is not None else ()
    named = asked["prediction"] or any(s.prediction_key or s.prediction_keys for s in specs)
    if model is None and not named:
        problems.append("give a model, or name the column of predictions: --prediction COLUMN")
    if model is not None and asked["prediction"]:
        problems.append("give a model or --prediction, not both")
    own = [name for name in ("label", "weight", "task", "classes") if asked[name]]
    if model is not None and own:
        said = " and ".join(f"--{name}" for name in own)
        problems.append(f"{said}: that is for data with predictions; a model brings its own")
    if model is None and asked["baseline"]:
        problems.append("--baseline needs a model; a config's model_specs name the baseline's predictions")
    if asked["classes"] and asked["find_slices"]:
        problems.append("--find-slices reads labels that are numbers: it does not go with --classes")
    if asked["config"] and (asked["metrics"] or asked["slices"] or asked["query"]):
        problems.append("--metrics, --slice and --query stand in place of --config")
    if problems:
        raise ConfigError("the command cannot run", problems=problems)


def _judged(found: DataFile, reading: DataOptions) -> DataFile:
    """Of Examples the split that judges, where none was asked for: what a model learned from says little of it."""
    from trueline.data import Examples

    if found.kind != "examples" or reading.split:
        return found
    return replace(found, split=_JUDGED) if _JUDGED in Examples.open(found.location).splits else found


@contextmanager
def _rows(model: str | None, found: DataFile, asked: dict[str, Any]) -> Iterator[tuple[Model | None, Dataset]]:
    """The model, where there is one, and the rows, which are there and have its columns.

    Raises:
        ConfigError: a column that the model reads is not there.
        DataError: there are no rows.
    """
    from trueline.cli.predict import TEXT_KINDS, model_folder, model_rows
    from trueline.models import Model
    from trueline.transform.datasets import opened

    loaded = Model.load(model_folder(model), allow_host=asked["allow_host"]) if model is not None else None
    plain = found.spec() if loaded is None and found.kind in TEXT_KINDS else model_rows(loaded, found)
    with opened(plain) as dataset:
        if dataset.num_rows == 0:
            raise DataError("there are no rows to evaluate", where=found.location)
        if loaded is not None:
            _check_columns(loaded, dataset, found.location, asked["allow_missing_columns"])
        yield loaded, dataset


def _check_columns(model: Model, dataset: Dataset, where: str, allow_missing: bool) -> None:
    there = [c for c in dataset.columns if not c.startswith("__")]
    label = {f.name for f in model.runtime.targets.raw.features}
    read = [*(f.name for f in model.runtime.inputs if not allow_missing or not f.optional), *sorted(label)]
    absent = [name for name in dict.fromkeys(read) if name not in there]
    if not absent:
        return
    blank = {name.strip() for name in there if name != name.strip()}
    hint = "blanks stand around the names of columns: read them away by --trim." if blank & set(absent) else (
        "where columns may be missing in every row: --allow-missing-columns.")  # fmt: skip
    problems = [
        f"there is no column {name!r}{', from which the label is made' if name in label else ''}{_near(name, there)}"
        for name in absent
    ]
    problems.append(did_you_mean("", there))
    raise ConfigError("the data lack columns that the model reads", where=where, problems=problems, hint=hint)


def _near(name: str, there: Sequence[str]) -> str:
    close = get_close_matches(name, there, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _evaluate(
    model: Model | None, dataset: Dataset, config: EvalConfig | None, find: int | None, asked: dict[str, Any]
) -> tuple[EvalResult, Any]:
    from trueline.cli.predict import model_folder
    from trueline.model_analysis import evaluate, find_slices
    from trueline.models import Model

    if model is None:
        return _table(dataset, config, find, asked)
    base = asked["baseline"]
    other = Model.load(model_folder(base), allow_host=asked["allow_host"]) if base else None
    result = evaluate(model, dataset, config or _config(asked, model.task), baseline=other)
    return result, find_slices(model, dataset, top_k=find) if find else None


def _table(dataset: Dataset, config: EvalConfig | None, find: int | None, asked: dict[str, Any]) -> tuple[Any, Any]:
    from trueline.model_analysis import analyze_raw_data, find_slices

    columns = {
        "label_key": asked["label"],
        "prediction_key": asked["prediction"],
        "example_weight_key": asked["weight"],
    }
    more = {"task": asked["task"], "classes": _classes(dataset, asked)}
    made = config or _config(asked, asked["task"] or _task(dataset, asked))
    try:
        result = analyze_raw_data(dataset, made, **more, **columns)
    except ConfigError as error:
        texts = any("as classes" in problem for problem in error.problems)
        hint = "say what labels are by --classes, such as --classes no,yes." if texts else error.hint
        raise ConfigError(error.message, where=error.where, hint=hint, problems=error.problems) from error
    if not hasattr(result, "measured"):
        raise ConfigError(
            f"the config names {len(result.models)} candidates; this command judges one",
            hint="evaluate them one by one, or together by trueline.model_analysis.analyze_raw_data.",
        )
    given = {name: column for name, column in columns.items() if column}
    return result, find_slices(None, dataset, task=asked["task"], top_k=find, **given) if find else None


def _classes(dataset: Dataset, asked: dict[str, Any]) -> list[Any] | None:
    """The classes as the label's column holds them: texts, or numbers."""
    if not asked["classes"]:
        return None
    from trueline.model_analysis.check_table import column_kind

    if column_kind(dataset, asked["label"] or "label") != "number":
        return list(asked["classes"])
    try:
        return [float(text) if "." in text else int(text) for text in asked["classes"]]
    except ValueError:
        raise ConfigError(f"the labels are numbers, --classes are {', '.join(asked['classes'])}") from None


def _task(dataset: Dataset, asked: dict[str, Any]) -> str:
    """What the default metrics are chosen by: the task of rows with such predictions and labels."""
    from trueline.model_analysis.check_table import column_kind

    if asked["query"]:
        return "ranking"
    if column_kind(dataset, asked["prediction"]) != "list":
        return "binary"
    return "multilabel" if column_kind(dataset, asked["label"] or "label") == "list" else "multiclass"


def _config(asked: dict[str, Any], task: str) -> EvalConfig:
    """A configuration of the options."""
    from trueline.model_analysis import EvalConfig, EvalOptions, MetricConfig, MetricsSpec, SlicingSpec

    names = asked["metrics"] or (_QUERIES if asked["query"] else _DEFAULTS.get(task, ("ExampleCount",)))
    slices = [SlicingSpec(tuple(c.strip() for c in text.split(",") if c.strip())) for text in asked["slices"]]
    metrics = MetricsSpec(tuple(MetricConfig(name) for name in names), query_key=asked["query"] or "")
    options = EvalOptions(compute_confidence_intervals=asked["intervals"])
    return EvalConfig((metrics,), (SlicingSpec(), *slices), options)


def _read(path: str) -> EvalConfig:
    from trueline.model_analysis import EvalConfig

    try:
        text = store.read_text(path)
    except (OSError, UnicodeDecodeError, TruelineError) as error:
        there = isinstance(error, UnicodeDecodeError) or store.exists(path)
        why = str(error) if there else "there is no such file"
        raise ConfigError(f"the evaluation config cannot be read: {why}", where=path) from error
    try:
        given = text.lstrip("\ufeff \t\r\n").startswith("{")
        return EvalConfig.from_json(text) if given else EvalConfig.from_text(text)
    except ConfigError as error:
        raise ConfigError(error.message, where=path, hint=error.hint, problems=error.problems) from error
