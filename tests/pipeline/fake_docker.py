"""A test double of the outside tool ``docker``, for machines without its daemon.

``info`` and ``run`` as trueline calls them: ``run`` checks its flags as the real command line does (unknown ones are
refused), checks that each mounted folder is there, and then really runs the command as a process of this machine,
with the environment that ``--env`` names alone. What it cannot show: that a read-only folder is not written to, users,
limits, images. ``kill NAME`` ends that process; like a real container it does not end with the process that asked for
it. What was called stands in ``$FAKE_DOCKER/calls.jsonl``.
"""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

HOME = Path(os.environ["FAKE_DOCKER"])
WITH_VALUE = ("--name", "--label", "--user", "--mount", "--env", "--cpus", "--memory", "--gpus", "--network")


def main(arguments: list[str]) -> int:
    with (HOME / "calls.jsonl").open("a") as calls:
        calls.write(json.dumps(arguments) + "\n")
    if (HOME / "no-daemon").exists():
        sys.stderr.write("Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?\n")
        return 1
    if arguments[0] == "info":
        return 0
    if arguments[0] in ("kill", "rm"):
        return kill(arguments[-1])
    return run(arguments[1:])


def kill(name: str) -> int:
    place = HOME / f"{name}.pid"
    if not place.exists():
        sys.stderr.write(f"No such container: {name}\n")
        return 1
    os.killpg(int(place.read_text()), signal.SIGKILL)
    return 0


def run(rest: list[str]) -> int:
    flags: list[tuple[str, str]] = []
    while rest[0].startswith("-"):
        flag = rest.pop(0)
        if flag in ("--rm",):
            continue
        if flag not in (*WITH_VALUE, "--entrypoint"):
            sys.stderr.write(f"unknown flag: {flag}\n")
            return 125
        flags.append((flag, rest.pop(0)))
    for flag, value in flags:
        if flag == "--mount":
            fields = dict(part.split("=", 1) for part in next(csv.reader([value])) if "=" in part)
            if not Path(fields["source"]).is_dir() or fields["source"] != fields["target"]:
                sys.stderr.write(f"bind source path does not exist: {fields['source']}\n")
                return 125
    named = [value for flag, value in flags if flag == "--env"]
    given = dict(flags)
    environment = {name: os.environ[name] for name in ("PATH", *named)}
    command = [given["--entrypoint"], *rest[1:]]
    # A session of its own: a container belongs to the daemon, not to the process that asked for it.
    child = subprocess.Popen(command, env=environment, start_new_session=True)
    (HOME / f"{given['--name']}.pid").write_text(str(child.pid))
    code = child.wait()
    return 128 - code if code < 0 else code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
