"""The table of operations: one record each of type rule, numpy oracle, ONNX lowering and class.

Imports `trueline._core` and `trueline.transform.graph`; onnx and pyarrow only inside the functions that need them.
"""

from __future__ import annotations

from trueline._core.errors import TransformError, did_you_mean
from trueline.transform.operations import (
    arithmetic,
    ascii_case,
    buckets,
    crossing,
    distinct,
    documents,
    extensions,
    farm,
    folds,
    gaussian,
    images,
    joining,
    lists,
    logic,
    maths,
    missing,
    ngrams,
    parse_times,
    parsing,
    reductions,
    replacing,
    sorting,
    strings,
    tables,
    take,
    text,
    times,
    tokens,
    trigonometry,
    unicode_case,
    vectors,
)
from trueline.transform.operations.base import Operation, RuleError, Value, Wire

__all__ = ["OPERATIONS", "Operation", "RuleError", "Value", "Wire", "operation"]

_TOPICS = (
    arithmetic,
    documents,
    farm,
    buckets,
    folds,
    logic,
    text,
    ascii_case,
    tables,
    take,
    gaussian,
    times,
    missing,
    parse_times,
    strings,
    tokens,
    ngrams,
    lists,
    reductions,
    distinct,
    vectors,
    images,
    parsing,
    replacing,
    extensions,
    trigonometry,
    maths,
    joining,
    unicode_case,
    crossing,
    sorting,
)
OPERATIONS: dict[str, Operation] = {record.name: record for topic in _TOPICS for record in topic.OPERATIONS}
"""Every operation by name."""


def operation(name: str) -> Operation:
    """The record of that name.

    Raises:
        TransformError: naming the operations that exist.
    """
    record = OPERATIONS.get(name)
    if record is None:
        raise TransformError(f"there is no operation {name!r}", hint=did_you_mean(name, OPERATIONS))
    return record
