"""From counted pairs to messages of lift."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline.data_validation.protos import NOT_UTF8

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import statistics_pb2

    from trueline.data_validation.generators.lift import Lift

__all__ = ["lift_proto"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class _Figures:
    """Rows or weights: all, by category, by label, and by both ``[label, category]``."""

    total: float
    x: Floats
    y: Floats
    xy: Floats

    def lift(self) -> Floats:
        """``[label, category]``; 0 where a category weighs nothing."""
        with np.errstate(divide="ignore", invalid="ignore"):
            lift = (self.xy / self.x[None, :]) / (self.y[:, None] / self.total)
        return np.where(np.isfinite(lift), lift, 0.0)


def lift_proto(lift: Lift) -> statistics_pb2.DatasetFeatureStatistics:
    """The cross-features of each feature with the label, and custom statistics if asked."""
    from tensorflow_metadata.proto.v0 import statistics_pb2

    dataset = statistics_pb2.DatasetFeatureStatistics()
    labels = _Categories.of(lift.y.keys[0], lift.y_integers, lift.boundaries)
    for number, (path, feature) in enumerate(zip(lift.x_paths, lift.features, strict=True)):
        if feature.overflow:
            message = dataset.features.add()
            message.path.step.extend(path)
            message.custom_stats.add(name="lift_too_many_pairs", num=float(lift.max_pairs))
            continue
        categories = _Categories.of(feature.x.keys[0], lift.x_integers[number])
        plain, weighted = _figures(lift, feature, labels, categories)
        kept = np.flatnonzero(plain.x > lift.min_x_count)
        if len(kept) == 0 or len(labels.names) == 0:
            continue
        cross = dataset.cross_features.add()
        cross.path_x.step.extend(path)
        cross.path_y.step.extend(lift.y_path)
        message = cross.categorical_cross_stats.lift
        tables = [(plain, False, message.lift_series)]
        tables += [(weighted, True, message.weighted_lift_series)] if lift.weighted else []
        custom = dataset.features.add() if lift.custom_stats else None
        if custom is not None:
            custom.path.step.extend(path)
        for figures, heavy, target in tables:
            for row, chosen, values in _chosen(lift, figures, labels, categories, kept):
                _add_series(target.add(), figures, heavy, labels, categories, row, chosen, values)
                if custom is not None:
                    _add_custom(custom, labels.texts[row], categories, chosen, values, heavy)
    return dataset


@dataclass(frozen=True)
class _Categories:
    """Categories in order: their names as numbers or texts, and which distinct key is which of them."""

    names: list[Any]
    texts: list[str]
    of_key: npt.NDArray[np.int64]
    keys: list[bytes]
    boundaries: Any = None

    @classmethod
    def of(cls, keys: Any, integers: bool, boundaries: Any = None) -> _Categories:
        """All keys that are no UTF-8 are one category."""
        raw = keys.to_pylist()
        named = [int(key) if integers or boundaries is not None else _text(key) for key in raw]
        names: list[Any] = sorted(set(named))
        place = {name: i for i, name in enumerate(names)}
        texts = [str(name) if boundaries is None else _bucket_text(boundaries, name) for name in names]
        return cls(names, texts, np.array([place[name] for name in named], np.int64), raw, boundaries)


def _text(key: bytes) -> str:
    try:
        return key.decode("utf-8")
    except UnicodeDecodeError:
        return NOT_UTF8


def _bucket(boundaries: Any, number: int) -> tuple[float, float]:
    low = -np.inf if number == 0 else float(boundaries[number - 1])
    return low, np.inf if number == len(boundaries) else float(boundaries[number])


def _bucket_text(boundaries: Any, number: int) -> str:
    low, high = _bucket(boundaries, number)
    return f"[{low:g},{high:g}{']' if number == len(boundaries) else ')'}"


def _figures(lift: Lift, feature: Any, labels: _Categories, categories: _Categories) -> tuple[_Figures, _Figures]:
    """Plain and weighted figures."""
    of_x = {key: int(place) for key, place in zip(categories.keys, categories.of_key, strict=True)}
    of_y = {key: int(place) for key, place in zip(labels.keys, labels.of_key, strict=True)}
    columns = np.array([of_x[key] for key in feature.xy.keys[0].to_pylist()], np.int64)
    rows = np.array([of_y[key] for key in feature.xy.keys[1].to_pylist()], np.int64)
    found = []
    for total, name in ((float(lift.rows), "counts"), (lift.weight, "weights")):
        xy = np.zeros((len(labels.names), len(categories.names)))
        np.add.at(xy, (rows, columns), getattr(feature.xy, name))
        x = np.bincount(categories.of_key, getattr(feature.x, name), len(categories.names))
        y = np.bincount(labels.of_key, getattr(lift.y, name), len(labels.names))
        found.append(_Figures(total, x.astype(np.float64), y.astype(np.float64), xy))
    return found[0], found[1]


def _chosen(
    lift: Lift, figures: _Figures, labels: _Categories, categories: _Categories, kept: npt.NDArray[np.int64]
) -> Iterator[tuple[int, npt.NDArray[np.int64], Floats]]:
    """For each label the categories to give, by falling lift, then by name (in which order `kept` is)."""
    values = figures.lift()
    for row in range(len(labels.names)):
        order = kept[np.argsort(-values[row, kept], kind="stable")]
        top = len(order) if lift.top_k is None and lift.bottom_k is None else lift.top_k or 0
        last = np.arange(len(order)) >= len(order) - (lift.bottom_k or 0)
        order = order[(np.arange(len(order)) < top) | last]
        yield row, order, values[row]


def _add_series(
    series: Any,
    figures: _Figures,
    weighted: bool,
    labels: _Categories,
    categories: _Categories,
    row: int,
    chosen: npt.NDArray[np.int64],
    values: Floats,
) -> None:
    name = labels.names[row]
    if labels.boundaries is not None:
        series.y_bucket.low_value, series.y_bucket.high_value = _bucket(labels.boundaries, name)
    else:
        setattr(series, "y_int" if isinstance(name, int) else "y_string", name)
    prefix, kind = ("weighted_", float) if weighted else ("", int)
    setattr(series, f"{prefix}y_count", kind(figures.y[row]))
    for column in chosen.tolist():
        value = series.lift_values.add(lift=float(values[column]))
        x = categories.names[column]
        setattr(value, "x_int" if isinstance(x, int) else "x_string", x)
        setattr(value, f"{prefix}x_count", kind(figures.x[column]))
        setattr(value, f"{prefix}x_and_y_count", kind(figures.xy[row, column]))


def _add_custom(
    message: Any,
    label: str,
    categories: _Categories,
    chosen: npt.NDArray[np.int64],
    values: Floats,
    weighted: bool,
) -> None:
    stat = message.custom_stats.add(name=f"{'Weighted ' if weighted else ''}Lift (Y={label})")
    for column in chosen.tolist():
        stat.rank_histogram.buckets.add(label=categories.texts[column], sample_count=float(values[column]))
