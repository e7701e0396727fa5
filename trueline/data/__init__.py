"""The data room: sources of every kind become Examples, typed and split Parquet blocks that every later step reads.

It may import `trueline.engine`, `trueline.schema` and `trueline._core`; pyarrow is loaded only when data is touched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trueline._core.lazy import lazy_names

if TYPE_CHECKING:
    from trueline.data.avro_ingest import ingest_avro
    from trueline.data.avro_source import AvroSource
    from trueline.data.csv_ingest import ingest_csv
    from trueline.data.csv_source import CsvSource
    from trueline.data.custom import FunctionSource, ingest_rows
    from trueline.data.examples import Examples
    from trueline.data.images_ingest import ingest_images
    from trueline.data.images_source import ImageFolderSource
    from trueline.data.ingestion import ingest
    from trueline.data.inputs import input_fingerprint, list_inputs
    from trueline.data.jsonl_ingest import ingest_jsonl
    from trueline.data.jsonl_source import JsonlSource
    from trueline.data.leaks import LeakReport, check_leakage
    from trueline.data.parquet_ingest import ingest_parquet
    from trueline.data.parquet_source import ParquetSource
    from trueline.data.repartitioning import repartition
    from trueline.data.report import IngestReport
    from trueline.data.source import Reject, SchemaGrew, Source, SourceBatch, SourceSpec
    from trueline.data.spans import ResolvedInput, RollingRange, StaticRange, resolve_spans
    from trueline.data.splits import GroupSplit, HashSplit, SplitRule
    from trueline.data.splits_strata import StratifiedSplit
    from trueline.data.splits_time import TimeSplit
    from trueline.data.sql import SqlSource, ingest_sql
    from trueline.data.tables import table_batches, to_arrow_table
    from trueline.data.tables_ingest import ArrowFileSource, ingest_table
    from trueline.data.tf_example_write import write_examples_tfrecord
    from trueline.data.tfrecord import read_tfrecord
    from trueline.data.tfrecord_ingest import ingest_tfrecord
    from trueline.data.tfrecord_source import TfRecordSource
    from trueline.data.tfrecord_write import write_tfrecord
    from trueline.data.widening import join_schemas
    from trueline.data.writer import ExamplesWriter

__all__ = [
    "ArrowFileSource",
    "AvroSource",
    "CsvSource",
    "Examples",
    "ExamplesWriter",
    "FunctionSource",
    "GroupSplit",
    "HashSplit",
    "ImageFolderSource",
    "IngestReport",
    "JsonlSource",
    "LeakReport",
    "ParquetSource",
    "Reject",
    "ResolvedInput",
    "RollingRange",
    "SchemaGrew",
    "Source",
    "SourceBatch",
    "SourceSpec",
    "SplitRule",
    "SqlSource",
    "StaticRange",
    "StratifiedSplit",
    "TfRecordSource",
    "TimeSplit",
    "check_leakage",
    "ingest",
    "ingest_avro",
    "ingest_csv",
    "ingest_images",
    "ingest_jsonl",
    "ingest_parquet",
    "ingest_rows",
    "ingest_sql",
    "ingest_table",
    "ingest_tfrecord",
    "input_fingerprint",
    "join_schemas",
    "list_inputs",
    "read_tfrecord",
    "repartition",
    "resolve_spans",
    "table_batches",
    "to_arrow_table",
    "write_examples_tfrecord",
    "write_tfrecord",
]

_HOMES = {
    "ArrowFileSource": "tables_ingest",
    "AvroSource": "avro_source",
    "CsvSource": "csv_source",
    "Examples": "examples",
    "ExamplesWriter": "writer",
    "FunctionSource": "custom",
    "GroupSplit": "splits",
    "HashSplit": "splits",
    "ImageFolderSource": "images_source",
    "IngestReport": "report",
    "LeakReport": "leaks",
    "ParquetSource": "parquet_source",
    "JsonlSource": "jsonl_source",
    "Reject": "source",
    "ResolvedInput": "spans",
    "RollingRange": "spans",
    "SchemaGrew": "source",
    "Source": "source",
    "SourceBatch": "source",
    "SourceSpec": "source",
    "SplitRule": "splits",
    "SqlSource": "sql",
    "StaticRange": "spans",
    "StratifiedSplit": "splits_strata",
    "TfRecordSource": "tfrecord_source",
    "TimeSplit": "splits_time",
    "check_leakage": "leaks",
    "ingest": "ingestion",
    "ingest_avro": "avro_ingest",
    "ingest_csv": "csv_ingest",
    "ingest_images": "images_ingest",
    "ingest_jsonl": "jsonl_ingest",
    "ingest_parquet": "parquet_ingest",
    "ingest_rows": "custom",
    "ingest_sql": "sql",
    "ingest_table": "tables_ingest",
    "ingest_tfrecord": "tfrecord_ingest",
    "input_fingerprint": "inputs",
    "join_schemas": "widening",
    "list_inputs": "inputs",
    "read_tfrecord": "tfrecord",
    "repartition": "repartitioning",
    "resolve_spans": "spans",
    "table_batches": "tables",
    "to_arrow_table": "tables",
    "write_examples_tfrecord": "tf_example_write",
    "write_tfrecord": "tfrecord_write",
}

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
