"""A PostgreSQL and a MariaDB of the test's own, from Debian's packages: a folder, a Unix socket, gone afterwards."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

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
    server = f"-k {folder} -c listen_addresses= -c fsync=off -c shared_buffers=16MB"
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
        arguments = ["--no-defaults", f"--datadir={data}", f"--socket={socket}", "--skip-networking"]
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
