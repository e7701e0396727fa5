"""Carries out the blocks of one page in one folder: files, Python, commands in a real shell, servers, edits."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from docs_blocks import ROOT, Block, missing_lines

__all__ = ["HEAVY", "Machine", "installed"]

HEAVY = "frameworks"
"""What a block needs that is left to the group of heavy frameworks, see `Machine`."""

DOCUMENTED_PORT = "8501"
DOCUMENTED_GRPC_PORT = "8500"
WEB_PACKAGES = ROOT / ".venvs" / "web" / "node_modules"
"""Where scripts/web_env.sh puts onnxruntime-web."""


def installed(need: str) -> bool:
    """Whether a package is there, or node with onnxruntime-web."""
    if need == "node":
        return shutil.which("node") is not None and (WEB_PACKAGES / "onnxruntime-web").exists()
    return importlib.util.find_spec(need) is not None


class Machine:
    """What a reader's machine does with a page.

    Attributes:
        folder: where commands run; ``cd`` changes it.
        outputs: what each command printed, by command.
        left_out: blocks that need a package which is not installed here.
        heavy: whether blocks that say ``needs=frameworks`` are carried out.
    """

    def __init__(self, folder: Path, *, heavy: bool = False) -> None:
        self.folder = folder
        self.heavy = heavy
        self.outputs: dict[str, str] = {}
        self.executed: list[Block] = []
        self.left_out: list[Block] = []
        self._namespace: dict[str, Any] = {"__name__": "notebook"}
        self._last = {"output": "", "error": ""}
        self._after_left_out = False  # then there is no output to compare
        self._servers: list[subprocess.Popen[bytes]] = []
        self._port, self._grpc_port = DOCUMENTED_PORT, DOCUMENTED_GRPC_PORT
        self._bin = folder.parent / f"{folder.name}-bin"
        self._bin.mkdir()
        for name, program in (("python", ""), ("trueline", ' -c "from trueline.cli import main; main()"')):
            command = self._bin / name
            command.write_text(f'#!/bin/sh\nexec "{sys.executable}"{program} "$@"\n')
            command.chmod(0o755)

    def close(self) -> None:
        for server in self._servers:
            server.terminate()
        for server in self._servers:
            server.wait(timeout=30)

    def carry_out(self, block: Block) -> None:
        """Does what the block's info words ask for; other blocks are for reading."""
        kinds = {"python": self._python, "diff": self._edit, "text": self._compare, "js": self._javascript}
        kind = kinds.get(block.language)
        if block.language in ("console", "sh") and "run" in block.flags:
            kind = self._commands
        if kind is None:
            return
        if not all(self.heavy if need == HEAVY else installed(need) for need in block.needs):
            self.left_out.append(block)
        elif block.language != "text" or not self._after_left_out:
            kind(block)
            self.executed.append(block)
        if block.language != "text":
            self._after_left_out = block in self.left_out

    def _python(self, block: Block) -> None:
        if block.file:
            place = self.folder / block.file
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(block.text, encoding="utf-8")
            return
        # The lines above make the line numbers of errors those of the page.
        code = compile("\n" * (block.line - 1) + self._local(block.text), Path(block.page).name, "exec")
        printed, error = io.StringIO(), ""
        with contextlib.chdir(self.folder), contextlib.redirect_stdout(printed):
            try:
                exec(code, self._namespace)
            except Exception as raised:
                error = f"{type(raised).__name__}: {raised}"
                if type(raised).__name__ != block.option("raises"):
                    raise AssertionError(f"{block.place}: {error}") from raised
        assert bool(error) == bool(block.option("raises")), f"{block.place} was to raise and did not"
        self._last = {"output": printed.getvalue(), "error": error}

    def _javascript(self, block: Block) -> None:
        name = re.match(r"// (\S+\.mjs)$", block.text.partition("\n")[0])
        assert name is not None, f"{block.place}: the first line of JavaScript names its file"
        (self.folder / name[1]).write_text(block.text, encoding="utf-8")
        packages = self.folder / "node_modules"
        if not packages.exists():
            packages.symlink_to(WEB_PACKAGES, target_is_directory=True)
        code, output = self._run(f"node {name[1]}")
        assert code == 0, f"{block.place}: node ended with {code}\n{output}"
        self._last = {"output": output, "error": ""}

    def _compare(self, block: Block) -> None:
        for kind in ("output", "error"):
            if kind in block.flags:
                missing = missing_lines(block.text, self._last[kind], any_number=False)
                assert not missing, f"{block.place}: not in the real {kind}: {missing}\n{self._last[kind]}"

    def _edit(self, block: Block) -> None:
        name = block.option("file")
        if name is None:
            return
        place = self.folder / name
        text = place.read_text(encoding="utf-8")
        for old, new in _hunks(block.text):
            assert text.count(old) == 1, f"{block.place}: {name} has {text.count(old)} times\n{old}"
            text = text.replace(old, new)
        place.write_text(text, encoding="utf-8")

    def _commands(self, block: Block) -> None:
        expected = int(block.option("exit") or 0)
        steps = _steps(block)
        for number, (command, shown) in enumerate(steps):
            code, output = self._run(command)
            wanted = expected if number == len(steps) - 1 else 0
            assert code == wanted, f"{block.place}: {command} ended with {code}\n{output}"
            missing = missing_lines(shown, output, any_number=True)
            assert not missing, f"{block.place}: {command} did not print {missing}\n{output}"

    def _run(self, command: str) -> tuple[int, str]:
        command = self._local(command)
        if command.startswith("cd "):
            self.folder = self.folder / command.removeprefix("cd ").strip()
            return (0, "") if self.folder.is_dir() else (1, "no such folder")
        if command.startswith("trueline serve"):
            return self._serve(command)
        done = subprocess.run(
            ["bash", "-c", command], cwd=self.folder, env=self._environment(), capture_output=True, timeout=120
        )
        output = (done.stdout + done.stderr).decode()
        self.outputs[command] = output
        return done.returncode, output

    def _serve(self, command: str) -> tuple[int, str]:
        command = re.sub(r"\s+#.*", "", command)
        command = re.sub(r"--grpc-port \d+", "--grpc-port 0", command)
        log = self._bin / f"server-{len(self._servers)}.log"
        with log.open("wb") as out:
            server = subprocess.Popen(
                ["bash", "-c", f"exec {command} --port 0"],
                cwd=self.folder,
                env=self._environment(),
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        self._servers.append(server)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and server.poll() is None:
            text = log.read_text()
            ready = re.search(r'"event": "ready", .*"port": (\d+)', text)
            if ready:
                self._port = ready[1]
                grpc = re.search(r'"grpc_port": (\d+)', text)
                self._grpc_port = grpc[1] if grpc else DOCUMENTED_GRPC_PORT
                text = text.replace(f'"grpc_port": {self._grpc_port}', f'"grpc_port": {DOCUMENTED_GRPC_PORT}')
                return 0, re.sub(rf"\b({self._port}|0)(?=[/,])", DOCUMENTED_PORT, text)
            time.sleep(0.05)
        return 1, log.read_text()

    def _environment(self) -> Mapping[str, str]:
        place = f"{self._bin}{os.pathsep}{os.environ.get('PATH', '')}"
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("TRUELINE", "PYTEST", "COV"))}
        return {**kept, "PATH": place, "COLUMNS": "160", "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}

    def _local(self, text: str) -> str:
        return text.replace(DOCUMENTED_PORT, self._port).replace(DOCUMENTED_GRPC_PORT, self._grpc_port)


def _steps(block: Block) -> list[tuple[str, str]]:
    """(command, shown output) of each command."""
    if block.language == "sh":
        return [(line, "") for line in block.text.splitlines() if line.strip()]
    first, *rest = re.split(r"^\$ ", block.text, flags=re.MULTILINE)
    assert not first.strip(), f"{block.place}: text before the first command"
    joined = [part.replace("\\\n", " ") for part in rest]
    return [(part.partition("\n")[0], part.partition("\n")[2]) for part in joined]


def _hunks(text: str) -> list[tuple[str, str]]:
    """(old, new) of each run of changed lines; lines that stay belong to both sides."""
    found: list[tuple[str, str]] = []
    for part in text.split("@@\n"):
        lines = part.splitlines(keepends=True)
        old = "".join(line[1:] for line in lines if line[:1] in "- ")
        new = "".join(line[1:] for line in lines if line[:1] in "+ ")
        found.append((old, new))
    return found
