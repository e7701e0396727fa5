"""Filters in Python's syntax, the one of trueline's other expressions: parsed with `ast`, never evaluated.

    type == 'Model' and properties['span'] >= 3 and state == LIVE
    contexts_run.name == 'nightly' and not startswith(uri, '/tmp/')

Names are the records' fields and ML Metadata's attributes; ``properties['p']`` takes the type of what it is compared
with. Missing values follow SQL: a comparison with one is unknown, and only what is true passes.
"""

from __future__ import annotations

import ast

from trueline._core.parsing import parse_python
from trueline.metadata.filters_functions import FUNCTIONS
from trueline.metadata.filters_tree import MAX_DEPTH, MAX_TEXT, Call, Filter, Literal, Name, Node

__all__ = ["parse_where"]

_COMPARE: dict[type[ast.cmpop], str] = {
    ast.Eq: "=",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
}
_BINARY: dict[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
_FUNCTIONS = {function.python: name for name, function in FUNCTIONS.items() if function.python}
_HINT = (
    "a filter has names, properties['p'], custom_properties['p'], literals, comparisons, and/or/not, in [..], + - * /, "
    f"is None, and the functions {', '.join(_FUNCTIONS)}."
)


def parse_where(text: str) -> Filter:
    """Parses a filter in Python's syntax.

    Raises:
        MetadataError: INVALID_ARGUMENT, with the place in the text.
    """
    filter_ = Filter(text, None, python=True)
    if len(text) > MAX_TEXT:
        raise filter_.error(MAX_TEXT, f"a filter has at most {MAX_TEXT} characters, this one {len(text)}")
    try:
        tree = parse_python(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        at = max((getattr(error, "offset", None) or 1) - 1, 0)
        raise filter_.error(at, f"the filter does not parse: {getattr(error, 'msg', error)}", _HINT) from error
    assert isinstance(tree, ast.Expression)
    return Filter(text, _Reader(filter_).node(tree.body, 0), python=True)


class _Reader:
    def __init__(self, filter_: Filter) -> None:
        self.filter = filter_
        self.lines = filter_.text.strip().splitlines(keepends=True)
        self.shift = len(filter_.text) - len(filter_.text.lstrip())

    def at(self, node: ast.AST) -> int:
        """The offset in the text; `ast` counts lines and, in a line, bytes."""
        line, column = getattr(node, "lineno", 1) - 1, getattr(node, "col_offset", 0)
        before = sum(map(len, self.lines[:line]))
        return self.shift + before + len(self.lines[line].encode()[:column].decode(errors="ignore"))

    def fail(self, node: ast.AST, problem: str) -> Exception:
        return self.filter.error(self.at(node), problem, _HINT)

    def node(self, node: ast.expr, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise self.fail(node, f"more than {MAX_DEPTH} levels deep")
        at, below = self.at(node), depth + 1
        match node:
            case ast.Constant(value=value) if value is None or isinstance(value, bool | int | float | str):
                if isinstance(value, int) and not -(2**63) <= value < 2**63:
                    raise self.fail(node, "the number does not fit 64 bits")
                return Literal(value, at)
            case ast.Name() | ast.Attribute() | ast.Subscript():
                return Name(self.path(node), at)
            case ast.BoolOp(op=op, values=values):
                word = "and" if isinstance(op, ast.And) else "or"
                return Call(word, tuple(self.node(value, below) for value in values), at)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return Call("not", (self.node(operand, below),), at)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                inner = self.node(operand, below)
                if isinstance(inner, Literal) and type(inner.value) in (int, float):
                    return Literal(-inner.value, at)  # type: ignore[operator]
                return Call("neg", (inner,), at)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
                return Call(_BINARY[type(op)], (self.node(left, below), self.node(right, below)), at)
            case ast.Compare():
                return self.comparison(node, depth)
            case ast.Call():
                return self.call(node, depth)
        raise self.fail(node, f"{type(node).__name__} is not part of filters")

    def path(self, node: ast.expr) -> tuple[str, ...]:
        """The steps of ``contexts_a.name`` or ``properties['p'].int_value``."""
        match node:
            case ast.Name(id=name):
                return (name,)
            case ast.Attribute(value=value, attr=attr):
                return (*self.path(value), attr)
            case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=str(key))):
                return (name, key)
        raise self.fail(node, "a name is written as name, contexts_a.name or properties['p']")

    def comparison(self, node: ast.Compare, depth: int) -> Node:
        left, parts = node.left, list[Node]()
        for op, right in zip(node.ops, node.comparators, strict=True):
            parts.append(self.compared(left, op, right, depth + 1))
            left = right
        return parts[0] if len(parts) == 1 else Call("and", tuple(parts), self.at(node))

    def compared(self, left: ast.expr, op: ast.cmpop, right: ast.expr, depth: int) -> Node:
        value, at = self.node(left, depth), self.at(left)
        if isinstance(op, ast.Is | ast.IsNot):
            if not isinstance(right, ast.Constant) or not (right.value is None or isinstance(right.value, bool)):
                raise self.fail(right, "'is' compares with None, True or False")
            word = {None: "null", True: "true", False: "false"}[right.value]
            found = Call(f"is_{word}", (value,), at)
            return Call("not", (found,), at) if isinstance(op, ast.IsNot) else found
        if isinstance(op, ast.In | ast.NotIn):
            if not isinstance(right, ast.List | ast.Tuple | ast.Set) or not right.elts:
                raise self.fail(right, "'in' needs a list with at least one value")
            options = tuple(self.node(element, depth) for element in right.elts)
            return Call("not_in" if isinstance(op, ast.NotIn) else "in", (value, *options), at)
        return Call(_COMPARE[type(op)], (value, self.node(right, depth)), at)

    def call(self, node: ast.Call, depth: int) -> Node:
        name = node.func.id if isinstance(node.func, ast.Name) else "?"
        if name not in _FUNCTIONS:
            raise self.fail(node, f"there is no function {name!r}")
        if node.keywords or any(isinstance(argument, ast.Starred) for argument in node.args):
            raise self.fail(node, f"{name}() takes plain arguments")
        return Call(_FUNCTIONS[name], tuple(self.node(argument, depth + 1) for argument in node.args), self.at(node))
