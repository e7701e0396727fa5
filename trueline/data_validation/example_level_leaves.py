"""Classes of single values: two values of one class are judged alike by every rule of a schema.

That is what makes it fast to judge every row on its own: the rules are asked once for each class, not for each row. A
class is finer than the rules need, never coarser: where rules look at more than a few bounds, every value is a class of
its own.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline.data_validation.arrow_numpy import to_numpy
from trueline.data_validation.inference import parse_int
from trueline.data_validation.text import LONG

if TYPE_CHECKING:
    import pyarrow as pa

    from trueline.data_validation.options import StatsOptions
    from trueline.data_validation.plan import FeaturePlan

__all__ = ["LeafReader", "leaf_reader"]

Codes = npt.NDArray[np.int64]
_SEMANTIC_VALUES = 100  # fewer values than these are never taken for text, times or images


@dataclass(frozen=True)
class LeafReader:
    """Puts the values of one feature into classes.

    Attributes:
        kind: a key of the table of readers; ``value``: every value is a class of its own.
        bounds: least and greatest value that the schema allows, None for none.
        known: the values of the string domain.
        sets: whether a list is judged by which classes it holds, not by how many of each.
        longest: lists of more values are not put into classes, each is judged alone.
    """

    kind: str = "plain"
    bounds: tuple[Any, Any] = (None, None)
    known: tuple[str, ...] = ()
    sets: bool = True
    longest: int | None = None

    def read(self, values: pa.Array) -> tuple[Codes, Sequence[Hashable]]:
        """The class of each value, as a place in the list of classes; values hold no nulls."""
        if self.kind == "plain":
            return np.zeros(len(values), np.int64), ("any",)
        return _READERS[self.kind](self, values)


def _floats(reader: LeafReader, values: pa.Array) -> tuple[Codes, Sequence[Hashable]]:
    """Where a number lies in the single precision of a `FloatDomain`, and whether it is a number."""
    low, high = reader.bounds
    wide = np.asarray(to_numpy(values), np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        narrow = wide.astype(np.float32).astype(np.float64)
        codes = np.zeros(len(wide), np.int64)
        if low is not None:
            codes += narrow < low
        if high is not None:
            codes += 2 * (narrow > high)
        codes += 4 * np.isnan(wide) + 8 * np.isinf(wide) + 16 * np.isinf(narrow) + 32 * np.signbit(wide)
    return codes, range(64)


def _integers(reader: LeafReader, values: pa.Array) -> tuple[Codes, Sequence[Hashable]]:
    low, high = reader.bounds
    found = np.asarray(to_numpy(values), np.int64)
    codes = np.zeros(len(found), np.int64)
    if low is not None:
        codes += found < low
    if high is not None:
        codes += 2 * (found > high)
    return codes, range(4)


def _strings(reader: LeafReader, values: pa.Array) -> tuple[Codes, Sequence[Hashable]]:
    """Whether a text is in the domain, long, or no text at all."""
    known = frozenset(text.encode() for text in reader.known)

    def classify(value: str | bytes) -> int:
        data = value.encode() if isinstance(value, str) else value
        return int(data in known) + 2 * (len(data) > LONG) + 4 * (isinstance(value, bytes) and not _is_text(value))

    return _by_distinct(values, classify), range(8)


def _int_texts(reader: LeafReader, values: pa.Array) -> tuple[Codes, Sequence[Hashable]]:
    def classify(value: str | bytes) -> int:
        number = None if len(value) > LONG else parse_int(_label(value))
        return _beyond(number, reader.bounds) + 4 * (number is None) + 8 * (len(value) > LONG // 4)

    return _by_distinct(values, classify), range(16)


def _by_distinct(values: pa.Array, classify: Callable[[Any], int]) -> Codes:
    """The class of each value, asked once for each distinct one."""
    import pyarrow as pa
    import pyarrow.compute as pc

    encoded = values if pa.types.is_dictionary(values.type) else pc.dictionary_encode(values)
    found = np.fromiter((classify(value) for value in encoded.dictionary.to_pylist()), np.int64)
    return found[to_numpy(encoded.indices)] if len(found) else np.zeros(len(values), np.int64)


def _beyond(number: float | None, bounds: tuple[Any, Any]) -> int:
    low, high = bounds
    if number is None:
        return 0
    return int(low is not None and number < low) + 2 * int(high is not None and number > high)


def _label(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("utf-8", "replace")


def _is_text(value: bytes) -> bool:
    try:
        value.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _values(reader: LeafReader, values: pa.Array) -> tuple[Codes, Sequence[Hashable]]:
    import pyarrow as pa
    import pyarrow.compute as pc

    encoded = values if pa.types.is_dictionary(values.type) else pc.dictionary_encode(values)
    distinct = encoded.dictionary
    if pa.types.is_temporal(distinct.type):
        distinct = distinct.cast(pa.int64())
    # The text of a float tells 0.0 from -0.0 and equals itself where it is NaN.
    names = [repr(v) if isinstance(v, float) else v for v in distinct.to_pylist()]
    return to_numpy(encoded.indices).astype(np.int64), names


_READERS: Mapping[str, Callable[[LeafReader, Any], tuple[Codes, Sequence[Hashable]]]] = {
    "floats": _floats,
    "integers": _integers,
    "strings": _strings,
    "int_texts": _int_texts,
    "value": _values,
}


def leaf_reader(feature: Any, plan: FeaturePlan, domains: Mapping[str, Any], options: StatsOptions) -> LeafReader:
    """The reader that is fine enough for all rules of a feature.

    Args:
        feature: the schema's, or None where it has none.
        plan: type of the statistics and how it is counted.
        domains: the schema's string domains.
        options: of the statistics.
    """
    domain = None if feature is None else feature.WhichOneof("domain_info")
    found = (_DOMAINS.get((plan.type, domain or "")) or _without_domain)(feature, plan, domains)
    counted = plan.kind in ("string", "text", "bytes")
    if found.kind == "value":
        return found
    limits = [found.longest] if found.longest is not None else []
    if counted:
        # A longer list may hold values that the rank histogram has no room for.
        limits += [options.num_rank_histogram_buckets, options.max_distinct]
    if domain is None and options.enable_semantic_domain_stats:
        limits.append(_SEMANTIC_VALUES - 1)
    single = feature is None or not _asks_for_counts(feature)
    sets = single and (not counted or options.frequency_threshold <= 1)
    if not sets and (plan.levels or len(plan.path) > 1):
        return LeafReader("value", sets=False)
    return LeafReader(found.kind, found.bounds, found.known, sets, min(limits) if limits else None)


def _asks_for_counts(feature: Any) -> bool:
    """Whether rules look at how many of a row's values differ, or at their shares."""
    return bool(feature.HasField("unique_constraints") or feature.HasField("distribution_constraints"))


def _bounds(domain: Any) -> tuple[Any, Any]:
    return (
        domain.min if domain.HasField("min") else None,
        domain.max if domain.HasField("max") else None,
    )


def _without_domain(feature: Any, plan: FeaturePlan, domains: Mapping[str, Any]) -> LeafReader:
    constrained = feature is not None and feature.WhichOneof("domain_info") in (
        "image_domain",
        "natural_language_domain",
    )
    if constrained or plan.type == "STRUCT":
        return LeafReader("value", sets=False)
    return LeafReader("floats") if plan.type == "FLOAT" else LeafReader()


def _float_domain(feature: Any, plan: FeaturePlan, domains: Mapping[str, Any]) -> LeafReader:
    return LeafReader("floats", _bounds(feature.float_domain))


def _int_domain(feature: Any, plan: FeaturePlan, domains: Mapping[str, Any]) -> LeafReader:
    return LeafReader("integers" if plan.type == "INT" else "int_texts", _bounds(feature.int_domain))


def _int_bool(feature: Any, plan: FeaturePlan, domains: Mapping[str, Any]) -> LeafReader:
    return LeafReader("integers", (0, 1))


def _each_value(feature: Any, plan: FeaturePlan, domains: Mapping[str, Any]) -> LeafReader:
    return LeafReader("value", sets=False)


def _string_bool(feature: Any, plan: FeaturePlan, domains: Mapping[str, Any]) -> LeafReader:
    domain = feature.bool_domain
    return LeafReader("strings", known=(domain.true_value, domain.false_value))


def _string_domain(feature: Any, plan: FeaturePlan, domains: Mapping[str, Any]) -> LeafReader:
    named = feature.WhichOneof("domain_info") == "domain"
    domain = domains.get(feature.domain) if named else feature.string_domain
    if domain is None:
        return LeafReader("strings")
    # Values outside it would make the domain grow, and a domain must not hold more than 400.
    longest = None if len(domain.value) > _MOST_STRINGS else max(_MOST_STRINGS - len(domain.value), 1)
    return LeafReader("strings", known=tuple(domain.value), longest=longest)


_MOST_STRINGS = 400
_DOMAINS: Mapping[tuple[str, str], Callable[[Any, Any, Mapping[str, Any]], LeafReader]] = {
    ("FLOAT", "float_domain"): _float_domain,
    ("FLOAT", "bool_domain"): _each_value,
    ("STRING", "float_domain"): _each_value,
    ("INT", "int_domain"): _int_domain,
    ("STRING", "int_domain"): _int_domain,
    ("INT", "bool_domain"): _int_bool,
    ("STRING", "bool_domain"): _string_bool,
    ("STRING", "domain"): _string_domain,
    ("STRING", "string_domain"): _string_domain,
}
