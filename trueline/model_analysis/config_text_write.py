"""Messages of the table of fields written in protobuf's text format."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from trueline.model_analysis.config_fields import ENUMS, SCALARS, WRAPPERS, Tree, fields_of

__all__ = ["write_text"]


def write_text(tree: Tree, message: str) -> str:
    """The message in text format: one field a line, fields in the order of the tree, maps by key."""
    return "".join(f"{line}\n" for line in _lines(tree, message))


def _lines(tree: Tree, message: str) -> list[str]:
    out: list[str] = []
    for name, value in tree.items():
        field = fields_of(message)[name]
        if field.key is not None:
            entry = f"{name}|{field.key}|{field.kind}"
            for key in sorted(value):
                out += _block(name, {"key": key, "value": value[key]}, entry)
            continue
        for item in value if field.many else [value]:
            if field.kind in SCALARS or field.kind in ENUMS:
                out.append(f"{name}: {_scalar_text(item, field.kind)}")
            else:
                out += _block(name, {"value": item} if field.kind in WRAPPERS else item, field.kind)
    return out


def _block(name: str, tree: Tree, message: str) -> list[str]:
    return [f"{name} {{", *(f"  {line}" for line in _lines(tree, message)), "}"]


def _scalar_text(value: Any, kind: str) -> str:
    writers: dict[str, Callable[[Any], str]] = {
        "string": _quoted,
        "bool": lambda v: "true" if v else "false",
        "float": lambda v: repr(float(v)),
        "double": lambda v: repr(float(v)),
    }
    return writers.get(kind, str)(value)


def _quoted(text: str) -> str:
    """A text in quotes; other than quotes, backslashes and control characters it stays as it is."""
    names = {"\n": r"\n", "\r": r"\r", "\t": r"\t", '"': r"\"", "\\": r"\\"}
    made = (names.get(c) or (f"\\{ord(c):03o}" if ord(c) < 32 or ord(c) == 127 else c) for c in text)
    return '"' + "".join(made) + '"'
