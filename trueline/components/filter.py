"""Examples to fewer Examples: the rows for which an expression is true, in the splits they are in or in new ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from trueline._core.errors import ConfigError, DataError, ExprError
from trueline.pipeline.artifacts import Examples
from trueline.pipeline.channel import Channel
from trueline.pipeline.context import ExecutionContext
from trueline.pipeline.node import Component, In, Out

__all__ = ["Filter", "execute"]


class Filter(Component):
    """Keeps some of the rows, and may split and shuffle them anew; ``__row__`` still says where each came from.

    Args:
        examples: the rows.
        where: an expression over the columns, such as ``"fare > 0 and company is not None"``; None keeps all.
        sample: the share of these rows to keep, by a hash of the row's number and `seed`.
        only: the splits to keep; all by default.
        splits: new splits, as for the ExampleGens; every row stays in its split by default.
        shuffle: True puts each split's rows in a random order.
        seed: of sample and shuffle.

    Outputs: ``examples``.
    """

    INPUTS: ClassVar[Mapping[str, In]] = {"examples": In(Examples)}
    OUTPUTS: ClassVar[Mapping[str, Out]] = {"examples": Out(Examples)}
    EXECUTOR = "trueline.components.filter:execute"

    def __init__(
        self,
        *,
        examples: Channel,
        where: str | None = None,
        sample: float | None = None,
        only: Sequence[str] | None = None,
        splits: Any = None,
        shuffle: bool = False,
        seed: int = 0,
        node_id: str | None = None,
    ) -> None:
        from trueline._core.expr import parse
        from trueline.data.splits_rules import choose_rule

        problems, rule = [], None
        if where is not None:
            try:
                parse(where)
            except ExprError as error:
                problems.append(f"cannot filter by where={where!r}: {error.message}")
        if sample is not None and not 0 < sample <= 1:
            problems.append(f"sample is {sample}; give a share above 0 and up to 1")
        if splits is not None:
            try:
                rule = choose_rule(splits, seed=seed).to_json()
            except ConfigError as error:
                problems += [f"cannot split so: {problem}" for problem in error.problems or (error.message,)]
        params = {
            "where": where,
            "sample": sample,
            "only": None if only is None else list(only),
            "split": rule,
            "shuffle": shuffle,
            "seed": seed,
        }
        super().__init__(node_id=node_id, inputs={"examples": examples}, params=params)
        for problem in problems:
            self.note(problem)


def execute(ctx: ExecutionContext) -> None:
    """Writes the rows that are kept.

    Raises:
        DataError: when none is.
    """
    from trueline.data import repartition
    from trueline.data.splits_rules import rule_from_json

    source, out, params = ctx.input("examples"), ctx.output("examples"), ctx.params
    report = repartition(
        source.uri,
        out.uri,
        only=params["only"],
        splits=None if params["split"] is None else rule_from_json(params["split"]),
        where=params["where"],
        sample=params["sample"],
        shuffle=params["shuffle"],
        seed=params["seed"],
        engine=ctx.engine,
    )
    if not report.rows:
        raise DataError("no row is kept", where=source.uri, hint="loosen where, or take a larger sample.")
    inherited = {name: source.properties[name] for name in ("span", "version") if name in source.properties}
    out.properties.update(**inherited, split_names=list(report.splits))
    ctx.report(rows=report.rows, left_out=report.filtered + report.sampled_out, splits=dict(report.splits))
