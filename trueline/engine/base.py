"""The seams of the engine: accumulators, blocks, datasets and what an engine must do.

The unit of computation is the *block*, a row range fixed when Examples are written (one Parquet row group). One
state a block, merged in one fixed binary tree over block numbers: shards, workers, engines and retries cannot
change a bit of the result.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Protocol, Self, TypeVar, runtime_checkable

from trueline._core.errors import EngineError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "DEFAULT_BLOCK_ROWS",
    "Accumulator",
    "AccumulatorSpec",
    "Block",
    "Dataset",
    "Detachable",
    "Engine",
    "FunctionSpec",
    "Shard",
    "resolve",
]

DEFAULT_BLOCK_ROWS = 65_536
R_co = TypeVar("R_co", covariant=True)
R = TypeVar("R")


@runtime_checkable
class Accumulator(Protocol[R_co]):
    """A commutative monoid over record batches.

    `merge` must be associative: exactly for counts, minima, maxima and vocabularies; within the stated bound for
    sums and sketches. The engine always merges in the same tree, so equal blocks give equal bits.
    """

    def update(self, batch: pa.RecordBatch) -> None:
        """Takes in the rows of one block."""
        ...

    def merge(self, other: Self) -> None:
        """Takes in the state of the blocks that follow this one's; `other` is not used afterwards."""
        ...

    def state(self) -> bytes:
        """A compact state with a version of its own, Arrow IPC or JSON, never pickle."""
        ...

    def finish(self) -> R_co:
        """The result; the accumulator is not used afterwards."""
        ...


@runtime_checkable
class Detachable(Protocol):
    """An accumulator that may be merged as it is where its block was worked on in this process.

    Then ``load(state())`` is left out, which copies and checks every byte. It must give the bits that it would give.
    """

    def detach(self) -> bool:
        """Lets go of the batch; False where the state has to go through bytes after all."""
        ...


def resolve(name: str) -> Any:
    """The object that ``package.module:attribute`` names, imported.

    Raises:
        EngineError: if the name has another form, or leads nowhere.
    """
    module_name, colon, attribute = name.partition(":")
    if not colon or not attribute:
        raise EngineError(f"{name!r} names no object", hint="write package.module:name.")
    try:
        found: Any = importlib.import_module(module_name)
        for step in attribute.split("."):
            found = getattr(found, step)
    except (ImportError, AttributeError) as error:
        raise EngineError(
            f"{name!r} cannot be imported: {error}",
            hint="workers import it by this name: it must stand at the top level of an importable module.",
        ) from error
    return found


@dataclass(frozen=True)
class AccumulatorSpec(Generic[R]):
    """An accumulator as data: what workers rebuild, and what the cache hashes.

    Attributes:
        name: ``package.module:factory``. ``factory(**params)`` makes an empty accumulator and
            ``factory.load(state, **params)`` makes one from a state.
        params: JSON values only.
        dictionaries: columns of text that it takes as dictionary arrays too. A reader that has them so gives them so
            (Parquet does, at less cost); else they come plain. No result may depend on it.
    """

    name: str
    params: Mapping[str, Any] = field(default_factory=dict)
    dictionaries: tuple[str, ...] = ()

    def new(self) -> Accumulator[R]:
        """An empty accumulator."""
        accumulator: Accumulator[R] = resolve(self.name)(**self.params)
        return accumulator

    def load(self, state: bytes) -> Accumulator[R]:
        """The accumulator that gave this state."""
        accumulator: Accumulator[R] = resolve(self.name).load(state, **self.params)
        return accumulator

    def to_json(self) -> str:
        """Canonical JSON, the same text for equal specs.

        Raises:
            EngineError: when a parameter is no JSON value.
        """
        try:
            described = {"name": self.name, "params": dict(self.params)}
            if self.dictionaries:
                described["dictionaries"] = list(self.dictionaries)
            return json.dumps(described, sort_keys=True, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise EngineError(f"accumulator {self.name!r} has a parameter that is no JSON value: {error}") from error

    @classmethod
    def from_json(cls, text: str) -> AccumulatorSpec[Any]:
        """The spec that `to_json` described."""
        data = json.loads(text)
        return AccumulatorSpec(data["name"], data["params"], tuple(data.get("dictionaries", ())))


@dataclass(frozen=True)
class FunctionSpec:
    """A function over blocks as data: ``function(block, **params)`` returns a JSON value."""

    name: str
    params: Mapping[str, Any] = field(default_factory=dict)

    def call(self, block: Block) -> Any:
        """Runs the function on one block."""
        return resolve(self.name)(block, **self.params)


@dataclass(frozen=True)
class Block:
    """One row range, fixed at ingestion: a Parquet row group, or rows of a table in memory.

    Attributes:
        number: its place in the split's merge tree; numbers of a dataset are distinct, not necessarily dense.
        uri: the Parquet file, or ``""`` for a table in memory.
        row_group: which row group of the file.
        rows: how many rows.
        table: the rows themselves, for stand-alone use on a table in memory.
    """

    number: int
    uri: str
    row_group: int
    rows: int
    table: pa.Table | None = field(default=None, compare=False, repr=False)

    def read(self, columns: Sequence[str] | None = None, dictionaries: Sequence[str] = ()) -> pa.RecordBatch:
        """All rows of the block as one batch, only the columns asked for; text named in `dictionaries` as codes.

        Raises:
            ArtifactError: when the file is gone or damaged, naming it.
        """
        from trueline.engine.blocks import read_block

        return read_block(self, columns, dictionaries)


@dataclass(frozen=True)
class Shard:
    """A group of whole blocks: how work is dealt out, and nothing that a result could depend on."""

    index: int
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Dataset:
    """Blocks dealt into shards, with the Arrow schema they share."""

    shards: tuple[Shard, ...]
    arrow_schema: pa.Schema = field(compare=False)

    @property
    def blocks(self) -> tuple[Block, ...]:
        """All blocks in block-number order."""
        return tuple(sorted((b for s in self.shards for b in s.blocks), key=lambda b: b.number))

    @property
    def num_rows(self) -> int:
        """Rows in all blocks."""
        return sum(block.rows for shard in self.shards for block in shard.blocks)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of all columns, hidden ones included."""
        return tuple(self.arrow_schema.names)

    def deal(self, shards: int) -> Dataset:
        """The same blocks dealt round-robin into another number of shards."""
        if shards < 1:
            raise EngineError(f"cannot deal blocks into {shards} shards", hint="give at least one.")
        blocks = self.blocks
        dealt = (Shard(i, blocks[i::shards]) for i in range(min(shards, max(len(blocks), 1))))
        return Dataset(tuple(dealt), self.arrow_schema)

    def batches(
        self, columns: Sequence[str] | None = None, dictionaries: Sequence[str] = ()
    ) -> Iterator[pa.RecordBatch]:
        """Every block's rows in block order, one batch a block; text named in `dictionaries` as codes where it is."""
        for block in self.blocks:
            yield block.read(columns, dictionaries)

    @staticmethod
    def from_table(table: pa.Table, block_rows: int = DEFAULT_BLOCK_ROWS) -> Dataset:
        """A table in memory, cut into blocks; for stand-alone use in one process."""
        from trueline.engine.blocks import dataset_from_table

        return dataset_from_table(table, block_rows)

    @staticmethod
    def from_parquet(paths: str | Iterable[str]) -> Dataset:
        """Parquet files as they are: each row group a block, in the order of paths."""
        from trueline.engine.blocks import dataset_from_parquet

        return dataset_from_parquet([paths] if isinstance(paths, str) else list(paths))


class Engine(Protocol):
    """Runs accumulators and functions over blocks; knows nothing of what they compute."""

    def run(self, spec: AccumulatorSpec[R], dataset: Dataset, columns: Sequence[str] | None = None) -> R:
        """One state a block, merged in the fixed tree, finished."""
        ...

    def map_blocks(
        self, function: FunctionSpec, dataset: Dataset, on_result: Callable[[Any], None] | None = None
    ) -> list[Any]:
        """The function's JSON results, in block-number order."""
        ...
