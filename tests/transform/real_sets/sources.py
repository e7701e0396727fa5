"""The six data sets as their users read them, and what the tests of all six share."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pyarrow as pa
from real_sets import (
    features_adult,
    features_complaints,
    features_imdb,
    features_mnist,
    features_penguin,
    features_taxi,
)

import trueline.transform as tlt
from trueline.data import ingest_csv
from trueline.transform.datasets import opened

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"


@dataclass(frozen=True)
class RealSet:
    """A data set and its features.

    Attributes:
        file: below the folder of the data.
        function: the preprocessing function.
        rows: how many there are.
        label: the output to be learned.
        profile: the narrowest profile that can run it.
        csv: options of `ingest_csv`; None: the file is given to `analyze_and_transform` as it is.
    """

    file: str
    function: Callable[[Any], dict[str, Any]]
    rows: int
    label: str
    profile: str = "portable"
    csv: Mapping[str, Any] | None = None

    @property
    def path(self) -> Path:
        """Where the data is."""
        return DATA / self.file


NA: dict[str, Any] = {"null_values": ("", "NA")}
TRIM: dict[str, Any] = {"trim": True}
SETS = {
    "taxi": RealSet("taxi/taxi.csv", features_taxi.preprocessing_fn, 15_002, "tips_xf"),
    "adult": RealSet("adult/adult.data", features_adult.preprocessing_fn, 32_560, "income", csv=TRIM),
    "census": RealSet("adult/adult.data", features_adult.census_preprocessing_fn, 32_560, "income", "server", TRIM),
    "complaints": RealSet(
        "complaints/consumer_complaints.csv", features_complaints.preprocessing_fn, 3_186, "consumer_disputed_xf"
    ),
    "imdb": RealSet("imdb/imdb_small.csv", features_imdb.preprocessing_fn, 100, "label"),
    "imdb_markup": RealSet("imdb/imdb_small.csv", features_imdb.markup_preprocessing_fn, 100, "label", "server"),
    "mnist": RealSet("mnist/mnist.tfrecord", features_mnist.preprocessing_fn, 1_000, "image_class_xf"),
    "penguin": RealSet("penguin/penguins_raw.csv", features_penguin.preprocessing_fn, 344, "species", csv=NA),
    "penguin_processed": RealSet(
        "penguin/penguins_processed.csv", features_penguin.processed_preprocessing_fn, 334, "species"
    ),
}
MISSING = sorted({str(s.path) for s in SETS.values() if not s.path.exists()})


@dataclass(frozen=True)
class Made:
    """A set that went through the transform."""

    real: RealSet
    raw: pa.Table
    out: pa.Table
    output: tlt.TransformOutput

    def numbers(self, name: str) -> np.ndarray:
        """A column of numbers or vectors without missing values, as a float64 array."""
        assert self.out[name].null_count == 0
        return np.array(self.out[name].to_pylist(), np.float64)


@cache
def examples(file: str, **options: Any) -> str:
    """The Examples of a CSV file, in a folder that goes with the process."""
    folder = _folder(file + str(sorted(options)))
    ingest_csv(str(DATA / file), folder.name, splits=[("train", 1)], **options)
    return folder.name


@cache
def _folder(key: str) -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="real-sets-")


@cache
def made(name: str) -> Made:
    """A set, transformed once for all tests."""
    real = SETS[name]
    source = str(real.path) if real.csv is None else examples(real.file, **real.csv)
    out, output = tlt.analyze_and_transform(source, real.function, profile=real.profile)
    return Made(real, raw_table(source), without_rows(out), output)


def without_rows(table: pa.Table) -> pa.Table:
    """The table without the row ids of Examples."""
    return table.drop_columns([n for n in table.column_names if n == "__row__"])


@cache
def raw_table(source: str) -> pa.Table:
    """The raw rows that a path stands for."""
    with opened(source) as dataset:
        return without_rows(pa.Table.from_batches(list(dataset.batches())))


def by_onnx(output: tlt.TransformOutput, raw: pa.Table) -> dict[str, list[Any]]:
    """What the exported graph gives, run by ONNX Runtime itself: lists of Python values, None where missing."""
    options = onnxruntime.SessionOptions()
    if any(o.domain == "ai.onnx.contrib" for o in output.to_onnx().opset_import):
        import onnxruntime_extensions

        options.register_custom_ops_library(onnxruntime_extensions.get_library_path())
    session = onnxruntime.InferenceSession(output.to_onnx().SerializeToString(), options)
    names = [o.name for o in session.get_outputs()]
    found = dict(zip(names, session.run(names, output.feeds().from_arrow(raw)), strict=True))
    columns = {}
    for feature in output.outputs:
        name = "transformed:" + feature.name
        values = found[name].tolist()
        if feature.kind == "ragged":
            values = [v[:n] for v, n in zip(values, found[name + ":length"].tolist(), strict=True)]
        there = found.get(name + ":present", np.ones(len(values), bool))
        columns[feature.name] = [v if p else None for v, p in zip(values, there, strict=True)]
    return columns
