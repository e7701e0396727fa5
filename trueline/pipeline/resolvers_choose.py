"""Choosing by anything but the span: pure functions from candidates to candidates.

Candidates come in with those first that a run put out last, and keep that order where nothing else is said.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from typing import Any

from trueline._core.errors import ArtifactError
from trueline.pipeline.resolvers_candidates import Candidate, property_of, value_of

__all__ = [
    "filter_custom_property_equal",
    "filter_property_equal",
    "latest",
    "latest_created",
    "latest_pipeline_run_outputs",
    "newest_by_property",
    "pick",
    "pick_range",
    "shuffle",
]


def latest(found: Sequence[Candidate], n: int = 1) -> list[Candidate]:
    """The n that a run put out last, the last first."""
    return list(found[:n])


def latest_created(found: Sequence[Candidate], n: int = 1) -> list[Candidate]:
    """The n that were made last (taken from the cache does not count), the last first."""
    return sorted(found, key=lambda item: (item.artifact.created, item.artifact.id or 0), reverse=True)[:n]


def newest_by_property(
    found: Sequence[Candidate], property: str, order: str = "descending", n: int = 1
) -> list[Candidate]:
    """The n with the largest (or, ascending, the smallest) value of a property; of equal ones the last put out.

    Artifacts without the property, or with NaN there, are left out: an unknown value wins nothing.

    Raises:
        ArtifactError: some values are numbers and some are text.
    """
    valued = [(value, item) for item in found if _ranks(value := property_of(item.artifact, property))]
    kinds = {isinstance(value, str): item.artifact.id for value, item in valued}
    if len(kinds) > 1:
        raise ArtifactError(
            f"property {property!r} is a number in artifact {kinds[False]} and text in artifact {kinds[True]}",
            hint="leave the ones out that are not meant, with where= or producer=.",
        )
    return [item for _, item in sorted(valued, key=lambda pair: pair[0], reverse=order == "descending")][:n]


def _ranks(value: Any) -> bool:
    return isinstance(value, int | str) or (isinstance(value, float) and not math.isnan(value))


def filter_property_equal(found: Sequence[Candidate], key: str, value: Any) -> list[Candidate]:
    """Those whose declared property has exactly this value."""
    return [item for item in found if _same(item.artifact.properties.get(key), value)]


def filter_custom_property_equal(found: Sequence[Candidate], key: str, value: Any) -> list[Candidate]:
    """Those whose custom property has exactly this value."""
    return [item for item in found if _same(item.artifact.custom_properties.get(key), value)]


def _same(stored: Any, wanted: Any) -> bool:
    stored = value_of(stored)
    return stored is not None and isinstance(stored, bool) == isinstance(wanted, bool) and bool(stored == wanted)


def pick(found: Sequence[Candidate], i: int) -> list[Candidate]:
    """The one at that place, counted from the end where it is negative; nothing beyond the ends."""
    return [found[i]] if -len(found) <= i < len(found) else []


def pick_range(found: Sequence[Candidate], start: int | None = None, stop: int | None = None) -> list[Candidate]:
    """A slice, as Python takes it."""
    return list(found[start:stop])


def shuffle(found: Sequence[Candidate], seed: int = 0) -> list[Candidate]:
    """In an order that depends on the seed and on how many there are alone, so that a run can be repeated."""
    mixed = list(found)
    random.Random(seed).shuffle(mixed)  # noqa: S311
    return mixed


def latest_pipeline_run_outputs(found: Mapping[str, Sequence[Candidate]]) -> dict[str, list[Candidate]]:
    """What one run put out: the last run that put out something for every output."""
    if not found:
        return {}
    shared = set.intersection(*({item.run_id for item in items} for items in found.values())) - {None}
    first = next(iter(found.values()))
    run_id = next((item.run_id for item in first if item.run_id in shared), None)
    return {
        key: [item for item in items if run_id is not None and item.run_id == run_id] for key, items in found.items()
    }
