"""A session as a pipeline file: from the arguments that its nodes were made with, not from cells.

What the file describes is compiled in a fresh process and compared with the session; only an equal file is kept.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from trueline._core.errors import ConfigError
from trueline.interactive.source import Imports, Writer, call, free, identifier, joined
from trueline.interactive.user_files import UserFiles
from trueline.pipeline.compile import compile_pipeline
from trueline.pipeline.function import FunctionComponent
from trueline.pipeline.node import Component
from trueline.pipeline.pipeline import Pipeline
from trueline.pipeline.settings import NodeSettings

__all__ = ["export"]

_MARK = "Written by InteractiveContext.export_pipeline"
_RESERVED = ("HERE", "Path", "create_pipeline", "root", "metadata", "pipeline", "str")
_SECONDS = 300
_PASSWORDS = ("password", "passwd", "pwd")


def export(nodes: Sequence[Component], pipeline: Pipeline, path: Path, *, overwrite: bool = False) -> str:
    """Writes and checks the file, see `InteractiveContext.export_pipeline`.

    Raises:
        ConfigError: with every problem.
    """
    path = path.expanduser().resolve()
    problems: list[str] = []
    if path.suffix != ".py" or not path.stem.isidentifier():
        problems.append(f"{path.name!r} is no name for a Python file")
    elif path.is_dir():
        problems.append(f"{path} is a folder")
    elif path.exists() and not overwrite and _MARK not in path.read_text(encoding="utf-8", errors="replace"):
        problems.append(f"{path} is there, and another hand wrote it: give overwrite=True to replace it")
    files = UserFiles(path.parent, problems)
    text = _text(_ordered(nodes), pipeline, path, files, problems)
    files.check(overwrite)
    if path in files.places or path in files.copies().values():
        problems.append(f"{path} is a file of user code that the pipeline needs: export to another name")
    if problems:
        raise ConfigError(
            "the session cannot be exported", problems=problems, hint="what was typed into cells goes into a module."
        )
    # A name that no file of the user's has: it is gone afterwards.
    draft = path.with_name(f"{path.stem}_draft_{secrets.token_hex(6)}.py")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        files.copy()
        draft.write_text(text, encoding="utf-8")
        _compare(pipeline, draft, files)
        draft.replace(path)
    except OSError as error:
        raise ConfigError(
            f"the file cannot be written: {(error.strerror or str(error)).lower()}", where=str(path)
        ) from error
    finally:
        with contextlib.suppress(OSError):
            draft.unlink()
    return str(path)


def _ordered(nodes: Sequence[Component]) -> list[Component]:
    """The session's order, but each node after those that it needs."""
    order: dict[str, Component] = {}
    waiting = list(nodes)
    while waiting:
        ready = [n for n in waiting if all(p.node_id in order for p in n.predecessors())]
        if not ready:
            names = ", ".join(node.node_id for node in waiting)
            raise ConfigError(f"nodes need others that did not run in this session: {names}")
        order[ready[0].node_id] = ready[0]
        waiting.remove(ready[0])
    return list(order.values())


def _text(nodes: Sequence[Component], pipeline: Pipeline, path: Path, files: UserFiles, problems: list[str]) -> str:
    taken = set(_RESERVED)
    imports = Imports(taken)
    imports.name("trueline", "Pipeline")
    classes = {type(node).__name__ for node in nodes}
    variables: dict[str, str] = {}
    for node in nodes:
        variables[node.node_id] = free(identifier(node.node_id), taken | classes)
        taken.add(variables[node.node_id])
    writer = Writer(variables, imports, files, problems)
    body = [line for node in nodes for line in _statement(node, variables, writer, problems).splitlines()]
    root = _root(pipeline, path)
    own = f"sqlite:///{pipeline.root}/metadata.db"
    metadata = "None" if pipeline.metadata == own else json.dumps(_without_password(pipeline.metadata))
    listed = joined("nodes = [", list(variables.values()), "]").splitlines()
    name = json.dumps(pipeline.name)
    lines = [
        f'"""The pipeline {pipeline.name}. {_MARK}; run it with ``trueline run {path.name}``."""',
        "", "from __future__ import annotations", "", "from pathlib import Path", "",
        *imports.lines(), "", "HERE = Path(__file__).resolve().parent", "", "",
        f"def create_pipeline(root: str = {root}, metadata: str | None = {metadata}) -> Pipeline:",
        '    """The line as it was made in a notebook; root: where artifacts go, metadata: the database\'s URL."""',
        *(f"    {line}" if line else "" for line in body),
        *(f"    {line}" for line in listed),
        f"    return Pipeline({name}, nodes, root=root, metadata=metadata)",
        "",
    ]  # fmt: skip
    return "\n".join(lines)


def _root(pipeline: Pipeline, path: Path) -> str:
    """The artifacts' place; from the file's folder on where it lies below it, so that both can move together."""
    place = Path(pipeline.root)
    if "://" not in pipeline.root and place.is_relative_to(path.parent):
        return f"str(HERE / {json.dumps(place.relative_to(path.parent).as_posix())})"
    return json.dumps(pipeline.root)


def _without_password(url: str) -> str:
    """A database's address as a file may hold it: who opens it brings the password along, or the client's own files
    have it (such as ``~/.pgpass``)."""
    from sqlalchemy import URL, make_url

    if "://" not in url:  # a path
        return url
    made = make_url(url)
    query = {key: value for key, value in made.query.items() if key.lower() not in _PASSWORDS}
    if made.password is None and len(query) == len(made.query):
        return url
    return str(URL.create(made.drivername, made.username, None, made.host, made.port, made.database, query))


def _statement(node: Component, variables: Mapping[str, str], writer: Writer, problems: list[str]) -> str:
    """``name = Class(...)`` with its conditions, settings and order."""
    place = f"{node.location}: {node.node_id}"
    source = _constructed(node, writer, place)
    settings = [
        (field.name, writer.value(getattr(node.settings, field.name), f"{place} with {field.name}"))
        for field in fields(NodeSettings)
        if getattr(node.settings, field.name) != getattr(NodeSettings(), field.name)
    ]
    if settings:
        source = call(f"{source}.with_settings", settings)
    if node.upstream:
        source += f".after({', '.join(variables[before.node_id] for before in dict.fromkeys(node.upstream))})"
    statement = f"{variables[node.node_id]} = {source}"
    for block in reversed(node.blocks):
        predicate = getattr(block, "predicate", None)
        if predicate is None:
            problems.append(f"{place} belongs to a {type(block).__name__}, which cannot be exported")
            continue
        inner = "\n".join(f"    {line}" for line in statement.splitlines())
        name = writer.named(type(block), place)
        statement = f"with {name}({writer.value(predicate, f'{place}: the condition')}):\n{inner}"
    return statement


def _constructed(node: Component, writer: Writer, place: str) -> str:
    """The call that makes the node, with the arguments that it was made with."""
    given, keywords = node.made_with
    if given and isinstance(given[0], FunctionComponent):
        made, node_id, arguments = given
        keywords = {**arguments, **({"node_id": node_id} if node_id is not None else {})}
        name, positional = writer.component(made, place), []
        default = made.__name__
    else:
        name, positional, default = writer.named(type(node), place), list(given), type(node).__name__
    keywords = {k: v for k, v in keywords.items() if k != "node_id"}
    if node.node_id != default:
        keywords["node_id"] = node.node_id
    sources = [("", writer.value(value, f"{place}: argument {i}")) for i, value in enumerate(positional)]
    sources += [(key, writer.value(value, f"{place}: {key}")) for key, value in keywords.items()]
    return call(name, sources)


def _compare(pipeline: Pipeline, draft: Path, files: UserFiles) -> None:
    """Compiles the file elsewhere and compares it with the session.

    Raises:
        ConfigError: the file does not load, or says something else; with the places.
    """
    command = [sys.executable, "-P", "-m", "trueline.interactive.exported", str(draft)]
    home = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, [home, os.environ.get("PYTHONPATH", "")]))
    environment = {**os.environ, "PYTHONPATH": path}
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, env=environment, check=False)
    except subprocess.TimeoutExpired as error:
        raise ConfigError(
            f"the exported file did not load within {_SECONDS} s",
            where=draft.name,
            hint="does a module that it imports work, or wait, when it is imported?",
        ) from error
    if done.returncode != 0:
        raise ConfigError(
            "the exported file does not load", where=draft.name, problems=done.stderr.strip().splitlines()[-8:]
        )
    places = {str(source): str(draft.parent / place) for source, place in files.places.items()}
    plan = {**json.loads(compile_pipeline(pipeline).to_json()), "metadata": _without_password(pipeline.metadata)}
    wanted = _comparable(plan, places)
    found = _comparable(json.loads(done.stdout), {})
    differences = list(_differences(wanted, found, ""))
    if differences:
        raise ConfigError(
            "the exported file would describe another pipeline than this session",
            problems=differences[:20],
            hint="give the named arguments as plain values, or write that node into the file by hand.",
        )


def _comparable(plan: Any, places: Mapping[str, str]) -> Any:
    """A plan without the lines that nodes were made at, and with user files where the export puts them."""
    if isinstance(plan, Mapping):
        return {key: _comparable(value, places) for key, value in plan.items() if key != "location"}
    if isinstance(plan, list):
        return [_comparable(value, places) for value in plan]
    return places.get(plan, plan) if isinstance(plan, str) else plan


def _differences(wanted: Any, found: Any, place: str) -> Any:
    """Places where two JSON values differ, with both values."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        for key in sorted({*wanted, *found}):
            yield from _differences(wanted.get(key), found.get(key), f"{place}.{key}".lstrip("."))
    elif isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        for i, (one, other) in enumerate(zip(wanted, found, strict=True)):
            name = one.get("id", i) if isinstance(one, dict) else i
            yield from _differences(one, other, f"{place}[{name}]")
    elif wanted != found:
        yield f"{place}: the session has {_short(wanted)}, the file {_short(found)}"


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 120 else f"{text[:120]}…"
