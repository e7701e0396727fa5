"""Custom validations: a user's expressions over statistics that must be true."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trueline._core.errors import ConfigError, ExprError, SchemaError, did_you_mean
from trueline._core.expr import Expr, parse
from trueline.data_validation.custom_validation_config import (
    CustomValidation,
    CustomValidationConfig,
    FeaturePairValidation,
    FeatureValidation,
    read_custom_config,
)
from trueline.data_validation.custom_validation_names import (
    CUSTOM,
    arrow_types,
    figure_values,
    from_sql,
    looks_like_sql,
    validation_names,
)
from trueline.data_validation.rules import Reason
from trueline.data_validation.views import DatasetView, FeatureView, dataset_view
from trueline.schema.features import walk_features
from trueline.schema.paths import FeaturePath

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import anomalies_pb2, statistics_pb2

__all__ = ["check_custom", "custom_validate_statistics"]

Found = tuple[FeaturePath, Reason, str]


@dataclass(frozen=True)
class _Task:
    """One expression and the features that it is about.

    Attributes:
        where: its place in the configuration.
        validation: the expression.
        path: the feature that answers for it.
        views: by prefix; None where the data lack the feature.
        datasets: by prefix.
    """

    where: str
    validation: CustomValidation
    path: FeaturePath
    views: dict[str, FeatureView | None]
    datasets: dict[str, DatasetView]


def custom_validate_statistics(
    statistics: statistics_pb2.DatasetFeatureStatisticsList,
    validations: CustomValidationConfig | Mapping[str, Any] | str,
    baseline_statistics: statistics_pb2.DatasetFeatureStatisticsList | None = None,
    environment: str | None = None,
) -> anomalies_pb2.Anomalies:
    """The custom validations that fail, and nothing else; see `CustomValidationConfig`.

    Args:
        statistics: of the data.
        validations: dataclasses, a mapping of the same shape, or proto text.
        baseline_statistics: of the data that pairs of features compare with.
        environment: validations for other environments are left out.

    Raises:
        ConfigError: listing everything that is wrong with the configuration.
    """
    from tensorflow_metadata.proto.v0 import anomalies_pb2

    result = anomalies_pb2.Anomalies(anomaly_name_format=anomalies_pb2.Anomalies.SERIALIZED_PATH)
    for path, reason, severity in check_custom(validations, statistics, baseline_statistics, None, environment):
        info = result.anomaly_info[str(path)]
        if not info.path.step:
            info.path.step.extend(path.steps)
        info.severity = max(info.severity, info.Severity.Value(severity))
        info.reason.add(type=info.Type.Value(reason.type), short_description=reason.short, description=reason.text)
        info.description = " ".join(r.description for r in info.reason)
        info.short_description = reason.short if len(info.reason) == 1 else "Multiple errors"
    return result


def check_custom(
    config: CustomValidationConfig | Mapping[str, Any] | str | None,
    statistics: Any,
    base: Any,
    schema: Any,
    environment: str | None,
) -> list[Found]:
    """The custom validations that fail: feature, reason and severity.

    Raises:
        ConfigError: listing everything that is wrong: keys, expressions, names, slices, features that neither the data
            nor the schema know.
    """
    if config is None:
        return []
    read = read_custom_config(config)
    problems: list[str] = []
    tasks = list(_tasks(read, statistics, base, schema, problems))
    compiled = [(task, expr) for task in tasks if (expr := _compiled(task, problems)) is not None]
    if problems:
        raise ConfigError("the custom validations cannot be used", problems=problems)
    found: list[Found] = []
    for task, expr in compiled:
        wanted = task.validation.in_environment
        if wanted and environment is not None and environment not in wanted:
            continue
        reason = _judge(task, expr)
        if reason is not None:
            found.append((task.path, reason, task.validation.severity))
    return found


# --- what a configuration asks for ---


def _tasks(
    config: CustomValidationConfig, statistics: Any, base: Any, schema: Any, problems: list[str]
) -> Iterator[_Task]:
    known = set() if schema is None else {path for path, _ in walk_features(schema)}
    for i, single in enumerate(config.feature_validations):
        where = f"feature_validations[{i}]"
        yield from _task(where, single, {"feature.": ("feature_path", "dataset_name", statistics)}, known, problems)
    for i, pair in enumerate(config.feature_pair_validations):
        where = f"feature_pair_validations[{i}]"
        if base is None:
            problems.append(f"{where}: there is nothing to compare with: give previous_statistics")
            continue
        sides = {
            "feature_test.": ("feature_test_path", "dataset_name", statistics),
            "feature_base.": ("feature_base_path", "base_dataset_name", base),
        }
        yield from _task(where, pair, sides, known, problems)


def _task(
    where: str,
    item: FeatureValidation | FeaturePairValidation,
    sides: dict[str, tuple[str, str, Any]],
    known: set[FeaturePath],
    problems: list[str],
) -> Iterator[_Task]:
    views: dict[str, FeatureView | None] = {}
    datasets: dict[str, DatasetView] = {}
    for prefix, (field, dataset_field, statistics) in sides.items():
        dataset = _dataset(statistics, getattr(item, dataset_field), f"{where}.{dataset_field}", problems)
        if dataset is None:
            return
        path = FeaturePath.of(getattr(item, field))
        view = dataset.features.get(path) or dataset.extras.get(path)
        if view is None and path not in known:
            names = sorted({str(p) for p in (*dataset.features, *known)})
            problems.append(f"{where}.{field}: no feature {str(path)!r}: {did_you_mean(str(path), names)}")
            return
        views[prefix], datasets[prefix] = view, dataset
    path = FeaturePath.of(getattr(item, next(iter(sides.values()))[0]))
    for i, validation in enumerate(item.validations):
        yield _Task(f"{where}.validations[{i}]", validation, path, views, datasets)


def _dataset(statistics: Any, name: str, where: str, problems: list[str]) -> DatasetView | None:
    if not name:
        try:
            return dataset_view(statistics)
        except SchemaError as error:
            problems.append(f"{where}: {error.message}")
            return None
    names = [dataset.name for dataset in statistics.datasets]
    if names.count(name) != 1:
        problems.append(f"{where}: no dataset {name!r}: {did_you_mean(name, names)}")
        return None
    return DatasetView(statistics.datasets[names.index(name)])


# --- expressions ---


def _compiled(task: _Task, problems: list[str]) -> Expr | None:
    """The parsed expression; None, with problems noted, where it cannot be used."""
    text = task.validation.expression
    try:
        expr = parse(text, dotted=True)
    except ExprError as error:
        hint = f"; it looks like SQL, which is not run: write {from_sql(text)!r}" if looks_like_sql(text) else ""
        problems.append(f"{task.where}: {error.message}{hint}")
        return None
    unknown = [name for name in expr.columns if _kind(name, task) is None]
    problems += [f"{task.where}: no name {name!r}: {did_you_mean(name, _offered(task))}" for name in unknown]
    if unknown:
        return None
    try:
        expr.mask(_batch(expr, task, empty=True))
    except ExprError as error:
        problems.append(f"{task.where}: {error.message} in {text!r}")
        return None
    return expr


def _split(name: str, task: _Task) -> tuple[str | None, str]:
    """Prefix and plain name; one feature needs no prefix."""
    prefix = next((p for p in task.views if name.startswith(p)), None)
    if prefix is not None:
        return prefix, name.removeprefix(prefix)
    return (next(iter(task.views)) if len(task.views) == 1 else None), name


def _kind(name: str, task: _Task) -> str | None:
    prefix, plain = _split(name, task)
    if prefix is None:
        return None
    if plain.startswith(CUSTOM):
        view = task.views[prefix]
        if view is None:
            return "float"
        value = figure_values(view, task.datasets[prefix]).get(plain)
        return None if value is None else ("str" if isinstance(value, str) else "float")
    return validation_names().get(plain)


def _offered(task: _Task) -> list[str]:
    names = list(validation_names())
    for prefix, view in task.views.items():
        if view is not None:
            names += [n for n in figure_values(view, task.datasets[prefix]) if n.startswith(CUSTOM)]
    return names if len(task.views) == 1 else [prefix + name for prefix in task.views for name in names]


def _batch(expr: Expr, task: _Task, *, empty: bool) -> Any:
    """One row with the values of all names, or no row with their types."""
    import pyarrow as pa

    types = arrow_types()
    columns = {}
    for name in expr.columns or ("num_examples",):
        prefix, plain = _split(name, task)
        view = task.views[prefix] if prefix is not None else None
        found = {} if view is None or prefix is None else figure_values(view, task.datasets[prefix])
        columns[name] = pa.array([] if empty else [found.get(plain)], types[_kind(name, task) or "float"])
    return pa.table(columns)


def _judge(task: _Task, expr: Expr) -> Reason | None:
    absent = [prefix for prefix, view in task.views.items() if view is None]
    short = task.validation.description.strip().rstrip(".") or "Custom validation failed"
    lead = f"{short}. "
    if absent:
        text = f"{lead}The expression {expr.text!r} cannot be told: the data lack the feature."
        return Reason("CUSTOM_VALIDATION", short, text)
    batch = _batch(expr, task, empty=False)
    figures = ", ".join(f"{name} = {_shown(batch.column(name)[0].as_py())}" for name in expr.columns)
    try:
        value = expr.evaluate(batch)[0].as_py()
    except ExprError as error:
        return Reason("CUSTOM_VALIDATION", short, f"{lead}The expression {expr.text!r} {error.message}; {figures}.")
    if value:
        return None
    verdict = "cannot be told" if value is None else "is false"
    return Reason("CUSTOM_VALIDATION", short, f"{lead}The expression {expr.text!r} {verdict}: {figures}.")


def _shown(value: Any) -> str:
    if value is None:
        return "no value"
    return f"{value:.6g}" if isinstance(value, float) else repr(value)
