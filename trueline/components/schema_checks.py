"""What contradicts itself in a schema that a person wrote: all of it, before anything is checked by it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from trueline._core.errors import did_you_mean

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import schema_pb2

__all__ = ["schema_problems"]

_DOMAINS = ("string_domain", "int_domain", "float_domain")


def schema_problems(schema: schema_pb2.Schema) -> list[str]:
    """Sentences on features without a name or with a name twice, domains that do not exist, and empty ranges.

    Nested features are named by their path, as in ``address.city``.
    """
    domains = {kind: [domain.name for domain in getattr(schema, kind)] for kind in _DOMAINS}
    problems = [] if schema.feature or schema.sparse_feature else ["it declares no feature"]
    for kind, names in domains.items():
        problems += [f"{kind} {name!r} is declared {count} times" for name, count in _repeated(names)]
    known = [name for names in domains.values() for name in names]
    for where, features in _levels(schema.feature, ""):
        paths = [f"{where}{feature.name}" for feature in features]
        problems += [f"feature {name!r} is declared {count} times" for name, count in _repeated(paths)]
        for path, feature in zip(paths, features, strict=True):
            problems += [f"feature {path!r}: {problem}" for problem in _of_feature(feature, known)]
    for domain in (*schema.int_domain, *schema.float_domain):
        if domain.HasField("min") and domain.HasField("max") and domain.min > domain.max:
            problems.append(f"domain {domain.name!r} is empty: min {domain.min} is above max {domain.max}")
    return problems


def _levels(features: Sequence[Any], where: str) -> Iterator[tuple[str, Sequence[Any]]]:
    yield where, features
    for feature in features:
        if feature.HasField("struct_domain"):
            yield from _levels(feature.struct_domain.feature, f"{where}{feature.name}.")


def _repeated(names: Sequence[str]) -> list[tuple[str, int]]:
    return [(name, count) for name, count in Counter(names).items() if count > 1]


def _of_feature(feature: Any, domains: Sequence[str]) -> list[str]:
    problems = [] if feature.name else ["it has no name"]
    if feature.HasField("domain") and feature.domain not in domains:
        problems.append(f"its domain {feature.domain!r} does not exist. {did_you_mean(feature.domain, domains)}")
    for kind in ("int_domain", "float_domain"):
        if feature.HasField(kind):
            domain = getattr(feature, kind)
            if domain.HasField("min") and domain.HasField("max") and domain.min > domain.max:
                problems.append(f"its {kind} is empty: min {domain.min} is above max {domain.max}")
    if feature.HasField("value_count"):
        count = feature.value_count
        if count.HasField("min") and count.HasField("max") and count.min > count.max:
            problems.append(f"its value_count is empty: min {count.min} is above max {count.max}")
    if feature.HasField("presence") and not 0 <= feature.presence.min_fraction <= 1:
        problems.append(f"its min_fraction is {feature.presence.min_fraction:g}; give a share from 0 to 1")
    return problems
