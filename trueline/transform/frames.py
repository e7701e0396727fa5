"""A DataFrame as the Arrow table that a graph was traced for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from trueline._core.errors import FeedError, first_line
from trueline._core.values import RawFeature, arrow_type_of

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["frame_table", "in_types_of"]


def frame_table(frame: Any, features: Sequence[RawFeature]) -> pa.Table:
    """The frame's columns in the types of `features`, as far as pandas alone has changed them.

    pandas has no missing integer: a column of integers with a gap is one of floats, and one without any value has no
    type of its own. Both are given back their type; anything else is left to the graph's own check.

    Raises:
        FeedError: floats that are no whole numbers where integers are needed.
    """
    from trueline.data import to_arrow_table

    return in_types_of(to_arrow_table(frame), features)


def in_types_of(table: pa.Table, features: Sequence[RawFeature]) -> pa.Table:
    """A frame's table with the types of `features` given back, as `frame_table` does; other columns stay as they are.

    Raises:
        FeedError: floats that are no whole numbers where integers are needed.
    """
    import pyarrow as pa

    problems = []
    for feature in features:
        if feature.name not in table.schema.names:
            continue
        place, wanted = table.schema.get_field_index(feature.name), arrow_type_of(feature)
        column = table.column(place)
        try:
            if column.type != wanted and column.null_count == len(column):
                table = table.set_column(place, feature.name, pa.nulls(len(column), wanted))
            elif pa.types.is_floating(column.type) and pa.types.is_int64(wanted):
                table = table.set_column(place, feature.name, column.cast(wanted))
        except pa.ArrowInvalid as error:
            problems.append(f"column {feature.name!r}: expected int64: {first_line(error)}")
    if problems:
        raise FeedError("the frame does not fit the raw features", problems=problems)
    return table
