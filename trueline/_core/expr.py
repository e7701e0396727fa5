"""One small safe expression language: Python's syntax, parsed to a typed tree and run on Arrow columns.

For row filters, slices, custom validations, gates and resolvers. Nothing is evaluated by Python: the text is parsed
with `ast`, every node outside the grammar below is refused, and the tree is run with Arrow's compute kernels.

    expression  = literal | name | col("odd name") | comparison | boolean | arithmetic | call
    comparison  = a < b <= c, ==, !=, x in [1, 2], x not in [..], x is None, x is not None
    boolean     = and, or, not          arithmetic = + - * / // %, unary -
    call        = len(text) lower(text) startswith(text, "p") contains(text, "p") abs(number)

A time is compared with ISO 8601 text in UTC without a zone: ``ts < "2026-01-03"``, ``ts >= "2026-01-03 12:30"``.
Missing values follow SQL's three-valued logic: a comparison with a missing value is unknown, ``unknown or True`` is
True, and a filter keeps the rows for which the expression is True.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trueline._core.errors import ExprError, did_you_mean
from trueline._core.parsing import parse_python

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Expr", "parse"]

_MAX_TEXT = 10_000
_MAX_DEPTH = 100


@dataclass(frozen=True)
class _Literal:
    value: bool | int | float | str | None


@dataclass(frozen=True)
class _Column:
    name: str


@dataclass(frozen=True)
class _Call:
    """An operator or function by its name in `_KERNELS`."""

    op: str
    args: tuple[_Node, ...]


@dataclass(frozen=True)
class _In:
    value: _Node
    options: tuple[bool | int | float | str, ...]
    negated: bool


_Node = _Literal | _Column | _Call | _In

_BINARY: dict[type[ast.operator], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.FloorDiv: "//",
    ast.Mod: "%",
}
_COMPARE: dict[type[ast.cmpop], str] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
}
_FUNCTIONS = {"len": 1, "lower": 1, "startswith": 2, "contains": 2, "abs": 1}


@dataclass(frozen=True)
class Expr:
    """A parsed expression.

    Attributes:
        text: what the user wrote.
        columns: names of the columns that it reads, in the order of first use.
    """

    text: str
    columns: tuple[str, ...]
    root: _Node

    def evaluate(self, batch: pa.RecordBatch | pa.Table) -> pa.Array:
        """The value for each row.

        Raises:
            ExprError: an unknown column, or types that an operator does not take.
        """
        import pyarrow as pa

        names = batch.schema.names
        unknown = [n for n in self.columns if n not in names]
        if unknown:
            raise ExprError(
                f"column {unknown[0]!r} does not exist",
                where=f"expression {self.text!r}",
                hint=did_you_mean(unknown[0], [n for n in names if not n.startswith("__")]),
            )
        result = _run(self.root, batch, self.text)
        if isinstance(result, pa.Scalar):
            result = pa.array([result.as_py()] * batch.num_rows, result.type)
        if isinstance(result, pa.ChunkedArray):
            result = result.combine_chunks()
        return result

    def mask(self, batch: pa.RecordBatch | pa.Table) -> pa.Array:
        """True where the expression is True, False where it is False or unknown.

        Raises:
            ExprError: when the expression does not give true or false.
        """
        import pyarrow as pa
        import pyarrow.compute as pc

        values = self.evaluate(batch)
        if not pa.types.is_boolean(values.type):
            raise ExprError(f"gives {values.type}, not true or false", where=f"expression {self.text!r}")
        return pc.fill_null(values, False)

    def filter(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The rows for which the expression is True."""
        return batch.filter(self.mask(batch))


def parse(text: str, *, dotted: bool = False) -> Expr:
    """Parses an expression.

    Args:
        text: what the user wrote.
        dotted: read ``a.b.c`` as one name, ``"a.b.c"``; nothing is looked up inside a value.

    Raises:
        ExprError: what is outside the language, with its place in the text.
    """
    if len(text) > _MAX_TEXT:
        raise ExprError(f"the expression has {len(text)} characters, at most {_MAX_TEXT} are read")
    try:
        tree = parse_python(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ExprError(
            f"{text!r} does not parse: {error}", hint="write it as in Python: fare > 20 and tips > 0"
        ) from error
    assert isinstance(tree, ast.Expression)
    root = _Parser(text, dotted).node(tree.body, 0)
    columns: dict[str, None] = {}
    _collect(root, columns)
    return Expr(text, tuple(columns), root)


def _collect(node: _Node, columns: dict[str, None]) -> None:
    if isinstance(node, _Column):
        columns[node.name] = None
    elif isinstance(node, _Call):
        for arg in node.args:
            _collect(arg, columns)
    elif isinstance(node, _In):
        _collect(node.value, columns)


class _Parser:
    def __init__(self, text: str, dotted: bool = False) -> None:
        self.text = text
        self.dotted = dotted

    def fail(self, node: ast.AST, why: str) -> ExprError:
        place = getattr(node, "col_offset", 0) + 1
        return ExprError(
            f"{why} (at character {place})",
            where=f"expression {self.text!r}",
            hint="the language has literals, column names, comparisons, and/or/not, in [..], + - * / // %, is None, "
            f"and the functions {', '.join(_FUNCTIONS)}.",
        )

    def node(self, node: ast.expr, depth: int) -> _Node:
        if depth > _MAX_DEPTH:
            raise self.fail(node, f"more than {_MAX_DEPTH} levels deep")
        match node:
            case ast.Constant(value=value) if value is None or isinstance(value, bool | int | float | str):
                return _Literal(value)
            case ast.Name(id=name):
                return _Column(name)
            case ast.Attribute() if self.dotted:
                return _Column(self.dotted_name(node))
            case ast.BoolOp(op=op, values=values):
                return self.fold("and" if isinstance(op, ast.And) else "or", [self.node(v, depth + 1) for v in values])
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return _Call("not", (self.node(operand, depth + 1),))
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                inner = self.node(operand, depth + 1)
                if isinstance(inner, _Literal) and type(inner.value) in (int, float):
                    return _Literal(-inner.value)  # type: ignore[operator]
                return _Call("neg", (inner,))
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
                return _Call(_BINARY[type(op)], (self.node(left, depth + 1), self.node(right, depth + 1)))
            case ast.Compare():
                return self.compare(node, depth)
            case ast.Call():
                return self.call(node, depth)
        raise self.fail(node, f"{type(node).__name__} is not part of the expression language")

    def dotted_name(self, node: ast.expr) -> str:
        steps = []
        while isinstance(node, ast.Attribute):
            steps.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            raise self.fail(node, "a dot joins names alone")
        return ".".join([node.id, *reversed(steps)])

    def fold(self, op: str, nodes: Sequence[_Node]) -> _Node:
        result = nodes[0]
        for node in nodes[1:]:
            result = _Call(op, (result, node))
        return result

    def compare(self, node: ast.Compare, depth: int) -> _Node:
        left, parts = node.left, []
        for op, right in zip(node.ops, node.comparators, strict=True):
            parts.append(self.compare_one(left, op, right, depth))
            left = right
        return self.fold("and", parts)

    def compare_one(self, left: ast.expr, op: ast.cmpop, right: ast.expr, depth: int) -> _Node:
        value = self.node(left, depth + 1)
        if isinstance(op, ast.Is | ast.IsNot):
            if not (isinstance(right, ast.Constant) and right.value is None):
                raise self.fail(right, "'is' compares with None alone")
            return _Call("is_null" if isinstance(op, ast.Is) else "is_valid", (value,))
        if isinstance(op, ast.In | ast.NotIn):
            return _In(value, self.options(right), isinstance(op, ast.NotIn))
        return _Call(_COMPARE[type(op)], (value, self.node(right, depth + 1)))

    def options(self, node: ast.expr) -> tuple[bool | int | float | str, ...]:
        if not isinstance(node, ast.List | ast.Tuple | ast.Set):
            raise self.fail(node, "'in' needs a list of literals")
        values = []
        for element in node.elts:
            literal = self.node(element, 0)
            if not isinstance(literal, _Literal) or literal.value is None:
                raise self.fail(element, "'in' needs a list of literals")
            values.append(literal.value)
        return tuple(values)

    def call(self, node: ast.Call, depth: int) -> _Node:
        name = node.func.id if isinstance(node.func, ast.Name) else "?"
        if node.keywords or any(isinstance(a, ast.Starred) for a in node.args):
            raise self.fail(node, f"{name}() takes plain arguments")
        if name == "col":
            if len(node.args) == 1 and isinstance(node.args[0], ast.Constant) and isinstance(node.args[0].value, str):
                return _Column(node.args[0].value)
            raise self.fail(node, 'col() takes one name in quotes: col("odd name")')
        if name not in _FUNCTIONS:
            raise self.fail(node, f"there is no function {name!r}")
        if len(node.args) != _FUNCTIONS[name]:
            raise self.fail(node, f"{name}() takes {_FUNCTIONS[name]} argument(s), got {len(node.args)}")
        args = tuple(self.node(a, depth + 1) for a in node.args)
        if len(args) == 2 and not (isinstance(args[1], _Literal) and isinstance(args[1].value, str)):
            raise self.fail(node, f"the second argument of {name}() is a text in quotes")
        return _Call(name, args)


def _floor_div(a: Any, b: Any) -> Any:
    """Python's floor division; an integer divided by zero has no value."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not (pa.types.is_integer(a.type) and pa.types.is_integer(b.type)):
        return pc.floor(_true_div(a, b))
    b = pc.if_else(pc.equal(b, 0), pa.scalar(None, b.type), b)
    quotient = pc.divide(a, b)
    rest = pc.subtract(a, pc.multiply(quotient, b))
    lower = pc.and_(pc.not_equal(rest, 0), pc.not_equal(pc.less(rest, 0), pc.less(b, 0)))
    return pc.if_else(lower, pc.subtract(quotient, 1), quotient)


def _true_div(a: Any, b: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.divide(pc.cast(a, pa.float64()), pc.cast(b, pa.float64()))


def _modulo(a: Any, b: Any) -> Any:
    import pyarrow.compute as pc

    return pc.subtract(a, pc.multiply(_floor_div(a, b), b))


def _as_times(args: Sequence[Any]) -> list[Any]:
    """What is compared, text in quotes as a time where the other side is one: Arrow has no kernel for the two."""
    import pyarrow as pa

    times = next((arg.type for arg in args if pa.types.is_timestamp(arg.type)), None)
    if times is None:
        return list(args)
    return [a.cast(times) if isinstance(a, pa.Scalar) and pa.types.is_string(a.type) else a for a in args]


def _kernels() -> dict[str, Callable[..., Any]]:
    import pyarrow.compute as pc

    return {
        "+": pc.add_checked,
        "-": pc.subtract_checked,
        "*": pc.multiply_checked,
        "/": _true_div,
        "//": _floor_div,
        "%": _modulo,
        "neg": pc.negate_checked,
        "abs": pc.abs_checked,
        "==": pc.equal,
        "!=": pc.not_equal,
        "<": pc.less,
        "<=": pc.less_equal,
        ">": pc.greater,
        ">=": pc.greater_equal,
        "and": pc.and_kleene,
        "or": pc.or_kleene,
        "not": pc.invert,
        "is_null": pc.is_null,
        "is_valid": pc.is_valid,
        "len": pc.utf8_length,
        "lower": pc.utf8_lower,
        "startswith": lambda a, b: pc.starts_with(a, b.as_py()),
        "contains": lambda a, b: pc.match_substring(a, b.as_py()),
    }


def _run(node: _Node, batch: pa.RecordBatch | pa.Table, text: str) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    if isinstance(node, _Literal):
        return pa.scalar(node.value)
    if isinstance(node, _Column):
        column = batch.column(node.name)
        return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
    try:
        if isinstance(node, _In):
            value = _run(node.value, batch, text)
            found = pc.is_in(value, value_set=pa.array(node.options).cast(value.type))
            found = pc.if_else(pc.is_valid(value), found, pa.scalar(None, pa.bool_()))
            return pc.invert(found) if node.negated else found
        args = [_run(arg, batch, text) for arg in node.args]
        return _kernels()[node.op](*(_as_times(args) if node.op in _COMPARE.values() else args))
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise ExprError(f"cannot be computed: {error}", where=f"expression {text!r}") from error
