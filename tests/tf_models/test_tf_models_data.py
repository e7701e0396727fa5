"""Rows as tf.data, TFX's data accessor, seeds of TensorFlow and Keras, and TensorBoard reading what was logged."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import trueline.transform as tlt
from trueline._core.values import RawFeature
from trueline.engine.base import Dataset
from trueline.training import FnArgs, run_training
from trueline.training.seeds import seeded

tf = pytest.importorskip("tensorflow")

# Keras turns TensorFlow's variables into arrays in a way that numpy 2 warns of.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

ROWS = 70
FEATURES = [
    RawFeature("a", "float64"),
    RawFeature("kind", "utf8"),
    RawFeature("y", "int64"),
    RawFeature("w", "float64", optional=False),
]


def preprocessing(inputs: Any) -> dict[str, Any]:
    kind = tlt.fill_missing(inputs["kind"], "u")
    number = tlt.compute_and_apply_vocabulary(kind)
    return {"a": inputs["a"], "kind": number, "word": kind, "y": inputs["y"], "w": inputs["w"]}


@pytest.fixture(scope="module")
def table() -> pa.Table:
    rng = np.random.default_rng(3)
    return pa.table(
        {
            "a": pa.array(rng.normal(size=ROWS), mask=rng.random(ROWS) < 0.1),
            "kind": pa.array(rng.choice(["u", "v"], ROWS).astype(object)),
            "y": pa.array(np.arange(ROWS) % 2, mask=np.arange(ROWS) % 7 == 3),
            "w": rng.uniform(0.5, 1, ROWS),
        }
    )


@pytest.fixture(scope="module")
def transform(table: pa.Table) -> tlt.TransformOutput:
    return tlt.analyze(tlt.trace(preprocessing, FEATURES), Dataset.from_table(table))


def args(table: pa.Table, transform: Any, **more: Any) -> FnArgs:
    given = {"label": "y", "weight": "w", "features": ["a", "kind"]} | more
    return FnArgs.create(train=Dataset.from_table(transform.transform(table), 16), transform=transform, **given)


def test_a_dataset_gives_the_arrays_batch_by_batch(table: pa.Table, transform: Any) -> None:
    train = args(table, transform).train
    data = train.tf_dataset(16, shuffle=False)
    assert [s.dtype for s in data.element_spec] == [tf.float32, tf.int64, tf.float32]
    assert int(data.cardinality()) == -(-train.num_rows // 16)
    x, y, w = (np.concatenate(parts) for parts in zip(*(map(np.asarray, row) for row in data), strict=True))
    whole = train.arrays()
    np.testing.assert_array_equal(x, whole.x)
    np.testing.assert_array_equal(y, whole.y)
    np.testing.assert_array_equal(w, whole.w)


def test_every_epoch_has_an_order_of_its_own(table: pa.Table, transform: Any) -> None:
    data = args(table, transform).train.tf_dataset(16)
    orders = [np.concatenate([np.asarray(w) for _, _, w in data]).tolist() for _ in range(2)]
    assert orders[0] != orders[1]
    assert sorted(orders[0]) == sorted(orders[1])
    again = args(table, transform).train.tf_dataset(16)
    assert np.concatenate([np.asarray(w) for _, _, w in again]).tolist() == orders[0]


def test_several_inputs_a_label_of_text_and_no_label(table: pa.Table, transform: Any) -> None:
    train = args(table, transform, label="word", weight=None).train
    x, y = next(iter(train.tf_dataset(16, shuffle=False, inputs={"ids": ["kind"], "rest": ["a"]})))
    assert {k: (v.dtype, tuple(v.shape)) for k, v in x.items()} == {
        "ids": (tf.int64, (16, 1)),
        "rest": (tf.float32, (16, 1)),
    }
    assert {v.decode() for v in np.asarray(y)} == {"u", "v"}
    (alone,) = [args(table, transform, label=None, weight=None).train.tf_dataset(100, shuffle=False)]
    assert next(iter(alone)).shape == (ROWS, 2)


def test_keras_fits_on_it_and_is_seeded(table: pa.Table, transform: Any, tmp_path: Path) -> None:
    import keras

    def run_fn(fn_args: FnArgs) -> Any:
        net = keras.Sequential(
            [keras.Input([1]), keras.layers.Dense(4), keras.layers.Dropout(0.5), keras.layers.Dense(1)]
        )
        net.compile("adam", keras.losses.BinaryCrossentropy(from_logits=True))
        history = net.fit(fn_args.train.tf_dataset(16), epochs=2, verbose=0, shuffle=False)
        for epoch, loss in enumerate(history.history["loss"]):
            fn_args.log("train/loss", loss, epoch)
        return net

    weights = []
    for number, seed in enumerate((3, 3, 4)):
        given = args(table, transform, features=["kind"], seed=seed, working_dir=str(tmp_path / str(number)))
        weights.append(run_training(run_fn, given).model.get_weights())
    assert all(np.array_equal(a, b) for a, b in zip(weights[0], weights[1], strict=True))
    assert not np.array_equal(weights[0][0], weights[2][0])


def test_a_keras_file_and_a_saved_model_are_read_back(table: pa.Table, transform: Any, tmp_path: Path) -> None:
    import keras

    def keras_style(fn_args: FnArgs) -> None:
        net = keras.Sequential([keras.Input([2]), keras.layers.Dense(1)])
        Path(fn_args.serving_model_dir).mkdir()
        net.save(str(Path(fn_args.serving_model_dir, "net.keras")))

    def tfx_style(fn_args: FnArgs) -> None:
        class Net(tf.Module):
            @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32)])
            def __call__(self, x: Any) -> Any:
                return tf.reduce_sum(x, axis=1, keepdims=True)

        tf.saved_model.save(Net(), fn_args.serving_model_dir)

    def unsafe(fn_args: FnArgs) -> None:
        net = keras.Sequential([keras.Input([2]), keras.layers.Lambda(lambda x: x * 2), keras.layers.Dense(1)])
        Path(fn_args.serving_model_dir).mkdir()
        net.save(str(Path(fn_args.serving_model_dir, "net.keras")))

    from trueline._core.errors import ModelError

    for number, run_fn in enumerate((keras_style, tfx_style)):
        given = args(table, transform, working_dir=str(tmp_path / str(number)))
        (tmp_path / str(number)).mkdir()
        fitted = run_training(run_fn, given)
        x = tf.constant([[1.0, 2.0]])
        assert tuple(fitted.model(x).shape) == (1, 1)
    (tmp_path / "unsafe").mkdir()
    with pytest.raises(ModelError, match=r"net\.keras: the file does not load"):
        run_training(unsafe, args(table, transform, working_dir=str(tmp_path / "unsafe")))


def test_tfx_code_reads_its_files(table: pa.Table, transform: Any, tmp_path: Path) -> None:
    paths = [str(tmp_path / f"{i}.parquet") for i in range(2)]
    rows = transform.transform(table).drop_columns(["y"])
    pq.write_table(rows.slice(0, 40), paths[0], row_group_size=16)
    pq.write_table(rows.slice(40), paths[1])
    fn_args = FnArgs.create(train=Dataset.from_parquet(paths), transform=transform, label="kind", features=["a"])
    options = SimpleNamespace(batch_size=32, label_key="word", shuffle=False, num_epochs=1)
    batches = list(fn_args.data_accessor.tf_dataset_factory(fn_args.train_files, options, fn_args.schema))
    assert [len(label) for _, label in batches] == [32, 32, 6]
    assert set(batches[0][0]) == {"a", "kind", "w"}
    assert batches[0][0]["a"].dtype == tf.float32
    words = [v.decode() for _, label in batches for v in np.asarray(label)]
    assert words == rows.column("word").to_pylist()


def test_tensorboard_reads_what_was_logged(table: pa.Table, transform: Any, tmp_path: Path) -> None:
    event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    fn_args = args(table, transform, working_dir=str(tmp_path))
    for step in range(2500):
        fn_args.log("train/loss", 1 / (step + 1), step)
    fn_args.log("odd", math.nan)
    fn_args.log("odd", math.inf)
    fn_args.tracker.close()
    read = event_accumulator.EventAccumulator(str(tmp_path / "tensorboard"), {"scalars": 0})
    read.Reload()
    assert sorted(read.Tags()["scalars"]) == ["odd", "train/loss"]
    scalars = read.Scalars("train/loss")
    assert [s.step for s in scalars] == list(range(2500))
    np.testing.assert_allclose([s.value for s in scalars], 1 / np.arange(1, 2501), rtol=1e-6)
    assert [(s.step, repr(s.value)) for s in read.Scalars("odd")] == [(0, "nan"), (1, "inf")]


def test_tensorflow_is_seeded_for_a_while() -> None:
    drawn = []
    for seed in (1, 1, 2):
        with seeded(seed):
            drawn.append(float(tf.random.normal([])))
    assert drawn[0] == drawn[1] != drawn[2]
