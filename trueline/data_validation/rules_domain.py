"""Rules about the values of a feature: does the domain suit the type, and do the data lie in it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from trueline.data_validation.inference import parse_domain_info, parse_int
from trueline.data_validation.rules import Case, Rule, many, shorten
from trueline.data_validation.rules_strings import string_domain

__all__ = ["DOMAIN_RULES"]

# Which statistics' types a domain may describe.
_TYPES = {
    "domain": {"STRING"},
    "string_domain": {"STRING"},
    "bool_domain": {"INT", "STRING", "FLOAT"},
    "int_domain": {"INT", "STRING"},
    "float_domain": {"FLOAT", "STRING"},
    "struct_domain": {"STRUCT"},
    "natural_language_domain": {"STRING", "BYTES", "INT"},
    "image_domain": {"STRING", "BYTES"},
    "mid_domain": {"STRING"},
    "url_domain": {"STRING", "BYTES"},
    "time_domain": {"INT", "STRING"},
    "time_of_day_domain": {"INT", "STRING"},
}


def _clear_domain(case: Case) -> None:
    if case.domain is not None:
        case.feature.ClearField(case.domain)
        case.feature.ClearField("distribution_constraints")  # they are about a domain


def _domain_unknown(case: Case) -> list[str]:
    if case.domain != "domain" or string_domain(case) is not None:
        return []
    names = list(case.index.domains)
    return [f"The schema has no string domain {case.feature.domain!r}; it has: {shorten(names) or 'none'}."]


def _domain_unfit(case: Case) -> list[str]:
    if case.domain is None or case.view.type in _TYPES.get(case.domain, {case.view.type}):
        return []
    return [f"The schema's {case.domain} does not suit data of type {case.view.type}."]


def _distribution_unfit(case: Case) -> list[str]:
    if not case.feature.HasField("distribution_constraints") or case.domain in ("domain", "string_domain"):
        return []
    return ["distribution_constraints need a string domain."]


def _drop_distribution(case: Case) -> None:
    case.feature.ClearField("distribution_constraints")


def _suggestion(case: Case) -> list[str]:
    if case.domain is not None or parse_domain_info(case.view) is None:
        return []
    return [f"The data look like {case.view.custom('domain_info')[0].str}, the schema gives no domain."]


def _mend_suggestion(case: Case) -> None:
    found = parse_domain_info(case.view)
    if found is not None:
        getattr(case.feature, found[0]).CopyFrom(found[1])
        getattr(case.feature, found[0]).SetInParent()


def _integers(case: Case) -> tuple[int, int] | None:
    """Least and greatest integer of the data: numbers, or strings that spell integers."""
    if case.view.numeric is not None and case.view.type == "INT":
        # Statistics are floats: the greatest integer, 2**63 - 1, is 2**63 there.
        least, greatest = (min(int(x), 2**63 - 1) for x in (case.view.numeric.min, case.view.numeric.max))
        return least, greatest
    parsed = [n for label in case.view.counts if (n := parse_int(label)) is not None]
    return (min(parsed), max(parsed)) if parsed else None


def _bool_small(case: Case) -> list[str]:
    found = _integers(case) if case.domain == "bool_domain" and case.view.type == "INT" else None
    return [] if found is None or found[0] >= 0 else [f"The least value is {found[0]}, a boolean is 0 or 1."]


def _bool_big(case: Case) -> list[str]:
    found = _integers(case) if case.domain == "bool_domain" and case.view.type == "INT" else None
    return [] if found is None or found[1] <= 1 else [f"The greatest value is {found[1]}, a boolean is 0 or 1."]


def _bool_to_int(case: Case) -> None:
    found = _integers(case)
    if found is not None:
        case.feature.int_domain.min, case.feature.int_domain.max = found


def _bool_string(case: Case) -> list[str]:
    if case.domain != "bool_domain" or case.view.type != "STRING":
        return []
    domain = case.feature.bool_domain
    allowed = {getattr(domain, name) for name in ("true_value", "false_value") if domain.HasField(name)}
    wrong = [repr(label) for label in sorted(case.view.counts) if label not in allowed]
    if not wrong:
        return []
    return [f"There are {shorten(wrong)}, the schema allows {shorten(sorted(map(repr, allowed))) or 'nothing'}."]


def _bool_float(case: Case) -> list[str]:
    numeric = case.view.numeric
    if case.domain != "bool_domain" or case.view.type != "FLOAT" or numeric is None:
        return []
    if numeric.min not in (0, 1) or numeric.max not in (0, 1):
        return [f"Values go from {numeric.min:g} to {numeric.max:g}, a boolean is 0 or 1."]
    if case.view.num_nan:
        return [f"There {_nan(case)}, a boolean is 0 or 1."]
    quantiles = case.view.histogram("QUANTILES")
    between = quantiles is not None and any(
        b.sample_count and (0 < b.low_value < 1 or 0 < b.high_value < 1) for b in quantiles.buckets
    )
    return ["There are values between 0 and 1, a boolean is one of them."] if between else []


def _bool_to_float(case: Case) -> None:
    numeric: Any = case.view.numeric
    case.feature.float_domain.min, case.feature.float_domain.max = numeric.min, numeric.max


def _int_strings(case: Case) -> list[str]:
    if case.domain != "int_domain" or case.view.type == "INT":
        return []
    wrong = [repr(label) for label in sorted(case.view.counts) if parse_int(label) is None]
    return [f"The schema expects integers as text, there are {shorten(wrong)}."] if wrong else []


def _int_small(case: Case) -> list[str]:
    domain = case.feature.int_domain
    found = _integers(case) if case.domain == "int_domain" else None
    if found is None or not domain.HasField("min") or found[0] >= domain.min:
        return []
    return [f"The least value is {found[0]}, at least {domain.min} is expected."]


def _int_big(case: Case) -> list[str]:
    domain = case.feature.int_domain
    found = _integers(case) if case.domain == "int_domain" else None
    if found is None or not domain.HasField("max") or found[1] <= domain.max:
        return []
    return [f"The greatest value is {found[1]}, at most {domain.max} is expected."]


def _set_int(end: str, index: int) -> Any:
    def mend(case: Case) -> None:
        found = _integers(case)
        if found is not None:
            setattr(case.feature.int_domain, end, found[index])

    return mend


def _parse_float(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _floats(case: Case) -> tuple[float, float] | None:
    """Least and greatest number of the data, NaN left out, in the single precision of a `FloatDomain`."""
    with np.errstate(over="ignore"):
        if case.view.numeric is not None and case.view.type == "FLOAT":
            return float(np.float32(case.view.numeric.min)), float(np.float32(case.view.numeric.max))
        parsed = [x for label in case.view.counts if (x := _parse_float(label)) is not None and not math.isnan(x)]
        return (float(np.float32(min(parsed))), float(np.float32(max(parsed)))) if parsed else None


def _float_strings(case: Case) -> list[str]:
    if case.domain != "float_domain" or case.view.type == "FLOAT":
        return []
    wrong = [repr(label) for label in sorted(case.view.counts) if _parse_float(label) is None]
    return [f"The schema expects numbers as text, there are {shorten(wrong)}."] if wrong else []


def _float_small(case: Case) -> list[str]:
    domain = case.feature.float_domain
    found = _floats(case) if case.domain == "float_domain" else None
    if found is None or not domain.HasField("min") or found[0] >= domain.min:
        return []
    return [f"The least value is {found[0]:g}, at least {domain.min:g} is expected."]


def _float_big(case: Case) -> list[str]:
    domain = case.feature.float_domain
    found = _floats(case) if case.domain == "float_domain" else None
    if found is None or not domain.HasField("max") or found[1] <= domain.max:
        return []
    return [f"The greatest value is {found[1]:g}, at most {domain.max:g} is expected."]


def _set_float(end: str, index: int) -> Any:
    def mend(case: Case) -> None:
        found = _floats(case)
        if found is not None:
            setattr(case.feature.float_domain, end, found[index])

    return mend


def _nan(case: Case) -> str:
    return f"{'is' if case.view.num_nan == 1 else 'are'} {many(case.view.num_nan, 'NaN value')}"


def _float_nan(case: Case) -> list[str]:
    if case.domain != "float_domain" or not case.feature.float_domain.disallow_nan:
        return []
    spelled = [label for label in case.view.counts if math.isnan(_parse_float(label) or 0.0)]
    if case.view.num_nan:
        return [f"There {_nan(case)}, the schema allows none."]
    return (
        [f"There is text that spells NaN, {shorten(list(map(repr, spelled)))}; the schema allows none."]
        if spelled
        else []
    )


def _float_inf(case: Case) -> list[str]:
    if case.domain != "float_domain" or not case.feature.float_domain.disallow_inf:
        return []
    found = _floats(case)
    if found is None or not any(math.isinf(x) for x in found):
        return []
    return [f"Values go from {found[0]:g} to {found[1]:g}, the schema allows no infinite ones."]


def _allow(flag: str) -> Any:
    return lambda case: setattr(case.feature.float_domain, flag, False)


_SPEC = "Schema contradicts itself"

DOMAIN_RULES: Sequence[Rule] = (
    Rule("INVALID_DOMAIN_SPECIFICATION", "Domain unknown", _domain_unknown, _clear_domain),
    Rule("INVALID_SCHEMA_SPECIFICATION", _SPEC, _distribution_unfit, _drop_distribution),
    Rule("DOMAIN_INVALID_FOR_TYPE", "Domain does not suit the type", _domain_unfit, _clear_domain),
    Rule("SEMANTIC_DOMAIN_UPDATE", "Domain found", _suggestion, _mend_suggestion),
    Rule("BOOL_TYPE_SMALL_INT", "No boolean: too small", _bool_small, _bool_to_int),
    Rule("BOOL_TYPE_BIG_INT", "No boolean: too big", _bool_big, _bool_to_int),
    Rule("BOOL_TYPE_UNEXPECTED_STRING", "No boolean: other text", _bool_string, _clear_domain),
    Rule("BOOL_TYPE_UNEXPECTED_FLOAT", "No boolean: other numbers", _bool_float, _bool_to_float),
    Rule("INT_TYPE_NOT_INT_STRING", "Text that is no integer", _int_strings, _clear_domain),
    Rule("INT_TYPE_SMALL_INT", "Integer too small", _int_small, _set_int("min", 0)),
    Rule("INT_TYPE_BIG_INT", "Integer too big", _int_big, _set_int("max", 1)),
    Rule("FLOAT_TYPE_STRING_NOT_FLOAT", "Text that is no number", _float_strings, _clear_domain),
    Rule("FLOAT_TYPE_SMALL_FLOAT", "Number too small", _float_small, _set_float("min", 0)),
    Rule("FLOAT_TYPE_BIG_FLOAT", "Number too big", _float_big, _set_float("max", 1)),
    Rule("FLOAT_TYPE_HAS_NAN", "NaN", _float_nan, _allow("disallow_nan")),
    Rule("FLOAT_TYPE_HAS_INF", "Infinite", _float_inf, _allow("disallow_inf")),
)
"""Asked of every present feature, after its presence."""
