"""The sheet on which a graph is written down as Python: names, constants, lines, and what each tensor stands for.

A tensor of one value is a Python scalar; any other is a flat list. Shapes are those of one row, read off a real run.
"""

from __future__ import annotations

import builtins
import keyword
import math
import re
import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import onnx

__all__ = ["Operand", "Refusal", "Writer", "is_atomic", "literal", "uses_of"]

_INLINE = 72
_WIDTH = 116
_UNENDING = {"inf": "math.inf", "-inf": "-math.inf", "nan": "math.nan"}
_ROUND = {"float32": "f32", "int64": "int64", "int32": "int32"}
_FEATURE = "transformed:"
_OWN = ("row", "given", "tree", "a", "b", "c", "d", "i", "v", "x", "math", "struct", "json", "sys", "line", "predict")
_STAGES = {"input/": "# The features in the order of training", "model/": "# The model", "output/": "# The answer"}


class Refusal(Exception):  # noqa: N818 - it is caught and becomes a problem of a ModelError
    """Why a node cannot be written down."""


@dataclass(frozen=True)
class Operand:
    """One tensor as a node sees it.

    Attributes:
        text: the Python expression.
        shape: of one row.
        dtype: numpy's name; ``utf8`` for text.
        value: where it is a constant, its value.
        atomic: whether the expression can stand beside an operator, and be repeated, as it is.
    """

    text: str
    shape: tuple[int, ...]
    dtype: str
    value: npt.NDArray[Any] | None = None
    atomic: bool = True

    @property
    def size(self) -> int:
        """How many values."""
        return math.prod(self.shape)


def literal(value: Any) -> str:
    """A Python expression for numbers, text, lists, tuples and dicts; infinities and NaN by `math`."""
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else _UNENDING[repr(value)]
    if isinstance(value, bytes):
        return repr(value.decode())
    if isinstance(value, list):
        return f"[{', '.join(map(literal, value))}]"
    if isinstance(value, tuple):
        return f"({', '.join(map(literal, value))}{',' if len(value) == 1 else ''})"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{literal(k)}: {literal(v)}' for k, v in value.items())}}}"
    return repr(value)


class Writer:
    """Collects lines.

    Args:
        uses: how often each tensor is read.
        seen: every tensor's value in one run for one row.
        known: constants by name.
        helpers: names of functions that the file may hold.
    """

    def __init__(
        self,
        uses: Mapping[str, int],
        seen: Mapping[str, npt.NDArray[Any]],
        known: Mapping[str, npt.NDArray[Any]],
        helpers: Sequence[str],
    ) -> None:
        self.uses, self.seen, self.known = uses, seen, dict(known)
        self.lines: list[str] = []
        self.constants: list[str] = []
        self.functions: list[str] = []
        self.after: list[str] = []
        self._operands: dict[str, Operand] = {}
        self._taken: Counter[str] = Counter(dict.fromkeys([*keyword.kwlist, *dir(builtins), *_OWN, *helpers], 1))
        self._stage = ""

    def operand(self, name: str) -> Operand:
        """The tensor of a name, a constant written into the expression where it is one number."""
        if name not in self._operands:
            self._operands[name] = self.constant_operand(self.known[name], name)
        return self._operands[name]

    def set(self, name: str, operand: Operand) -> None:
        """Says what a tensor is."""
        self._operands[name] = operand

    def constant_operand(self, value: npt.NDArray[Any], name: str) -> Operand:
        """A constant: a literal where it is one value, else a list at the head of the file."""
        flat = value.reshape(-1).tolist()
        text = literal(flat[0]) if value.size == 1 else self.constant(name, flat)
        return Operand(f"({text})" if text.startswith("-") else text, value.shape, _dtype(value), value)

    def constant(self, name: str, value: Any) -> str:
        """Puts a value at the head of the file; its name."""
        made = self.name(name).upper()
        if self._taken[made]:
            made += f"_{self._taken[made]}"
        self._taken[made] += 1
        text = f"{made} = {literal(value)}"
        if len(text) > _WIDTH and isinstance(value, list | dict):
            opened, closed = ("[", "]") if isinstance(value, list) else ("{", "}")
            items = value if isinstance(value, list) else [f"{literal(k)}: {literal(v)}" for k, v in value.items()]
            parts = [i if isinstance(value, dict) else literal(i) for i in items]
            nested = any(isinstance(i, list | tuple) for i in items)
            body = [f"{p}," for p in parts] if nested else _wrapped(parts)
            text = "\n".join([f"{made} = {opened}", *(f"    {line}" for line in body), closed])
        self.constants.append(text)
        return made

    def deferred(self, name: str, text: str) -> str:
        """As `constant`, of an expression that reads `functions`: it stands after them."""
        made = self.constant(name, [])
        self.constants.pop()
        parts = text.strip("[]").split(", ")
        lines = "\n".join(["[", *(f"    {line}" for line in _wrapped(parts)), "]"])
        self.after.append(f"{made} = {text if len(text) < _WIDTH else lines}")
        return made

    def name(self, tensor: str) -> str:
        """A Python name for a tensor, not given before."""
        short = re.sub(r"^(transformed:|input/|model/|output/)", "", tensor)
        base = re.sub(r"\W+", "_", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", short), flags=re.ASCII).strip("_").lower()
        base = base if base and not base[0].isdigit() else f"v_{base}"
        self._taken[base] += 1
        return base if self._taken[base] == 1 else f"{base}_{self._taken[base]}"

    def seen_shape(self, tensor: str) -> tuple[int, ...]:
        """The shape that a tensor has for one row."""
        return tuple(self.seen[tensor].shape)

    def bind(self, tensor: str, text: str, *, atomic: bool = False) -> None:
        """Says what a tensor is: in place where it is short and read once, else by an assignment.

        A feature always has a line and a name of its own.
        """
        shape, dtype = self.seen_shape(tensor), _dtype(self.seen[tensor])
        atomic = atomic or is_atomic(text)
        inline = self.uses[tensor] == 1 and len(text) <= _INLINE and math.prod(shape) == 1
        inline = text.isidentifier() or ((inline or atomic) and not tensor.startswith(_FEATURE))
        inline = inline and not (atomic and "(" in text and self.uses[tensor] > 1)
        if not inline:
            text, atomic = self.assign(tensor, text), True
        self._operands[tensor] = Operand(text, shape, dtype, atomic=atomic)

    def assign(self, tensor: str, text: str) -> str:
        """Writes an assignment; the variable."""
        stage = next((s for s in _STAGES if tensor.startswith(s)), self._stage)
        if stage != self._stage:
            self._stage = stage
            self.lines += ["", _STAGES[stage]]
        variable = self.name(tensor)
        self.lines += f"{variable} = {text}".split("\n")
        return variable

    def pinned(self, operand: Operand, tensor: str) -> str:
        """The operand as an expression that may be repeated."""
        return operand.text if operand.atomic else self.assign(tensor, operand.text)

    def used_constants(self, text: str) -> list[str]:
        """The constants that a text names, and those that these name."""
        by_name = {c.partition(" = ")[0]: c for c in self.constants}
        return [c for name, c in by_name.items() if re.search(rf"\b{name}\b", text)]

    def rounded(self, text: str, dtype: str) -> str:
        """An expression brought to the precision of its type."""
        return f"{_ROUND[dtype]}({text})" if dtype in _ROUND else text


def is_atomic(text: str) -> bool:
    """Whether an expression is a name, a number, or one call or subscript, and nothing beside it."""
    if re.fullmatch(r"[\w.]+", text):
        return True
    if not re.match(r"[A-Za-z_][\w.]*[(\[]", text) or text[-1] not in ")]":
        return False
    depth = 0
    for place, letter in enumerate(text):
        depth += (letter in "([{") - (letter in ")]}")
        if depth == 0 and letter in ")]" and place < len(text) - 1:
            return False
    return depth == 0


def _wrapped(parts: Sequence[str]) -> list[str]:
    """Items on lines of the usual width; a text with blanks inside is not broken."""
    joined = ", ".join(p.replace(" ", "\0") for p in parts) + ","
    lines = textwrap.wrap(joined, _WIDTH - 4, break_long_words=False, break_on_hyphens=False)
    return [line.replace("\0", " ") for line in lines]


def _dtype(value: npt.NDArray[Any]) -> str:
    return "utf8" if value.dtype == np.object_ or value.dtype.kind in "US" else value.dtype.name


def uses_of(graph: onnx.GraphProto) -> Counter[str]:
    """How often each tensor of a graph is read, as an output of the graph included."""
    read = Counter(name for node in graph.node for name in node.input)
    return read + Counter(o.name for o in graph.output)
