from __future__ import annotations

import itertools
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from database_servers import new_database
from specs import World

Place = Callable[[str, str], World]


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    moto_server = pytest.importorskip("moto.server")
    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An empty bucket, reached as a user would: by environment variables alone."""
    fsspec = pytest.importorskip("fsspec")
    pytest.importorskip("s3fs")
    settings = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
    for name, value in {**settings, "FSSPEC_S3_ENDPOINT_URL": s3_endpoint}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setitem(fsspec.config.conf, "s3", {})
    fsspec.config.set_conf_env(fsspec.config.conf)
    fsspec.filesystem("s3").clear_instance_cache()
    filesystem = fsspec.filesystem("s3")
    bucket = f"b{uuid.uuid4().hex}"
    filesystem.mkdir(bucket)
    yield f"s3://{bucket}"
    filesystem.clear_instance_cache()


@pytest.fixture
def place(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Place]:
    """Makes worlds: a root and an empty database of the kinds that are asked for."""
    numbers = itertools.count()
    with ExitStack() as stack:

        def make(database: str, root: str) -> World:
            folder = tmp_path / f"world{next(numbers)}"
            (folder / "outside").mkdir(parents=True)
            url = stack.enter_context(new_database(database, folder))
            at = str(folder / "root") if root == "local" else f"{request.getfixturevalue('s3')}/root"
            return World(at, url, folder / "outside")

        yield make
