"""``trueline doctor``: whether this machine can run pipelines: Python, packages, extras, configuration, store, disk."""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from trueline._core import store
from trueline._core.errors import TruelineError
from trueline.cli.config import Environment, environment_of
from trueline.cli.config_use import env_option
from trueline.cli.failures import FAILED, OK
from trueline.cli.format import amount
from trueline.cli.memory import location_option

__all__ = ["Finding", "doctor"]

_OLDEST_PYTHON = (3, 11)
_LITTLE, _NONE = 2 << 30, 100 << 20
"""Free bytes below which a warning is given, and below which nothing can be run."""
_MARKS = {
    "ok": ("ok", "green"),
    "warning": ("warning", "yellow"),
    "missing": ("missing", "bright_black"),
    "bad": ("BAD", "red"),
}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        check: what, in a word or two.
        state: ``ok``; ``warning``; ``missing``: something optional; ``bad``: runs will fail.
        text: what was found.
        hint: how to mend it, or "".
    """

    check: str
    state: str
    text: str
    hint: str = ""


@click.command()
@env_option
@location_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(env: str | None, location: str | None, as_json: bool) -> int:
    """Check this machine and this project: Python, packages, extras, configuration, store, disk.

    Extras that are not installed are told with the command that brings them. The exit code is 1 where something would
    make runs fail.
    """
    place, problems = _configured(env)
    found = [
        *problems,
        *_python(),
        *_packages(),
        *_extras(),
        *_stores(location or place.metadata, place.root),
        *_disk(place.root),
    ]
    ok = all(finding.state != "bad" for finding in found)
    if as_json:
        click.echo(json.dumps({"ok": ok, "checks": [asdict(finding) for finding in found]}, indent=1))
        return OK if ok else FAILED
    width = max(len(finding.check) for finding in found)
    for finding in found:
        mark, colour = _MARKS[finding.state]
        click.echo(f"{finding.check:<{width}}  {click.style(f'{mark:<7}', fg=colour)}  {finding.text}")
        if finding.hint:
            click.echo(f"{'':<{width}}  {'':7}  {finding.hint}")
    bad = sum(finding.state == "bad" for finding in found)
    click.echo("All is well." if ok else f"{bad} to mend.")
    return OK if ok else FAILED


def _configured(name: str | None) -> tuple[Environment, list[Finding]]:
    warned: list[str] = []
    try:
        place = environment_of(None, name, warn=warned.append)
    except TruelineError as error:
        told = "; ".join(error.problems) or error.message
        return Environment(), [Finding("configuration", "bad", told, f"mend {error.where}")]
    if place.file is None:
        return place, [Finding("configuration", "ok", "no trueline.toml here or above; none is needed")]
    chosen = f"environment {place.name}" if place.name else "no environment chosen"
    more = [Finding("configuration", "warning", sentence) for sentence in warned]
    return place, [Finding("configuration", "ok", f"{place.file}, {chosen}"), *more]


def _python() -> Iterator[Finding]:
    from trueline import __version__

    version, needed = platform.python_version(), ".".join(map(str, _OLDEST_PYTHON))
    fits = sys.version_info[:2] >= _OLDEST_PYTHON
    yield Finding("python", "ok" if fits else "bad", version, "" if fits else f"{needed} or newer is needed")
    yield Finding("platform", "ok", f"{platform.platform()}, {os.cpu_count()} processors")
    yield Finding("trueline", "ok", __version__)


def _packages() -> Iterator[Finding]:
    import importlib.metadata

    from trueline.cli.doctor_packages import needed, problem_of

    try:
        wanted = [one for one in needed() if not one.extra]
    except importlib.metadata.PackageNotFoundError:
        yield Finding("packages", "warning", "trueline is not installed as a package: its needs are not known")
        return
    for one in wanted:
        problem = problem_of(one)
        if problem is None:
            yield Finding(one.name, "ok", f"{importlib.metadata.version(one.name)} ({one.bounds})")
        else:
            yield Finding(one.name, "bad", problem.sentence, f"pip install '{one.name}{one.bounds}'")


def _extras() -> Iterator[Finding]:
    import importlib.metadata

    from trueline.cli.doctor_packages import extras

    try:
        known = extras()
    except importlib.metadata.PackageNotFoundError:
        return
    for name, problems in known.items():
        command = f"pip install 'trueline[{name}]'"
        wrong = [problem for problem in problems if problem.found is not None]
        told = ", ".join(problem.sentence for problem in problems)
        if not problems:
            yield Finding(f"[{name}]", "ok", "installed")
        else:
            yield Finding(f"[{name}]", "warning" if wrong else "missing", told, command)


def _stores(location: str | None, root: str | None) -> Iterator[Finding]:
    from trueline.cli.memory import find_databases, shown_place

    beside = f"{root}/metadata.db" if root and store.is_local(root) and os.path.exists(f"{root}/metadata.db") else None
    try:
        places = find_databases(location or beside)
    except TruelineError as error:
        yield Finding("store", "ok", f"{error.message}: the first run makes one")
        return
    for place in places:
        try:
            yield _store(place)
        except TruelineError as error:
            told = "; ".join((error.message, *error.problems))
            absent = error.message == "there is no metadata database"
            text = f"{shown_place(place)}: {told}"
            yield Finding("store", "ok" if absent else "bad", text, "" if absent else error.hint or "")


def _store(place: str) -> Finding:
    from trueline.cli.store_facts import facts_of

    facts = facts_of(place, quick_check=True)
    versions = f"versions {facts.mlmd_version} and {facts.own_version}"
    text = f"{facts.place}: {versions}, {facts.counts.get('runs', 0)} runs"
    if facts.bytes is not None:
        file = Path(facts.place.partition("///")[2])
        text += f", {amount(facts.bytes)}, whole"
        if not (os.access(file, os.W_OK) and os.access(file.parent, os.W_OK)):
            return Finding("store", "bad", f"{text}, not writable", "may this user write to the file and its folder?")
    usable = facts.kind == "ours" and facts.current
    return Finding("store", "ok" if usable or facts.kind == "empty" else "warning", text, facts.next)


def _disk(root: str | None) -> Iterator[Finding]:
    if root is not None and not store.is_local(root):
        yield Finding("root", "ok", f"{root} is remote: it is not tried here")
    else:
        yield _folder("root", Path(root.removeprefix("file://")) if root else Path.cwd())
    yield _folder("temporary files", Path(tempfile.gettempdir()))


def _folder(check: str, folder: Path) -> Finding:
    """Whether files can be made in a folder, or in the one that it would be made in."""
    there = next((one for one in (folder, *folder.parents) if one.is_dir()), Path("/"))
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        return Finding(check, "bad", f"{there} is not writable: {error.strerror}", "choose another, or mend the rights")
    free = shutil.disk_usage(there).free
    state = "ok" if free >= _LITTLE else "warning" if free >= _NONE else "bad"
    return Finding(check, state, f"{folder}: writable, {amount(free)} free", "" if state == "ok" else "free some space")
