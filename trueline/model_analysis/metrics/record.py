"""The record of a metric: which sums, curve or own state it needs, and how its value is finished from them.

A family of metrics is a file of such records, and of the moments and tables that only it needs; `table.py` joins them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt

from trueline.model_analysis.keys import SubKey
from trueline.model_analysis.metrics.ranges import ANY, Range
from trueline.model_analysis.rows import Floats, Ints, Rows

if TYPE_CHECKING:
    from trueline.model_analysis.curves import Curve
    from trueline.model_analysis.metrics.closed_forms import ClosedForm
    from trueline.model_analysis.moments import Moment

__all__ = [
    "CLASS_TASKS", "HIGHER", "LOWER", "NO_WEIGHT", "ONE_CLASS", "REQUIRED", "SCALAR", "TASKS",
    "Finish", "Metric", "Options", "OwnState",
    "ResampledState", "Sums", "Table", "Undefined", "mean", "over",
]  # fmt: skip

TASKS = ("binary", "regression", "multiclass", "multilabel", "ranking", "objects")
"""What rows are; ``objects`` are texts, boxes, sets or images in columns of their own."""
CLASS_TASKS = ("multiclass", "multilabel")
"""Tasks with a vector of scores a row, one a class."""
SCALAR = ("binary", "regression", "ranking")
"""Tasks with one number a row: a score is compared with a numeric label."""
HIGHER, LOWER = "HIGHER_IS_BETTER", "LOWER_IS_BETTER"
ONE_CLASS = "the slice holds only one of the two classes"
REQUIRED: Any = object()
"""The default of an option that must be given."""
NO_WEIGHT = "the weights add up to 0"
Sums: TypeAlias = Callable[[str], Floats]
Options: TypeAlias = Mapping[str, Any]
Finish: TypeAlias = Callable[[Sums, Options], Floats]


class OwnState(Protocol):
    """A metric's own accumulator, of one model on one slice; for what is no function of sums."""

    def update(self, rows: Rows) -> None:
        """Takes in rows; `Rows.row` says where each stands in the batch."""
        ...

    def merge(self, other: Self) -> None:
        """Takes in the state of the blocks that follow."""
        ...

    def state(self) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
        """JSON and arrays that `restore` takes back."""
        ...

    def restore(self, header: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Takes back what `state` gave; called on a fresh state."""
        ...

    def finish(self) -> Any:
        """A number (NaN where undefined), `Undefined`, or JSON."""
        ...


@runtime_checkable
class ResampledState(Protocol):
    """What an `OwnState` of a number may have more: it knows its value when groups of rows are taken otherwise."""

    def variants(self, multiplicity: Floats) -> Floats:
        """Values ``[X]`` with each noise group taken ``multiplicity[g, x]`` times, see `Rows.group`."""
        ...


@dataclass(frozen=True)
class Undefined:
    """A value that an `OwnState` cannot give, and why."""

    reason: str


@dataclass(frozen=True)
class Table:
    """A histogram over rows that a metric needs; a row may go into several cells.

    Attributes:
        width: number of cells, from the parameter's text and the number of classes.
        grouped: whether it is kept by noise group, so that what is finished from it has intervals.
        fill: rows and parameter to (place of the row in `Rows` ``[m]``, cell ``[m]``, value without weight ``[m]``).
    """

    width: Callable[[str, int], int]
    fill: Callable[[Rows, str], tuple[Ints, Ints, Floats]]
    grouped: bool = False


@dataclass(frozen=True)
class Metric:
    """One metric.

    Attributes:
        class_name: TFMA's or Keras' class name.
        name: the default key in results.
        tasks: the tasks it is defined for.
        undefined: why its value may be undefined.
        moments: sums it needs; ``{t}`` stands for the threshold, ``{c}`` for each class, ``{name}`` for the option of
            that name.
        finish: sums and options to values, over arrays of any shape; NaN where undefined.
        curve: for rank metrics instead of `finish`: curve and options to values.
        better: the direction in which it improves, None where there is none.
        reads: which of label, prediction, score (a prediction within 0..1) it reads; empty for counts.
        options: its options with their defaults.
        tables: histograms that `data` reads, templates as in `moments`; `finish` may read those kept by group, with
            the shape ``[S, M, width, 1 + X]``.
        data: for structured values instead of `finish`: lookup of one model's sums and tables on one slice (arrays of
            shape ``[]`` and ``[width]``), and options, to a JSON value; None where undefined.
        own: for what is no function of sums: options to a fresh state.
        needs_baseline: it compares a candidate with a baseline, and is a difference by nature.
        parts: a class of several metrics: each gives a key of its own.
        columns: options that name a column of the data which it reads from `Rows.batch`.
        query: it is measured on queries; its moments get a query's rows, see `queries.py`.
        expand: options to the sub keys that it gives a key for, with the options of each.
        range: the least and the greatest value that it can have; filled in from `ranges.py`.
        closed_form: where there is a formula for the interval; filled in from `closed_forms.py`.
        holds_slice: it keeps all rows of a slice in memory.
        class_mean: for class rows it is the mean over all classes, each against the rest; from options whether classes
            count by their labels' weight.
        functions: moments that a metric of one's own brings itself, by their names before the ``@``.
        at_thresholds: its keys end in the threshold, where there is one threshold too.
    """

    class_name: str
    name: str
    tasks: tuple[str, ...]
    undefined: str
    moments: tuple[str, ...] = ()
    finish: Finish | None = None
    curve: Callable[[Curve, Options], Floats] | None = None
    better: str | None = None
    reads: frozenset[str] = frozenset({"label", "prediction"})
    options: Options = field(default_factory=dict)
    tables: tuple[str, ...] = ()
    data: Callable[[Sums, Options], Any] | None = None
    own: Callable[[Options], OwnState] | None = None
    needs_baseline: bool = False
    parts: tuple[Metric, ...] = ()
    columns: tuple[str, ...] = ()
    query: bool = False
    expand: Callable[[Options], Iterable[tuple[SubKey, Options]]] | None = None
    range: Range = ANY
    closed_form: ClosedForm | None = None
    holds_slice: bool = False
    class_mean: Callable[[Options], bool] | None = None
    functions: Mapping[str, Moment] = field(default_factory=dict)
    at_thresholds: bool = False

    @property
    def is_count(self) -> bool:
        """Whether it counts rows: that has no sampling noise, it says how much was seen."""
        return not self.reads and self.moments == ("weight",)


def over(a: Floats, b: Floats) -> Floats:
    """a / b, NaN where b is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(b != 0, a / b, np.nan)


def mean(moment: str, weight: str = "weight") -> Finish:
    """The sum of a moment over the sum of another."""
    return lambda s, o: over(s(moment), s(weight))
