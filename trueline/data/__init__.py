"""The data room: sources (CSV, Parquet) become Examples, typed and split Parquet blocks that every later step reads.

It may import `trueline.engine`, `trueline.schema` and `trueline._core`; pyarrow is loaded only when data is touched.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trueline.data.csv_ingest import ingest_csv
    from trueline.data.examples import Examples
    from trueline.data.inputs import input_fingerprint, list_inputs
    from trueline.data.parquet_ingest import ingest_parquet
    from trueline.data.report import IngestReport
    from trueline.data.splits import SplitRule
    from trueline.data.tables import table_batches, to_arrow_table
    from trueline.data.writer import ExamplesWriter

__all__ = [
    "Examples",
    "ExamplesWriter",
    "IngestReport",
    "SplitRule",
    "ingest_csv",
    "ingest_parquet",
    "input_fingerprint",
    "list_inputs",
    "table_batches",
    "to_arrow_table",
]

_HOMES = {
    "Examples": "examples",
    "ExamplesWriter": "writer",
    "IngestReport": "report",
    "SplitRule": "splits",
    "ingest_csv": "csv_ingest",
    "ingest_parquet": "parquet_ingest",
    "input_fingerprint": "inputs",
    "list_inputs": "inputs",
    "table_batches": "tables",
    "to_arrow_table": "tables",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
