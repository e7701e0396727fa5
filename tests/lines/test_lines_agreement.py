"""No skew: on every row of taxi and penguin the bulk transform, the served graph and the numpy oracle agree.

Same bits for outputs that `exact` operations alone made; within the sum of their stated ulps for others. Batches of
1, 7 and 8192 rows give the same bits as the whole table wherever the graph is exact.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from trueline import Dataset
from trueline._core.errors import DataError
from trueline._core.runtime import OnnxGraph
from trueline.data import Examples, ingest_csv, ingest_parquet
from trueline.schema import raw_features
from trueline.transform import TransformOutput, analyze, trace

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def project(name: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(EXAMPLES / name))
    sys.modules.pop("model", None)
    import model

    return model


def taxi_table(folder: Path) -> pa.Table:
    ingest_csv(str(EXAMPLES / "taxi" / "data"), str(folder), splits=(("all", 1),))
    return Examples.open(str(folder)).table("all")


def penguin_table(folder: Path) -> pa.Table:
    ingest_parquet(str(EXAMPLES / "penguin" / "data"), str(folder), splits=(("all", 1),))
    return Examples.open(str(folder)).table("all")


def same_bits(one: pa.RecordBatch, other: pa.RecordBatch, where: str) -> None:
    """Equal values and equal places of missing ones; floats are compared as bits, all NaN alike."""
    assert one.schema.names == other.schema.names
    for name in one.schema.names:
        a, b = one.column(name), other.column(name)
        if pa.types.is_float32(a.type):
            present = a.is_valid().to_numpy(zero_copy_only=False)
            assert (present == b.is_valid().to_numpy(zero_copy_only=False)).all(), (where, name)
            x, y = (np.nan_to_num(c.fill_null(0).to_numpy(zero_copy_only=False), nan=-1e30) for c in (a, b))
            assert x.view(np.uint32).tolist() == y.view(np.uint32).tolist(), (where, name)
        else:
            assert a.to_pylist() == b.to_pylist(), (where, name)


def served(output: TransformOutput, table: pa.Table, batch: int) -> pa.RecordBatch:
    """The transform as the server runs it: the serving graph on JSON-like columns, `batch` rows at a time."""
    graph = OnnxGraph(output.to_onnx().SerializeToString(), output.feeds(), output.host_steps(), output.raw_features())
    parts: dict[str, list[np.ndarray]] = {}
    names = [f.name for f in output.raw_features()]
    for start in range(0, table.num_rows, batch):
        for key, values in graph.predict_arrow(table.select(names).slice(start, batch)).items():
            parts.setdefault(key, []).append(values)
    columns = {}
    for feature in output.outputs:
        values = np.concatenate(parts[f"transformed:{feature.name}"])
        present = parts.get(f"transformed:{feature.name}:present")
        mask = None if present is None else ~np.concatenate(present)
        columns[feature.name] = pa.array(values, mask=mask, from_pandas=False)
    return pa.record_batch(columns)


@pytest.mark.parametrize("name", ["taxi", "penguin"])
def test_bulk_served_and_oracle_agree_on_every_row(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = project(name, monkeypatch)
    table = {"taxi": taxi_table, "penguin": penguin_table}[name](tmp_path)
    assert table.num_rows == {"taxi": 15_002, "penguin": 344}[name]
    output = analyze(trace(model.preprocessing_fn, raw_features(table.schema, None)), Dataset.from_table(table))
    columns = [f.name for f in output.outputs]
    whole = table.combine_chunks().to_batches()[0]
    bulk = output.transform(whole).select(columns)
    same_bits(bulk, output.oracle(whole).select(columns), "oracle")
    for batch in (1, 7, 8192):
        same_bits(bulk, served(output, table, batch).select(columns), f"served by {batch}")
        if batch > 1:
            parts = [output.transform(whole.slice(i, batch)).select(columns) for i in range(0, whole.num_rows, batch)]
            same_bits(bulk, pa.Table.from_batches(parts).combine_chunks().to_batches()[0], f"bulk by {batch}")


def test_a_row_that_does_not_fit_is_refused_the_same_way_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = project("taxi", monkeypatch)
    table = taxi_table(tmp_path).slice(0, 200)
    output = analyze(trace(model.preprocessing_fn, raw_features(table.schema, None)), Dataset.from_table(table))
    graph = OnnxGraph(output.to_onnx().SerializeToString(), output.feeds(), (), output.raw_features())
    with pytest.raises(DataError, match=r"row 0, field 'fare': expected float64, got str"):
        graph.predict_rows([{"fare": "12"}])
    with pytest.raises(DataError, match=r"fare.*expected double, got string"):
        graph.predict_arrow(pa.table({"fare": ["12"]}))
