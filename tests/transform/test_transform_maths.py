"""Mathematical functions: against Python's own over dense and special arguments, and by their identities."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from cases_transform_maths import ONE_NUMBER
from helpers_transform import by_onnx, graph_of, ulps_apart

import trueline.transform as tlt
from trueline._core.errors import TransformError
from trueline.transform.operations import OPERATIONS

SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 5e-324, 1e-300, 1e-17, 22.0, 22.1, 709.0, 710.4, 2.0**28, 1e300]
SPECIAL += [math.inf, -math.inf, math.nan, 6.0, -6.1, 1e6]


def arguments() -> np.ndarray:
    """All that matters: near 0, near 1, near multiples of pi/4, tiny, large, special."""
    rng = np.random.default_rng(13)
    turns = np.arange(-600, 601) * (math.pi / 4)
    tiny = 10.0 ** rng.uniform(-300, 3, 1000)
    parts = [rng.uniform(-700, 700, 2000), rng.uniform(-1, 1, 2000), rng.uniform(-7, 7, 2000), tiny, -tiny]
    parts += [1 + rng.uniform(-1e-3, 1e-3, 500), -1 + rng.uniform(-1e-3, 1e-3, 500), turns, np.array(SPECIAL)]
    return np.concatenate(parts)


def by_python(function: Callable[[float], float], x: np.ndarray) -> np.ndarray:
    """Python's function, with NaN and infinities where it raises."""

    def one(value: float) -> float:
        try:
            return function(value)
        except OverflowError:
            return math.copysign(math.inf, value) if function is math.sinh or function is math.expm1 else math.inf
        except ValueError:
            if value == 0 and function in (math.log2, math.log10):
                return -math.inf
            return math.copysign(math.inf, value) if function is math.atanh and abs(value) == 1 else math.nan

    return np.array([one(v) for v in x.tolist()])


def computed(function: Callable[..., Any], *columns: np.ndarray) -> np.ndarray:
    table = pa.table({f"x{i}": c for i, c in enumerate(columns)})
    return by_onnx(graph_of(lambda x: {"y": function(*(x[n] for n in table.schema.names))}, table, False), table)[
        "y"
    ].data


@pytest.mark.parametrize("name", sorted(ONE_NUMBER))
def test_as_pythons_own(name: str) -> None:
    """Within the stated ulps plus 1 for Python's own, over the whole range and at every special value."""
    x = arguments()
    found, expected = computed(ONE_NUMBER[name], x), by_python(getattr(math, name), x)
    apart = ulps_apart(found, expected)
    worst = int(np.argmax(apart))
    assert apart[worst] <= OPERATIONS[name].ulps + 1, (x[worst], found[worst], expected[worst])


def test_atan2_in_all_quadrants() -> None:
    values = [0.0, -0.0, 1.0, -1.0, 0.3, -7.0, 1e-300, 1e300, -1e300, math.inf, -math.inf, math.nan]
    y, x = (v.ravel() for v in np.meshgrid(values, values))
    expected = np.array([math.atan2(a, b) for a, b in zip(y, x, strict=True)])
    assert ulps_apart(computed(tlt.atan2, y, x), expected).max() <= 4


def test_far_angles_keep_their_digits() -> None:
    """Up to 2**20 in ulps, near zeros too; beyond, within 1e-15."""
    x = np.concatenate([np.arange(1, 600_000, 997) * math.pi, np.linspace(1e3, 2.0**20, 500)])
    for function, own in ((tlt.sin, math.sin), (tlt.cos, math.cos)):
        near = x[np.abs(x) <= 2.0**20]
        assert ulps_apart(computed(function, near), by_python(own, near)).max() <= 4
        far = np.geomspace(2.0**20, 1e12, 500)
        np.testing.assert_allclose(computed(function, far), by_python(own, far), rtol=0, atol=1e-15)


def test_identities() -> None:
    x = np.random.default_rng(17).uniform(-3, 3, 500)
    np.testing.assert_allclose(computed(tlt.sin, x) ** 2 + computed(tlt.cos, x) ** 2, 1.0, rtol=1e-15)
    for there, back in ((tlt.sinh, tlt.asinh), (tlt.tanh, tlt.atanh), (tlt.atan, tlt.tan)):
        np.testing.assert_allclose(computed(lambda v, f=there, g=back: g(f(v)), x), x, rtol=1e-12)
    np.testing.assert_array_equal(computed(tlt.erf, -x), -computed(tlt.erf, x))


def test_signs_and_finiteness() -> None:
    x = np.array([2.5, -3.0, 0.0, -0.0, math.inf, -math.inf, math.nan])
    np.testing.assert_array_equal(computed(tlt.sign, x), [1, -1, 0, 0, 1, -1, math.nan])
    assert computed(tlt.is_finite, x).tolist() == [True] * 4 + [False] * 3
    assert computed(tlt.is_inf, x).tolist() == [False] * 4 + [True] * 2 + [False]
    assert computed(tlt.sign, np.array([-5, 0, 2**62])).tolist() == [-1, 0, 1]
    np.testing.assert_array_equal(computed(tlt.reciprocal, np.array([4, -2])), [0.25, -0.5])
    np.testing.assert_array_equal(computed(tlt.square, np.array([4, -3])), [16, 9])


def test_cycles_return() -> None:
    """Hours 0 and 24 are one point, 6 is a quarter, and -6 is 18."""
    hours = np.array([0, 24, 6, 12, 18, -6, 48_000_006])
    sine, cosine = (computed(lambda x, i=i: tlt.cyclical(x, 24)[i], hours) for i in (0, 1))
    np.testing.assert_allclose(sine, [0, 0, 1, 0, -1, -1, 1], atol=1e-15)
    np.testing.assert_allclose(cosine, [1, 1, 0, -1, 0, 0, 0], atol=1e-15)


@pytest.mark.parametrize(
    "function", [lambda x: tlt.cyclical(x["a"], 0.0)[0], lambda x: tlt.sin(x["t"]), lambda x: tlt.sign(x["t"])]
)
def test_mistakes(function: Callable[[Any], Any]) -> None:
    table = pa.table({"a": [1.0], "t": ["one"]})
    with pytest.raises(TransformError, match=r"period is a number above 0|not utf8"):
        graph_of(lambda x: {"y": function(x)}, table)
