"""How each model turns what it computes into an outcome, as far as one threshold says it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from trueline._core.runtime import ModelRuntime

__all__ = ["decision_of", "row_labels"]


def decision_of(runtime: ModelRuntime) -> dict[str, Any]:
    """``threshold`` of the second of two classes, and ``by``: where it comes from.

    With costs ``C[true][said]`` the second class is said where its expected cost is less: where its probability is
    over ``(C01 - C00) / (C01 - C00 + C10 - C11)``, if both differences are above 0 (Elkan 2001, equation 2). None for
    what is no classifier of two classes, and for costs that no threshold stands for.
    """
    classes, decision = runtime.classes, runtime.info.get("decision") or {}
    if classes is None or len(classes) != 2:
        return {"threshold": None, "by": None}
    if (costs := decision.get("cost_matrix")) is not None:
        false_alarm, miss = costs[0][1] - costs[0][0], costs[1][0] - costs[1][1]
        if false_alarm <= 0 or miss <= 0:
            return {"threshold": None, "by": "costs"}
        return {"threshold": false_alarm / (false_alarm + miss), "by": "costs"}
    if decision.get("threshold") is not None:
        return {"threshold": float(decision["threshold"]), "by": "the model's decision"}
    return {"threshold": 0.5, "by": "the greater probability"}


def row_labels(runtime: ModelRuntime, outputs: Mapping[str, Any]) -> list[int] | None:
    """The class that the model says of each row, as its place among the classes; None for what is no classifier."""
    classes = runtime.classes
    if classes is None:
        return None
    said = outputs["label"].reshape(-1).tolist()
    likeliest = np.argmax(outputs["probabilities"], axis=1).tolist()
    return [classes.index(v) if v in classes else likeliest[i] for i, v in enumerate(said)]
