"""A user's templates: read once, checked before anything runs, carried as text.

A template extends ours by blocks (``{% extends "model_card.md.j2" %}``). It and what it includes are read when the
pipeline is written; from then on nothing is read from disk, so that a run's card does not depend on files that change.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trueline._core.errors import ConfigError, did_you_mean
from trueline.model_analysis.card.environment import KINDS, environment

__all__ = ["CardTemplate", "Given", "read_templates", "templates_of"]

Given = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]
_MOST_BYTES = 1 << 20
_SUFFIXES = {".md.j2": "markdown", ".html.j2": "html"}


@dataclass(frozen=True)
class CardTemplate:
    """A template and all that it includes.

    Attributes:
        kind: ``markdown`` or ``html``.
        name: the template's own name in `sources`.
        sources: name -> text.
    """

    kind: str
    name: str
    sources: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """A JSON object; `templates_of` reads it."""
        return {"kind": self.kind, "name": self.name, "sources": dict(self.sources)}


def templates_of(data: Sequence[Mapping[str, Any]]) -> tuple[CardTemplate, ...]:
    """The templates that `CardTemplate.to_json` described."""
    return tuple(CardTemplate(str(t["kind"]), str(t["name"]), dict(t["sources"])) for t in data)


def read_templates(given: Given | None) -> tuple[CardTemplate, ...]:
    """Reads and checks templates.

    Args:
        given: a file, or several; names end in ``.md.j2`` or ``.html.j2``, one of a kind.

    Raises:
        ConfigError: a file that is not there or lies outside the template's folder, a name that says no kind, broken
            syntax, or names that do not exist; each with file and line, and what exists instead.
    """
    from trueline.model_analysis.card.template_check import template_problems

    if given is None:
        return ()
    paths = [given] if isinstance(given, str | os.PathLike) else list(given)
    found: list[CardTemplate] = []
    problems: list[str] = []
    for path in map(Path, paths):
        try:
            template = _read(path)
        except ConfigError as error:
            problems += error.problems or (error.message,)
            continue
        if any(t.kind == template.kind for t in found):
            problems.append(f"{path.name}: there is another template for {template.kind}; one of a kind is taken")
        problems += template_problems(template)
        found.append(template)
    if problems:
        raise ConfigError("the template does not fit", problems=problems)
    return tuple(found)


def _read(path: Path) -> CardTemplate:
    kind = next((k for suffix, k in _SUFFIXES.items() if path.name.endswith(suffix)), None)
    if kind is None:
        raise ConfigError(f"{path.name}: a template's name ends in {' or '.join(_SUFFIXES)}")
    own = KINDS[kind]
    name = path.name if path.name != own else f"your_{own}"
    sources = {name: _text(path, path.name)}
    waiting = [name]
    while waiting:
        for wanted in _references(kind, waiting.pop(), sources):
            if wanted != own and wanted not in sources:
                sources[wanted] = _text(_inside(path.parent, wanted, name), wanted)
                waiting.append(wanted)
    return CardTemplate(kind, name, sources)


def _references(kind: str, name: str, sources: Mapping[str, str]) -> list[str]:
    """Templates that a template extends, includes or imports; none where it does not parse, which is told elsewhere."""
    from jinja2 import TemplateSyntaxError, meta

    made = environment(kind, sources)
    try:
        found = list(meta.find_referenced_templates(made.parse(sources[name], name, name)))
    except TemplateSyntaxError:
        return []
    if None in found:
        raise ConfigError(f"{name}: a template that it includes is not named by a plain text")
    return [text for text in found if text is not None]


def _inside(folder: Path, wanted: str, by: str) -> Path:
    """The file that is meant, which lies in the template's own folder."""
    base = folder.resolve()
    path = (base / wanted).resolve()
    if Path(wanted).is_absolute() or not path.is_relative_to(base):
        raise ConfigError(f"{by}: {wanted!r} lies outside the template's folder")
    return path


def _text(path: Path, name: str) -> str:
    if not path.is_file():
        there = sorted(p.name for p in path.parent.glob("*.j2")) if path.parent.is_dir() else []
        raise ConfigError(f"there is no template {name!r}. {did_you_mean(name, [*there, *KINDS.values()])}")
    if path.stat().st_size > _MOST_BYTES:
        raise ConfigError(f"{name}: a template has at most {_MOST_BYTES:,} bytes")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{name}: it is no UTF-8 text: {error}") from error
