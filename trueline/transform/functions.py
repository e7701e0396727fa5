"""Functions on columns that need no pass over the data: selection, missing values, casts, mathematics, text, shapes.

Whatever has a missing argument is missing, except where a function says otherwise. NaN, 0, "" and False are values.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trueline._core.errors import TransformError
from trueline._core.values import DType
from trueline.transform.column import Column, _promoted
from trueline.transform.tracer import Tracer, user_place

__all__ = [
    "abs",
    "cast",
    "ceil",
    "clip",
    "concat",
    "cross",
    "exp",
    "fill_missing",
    "floor",
    "hash_strings",
    "is_missing",
    "is_nan",
    "join",
    "log",
    "log1p",
    "lower",
    "matches",
    "maximum",
    "minimum",
    "one_hot",
    "round",
    "sigmoid",
    "sqrt",
    "upper",
    "where",
]


def tracer_of(*values: Any) -> Tracer:
    """The trace that the first column belongs to."""
    for value in values:
        if isinstance(value, Column):
            return value.tracer
    raise TransformError("a tlt function needs a column; its arguments are all literals", where=user_place())


def as_float(x: Column) -> Column:
    """The column in float64, as mathematics needs it."""
    return x.cast("float64", implied=True) if x.dtype in ("int64", "bool") else x


def _pair(name: str, a: Any, b: Any) -> Column:
    tracer = tracer_of(a, b)
    with tracer.scope(name):
        left, right = _promoted(name, tracer.column(a), tracer.column(b), None)
        return tracer.op(name, left, right)


def where(condition: Column, yes: Any, no: Any) -> Column:
    """`yes` where the condition holds, else `no`; missing where the condition is, or where the chosen branch is.

    Lists are chosen from element by element, so a row is missing too where either list is, or their lengths differ.
    """
    tracer = tracer_of(condition, yes, no)
    with tracer.scope("where"):
        left, right = _promoted("equal", tracer.column(yes), tracer.column(no), None)
        return tracer.op("where", condition, left, right)


def fill_missing(x: Column, value: Any) -> Column:
    """The column, missing values replaced by a literal or another column's values. NaN is no missing value.

    Missing lists can be made empty: ``fill_missing(x, [])``.
    """
    tracer = tracer_of(x, value)
    if isinstance(value, list | tuple) and not value:
        with tracer.scope("fill_missing"):
            return tracer.op("fill_missing_list", x)
    x, filling = tracer.column(x), tracer.column(value)
    if x.type.constant:
        return x
    if x.dtype == "float64" and filling.dtype == "int64":
        filling = filling.cast("float64", implied=True)
    if x.dtype == "int64" and filling.dtype == "float64":
        raise tracer.error(
            f"fill_missing of {tracer.describe(x)} with {tracer.describe(filling)}: a whole number is needed",
            'write it without a point, or make the column float: tlt.cast(column, "float64").',
        )
    with tracer.scope("fill_missing"):
        return tracer.op("fill_missing", x, filling)


def is_missing(x: Column) -> Column:
    """True where the value is missing; never missing itself."""
    if x.type.constant:
        raise x.tracer.error(f"{x.tracer.describe(x)} is a constant and never missing")
    return x.tracer.op("is_missing", x)


def is_nan(x: Column) -> Column:
    """True where the value is NaN."""
    return x.tracer.op("is_nan", x)


def cast(x: Column, dtype: DType) -> Column:
    """The values as another type.

    Float to int64 truncates; NaN, infinities and what does not fit are missing. Integers become decimal text, booleans
    ``true`` and ``false``. Float to text is an error: ONNX Runtime keeps 8 digits. Text to number: `parse_number`.
    """
    return x.cast(dtype)


def exp(x: Column) -> Column:
    """e to the power x (rounded: 4 ulps)."""
    return x.tracer.op("exp", as_float(x))


def log(x: Column) -> Column:
    """The natural logarithm (rounded: 4 ulps); of 0 -inf, of negatives NaN."""
    return x.tracer.op("log", as_float(x))


def log1p(x: Column) -> Column:
    """log(1 + x), accurate for small x (rounded: 6 ulps)."""
    return x.tracer.op("log1p", as_float(x))


def sqrt(x: Column) -> Column:
    """The square root; of negatives NaN."""
    return x.tracer.op("sqrt", as_float(x))


def sigmoid(x: Column) -> Column:
    """1 / (1 + exp(-x)) (rounded: 6 ulps)."""
    return x.tracer.op("sigmoid", as_float(x))


def abs(x: Column) -> Column:
    """The absolute value."""
    return x.tracer.op("absolute", x)


def floor(x: Column) -> Column:
    """The largest whole number not above x, as float64."""
    return x.tracer.op("floor", as_float(x))


def ceil(x: Column) -> Column:
    """The smallest whole number not below x, as float64."""
    return x.tracer.op("ceil", as_float(x))


def round(x: Column) -> Column:
    """The nearest whole number as float64; halves go to the even one, as in Python."""
    return x.tracer.op("round", as_float(x))


def minimum(a: Any, b: Any) -> Column:
    """The smaller of two in each row; NaN if either is NaN."""
    return _pair("minimum", a, b)


def maximum(a: Any, b: Any) -> Column:
    """The larger of two in each row; NaN if either is NaN."""
    return _pair("maximum", a, b)


def clip(x: Column, low: Any, high: Any) -> Column:
    """The values limited to [low, high]; NaN stays NaN."""
    with x.tracer.scope("clip"):
        return maximum(minimum(x, high), low)


def lower(x: Column, *, unicode: bool = False) -> Column:
    """ASCII letters in lower case; all other characters stay.

    Args:
        x: text, also in vectors and lists.
        unicode: letters of all scripts, by Unicode 14, each becoming one character: İ becomes i.
    """
    return x.tracer.op("lower_unicode" if unicode else "lower", x)


def upper(x: Column, *, unicode: bool = False) -> Column:
    """ASCII letters in upper case; all other characters stay.

    Args:
        x: text, also in vectors and lists.
        unicode: letters of all scripts, by Unicode 14, each becoming one character: ß stays ß.
    """
    return x.tracer.op("upper_unicode" if unicode else "upper", x)


def _texts(columns: Sequence[Any]) -> list[Column]:
    """Columns as text: integers and booleans are written as `cast` writes them."""
    tracer = tracer_of(*columns)
    parts = [tracer.column(c) for c in columns]
    return [p.cast("utf8", implied=True) if p.dtype in ("int64", "bool") and not p.type.constant else p for p in parts]


def join(*columns: Any, separator: str = "") -> Column:
    """The texts of each row one behind the other; integers and booleans are written as `cast` writes them.

    Vectors and lists are joined element by element; a row is missing where two lists are of different lengths.
    """
    tracer = tracer_of(*columns)
    with tracer.scope("join"):
        return tracer.op("join", *_texts(columns), separator=separator)


def cross(*columns: Any, separator: str = "_x_", hash_buckets: int | None = None) -> Column:
    """A crossed feature: the values joined by a separator and, if asked for, hashed into buckets.

    Each element of a list is paired with each of the next list, the last list's elements changing fastest, as in
    ``tf.sparse.cross``; an empty list leaves nothing.
    """
    tracer = tracer_of(*columns)
    with tracer.scope("cross"):
        made, *rest = _texts(columns)
        for part in rest:
            lists = made.type.kind == part.type.kind == "ragged"
            made = tracer.op("cross_lists" if lists else "join", made, part, separator=separator)
        return made if hash_buckets is None else hash_strings(made, hash_buckets)


def hash_strings(
    strings: Column, hash_buckets: int, key: Sequence[int] | None = None, name: str | None = None
) -> Column:
    """The text's hash modulo the number of buckets, int64; integers are hashed by their decimal text.

    The hash is MurmurHash3 (x86, 32 bits) of the UTF-8 bytes. Traced for the profile ``tensorflow`` it is FarmHash's
    Fingerprint64, which gives TensorFlow Transform's own buckets; no ONNX runtime has that.

    Args:
        strings: text or integers.
        hash_buckets: how many buckets.
        key: two numbers below 2**64: the hash is SipHash-2-4 then, as in TensorFlow Transform: whoever does not know
            the key cannot choose texts of one bucket. Only in the profile ``tensorflow``.
        name: makes no difference.
    """
    tracer = strings.tracer
    with tracer.scope("hash_strings"):
        text = strings.cast("utf8", implied=True) if strings.dtype == "int64" else strings
        if key is not None:
            return tracer.op("sip_bucket", text, buckets=int(hash_buckets), key=[int(half) for half in key])
        name = "farm_bucket" if tracer.profile == "tensorflow" else "hash_bucket"
        return tracer.op(name, text, buckets=int(hash_buckets))


def matches(x: Column, pattern: str) -> Column:
    """Whether the whole text matches an RE2 pattern."""
    return x.tracer.op("matches", x, pattern=pattern)


def one_hot(x: Column, depth: int) -> Column:
    """A float vector of `depth` with 1 at the place of x; all 0 where x lies outside 0 .. depth - 1 (so for -1)."""
    return x.tracer.op("one_hot", x, depth=int(depth))


def concat(columns: Sequence[Column], *, dtype: DType = "float64") -> Column:
    """Scalars and vectors side by side in one vector; missing where any of them is.

    Args:
        columns: numbers and booleans.
        dtype: of the vector. For float64 numbers and booleans are converted; otherwise all columns are of this type.
    """
    tracer = tracer_of(*columns)
    with tracer.scope("concat"):
        if dtype == "float64":
            return tracer.op("concat", *(as_float(c) for c in columns))
        return tracer.op("concat", *columns, dtype=dtype)
