"""Python source for the values that components are made with."""

from __future__ import annotations

import dataclasses
import enum
import importlib
import inspect
import json
import keyword
import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path, PurePath
from typing import Any

from trueline.interactive.user_files import UserFiles
from trueline.pipeline.channel import Channel
from trueline.pipeline.node import Component
from trueline.pipeline.placeholders import Placeholder
from trueline.pipeline.runtime_parameter import RuntimeParameter
from trueline.pipeline.source_imports import is_installed
from trueline.pipeline.user_function import UserFunction

__all__ = ["Imports", "Writer", "call", "free", "identifier", "joined"]

_ROOMS = (
    "trueline", "trueline.components", "trueline.pipeline", "trueline.model_analysis", "trueline.training",
    "trueline.transform", "trueline.data_validation", "trueline.data", "trueline.models",
)  # fmt: skip
_WIDTH = 110
_CODE = re.compile(r"(?P<file>[^\n:]+\.py)(?P<name>:[A-Za-z_][A-Za-z0-9_]*)?")
_OPERATORS = {
    "eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "and": "&", "or": "|", "add": "+",
}  # fmt: skip


class Imports:
    """Names that a file imports; of two with one name the second gets another."""

    def __init__(self, taken: set[str]) -> None:
        self._names: dict[tuple[str, str], str] = {}
        self.taken = taken

    def name(self, module: str, name: str) -> str:
        """How the file calls `name` of `module`; with an empty `name` the module itself."""
        known = self._names.get((module, name))
        if known is None:
            known = free(name or module.rpartition(".")[2], self.taken)
            self._names[module, name] = known
        return known

    def lines(self) -> list[str]:
        """The import statements, sorted."""
        by_module: dict[str, list[str]] = {}
        plain = []
        for (module, name), local in sorted(self._names.items()):
            if name:
                by_module.setdefault(module, []).append(name if name == local else f"{name} as {local}")
            else:
                plain.append(f"import {module}" + ("" if module == local else f" as {local}"))
        return plain + [_from(module, names) for module, names in sorted(by_module.items())]


def _from(module: str, names: list[str]) -> str:
    names = sorted(names)
    line = f"from {module} import {', '.join(names)}"
    if len(line) <= _WIDTH:
        return line
    return f"from {module} import (\n" + "".join(f"    {name},\n" for name in names) + ")"


def free(name: str, taken: set[str]) -> str:
    """The name, or with a number where it is taken; from now on it is."""
    found, number = name, 2
    while found in taken or keyword.iskeyword(found):
        found, number = f"{name}_{number}", number + 1
    taken.add(found)
    return found


def identifier(node_id: str) -> str:
    """A variable's name for a node: ``CsvExampleGen`` becomes ``csv_example_gen``."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", node_id)
    text = re.sub(r"\W+", "_", words, flags=re.ASCII).strip("_").lower()
    return text if text and not text[0].isdigit() else f"node_{text}"


def call(function: str, arguments: list[tuple[str, str]]) -> str:
    """A call with keyword arguments (or, with an empty keyword, positional ones), over several lines where needed."""
    parts = [f"{name}={source}" if name else source for name, source in arguments]
    return joined(f"{function}(", parts, ")")


def joined(start: str, parts: list[str], end: str, comma: bool = False) -> str:
    """Parts between two texts, over several lines where one would be long; with `comma` a single part keeps one."""
    line = f"{start}{', '.join(parts)}{',' if comma and len(parts) == 1 else ''}{end}"
    if (len(line) <= _WIDTH - 20 and "\n" not in line) or not parts:
        return line
    inner = "".join(f"{part},\n" for part in parts)
    indented = "".join(f"    {row}\n" for row in inner.splitlines())
    return f"{start}\n{indented}{end}"


class Writer:
    """Writes values as source; what it cannot write it notes, with the place where the value stands.

    Args:
        variables: what the file calls each node, by id.
        imports: the file's imports, added to.
        files: the user's own code files, added to.
        problems: notes, added to.
    """

    def __init__(self, variables: Mapping[str, str], imports: Imports, files: UserFiles, problems: list[str]) -> None:
        self._variables, self._imports = variables, imports
        self._files, self._problems = files, problems

    def value(self, value: Any, place: str) -> str:
        """The value's source."""
        for kinds, write in _KINDS:
            if isinstance(value, kinds):
                return write(self, value, place)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return self._dataclass(value, place)
        if callable(getattr(value, "item", None)) and getattr(value, "shape", None) == ():
            return self.value(value.item(), place)
        ranges = getattr(value, "ranges", None)
        if isinstance(ranges, dict) and callable(getattr(type(value), "of", None)):  # a search space, in its order
            return call(f"{self.named(type(value), place)}.of", [("", self.value(list(ranges.items()), place))])
        if callable(value) and not hasattr(value, "function"):
            return self.named(value, place)
        return self._refuse(value, place)

    def _refuse(self, value: Any, place: str) -> str:
        self._problems.append(f"{place} is a {type(value).__name__}, which cannot be written as source")
        return "None"

    def _float(self, value: float, place: str) -> str:
        return repr(value) if math.isfinite(value) else f'float("{value}")'

    def _plain(self, value: Any, place: str) -> str:
        return repr(value)

    def _text(self, value: str, place: str) -> str:
        code = _CODE.fullmatch(value)
        if code is None or not Path(code["file"]).expanduser().is_file():
            return json.dumps(value, ensure_ascii=False) if value.isprintable() else repr(value)
        here = self._files.place(Path(code["file"]).expanduser().resolve())
        return f"str({here})" if code["name"] is None else f"str({here}) + {json.dumps(code['name'])}"

    def _path(self, value: PurePath, place: str) -> str:
        return call(self._imports.name("pathlib", "Path"), [("", repr(str(value)))])

    def _sequence(self, value: Any, place: str) -> str:
        parts = [self.value(item, f"{place}[{i}]") for i, item in enumerate(value)]
        if isinstance(value, list):
            return joined("[", parts, "]")
        if isinstance(value, tuple):
            return joined("(", parts, ")", comma=True)
        return call("frozenset" if isinstance(value, frozenset) else "set", [("", joined("[", sorted(parts), "]"))])

    def _mapping(self, value: Mapping[Any, Any], place: str) -> str:
        pairs = [f"{self.value(k, place)}: {self.value(v, f'{place}[{k!r}]')}" for k, v in value.items()]
        return joined("{", pairs, "}")

    def _enum(self, value: enum.Enum, place: str) -> str:
        return f"{self.named(type(value), place)}.{value.name}"

    def _dataclass(self, value: Any, place: str) -> str:
        """A call with the fields that differ from their defaults."""
        arguments = []
        for field in dataclasses.fields(value):
            found = getattr(value, field.name)
            default = field.default_factory() if field.default_factory is not dataclasses.MISSING else field.default
            if field.init and (default is dataclasses.MISSING or not _same(found, default)):
                arguments.append((field.name, self.value(found, f"{place}.{field.name}")))
        return call(self.named(type(value), place), arguments)

    def _user_function(self, value: UserFunction, place: str) -> str:
        if value.file is None:
            return json.dumps(f"{value.module}:{value.name}")
        if value.module is None:
            return f"str({self._files.place(Path(value.file))}) + {json.dumps(f':{value.name}')}"
        return self._imported(value.module, value.name, Path(value.file))

    def named(self, target: Any, place: str) -> str:
        """How the file calls a class or function: imported from a room of ours, its package, or the user's file."""
        name = getattr(target, "__qualname__", "")
        module = getattr(target, "__module__", "") or ""
        if not name.isidentifier():
            self._problems.append(f"{place} is {target!r}, which does not stand at the top level of a file")
            return "None"
        for room in _ROOMS if module.startswith("trueline") else ():
            offered = importlib.import_module(room)
            if name in getattr(offered, "__all__", ()) and getattr(offered, name) is target:
                return self._imports.name(room, name)
        return self._of_module(target, module, name, place)

    def _of_module(self, target: Any, module: str, name: str, place: str) -> str:
        try:
            file = Path(inspect.getfile(inspect.unwrap(target)))
        except (TypeError, OSError):
            file = None
        if file is None or module == "__main__" or not file.is_file():
            self._problems.append(f"{place}: {name} was typed into a cell; write it with %%trueline_module model.py")
            return "None"
        if is_installed(file):
            return self._imports.name(module, name)
        return self._imported(module, name, file)

    def _imported(self, module: str, name: str, file: Path) -> str:
        self._files.add_module(module, file.resolve())
        return f"{self._imports.name(module, '')}.{name}"

    def component(self, made: Any, place: str) -> str:
        """How the file calls what `@component` made."""
        function = made.function
        reference = UserFunction.of(function)
        if reference.file is None:
            return self._imports.name(str(reference.module), function.__name__)
        if reference.module is None:
            self._problems.append(f"{place}: {reference} is in a file that is no importable module")
            return "None"
        return self._imported(reference.module, function.__name__, Path(reference.file))

    def channel(self, value: Channel, place: str) -> str:
        """``variable.outputs["key"]``."""
        if value.item_of is not None or value.producer.node_id not in self._variables:
            self._problems.append(f"{place} is {value!r}, which no node of the exported file makes")
            return "None"
        return f"{self._variables[value.producer.node_id]}.outputs[{json.dumps(value.key)}]"

    def _parameter(self, value: RuntimeParameter, place: str) -> str:
        arguments = [("", json.dumps(value.name)), ("", value.ptype.__name__)]
        arguments += [("default", self.value(value.default, place))] if value.default is not None else []
        arguments += [("description", json.dumps(value.description))] if value.description else []
        return call(self._imports.name("trueline.pipeline", "RuntimeParameter"), arguments)

    def _placeholder(self, value: Placeholder, place: str) -> str:
        op, args = value.op, value.args
        if op == "artifacts":
            return f"{self.channel(args[0], place)}.future()"
        if op in _OPERATORS and any(isinstance(arg, Placeholder) for arg in args[:1]):
            return f"({self.value(args[0], place)} {_OPERATORS[op]} {self.value(args[1], place)})"
        if op in ("value", "uri", "property") and _is_first(args[0]):
            start = self.channel(args[0].args[0].args[0], place)
            return f"{start}.{op}" + (f"({json.dumps(args[1])})" if op == "property" else "")
        made = [("", json.dumps(op)), *(("", self.value(arg, place)) for arg in args)]
        return call(self._imports.name("trueline.pipeline.placeholders", "Placeholder"), made)

    def _class(self, value: type, place: str) -> str:
        return value.__name__ if value.__module__ == "builtins" else self.named(value, place)

    def _node(self, value: Component, place: str) -> str:
        return self._variables.get(value.node_id) or self._refuse(value, place)


def _is_first(value: Any) -> bool:
    """Whether this is ``channel.future()[0]``."""
    return (
        isinstance(value, Placeholder)
        and value.op == "index"
        and value.args[1] == 0
        and isinstance(value.args[0], Placeholder)
        and value.args[0].op == "artifacts"
    )


def _same(value: Any, default: Any) -> bool:
    """Whether a field may be left out: equal and of one type."""
    if type(value) is not type(default) or isinstance(value, Placeholder):
        return False
    same = value == default
    return same is True


_KINDS: tuple[tuple[Any, Callable[[Writer, Any, str], str]], ...] = (
    (enum.Enum, Writer._enum),
    ((type(None), bool, int, bytes), Writer._plain),
    (float, Writer._float),
    (str, Writer._text),
    (PurePath, Writer._path),
    ((list, tuple, set, frozenset), Writer._sequence),
    (Mapping, Writer._mapping),
    (UserFunction, Writer._user_function),
    (Channel, Writer.channel),
    (RuntimeParameter, Writer._parameter),
    (Placeholder, Writer._placeholder),
    (Component, Writer._node),
    (type, Writer._class),
)
"""The first kind that fits writes the value."""
