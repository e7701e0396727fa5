"""Where the versions of a model come from: a plug with one question, what is there now.

A folder is what most have. Other kinds, such as the models of a pipeline's metadata, are given to the server by who
starts it (`Plugs`), so that the server itself needs no database.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from trueline._core.errors import ConfigError, did_you_mean
from trueline.serving.scan import Candidate, scan_base

__all__ = ["Directory", "Plugs", "Source", "source_of"]


class Source(Protocol):
    """The versions of one model, wherever they lie. It is asked on a thread of its own, never on the event loop."""

    def scan(self) -> Mapping[int, Candidate]:
        """The complete versions that are there now, by number.

        Raises:
            Exception: the source cannot be asked; what it gave before goes on being served.
        """


Plugs = Mapping[str, Callable[[str], Source]]
"""By scheme, such as ``pipeline``, what makes a source of the text behind the colon."""


@dataclass(frozen=True)
class Directory:
    """A folder, or a URL of an object store, whose integer-named children are versions."""

    base: str

    def scan(self) -> Mapping[int, Candidate]:
        """See `scan_base`."""
        return scan_base(self.base)


def source_of(base: str, plugs: Plugs) -> Source:
    """What a model's `base` speaks of.

    Raises:
        ConfigError: a scheme that nobody gave a plug for.
    """
    scheme, colon, rest = base.partition(":")
    if colon and scheme in plugs:
        return plugs[scheme](rest)
    if colon and scheme == "pipeline":
        raise ConfigError(
            f"nothing here knows sources of the kind {scheme!r}",
            where=base,
            hint=f"`trueline serve` does. {did_you_mean(scheme, plugs)}" if plugs else "`trueline serve` does.",
        )
    return Directory(base)
