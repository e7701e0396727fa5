"""What a preprocessing function is offered: the columns by name, and a reason for those that it cannot read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from trueline._core.errors import TransformError, did_you_mean
from trueline._core.feeds import LENGTH
from trueline._core.host import HOST_PREFIX
from trueline._core.values import PRESENT, RawFeature
from trueline.transform.column import Column
from trueline.transform.places import user_place

if TYPE_CHECKING:
    from trueline.transform.tracer import Tracer

__all__ = ["Offered", "check_call"]


def _badly_named(features: Sequence[RawFeature]) -> dict[str, str]:
    """The columns whose names the graph cannot keep apart from its own, and why."""
    names = [f.name for f in features]
    found = {"": "its name is empty"} if "" in names else {}
    found |= {
        n: f"names that begin with {HOST_PREFIX!r} are those of host steps" for n in names if n.startswith(HOST_PREFIX)
    }
    taken = {f.name + PRESENT for f in features if f.optional}
    taken |= {f.name + LENGTH for f in features if f.kind == "ragged"}
    return found | {n: f"its name belongs to the column {n.rpartition(':')[0]!r}" for n in names if n in taken}


class Offered(dict[str, Column]):
    """The columns by name; an unknown name is an error at the user's line that lists what exists."""

    def __init__(self, tracer: Tracer, features: Sequence[RawFeature], refused: Mapping[str, str]) -> None:
        self._refused = {**_badly_named(features), **refused}
        super().__init__({f.name: tracer.input(f) for f in features if f.name not in self._refused})
        self._tracer = tracer

    def __getattr__(self, name: str) -> Any:
        if name in self:
            raise self._tracer.error(f"columns are no attributes: {name}", f"write inputs[{name!r}].")
        raise AttributeError(f"the inputs are a dict of columns and have no {name!r}")

    def __missing__(self, name: str) -> Column:
        if name in self._refused:
            raise self._tracer.error(
                f"the column {name!r} cannot be read: {self._refused[name]}", "rename, flatten or cast it beforehand."
            )
        raise self._tracer.error(f"there is no column {name!r}", did_you_mean(str(name), self))


def check_call(preprocessing_fn: Any, features: Sequence[Any]) -> None:
    """Refuses what is no function, and features that are none or that share a name.

    Raises:
        TransformError: at the user's line.
    """
    if not callable(preprocessing_fn):
        raise TransformError(
            f"preprocessing_fn is a {type(preprocessing_fn).__name__}, no function",
            where=user_place() or None,
            hint="give a function that takes the columns by name and returns a dict of columns.",
        )
    strange = [type(f).__name__ for f in features if not isinstance(f, RawFeature)]
    if strange:
        raise TransformError(
            f"a feature is a {strange[0]}", where=user_place() or None, hint="give trueline.RawFeature objects."
        )
    names = [f.name for f in features]
    twice = sorted({n for n in names if names.count(n) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise TransformError(
            f"two features have the same name: {', '.join(map(repr, twice))}", where=user_place() or None
        )
