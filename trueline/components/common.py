"""What several components share: splits of an artifact, user code by reference, one sentence out of many findings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from trueline._core import store
from trueline._core.errors import ArtifactError, ConfigError, did_you_mean
from trueline.pipeline.user_function import UserFunction

if TYPE_CHECKING:
    from trueline.data import Examples
    from trueline.engine import Dataset
    from trueline.pipeline.context import ArtifactHandle

__all__ = ["SPLIT_PREFIX", "code_reference", "dataset_of", "split_path", "splits_of", "wanted_splits"]

SPLIT_PREFIX = "Split-"


def split_path(artifact: ArtifactHandle, split: str, *parts: str) -> str:
    """The URI of a split's folder, or of a file in it."""
    return store.join(artifact.uri, SPLIT_PREFIX + split, *parts)


def splits_of(artifact: ArtifactHandle, exclude: Sequence[str] = ()) -> list[str]:
    """The artifact's splits, in the order in which they were written.

    Raises:
        ArtifactError: when none is left, or one to exclude is not there.
    """
    found = _all_splits(artifact)
    for name in exclude:
        if name not in found:
            raise ArtifactError(
                f"there is no split {name!r} to exclude", where=artifact.uri, hint=did_you_mean(name, found)
            )
    left = [name for name in found if name not in exclude]
    if not left:
        raise ArtifactError(f"the {artifact.type} has no split left to work on", where=artifact.uri)
    return left


def _all_splits(artifact: ArtifactHandle) -> list[str]:
    if artifact.type == "Examples":
        from trueline.data import Examples

        # A split without a row has no folder, and is a split all the same.
        return list(Examples.open(artifact.uri).splits)
    found = [n.removeprefix(SPLIT_PREFIX) for n in store.listdir(artifact.uri) if n.startswith(SPLIT_PREFIX)]
    declared = artifact.properties.get("split_names")
    if isinstance(declared, list) and sorted(declared) == sorted(found):
        return [str(name) for name in declared]
    return found


def wanted_splits(artifact: ArtifactHandle, wanted: Sequence[str]) -> list[str]:
    """The wanted splits, all of which must be there.

    Raises:
        ArtifactError: naming the first that is not.
    """
    found = splits_of(artifact)
    for name in wanted:
        if name not in found:
            raise ArtifactError(f"there is no split {name!r}", where=artifact.uri, hint=did_you_mean(name, found))
    return list(wanted)


def code_reference(
    function: str | Callable[..., Any] | None, module_file: str | None, name: str
) -> tuple[UserFunction | None, list[str]]:
    """The user's function, given itself or as the function `name` of a file; with the problems to note."""
    if (function is None) == (module_file is None):
        return None, [f"takes either {name} or module_file, and exactly one of them"]
    try:
        return UserFunction.of(function if function is not None else f"{module_file}:{name}"), []
    except ConfigError as error:
        return None, [f"cannot use its {name}: {error}"]


def dataset_of(examples: Examples, splits: Sequence[str]) -> Dataset:
    """The rows of several splits as one dataset, their blocks numbered through in the order of the splits."""
    from trueline.engine import Dataset, Shard

    if len(splits) == 1:
        return examples.dataset(splits[0])
    blocks = [block for split in splits for block in examples.dataset(split).blocks]
    numbered = tuple(replace(block, number=number) for number, block in enumerate(blocks))
    return Dataset((Shard(0, numbered),), examples.arrow_schema)
