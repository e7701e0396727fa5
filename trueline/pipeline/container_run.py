"""The executor of container components: finds docker or podman, runs the container, and sees to its end.

A guard, a shell in a session of its own, holds a pipe to the executor's process: whenever that process goes away
before its container, however it was killed, the guard kills the container.
"""

from __future__ import annotations

import csv
import io
import os
import re
import shutil
import subprocess
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from trueline._core import store
from trueline._core.errors import ArtifactError, ConfigError, EngineError
from trueline.pipeline.context import ArtifactHandle, ExecutionContext

__all__ = ["command_line", "execute", "find_tool"]

TOOLS = ("docker", "podman")
_INFO_SECONDS = 30.0
_SHOWN_LINES = 20
_LONGEST_LINE = 1 << 16
_MEMORY = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(i?)B?", re.IGNORECASE)
_GUARD = """
read -r _
for _ in 1 2 3 4 5; do
  "$0" kill "$1" || "$0" rm --force "$1" && exit
  sleep 1
done
"""
_MEANT: Mapping[int, str] = {
    125: "the container could not be made",
    126: "the command cannot be run in this image",
    127: "the command is not in this image",
    137: "the container was killed; was its memory used up?",
}
"""What docker's and podman's exit codes mean, by their manuals (128 + 9 is SIGKILL)."""


def execute(ctx: ExecutionContext) -> None:
    """Runs the container; what it writes goes to the node's log.

    Raises:
        ConfigError: the command came to something else than text.
        ArtifactError: an artifact is not on this machine.
        EngineError: no tool, no daemon, or a container that did not end with 0.
    """
    mounts = _mounts(ctx)
    tool = find_tool()
    name = container_name(ctx)
    line = command_line(ctx, tool, name, mounts)
    environment = {key: _text(value, key) for key, value in ctx.params.get("container_environment", {}).items()}
    ctx.log.info("container %s of image %s, by %s", name, ctx.params["container_image"], Path(tool).name)
    last: deque[str] = deque(maxlen=_SHOWN_LINES)
    with _guarded(tool, name):
        child = subprocess.Popen(
            line,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment},
        )
        try:
            for text in _lines(child.stdout):
                last.append(text)
                ctx.log.info("%s", text)
            code = child.wait()
        finally:
            if child.poll() is None:
                child.kill()
                child.wait()
    if code != 0:
        meant = _MEANT.get(code, f"the container ended with status {code}")
        raise EngineError(
            f"{meant}" + (f" (status {code})" if code in _MEANT else ""),
            where=f"node {ctx.node_id}",
            problems=list(last),
            hint="its last lines stand above, all of them in the node's log.",
        )


def find_tool() -> str:
    """The path of the first of docker and podman that is there and answers.

    Raises:
        EngineError: neither is there, or none of them answers.
    """
    said = []
    for name in TOOLS:
        path = shutil.which(name)
        if path is None:
            continue
        try:
            asked = subprocess.run([path, "info"], capture_output=True, text=True, timeout=_INFO_SECONDS)
        except (OSError, subprocess.TimeoutExpired) as error:
            said.append(f"{name}: {type(error).__name__}: {error}")
            continue
        if asked.returncode == 0:
            return path
        lines = (asked.stderr or asked.stdout).strip().splitlines()
        said.append(f"{name}: {lines[-1] if lines else f'status {asked.returncode}'}")
    if not said:
        raise EngineError(
            "a container is to run, but there is neither docker nor podman on this machine",
            hint="install one of them, or run this pipeline where one is.",
        )
    raise EngineError(
        f"{' and '.join(one.partition(':')[0] for one in said)} cannot be used",
        problems=said,
        hint="is its daemon running, and may this user speak to it?",
    )


def container_name(ctx: ExecutionContext) -> str:
    """``trueline-<execution id>-<run id>``, in the letters that names of containers may have."""
    run = re.sub(r"[^A-Za-z0-9_.-]", "-", ctx.run_id)
    return f"trueline-{ctx.execution_id}-{run}"


def command_line(ctx: ExecutionContext, tool: str, name: str, mounts: Sequence[str]) -> list[str]:
    """What is run. Values of the environment are not in it: the list of processes shows command lines to everybody.

    Raises:
        ConfigError: the image or a part of the command came to something else than text.
    """
    params = ctx.params
    command = [_text(item, f"command[{i}]") for i, item in enumerate(params["container_command"])]
    image = _text(params["container_image"], "image")
    if not image or image.startswith("-"):
        raise ConfigError(f"the image came to {image!r}", where=f"node {ctx.node_id}")
    flags = ["--rm", "--name", name, "--label", f"trueline.run={ctx.run_id}", "--label", f"trueline.node={ctx.node_id}"]
    flags += _user(tool)
    for mount in mounts:
        flags += ["--mount", mount]
    for variable in params.get("container_environment", {}):
        flags += ["--env", variable]
    flags += _resources(params.get("container_resources") or {})
    if params.get("container_network"):
        flags += ["--network", _text(params["container_network"], "network")]
    return [tool, "run", *flags, "--entrypoint", command[0], image, *command[1:]]


def _text(value: Any, what: str) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float):
        return str(value)
    if isinstance(value, ArtifactHandle):
        return value.uri
    shown = "a placeholder within a parameter" if isinstance(value, Mapping) else f"{value!r}"
    raise ConfigError(
        f"{what} came to {shown}; text or a number is needed",
        hint="for lists and dicts write exec_property('name').to_json(); secrets go through the environment.",
    )


def _user(tool: str) -> list[str]:
    """Files that the container writes are this user's, not root's."""
    if not hasattr(os, "getuid"):
        return []
    if Path(tool).name == "podman" and os.getuid() != 0:
        return ["--userns", "keep-id"]
    return ["--user", f"{os.getuid()}:{os.getgid()}"]


def _resources(asked: Mapping[str, Any]) -> list[str]:
    flags = ["--cpus", f"{asked['cpu']:g}"] if asked.get("cpu") else []
    if asked.get("memory") is not None:
        flags += ["--memory", str(_bytes(asked["memory"]))]
    return flags + (["--gpus", str(asked["gpu"])] if asked.get("gpu") else [])


def _bytes(memory: str | int) -> int:
    """``4Gi`` and ``4GB`` as bytes, by Kubernetes' units: powers of 1024 with an ``i``, of 1000 without."""
    if isinstance(memory, int):
        return memory
    found = _MEMORY.fullmatch(memory.strip())
    if found is None:
        raise ConfigError(f"memory is {memory!r}", hint="bytes, or text such as '512Mi' or '4Gi'.")
    base = 1024.0 if found[3] else 1000.0
    return int(float(found[1]) * pow(base, float(" KMGT".index(found[2].upper() or " "))))


def _mounts(ctx: ExecutionContext) -> list[str]:
    """Each folder once, at its own path: those of inputs to be read, those of outputs to be written.

    Raises:
        ArtifactError: one is not on this machine.
    """
    read = [handle for handles in ctx.inputs.values() for handle in handles]
    chosen = {_path(handle): False for handle in read}
    chosen.update({_path(handle): True for handle in ctx.outputs.values()})
    return [_mount(path, writable) for path, writable in chosen.items()]


def _path(handle: ArtifactHandle) -> str:
    if not store.is_local(handle.uri):
        raise ArtifactError(
            "a container on this machine sees local folders alone",
            where=handle.uri,
            hint="use a pipeline root on this machine, or run the pipeline on a cluster.",
        )
    return os.path.abspath(store.local_path(handle.uri))


def _mount(path: str, writable: bool) -> str:
    """One value of ``--mount``, which is read as a row of CSV: a comma in a path does no harm."""
    text = io.StringIO()
    fields = ["type=bind", f"source={path}", f"target={path}", *([] if writable else ["readonly"])]
    csv.writer(text, lineterminator="").writerow(fields)
    return text.getvalue()


@contextmanager
def _guarded(tool: str, name: str) -> Iterator[None]:
    """Has the container killed if this process ends, or the block is left by an error, before the container ends."""
    shell = shutil.which("sh")
    if shell is None:
        raise EngineError("there is no shell on this machine, which sees to the container's end")
    quiet = subprocess.DEVNULL
    guard = subprocess.Popen(
        [shell, "-c", _GUARD, tool, name], stdin=subprocess.PIPE, stdout=quiet, stderr=quiet, start_new_session=True
    )
    try:
        yield
    except BaseException:
        if guard.stdin is not None:
            guard.stdin.close()
        guard.wait()
        raise
    guard.kill()
    guard.wait()
    if guard.stdin is not None:
        guard.stdin.close()


def _lines(stream: IO[bytes] | None) -> Iterator[str]:
    """Lines without their ends; of one that never ends, pieces."""
    while stream is not None and (line := stream.readline(_LONGEST_LINE)):
        yield line.decode("utf-8", "replace").rstrip("\r\n")
    if stream is not None:
        stream.close()
