"""Artifacts by an expression over their properties: ``span >= 3 and country == 'DE'``."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from trueline._core.errors import ExprError
from trueline._core.expr import Expr, parse
from trueline.metadata.records import Artifact
from trueline.pipeline.resolvers_candidates import Candidate, property_of

__all__ = ["BUILT_IN", "matching", "problem_of"]

BUILT_IN: Mapping[str, Callable[[Artifact], Any]] = {
    "id": lambda artifact: artifact.id,
    "name": lambda artifact: artifact.name,
    "uri": lambda artifact: artifact.uri,
    "created": lambda artifact: artifact.created,
}
"""What can be asked for beside properties; a property of the same name goes first. Times are milliseconds."""


def problem_of(text: str) -> str | None:
    """What is wrong with an expression, or None."""
    try:
        parse(text)
    except ExprError as error:
        return error.message
    return None


def matching(found: Sequence[Candidate], expression: str, tell: Callable[[Artifact, str], None]) -> list[Candidate]:
    """The candidates for which the expression is true; a property that one lacks is missing, so unknown.

    Args:
        found: the candidates.
        expression: the filter.
        tell: told of artifacts that are left out because the expression cannot compare what they hold.

    Raises:
        ExprError: the expression does not parse.
    """
    expr = parse(expression)
    rows = [tuple(_value(item.artifact, name) for name in expr.columns) for item in found]
    groups: dict[tuple[type, ...], list[int]] = {}
    for at, row in enumerate(rows):
        groups.setdefault(tuple(map(type, row)), []).append(at)
    kept: set[int] = set()
    for places in groups.values():
        try:
            mask = _mask(expr, [rows[at] for at in places])
        except ExprError as error:
            for at in places:
                tell(found[at].artifact, f"{expression!r} {error.message}")
            continue
        kept.update(at for at, true in zip(places, mask, strict=True) if true)
    return [item for at, item in enumerate(found) if at in kept]


def _value(artifact: Artifact, name: str) -> Any:
    value = property_of(artifact, name)
    if value is None and name in BUILT_IN:
        value = BUILT_IN[name](artifact)
    return value if isinstance(value, bool | int | float | str) else None


def _mask(expr: Expr, rows: Sequence[tuple[Any, ...]]) -> list[bool]:
    """Rows whose columns have one type each; a column that is missing everywhere may be of any type that fits."""
    import pyarrow as pa

    columns = list(zip(*rows, strict=True)) if expr.columns else []
    missing = [at for at, column in enumerate(columns) if column[0] is None]
    refused: ExprError | None = None
    for kinds in itertools.product((pa.int64(), pa.string(), pa.bool_()), repeat=len(missing)):
        types = dict(zip(missing, kinds, strict=True))
        arrays = [pa.array(column, types.get(at)) for at, column in enumerate(columns)]
        table = pa.table([*arrays, pa.nulls(len(rows), pa.int64())], names=[*expr.columns, "__row__"])
        try:
            return [bool(value) for value in expr.mask(table).to_pylist()]
        except ExprError as error:
            refused = refused or error
    assert refused is not None
    raise refused
