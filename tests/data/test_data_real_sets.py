"""The seven data sets beside the project go in and come out right, judged by another reader or by other formats."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import trueline.data_validation as dv
from trueline import data

pytestmark = pytest.mark.shared

CSV = {
    "taxi": ("taxi/taxi.csv", 15_002, {}),
    "penguins raw": ("penguin/penguins_raw.csv", 344, {}),
    "penguins processed": ("penguin/penguins_processed.csv", 334, {}),
    "penguins skewed": ("penguin/penguins_skewed.csv", 334, {}),
    "penguins unlabelled": ("penguin/penguins_unlabelled.csv", 10, {}),
    "adult": ("adult/adult.data", 32_560, {"trim": True}),
    "adult test": ("adult/adult.test", 16_281, {"trim": True}),
    "complaints": ("complaints/consumer_complaints.csv", 3_186, {}),
    "imdb": ("imdb/imdb_small.csv", 100, {}),
}


def ingested(tmp_path: Path, ingest: Any, source: Path, **options: Any) -> pa.Table:
    """All rows as they came out, in their order."""
    ingest(str(source), str(tmp_path / "examples"), splits=[("all", 1)], **options)
    return data.Examples.open(str(tmp_path / "examples")).table("all").drop_columns(["__row__"])


def by_pandas(path: Path, trim: bool = False) -> pd.DataFrame:
    return pd.read_csv(path, skipinitialspace=trim, keep_default_na=False, na_values=[""], low_memory=False)


@pytest.mark.parametrize("name", CSV)
def test_csv_files_come_out_as_another_reader_reads_them(name: str, shared_data: Path, tmp_path: Path) -> None:
    """Row for row: names, numbers to the bit, text, and what is missing."""
    file, rows, options = CSV[name]
    table = ingested(tmp_path, data.ingest_csv, shared_data / file, **options)
    frame = by_pandas(shared_data / file, bool(options))
    assert table.num_rows == len(frame) == rows
    assert table.schema.names == [str(c).strip() for c in frame.columns]
    for ours, theirs in zip(table.columns, (frame[c] for c in frame.columns), strict=True):
        missing = theirs.isna().to_numpy()
        found = np.asarray(ours.is_null())
        if pd.api.types.is_numeric_dtype(theirs) and not pa.types.is_string(ours.type):
            assert (found == missing).all()
            held = ours.drop_null().cast(pa.float64()).to_numpy()
            assert (held == theirs[~missing].to_numpy(float)).all()
        elif pa.types.is_string(ours.type):
            texts = [None if v is None else v for v in ours.to_pylist()]
            expected = [None if m else str(v) for v, m in zip(theirs, missing, strict=True)]
            quoted_empty = [a == "" and b is None for a, b in zip(texts, expected, strict=True)]
            assert [a for a, q in zip(texts, quoted_empty, strict=True) if not q] == [
                b for b, q in zip(expected, quoted_empty, strict=True) if not q
            ]
        else:
            assert len(ours) == len(theirs)


@pytest.mark.parametrize("name", CSV)
def test_statistics_and_schema_of_every_file(name: str, shared_data: Path) -> None:
    """Straight from the file: the schema that is inferred accepts the data that it came of."""
    file, rows, options = CSV[name]
    stats = dv.generate_statistics_from_csv(str(shared_data / file), **options)
    assert stats.datasets[0].num_examples == rows
    schema = dv.infer_schema(stats)
    assert len(schema.feature) == len(stats.datasets[0].features)
    assert dict(dv.validate_statistics(stats, schema).anomaly_info) == {}


def test_taxi_is_the_same_rows_in_every_format(shared_data: Path, tmp_path: Path) -> None:
    """Avro and Parquet hold the same rows; all of the CSV's numbers are among the TFRecords' to float32."""
    folder = shared_data
    avro = ingested(tmp_path / "a", data.ingest_avro, folder / "formats/taxi.avro")
    parquet = ingested(tmp_path / "p", data.ingest_parquet, folder / "formats/taxi.parquet")
    assert avro.num_rows == parquet.num_rows == 10_000
    assert set(avro.schema.names) == set(parquet.schema.names)
    fares = [np.sort(np.asarray(t["fare"].drop_null()).astype(np.float32)) for t in (avro, parquet)]
    assert (fares[0] == fares[1]).all()
    records = ingested(tmp_path / "t", data.ingest_tfrecord, folder / "formats", pattern="taxi-*.tfrecord.gz")
    lines = ingested(tmp_path / "c", data.ingest_csv, folder / "taxi/taxi.csv")
    assert records.num_rows == 15_000
    keys = ("trip_start_timestamp", "trip_seconds", "trip_miles", "fare")

    def rows(table: pa.Table) -> set[tuple[Any, ...]]:
        columns = [[None if v is None else float(np.float32(v)) for v in table[k].to_pylist()] for k in keys]
        return set(zip(*columns, strict=True))

    assert len(rows(records) - rows(lines)) <= 1


def test_sequences_and_digits(shared_data: Path, tmp_path: Path) -> None:
    """A SequenceExample's lists stand in one struct; an image is its bytes, an example a row."""
    sequences = ingested(
        tmp_path / "s", data.ingest_tfrecord, shared_data / "formats/sequence.tfrecord.gz", payload="sequence_example"
    )
    assert sequences.num_rows == 15_000
    assert "##SEQUENCE##" in sequences.schema.names
    digits = ingested(tmp_path / "m", data.ingest_tfrecord, shared_data / "mnist/mnist.tfrecord")
    assert digits.num_rows == 1_000
    stats = dv.generate_statistics(digits)
    schema = dv.infer_schema(stats)
    assert dict(dv.validate_statistics(stats, schema).anomaly_info) == {}
