"""Makes docs/reference.md from docstrings: every public name of every room, with signature and first paragraph.

python scripts/make_reference.py            # writes the page
python scripts/make_reference.py --check    # exit code 1 when the page is not up to date
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import importlib
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference.md"
ROOMS = (
    "trueline.components", "trueline.pipeline", "trueline.runners", "trueline.data", "trueline.data_validation",
    "trueline.schema", "trueline.transform", "trueline.training", "trueline.models", "trueline.models.optimise",
    "trueline.model_analysis", "trueline.serving", "trueline.metadata", "trueline.engine", "trueline.display",
    "trueline.web", "trueline.interactive",
)  # fmt: skip
WIDTH = 110
HEAD = """# Reference

Made from the docstrings by `scripts/make_reference.py`: each room's public names, how they are called, and what they
are for. Arguments, errors and the sources of formulas are in the docstrings: `help(trueline.transform.bucketize)`.
"""


def first_paragraph(thing: Any) -> str:
    """The docstring's first paragraph as one line of Markdown, or "" where the class has none of its own."""
    text = inspect.cleandoc(thing.__doc__ or "").partition("\n\n")[0]
    if inspect.isclass(thing) and dataclasses.is_dataclass(thing) and text.startswith(f"{thing.__name__}("):
        return ""
    text = re.sub(r":\w+:`", "`", text)
    return re.sub(r"``?", "`", " ".join(text.split())).replace("|", "\\|")


def signature_of(thing: Any) -> str:
    """``(a: int, *, b: str = 'x') -> float``; "" where a call takes nothing that is ours to document."""
    try:
        found = inspect.signature(thing)
    except (TypeError, ValueError):
        return ""
    shown = list(found.parameters.values())
    shown = [p for p in shown if p.name not in ("self", "cls") and not p.name.startswith("_")]
    parts, keyword_only = [], False
    for parameter in shown:
        if parameter.kind is parameter.KEYWORD_ONLY and not keyword_only:
            keyword_only = True
            parts.append("*")
        if parameter.kind is parameter.VAR_POSITIONAL:
            keyword_only = True
        parts.append(_parameter(parameter))
    returns = "" if inspect.isclass(thing) else _annotation(found.return_annotation, " -> ")
    return _wrapped(parts, returns)


def _parameter(parameter: inspect.Parameter) -> str:
    kind = parameter.kind
    stars = "*" if kind is parameter.VAR_POSITIONAL else "**" if kind is parameter.VAR_KEYWORD else ""
    text = f"{stars}{parameter.name}{_annotation(parameter.annotation, ': ')}"
    if parameter.default is parameter.empty:
        return text
    default = repr(parameter.default)
    if isinstance(parameter.default, frozenset) and parameter.default:  # else in another order in each process
        default = f"frozenset({{{', '.join(sorted(map(repr, parameter.default)))}}})"
    if default.startswith("<") or " at 0x" in default:
        default = "..."
    return f"{text} = {default}"


def _annotation(annotation: Any, before: str) -> str:
    if annotation is inspect.Parameter.empty:
        return ""
    return before + (annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation)))


def _wrapped(parts: list[str], returns: str) -> str:
    line = f"({', '.join(parts)}){returns}"
    if len(line) <= WIDTH:
        return line
    lines, rest = [], parts
    while rest:
        taken = 1
        while taken < len(rest) and len(", ".join(rest[: taken + 1])) <= WIDTH - 4:
            taken += 1
        lines.append("    " + ", ".join(rest[:taken]) + ",")
        rest = rest[taken:]
    return "(\n" + "\n".join(lines) + f"\n){returns}"


def entry(name: str, thing: Any) -> Iterator[str]:
    """The section of one name."""
    yield f"### `{name}`"
    if inspect.isclass(thing) and issubclass(thing, enum.Enum):
        yield f"Values: {', '.join(f'`{member.name}`' for member in thing)}."
    elif callable(thing) and not _is_protocol(thing) and not _is_error(thing):
        yield f"```text\n{name}{signature_of(thing)}\n```"
    if isinstance(thing, int | str):
        yield f"`{thing!r}`"
    elif isinstance(thing, dict):
        keys = sorted({key if isinstance(key, str) else str(key[0]) for key in thing})
        yield f"A table of: {', '.join(f'`{key}`' for key in keys)}."
    elif inspect.isclass(thing) or callable(thing) or inspect.ismodule(thing):
        yield first_paragraph(thing)
    if inspect.ismodule(thing):
        held = {n: getattr(thing, n) for n in thing.__all__ if n not in _public()}
        yield "\n".join(_member(n, m, first_paragraph(m)) for n, m in held.items())
    if inspect.isclass(thing) and not issubclass(thing, enum.Enum | BaseException):
        members = [line for line in _members(thing) if line]
        if members:
            yield "\n".join(members)


@functools.cache
def _public() -> frozenset[str]:
    """Every name with an entry of its own."""
    return frozenset(name for room_name in (*ROOMS, "trueline") for name in importlib.import_module(room_name).__all__)


def _is_protocol(thing: Any) -> bool:
    return bool(getattr(thing, "_is_protocol", False))


def _is_error(thing: Any) -> bool:
    return inspect.isclass(thing) and issubclass(thing, BaseException)


def _members(cls: type) -> Iterator[str]:
    """One line for each public method and property that the class itself, or a base without an entry, defines."""
    seen: set[str] = set()
    for owner in cls.__mro__:
        if owner is not cls and not (owner.__module__.startswith("trueline.") and owner.__name__ not in _public()):
            continue
        for name, member in vars(owner).items():
            if name.startswith("_") or name in seen:
                continue
            seen.add(name)
            said = first_paragraph(member)
            if isinstance(member, property | functools.cached_property):
                yield f"- `.{name}`: {said}" if said else f"- `.{name}`"
            elif isinstance(member, staticmethod | classmethod) or inspect.isfunction(member):
                yield _member(name, getattr(member, "__func__", member), said)


def _member(name: str, function: Any, said: str) -> str:
    call = " ".join(signature_of(function).split()).replace("( ", "(").replace(", )", ")")
    return f"- `.{name}{call}`" + (f": {said}" if said else "")


def room(module: ModuleType, documented: dict[str, str]) -> Iterator[str]:
    """The section of one room; a name that another room documents is listed with that room."""
    said = first_paragraph(module)
    yield f"## {module.__name__}"
    yield said
    again = [name for name in module.__all__ if name in documented]
    if again:
        links = [f"`{n}` ([{documented[n]}](#{documented[n].replace('.', '')}))" for n in again]
        yield f"Also here: {', '.join(links)}."
    for name in module.__all__:
        if name not in documented:
            documented[name] = module.__name__
            yield from entry(name, getattr(module, name))


def commands() -> Iterator[str]:
    """Every command of the command line with its arguments and options."""
    from trueline.cli.app import COMMANDS
    from trueline.cli.failures import EXIT_CODES

    yield "## The command line"
    for listed in COMMANDS:
        home, _, attribute = listed.home.partition(":")
        command = getattr(importlib.import_module(home), attribute)
        usage = " ".join(p.human_readable_name.upper() for p in command.params if p.param_type_name == "argument")
        yield f"### `trueline {listed.name} {usage}`".replace(" `", "`").replace("###`", "### `")
        yield re.sub(r"``?", "`", " ".join((command.help or "").partition("\n\n")[0].split()))
        options = [p for p in command.params if p.param_type_name == "option"]
        yield "\n".join(f"- `{', '.join([*p.opts, *p.secondary_opts])}`: {p.help}" for p in options)
    rows = "\n".join(f"| {code} | {meaning} |" for code, meaning in EXIT_CODES.items())
    yield f"### Exit codes\n\n| code | meaning |\n|---|---|\n{rows}"


def page() -> str:
    """The whole page."""
    documented: dict[str, str] = {}
    sections = [HEAD.strip(), *commands()]
    for name in (*ROOMS, "trueline"):
        sections += room(importlib.import_module(name), documented)
    return "\n\n".join(section for section in sections if section) + "\n"


def main(arguments: list[str]) -> int:
    """Writes or checks the page."""
    text = page()
    if "--check" in arguments:
        current = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
        if current != text:
            print("docs/reference.md is not up to date: run python scripts/make_reference.py")
        return int(current != text)
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
