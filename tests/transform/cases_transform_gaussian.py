"""Cases of the operations behind `tlt.scale_to_gaussian`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Case = tuple[str, tuple[str, ...], Callable[..., Any]]


def inverse(left: float, right: float) -> Callable[[Any], Any]:
    return lambda x: x.tracer.op("inverse_tukey_hh", x, left, right)


CASES: list[Case] = [
    ("inverse_tukey_hh", ("float64",), inverse(0.1, 0.5)),
    ("inverse_tukey_hh", ("float64",), inverse(0.0, 0.9999999)),
    ("inverse_tukey_hh", ("float64",), inverse(1e-9, 1e-300)),
    ("inverse_tukey_hh", ("vector<float64>",), inverse(0.3, 0.0)),
    ("inverse_tukey_hh", ("list<float64>",), inverse(0.3, 2.0)),
]
