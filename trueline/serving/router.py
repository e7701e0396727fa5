"""The traffic rule of one model over the versions that are available now: from a key to a version.

A router belongs to one routing table and is as immutable as that: when a version comes or goes, or a weight changes,
there is a new one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from trueline._core.values import PRESENT
from trueline.serving.traffic import Traffic, chosen, number_of, unit

if TYPE_CHECKING:
    from trueline._core.feed_blocks import Packed
    from trueline._core.runtime import ModelRuntime
    from trueline.serving.versions import Version

__all__ = ["Router", "key_in"]


class Router:
    """Who answers, and who is asked too.

    Args:
        model: the model's name, which salts the hash: splits of different models are independent.
        traffic: the rule.
        versions: the available versions.
        labels: version number by label.
        default: what answers where no target is available.

    Attributes:
        model: as given.
        feature: the feature that holds the sticky key, or "".
        shadow: the challenger's name in the rule, or "".
        missing: numbers of the versions that requests are split among and that are not available.
        told: what somebody was told about already.
    """

    __slots__ = (
        "_default",
        "_fraction",
        "_there",
        "_versions",
        "_weights",
        "feature",
        "missing",
        "model",
        "shadow",
        "told",
    )

    def __init__(
        self,
        model: str,
        traffic: Traffic,
        versions: Mapping[int, Version],
        labels: Mapping[str, int],
        default: Version | None,
    ) -> None:
        self.model = model
        self.feature = traffic.key_feature
        self.shadow = traffic.shadow.to if traffic.shadow is not None else ""
        self.told: set[str] = set()
        self._fraction = traffic.shadow.fraction if traffic.shadow is not None else 0.0
        self._default = default
        targets = [*traffic.split, *([self.shadow] if self.shadow else [])]
        numbers = {target: number_of(target, labels) for target in targets}
        self._versions = {t: versions[n] for t, n in numbers.items() if n is not None and n in versions}
        self._weights = tuple(traffic.split.items())
        self.missing = tuple(n for t, w in self._weights if w and (n := numbers[t]) is not None and n not in versions)
        self._there = tuple((t, w) for t, w in self._weights if t in self._versions)

    def choose(self, key: str) -> tuple[Version | None, str]:
        """The version of a key, and the target that should have answered but is not available, or "".

        In its place another target answers, by the weights of those that are there; the default only where none is.
        """
        if not self._weights:
            return self._default, ""
        target = chosen(self._weights, self.model, key)
        if target is None or target in self._versions:
            return (self._default, "") if target is None else (self._versions[target], "")
        other = chosen(self._there, self.model, key)
        return (self._default if other is None else self._versions[other]), target

    def shadows(self, request_id: str) -> bool:
        """Whether a request is one of those that are copied: by the hash that samples the prediction log."""
        return bool(self.shadow) and unit("", request_id) < self._fraction

    @property
    def challenger(self) -> Version | None:
        """The version that is asked too, while it is available."""
        return self._versions.get(self.shadow)


def key_in(runtime: ModelRuntime, packed: Packed, feature: str) -> tuple[bool, str | None]:
    """Whether the model's graph reads such a scalar feature, and its value in the first row as text, or None."""
    arrays: Mapping[str, Any] = runtime.graph.feeds.unpack(packed)
    values = arrays.get(feature)
    if values is None or values.ndim != 1:
        return False, None
    present = arrays.get(feature + PRESENT)
    there = len(values) > 0 and (present is None or bool(present[0]))
    return True, str(values[0]) if there else None
