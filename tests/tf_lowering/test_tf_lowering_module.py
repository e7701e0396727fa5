"""The module and the SavedModel give what `TransformOutput.transform` gives, from raw features."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

tf = pytest.importorskip("tensorflow", reason="NOT TESTED HERE: no TensorFlow; run `make test-tensorflow`")

from helpers_tf_signature import arrow_column, column_of, raw_table  # noqa: E402
from helpers_transform import graph_of  # noqa: E402

import trueline.transform as tlt  # noqa: E402
from trueline._core.errors import FeedError, TransformError  # noqa: E402
from trueline._core.feeds import LENGTH  # noqa: E402
from trueline._core.values import PRESENT  # noqa: E402
from trueline.transform.output import TransformOutput  # noqa: E402
from trueline.transform.tensorflow import to_tf_module  # noqa: E402
from trueline.transform.tensorflow.names import signature_names  # noqa: E402

# TensorFlow's tensors take no notice of numpy 2's `copy`
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def preprocessing(x: Any) -> dict[str, Any]:
    fare = tlt.fill_missing(x["fare"], 0.0)
    return {
        "third": (fare - 11.3) / 3.0,
        "fare": x["fare"],
        "Trip?": x["Trip Miles"] * 0.1 + x["Trip Miles"] * 0.2,
        "bucket": tlt.apply_buckets(fare, [-20.0, 0.0, 0.5, 40.0]),
        "company": tlt.apply_vocabulary(x["company"], ["taxi", "Ä", "a"], num_oov_buckets=5),
        "hashed": tlt.hash_strings(x["company"], 1000),
        "upper": tlt.upper(x["company"]),
        "quotient": x["count"] // 2,
        "paid": ~x["paid"],
        "vector": tlt.concat([fare, x["Trip Miles"]]) * 2.0,
        "scores": x["scores"] * 2.0 + 1.0,
    }


RANDOM = np.random.default_rng(8)
TABLE = raw_table(300)
GRAPH = graph_of(preprocessing, TABLE)
OUTPUT = TransformOutput(GRAPH, {})


def flat_inputs(table: pa.Table) -> dict[str, Any]:
    """The signature's tensors."""
    names = signature_names(f.name for f in OUTPUT.raw_features())
    found = {}
    for key, array in OUTPUT.feeds().from_arrow(table).items():
        name = next(n for n in names if key in (n, n + PRESENT, n + LENGTH))
        suffix = key.removeprefix(name).replace(PRESENT, "__present").replace(LENGTH, "__length")
        found[names[name] + suffix] = tf.constant(array, tf.string if array.dtype == object else array.dtype)
    return found


@pytest.mark.parametrize("rows", [300, 7, 1, 0])
def test_signature_gives_what_transform_gives(rows: int) -> None:
    """Every output, bit for bit, for many rows, one and none; missing values marked."""
    module = OUTPUT.to_tf_module()
    table = TABLE.slice(0, rows)
    found = module.serving_default(**flat_inputs(table))
    expected = OUTPUT.oracle(table)
    for name, flat in signature_names(f.name for f in OUTPUT.outputs).items():
        assert column_of(found, flat) == arrow_column(expected, name), name
    assert expected.equals(OUTPUT.transform(table).combine_chunks().to_batches()[0]) if rows else True


def test_names_that_are_no_identifiers_are_told() -> None:
    module = to_tf_module(OUTPUT, ["Trip?"])
    assert dict(module.input_names) == {"Trip Miles": "Trip_Miles"}
    assert dict(module.output_names) == {"Trip?": "Trip_"}
    assert signature_names(["a b", "a_b", "a?b", "x__present", "é"]) == {
        "a b": "a_b_2",
        "a_b": "a_b",
        "a?b": "a_b_3",
        "x__present": "x__present_",
        "é": "f__",
    }


def sparse(cells: list[Any], dtype: Any) -> Any:
    there = [i for i, v in enumerate(cells) if v is not None]
    return tf.SparseTensor(
        np.array([[i, 0] for i in there], np.int64).reshape(-1, 2),
        tf.constant([cells[i] for i in there], dtype),
        [len(cells), 1],
    )


def test_dict_of_sparse_ragged_and_dense_tensors() -> None:
    """What users of TensorFlow Transform feed: sparse optional scalars, ragged lists, [N, 1] columns, a mask."""
    module = OUTPUT.to_tf_module()
    count = arrow_column(TABLE, "count")
    features = {
        "fare": sparse(arrow_column(TABLE, "fare"), tf.float64),
        "Trip Miles": tf.constant(TABLE["Trip Miles"].to_numpy())[:, None],
        "count": tf.constant([v or 0 for v in count], tf.int64),
        "count__present": tf.constant([v is not None for v in count]),
        "company": tf.ragged.constant([[] if v is None else [v] for v in arrow_column(TABLE, "company")], tf.string),
        "paid": sparse(arrow_column(TABLE, "paid"), tf.bool),
        "scores": tf.ragged.constant(arrow_column(TABLE, "scores"), tf.float64),
    }
    found = module.transform(features)
    expected = OUTPUT.oracle(TABLE)
    assert found["scores"].to_list() == arrow_column(expected, "scores")
    for name in ("third", "fare", "Trip?", "company", "hashed", "upper", "quotient", "paid", "vector", "bucket"):
        assert column_of(found, name) == arrow_column(expected, name), name


def test_optional_feature_that_is_not_given_is_missing() -> None:
    """It is missing in all rows; a row without entries is a missing list when sparse, an empty one when ragged."""
    table = pa.table({"a": [1.0], "b": [2.0], "l": pa.array([[1.0]])})
    output = TransformOutput(
        graph_of(lambda x: {"a": tlt.is_missing(x["a"]), "b": x["b"], "l": tlt.is_missing(x["l"])}, table), {}
    )
    transform = to_tf_module(output).transform
    nothing = tf.SparseTensor(np.zeros((0, 2), np.int64), tf.constant([], tf.float64), [2, 3])
    found = transform({"b": tf.constant([1.0, 2.0]), "l": nothing})
    assert found["a"].numpy().tolist() == [True, True]
    assert found["b"].numpy().tolist() == [1.0, 2.0]
    assert found["l"].numpy().tolist() == [True, True]
    ragged = tf.RaggedTensor.from_row_lengths(tf.constant([], tf.float64), [0, 0])
    assert transform({"b": tf.constant([1.0, 2.0]), "l": ragged})["l"].numpy().tolist() == [False, False]


def test_wrong_tensors_are_refused_all_at_once() -> None:
    table = pa.table({"a": [1.0], "s": ["x"]})
    output = TransformOutput(graph_of(lambda x: {"a": x["a"] * 2.0, "s": tlt.lower(x["s"])}, table, optional=False), {})
    transform = to_tf_module(output).transform
    with pytest.raises(FeedError, match="'a' takes float64, not string") as caught:
        transform({"a": tf.constant(["x"]), "S": tf.constant(["x"])})
    assert any("'s' is required" in p for p in caught.value.problems)
    with pytest.raises(FeedError, match="one value a row"):
        transform({"a": tf.constant([[1.0, 2.0]]), "s": tf.constant(["x"])})
    with pytest.raises(tf.errors.InvalidArgumentError, match="a is required"):
        transform({"a": sparse([1.0, None], tf.float64), "s": tf.constant(["x", "y"])})
    two = tf.SparseTensor([[0, 0], [0, 1]], tf.constant([1.0, 2.0], tf.float64), [1, 2])
    with pytest.raises(tf.errors.InvalidArgumentError, match="takes one value a row"):
        transform({"a": two, "s": tf.constant(["x"])})


def test_host_steps_are_refused_by_name() -> None:
    table = pa.table({"s": ["x"], "a": [1.0]})

    def with_host(x: Any) -> dict[str, Any]:
        made = tlt.host("host_functions_transform:text_length", x["s"], dtype="int64")
        return {"n": made + 1, "a": x["a"]}

    output = TransformOutput(graph_of(with_host, table), {})
    with pytest.raises(TransformError, match="host_functions_transform:text_length is a host step"):
        to_tf_module(output)
    assert to_tf_module(output, ["a"]).serving_default is not None


def test_saved_model_in_a_process_without_trueline(tmp_path: Path) -> None:
    """A fresh process that has TensorFlow alone loads the SavedModel and computes the same values."""
    OUTPUT.save_saved_model(str(tmp_path / "model"))
    inputs = flat_inputs(TABLE)
    np.savez(
        tmp_path / "in.npz",
        **{k: v.numpy().astype("S200") if v.dtype == tf.string else v.numpy() for k, v in inputs.items()},
    )
    program = """
import json, sys
import numpy as np, tensorflow as tf
model = tf.saved_model.load(sys.argv[1] + "/model")
arrays = np.load(sys.argv[1] + "/in.npz")
given = {k: tf.constant(arrays[k].tolist() if arrays[k].dtype.kind == "S" else arrays[k]) for k in arrays.files}
found = {k: v.numpy() for k, v in model.signatures["serving_default"](**given).items()}
found = {k: [b.decode() for b in v.tolist()] if v.dtype == object else v.tolist() for k, v in found.items()}
print(json.dumps(["trueline" in sys.modules, found]))
"""
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True)
    loaded, found = json.loads(done.stdout.splitlines()[-1])
    assert not loaded
    here = to_tf_module(OUTPUT).serving_default(**inputs)
    assert found.keys() == here.keys()
    expected = OUTPUT.oracle(TABLE)
    for name, flat in signature_names(f.name for f in OUTPUT.outputs).items():
        tensors = {k: tf.constant(v) for k, v in found.items() if k == flat or k.startswith(flat + "__")}
        assert column_of(tensors, flat) == arrow_column(expected, name), name


def test_graph_optimiser_changes_no_bits() -> None:
    """What TensorFlow's optimiser likes to rewrite: division by a constant, sums of constants, negated comparisons."""

    def rewritten(x: Any) -> dict[str, Any]:
        a, b = x["a"], x["b"]
        return {
            "third": a / 3.0,
            "absorbed": (a + 1e16) - 1e16,
            "hoisted": a * b + a * 0.1,
            "scaled": (a * 0.1) * 0.7,
            "sums": (a + b) + (a + 0.3) + (b + 0.7),
            "not_less": ~(a < b),
            "not_equal": ~(a == b),
            "nothing": a * 0.0,
            "itself": a - a,
            "one": a / a,
            "square": a**2.0,
        }

    values = RANDOM.normal(size=(2, 4000)) * 30
    values[0, :6] = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e308]
    values[1, 3:9] = [np.nan, 1.0, np.inf, np.nan, 0.0, -0.0]
    table = pa.table({"a": values[0], "b": values[1]})
    output = TransformOutput(graph_of(rewritten, table, optional=False), {})
    expected = output.oracle(table)
    found = to_tf_module(output).serving_default(a=tf.constant(values[0]), b=tf.constant(values[1]))
    for name in expected.schema.names:
        np.testing.assert_array_equal(found[name].numpy(), expected.column(name).to_numpy(zero_copy_only=False), name)


def test_parsed_examples_in_a_dataset() -> None:
    """As in a TFX trainer: tf.Example records are parsed to dense and sparse tensors and mapped through the module."""
    rows = [{"fare": 1.5, "company": "taxi", "scores": [0.5, 2.0]}, {"company": "Ä"}, {"fare": -2.0, "scores": []}]

    def record(row: dict[str, Any]) -> bytes:
        feature = {}
        for name, value in row.items():
            if name == "company":
                feature[name] = tf.train.Feature(bytes_list=tf.train.BytesList(value=[value.encode()]))
            else:
                values = value if isinstance(value, list) else [value]
                feature[name] = tf.train.Feature(float_list=tf.train.FloatList(value=values))
        return bytes(tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString())

    spec = {
        "fare": tf.io.VarLenFeature(tf.float32),
        "company": tf.io.VarLenFeature(tf.string),
        "scores": tf.io.RaggedFeature(tf.float32),
    }
    schema = pa.schema({"fare": pa.float64(), "company": pa.string(), "scores": pa.list_(pa.float64())})

    def preprocessing(x: Any) -> dict[str, Any]:
        return {
            "fare": tlt.fill_missing(x["fare"], -1.0) / 3.0,
            "company": tlt.apply_vocabulary(x["company"], ["taxi"], num_oov_buckets=4),
            "total": tlt.fill_missing(tlt.list_sum(x["scores"]), 0.0),
        }

    output = TransformOutput(graph_of(preprocessing, pa.Table.from_pylist([], schema)), {})
    module = output.to_tf_module()
    records = tf.data.Dataset.from_tensor_slices([record(r) for r in rows]).batch(2)
    parsed = records.map(lambda batch: module.transform(tf.io.parse_example(batch, spec)))
    batches = [{k: v.numpy() for k, v in batch.items()} for batch in parsed]
    found = {k: np.concatenate([b[k] for b in batches]).tolist() for k in batches[0]}
    expected = output.oracle(pa.Table.from_pylist(rows, schema))
    for name in ("fare", "total"):
        assert found[name] == arrow_column(expected, name)
    pairs = zip(found["company"], found["company__present"], strict=True)
    assert [i if there else None for i, there in pairs] == arrow_column(expected, "company")
