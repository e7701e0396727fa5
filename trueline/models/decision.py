"""A classifier's decision as part of the model: calibrated probabilities and a threshold, inside its ONNX graph."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from trueline._core import store
from trueline._core.errors import ModelError, ParityError
from trueline._core.manifest import MANIFEST_NAME
from trueline._core.model_files import read_file, read_graph
from trueline._core.sessions import make_session
from trueline.models.calibration import Calibration
from trueline.models.contract import PROBABILITIES, Head
from trueline.models.decision_groups import GroupThresholds, add_group_input, without_group_input
from trueline.models.decision_groups_check import try_groups
from trueline.models.outputs import LABEL, MODEL, append_outputs
from trueline.models.written import write_model_files

if TYPE_CHECKING:
    import onnx

    from trueline.models.model import Model

__all__ = ["Decision", "with_decision", "write_decision"]

_TRIED = 1000
_ALLOWED = 1e-5


@dataclass(frozen=True)
class Decision:
    """How probabilities become a label.

    Attributes:
        threshold: the label is the second class where its (calibrated) probability is at least this; None: the class
            of the greatest probability, the first of equals.
        calibration: what the model's own probabilities go through, or None.
        chosen_on: what they were chosen on, for people: a split, a date, a cost.
        cost_matrix: what it costs to say one class (column) where another is true (row), in the order of the classes;
            the label is the class of the least expected cost, the first of equals.
        evidence: how they were chosen, as JSON; see `trueline.model_analysis.choose_decision`.
        groups: thresholds of groups, in place of one for all; `threshold` is their default then.
    """

    threshold: float | None = None
    calibration: Calibration | None = None
    chosen_on: str | None = None
    cost_matrix: tuple[tuple[float, ...], ...] | None = None
    evidence: Mapping[str, Any] | None = None
    groups: GroupThresholds | None = None

    def to_json(self) -> dict[str, Any]:
        """A JSON object; `from_json` is its inverse."""
        calibration = None if self.calibration is None else self.calibration.to_json()
        made: dict[str, Any] = {
            "threshold": self.threshold, "calibration": calibration, "chosen_on": self.chosen_on,
        }  # fmt: skip
        if self.cost_matrix is not None:
            made["cost_matrix"] = [list(row) for row in self.cost_matrix]
        if self.evidence is not None:
            made["evidence"] = dict(self.evidence)
        if self.groups is not None:
            made["groups"] = self.groups.to_json()
        return made

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Decision:
        """The decision that `to_json` described."""
        given = data.get("calibration")
        calibration = None if given is None else Calibration.from_json(given)
        return cls(
            data.get("threshold"),
            calibration,
            data.get("chosen_on"),
            _matrix(data.get("cost_matrix")),
            data.get("evidence"),
            GroupThresholds.from_json(data["groups"]) if data.get("groups") else None,
        )


def _matrix(rows: Any) -> tuple[tuple[float, ...], ...] | None:
    return None if rows is None else tuple(tuple(float(cost) for cost in row) for row in rows)


def with_decision(
    model: Model,
    uri: str,
    *,
    threshold: float | None = None,
    calibration: Calibration | None = None,
    chosen_on: str | None = None,
    cost_matrix: Sequence[Sequence[float]] | None = None,
    evidence: Mapping[str, Any] | None = None,
) -> Model:
    """Writes a new artifact: the same model with this decision; one that the model had before is replaced.

    Args:
        model: a classifier.
        uri: an empty or absent folder.
        threshold: for two classes, of the calibrated probability of the second, from 0 to 1.
        calibration: from `fit_calibration` on the probabilities of the model without any.
        chosen_on: what they were chosen on, for people.
        cost_matrix: ``[C, C]``, true class by predicted class: the label is the class of the least expected cost.
        evidence: how they were chosen, as JSON; kept in ``model.json``.

    Raises:
        ModelError: no classifier, a threshold for more than two classes or beside a cost matrix, a calibration or
            costs for other classes, a Python model, a folder that holds an artifact.
        ParityError: the new graph does not compute what the calibration says; nothing is written.
    """
    decision = Decision(
        None if threshold is None else float(threshold), calibration, chosen_on, _matrix(cost_matrix), evidence
    )
    return write_decision(model, uri, decision)


def write_decision(model: Model, uri: str, decision: Decision) -> Model:
    """Writes a new artifact of the model with a decision; errors are those of `with_decision`."""
    import onnx

    head = _checked(model, decision)
    if store.exists(store.join(uri, MANIFEST_NAME)):
        raise ModelError("there is a finished artifact already", where=uri, hint="write into a folder of its own.")
    made = onnx.load_from_string(read_graph(model.uri, "model.onnx"))
    info = dict(model.info)
    if (before := model.decision) is not None and before.groups is not None:
        without_group_input(made, info, before.groups)
    if decision.groups is not None:
        add_group_input(made, info, decision.groups)
    _replace_outputs(made, head, decision)
    tried = _try_outputs(head, replace(decision, groups=None))
    if decision.groups is not None:
        try_groups(head, decision, append_outputs)
    info |= {"decision": decision.to_json() | {"max_difference": tried}}
    files = {p: read_file(model.uri, p) for p in store.walk(model.uri) if p != MANIFEST_NAME}
    files["model.onnx"] = bytes(made.SerializeToString(deterministic=True))
    text = json.dumps(info, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False)
    files["model.json"] = (text + "\n").encode()
    write_model_files(uri, files)
    return type(model).load(uri, allow_host=model.runtime.allow_host)


def _checked(model: Model, decision: Decision) -> Head:
    classes, problems = tuple(model.classes or ()), []
    if not classes:
        raise ModelError(f"{model.name} is no classifier ({model.task}): there is no class to decide on")
    if model.runtime.python is not None:
        raise ModelError(
            f"{model.name} is the Python function {model.runtime.python.function}: its graph has no probabilities",
            hint="decide within the function.",
        )
    if decision.threshold is not None and len(classes) != 2:
        problems.append(f"a threshold is for two classes, and there are {len(classes)}: {list(classes)[:5]!r}")
    elif decision.threshold is not None and not 0 <= decision.threshold <= 1:
        problems.append(f"threshold={decision.threshold!r} is no probability")
    if (c := decision.calibration) is not None:
        wanted = 1 if c.method == "temperature" or len(classes) == 2 else len(classes)
        if len(c.curves) != wanted:
            problems.append(f"the calibration has {len(c.curves)} curves, {len(classes)} classes need {wanted}")
    problems += _matrix_problems(decision, len(classes))
    changes = (decision.threshold, decision.calibration, decision.cost_matrix)
    if all(part is None for part in changes) and not model.info.get("decision"):
        problems.append("neither threshold, calibration nor cost_matrix is given, so nothing would change")
    if problems:
        raise ModelError(f"this decision does not fit {model.name}", problems=problems)
    dtypes = {str(o["name"]): o["dtype"] for o in model.runtime.outputs}
    if LABEL not in dtypes or PROBABILITIES not in dtypes:
        raise ModelError(f"{model.name} has no {PROBABILITIES} and {LABEL}", where=model.uri, problems=sorted(dtypes))
    return Head(model.info["task"], classes, dtypes[LABEL])


def _matrix_problems(decision: Decision, classes: int) -> list[str]:
    if (costs := decision.cost_matrix) is None:
        return []
    if len(costs) != classes or any(len(row) != classes for row in costs):
        return [f"the cost matrix is {len(costs)} x {sorted({len(r) for r in costs})}, {classes} classes need a square"]
    problems = ["a threshold and a cost matrix are two decisions: give one"] if decision.threshold is not None else []
    if not np.isfinite(np.asarray(costs, np.float32)).all():
        problems.append("the cost matrix holds numbers that are not finite")
    return problems


def _replace_outputs(made: onnx.ModelProto, head: Head, decision: Decision) -> None:
    """The graph with all behind the model's own probabilities made anew; in place."""
    from onnx import checker

    from trueline.models.graphs import drop_unused, unique_node_names

    graph = made.graph
    if not any(MODEL + PROBABILITIES in n.output for n in graph.node):
        raise ModelError(f"the graph has no value {MODEL + PROBABILITIES!r}: it was rewritten by other software")
    behind = [
        n for n in graph.node if not any(o in (PROBABILITIES, LABEL) or o.startswith("output/") for o in n.output)
    ]
    constants = [i for i in graph.initializer if not i.name.startswith("output/")]
    del graph.node[:], graph.output[:], graph.initializer[:]
    graph.node.extend(behind)
    graph.initializer.extend(constants)
    append_outputs(graph, head, decision)
    drop_unused(graph)
    unique_node_names(graph)
    checker.check_model(made)


def _try_outputs(head: Head, decision: Decision) -> float:
    """The largest difference between the new outputs in ONNX Runtime and numpy, over probabilities of every size.

    Raises:
        ParityError: more than rounding.
    """
    from onnx import TensorProto, helper

    from trueline.models.graphs import OPSET

    count = len(head.classes)
    graph = helper.make_graph(
        [], "outputs", [helper.make_tensor_value_info(MODEL + PROBABILITIES, TensorProto.FLOAT, ["N", count])], []
    )
    append_outputs(graph, head, decision)
    alone = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
    p = _probabilities(count, decision.calibration)
    found, labels = make_session(alone.SerializeToString()).run([PROBABILITIES, LABEL], {MODEL + PROBABILITIES: p})
    wanted = p if decision.calibration is None else decision.calibration.apply(p)
    difference = float(np.abs(found - wanted).max())
    if not difference <= _ALLOWED or not _labels_right(labels.tolist(), found, head, decision):
        raise ParityError(
            f"the graph's calibration differs from numpy's by {difference:g}; nothing was written",
            hint="an isotonic map with steps between neighbouring float32 numbers cannot be kept; fit on more rows.",
        )
    return difference


def _labels_right(labels: list[Any], p: Any, head: Head, decision: Decision) -> bool:
    """Whether the graph's labels are those of the decision; among classes of equal cost, rounding may choose."""
    if decision.cost_matrix is not None:
        expected = p.astype(np.float64) @ np.asarray(decision.cost_matrix, np.float64)
        said = np.array([head.classes.index(label) for label in labels])
        over = expected[np.arange(len(said)), said] - expected.min(axis=1)
        return bool((over <= _ALLOWED * max(1.0, float(np.abs(decision.cost_matrix).max()))).all())
    t = decision.threshold
    chosen = p.argmax(axis=1) if t is None else (p[:, 1] >= np.float32(t)).astype(np.int64)
    return labels == [head.classes[i] for i in chosen]


def _probabilities(count: int, calibration: Calibration | None) -> Any:
    """Rows of probabilities of every size, the same each time, and those at and beside an isotonic's knots."""
    rng = np.random.default_rng(0)
    z = rng.normal(0, 1, (_TRIED, count)) * rng.choice([0.1, 1, 5, 30], (_TRIED, 1))
    e = np.exp(z - z.max(axis=1, keepdims=True))
    p = (e / e.sum(axis=1, keepdims=True)).astype(np.float32)
    ends = [p, np.eye(count, dtype=np.float32), np.full((1, count), 1 / count, np.float32)]
    for i, curve in enumerate(calibration.curves if calibration is not None else ()):
        knots = np.asarray(curve.get("x", ()), np.float32)
        beside = np.concatenate([knots, np.nextafter(knots, np.float32(0)), np.nextafter(knots, np.float32(1))])
        at = 1 if count == 2 else i
        rows = np.repeat(((1 - beside) / (count - 1))[:, None], count, axis=1)
        rows[:, at] = beside
        ends.append(rows.clip(0, 1))
    return np.concatenate(ends)
