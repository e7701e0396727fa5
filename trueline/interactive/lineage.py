"""Lineage as a notebook shows it: a drawing of what artifacts were made from, with a list of all that is in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trueline._core.errors import ConfigError
from trueline.pipeline.channel import Channel
from trueline.pipeline.context import ArtifactHandle

if TYPE_CHECKING:
    from trueline.display import Html

__all__ = ["lineage_of"]

_WAYS = {
    (True, False): "what it was made from",
    (False, True): "what was made from it",
    (True, True): "what it was made from, and what from it",
}


def lineage_of(metadata: str, item: Channel | ArtifactHandle, *, up: bool, down: bool, hops: int) -> Html:
    """The drawing, see `InteractiveContext.lineage`.

    Raises:
        ConfigError: nothing to look for, or an artifact that the store does not know.
    """
    from trueline.display.html import join, tag
    from trueline.display.lineage import lineage_view
    from trueline.interactive.lineage_graph import around_artifacts, view_of
    from trueline.metadata.connect import place_of
    from trueline.metadata.store import MetadataStore

    ids = _ids(item)
    if not (up or down) or hops < 1:
        raise ConfigError("there is nothing to look for", hint="give up=True, down=True or both, and one hop or more.")
    store = MetadataStore(metadata)
    try:
        found = around_artifacts(store, ids, up=up, down=down, hops=hops)
        if unknown := sorted(set(ids) - set(found.artifacts)):
            raise ConfigError(f"the metadata store does not hold the artifacts {unknown}", where=place_of(metadata))
        names = ", ".join(f"{found.artifacts[i].type} {i}" for i in ids)
        title = f"{names}: {_WAYS[up, down]}"
        return join([tag("h3", title), lineage_view(view_of(found, title))])
    finally:
        store.close()


def _ids(item: Channel | ArtifactHandle) -> list[int]:
    handles = item.get() if isinstance(item, Channel) else [item]
    if not all(isinstance(handle, ArtifactHandle) for handle in handles):
        raise ConfigError(f"{item!r} has no lineage", hint="give a channel (node.outputs['...']) or an artifact.")
    ids = [handle.id for handle in handles if handle.id is not None]
    if len(ids) < len(handles) or not ids:
        raise ConfigError(f"{item!r} holds no recorded artifact, so nothing is known of its making")
    return ids
