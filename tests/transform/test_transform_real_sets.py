"""Six real data sets: every path gives the same values, and the schema says what is in them.

What the values should be is computed apart, in ``test_transform_real_values.py``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from real_sets.sources import MISSING, SETS, Made, by_onnx, made
from tensorflow_metadata.proto.v0 import schema_pb2

import trueline.transform as tlt
from trueline._core.errors import TransformError
from trueline.schema import raw_features
from trueline.transform.profiles import profiles_of

pytestmark = [pytest.mark.shared, pytest.mark.skipif(bool(MISSING), reason=f"data is not there: {MISSING}")]


@pytest.fixture(params=list(SETS))
def a_set(request: pytest.FixtureRequest) -> Made:
    return made(request.param)


def some(table: pa.Table, rows: int = 1500) -> pa.Table:
    """Rows from all over the table."""
    step = max(1, table.num_rows // rows)
    return table.take(list(range(0, table.num_rows, step)))


def test_all_rows_come_out(a_set: Made) -> None:
    assert a_set.out.num_rows == a_set.raw.num_rows == a_set.real.rows
    assert a_set.out.column_names == [f.name for f in a_set.output.outputs]


def test_the_oracle_gives_the_same_bits(a_set: Made) -> None:
    raw = some(a_set.raw)
    assert (
        a_set.output.oracle(raw).to_pylist() == a_set.output.transform(raw).to_pylist() == some(a_set.out).to_pylist()
    )


def test_the_exported_graph_gives_the_same_bits(a_set: Made) -> None:
    """ONNX Runtime itself, without this library's executor; in one batch and row by row."""
    names = [f.name for f in a_set.output.outputs]
    many = some(a_set.out, 5000)
    assert by_onnx(a_set.output, some(a_set.raw, 5000)) == {n: many[n].to_pylist() for n in names}
    for row in (0, a_set.real.rows - 1):
        alone = a_set.raw.slice(row, 1)
        assert by_onnx(a_set.output, alone) == {n: a_set.out[n].slice(row, 1).to_pylist() for n in names}


def test_rows_as_clients_send_them(a_set: Made) -> None:
    """Rows as dicts, absent keys for missing values, columns as lists."""
    raw = some(a_set.raw, 40)
    wanted = some(a_set.out, 40).to_pylist()
    rows = [{k: v for k, v in row.items() if v is not None} for row in raw.to_pylist()]
    assert a_set.output.transform_raw_features(rows) == wanted
    columns = a_set.output.transform_raw_features(raw.to_pydict())
    for name, column in columns.items():
        assert [v.tolist() if isinstance(v, np.generic | np.ndarray) else v for v in column] == [
            row[name] for row in wanted
        ]


def test_a_saved_transform_is_the_same(a_set: Made, tmp_path: Path) -> None:
    a_set.output.save(str(tmp_path / "graph"))
    again = tlt.TransformOutput.load(str(tmp_path / "graph"))
    assert again.content_hash == a_set.output.content_hash
    raw = some(a_set.raw, 300)
    assert again.transform(raw).equals(a_set.output.transform(raw))
    assert {n: v.tokens for n, v in again.vocabularies.items()} == {
        n: v.tokens for n, v in a_set.output.vocabularies.items()
    }


def test_where_it_runs(a_set: Made) -> None:
    """Browsers run all but the two functions that use `regex_replace`, which are refused by name and line."""
    needed = profiles_of(a_set.output.graph)
    assert needed == {"portable", a_set.real.profile}
    if a_set.real.profile == "portable":
        return
    features = raw_features(a_set.raw.schema)
    with pytest.raises(TransformError, match="regex_replace") as refused:
        tlt.trace(a_set.real.function, features, profile="portable")
    assert f"{Path(a_set.real.function.__code__.co_filename).name}:" in str(refused.value)
    assert "needs the `server` profile: the browser cannot run it" in str(refused.value)


def test_the_schema_says_what_is_there(a_set: Made) -> None:
    """Types, presence, shapes; every id lies in its domain, and domains are no wider than buckets and vocabularies."""
    schema = {f.name: f for f in a_set.output.output_schema.feature}
    assert list(schema) == a_set.out.column_names
    for name, entry in schema.items():
        column = a_set.out[name]
        inner = column.type.value_type if pa.types.is_nested(column.type) else column.type
        expected = {pa.float32(): schema_pb2.FLOAT, pa.string(): schema_pb2.BYTES}.get(inner, schema_pb2.INT)
        assert entry.type == expected, name
        if entry.presence.min_fraction == 1.0:
            assert column.null_count == 0, name
        if pa.types.is_fixed_size_list(column.type) and entry.presence.min_fraction == 1.0:
            assert [d.size for d in entry.shape.dim] == [column.type.list_size], name
        if entry.HasField("int_domain"):
            flat = column.combine_chunks().flatten() if pa.types.is_nested(column.type) else column
            values = {v for v in flat.to_pylist() if v is not None}
            assert entry.int_domain.min <= min(values) <= max(values) <= entry.int_domain.max, name


DOMAINS = {
    "taxi": {
        "payment_type_xf": (0, 16), "company_xf": (0, 29), "pickup_latitude_xf": (0, 9), "pickup_longitude_xf": (0, 9),
        "dropoff_latitude_xf": (0, 9), "dropoff_longitude_xf": (0, 9),
    },
    "adult": {
        "workclass": (-1, 8), "education": (-1, 16), "marital-status": (-1, 7), "occupation": (-1, 14),
        "relationship": (-1, 6), "race": (-1, 5), "sex": (-1, 2), "native-country": (-1, 40),
    },
    "census": {
        "workclass": (0, 9), "education": (0, 16), "marital-status": (0, 7), "occupation": (0, 15),
        "relationship": (0, 6), "race": (0, 5), "sex": (0, 2), "native-country": (0, 41),
    },
    "complaints": {"company": (0, 63), "state_and_product": (0, 99)},
    "imdb": {"tfidf_ids": (0, 500), "pairs": (0, 104)},
    "imdb_markup": {},
    "mnist": {},
    "penguin": {"sex": (0, 2)},
    "penguin_processed": {},
}  # fmt: skip


def test_domains(a_set: Made) -> None:
    name = next(n for n, s in SETS.items() if s is a_set.real)
    assert a_set.output.transformed_domains() == DOMAINS[name]
    if name == "census":
        assert a_set.output.num_buckets_for_transformed_feature("education") == 17
