"""`evaluate_fairness` and `fairness_of_table`: one pass over the data, then rates, criteria and gates."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from trueline._core.errors import ConfigError, DataError, did_you_mean
from trueline.engine.base import AccumulatorSpec, Dataset, Engine
from trueline.model_analysis.checked import COUNTERS, MODEL_COUNTERS
from trueline.model_analysis.datasets import as_dataset, features_read
from trueline.model_analysis.decision.rows import model_source
from trueline.model_analysis.fairness.cells import group_column_problem
from trueline.model_analysis.fairness.judge import judged
from trueline.model_analysis.fairness.measure import Measure
from trueline.model_analysis.fairness.rates import CRITERIA
from trueline.model_analysis.fairness.result import FairnessResult
from trueline.model_analysis.fairness.spec import FairnessSpec, spec_of
from trueline.model_analysis.fairness.sums import FairnessSums, Shape
from trueline.model_analysis.fairness.table import FAIRNESS_TABLE
from trueline.model_analysis.noise import ROW_COLUMN
from trueline.model_analysis.plan import BASELINE, CANDIDATE

if TYPE_CHECKING:
    from trueline.model_analysis.api import HasRuntime

__all__ = ["evaluate_fairness", "fairness_of_table"]

TASKS = ("binary", "multiclass", "regression")


def evaluate_fairness(
    model: HasRuntime,
    data: Any,
    spec: FairnessSpec | Mapping[str, Any],
    baseline: HasRuntime | None = None,
    engine: Engine | None = None,
    *,
    split: str | None = None,
) -> FairnessResult:
    """Measures how a model treats groups, in one pass, and judges it. Memory does not grow with rows.

    Args:
        model: a classifier or a regression; its own ``targets.onnx`` gives labels and weights, and its own label output
            is its decision.
        data: rows with the raw columns and the sensitive ones, which the model need not read: what `as_dataset` takes.
        spec: groups, thresholds, gates.
        baseline: a model to compare with, of the same task and classes.
        engine: where it runs; threads of this machine by default.
        split: of Examples.

    Raises:
        ConfigError: every problem of spec and data at once.
        DataError: too many groups, or a reference group that is not there.
    """
    spec, runtime = spec_of(spec), model.runtime
    read_by = features_read(runtime, baseline.runtime if baseline is not None else None)
    dataset = as_dataset(data, split, read_by)
    task = str(runtime.info["task"])
    named = {CANDIDATE: runtime} | ({BASELINE: baseline.runtime} if baseline is not None else {})
    problems = (
        [] if task in TASKS else [f"a {task} model decides about no single rows; fairness is of {', '.join(TASKS)}"]
    )
    classes = tuple(runtime.classes or ())
    problems += [
        f"the baseline is a {other.info['task']} model of {other.classes}, the candidate a {task} model of {classes}"
        for other in list(named.values())[1:]
        if (other.info["task"], set(other.classes or ())) != (task, set(classes))
    ]
    read = {f.name for r in named.values() for f in r.inputs}
    if task in TASKS:
        read |= {f.name for f in runtime.targets.raw.features}
    _check(spec, task, len(classes), dataset, read, problems)
    source = {"kind": "models", "models": {name: model_source(r) for name, r in named.items()}}
    prints = {name: m["fingerprint"] for name, m in source["models"].items()}  # type: ignore[attr-defined]
    return _run(source, spec, dataset, engine, task, classes, read, prints, float32=True)


def fairness_of_table(
    table: Any,
    spec: FairnessSpec | Mapping[str, Any],
    *,
    label_key: str = "label",
    prediction_key: str = "prediction",
    baseline_prediction_key: str | None = None,
    example_weight_key: str | None = None,
    task: str | None = None,
    classes: Sequence[Any] | int | None = None,
    engine: Engine | None = None,
) -> FairnessResult:
    """The same for predictions that stand in a table; no model is needed.

    Args:
        table: what `as_dataset` takes.
        spec: groups, thresholds, gates.
        label_key: the label's column: 0..1, a number, a class number, or a value of `classes`.
        prediction_key: scores from 0 to 1 (0 and 1 are decisions), numbers, or lists of probabilities. A row is decided
            to be positive where its score is above 0.5.
        baseline_prediction_key: another model's predictions.
        example_weight_key: the weight's column.
        task: ``binary``, ``multiclass`` or ``regression``; by default multiclass for lists, else binary.
        classes: the label's values in the order of the probabilities, or how many.
        engine: where it runs.

    Raises:
        ConfigError: every problem of spec and data at once.
        DataError: columns that hold no numbers, too many groups, or a reference group that is not there.
    """
    import pyarrow as pa

    spec, dataset = spec_of(spec), as_dataset(table)
    predictions = {CANDIDATE: prediction_key} | ({BASELINE: baseline_prediction_key} if baseline_prediction_key else {})
    read = {label_key, *predictions.values(), *([example_weight_key] if example_weight_key else [])}
    listed = False
    if (place := dataset.arrow_schema.get_field_index(prediction_key)) >= 0:
        of = dataset.arrow_schema.field(place).type
        listed = pa.types.is_list(of) or pa.types.is_large_list(of) or pa.types.is_fixed_size_list(of)
    task = task or ("multiclass" if listed else "binary")
    problems = [] if task in TASKS else [f"there is no task {task!r}. {did_you_mean(task, TASKS)}"]
    values = None if classes is None or isinstance(classes, int) else list(classes)
    count = classes if isinstance(classes, int) else len(values or ())
    if task == "multiclass" and not count and listed:
        count = _width(dataset, prediction_key)
    _check(spec, task, count, dataset, read, problems)
    output = {"label": label_key, "weight": example_weight_key, "predictions": predictions}
    source = {"kind": "table", "output": output, "classes": values}
    known = tuple(values) if values is not None else tuple(range(count))
    return _run(source, spec, dataset, engine, task, known, read, dict(predictions), float32=False)


def _width(dataset: Dataset, column: str) -> int:
    return next((len(v) for b in dataset.batches([column]) for v in b.column(0) if v.is_valid), 0)


def _check(spec: FairnessSpec, task: str, count: int, dataset: Dataset, read: set[str], problems: list[str]) -> None:
    shown = [c for c in dataset.columns if not c.startswith("__")]
    problems += [
        f"the data has no column {name!r}. {did_you_mean(name, shown)}"
        for name in sorted(read | set(spec.groups))
        if name not in dataset.columns
    ]
    for name in spec.groups:
        if name in dataset.columns:
            of = dataset.arrow_schema.field(dataset.arrow_schema.get_field_index(name)).type
            problem = group_column_problem(name, of, name in spec.buckets)
            problems += [problem] if problem else []
    for criterion in spec.criteria:
        if task in TASKS and task not in CRITERIA[criterion.name].tasks:
            known = [name for name, c in CRITERIA.items() if task in c.tasks]
            problems.append(f"criterion {criterion.name!r} is not defined for a {task} model. "
                            f"{did_you_mean(criterion.name, known, limit=20)}")  # fmt: skip
        if criterion.at is not None and task != "binary":
            problems.append(f"criterion {criterion.name!r}: a {task} model is decided at no threshold")
        wrong = [c for c in criterion.class_ids if not 0 <= c < count]
        if wrong and task == "multiclass":
            problems.append(f"criterion {criterion.name!r} judges class_ids {wrong}, and there are {count} classes")
    if problems:
        raise ConfigError("fairness cannot be measured", problems=problems)


def _run(
    source: Mapping[str, Any],
    spec: FairnessSpec,
    dataset: Dataset,
    engine: Engine | None,
    task: str,
    classes: tuple[Any, ...],
    read: set[str],
    models: Mapping[str, Any],
    *,
    float32: bool,
) -> FairnessResult:
    if engine is None:
        from trueline.engine import default_engine

        engine = default_engine()
    flags = len(COUNTERS) + len(MODEL_COUNTERS) * len(models)
    count = len(classes) if task == "multiclass" else 0
    levels = spec.thresholds if task == "binary" else ()
    shape = Shape(spec.groups, task, classes, count, tuple(models), spec.noise_groups, levels, float32, flags)
    params = {
        "source": dict(source),
        "shape": shape.to_json(),
        "buckets": {k: list(v) for k, v in spec.buckets.items()},
        "seed": spec.seed,
        "weighted": spec.weighted,
    }
    columns = [c for c in dataset.columns if c in read | set(spec.groups) | {ROW_COLUMN}]
    sums: FairnessSums = engine.run(AccumulatorSpec(FAIRNESS_TABLE, params), dataset, columns)
    if not sums.cells:
        raise DataError("there are no rows to measure fairness on", hint="give a split with rows.")
    return result_of(sums, spec, models)


def result_of(sums: FairnessSums, spec: FairnessSpec, models: Mapping[str, Any]) -> FairnessResult:
    """Rates, criteria, gates and notes of the sums of a pass."""
    measure = Measure(sums, spec)
    state = base64.b64encode(zlib.compress(sums.pack(), 6)).decode()
    return FairnessResult(
        spec,
        sums.shape.task,
        sums.shape.classes,
        dict(models),
        int(sums.rows.sum()),
        int(sums.missing.sum()),
        measure.fairness_groups(),
        measure.criteria(),
        judged(measure, spec.criteria),
        tuple(_notes(measure)),
        state,
    )


def _notes(measure: Measure) -> list[str]:
    spec, said = measure.spec, []
    small = [g.name for i, g in enumerate(measure.groups) if measure.small(i)]
    if small:
        shown = "; ".join(small[:5]) + (f" and {len(small) - 5} more" if len(small) > 5 else "")
        said.append(
            f"{len(small)} groups have fewer than {spec.min_group_size} rows and take no part in differences and "
            f"ratios: {shown}."
        )
    if spec.missing == "leave_out":
        for columns in spec.families:
            inside = sum(int(measure.rows[i]) for i in measure.family(columns))
            if without := int(measure.rows[0]) - inside:
                said.append(f"{without:,} rows lack a value of {' or '.join(columns)} and are in none of its groups.")
    if not spec.criteria:
        said.append("No criterion has a bound: gaps are reported and nothing is judged.")
    said.append(
        "The greatest difference among groups is never quite 0, for rates are noisy: read it with its interval."
    )
    return said
