"""Arrow and Parquet bodies: predictions as by JSON, errors by column, and nothing unpacked beyond the limits."""

from __future__ import annotations

import asyncio
import io
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from serving_helpers import running
from test_serving_fuzz import all_types_model

from trueline.serving.rest_formats import MEDIA_TYPES

TYPES = {name: media.decode() for name, media in MEDIA_TYPES.items()}
TABLE = pa.table(
    {
        "f": pa.array([1.5, None, -0.0, 7.25]),
        "i": pa.array([1, None, 3, -(2**63)]),
        "b": pa.array([True, None, False, True]),
        "s": pa.array(["a", None, "", "Zürich"]),
        "t": pa.array([0, None, 1_600_000_000_000_000, -1], pa.timestamp("us")),
        "v": pa.array([[1.0, 2.0], None, [3.0, 4.0], [0.0, 0.0]], pa.list_(pa.float64(), 2)),
        "r": pa.array([["x", "yy"], None, [], ["z"]]),
        "n": pa.array([[1, 2, 3], None, [4], []]),
    }
)


def as_stream(table: pa.Table, compression: str | None = None) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_table(table, max_chunksize=max(3, len(table) // 2))
    return sink.getvalue()


def as_file(table: pa.Table, compression: str | None = None) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_file(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_table(table, max_chunksize=max(3, len(table) // 2))
    return sink.getvalue()


def as_parquet(table: pa.Table, **options: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    return sink.getvalue()


BODIES: dict[str, tuple[str, bytes]] = {
    "stream": ("stream", as_stream(TABLE)),
    "stream zstd": ("stream", as_stream(TABLE, "zstd")),
    "stream lz4": ("stream", as_stream(TABLE, "lz4")),
    "file": ("file", as_file(TABLE)),
    "file lz4": ("file", as_file(TABLE, "lz4")),
    "parquet": ("parquet", as_parquet(TABLE)),
    "parquet 2": ("parquet", as_parquet(TABLE, data_page_version="2.0", row_group_size=2, compression="zstd")),
    "parquet plain": ("parquet", as_parquet(TABLE, use_dictionary=False, compression="none", store_schema=False)),
}


class Bulk:
    """An app on a loop of its own, and a table as a request."""

    def __init__(self, base: Path, **limits: Any) -> None:
        self._runner = asyncio.Runner()
        self._context = running({"m": base}, poll_seconds=1000, **limits)
        self._app, self._client = self._runner.run(self._context.__aenter__())

    def post(self, kind: str, body: bytes, accept: str | None = "application/json") -> httpx.Response:
        headers = {"content-type": TYPES[kind]} | ({"accept": accept} if accept else {})
        return self._runner.run(self._post(body, headers))

    async def _post(self, body: bytes, headers: dict[str, str]) -> httpx.Response:
        request = self._client.post("/v1/models/m:predict", content=body, headers=headers)
        return await asyncio.wait_for(request, 20)

    def close(self) -> None:
        self._runner.run(self._context.__aexit__(None, None, None))
        self._runner.close()


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bulk")
    all_types_model(folder / "1")
    return folder


@pytest.fixture(scope="module")
def bulk(base: Path) -> Iterator[Bulk]:
    unit = Bulk(base)
    yield unit
    unit.close()


@pytest.fixture(scope="module")
def small(base: Path) -> Iterator[Bulk]:
    """A server that takes little."""
    unit = Bulk(base, max_body_bytes=100_000, max_rows=1000, max_cells=5000)
    yield unit
    unit.close()


def by_json(bulk: Bulk, table: pa.Table) -> Any:
    rows = table.to_pylist()
    for row in rows:
        if row.get("t") is not None:
            row["t"] = row["t"].isoformat()
    columns = {name: [row[name] for row in rows] for name in table.column_names}
    answer = bulk._runner.run(bulk._client.post("/v1/models/m:predict", json={"inputs": columns}))
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("name", BODIES)
def test_every_format_is_answered_as_json_is(bulk: Bulk, name: str) -> None:
    kind, body = BODIES[name]
    answer = bulk.post(kind, body)
    assert answer.status_code == 200, answer.text
    assert answer.json() == by_json(bulk, TABLE)
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize("wanted", ["stream", "file", "parquet"])
@pytest.mark.parametrize("asked", [True, False])
def test_the_answer_comes_in_the_format_that_is_asked_for(bulk: Bulk, wanted: str, asked: bool) -> None:
    """By the accept header; without one in the format of the request."""
    body = BODIES["stream" if asked else wanted][1]
    answer = bulk.post("stream" if asked else wanted, body, TYPES[wanted] if asked else None)
    assert answer.headers["content-type"] == TYPES[wanted]
    assert answer.headers["x-model-version"] == "1"
    data = pa.py_buffer(answer.content)
    table = {
        "stream": lambda: pa.ipc.open_stream(data).read_all(),
        "file": lambda: pa.ipc.open_file(data).read_all(),
        "parquet": lambda: pq.read_table(pa.BufferReader(data)),
    }[wanted]()
    expected = by_json(bulk, TABLE)["outputs"]
    assert table.column("prediction").type == pa.float32()
    assert table.column("text").type == pa.string()
    assert table.to_pydict() == expected


def test_accept_is_weighed(bulk: Bulk) -> None:
    body = BODIES["stream"][1]
    for accept, wanted in (
        ("application/json;q=0.4, application/vnd.apache.parquet;q=0.8", "parquet"),
        ("text/html, */*;q=0.1", "stream"),
        ("application/vnd.apache.parquet;q=0, application/json", "json"),
        ("application/vnd.apache.parquet;q=x, application/*", "stream"),
    ):
        assert bulk.post("stream", body, accept).headers["content-type"] == TYPES[wanted], accept
    answer = bulk.post("stream", body, "text/html")
    assert answer.status_code == 406
    assert TYPES["parquet"] in answer.json()["error"]


def test_a_body_whose_type_is_not_said_is_told_how_to_say_it(bulk: Bulk) -> None:
    for kind in ("stream", "file", "parquet"):
        post = bulk._client.post("/v1/models/m:predict", content=BODIES[kind][1])
        answer = bulk._runner.run(post)
        assert answer.status_code == 415
        assert f"content-type: {TYPES[kind]}" in answer.json()["error"]


NARROW = {
    "f": [pa.float32(), pa.int8(), pa.uint64(), pa.decimal128(10, 2), pa.null()],
    "i": [pa.int8(), pa.uint32(), pa.null()],
    "s": [pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())],
    "t": [pa.timestamp("s"), pa.timestamp("ns", "Europe/Zurich"), pa.date32()],
    "v": [pa.list_(pa.int32()), pa.large_list(pa.float32()), pa.list_(pa.float32(), 2)],
    "r": [pa.list_(pa.dictionary(pa.int8(), pa.string())), pa.list_(pa.large_string(), 1)],
    "n": [pa.large_list(pa.int16())],
}
VALUES: dict[str, Any] = {
    "f": [1, None], "i": [3, None], "s": ["ab", None], "t": [0, None], "v": [[1, 2], None], "r": [["x"], ["y"]],
    "n": [[1], []],
}  # fmt: skip


@pytest.mark.parametrize(("name", "kind"), [(n, k) for n, kinds in NARROW.items() for k in kinds], ids=str)
def test_narrower_types_are_widened_as_they_are_at_ingestion(bulk: Bulk, name: str, kind: pa.DataType) -> None:
    values = [None, None] if kind == pa.null() else VALUES[name]
    given_column = pa.array(values, pa.int64()).cast(pa.int32()).cast(kind) if kind == pa.date32() else None
    table = pa.table({name: pa.array(values, kind) if given_column is None else given_column})
    wide = {"t": [None if v is None else "1970-01-01T00:00:00" for v in VALUES["t"]]}
    expected = bulk._runner.run(
        bulk._client.post("/v1/models/m:predict", json={"inputs": {name: wide.get(name, values)}})
    )
    answer = bulk.post("stream", as_stream(table))
    assert answer.status_code == 200, answer.text
    assert answer.json() == expected.json()


WRONG = [
    ({"f": ["a"]}, "column 'f': expected double, got string"),
    ({"i": [1.5]}, "column 'i': expected int64, got double"),
    ({"b": [1]}, "column 'b': expected bool, got int64"),
    ({"s": [1]}, "column 's': expected string, got int64"),
    ({"s": [{"a": 1}]}, "column 's': expected string, got struct<a: int64>"),
    ({"t": ["now"]}, "column 't': expected timestamp[us], got string"),
    ({"v": [1.0]}, "column 'v': expected fixed_size_list<item: double>[2], got double"),
    ({"v": [[1.0, 2.0, 3.0]]}, "column 'v': expected fixed_size_list<item: double>[2], got list<double>"),
    ({"r": [[["x"]]]}, "column 'r': expected list<item: string>, got list<list<string>>"),
    ({"n": [[1, None]]}, "row 0, column 'n': no missing values inside a list"),
    ({"i": pa.array([2**64 - 1], pa.uint64())}, "column 'i': expected int64, got uint64: Integer value"),
    ({"t": pa.array([2**60], pa.timestamp("s"))}, "column 't': expected timestamp[us], got timestamp[s]: "),
    ({"f": [1.0], "g": [2]}, "unknown field 'g'"),
    ({"f": pa.array([], pa.float64())}, "the request has no rows"),
]


@pytest.mark.parametrize(("columns", "text"), WRONG, ids=[text for _, text in WRONG])
def test_a_wrong_column_is_named_with_expected_and_got(bulk: Bulk, columns: dict[str, Any], text: str) -> None:
    table = pa.table(columns)
    bodies = {"stream": as_stream(table), "file": as_file(table)}
    if "timestamp[s]" not in text:  # Parquet has no seconds
        bodies["parquet"] = as_parquet(table)
    for kind, body in bodies.items():
        answer = bulk.post(kind, body)
        assert answer.status_code == 400
        assert text in answer.json()["error"], (kind, answer.text)


def test_columns_of_the_line_itself_are_passed_over_and_two_of_one_name_are_not(bulk: Bulk) -> None:
    table = pa.table({"f": [1.0], "__row__": ["x"], "__index_level_0__": [{"a": 1}]})
    for kind, body in (("stream", as_stream(table)), ("parquet", as_parquet(table))):
        assert bulk.post(kind, body).status_code == 200
    only = bulk.post("stream", as_stream(table.select(["__row__"])))
    assert only.json()["outputs"]["prediction"] == [0.0]
    twice = pa.Table.from_arrays([pa.array([1.0])] * 2, names=["f", "f"])
    assert "field 'f' is there twice" in bulk.post("stream", as_stream(twice)).json()["error"]


def test_the_limits_hold_before_anything_is_unpacked(small: Bulk) -> None:
    """Each body is a few kilobytes and would become megabytes or more."""
    long_texts = pa.table({"s": ["x" * 5000] * 100})
    folded = pa.table({"s": pa.DictionaryArray.from_arrays(np.zeros(900, np.int32), ["y" * 5000])})
    lists = pa.table({"n": [[7] * 100] * 900})
    rows = pa.table({"f": np.zeros(5000)})
    cases = [
        ("stream", as_stream(long_texts, "zstd"), 413, "unpacked it has more than 100000 bytes"),
        ("file", as_file(long_texts, "zstd"), 413, "unpacked it has more than 100000 bytes"),
        ("parquet", as_parquet(long_texts, use_dictionary=False, compression="zstd"), 413, "unpacked it has more"),
        ("stream", as_stream(folded), 413, "its text has more than 100000 bytes"),
        ("parquet", as_parquet(folded), 413, "its text has more than 100000 bytes"),
        ("stream", as_stream(lists, "zstd"), 413, ""),
        ("parquet", as_parquet(lists), 413, "its lists have more than 5000 values"),
        ("stream", as_stream(rows, "zstd"), 400, "this server takes 1000"),
        ("file", as_file(rows, "zstd"), 400, "this server takes 1000"),
        ("parquet", as_parquet(rows), 400, "this server takes 1000"),
    ]
    for kind, body, status, text in cases:
        assert len(body) < 50_000
        answer = small.post(kind, body)
        assert answer.status_code == status, (kind, answer.text)
        assert text in answer.json()["error"], (kind, answer.text)


def test_a_view_that_names_one_long_text_often_is_too_large(small: Bulk) -> None:
    view = np.array([4000, int.from_bytes(b"zzzz", "little"), 0, 0], np.int32)
    buffers = [None, pa.py_buffer(np.tile(view, 800)), pa.py_buffer(b"z" * 4000)]
    views = pa.Array.from_buffers(pa.string_view(), 800, buffers)
    body = as_stream(pa.table({"s": views}))
    assert len(body) < 50_000
    answer = small.post("stream", body)
    assert answer.status_code == 413
    assert "its text has more than 100000 bytes" in answer.json()["error"]


def test_a_size_that_is_a_lie_is_seen_before_memory_is_asked_for(bulk: Bulk) -> None:
    """Eight bytes before a compressed buffer say how large it becomes."""
    body = bytearray(as_stream(pa.table({"s": ["x" * 1000]}), "zstd"))
    place = bytes(body).rindex((1000).to_bytes(8, "little"))
    body[place : place + 8] = (2**40).to_bytes(8, "little")
    before = pa.default_memory_pool().max_memory()
    answer = bulk.post("stream", bytes(body))
    assert answer.status_code == 413
    assert "unpacked it has more than" in answer.json()["error"]
    assert pa.default_memory_pool().max_memory() - before < 2**24


def test_an_encoding_whose_size_is_not_known_is_refused(bulk: Bulk) -> None:
    table = pa.table({"s": ["abc", "abd"]})
    body = as_parquet(table, use_dictionary=False, column_encoding={"s": "DELTA_BYTE_ARRAY"})
    answer = bulk.post("parquet", body)
    assert answer.status_code == 400
    assert "DELTA_BYTE_ARRAY" in answer.json()["error"]


def test_classify_takes_json_alone(bulk: Bulk) -> None:
    answer = bulk._runner.run(
        bulk._client.post(
            "/v1/models/m:classify", content=BODIES["stream"][1], headers={"content-type": TYPES["stream"]}
        )
    )
    assert answer.status_code == 400
    assert "JSON Parse error" in answer.json()["error"]


def test_without_pyarrow_the_client_is_told_and_json_goes_on(bulk: Bulk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    answer = bulk.post("parquet", BODIES["parquet"][1])
    assert answer.status_code == 501
    assert "pip install pyarrow" in answer.json()["error"]
    post = bulk._client.post("/v1/models/m:predict", content=json.dumps({"instances": [{"f": 2}]}))
    assert bulk._runner.run(post).status_code == 200


def check_damaged(bulk: Bulk, kind: str, body: bytes) -> None:
    """Refused or answered, soon, and never by an error of the server's own."""
    start = time.monotonic()
    answer = bulk.post(kind, body)
    assert answer.status_code in (200, 400, 413), answer.text
    assert time.monotonic() - start < 10


NAMES = st.sampled_from(sorted(BODIES))


@settings(max_examples=120, deadline=None)
@given(NAMES, st.integers(0, 2**16))
def test_a_truncated_body_is_refused(bulk: Bulk, name: str, cut: int) -> None:
    kind, body = BODIES[name]
    check_damaged(bulk, kind, body[: cut % len(body)])


@settings(max_examples=150, deadline=None)
@given(NAMES, st.lists(st.tuples(st.integers(0, 2**16), st.binary(min_size=1, max_size=8)), min_size=1, max_size=4))
def test_a_damaged_body_is_refused_or_answered(bulk: Bulk, name: str, damage: list[tuple[int, bytes]]) -> None:
    kind, body = BODIES[name]
    data = bytearray(body)
    for place, new in damage:
        at = place % len(data)
        data[at : at + len(new)] = new
    check_damaged(bulk, kind, bytes(data))


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(["stream", "file", "parquet"]), st.binary(max_size=200), st.booleans())
def test_any_bytes_are_refused(bulk: Bulk, kind: str, body: bytes, framed: bool) -> None:
    frames = {"stream": (b"\xff\xff\xff\xff", b""), "file": (b"ARROW1\0\0", b"ARROW1"), "parquet": (b"PAR1", b"PAR1")}
    begin, end = frames[kind] if framed else (b"", b"")
    check_damaged(bulk, kind, b"\xff" + body if not framed and body[:1] == b"{" else begin + body + end)
