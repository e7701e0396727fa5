"""Buckets by boundaries: given ones, or quantiles that a pass over the data finds; and how many buckets there are."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

from trueline.transform.analyzer_functions import quantiles
from trueline.transform.column import Column
from trueline.transform.functions import as_float
from trueline.transform.graph import Node

__all__ = [
    "apply_buckets",
    "apply_buckets_with_interpolation",
    "bucketize",
    "get_num_buckets_for_transformed_feature",
]

Boundaries = Column | Sequence[float] | Sequence[Sequence[float]]


def apply_buckets(x: Column, bucket_boundaries: Boundaries, name: str | None = None) -> Column:
    """How many boundaries are not above x, int64: a value on a boundary lies in the upper bucket, NaN in the last.

    Args:
        x: numbers, compared as float64: scalars, vectors or lists.
        bucket_boundaries: a sorted list; what `quantiles` gave; for a vector column also one list for each of its
            places, all of one length. A list of one list is that list, as in TensorFlow Transform.
        name: has no effect; accepted as TensorFlow Transform does.
    """
    with x.tracer.scope("apply_buckets"):
        table, by_place = _table(x, bucket_boundaries)
        return x.tracer.op("apply_buckets_by_place" if by_place else "apply_buckets", as_float(x), table)


def _table(x: Column, given: Boundaries) -> tuple[Column, bool]:
    """Boundaries as a table, and whether it has a row for each place of a vector."""
    if isinstance(given, Column):
        node = given.tracer.nodes[given.index]
        of_vector = bool(node.inputs) and given.tracer.nodes[node.inputs[0]].type.kind == "fixed"
        return given, node.is_analyzer and of_vector and not node.attrs.get("reduce", True)
    lists = [[float(b) for b in row] for row in given if isinstance(row, Sequence)]
    if not lists:
        return x.tracer.table(_sorted(x, [float(b) for b in given if not isinstance(b, Sequence)]), "float64"), False
    if len(lists) != len(given) or len({len(row) for row in lists}) > 1:
        raise x.tracer.error("boundaries for each place of a vector are lists of one length")
    if len(lists) == 1:
        return x.tracer.table(_sorted(x, lists[0]), "float64"), False
    return x.tracer.table([_sorted(x, row) for row in lists], "float64"), True


def _sorted(x: Column, boundaries: Sequence[float]) -> list[float]:
    found = list(boundaries)
    if any(not a <= b for a, b in itertools.pairwise(found)) or any(b != b for b in found):
        raise x.tracer.error(f"bucket boundaries must be sorted and without NaN: {found}")
    return found


def bucketize(
    x: Column,
    num_buckets: int,
    epsilon: float | None = None,
    weights: Column | None = None,
    elementwise: bool = False,
    name: str | None = None,
) -> Column:
    """The number of the quantile bucket, 0 to ``num_buckets - 1``, int64; NaN goes to the last.

    Args:
        x: numbers: scalars, vectors or lists.
        num_buckets: at least 1.
        epsilon: as in `quantiles`.
        weights: as in `quantiles`.
        elementwise: boundaries for each place of a vector by itself.
        name: has no effect; accepted as TensorFlow Transform does.
    """
    with x.tracer.scope("bucketize"):
        return apply_buckets(x, quantiles(x, num_buckets, epsilon, weights, not elementwise))


def apply_buckets_with_interpolation(
    x: Column, bucket_boundaries: Column | Sequence[float] | Sequence[Sequence[float]], name: str | None = None
) -> Column:
    """x mapped into [0, 1] along boundaries, float: each bucket takes an equal share, inside it the way is straight.

    Below the first boundary 0, from the last on 1; NaN is 0.5. Of one boundary: 0 below it, 1 from it on. NaN and
    infinities among the boundaries are dropped; when none is left it is an error.

    Args:
        x: numbers: scalars, vectors or lists.
        bucket_boundaries: a sorted list, or what `quantiles` gave for the whole column.
        name: has no effect; accepted as TensorFlow Transform does.
    """
    with x.tracer.scope("apply_buckets_with_interpolation"):
        if not isinstance(bucket_boundaries, Column):
            flat = [b for row in bucket_boundaries for b in (row if isinstance(row, Sequence) else [row])]
            finite = [float(b) for b in flat if float("-inf") < float(b) < float("inf")]
            if not finite:
                raise x.tracer.error("apply_buckets_with_interpolation needs at least one finite boundary")
            bucket_boundaries = x.tracer.table(_sorted(x, finite), "float64")
        return x.tracer.op("interpolate_buckets", as_float(x), bucket_boundaries)


def get_num_buckets_for_transformed_feature(transformed_feature: Column) -> Column:
    """How many ids a categorical column can have: its greatest id plus 1, a constant int64.

    It is known while tracing for buckets and hashes, and after the analysis for vocabularies.

    Args:
        transformed_feature: what `bucketize`, `apply_buckets`, `apply_vocabulary`, `compute_and_apply_vocabulary`,
            `hash_strings` or a function of their kind gave.

    Raises:
        TransformError: for any other column.
    """
    x = transformed_feature
    node = x.tracer.nodes[x.index]
    rule = _BUCKETS.get(node.op)
    if rule is None:
        raise x.tracer.error(
            f"the number of ids of {x.tracer.describe(x)} is not known",
            "ask it of what bucketize, apply_buckets, apply_vocabulary or hash_strings gave.",
        )
    return rule(x, node)


def _of_boundaries(x: Column, node: Node) -> Column:
    boundaries = x.tracer.nodes[node.inputs[1]]
    if "num_buckets" in boundaries.attrs:
        return x.tracer.constant(int(boundaries.attrs["num_buckets"]))
    if "value" in boundaries.attrs:
        rows = boundaries.attrs["value"]
        return x.tracer.constant((len(rows[0]) if rows and isinstance(rows[0], list) else len(rows)) + 1)
    return x.tracer.op("table_size", Column(x.tracer, node.inputs[1])) + 1


def _of_vocabulary(x: Column, node: Node) -> Column:
    size = x.tracer.op("table_size", Column(x.tracer, node.inputs[1]))
    oov, default = int(node.attrs.get("oov") or 0), int(node.attrs.get("default") or 0)
    if oov:
        return size + oov
    return x.tracer.op("maximum", size, x.tracer.constant(default + 1)) if default >= 0 else size


def _of_filled(x: Column, node: Node) -> Column:
    ids = get_num_buckets_for_transformed_feature(Column(x.tracer, node.inputs[0]))
    filling = Column(x.tracer, node.inputs[1])
    return x.tracer.op("maximum", ids, filling + 1) if filling.type.constant else ids


_BUCKETS: dict[str, Callable[[Column, Node], Column]] = {
    "apply_buckets": _of_boundaries,
    "apply_buckets_by_place": _of_boundaries,
    "apply_buckets_by_key": lambda x, node: x.tracer.constant(int(node.attrs["num_buckets"])),
    "apply_vocabulary": _of_vocabulary,
    "fill_missing": _of_filled,
    "farm_vocabulary": _of_vocabulary,
    "hash_bucket": lambda x, node: x.tracer.constant(int(node.attrs["buckets"])),
    "farm_bucket": lambda x, node: x.tracer.constant(int(node.attrs["buckets"])),
    "sip_bucket": lambda x, node: x.tracer.constant(int(node.attrs["buckets"])),
}
"""How many ids an operation gives."""
