"""The Examples that Transform is given: one artifact, or one per span, in one order whatever order they came in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from trueline._core.errors import ArtifactError
from trueline._core.manifest import read_manifest
from trueline.components.common import splits_of, wanted_splits

if TYPE_CHECKING:
    from trueline.data import Examples
    from trueline.engine import Dataset
    from trueline.pipeline.context import ArtifactHandle, ExecutionContext

__all__ = ["RawSpan", "datasets_by_key", "open_spans", "splits_in"]


@dataclass(frozen=True)
class RawSpan:
    """One artifact of raw examples.

    Attributes:
        handle: the artifact.
        examples: its reader.
        first_source: how many sources the spans before it have: what its rows' source numbers begin at.
    """

    handle: ArtifactHandle
    examples: Examples
    first_source: int = 0

    @property
    def fingerprint(self) -> str:
        """What stands for the artifact's contents."""
        return self.handle.fingerprint or read_manifest(self.handle.uri).fingerprint

    def dataset(self, split: str, first_block: int = 0) -> Dataset:
        """A split, its blocks numbered from `first_block` on."""
        from trueline.engine import Dataset, Shard

        numbered = enumerate(self.examples.dataset(split).blocks, first_block)
        blocks = tuple(replace(block, number=number) for number, block in numbered)
        return Dataset((Shard(0, blocks),), self.examples.arrow_schema)


def open_spans(ctx: ExecutionContext) -> list[RawSpan]:
    """The artifacts under ``examples``, each once, by span, version and contents: their order does not depend on who
    lists them.

    Raises:
        ArtifactError: when there is none, or they have different columns.
    """
    from trueline.data import Examples

    handles = list({handle.uri: handle for handle in ctx.inputs.get("examples", [])}.values())
    if not handles:
        ctx.input("examples")  # raises, saying what is needed
    opened = sorted((RawSpan(h, Examples.open(h.uri)) for h in handles), key=_order)
    first, spans = 0, []
    for span in opened:
        spans.append(replace(span, first_source=first))
        first += len(span.examples.sources)
    other = [s for s in spans if not s.examples.arrow_schema.equals(spans[0].examples.arrow_schema)]
    if other:
        raise ArtifactError(
            "the Examples to transform have different columns",
            problems=[f"{s.handle.uri}: {_columns(s)}" for s in (spans[0], *other)],
            hint="ingest them again with the same column types.",
        )
    return spans


def _order(span: RawSpan) -> tuple[Any, ...]:
    properties = span.handle.properties
    return int(properties.get("span", 0)), int(properties.get("version", 0)), span.fingerprint


def _columns(span: RawSpan) -> str:
    return ", ".join(f"{f.name} {f.type}" for f in span.examples.arrow_schema)


def splits_in(spans: Sequence[RawSpan], wanted: Sequence[str] | None) -> list[str]:
    """The wanted splits, each of which every artifact must have; without a wish all splits, in order.

    Raises:
        ArtifactError: naming the split and the artifact that lacks it.
    """
    if wanted is not None:
        for span in spans:
            wanted_splits(span.handle, wanted)
        return list(wanted)
    return list(dict.fromkeys(split for span in spans for split in splits_of(span.handle)))


def datasets_by_key(spans: Sequence[RawSpan], splits: Sequence[str]) -> dict[str, Dataset]:
    """Each split of each artifact as a dataset of its own; its key is the artifact's fingerprint and the split.

    Two spans of the same contents count twice, the second under a number.
    """
    datasets: dict[str, Dataset] = {}
    for span in spans:
        for split in splits:
            key, count = f"{span.fingerprint}/{split}", 1
            while key in datasets:
                count += 1
                key = f"{span.fingerprint}/{split}/{count}"
            datasets[key] = span.examples.dataset(split)
    return datasets
