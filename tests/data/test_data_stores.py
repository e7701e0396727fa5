"""Remote stores: an S3 endpoint (moto on loopback, through s3fs) and ``memory://`` do what a local folder does."""

from __future__ import annotations

import uuid

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from data_samples import rows_of

from trueline._core import store
from trueline._core.errors import ArtifactError, DataError
from trueline.data import (
    Examples,
    ingest_csv,
    ingest_parquet,
    ingest_table,
    input_fingerprint,
    list_inputs,
    resolve_spans,
)
from trueline.engine import LocalEngine

CSV = "id,text\n1,a\n2,\n3,ü\n"


@pytest.fixture(scope="module")
def endpoint():
    moto_server = pytest.importorskip("moto.server")
    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(endpoint, monkeypatch):
    """A bucket of its own, reached as a user would: by environment variables alone."""
    pytest.importorskip("s3fs")
    settings = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
    for name, value in {**settings, "FSSPEC_S3_ENDPOINT_URL": endpoint}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setitem(fsspec.config.conf, "s3", {})
    fsspec.config.set_conf_env(fsspec.config.conf)
    fsspec.filesystem("s3").clear_instance_cache()
    filesystem = fsspec.filesystem("s3")
    bucket = f"b{uuid.uuid4().hex}"
    filesystem.mkdir(bucket)
    yield f"s3://{bucket}"
    filesystem.clear_instance_cache()


@pytest.fixture(params=["s3", "memory", "local"])
def place(request, tmp_path):
    """A folder in each kind of store."""
    if request.param == "s3":
        return f"{request.getfixturevalue('s3')}/in"
    return f"memory://{uuid.uuid4().hex}/in" if request.param == "memory" else str(tmp_path / "in")


def _parquet(uri: str, table: pa.Table) -> None:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    store.write_bytes(uri, sink.getvalue().to_pybytes())


def test_listing_is_the_same_in_every_store(place):
    for name in ("b.csv", "a.csv", ".hidden", "_SUCCESS", "day-1/x.csv", "day-2/x.csv", "day-2/_tmp/y.csv", "_d/z.csv"):
        store.write_text(f"{place}/{name}", CSV)
    assert list_inputs(place) == ["a.csv", "b.csv"]
    assert list_inputs(place, "day-?/*") == ["day-1/x.csv", "day-2/x.csv"]
    assert list_inputs(place, "*/x.csv") == ["day-1/x.csv", "day-2/x.csv"]
    assert list_inputs(f"{place}/a.csv") == [""]
    assert store.scan(place)[-3:] == [("b.csv", False), ("day-1", True), ("day-2", True)]
    with pytest.raises(DataError, match=r"no file matches 'day-9/\*'.*\n.*there is: a.csv, b.csv, day-1/, day-2/"):
        list_inputs(place, "day-9/*")
    with pytest.raises(DataError, match="does not exist"):
        list_inputs(f"{place}-none")
    assert resolve_spans(place, "day-{SPAN}/*").files == {"single_split": ("day-2/x.csv",)}


def test_a_file_that_another_client_adds_or_changes_is_noticed(place):
    store.write_text(f"{place}/a.csv", CSV)
    first = input_fingerprint(place)
    assert first == input_fingerprint(place)
    other, path = fsspec.core.url_to_fs(place, skip_instance_cache=True)
    with other.open(f"{path}/b.csv", "wb") as handle:
        handle.write(CSV.encode())
    assert list_inputs(place) == ["a.csv", "b.csv"]
    second = input_fingerprint(place)
    with other.open(f"{path}/b.csv", "wb") as handle:
        handle.write(CSV.replace("1", "9").encode())
    third = input_fingerprint(place)
    assert len({first, second, third}) == 3
    with other.open(f"{path}/b.csv", "wb") as handle:
        handle.write(CSV.encode())
    assert input_fingerprint(place) == second
    assert input_fingerprint(place, files=["a.csv"]) == first


def test_csv_and_parquet_in_and_examples_out(place):
    out = f"{place.removesuffix('/in')}/out"
    store.write_text(f"{place}/a.csv", CSV)
    expected = {"id": [1, 2, 3], "text": ["a", None, "ü"]}
    assert ingest_csv(place, out).rows == 3
    assert _rows(out) == expected
    store.remove_tree(place)
    assert not store.exists(place)
    _parquet(f"{place}/p.parquet", pa.table(expected))
    assert ingest_parquet(place, out, block_rows=2).rows == 3
    assert _rows(out) == expected
    ingest_table(pa.table(expected), out, splits=(("all", 1),))
    assert Examples.open(out).splits == ("all",)
    assert _rows(out) == expected
    assert not [name for name in store.walk(out) if name.startswith(("Split-train", "_staged"))]


def _rows(uri: str) -> dict:
    return rows_of(uri).to_pydict()


def test_worker_processes_reach_the_endpoint(s3):
    for number in range(2):
        store.write_text(f"{s3}/in/{number}.csv", CSV)
    with LocalEngine(2, processes=True) as engine:
        assert ingest_csv(f"{s3}/in", f"{s3}/out", engine=engine).rows == 6
    assert Examples.open(f"{s3}/out").num_rows("train") + Examples.open(f"{s3}/out").num_rows("eval") == 6


def test_errors_of_a_store_name_the_place(s3):
    with pytest.raises(ArtifactError, match=r"x\.bin does not exist"):
        store.read_bytes(f"{s3}/x.bin")
    with pytest.raises(DataError, match="does not exist"):
        ingest_csv(f"{s3}/nothing", f"{s3}/out")
    with pytest.raises(DataError, match="does not exist"):
        ingest_csv("s3://no-such-bucket-here/in", f"{s3}/out")
    with pytest.raises(ArtifactError, match="no file system for nostore://x/y"):
        store.exists("nostore://x/y")


def test_a_folder_marker_is_no_file(s3):
    filesystem, path = fsspec.core.url_to_fs(s3)
    filesystem.pipe_file(f"{path}/in/a.csv", CSV.encode())
    filesystem.call_s3("put_object", Bucket=path, Key="in/", Body=b"")
    assert store.listdir(f"{s3}/in") == ["a.csv"]
    assert store.walk(f"{s3}/in") == ["a.csv"]


def test_a_store_that_cannot_be_reached_is_an_error_of_ours(s3, monkeypatch):
    monkeypatch.setitem(fsspec.config.conf, "s3", {"endpoint_url": "http://127.0.0.1:9", "config_kwargs": _NO_RETRY})
    with pytest.raises(ArtifactError, match=r"s3://b/in: the store cannot be used: .*127\.0\.0\.1:9"):
        ingest_csv("s3://b/in", f"{s3}/out")


_NO_RETRY = {"retries": {"max_attempts": 0}, "connect_timeout": 2}


def test_a_parquet_file_that_another_client_replaces_is_read_anew(place):
    out = f"{place.removesuffix('/in')}/out"
    other, path = fsspec.core.url_to_fs(place, skip_instance_cache=True)
    other.makedirs(path, exist_ok=True)
    for values in (range(3), range(5), range(5, 10)):
        sink = pa.BufferOutputStream()
        pq.write_table(pa.table({"id": values}), sink)
        with other.open(f"{path}/p.parquet", "wb") as handle:
            handle.write(sink.getvalue().to_pybytes())
        assert ingest_parquet(place, out, block_rows=2, splits=(("all", 1),)).rows == len(values)
        assert _rows(out) == {"id": list(values)}
