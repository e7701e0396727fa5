"""`Column`: what a preprocessing function gets and returns; operators on it make nodes of the graph."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

from trueline._core.values import DType
from trueline.transform.graph import ValueType

if TYPE_CHECKING:
    from trueline.transform.tracer import Tracer

__all__ = ["Column"]


class Column:
    """A column, or a constant, of the graph that is being traced.

    Operators follow Python: ``/`` is always float, ``//`` and ``%`` round down, comparison gives a boolean column,
    ``& | ^ ~`` combine boolean columns. Whatever has a missing operand is missing.
    """

    __slots__ = ("index", "tracer")

    def __init__(self, tracer: Tracer, index: int) -> None:
        self.tracer = tracer
        self.index = index

    @property
    def type(self) -> ValueType:
        """All that is known of the value."""
        return self.tracer.nodes[self.index].type

    @property
    def dtype(self) -> DType:
        """The type of the values: float64, int64, bool, utf8, timestamp or bytes."""
        return self.type.dtype

    @property
    def optional(self) -> bool:
        """Whether values may be missing."""
        return self.type.optional

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)  # what copy, pickle and displays ask of any object
        raise self.tracer.error(
            f"the column {self.tracer.describe(self)} has no {name!r}",
            _instead(name) + "a column stands for values that are not known yet: use the functions of "
            "trueline.transform, or tlt.host for pandas and other Python code.",
        )

    def __repr__(self) -> str:
        return f"Column({self.tracer.describe(self)})"

    def cast(self, dtype: DType, *, implied: bool = False) -> Column:
        """The values as another type; see `trueline.transform.cast`."""
        if dtype == self.dtype:
            return self
        literal = self.type.literal
        if literal is not None and dtype == "float64" and isinstance(literal, bool | int):
            return self.tracer.constant(float(literal))
        attrs = {"implied": True} if implied else {}
        return self.tracer.op("cast", self, to=dtype, **attrs)

    def _binary(self, name: str, other: Any, *, swap: bool = False, to: DType | None = None) -> Column:
        left, right = self, self.tracer.column(other)
        if swap:
            left, right = right, left
        left, right = _promoted(name, left, right, to)
        return self.tracer.op(name, left, right)

    def __add__(self, other: Any) -> Column:
        return self._binary("add", other)

    def __radd__(self, other: Any) -> Column:
        return self._binary("add", other, swap=True)

    def __sub__(self, other: Any) -> Column:
        return self._binary("subtract", other)

    def __rsub__(self, other: Any) -> Column:
        return self._binary("subtract", other, swap=True)

    def __mul__(self, other: Any) -> Column:
        return self._binary("multiply", other)

    def __rmul__(self, other: Any) -> Column:
        return self._binary("multiply", other, swap=True)

    def __truediv__(self, other: Any) -> Column:
        return self._binary("divide", other, to="float64")

    def __rtruediv__(self, other: Any) -> Column:
        return self._binary("divide", other, swap=True, to="float64")

    def __floordiv__(self, other: Any) -> Column:
        return self._binary("floor_divide", other)

    def __rfloordiv__(self, other: Any) -> Column:
        return self._binary("floor_divide", other, swap=True)

    def __mod__(self, other: Any) -> Column:
        return self._binary("mod", other)

    def __rmod__(self, other: Any) -> Column:
        return self._binary("mod", other, swap=True)

    def __pow__(self, other: Any) -> Column:
        if type(other) in (int, float) and other == 2:
            return self._binary("multiply", self)  # exact, where a general power is rounded
        return self._binary("power", other, to="float64")

    def __rpow__(self, other: Any) -> Column:
        return self._binary("power", other, swap=True, to="float64")

    def __neg__(self) -> Column:
        return self.tracer.op("negate", self.cast("int64", implied=True) if self.dtype == "bool" else self)

    def __pos__(self) -> Column:
        return self.cast("int64", implied=True) if self.dtype == "bool" else self

    def __abs__(self) -> Column:
        return self.tracer.op("absolute", self)

    def __lt__(self, other: Any) -> Column:
        return self._binary("less", other)

    def __le__(self, other: Any) -> Column:
        return self._binary("less_equal", other)

    def __gt__(self, other: Any) -> Column:
        return self._binary("greater", other)

    def __ge__(self, other: Any) -> Column:
        return self._binary("greater_equal", other)

    def __eq__(self, other: Any) -> Column:  # type: ignore[override]  # a column, as in numpy and polars
        return self._binary("equal", other)

    def __ne__(self, other: Any) -> Column:  # type: ignore[override]  # a column, as in numpy and polars
        return self._binary("not_equal", other)

    def __and__(self, other: Any) -> Column:
        return self.tracer.op("and", self, other)

    def __rand__(self, other: Any) -> Column:
        return self.tracer.op("and", other, self)

    def __or__(self, other: Any) -> Column:
        return self.tracer.op("or", self, other)

    def __ror__(self, other: Any) -> Column:
        return self.tracer.op("or", other, self)

    def __xor__(self, other: Any) -> Column:
        return self.tracer.op("xor", self, other)

    def __rxor__(self, other: Any) -> Column:
        return self.tracer.op("xor", other, self)

    def __invert__(self) -> Column:
        return self.tracer.op("not", self)

    def __getitem__(self, index: int | slice | Column) -> Column:
        from trueline.transform.functions_lists import item

        return item(self, index)

    __hash__ = None  # type: ignore[assignment]  # == gives a column

    def __bool__(self) -> NoReturn:
        raise self.tracer.error(
            f"the truth of the column {self.tracer.describe(self)} is not known while tracing",
            "use tlt.where instead of if, and & | ~ instead of and, or, not; chained comparisons need &.",
        )

    def _no_value(self, instead: str = "") -> NoReturn:
        hint = "only tlt functions and operators work on columns; tlt.host runs your own Python on rows."
        raise self.tracer.error(f"the column {self.tracer.describe(self)} has no value while tracing", instead + hint)

    def __iter__(self) -> NoReturn:
        if self.type.kind == "scalar":
            self._no_value()
        raise self.tracer.error(
            f"how many elements {self.tracer.describe(self)} has is not known while tracing",
            "take elements by their number: x[0], x[1]; of a vector all of them: tlt.unstack(x).",
        )

    def __len__(self) -> NoReturn:
        self._no_value("tlt.length counts in each row; ")

    def __float__(self) -> NoReturn:
        self._no_value()

    def __int__(self) -> NoReturn:
        self._no_value()

    def __index__(self) -> NoReturn:
        self._no_value()

    def __contains__(self, other: Any) -> NoReturn:
        self._no_value("of a text tlt.contains, of a list tlt.contains_value; ")

    def __array__(self, *args: Any, **kwargs: Any) -> NoReturn:
        self._no_value()

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """Operators whose left side is a number of numpy's; numpy's functions are answered with ours."""
        function = _OF_NUMPY.get(ufunc.__name__)
        plain = [i.item() if type(i) is not Column and getattr(i, "ndim", None) == 0 else i for i in inputs]
        usable = all(isinstance(i, Column | bool | int | float | str) for i in plain)
        if function is None or method != "__call__" or kwargs or not usable:
            self._no_value(_instead(ufunc.__name__))
        return function(*plain)

    def __array_function__(self, function: Any, *_: Any) -> NoReturn:
        self._no_value(_instead(function.__name__))


_OF_NUMPY: dict[str, Callable[[Any, Any], Any]] = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "divide": operator.truediv,
    "floor_divide": operator.floordiv,
    "remainder": operator.mod,
    "power": operator.pow,
    "less": operator.lt,
    "less_equal": operator.le,
    "greater": operator.gt,
    "greater_equal": operator.ge,
    "equal": operator.eq,
    "not_equal": operator.ne,
}
"""What numpy calls for an operator between its scalar and a column."""
_OURS = {
    "absolute": "abs",
    "astype": "cast",
    "fillna": "fill_missing",
    "fill_null": "fill_missing",
    "is_null": "is_missing",
    "isfinite": "is_finite",
    "isin": "map_values",
    "isinf": "is_inf",
    "isna": "is_missing",
    "isnan": "is_nan",
    "isnull": "is_missing",
    "len": "length",
    "map": "map_values",
    "notnull": "is_missing",
    "replace": "map_values",
    "startswith": "starts_with",
    "endswith": "ends_with",
    "std": "var",
}
"""Names in pandas, polars, numpy and str, and the function that does this here."""


def _instead(name: str) -> str:
    """A sentence that names the function of the room for another library's name, or nothing."""
    import trueline.transform as room

    ours = _OURS.get(name, name)
    return f"tlt.{ours} takes columns; " if ours in room.__all__ else ""


_RANK = {"bool": 0, "int64": 1, "float64": 2}


def _promoted(name: str, left: Column, right: Column, to: DType | None) -> tuple[Column, Column]:
    """Both sides in the wider of two numeric types; other types are left to the operation's rule."""
    if left.dtype not in _RANK or right.dtype not in _RANK:
        return left, right
    target: DType = to if to is not None else _wider(left.dtype, right.dtype)
    if target == "bool":
        if name in ("equal", "not_equal"):
            return left, right
        target = "int64"  # as in Python, True + True is 2
    return left.cast(target, implied=True), right.cast(target, implied=True)


def _wider(a: DType, b: DType) -> DType:
    return a if _RANK[a] >= _RANK[b] else b
