"""Batch inference: any rows in, predictions as Parquet out, on any engine, with the bits of `Model.predict`."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trueline._core import store
from trueline._core.errors import ConfigError, DataError, FeedError, did_you_mean
from trueline._core.rowid import ROW_COLUMN
from trueline.engine.base import Dataset, Engine, FunctionSpec
from trueline.models.bulk_job import BulkModel, arrow_output, load_bulk
from trueline.models.bulk_result import INFERENCE_NAME, Predictions, write_inference_json
from trueline.models.model import Model

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["EVERYTHING", "Asked", "about_model", "open_bulk", "predict_dataset", "predict_splits"]

EVERYTHING = "*"
"""Among columns: all columns of the data."""
_SPLIT = "all"
_TEXT_ENDINGS = {"csv": "csv_source:CsvSource", "tsv": "csv_source:CsvSource", "tab": "csv_source:CsvSource"}
_TEXT_ENDINGS |= dict.fromkeys(("jsonl", "ndjson", "json"), "jsonl_source:JsonlSource")
_PACKED = (".gz", ".bz2", ".zst")


def predict_dataset(
    model: Model | str,
    data: Any,
    uri: str,
    *,
    columns: Sequence[str] | None = None,
    rename: Mapping[str, str] | None = None,
    allow_missing_columns: bool = False,
    allow_host: Collection[str] | None = (),
    engine: Engine | None = None,
) -> Predictions:
    """Predicts every row of some data and writes the predictions as an InferenceResult.

    Args:
        model: the model, or its folder.
        data: whatever `trueline.transform` takes (a `Dataset`, a table or frame, Parquet, CSV, JSONL, Avro or TFRecord
            files, Examples of a pipeline, a `SourceSpec`), or several of them by the names of their splits. Cells of
            CSV and JSONL are read in the types that the model asks for.
        uri: an empty or absent folder.
        columns: columns of the result in order: outputs of the model and columns of the data, ``"*"`` for all of the
            data's; the model's outputs by default. ``__row__`` is always kept where the data has it.
        rename: other names for the model's outputs, such as ``{"label": "predicted"}``.
        allow_missing_columns: take a column that the data lacks for missing in every row, where the model allows that.
        allow_host: modules whose host steps and Python models may run; None allows all. A `Model` brings its own.
        engine: `default_engine()` if none. The same bits from each.

    Returns:
        The predictions, opened.

    Raises:
        ConfigError: columns that do not exist, or two of one name.
        DataError: a column that the model reads is not there or of another type, or a row lacks a required value: by
            name. Nothing stays behind.
    """
    folder = model.uri if isinstance(model, Model) else model
    if isinstance(model, Model):
        allow_host = model.runtime.allow_host
    bulk, asked = open_bulk(folder, allow_host), Asked(columns, rename, allow_missing_columns)
    with _fresh(uri), contextlib.ExitStack() as stack:
        given = data if isinstance(data, Mapping) and not hasattr(data, "num_rows") else {_SPLIT: data}
        splits = {name: stack.enter_context(_dataset(bulk, value)) for name, value in given.items()}
        schema, plan, blocks = predict_splits(bulk, splits, uri, asked, allow_host, engine)
        write_inference_json(uri, schema, about_model(bulk), plan, blocks)
        from trueline._core.manifest import write_manifest

        write_manifest(uri, "InferenceResult", 1)
    return Predictions.open(uri)


@dataclass(frozen=True)
class Asked:
    """Which columns a result has; see `predict_dataset`."""

    columns: Sequence[str] | None = None
    rename: Mapping[str, str] | None = None
    allow_missing_columns: bool = False


Blocks = dict[str, list[tuple[int, str, int]]]


def predict_splits(
    bulk: BulkModel,
    splits: Mapping[str, Dataset],
    uri: str,
    asked: Asked,
    allow_host: Collection[str] | None = None,
    engine: Engine | None = None,
    sources: Sequence[str] = (),
) -> tuple[pa.Schema, list[list[str]], Blocks]:
    """Predicts the splits into ``Split-<name>/``: the Arrow schema, the columns and the files of every split.

    Raises:
        ConfigError, DataError: as `predict_dataset`.
    """
    from trueline.data.splits import check_split_name
    from trueline.data.writer import remove_strays
    from trueline.engine import default_engine

    engine = engine or default_engine()
    plan: list[list[str]] = []
    blocks: Blocks = {}
    schema: Any = None
    if problems := [problem for name in splits if (problem := check_split_name(name))]:
        raise ConfigError("a split has a bad name", problems=problems)
    plans = {name: _plan(bulk, dataset, asked) for name, dataset in splits.items()}
    for name, dataset in splits.items():
        plan = plans[name]
        own = _schema(bulk, dataset, plan)
        if schema is not None and own != schema:
            raise DataError(f"split {name!r} has other columns than the splits before it", where=uri)
        schema = own
        folder = f"Split-{name}"
        params = _params(bulk, dataset, plan, allow_host) | {"uri": uri, "folder": folder, "sources": list(sources)}
        made = engine.map_blocks(FunctionSpec("trueline.models.bulk_job:predict_block", params), dataset)
        numbers = [block.number for block in dataset.blocks]
        blocks[name] = [(n, str(file), int(rows)) for n, (file, rows) in zip(numbers, made, strict=True)]
        remove_strays(uri, [folder], {file for _, file, _ in blocks[name]})
    return schema, plan, blocks


def open_bulk(uri: str | os.PathLike[str], allow_host: Collection[str] | None) -> BulkModel:
    """The model in a folder, its files compared with their manifest."""
    from trueline._core.manifest import read_manifest

    place = os.fspath(uri)
    allowed = None if allow_host is None else tuple(sorted(allow_host))
    return load_bulk(place, str(read_manifest(place, "size").fingerprint), allowed)


def _params(
    bulk: BulkModel, dataset: Dataset, plan: Sequence[Sequence[str]], allow_host: Collection[str] | None
) -> dict[str, Any]:
    has_ids = ROW_COLUMN in dataset.columns
    starts, at = {}, 0
    for block in () if has_ids else dataset.blocks:
        starts[str(block.number)] = at
        at += block.rows
    inputs = [f.name for f in bulk.runtime.inputs if f.name in dataset.columns]
    kept = [there for _, origin, there in plan if origin == "data"]
    manifest = bulk.runtime.manifest
    return {
        "model_uri": bulk.runtime.uri,
        "fingerprint": str(manifest.fingerprint) if manifest is not None else "",
        "allow_host": None if allow_host is None else sorted(allow_host),
        "columns": [list(column) for column in plan],
        "reads": list(dict.fromkeys([*inputs, *kept, *([ROW_COLUMN] if has_ids else [])])),
        "starts": starts,
    }


def _plan(bulk: BulkModel, dataset: Dataset, asked: Asked) -> list[list[str]]:
    """``[name, "model" | "data", name there]`` of every column of the result.

    Raises:
        ConfigError: names that do not exist, or stand twice.
        DataError: columns that the model reads are not there, or of another type.
    """
    _check_inputs(bulk, dataset, asked.allow_missing_columns)
    outputs = [str(o["name"]) for o in bulk.runtime.outputs]
    rename = dict(asked.rename or {})
    if wrong := [n for n in rename if n not in outputs]:
        raise ConfigError(f"the model has no output {wrong[0]!r}", hint=did_you_mean(wrong[0], outputs))
    made = {rename.get(name, name): name for name in outputs}
    visible = [n for n in dataset.columns if not n.startswith("__")]
    plan = [[ROW_COLUMN, "data", ROW_COLUMN]] if _keeps_rows(dataset) else []
    for name in list(made) if asked.columns is None else asked.columns:
        if name == EVERYTHING:
            plan += [[n, "data", n] for n in visible]
        elif name in made:
            plan.append([name, "model", made[name]])
        elif name in visible:
            plan.append([name, "data", name])
        elif name != ROW_COLUMN:
            hint = did_you_mean(name, [*made, *visible])
            raise ConfigError(f"there is no column {name!r} among the model's outputs and the data", hint=hint)
    names = [name for name, _, _ in plan]
    if twice := sorted({n for n in names if names.count(n) > 1}):
        raise ConfigError(
            f"the result would have two columns {twice[0]!r}",
            hint=f"name the model's output otherwise: rename={{{twice[0]!r}: 'predicted_{twice[0]}'}}.",
        )
    return plan


def _keeps_rows(dataset: Dataset) -> bool:
    from trueline.transform.datasets import has_own_rows

    return has_own_rows(dataset)


def _check_inputs(bulk: BulkModel, dataset: Dataset, allow_missing: bool) -> None:
    """Compares the data's columns with the model's signature before anything is computed."""
    import pyarrow as pa

    inputs = bulk.runtime.inputs
    there = [n for n in dataset.columns if not n.startswith("__")]
    absent = [f for f in inputs if f.name not in dataset.columns and not (allow_missing and f.optional)]
    problems = [f"column {f.name!r} ({f.dtype}) is not there. {did_you_mean(f.name, there)}" for f in absent]
    fields = [dataset.arrow_schema.field(f.name) for f in inputs if f.name in dataset.columns]
    empty = pa.schema(fields).empty_table()
    for feature, field in ((f, empty.schema.field(f.name)) for f in inputs if f.name in empty.schema.names):
        try:
            _feed_of(feature).from_arrow(empty.select([field.name]))
        except FeedError as error:
            problems += error.problems
    if problems:
        optional = any(f.optional for f in absent)
        hint = "a column may be absent where every row lacks it: allow_missing_columns=True." if optional else None
        raise DataError("the data does not fit the model", problems=problems, hint=hint)


def _feed_of(feature: Any) -> Any:
    from trueline._core.feeds import Feeds

    return Feeds([feature])


def _schema(bulk: BulkModel, dataset: Dataset, plan: Sequence[Sequence[str]]) -> pa.Schema:
    """The result's schema, as `predict_block` writes it."""
    import numpy as np
    import pyarrow as pa

    types = {"bool": np.bool_, "int64": np.int64, "utf8": object, "float32": np.float32}
    described = {o["name"]: o for o in bulk.runtime.outputs}
    fields = []
    for name, origin, there in plan:
        if origin == "data":
            fields.append(pa.field(name, dataset.arrow_schema.field(there).type))
            continue
        output = described[there]
        nothing = np.zeros((0, *output["shape"][1:]), types[output["dtype"]])
        fields.append(pa.field(name, arrow_output(output, nothing).type))
    return pa.schema(fields)


def about_model(bulk: BulkModel) -> dict[str, Any]:
    """What predictions say of their model."""
    info, manifest = bulk.runtime.info, bulk.runtime.manifest
    known = {name: info.get(name) for name in ("name", "task", "label", "classes")}
    return known | {"fingerprint": manifest.fingerprint if manifest is not None else None}


@contextlib.contextmanager
def _fresh(uri: str) -> Iterator[None]:
    """A folder that holds nothing before, and nothing after a failure."""
    from trueline._core.manifest import MANIFEST_NAME

    if store.listdir(uri):
        what = "predictions" if store.exists(store.join(uri, INFERENCE_NAME)) else "other files"
        raise ConfigError(f"the folder holds {what} already", where=uri, hint="write into a folder of its own.")
    before = store.exists(uri)
    try:
        yield
    except BaseException:
        for name in store.listdir(uri):
            if name.startswith("Split-") or name in (INFERENCE_NAME, MANIFEST_NAME):
                store.remove_tree(store.join(uri, name))
        if not before and not store.listdir(uri):
            store.remove_tree(uri)
        raise


@contextlib.contextmanager
def _dataset(bulk: BulkModel, data: Any) -> Iterator[Dataset]:
    """The data as blocks; text files are read in the model's types."""
    from trueline.data import SourceSpec
    from trueline.transform.datasets import opened

    if isinstance(data, str | os.PathLike):
        location = os.fspath(data)
        name = location.lower()
        for packed in _PACKED:
            name = name.removesuffix(packed)
        factory = _TEXT_ENDINGS.get(name.rpartition(".")[2])
        if factory is not None:
            types = {
                f.name: "float64" if f.dtype == "float32" else f.dtype  # text has no float32; the feed rounds
                for f in bulk.runtime.inputs
                if f.kind == "scalar" and f.dtype != "bytes"
            }
            data = SourceSpec(f"trueline.data.{factory}", {"input_base": location, "schema_types": types})
    with opened(data) as dataset:
        yield dataset
