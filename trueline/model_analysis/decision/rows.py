"""What a decision is chosen on: true classes, weights, probabilities without any decision, and the label as served."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline.model_analysis.noise import row_groups
from trueline.model_analysis.sources import load_runtime

if TYPE_CHECKING:
    import pyarrow as pa

    from trueline._core.runtime import ModelRuntime

__all__ = ["COUNTED", "Judged", "class_places", "judged_rows", "model_source"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
COUNTED = ("rows", "missing_labels", "other_labels", "bad_weights", "bad_probabilities")
"""Rows used, and rows left out by reason."""


@dataclass(frozen=True)
class Judged:
    """The usable rows of a batch.

    Attributes:
        true: place of the true class ``[N]``.
        said: place of the class that the model says as it stands ``[N]``.
        probabilities: ``[N, C]`` without any decision.
        weight, group, half: ``[N]``; the half is 0 or 1.
        row: hash of the row ``[N]``.
        counted: rows by reason, as `COUNTED` has them.
    """

    true: Ints
    said: Ints
    probabilities: npt.NDArray[np.float32]
    weight: Floats
    group: Ints
    half: Ints
    row: npt.NDArray[np.uint64]
    counted: Ints


def model_source(runtime: ModelRuntime) -> dict[str, Any]:
    """A model as workers are told of it: JSON."""
    allowed = None if runtime.allow_host is None else list(runtime.allow_host)
    fingerprint = runtime.manifest.fingerprint if runtime.manifest is not None else ""
    return {"uri": runtime.uri, "fingerprint": fingerprint, "allow_host": allowed}


def class_places(values: npt.NDArray[Any], classes: Sequence[Any]) -> Ints:
    """The place of each value among the classes, -1 where it is none of them."""
    places = np.full(len(values), -1, np.int64)
    for index, value in enumerate(classes):
        places[np.asarray(values == value, bool)] = index
    return places


def judged_rows(
    model: Mapping[str, Any], plain: Mapping[str, Any], batch: pa.RecordBatch, groups: int, seed: int
) -> Judged:
    """Runs the model, and the one without calibration where that is another, over a batch.

    Args:
        model: as `model_source` gives it.
        plain: the same model without a calibration.
        batch: raw rows.
        groups: noise groups.
        seed: of groups and halves, dealt by the hash of ``__row__``.
    """
    from trueline._core.hash import hash_array, hash_rows

    runtime = load_runtime(**model)
    classes = runtime.classes or []
    targets, names = runtime.targets.predict_arrow(batch), runtime.info["targets"]["outputs"]
    n = batch.num_rows
    found = runtime.predict_arrow(batch)
    own = found if plain == model else load_runtime(**plain).predict_arrow(batch)
    p = np.asarray(own["probabilities"], np.float32)
    present = targets[names["present"]].astype(bool).reshape(n)
    true = class_places(targets[names["label"]].reshape(n), classes)
    weight = targets[names["weight"]].astype(np.float64).reshape(n) if "weight" in names else np.ones(n)
    finite = np.isfinite(p).all(axis=1) & (p >= 0).all(axis=1) & (p <= 1).all(axis=1)
    weighed = np.isfinite(weight) & (weight >= 0)
    reasons = [~present, present & (true < 0)]
    reasons.append(~reasons[0] & ~reasons[1] & ~weighed)
    reasons.append(~(reasons[0] | reasons[1] | reasons[2]) & ~finite)
    used = ~np.logical_or.reduce(reasons)
    place = batch.schema.get_field_index("__row__")
    row = hash_array(batch.column(place), seed) if place >= 0 else hash_rows(batch, None, seed)
    return Judged(
        true[used],
        class_places(found["label"].reshape(n), classes)[used],
        p[used],
        weight[used],
        row_groups(batch, groups, seed)[used],
        row_groups(batch, 2, seed + 1)[used],
        row[used],
        np.array([used.sum(), *(r.sum() for r in reasons)], np.int64),
    )
