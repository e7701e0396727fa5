"""Rows in the forms of data frames and loaders: the same rows in the same order, raw and transformed, without label."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import trueline.transform as tlt
from trueline._core.errors import ConfigError, DataError, ModelError
from trueline._core.rowid import row_ids
from trueline._core.values import RawFeature
from trueline.engine.base import Dataset
from trueline.training import FnArgs

ROWS = 90
FEATURES = [RawFeature("a", "float64"), RawFeature("kind", "utf8"), RawFeature("y", "int64")]


def preprocessing(inputs: Any) -> dict[str, Any]:
    number = tlt.compute_and_apply_vocabulary(tlt.fill_missing(inputs["kind"], "u"))
    return {"a": tlt.scale_to_z_score(inputs["a"]), "kind": number, "word": inputs["kind"], "y": inputs["y"]}


@pytest.fixture(scope="module")
def raw() -> pa.Table:
    rng = np.random.default_rng(3)
    return pa.table(
        {
            "__row__": row_ids(0, 0, ROWS),
            "a": pa.array(rng.normal(size=ROWS), mask=rng.random(ROWS) < 0.1),
            "kind": pa.array(rng.choice(["u", "v"], ROWS).astype(object)),
            "y": pa.array(np.arange(ROWS) % 2, mask=np.arange(ROWS) % 7 == 3),
        }
    )


@pytest.fixture(scope="module")
def transform(raw: pa.Table) -> tlt.TransformOutput:
    return tlt.analyze(tlt.trace(preprocessing, FEATURES), Dataset.from_table(raw))


def args(raw: pa.Table, transform: Any, **more: Any) -> FnArgs:
    given = {"label": "y", "features": ["a", "kind"], "raw_train": Dataset.from_table(raw, 16)} | more
    return FnArgs.create(train=Dataset.from_table(transform.transform(raw), 16), transform=transform, **given)


def test_data_frames_hold_the_table(raw: pa.Table, transform: Any) -> None:
    pytest.importorskip("pandas")
    pytest.importorskip("polars")
    train = args(raw, transform).train
    table = train.table()
    frame, polars = train.pandas(), train.polars()
    assert list(frame.columns) == polars.columns == table.column_names == ["__row__", "a", "kind", "y"]
    assert frame["y"].tolist() == polars["y"].to_list() == table.column("y").to_pylist()
    assert frame["a"].isna().sum() == polars["a"].null_count() == table.column("a").null_count > 0


def test_raw_rows_lie_beside_the_transformed_ones(raw: pa.Table, transform: Any) -> None:
    pytest.importorskip("pandas")
    fn_args = args(raw, transform)
    rows = fn_args.raw("train").table()
    assert rows.num_rows == fn_args.train.num_rows == ROWS - raw.column("y").null_count
    assert rows.column("__row__").equals(fn_args.train.table().column("__row__"))
    assert rows.column("kind").to_pylist() == [r["kind"] for r in raw.to_pylist() if r["y"] is not None]
    assert fn_args.raw().pandas()["y"].tolist() == fn_args.train.arrays().y.tolist()


def test_other_raw_rows_are_refused(raw: pa.Table, transform: Any) -> None:
    turned = raw.take(pa.array(np.arange(ROWS)[::-1]))
    with pytest.raises(ModelError, match="not those that the transform took"):
        args(raw, transform, raw_train=Dataset.from_table(turned, 16)).raw().table()
    with pytest.raises(ModelError, match="not those that the transform took"):
        args(raw, transform, raw_train=Dataset.from_table(raw.slice(1), 16)).raw().table()
    with pytest.raises(ConfigError, match="raw_examples=gen"):
        args(raw, transform, raw_train=None).raw()
    with pytest.raises(ConfigError, match="no raw rows of 'evil'"):
        args(raw, transform).raw("evil")


def test_without_a_label_every_row_is_there_and_y_is_none(raw: pa.Table, transform: Any) -> None:
    fn_args = args(raw, transform, label=None)
    assert (fn_args.train.num_rows, fn_args.train.missing_labels) == (ROWS, 0)
    x, y, w = fn_args.train.arrays()
    assert (x.shape, y, w) == ((ROWS, 2), None, None)
    assert [len(b.x) for b in fn_args.train.batches(40)] == [40, 40, 10]
    assert all(b.y is None for b in fn_args.train.batches(40))
    assert fn_args.raw().table().num_rows == ROWS


def test_a_torch_loader_gives_float32_in_an_order_of_the_seed_and_the_epoch(raw: pa.Table, transform: Any) -> None:
    torch = pytest.importorskip("torch")
    train = args(raw, transform, seed=5).train
    loader = train.torch_loader(16)
    assert isinstance(loader, torch.utils.data.DataLoader)
    first, second = [list(loader) for _ in range(2)]
    assert len(loader) == len(first) == len(second) == -(-train.num_rows // 16)
    assert {b.x.dtype for b in first} == {torch.float32}
    assert first[0].y.dtype == torch.int64
    assert first[0].w is None
    orders = [torch.cat([b.x[:, 0] for b in epoch]).nan_to_num(9.0).tolist() for epoch in (first, second)]
    assert orders[0] != orders[1]
    assert sorted(orders[0]) == sorted(orders[1])
    again = torch.cat([b.x[:, 0] for b in args(raw, transform, seed=5).train.torch_loader(16)])
    assert again.nan_to_num(9.0).tolist() == orders[0]
    other = torch.cat([b.x[:, 0] for b in args(raw, transform, seed=6).train.torch_loader(16)])
    assert other.nan_to_num(9.0).tolist() != orders[0]


def test_a_torch_loader_goes_on_where_its_state_was_taken(raw: pa.Table, transform: Any) -> None:
    pytest.importorskip("torch")
    whole = args(raw, transform).train.torch_loader(16)
    wanted = [b.y.tolist() for _ in range(2) for b in whole]
    loader = args(raw, transform).train.torch_loader(16)
    taken = [b.y.tolist() for b in loader]
    for b in loader:
        taken.append(b.y.tolist())
        if len(taken) == 7:
            break
    state = loader.state()
    fresh = args(raw, transform).train.torch_loader(16)
    fresh.load_state(state)
    assert taken + [b.y.tolist() for b in fresh] == wanted


def test_ranks_share_the_rows_in_equally_many_batches(raw: pa.Table, transform: Any) -> None:
    pytest.importorskip("torch")
    loaders = [args(raw, transform, rank=r, world_size=2).train.torch_loader(16) for r in range(2)]
    sizes = [[len(b.y) for b in loader] for loader in loaders]
    assert sizes[0] == sizes[1]
    rows = args(raw, transform).train.num_rows
    assert sum(map(sum, sizes)) == rows - rows % 2


def test_a_label_of_text_is_no_tensor(raw: pa.Table, transform: Any) -> None:
    pytest.importorskip("torch")
    with pytest.raises(DataError, match="torch has no arrays of text: word"):
        next(iter(args(raw, transform, label="word").train.torch_loader(16)))


def test_tfx_names(raw: pa.Table, transform: Any, tmp_path: Path) -> None:
    paths = [str(tmp_path / f"part-{i}.parquet") for i in range(2)]
    table = transform.transform(raw)
    pq.write_table(table.slice(0, 50), paths[0], row_group_size=20)
    pq.write_table(table.slice(50), paths[1], row_group_size=20)
    fn_args = FnArgs.create(
        train=Dataset.from_parquet(paths),
        transform=transform,
        label="y",
        features=["a", "kind"],
        working_dir=str(tmp_path / "run"),
        transform_output="/graph",
        schema_path="/schema/schema.pbtxt",
        train_steps=3,
    )
    assert fn_args.train_files == paths
    assert fn_args.eval_files == []
    assert fn_args.transform_graph_path == fn_args.transform_output == "/graph"
    assert fn_args.schema_file == "/schema/schema.pbtxt"
    assert fn_args.model_run_dir == str(tmp_path / "run")
    assert fn_args.serving_model_dir == str(tmp_path / "run" / "serving_model_dir")
    assert (fn_args.train_steps, fn_args.eval_steps) == (3, None)
    assert fn_args.num_examples == fn_args.train.num_rows

    class Options:
        batch_size = 15

    read = list(fn_args.data_accessor.record_batch_factory(fn_args.train_files, Options()))
    assert max(b.num_rows for b in read) == 15
    assert pa.Table.from_batches(read).column("__row__").equals(table.column("__row__"))


@pytest.mark.frameworks
def test_a_torch_loader_gives_the_same_batches_from_workers(raw: pa.Table, transform: Any) -> None:
    """An epoch, and what is left of the next after a stop: processes of their own change nothing."""
    pytest.importorskip("torch")
    alone = args(raw, transform).train.torch_loader(16)
    wanted = [b.x[:, 1].tolist() for b in alone]
    loader = args(raw, transform).train.torch_loader(16, workers=2)
    assert [b.x[:, 1].tolist() for b in loader] == wanted
    for taken, _ in enumerate(alone, 1):
        if taken == 3:
            break
    state = alone.state()
    loader.load_state(state)
    alone.load_state(state)
    rest = [b.x[:, 1].tolist() for b in loader]
    assert rest == [b.x[:, 1].tolist() for b in alone]
    assert len(rest) == len(loader) - 3
