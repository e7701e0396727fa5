"""Rules about strings and bytes: is every value in its domain, is it text, is it an image of a known kind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from trueline.data_validation.rules import Case, Rule, many, shorten

__all__ = ["STRING_RULES", "string_domain"]


def string_domain(case: Case) -> Any | None:
    """The string domain that holds for the feature, its own or the schema's."""
    if case.domain == "string_domain":
        return case.feature.string_domain
    if case.domain != "domain":
        return None
    return case.index.domains.get(case.feature.domain)


def _invalid_utf8(case: Case) -> list[str]:
    string = case.view.string
    if string_domain(case) is None or string is None or not string.invalid_utf8_count:
        return []
    return [f"{many(string.invalid_utf8_count, 'value')} cannot be read as UTF-8 text."]


def _drop_strings(case: Case) -> None:
    """Takes the domain off the feature, and out of the schema where no other feature uses it."""
    name = case.feature.domain
    if case.domain == "domain" and name in case.index.domains and case.index.users(name) == 1:
        case.index.drop_domain(name)
    if case.domain is not None:
        case.feature.ClearField(case.domain)
        case.feature.ClearField("distribution_constraints")  # they are about a domain


def _unknown_strings(case: Case) -> list[tuple[str, float]]:
    """Values outside the domain and their counts, in order, if their share is more than the schema allows."""
    domain = string_domain(case)
    if domain is None:
        return []
    known = set(domain.value)
    wrong = sorted((label, count) for label, count in case.view.counts.items() if label not in known)
    constraint = case.feature.distribution_constraints
    mass = constraint.min_domain_mass if case.feature.HasField("distribution_constraints") else 1.0
    total = case.view.total_values
    share = sum(count for _, count in wrong) / total if total else 1.0
    allowed = mass < 1.0 and np.float32(share) <= np.float32(1.0 - mass)
    return [] if allowed else wrong


def _unexpected_strings(case: Case) -> list[str]:
    wrong, total = _unknown_strings(case), case.view.total_values
    if not wrong:
        return []
    listed = [f"{label!r} ({_percent(count / total if total else 0.0)})" for label, count in wrong]
    return [f"Values that are not in the schema's domain: {shorten(listed)}."]


def _percent(share: float) -> str:
    return f"~{round(share * 100)}%" if share >= 0.01 else "<1%"


def _add_strings(case: Case) -> None:
    wrong = [label for label, _ in _unknown_strings(case)]
    if case.domain == "domain":
        case.index.extend_domain(case.feature.domain, wrong)
    else:
        case.feature.string_domain.value.extend(wrong)


def _domain_overgrown(case: Case) -> list[str]:
    domain = string_domain(case)
    if domain is None or len(domain.value) <= case.max_domain:
        return []
    return [f"The domain would hold {len(domain.value)} values, more than {case.max_domain}."]


def _image_share(case: Case) -> float | None:
    found = case.view.custom("image_format_histogram")
    if case.domain != "image_domain" or not found:
        return None
    counts = {b.label: b.sample_count for b in found[0].rank_histogram.buckets}
    total = sum(counts.values())
    return 1.0 - counts.get("UNKNOWN", 0.0) / total if total else None


def _few_images(case: Case) -> list[str]:
    share, wanted = _image_share(case), case.feature.image_domain.minimum_supported_image_fraction
    if share is None or np.float32(share) >= np.float32(wanted):  # the bound is a float, the share a double
        return []
    return [f"{share:.6g} of the values are images of a known format, at least {wanted:g} are expected."]


def _mend_few_images(case: Case) -> None:
    case.feature.image_domain.minimum_supported_image_fraction = _image_share(case) or 0.0


def _big_images(case: Case) -> list[str]:
    domain = case.feature.image_domain
    if case.domain != "image_domain" or not domain.HasField("max_image_byte_size"):
        return []
    size = case.view.proto.bytes_stats.max_num_bytes_int if case.view.type == "BYTES" else 0
    if size <= domain.max_image_byte_size:
        return []
    return [f"The largest image has {size} bytes, at most {domain.max_image_byte_size} are expected."]


def _mend_big_images(case: Case) -> None:
    case.feature.image_domain.max_image_byte_size = case.view.proto.bytes_stats.max_num_bytes_int


STRING_RULES: Sequence[Rule] = (
    Rule("ENUM_TYPE_INVALID_UTF8", "No UTF-8", _invalid_utf8, _drop_strings),
    Rule("ENUM_TYPE_UNEXPECTED_STRING_VALUES", "Unexpected values", _unexpected_strings, _add_strings),
    Rule("INVALID_DOMAIN_SPECIFICATION", "Domain too large", _domain_overgrown, _drop_strings),
    Rule("LOW_SUPPORTED_IMAGE_FRACTION", "Too few images", _few_images, _mend_few_images),
    Rule("MAX_IMAGE_BYTE_SIZE_EXCEEDED", "Image too large", _big_images, _mend_big_images),
)
"""Asked of every present feature, after the other rules of its domain."""
