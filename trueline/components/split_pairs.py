"""Pairs of splits of two artifacts, for the components that compare them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from trueline._core import store
from trueline._core.errors import ArtifactError, did_you_mean
from trueline.components.common import splits_of

if TYPE_CHECKING:
    from trueline.pipeline.context import ArtifactHandle

__all__ = ["pair_path", "pairs_of"]


def pair_path(artifact: ArtifactHandle, pair: tuple[str, str], *parts: str) -> str:
    """The URI of a pair's folder ``SplitPair-<test>_<base>``, or of a file in it."""
    return store.join(artifact.uri, f"SplitPair-{pair[0]}_{pair[1]}", *parts)


def pairs_of(
    test: ArtifactHandle, base: ArtifactHandle, wanted: Sequence[Sequence[str]] | None, *, every: bool
) -> list[tuple[str, str]]:
    """Pairs of a split of `test` and one of `base`.

    Args:
        test: the artifact that is judged.
        base: what it is compared with.
        wanted: the pairs; by default all of them (`every`), or splits of the same name.
        every: which default.

    Raises:
        ArtifactError: a wanted split is not there, or no split of the one has its name in the other.
    """
    ones, others = splits_of(test), splits_of(base)
    if wanted is None:
        found = [(a, b) for a in ones for b in others if every or a == b]
        if not found:
            raise ArtifactError(
                "no split has the same name in both",
                where=test.uri,
                problems=[f"test: {', '.join(ones)}", f"base: {', '.join(others)}"],
                hint="name the pairs: include_split_pairs=[(test, base), ...].",
            )
        return found
    problems = []
    for pair in wanted:
        for name, names, what in ((pair[0], ones, "test"), (pair[1], others, "base")):
            if name not in names:
                problems.append(f"{what} has no split {name!r}: {did_you_mean(name, names)}")
    if problems:
        raise ArtifactError("these pairs cannot be compared", where=test.uri, problems=problems)
    return [(str(a), str(b)) for a, b in wanted]
