"""What is installed beside trueline, held to the bounds that its own package states."""

from __future__ import annotations

import importlib.metadata
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Needed", "Problem", "extras", "needed", "problem_of", "within"]

_REQUIREMENT = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[(?P<extras>[^\]]*)\])?\s*(?P<bounds>[^;]*?)\s*(?:;\s*(?P<marker>.*))?"
)
_BOUND = re.compile(r"(>=|<=|==|!=|~=|<|>)\s*([0-9A-Za-z.*+!-]+)")
_EXTRA = re.compile(r"extra\s*==\s*['\"]([^'\"]+)['\"]")
_ELSEWHERE = re.compile(r"sys_platform\s*!=\s*['\"]([^'\"]+)['\"]")


@dataclass(frozen=True)
class Needed:
    """A package that trueline or one of its extras asks for; `extra` is "" for the core."""

    name: str
    bounds: str
    extra: str
    parts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Problem:
    """What is wrong with an installed package; `found` is None where it is missing."""

    needed: Needed
    found: str | None

    @property
    def sentence(self) -> str:
        """For people."""
        if self.found is None:
            return f"{self.needed.name} is missing"
        return f"{self.needed.name} is {self.found}, {self.needed.bounds} is needed"


def needed() -> list[Needed]:
    """What the installed metadata of trueline asks for on this platform.

    Raises:
        importlib.metadata.PackageNotFoundError: trueline is not installed.
    """
    found = []
    for text in importlib.metadata.requires("trueline") or []:
        match = _REQUIREMENT.fullmatch(text.strip())
        if match is None:
            continue
        marker = match["marker"] or ""
        elsewhere = _ELSEWHERE.search(marker)
        if elsewhere and elsewhere.group(1) == sys.platform:
            continue
        extra = _EXTRA.search(marker)
        parts = tuple(part.strip() for part in (match["extras"] or "").split(",") if part.strip())
        found.append(Needed(match["name"], match["bounds"].strip("() "), extra.group(1) if extra else "", parts))
    return found


def problem_of(one: Needed) -> Problem | None:
    """What is wrong with the installed package, or None."""
    try:
        version = importlib.metadata.version(one.name)
    except importlib.metadata.PackageNotFoundError:
        return Problem(one, None)
    return None if within(version, one.bounds) else Problem(one, version)


def extras() -> Mapping[str, list[Problem]]:
    """Every extra by name, with what it lacks here; one that is made of others lacks what they lack."""
    asked = [one for one in needed() if one.extra]
    found: dict[str, list[Problem]] = {}
    for one in asked:
        own = found.setdefault(one.extra, [])
        wanted = [other for other in asked if other.extra in one.parts] if one.name == "trueline" else [one]
        own += [problem for other in wanted if (problem := problem_of(other)) is not None]
    return dict(sorted(found.items()))


def within(version: str, bounds: str) -> bool:
    """Whether a version lies within bounds such as ``>=2,<3``; by the numbers of releases alone.

    >>> within("2.1.3", ">=2,<3"), within("3.0", ">=2,<3"), within("2.0rc1", ">=2")
    (True, False, True)
    """
    have = _numbers(version)
    for sign, text in _BOUND.findall(bounds):
        want = _numbers(text)
        length = max(len(have), len(want))
        left, right = _filled(have, length), _filled(want, length)
        fits = {
            ">=": left >= right,
            "<=": left <= right,
            ">": left > right,
            "<": left < right,
            "==": have[: len(want)] == want if text.endswith("*") else left == right,
            "!=": left != right,
            "~=": left >= right and have[: len(want) - 1] == want[:-1],
        }
        if not fits[sign]:
            return False
    return True


def _numbers(text: str) -> tuple[int, ...]:
    release = re.match(r"(?:\d+!)?(\d+(?:\.\d+)*)", text)
    return tuple(int(part) for part in release.group(1).split(".")) if release else ()


def _filled(numbers: tuple[int, ...], length: int) -> tuple[int, ...]:
    return numbers + (0,) * (length - len(numbers))
