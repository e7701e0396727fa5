"""What the server answers equals the batch predictions of the same rows, one by one, by 7 and by 64.

The same bits where graph and model have only operations that give each row its own, correctly rounded result; else
within the tolerance that a model's export is held to, since a sum over many values may be added up in another order.
"""

from __future__ import annotations

import asyncio
import io
import json
import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import onnx
import pyarrow as pa
import pytest
from conformance_models import write_models
from serving_helpers import running

from trueline import Examples, LocalRunner, Model
from trueline._core.runtime import ModelRuntime
from trueline.models.contract import Tolerance

SIZES = (1, 7, 64)
LINES = Path(__file__).resolve().parents[1] / "lines"
SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
EXACT = frozenset(
    {
        "Add",
        "Sub",
        "Mul",
        "Div",
        "Min",
        "Max",
        "Abs",
        "Neg",
        "Floor",
        "Ceil",
        "Mod",
        "Clip",
        "Sign",
        "Cast",
        "Identity",
        "Round",
    }
    | {"Equal", "Not", "And", "Or", "Xor", "Where", "Less", "Greater", "LessOrEqual", "GreaterOrEqual", "IsNaN"}
    | {"Shape", "Reshape", "Unsqueeze", "Squeeze", "Concat", "Slice", "Gather", "Expand", "OneHot", "Constant", "Split"}
    | {"ConstantOfShape", "Range", "Transpose", "ArgMax", "LabelEncoder", "TreeEnsembleRegressor", "TreeEnsemble"}
    | {"MurmurHash3"}
)
"""Operations whose result for a row is the same bits whatever rows stand beside it."""
STREAM = "application/vnd.apache.arrow.stream"


def operations(folder: Path) -> set[str]:
    """Every operation of a graph, those within branches and functions too."""

    def of_graph(graph: Any) -> Iterator[str]:
        for node in graph.node:
            yield node.op_type
            for attribute in node.attribute:
                if attribute.HasField("g"):
                    yield from of_graph(attribute.g)

    model = onnx.load(folder / "model.onnx")
    calls = {function.name for function in model.functions}
    inner = {node.op_type for function in model.functions for node in function.node}
    return (set(of_graph(model.graph)) | inner) - calls


def plain(value: Any) -> Any:
    """A raw value as a client writes it in JSON."""
    return value.isoformat() if isinstance(value, datetime) else value


def stream(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


async def served(client: httpx.AsyncClient, table: pa.Table, size: int, form: str) -> dict[str, list[Any]]:
    """The answers for all rows, asked `size` at a time: output name to values."""
    outputs: dict[str, list[Any]] = {}
    for start in range(0, table.num_rows, size):
        part = table.slice(start, size)
        headers = {"content-type": "application/json"}
        if form == "arrow":
            content, headers = stream(part), {"content-type": STREAM, "accept": "application/json"}
        elif form == "rows":
            rows = [{n: plain(v) for n, v in row.items() if v is not None} for row in part.to_pylist()]
            content = json.dumps({"instances": rows}).encode()
        else:
            columns = {n: [plain(v) for v in part.column(n).to_pylist()] for n in part.column_names}
            content = json.dumps({"inputs": columns}).encode()
        answer = await client.post("/v1/models/m:predict", content=content, headers=headers)
        assert answer.status_code == 200, answer.text
        found = answer.json()
        if "predictions" in found:
            keyed = all(isinstance(row, dict) for row in found["predictions"])
            rows = found["predictions"] if keyed else [{"": row} for row in found["predictions"]]
            found = {name: [row[name] for row in rows] for name in rows[0]}
        else:
            found = found["outputs"] if isinstance(found["outputs"], dict) else {"": found["outputs"]}
        for name, values in found.items():
            outputs.setdefault(name, []).extend(values)
    return outputs


def check_equal(got: list[Any], expected: np.ndarray[Any, Any], exact: bool, told: Any) -> None:
    if expected.dtype != np.float32:
        assert got == expected.tolist(), told
        return
    values = np.array(got, np.float32)  # the fewest digits give the same float32 back
    if exact:
        assert values.tobytes() == np.ascontiguousarray(expected).tobytes(), told
    else:
        limit = Tolerance()
        np.testing.assert_allclose(values, expected, rtol=limit.relative, atol=limit.absolute, err_msg=str(told))


def compare(folder: Path, base: Path, table: pa.Table, batch: dict[str, np.ndarray[Any, Any]]) -> bool:
    """Serves the model and compares every form and size; whether the bits had to be the same."""
    exact = operations(folder) <= EXACT

    async def main() -> None:
        async with running({"m": base}) as (_, client):
            for size in SIZES:
                for form in ("rows", "columns", "arrow"):
                    got = await served(client, table, size, form)
                    for name, values in got.items():
                        one = next(iter(batch.values())) if name == "" else batch[name]
                        if not exact and one.dtype != np.float32:
                            continue  # a class at a tie may change with the last bit
                        check_equal(values, one, exact, (name, size, form))

    asyncio.run(main())
    return exact


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("equality")
    write_models(root)
    return root


@pytest.mark.parametrize(("name", "exact"), [("half", True), ("kinds", True), ("taxi", False), ("pair", False)])
def test_small_models_are_served_as_they_predict_in_bulk(models: Path, name: str, exact: bool) -> None:
    """Arithmetic is the same bits; a sigmoid or a sum is within the tolerance."""
    rng = np.random.default_rng(3)
    count = 66
    missing = rng.random(count) < 0.2
    words = np.array(["Flash", "", "Zürich Táxi", "x"], object)[rng.integers(0, 4, count)]
    wide = rng.normal(size=count) * 10.0 ** rng.integers(-12, 12, count)
    tables: dict[str, dict[str, Any]] = {
        "half": {"x": wide},
        "pair": {"v": pa.array(rng.normal(size=(count, 2)).tolist(), pa.list_(pa.float64(), 2))},
        "taxi": {"fare": pa.array(wide, mask=missing), "company": pa.array(words, mask=missing[::-1].copy())},
        "kinds": {
            "number": pa.array(wide, mask=missing),
            "whole": rng.integers(-(2**62), 2**62, count),
            "flag": pa.array(rng.random(count) < 0.5, mask=missing),
            "text": pa.array(words, mask=missing),
            "moment": pa.array(rng.integers(0, 10**15, count), pa.timestamp("us")),
        },
    }
    table = pa.table(tables[name])
    folder = models / name / ("2" if name == "taxi" else "1")  # the newest version is served
    batch = ModelRuntime.load(str(folder)).predict_arrow(table)
    assert compare(folder, models / name, table, batch) is exact


@pytest.mark.slow
@pytest.mark.shared
@pytest.mark.skipif(not SHARED.exists(), reason=f"the data sets are not at {SHARED}")
@pytest.mark.parametrize(
    ("name", "features", "exact"),
    [
        *((name, None, False) for name in ("taxi", "adult", "imdb", "mnist")),
        ("fare", ("company", "pickup_latitude", "pickup_longitude"), True),
    ],
)
def test_models_of_real_data_are_served_from_raw_records_as_they_predict_in_bulk(
    name: str, features: tuple[str, ...] | None, exact: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole line from files; then held-out raw rows by every form and size, against `Model.predict` of all.

    Trees over words, hashes and buckets have exact operations alone.
    """
    monkeypatch.syspath_prepend(str(LINES))
    from matrix import DATA_SETS, line

    result = LocalRunner().run(line(DATA_SETS[name], "sklearn", tmp_path, features))
    assert result.ok, result.message
    (generator,) = (node for node in result.nodes if node.endswith("ExampleGen"))
    folder = tmp_path / "served" / "1"
    shutil.copytree(result.nodes["Trainer"].outputs["model"][0].uri, folder)
    model = Model.load(str(folder))
    asked = [f.name for f in model.runtime.inputs]
    examples = Examples.open(result.nodes[generator].outputs["examples"][0].uri)
    table = examples.table("eval", asked).slice(0, 130)
    assert table.num_rows >= 20
    predicted = model.predict(table)
    batch = {
        n: np.array(predicted.column(n).to_pylist(), np.float32 if n != "label" else None)
        for n in predicted.column_names
        if not n.startswith("__")
    }
    raw = table.select([n for n in asked if n in table.column_names])
    assert compare(folder, folder.parent, raw, batch) is exact, operations(folder) - EXACT
