"""The engine room: runs mergeable accumulators and functions over blocks of rows, knowing nothing of what they compute.

It may import `trueline.schema` and `trueline._core`; pyarrow is loaded only when blocks are read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trueline._core.lazy import lazy_names

if TYPE_CHECKING:
    from trueline.engine.base import (
        DEFAULT_BLOCK_ROWS,
        Accumulator,
        AccumulatorSpec,
        Block,
        Dataset,
        Detachable,
        Engine,
        FunctionSpec,
        Shard,
    )
    from trueline.engine.blocks import dataset_from_parquet, dataset_from_table, read_block
    from trueline.engine.local import LocalEngine, default_engine
    from trueline.engine.product import combine
    from trueline.engine.ray import RayEngine
    from trueline.engine.state import pack_state, unpack_state
    from trueline.engine.stream import reblock, run_stream
    from trueline.engine.testing import check_accumulator
    from trueline.engine.tree import TreeMerge

__all__ = [
    "DEFAULT_BLOCK_ROWS",
    "Accumulator",
    "AccumulatorSpec",
    "Block",
    "Dataset",
    "Detachable",
    "Engine",
    "FunctionSpec",
    "LocalEngine",
    "RayEngine",
    "Shard",
    "TreeMerge",
    "check_accumulator",
    "combine",
    "dataset_from_parquet",
    "dataset_from_table",
    "default_engine",
    "pack_state",
    "read_block",
    "reblock",
    "run_stream",
    "unpack_state",
]

_HOMES = {
    "LocalEngine": "local",
    "RayEngine": "ray",
    "TreeMerge": "tree",
    "check_accumulator": "testing",
    "combine": "product",
    "dataset_from_parquet": "blocks",
    "dataset_from_table": "blocks",
    "default_engine": "local",
    "pack_state": "state",
    "read_block": "blocks",
    "reblock": "stream",
    "run_stream": "stream",
    "unpack_state": "state",
}

__getattr__, __dir__ = lazy_names(__name__, {**dict.fromkeys(__all__, "base"), **_HOMES})
