"""Which classes of values are fine enough for what a schema asks of a feature."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from trueline.data_validation.example_level_leaves import LeafReader

if TYPE_CHECKING:
    from trueline.data_validation.options import StatsOptions
    from trueline.data_validation.plan import FeaturePlan

__all__ = ["leaf_reader"]

_SEMANTIC_VALUES = 100  # fewer values than these are never taken for text, times or images


def leaf_reader(feature: Any, plan: FeaturePlan, domains: Mapping[str, Any], options: StatsOptions) -> LeafReader:
    """The reader that is fine enough for all rules of a feature.

    Args:
        feature: the schema's, or None where it has none.
        plan: type of the statistics and how it is counted.
        domains: the schema's string domains.
        options: of the statistics.
    """
    domain = None if feature is None else feature.WhichOneof("domain_info")
    found = (_DOMAINS.get((plan.type, domain or "")) or _without_domain)(feature, plan, domains, options)
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


_Builder = Callable[[Any, Any, Mapping[str, Any], Any], LeafReader]
_EACH_VALUE = LeafReader("value", sets=False)


def _without_domain(feature: Any, plan: FeaturePlan, domains: Mapping[str, Any], options: StatsOptions) -> LeafReader:
    return LeafReader("floats") if plan.type == "FLOAT" else LeafReader()


def _language(feature: Any, plan: FeaturePlan, domains: Mapping[str, Any], options: StatsOptions) -> LeafReader:
    domain = feature.natural_language_domain
    constrained = domain.HasField("coverage") or domain.token_constraints
    return _EACH_VALUE if constrained else _without_domain(feature, plan, domains, options)


def _image(feature: Any, plan: FeaturePlan, domains: Mapping[str, Any], options: StatsOptions) -> LeafReader:
    domain = feature.image_domain
    if options.enable_semantic_domain_stats and domain.HasField("minimum_supported_image_fraction"):
        return _EACH_VALUE
    if domain.HasField("max_image_byte_size"):
        return LeafReader("sizes", (None, domain.max_image_byte_size))
    return LeafReader()


def _float_domain(feature: Any, plan: FeaturePlan, domains: Mapping[str, Any], options: StatsOptions) -> LeafReader:
    return LeafReader("floats" if plan.type == "FLOAT" else "float_texts", _bounds(feature.float_domain))


def _int_domain(feature: Any, plan: FeaturePlan, domains: Mapping[str, Any], options: StatsOptions) -> LeafReader:
    return LeafReader("integers" if plan.type == "INT" else "int_texts", _bounds(feature.int_domain))


def _int_bool(feature: Any, plan: FeaturePlan, domains: Mapping[str, Any], options: StatsOptions) -> LeafReader:
    return LeafReader("integers", (0, 1))


def _float_bool(feature: Any, plan: FeaturePlan, domains: Mapping[str, Any], options: StatsOptions) -> LeafReader:
    """Of a list the quantiles are looked at, which depend on how many there are of each value."""
    return _EACH_VALUE if plan.levels or len(plan.path) > 1 else LeafReader("booleans")


def _string_bool(feature: Any, plan: FeaturePlan, domains: Mapping[str, Any], options: StatsOptions) -> LeafReader:
    domain = feature.bool_domain
    return LeafReader("strings", known=(domain.true_value, domain.false_value))


def _string_domain(feature: Any, plan: FeaturePlan, domains: Mapping[str, Any], options: StatsOptions) -> LeafReader:
    named = feature.WhichOneof("domain_info") == "domain"
    domain = domains.get(feature.domain) if named else feature.string_domain
    if domain is None:
        return LeafReader("strings")
    # Values outside it would make the domain grow, and a domain must not hold more than 400.
    longest = None if len(domain.value) > _MOST_STRINGS else max(_MOST_STRINGS - len(domain.value), 1)
    return LeafReader("strings", known=tuple(domain.value), longest=longest)


_MOST_STRINGS = 400
_DOMAINS: Mapping[tuple[str, str], _Builder] = {
    ("FLOAT", "float_domain"): _float_domain,
    ("FLOAT", "bool_domain"): _float_bool,
    ("STRING", "float_domain"): _float_domain,
    ("INT", "int_domain"): _int_domain,
    ("STRING", "int_domain"): _int_domain,
    ("INT", "bool_domain"): _int_bool,
    ("STRING", "bool_domain"): _string_bool,
    ("STRING", "domain"): _string_domain,
    ("STRING", "string_domain"): _string_domain,
    ("INT", "natural_language_domain"): _language,
    ("STRING", "natural_language_domain"): _language,
    ("BYTES", "natural_language_domain"): _language,
    ("STRING", "image_domain"): _image,
    ("BYTES", "image_domain"): _image,
}
