"""Host steps of every kind and form through bulk, files, models and the server; and the library's own functions."""

from __future__ import annotations

import datetime as dt
import io
import json
from pathlib import Path
from typing import Any

import host_forms_functions as functions
import numpy as np
import pyarrow as pa
import pytest
from helpers_encoder import encoder_folder
from sklearn.linear_model import LinearRegression

import trueline.transform as tlt
from trueline._core.errors import ModelError, TransformError
from trueline._core.host import HostStep
from trueline.engine import LocalEngine
from trueline.models import Model, build_model
from trueline.serving.infra import validate_in_server
from trueline.transform.host_library import to_local, to_utc

ONE = LocalEngine(workers=1)
LIBRARY = "trueline.transform.host_library"
NAN = float("nan")
DAYS = [dt.datetime(2024, 2, 29, 5), dt.datetime(1969, 12, 31), dt.datetime(2000, 1, 1)]
TABLE = pa.table(
    {
        "text": ["ab", None, "", "dé"],
        "number": [1.5, 2.0, None, NAN],
        "whole": pa.array([1, None, 3, 4]),
        "flag": [True, False, None, True],
        "time": pa.array([DAYS[0], None, *DAYS[1:]], pa.timestamp("us")),
        "list": pa.array([[1.0, 2.0], [], None, [3.0]]),
        "vector": pa.array([[3.0, 4.0], [0.0, 1.0], [1.0, 0.0], [5.0, 12.0]], pa.list_(pa.float64(), 2)),
    }
)  # fmt: skip


def transformed(function: Any, table: pa.Table = TABLE) -> tuple[pa.Table, tlt.TransformOutput]:
    return tlt.analyze_and_transform(table, function, engine=ONE)


# ---- kinds and forms


def every_kind(x: Any) -> dict[str, Any]:
    vector = tlt.host(functions.codes, x["text"], dtype="int64", kind="fixed", size=3, width=3)
    lists = tlt.host(functions.letters, x["text"], dtype="utf8", kind="ragged")
    total = tlt.host(functions.total, x["list"], dtype="float64")
    return {
        "vector": vector,
        "scaled": tlt.cast(vector, "float64") - tlt.mean(tlt.cast(vector, "float64")),
        "list": lists,
        "ids": tlt.compute_and_apply_vocabulary(lists),
        "total": tlt.fill_missing(total, -1.0),
    }


def test_vectors_and_lists_of_host_steps_go_everywhere(tmp_path: Path) -> None:
    """Analysis, transform and the saved graph; every shard and batch gives the same."""
    out, output = transformed(every_kind)
    assert out["vector"].to_pylist() == [[97, 98, 32], None, [32, 32, 32], [100, 233, 32]]
    assert out["list"].to_pylist() == [["a", "b"], None, [], ["d", "é"]]
    assert out["ids"].to_pylist() == [[3, 2], None, [], [1, 0]]  # equally frequent: descending bytes
    assert out["total"].to_pylist() == [3.0, 0.0, -1.0, 3.0]
    output.save(str(tmp_path / "g"))
    again = tlt.TransformOutput.load(str(tmp_path / "g"))
    assert str(again.transform(TABLE).to_pylist()) == str(out.to_pylist())
    assert str(again.oracle(TABLE).to_pylist()) == str(out.to_pylist())
    rows = [again.transform(TABLE.slice(i, 1)).to_pylist()[0] for i in range(4)]
    assert str(rows) == str(out.to_pylist())
    empty = again.transform(TABLE.slice(0, 0))
    assert empty.num_rows == 0


def test_functions_take_pandas_numpy_and_arrow() -> None:
    def preprocessing(x: Any) -> dict[str, Any]:
        everything = [x[n] for n in ("text", "number", "whole", "flag", "time", "list", "vector")]
        return {
            "pandas": tlt.host(functions.pandas_features, x["text"], x["number"], dtype="float64", as_="pandas"),
            "month": tlt.host(functions.pandas_days, x["time"], dtype="timestamp", as_="pandas"),
            "types": tlt.host(functions.pandas_types, *everything, dtype="utf8", as_="pandas"),
            "upper": tlt.host(functions.arrow_upper, x["text"], dtype="utf8", as_="arrow"),
            "norm": tlt.host(functions.numpy_norm, x["vector"], dtype="float64", as_="numpy", power=2),
            "twice": tlt.apply_pyfunc(functions.numpy_twice, np.float32, True, "twice", x["number"]),
        }

    out, output = transformed(preprocessing)
    assert out["pandas"].to_pylist() == [3.0, None, None, None]  # pandas holds NaN for missing
    assert out["month"].to_pylist() == [
        dt.datetime(2024, 2, 1),
        None,
        dt.datetime(1969, 12, 1),
        dt.datetime(2000, 1, 1),
    ]
    assert out["types"].to_pylist()[0] == "object, float64, Int64, boolean, datetime64[us], object, object"
    assert out["upper"].to_pylist() == ["AB", None, "", "DÉ"]
    np.testing.assert_allclose(out["norm"].to_pylist(), [5.0, 1.0, 1.0, 13.0])
    assert str(out["twice"].to_pylist()) == str([3.0, 4.0, NAN, NAN])
    for step in output.host_steps():
        assert HostStep.from_json(json.loads(json.dumps(step.to_json()))) == step
    plain = HostStep("y", ("x",), "a:b", "int64")
    assert "form" not in plain.to_json()  # what older versions wrote and read


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda x: tlt.host(functions.letters, x["text"], dtype="utf8", kind="ragged", as_="panda"), "pandas"),
        (lambda x: tlt.host(functions.codes, x["text"], dtype="int64", width=(3,)), "JSON values"),
        (lambda x: tlt.host(functions.codes, x["text"], dtype="int64", width=NAN), "JSON values"),
        (lambda x: tlt.host(functions.codes, x["text"], dtype="int64", kind="fixed"), "of size None"),
        (lambda x: tlt.apply_pyfunc(functions.numpy_twice, "complex64", True, None, x["number"]), "complex64"),
        (lambda x: tlt.to_local(x["time"], "Mars/Base"), "no time zone 'Mars/Base'"),
        (lambda x: tlt.to_local(x["text"], "UTC"), "is no timestamp"),
        (lambda x: tlt.decode_image(x["text"], (1, 1)), "holds no bytes"),
        (lambda x: tlt.embed_text(x["text"], "no/folder"), "no model.onnx"),
        (lambda x: tlt.embed_text(x["number"], "no/folder"), "is no text"),
    ],
)  # fmt: skip
def test_unusable_host_steps_are_refused(function: Any, said: str) -> None:
    with pytest.raises(TransformError, match=said):
        transformed(lambda x: {"y": function(x)})


def test_wrong_results_are_told_by_step_function_and_row() -> None:
    wrong = {
        "third_is_wrong": ("int64", "scalar", None, "row 2, field 'host:third_is_wrong_text': expected int64, got str"),
        "short_vectors": ("float64", "fixed", 2, "host step 'short_vectors_text'.*row 0"),
        "needs_a_missing_module": ("int64", "scalar", None, r"pip install 'trueline\[image\]'"),
    }
    for name, (dtype, kind, size, said) in wrong.items():
        with pytest.raises(ModelError, match=f"(?s)host_forms_functions:{name}.*") as caught:
            transformed(
                lambda x, name=name, dtype=dtype, kind=kind, size=size: {
                    "y": tlt.host(f"host_forms_functions:{name}", x["text"], dtype=dtype, kind=kind, size=size)
                }
            )
        assert caught.match(f"(?s){said}")


# ---- local time


def micros(moment: dt.datetime) -> int:
    return (moment - dt.datetime(1970, 1, 1)) // dt.timedelta(microseconds=1)


def test_local_time_follows_summer_time() -> None:
    """The clocks of Berlin in 2024: 31 March 01:00 UTC forward, 27 October 01:00 UTC back."""
    cases = {
        dt.datetime(2024, 3, 31, 0, 59, 59, 999_999): dt.datetime(2024, 3, 31, 1, 59, 59, 999_999),
        dt.datetime(2024, 3, 31, 1): dt.datetime(2024, 3, 31, 3),
        dt.datetime(2024, 10, 27, 0, 30): dt.datetime(2024, 10, 27, 2, 30),
        dt.datetime(2024, 10, 27, 1, 30): dt.datetime(2024, 10, 27, 2, 30),
        dt.datetime(1969, 7, 20): dt.datetime(1969, 7, 20, 1),
    }
    assert to_local([micros(t) for t in cases], zone="Europe/Berlin") == [micros(t) for t in cases.values()]
    assert to_local([None, 2**63 - 1, -(2**63)], zone="Europe/Berlin") == [None] * 3
    back = to_utc([micros(t) for t in cases.values()], zone="Europe/Berlin")
    assert back[:3] == [micros(t) for t in list(cases)[:3]]
    assert back[3] == micros(dt.datetime(2024, 10, 27, 0, 30))  # the first of the two
    assert to_utc([micros(dt.datetime(2024, 3, 31, 2, 30))], zone="Europe/Berlin") == [
        micros(dt.datetime(2024, 3, 31, 1, 30))
    ]
    out, _ = transformed(lambda x: {"h": tlt.hour(tlt.to_local(x["time"], "America/New_York"))})
    assert out["h"].to_pylist() == [0, None, 19, 19]


# ---- images


def encoded(image: Any, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def test_images_become_vectors() -> None:
    pillow = pytest.importorskip("PIL.Image")
    pixels = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    image = pillow.fromarray(pixels)
    grey16 = pillow.fromarray(np.array([[0, 65_535], [32_768, 256]], np.uint16))
    turned = pillow.Exif()
    turned[0x0112] = 6  # shown turned by a quarter
    table = pa.table(
        {
            "i": [encoded(image, "PNG"), None, encoded(image, "BMP"), encoded(grey16, "PNG")],
            "t": [encoded(image, "PNG", exif=turned)] * 4,
        }
    )

    def preprocessing(x: Any) -> dict[str, Any]:
        return {
            "same": tlt.decode_image(x["i"], (2, 3)),
            "grey": tlt.decode_image(x["i"], (2, 2), 1, resize="nearest"),
            "turned": tlt.decode_image(x["t"], (3, 2), dtype="float64"),
        }

    out, _ = transformed(preprocessing, table)
    assert out["same"].to_pylist()[:3] == [pixels.ravel().tolist(), None, pixels.ravel().tolist()]
    assert out["grey"].to_pylist()[3] == [0, 255, 128, 1]
    assert out["turned"].to_pylist()[0] == np.rot90(pixels, -1).ravel().tolist()


def test_a_model_reads_images_of_clients(tmp_path: Path) -> None:
    """Bytes of rows and of tables become the same pixels in front of a model."""
    pillow = pytest.importorskip("PIL.Image")
    rng = np.random.default_rng(1)
    files = [encoded(pillow.fromarray(rng.integers(0, 256, (4, 4), np.uint8)), "PNG") for _ in range(20)]
    table = pa.table({"i": files, "y": rng.normal(size=20)})
    out, output = transformed(lambda x: {"p": tlt.decode_image(x["i"], (2, 2), 1, dtype="float64"), "y": x["y"]}, table)
    fitted = LinearRegression().fit(np.array(out["p"].to_pylist(), np.float32), table["y"].to_numpy())
    uri = str(tmp_path / "m")
    model = build_model(fitted, uri=uri, transform=output, label="y", features=["p"], sample=table)
    by_table = model.runtime.graph.predict_arrow(table.select(["i"]))["prediction"]
    by_rows = model.runtime.graph.predict_rows([{"i": f} for f in files])["prediction"]
    np.testing.assert_array_equal(by_rows, by_table)


def test_what_is_no_image_is_told_by_its_row_or_missing() -> None:
    pillow = pytest.importorskip("PIL.Image")
    good = encoded(pillow.new("L", (4, 4)), "PNG")
    table = pa.table({"i": [good, b"nothing", good[:45], b""]})
    with pytest.raises(ModelError, match="row 1: 7 bytes are no image"):
        transformed(lambda x: {"y": tlt.decode_image(x["i"], (4, 4), 1)}, table)
    out, _ = transformed(lambda x: {"y": tlt.decode_image(x["i"], (4, 4), 1, invalid="missing")}, table)
    assert out["y"].to_pylist() == [[0] * 16, None, None, None]
    out, _ = transformed(lambda x: {"y": tlt.decode_image(x["i"], (1, 1), 1, invalid="missing", max_pixels=15)}, table)
    assert out["y"].to_pylist() == [None] * 4
    with pytest.raises(TransformError, match="nearest"):
        transformed(lambda x: {"y": tlt.decode_image(x["i"], (1, 1), resize="nearst")}, table)
    with pytest.raises(TransformError, match="cannot be made"):
        transformed(lambda x: {"y": tlt.decode_image(x["i"], (0, 1))}, table)


# ---- a model with all of them, in this process and in the server


def test_a_model_with_library_steps_is_served_where_they_are_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scalars, vectors and lists of host steps in front of a model: rows, columns, a table and the server agree."""
    folder = encoder_folder(tmp_path / "e")
    source = str(tmp_path / "prices")
    tlt.write_lookup_version(source, pa.table({"k": ["the", "hello"], "price": [1.5, 2.5]}))
    rng = np.random.default_rng(0)
    words = ["the", "hello", "quick", None]
    table = pa.table(
        {
            "s": [words[i] for i in rng.integers(0, 4, 40)],
            "t": pa.array(rng.integers(0, 2**45, 40), pa.timestamp("us")),
            "l": [[float(k) for k in range(i % 4)] for i in range(40)],
            "y": rng.normal(size=40),
        }
    )

    def preprocessing(x: Any) -> dict[str, Any]:
        hour = tlt.hour(tlt.to_local(x["t"], "Asia/Kolkata"))
        price = tlt.lookup(x["s"], source=source, live=True, default=0.0)
        vector = tlt.embed_text(x["s"], folder)
        price = tlt.fill_missing(price, -1.0)
        letters = tlt.host(functions.letters, x["s"], dtype="utf8", kind="ragged")
        count = tlt.fill_missing(tlt.cast(tlt.list_length(letters), "float64"), 0.0)
        total = tlt.host(functions.total, x["l"], dtype="float64")
        return {"v": tlt.fill_missing(vector, 0.0), "h": tlt.cast(hour, "float64"), "p": price, "n": count} | {
            "t": tlt.fill_missing(total, 0.0),
            "y": x["y"],
        }

    out, output = transformed(preprocessing, table)
    names = ["v", "h", "p", "n", "t"]
    parts = [np.array(out[n].to_pylist(), np.float32).reshape(40, -1) for n in names]
    fitted = LinearRegression().fit(np.hstack(parts), table["y"].to_numpy())
    uri = str(tmp_path / "m")
    build_model(fitted, uri=uri, transform=output, label="y", features=names, sample=table)
    with pytest.raises(ModelError, match=r"trueline\.transform\.host_library"):
        Model.load(uri, allow_host=())
    model = Model.load(uri, allow_host=[LIBRARY, functions.__name__])
    asked = table.select([f.name for f in model.runtime.inputs])
    by_table = np.asarray(model.runtime.graph.predict_arrow(asked)["prediction"])
    by_rows = np.asarray(model.runtime.graph.predict_rows(asked.to_pylist())["prediction"])
    by_columns = np.asarray(model.runtime.graph.predict_columns(asked.to_pydict())["prediction"])
    np.testing.assert_array_equal(by_rows, by_table)
    np.testing.assert_array_equal(by_columns, by_table)
    client = [r | {"t": r["t"].isoformat(), "l": [int(k) for k in r["l"]]} for r in asked.to_pylist()]
    by_client = np.asarray(model.runtime.graph.predict_rows(client)["prediction"])
    np.testing.assert_array_equal(by_client, by_table)  # as JSON says it: times as text, whole floats as integers
    monkeypatch.setenv("PYTHONPATH", str(Path(functions.__file__).parent))
    report = validate_in_server(
        uri,
        asked.to_pylist(),
        expected={"prediction": by_table.tolist()},
        allow_host=[LIBRARY, functions.__name__],
    )
    assert report.ok, report.message
