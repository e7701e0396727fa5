"""Functions that generated files carry along: each stands alone on the standard library and is copied by its source.

Numbers are Python's: a float32 is a float that `f32` has rounded. A vector is a list.
"""

from __future__ import annotations

import math
import struct
from datetime import UTC, datetime
from typing import Any

__all__ = [
    "check_row",
    "divide",
    "exponential",
    "f32",
    "int32",
    "int64",
    "largest_at",
    "linear",
    "logarithm",
    "logistic",
    "lower_case",
    "murmur3",
    "no_less",
    "no_more",
    "normalized",
    "one_hot",
    "products",
    "rounded",
    "shares",
    "sign",
    "softmax",
    "square_root",
    "take",
    "to_integer",
    "upper_case",
    "walk",
]


def f32(value: float) -> float:
    """Rounded to float32."""
    try:
        rounded: float = struct.unpack("f", struct.pack("f", value))[0]
    except OverflowError:
        return math.copysign(math.inf, value)
    return rounded


def int64(value: int) -> int:
    """Wrapped to 64 bits."""
    return (value + 2**63) % 2**64 - 2**63


def int32(value: int) -> int:
    """Wrapped to 32 bits."""
    return (value + 2**31) % 2**32 - 2**31


def to_integer(value: float) -> int:
    """A number without its fraction; what 64 bits cannot hold is the least integer."""
    return int(value) if -(2.0**63) <= value < 2.0**63 else -(2**63)


def divide(a: float, b: float) -> float:
    """A quotient by the rules of floating point: by zero it is infinite or NaN."""
    if b != 0:
        return a / b
    return math.nan if a == 0 or a != a else math.copysign(math.inf, a) * math.copysign(1.0, b)


def logarithm(value: float) -> float:
    """The natural logarithm; of zero minus infinity, of less NaN."""
    if value > 0:
        return math.log(value)
    return -math.inf if value == 0 else math.nan


def square_root(value: float) -> float:
    """The square root; of less than zero NaN."""
    return math.sqrt(value) if value >= 0 else math.nan


def exponential(value: float) -> float:
    """e to the power of a number; infinite where it is too large."""
    try:
        return math.exp(value)
    except OverflowError:
        return math.inf


def logistic(value: float) -> float:
    """1 / (1 + exp(-value)), rounded to float32."""
    return f32(1.0 / (1.0 + exponential(-value)))


def rounded(value: float) -> float:
    """The nearest whole number, halves to the even one."""
    return float(round(value)) if math.isfinite(value) else value


def sign(value: Any) -> Any:
    """-1, 0 or 1, of the value's type."""
    return type(value)((value > 0) - (value < 0)) if value == value else value


def no_less(a: Any, b: Any) -> Any:
    """The larger of two; NaN where one is NaN."""
    return a if a != a or a > b else b


def no_more(a: Any, b: Any) -> Any:
    """The smaller of two; NaN where one is NaN."""
    return a if a != a or a < b else b


def largest_at(values: list[float]) -> int:
    """The place of the largest value, the first of equals."""
    return max(range(len(values)), key=values.__getitem__)


def shares(values: list[float]) -> list[float]:
    """exp(v) / sum of exp."""
    top = max(values)
    powers = [math.exp(value - top) for value in values]
    total = sum(powers)
    return [power / total for power in powers]


def softmax(values: list[float]) -> list[float]:
    """exp(v) / sum of exp, rounded to float32."""
    return [f32(share) for share in shares(values)]


def normalized(values: list[float], norm: str) -> list[float]:
    """Values divided by their L1, L2 or MAX norm; all zeros stay."""
    sizes = [abs(value) for value in values]
    total = {"L1": sum(sizes), "L2": math.sqrt(sum(s * s for s in sizes)), "MAX": max(values)}[norm]
    return [f32(value / total) if total else value for value in values]


def products(values: list[float], weights: list[list[float]], offsets: list[float]) -> list[float]:
    """One sum of products a list of weights, plus its offset."""
    return [
        sum(w * v for w, v in zip(row, values, strict=True)) + offset
        for row, offset in zip(weights, offsets, strict=True)
    ]


def linear(values: list[float], weights: list[list[float]], offsets: list[float]) -> list[float]:
    """As products, rounded to float32."""
    return [f32(total) for total in products(values, weights, offsets)]


def one_hot(value: Any, categories: list[Any], strict: bool) -> list[float]:
    """1.0 at the value's category and 0.0 at the others; raises ValueError for no category where that is an error."""
    if strict and value not in categories:
        raise ValueError(f"unknown category {value!r}")
    return [1.0 if value == category else 0.0 for category in categories]


def walk(tree: list[Any], values: list[float], strict: bool) -> list[float]:
    """The leaf of a tree: nodes are (feature, threshold, is NaN a yes, node if yes, node if no), leaves lists."""
    node = tree[0]
    while isinstance(node, tuple):
        feature, threshold, missing, yes, no = node
        value = values[feature]
        holds = missing if value != value else (value < threshold if strict else value <= threshold)
        node = tree[yes if holds else no]
    leaf: list[float] = node
    return leaf


def lower_case(text: str) -> str:
    """Letters that have one small letter become it."""
    return "".join(c.lower() if len(c.lower()) == 1 else c for c in text)


def upper_case(text: str) -> str:
    """Letters that have one capital letter become it."""
    return "".join(c.upper() if len(c.upper()) == 1 else c for c in text)


def murmur3(text: str, seed: int) -> int:
    """MurmurHash3 of 32 bits over the text's UTF-8."""
    data, h = text.encode(), seed
    for at in range(0, len(data), 4):
        k = int.from_bytes(data[at : at + 4], "little") * 0xCC9E2D51 & 0xFFFFFFFF
        h ^= (k << 15 | k >> 17) * 0x1B873593 & 0xFFFFFFFF
        if at + 4 <= len(data):
            h = ((h << 13 | h >> 19) & 0xFFFFFFFF) * 5 + 0xE6546B64 & 0xFFFFFFFF
    h ^= len(data)
    h = (h ^ h >> 16) * 0x85EBCA6B & 0xFFFFFFFF
    h = (h ^ h >> 13) * 0xC2B2AE35 & 0xFFFFFFFF
    return h ^ h >> 16


def take(dtype: str, value: Any) -> Any:
    """A field's value as the model takes it; raises ValueError for another type."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if dtype == "timestamp" and not isinstance(value, int):
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        if not isinstance(moment, datetime):
            raise ValueError
        apart = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - datetime(1970, 1, 1, tzinfo=UTC)
        return (apart.days * 86_400 + apart.seconds) * 1_000_000 + apart.microseconds
    number = dtype in ("float64", "float32")
    kinds: dict[str, tuple[type, ...]] = {"utf8": (str,), "bool": (bool,)}
    if type(value) not in ((float, int) if number else kinds.get(dtype, (int,))):
        raise ValueError
    if dtype in ("int64", "timestamp") and int64(value) != value:
        raise ValueError
    return (float(value) if dtype == "float64" else f32(value)) if number else value


def check_row(row: dict[str, Any], fields: dict[str, tuple[str, bool]]) -> dict[str, Any]:
    """The row's values by field, None where one is missing; raises ValueError that names every problem."""
    problems = [f"unknown field {name!r}" for name in row if name not in fields]
    values: dict[str, Any] = {}
    for name, (dtype, optional) in fields.items():
        value = row.get(name)
        if isinstance(value, list) and value == [None]:
            value = None
        try:
            values[name] = None if value is None else take(dtype, value)
        except (ValueError, OverflowError):
            problems.append(f"field {name!r}: expected {dtype}, got {type(value).__name__} {value!r}")
        if value is None and not optional:
            problems.append(f"field {name!r}: expected {dtype}, got no value (required)")
    if problems:
        raise ValueError("; ".join(problems))
    return values
