"""A PostgreSQL and a MariaDB of the test's own, from Debian's packages: a folder, a Unix socket, gone afterwards.

Tests of the metadata store on every database::

    sys.path.insert(0, str(Path(__file__).parents[1]))  # in conftest.py: tests/ itself
    from database_servers import DATABASES, store_url

    def test_x(store_url): ...  # three times: SQLite, PostgreSQL, MySQL; an empty database each time

A server is started at its first use and lives until the test process ends. Where its programs are missing, its tests
are skipped, and say what to install.
"""

from __future__ import annotations

import atexit
import functools
import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

DATABASES = ("sqlite", "postgresql", "mysql")
PASSWORD = "s3cr/t@pass word"


def postgres_bin() -> Path | None:
    """The newest installed server's programs."""
    found = [p for p in Path("/usr/lib/postgresql").glob("*/bin") if (p / "initdb").exists()]
    return max(found, key=lambda p: int(p.parent.name), default=None)


def _as_user(name: str) -> tuple[dict[str, Any], tuple[int, int] | None]:
    """How to run a server that refuses root: as its own user, where we are root."""
    if os.getuid() != 0:
        return {}, None
    user = next(u for u in map(_user, (name, "nobody")) if u is not None)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}, (user.pw_uid, user.pw_gid)


def _user(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


@contextmanager
def postgres(programs: Path) -> Iterator[str]:
    """A running server; gives its URL, password included."""
    folder = Path(tempfile.mkdtemp(prefix="pg-"))  # short: a socket's path has at most 107 bytes
    options, owner = _as_user("postgres")
    if owner is not None:
        os.chown(folder, *owner)
    password = folder / "password"
    password.write_text(PASSWORD)
    settings = {**options, "cwd": folder, "env": {"PATH": f"{programs}:/usr/bin:/bin", "LC_ALL": "C.UTF-8"}}
    settings |= {"check": True, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    data = str(folder / "data")
    init = ["-U", "trueline", "--auth=scram-sha-256", f"--pwfile={password}", "--no-sync", "-E", "UTF8"]
    server = f"-k {folder} -c listen_addresses= -c fsync=off -c shared_buffers=16MB -c max_connections=120"
    control = str(programs / "pg_ctl")
    try:
        subprocess.run([str(programs / "initdb"), "-D", data, *init, "--locale=C"], **settings)
        subprocess.run([control, "-D", data, "-w", "-s", "-l", str(folder / "log"), "-o", server, "start"], **settings)
        try:
            yield f"postgresql://trueline:{quote(PASSWORD, safe='')}@/postgres?host={folder}"
        finally:
            subprocess.run([control, "-D", data, "-w", "-s", "-m", "immediate", "stop"], **settings)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


_LIGHT = [
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-flush-method=nosync",
    "--skip-innodb-doublewrite",
    "--innodb-buffer-pool-size=64M",
    "--max-connections=200",
]


@contextmanager
def mariadb(program: str) -> Iterator[str]:
    """A running server without accounts; gives its URL."""
    folder = Path(tempfile.mkdtemp(prefix="my-"))
    options, owner = _as_user("mysql")
    if owner is not None:
        os.chown(folder, *owner)
    quiet = {"check": True, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder, **options}
    data, socket = str(folder / "data"), str(folder / "s")
    server = None
    try:
        install = ["mariadb-install-db", "--no-defaults", f"--datadir={data}", "--skip-test-db"]
        subprocess.run([*install, "--auth-root-authentication-method=normal"], **quiet)
        quiet.pop("check")
        arguments = ["--no-defaults", f"--datadir={data}", f"--socket={socket}", "--skip-networking", *_LIGHT]
        server = subprocess.Popen([program, *arguments, f"--pid-file={folder}/pid"], **quiet)
        deadline = time.monotonic() + 30
        while not Path(socket).exists():
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("mariadbd did not start")
            time.sleep(0.05)
        yield f"mysql+pymysql://root@/mysql?unix_socket={socket}"
    finally:
        if server is not None:
            server.terminate()
            server.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


@functools.cache
def _server(kind: str) -> str | None:
    """The URL of the process's own server, or None where it is not installed."""
    running = ExitStack()
    if kind == "postgresql":
        programs = postgres_bin()
        if programs is None:
            return None
        url = running.enter_context(postgres(programs))
    else:
        program = shutil.which("mariadbd", path="/usr/sbin:/usr/bin")
        if program is None:
            return None
        url = running.enter_context(mariadb(program))
    atexit.register(running.close)
    return url


_PACKAGES = {"postgresql": ("postgresql", "psycopg"), "mysql": ("mariadb-server", "pymysql")}
_numbers = itertools.count(1)


def server_url(kind: str) -> str:
    """A running server's URL with SQLAlchemy's driver; skips the test where there is none, with the reason."""
    package, driver = _PACKAGES[kind]
    pytest.importorskip(driver, reason=f"NOT TESTED HERE: {driver} is not installed, so nothing is tried on {kind}")
    url = _server(kind)
    if url is None:
        pytest.skip(f"NOT TESTED HERE: no {kind} server (Debian: apt install {package})")
    return url.replace("postgresql://", "postgresql+psycopg://")


def run_sql(url: str, *statements: str) -> None:
    """Runs statements, each committed by itself."""
    import sqlalchemy as sa

    engine = sa.create_engine(url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    engine.dispose()


@contextmanager
def new_database(kind: str, folder: Path) -> Iterator[str]:
    """The URL of an empty database of that kind, gone afterwards; `folder` is where SQLite keeps its file."""
    if kind == "sqlite":
        yield f"sqlite:///{folder}/metadata.db"
        return
    import sqlalchemy as sa

    admin = server_url(kind)
    name = f"store_{os.getpid()}_{next(_numbers)}"
    run_sql(admin, f"CREATE DATABASE {name}")
    try:
        yield sa.make_url(admin).set(database=name).render_as_string(hide_password=False)
    finally:
        run_sql(admin, f"DROP DATABASE {name}" + (" WITH (FORCE)" if kind == "postgresql" else ""))


@pytest.fixture(params=DATABASES)
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database on SQLite, PostgreSQL and MySQL in turn."""
    with new_database(request.param, tmp_path) as url:
        yield url
