"""Cases of the mathematical functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import trueline.transform as tlt

Case = tuple[str, tuple[str, ...], Callable[..., Any]]
ONE_NUMBER = {
    "sin": tlt.sin,
    "cos": tlt.cos,
    "tan": tlt.tan,
    "asin": tlt.asin,
    "acos": tlt.acos,
    "atan": tlt.atan,
    "sinh": tlt.sinh,
    "cosh": tlt.cosh,
    "tanh": tlt.tanh,
    "asinh": tlt.asinh,
    "acosh": tlt.acosh,
    "atanh": tlt.atanh,
    "erf": tlt.erf,
    "log2": tlt.log2,
    "log10": tlt.log10,
    "expm1": tlt.expm1,
}

CASES: list[Case] = [
    *[(op, ("float64",), function) for op, function in ONE_NUMBER.items()],
    ("atan2", ("float64", "float64"), tlt.atan2),
    *[("sign", (t,), tlt.sign) for t in ("float64", "int64")],
    ("sin", ("list<float64>",), lambda a: tlt.cyclical(a, 24.0)[0]),
    ("erf", ("vector<float64>",), tlt.erf),
    ("less", ("float64",), tlt.is_finite),
    ("equal", ("list<float64>",), tlt.is_inf),
    ("divide", ("float64",), tlt.rsqrt),
]
