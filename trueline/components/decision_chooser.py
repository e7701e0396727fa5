"""The decision of a classifier chosen by what it costs, put into the model that is judged and served."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from trueline._core.errors import GateError, ModelError
from trueline.components.common import dataset_of, wanted_splits
from trueline.components.sampled import close_or_tell
from trueline.pipeline.artifacts import Examples, Model
from trueline.pipeline.channel import Channel
from trueline.pipeline.context import ExecutionContext
from trueline.pipeline.node import Component, In, Out

if TYPE_CHECKING:
    from trueline.model_analysis.decision import ChosenDecision, Constraint, Cost, CostMatrix

__all__ = ["DecisionChooser", "execute"]

_JUDGING = "eval"
"""The split that an Evaluator judges on unless it is told another."""


class DecisionChooser(Component):
    """Chooses threshold and calibration by a stated cost, and hands on the model that decides so.

    It stands between Trainer and Evaluator: the Evaluator judges, and the server serves, the model with its decision.
    For two classes the threshold of least expected cost that keeps the constraints is found; for more, the model says
    the class of least expected cost. Choose on a split that judges nothing: the cost on the rows that chose the
    threshold is a little too good, and the report says so where the split is the Evaluator's.

    Args:
        model: a classifier.
        examples: raw examples, as they came from ExampleGen.
        cost: ``{"false_positive": 1, "false_negative": 5, "unit": "EUR"}``, or for more classes ``{"costs": {true
            class: {predicted class: cost}}}``; see `trueline.model_analysis.Cost` and `CostMatrix`.
        constraints: bounds that the threshold must keep, such as ``{"metric": "recall", "at_least": 0.9}``. Where no
            threshold keeps all of them the line stops here; a sampled run goes on without them.
        calibration: ``auto``, ``none``, ``sigmoid``, ``isotonic`` or ``temperature``.
        example_split: the rows to choose on.
        seed: of the hash that deals rows into the halves that fit and judge a calibration.

    Outputs: ``model``: the model with its decision. ``model.json`` holds under ``decision`` the threshold, the
        calibration, the sentence ``chosen_on`` and the ``evidence``
        (`trueline.model_analysis.ChosenDecision.from_dict`).
    """

    INPUTS: ClassVar[Mapping[str, In]] = {"model": In(Model), "examples": In(Examples)}
    OUTPUTS: ClassVar[Mapping[str, Out]] = {"model": Out(Model)}
    EXECUTOR = "trueline.components.decision_chooser:execute"

    def __init__(
        self,
        *,
        model: Channel,
        examples: Channel,
        cost: Cost | CostMatrix | Mapping[str, Any],
        constraints: Sequence[Constraint | Mapping[str, Any]] | None = None,
        calibration: str = "auto",
        example_split: str = _JUDGING,
        seed: int = 0,
        node_id: str | None = None,
    ) -> None:
        from trueline.model_analysis.decision import decision_problems

        problems = decision_problems(cost, calibration, constraints)
        super().__init__(
            node_id=node_id,
            inputs={"model": model, "examples": examples},
            params={
                **({} if problems else _as_json(cost, constraints)),
                "calibration": calibration,
                "example_split": example_split,
                "seed": seed,
            },
        )
        for problem in problems:
            self.note(problem)


def _as_json(cost: Any, constraints: Any) -> dict[str, Any]:
    from trueline.model_analysis.config_json import encode
    from trueline.model_analysis.decision.cost import cost_to_json, parse_constraints, parse_cost

    return {"cost": cost_to_json(parse_cost(cost)), "constraints": encode(parse_constraints(constraints))}


def execute(ctx: ExecutionContext) -> None:
    """Chooses, writes the model, and asks the written model what it costs."""
    from trueline.data import Examples as ExamplesReader
    from trueline.model_analysis.decision import choose_decision, served_cost
    from trueline.models import Model as LoadedModel

    source, given, split = ctx.input("examples"), ctx.input("model"), ctx.params["example_split"]
    dataset = dataset_of(ExamplesReader.open(source.uri), wanted_splits(source, [split]))
    model = LoadedModel.load(given.uri, allow_host=None)
    asked: dict[str, Any] = {"seed": ctx.params["seed"], "engine": ctx.engine}
    how = (ctx.params["cost"], ctx.params["calibration"], split)
    try:
        chosen = choose_decision(model, dataset, *how, constraints=ctx.params["constraints"], **asked)
    except GateError as error:
        ctx.report(constraints=list(error.problems))
        said = f"{error.message[:1].upper()}{error.message[1:]} for {model.name}: {'; '.join(error.problems)}."
        close_or_tell(ctx, said)
        if ctx.sample is None:
            return
        chosen = choose_decision(model, dataset, *how, **asked)
    written = chosen.apply(model, ctx.output("model").uri)
    ctx.output("model").properties.update(given.properties)
    served = served_cost(written, dataset, ctx.params["cost"], seed=ctx.params["seed"], engine=ctx.engine)
    _check_served(chosen, served.value)
    ctx.report(**_found(chosen, split))


def _check_served(chosen: ChosenDecision, served: float) -> None:
    """The graph computes in float32: rows at the very threshold may fall on its other side, and no more than that.

    Raises:
        ModelError: the written model costs beyond noise more than was chosen.
    """
    expected = chosen.expected
    room = max(expected.standard_error or 0.0, 1e-6 * max(1.0, abs(expected.value)))
    if abs(served - expected.value) > room:
        raise ModelError(
            f"the written model costs {served:.6g} a row, {expected.value:.6g} was chosen",
            hint="too many rows stand at the very threshold for float32 to tell apart: choose another calibration.",
        )


def _found(chosen: ChosenDecision, split: str) -> dict[str, Any]:
    notes = list(chosen.notes)
    if split == _JUDGING:
        notes.append(
            f"The decision is chosen on the split {split!r}, on which an Evaluator judges by default: its cost there "
            'is a little too good. Give it a split of its own, example_split="calibration".'
        )
    found: dict[str, Any] = {
        "calibration": "none" if chosen.calibration is None else chosen.calibration.method,
        "expected_cost": chosen.expected.value,
        "cost_before": chosen.before.value,
        "saving": chosen.saving.value,
        "notes": notes,
    }
    if chosen.threshold is not None:
        found |= {"threshold": chosen.threshold, "threshold_interval": [chosen.threshold_low, chosen.threshold_high]}
    return found
