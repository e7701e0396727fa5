"""Single made-up values: by type and domain, one after the other from a stream of random numbers."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

import numpy as np

from trueline._core.errors import SchemaError

__all__ = ["drawer", "few"]

_GREATEST_FLOAT = float(np.finfo(np.float32).max)
_FREE_INTS, _FREE_FLOATS = (0, 999), (-100.0, 100.0)
_WORDS = ("amber", "birch", "cedar", "dune", "elm", "fjord", "grove", "heath", "inlet", "juniper", "kelp", "lagoon")
_PIXEL = bytes.fromhex(  # a PNG of one pixel
    "89504e470d0a1a0a0000000d4948445200000001000000010804000000b51c0c020000000b4944415478da63"
    "64f80f00010501012718e3660000000049454e44ae426082"
)


def few(draw: Callable[[], Any], limits: Any, rng: np.random.Generator) -> Callable[[], Any]:
    """As many distinct values as the unique constraints allow, each of them met early."""
    wanted = max(int(limits.min), min(int(limits.max) or 20, 20), 1)
    pool: list[Any] = []
    for _ in range(1000 * wanted):
        if len(pool) == wanted:
            break
        value = draw()
        if value not in pool:
            pool.append(value)
    if len(pool) < limits.min:
        raise SchemaError(f"its domain has {len(pool)} values, at least {limits.min} must differ")
    waiting = list(pool)
    return lambda: waiting.pop() if waiting else pool[int(rng.integers(len(pool)))]


def drawer(schema: Any, feature: Any, rng: np.random.Generator) -> Callable[[], Any]:
    """One value after the other, by the feature's domain and type."""
    from tensorflow_metadata.proto.v0 import schema_pb2

    kind = schema_pb2.FeatureType.Name(feature.type)
    which = feature.WhichOneof("domain_info")
    if which in _DOMAINS:
        return _DOMAINS[which](schema, feature, rng, kind)
    free: dict[str, Callable[[], Any]] = {
        "INT": lambda: int(rng.integers(_FREE_INTS[0], _FREE_INTS[1] + 1)),
        "FLOAT": lambda: float(rng.uniform(*_FREE_FLOATS)),
        "BYTES": lambda: " ".join(_WORDS[int(k)] for k in rng.integers(0, len(_WORDS), 2)),
    }
    if kind not in free:
        raise SchemaError("it has no type")
    return free[kind]


def _cast(value: float, kind: str) -> Any:
    return {"INT": int, "FLOAT": float, "BYTES": str}[kind](value)


def _from_int(schema: Any, feature: Any, rng: np.random.Generator, kind: str) -> Callable[[], Any]:
    domain = feature.int_domain
    low = (
        int(domain.min)
        if domain.HasField("min")
        else min(_FREE_INTS[0], int(domain.max) if domain.HasField("max") else 0)
    )
    high = int(domain.max) if domain.HasField("max") else min(max(_FREE_INTS[1], low + 100), 2**63 - 1)
    _check_range(low, high)
    return lambda: _cast(int(rng.integers(low, high, endpoint=True)), kind)


def _from_float(schema: Any, feature: Any, rng: np.random.Generator, kind: str) -> Callable[[], Any]:
    domain = feature.float_domain
    low = domain.min if domain.HasField("min") else min(_FREE_FLOATS[0], domain.max if domain.HasField("max") else 0.0)
    high = domain.max if domain.HasField("max") else max(_FREE_FLOATS[1], low + 100.0)
    _check_range(low, high)
    low, high = (min(max(x, -_GREATEST_FLOAT), _GREATEST_FLOAT) for x in (low, high))  # a domain may end at infinity

    def draw() -> Any:
        value = min(max(float(np.float32(rng.uniform(low, high))), low), high)
        return int(value) if kind == "INT" else _cast(value, kind)

    return draw


def _check_range(low: float, high: float) -> None:
    if low > high:
        raise SchemaError(f"its domain is empty: from {low} to {high}")


def _from_bool(schema: Any, feature: Any, rng: np.random.Generator, kind: str) -> Callable[[], Any]:
    domain = feature.bool_domain
    if kind == "BYTES":
        labels = [getattr(domain, name) for name in ("true_value", "false_value") if domain.HasField(name)]
        if not labels:
            raise SchemaError("its bool domain names no value")
        return lambda: labels[int(rng.integers(len(labels)))]
    return lambda: _cast(int(rng.integers(2)), kind)


def _from_strings(schema: Any, feature: Any, rng: np.random.Generator, kind: str) -> Callable[[], Any]:
    if feature.WhichOneof("domain_info") == "string_domain":
        values = list(feature.string_domain.value)
    else:
        values = [v for domain in schema.string_domain if domain.name == feature.domain for v in domain.value]
    if not values:
        raise SchemaError("its string domain has no value")
    return lambda: values[int(rng.integers(len(values)))]


def _from_time(schema: Any, feature: Any, rng: np.random.Generator, kind: str) -> Callable[[], Any]:
    domain = feature.time_domain
    if domain.WhichOneof("format") == "string_format":
        start = datetime.datetime(2015, 1, 1, tzinfo=datetime.UTC)
        return lambda: (start + datetime.timedelta(seconds=int(rng.integers(10 * 365 * 86400)))).strftime(
            domain.string_format
        )
    units = {1: 86400, 2: 1, 3: 10**-3, 4: 10**-6, 5: 10**-9}
    unit = units.get(domain.integer_format, 1)
    return lambda: _cast(int((1_420_070_400 + int(rng.integers(10 * 365 * 86400))) / unit), kind)


def _from_words(schema: Any, feature: Any, rng: np.random.Generator, kind: str) -> Callable[[], Any]:
    if kind == "INT":
        return lambda: int(rng.integers(len(_WORDS)))
    return lambda: " ".join(_WORDS[int(k)] for k in rng.integers(0, len(_WORDS), int(rng.integers(3, 9))))


_Drawer = Callable[[Any, Any, np.random.Generator, str], Callable[[], Any]]
_DOMAINS: dict[str | None, _Drawer] = {
    "int_domain": _from_int,
    "float_domain": _from_float,
    "bool_domain": _from_bool,
    "domain": _from_strings,
    "string_domain": _from_strings,
    "time_domain": _from_time,
    "time_of_day_domain": lambda schema, feature, rng, kind: lambda: _cast(int(rng.integers(86400)), kind),
    "natural_language_domain": _from_words,
    "image_domain": lambda schema, feature, rng, kind: lambda: _PIXEL,
    "mid_domain": lambda schema, feature, rng, kind: lambda: f"/m/{int(rng.integers(10**6)):06d}",
    "url_domain": lambda schema, feature, rng, kind: lambda: f"https://example.org/{int(rng.integers(10**6))}",
}
