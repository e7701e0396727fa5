"""How a model's requests are shared out among its versions: weights, sticky keys, and a shadow.

A key goes to the target with the largest ``weight / -ln(u)``, where ``u`` in (0, 1) is the hash of salt, key and
target: weighted rendezvous hashing (Thaler and Ravishankar 1998; the weights as Schindelhauer and Schomaker 2005). The
same key goes to the same target, in every process and on every machine; and a key moves from one target to another
only where the ratio of the two weights grew, so changing one weight moves no more than the share that has to move.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b

__all__ = ["Shadow", "Traffic", "chosen", "number_of", "unit"]

_SCALE = 2.0**-64


def unit(salt: str, *texts: str) -> float:
    """A number in (0, 1) that depends on the texts alone, evenly spread over different ones."""
    digest = blake2b("\0".join((salt, *texts)).encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return min((int.from_bytes(digest, "little") + 0.5) * _SCALE, 1.0 - 2.0**-53)


def chosen(weights: Iterable[tuple[str, float]], salt: str, key: str) -> str | None:
    """The target of a key, or None where no weight is above 0.

    Args:
        weights: targets with their weights, of any sum.
        salt: keys of different salts are shared out independently of each other.
        key: what is to go to the same target every time.
    """
    best = 0.0
    name: str | None = None
    for target, weight in weights:
        if weight > 0:
            score = weight / -math.log(unit(salt, key, target))
            if name is None or score > best:
                best, name = score, target
    return name


@dataclass(frozen=True)
class Shadow:
    """Requests that another version, the challenger, is asked too; its answers are compared and never sent.

    Attributes:
        to: the challenger: a label, or a version's number in digits.
        fraction: the share of the requests that are copied, from 0 to 1, by the hash of the request id.
    """

    to: str
    fraction: float = 1.0


@dataclass(frozen=True)
class Traffic:
    """What becomes of requests that name neither version nor label.

    Attributes:
        split: weight by target, a label or a version's number in digits, such as ``{"stable": 95, "canary": 5}``; if
            empty, the default version answers.
        key_feature: the feature whose value in a request's first row is the sticky key; "": the header
            ``x-routing-key`` (in gRPC the metadata of that name). Without a key the request id is it.
        shadow: a version that is asked too, or None.
    """

    split: Mapping[str, float] = field(default_factory=dict)
    key_feature: str = ""
    shadow: Shadow | None = None

    def problems(self, labels: Iterable[str] = ()) -> list[str]:
        """What is wrong with it for a model of these labels."""
        known = set(labels)
        found = []
        for target, weight in self.split.items():
            if not (isinstance(weight, int | float) and math.isfinite(weight) and weight >= 0):
                found.append(f"the weight of {target!r}: expected a number of 0 or more, got {weight!r}")
            found += _target_problems("split", target, known)
        if self.split and not found and not any(self.split.values()):
            found.append("split: expected a weight above 0")
        if self.shadow is not None:
            found += _target_problems("shadow", self.shadow.to, known)
            if not 0 <= self.shadow.fraction <= 1:
                found.append(f"shadow: expected a fraction from 0 to 1, got {self.shadow.fraction!r}")
        if not self.split and self.shadow is None:
            found.append("expected a split or a shadow")
        if self.key_feature and not self.split:
            found.append("key_feature: there is no split that it could be for")
        return found


def _target_problems(where: str, target: str, labels: set[str]) -> list[str]:
    if _is_number(target) or target in labels:
        return []
    return [f"{where}: {target!r} is no version's number and none of the labels: {', '.join(sorted(labels)) or 'none'}"]


def _is_number(target: str) -> bool:
    return target.isascii() and target.isdigit()


def number_of(target: str, labels: Mapping[str, int]) -> int | None:
    """The version's number that a target means now; None for a label that points nowhere."""
    return int(target[:20]) if _is_number(target) else labels.get(target)
