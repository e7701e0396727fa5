"""What a table of estimators says of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["Case"]


@dataclass(frozen=True)
class Case:
    """One estimator.

    Attributes:
        name: of the test.
        estimator: not fitted.
        refused: part of the sentence that refuses it; empty: it is exported.
        inexact: its export is only near, and the parity gate decides on real rows.
        labels: kinds of labels that a classifier is tried with.
    """

    name: str
    estimator: Any
    refused: str = ""
    inexact: bool = False
    labels: tuple[str, ...] = ("text", "bool", "int")
