"""A threshold for each group, inside the model's ONNX graph: a raw column decides at which score a row is positive.

Using a protected attribute at decision time may be unlawful where the model is used, even where it makes outcomes more
equal (in the United States, for instance, for credit, housing and employment). Ask before you serve such a model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline._core.errors import ModelError, did_you_mean
from trueline._core.feeds import Feeds
from trueline._core.values import PRESENT, RawFeature
from trueline.models.contract import PROBABILITIES

if TYPE_CHECKING:
    import onnx

    from trueline.models.model import Model

__all__ = [
    "ONNX_TYPES", "GroupThresholds", "add_group_input", "group_class", "with_group_thresholds", "without_group_input",
]  # fmt: skip

ONNX_TYPES = {"utf8": "STRING", "int64": "INT64", "bool": "BOOL"}
GroupValue = str | int | bool


@dataclass(frozen=True)
class GroupThresholds:
    """Which threshold a row has.

    Attributes:
        column: a raw column.
        dtype: ``utf8``, ``int64`` or ``bool``.
        values: the values that have a threshold of their own.
        thresholds: one a value, from 0 to 1; a row is positive where its probability is at least this.
        default: of all other values, and where the value is missing.
        optional: whether the column may be missing.
        added: whether the model did not read the column before.
    """

    column: str
    dtype: str
    values: tuple[GroupValue, ...]
    thresholds: tuple[float, ...]
    default: float
    optional: bool = True
    added: bool = False

    @property
    def feature(self) -> RawFeature:
        """The column as the graph takes it."""
        return RawFeature(self.column, self.dtype, optional=self.optional)  # type: ignore[arg-type]

    def of(self, values: Sequence[Any]) -> npt.NDArray[np.float32]:
        """The threshold of each row; None is a missing value."""
        known = {(type(v), v): t for v, t in zip(self.values, self.thresholds, strict=True)}
        return np.array([known.get((type(v), v), self.default) for v in values], np.float32)

    def to_json(self) -> dict[str, Any]:
        """A JSON object; `from_json` is its inverse."""
        return vars(self) | {"values": list(self.values), "thresholds": list(self.thresholds)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> GroupThresholds:
        """The thresholds that `to_json` described.

        Raises:
            ModelError: they do not hold together.
        """
        try:
            made = cls(
                str(data["column"]), str(data["dtype"]), tuple(data["values"]),
                tuple(float(t) for t in data["thresholds"]), float(data["default"]), bool(data["optional"]),
                bool(data["added"]),
            )  # fmt: skip
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"the thresholds of groups do not parse: {type(error).__name__}: {error}") from error
        if problems := _problems(made):
            raise ModelError("the thresholds of groups do not hold together", problems=problems)
        return made


def _problems(groups: GroupThresholds) -> list[str]:
    types: dict[str, type] = {"utf8": str, "int64": int, "bool": bool}
    if groups.dtype not in types:
        return [f"column {groups.column!r} is {groups.dtype}: groups are made of text, int64 and bool"]
    found = [] if groups.values else ["there is no group with a threshold of its own"]
    if len(groups.values) != len(groups.thresholds):
        found.append(f"there are {len(groups.values)} values and {len(groups.thresholds)} thresholds")
    wanted = types[groups.dtype]
    found += [
        f"{v!r} is no value of {groups.column!r}, which is {groups.dtype}"
        for v in groups.values
        if type(v) is not wanted
    ]
    if len(set(groups.values)) < len(groups.values):
        found.append("a value stands twice")
    found += [f"threshold {t!r} is no probability" for t in (*groups.thresholds, groups.default) if not 0 <= t <= 1]
    return found


def with_group_thresholds(
    model: Model,
    uri: str,
    column: str,
    thresholds: Mapping[Any, float],
    default: float = 0.5,
    *,
    chosen_on: str | None = None,
    evidence: Mapping[str, Any] | None = None,
) -> Model:
    """Writes a new artifact: the same two-class model, whose label is decided at a threshold of the row's group.

    The raw column becomes part of the signature if it was not; it is optional then, and a client that leaves it out is
    decided at `default`. A calibration stays; a threshold or cost matrix is replaced. Where such a use of the column is
    unlawful, do not serve this model: see `trueline.models.decision_groups`.

    Args:
        model: a classifier of two classes.
        uri: an empty or absent folder.
        column: a raw column of texts, integers or booleans.
        thresholds: value -> threshold of the (calibrated) probability of the second class.
        default: of values that are not named, and where the value is missing.
        chosen_on: what they were chosen on, for people.
        evidence: how they were chosen, as JSON.

    Raises:
        ModelError: another model, column or threshold; all problems at once.
        ParityError: the new graph decides otherwise than numpy; nothing is written.
    """
    from trueline.models.decision import Decision, write_decision

    groups = _groups_of(model, column, thresholds, default)
    before = model.decision
    calibration = before.calibration if before is not None else None
    return write_decision(model, uri, Decision(float(default), calibration, chosen_on, None, evidence, groups))


def _groups_of(model: Model, column: str, thresholds: Mapping[Any, float], default: float) -> GroupThresholds:
    problems = []
    if model.classes is None or len(model.classes) != 2:
        problems.append(f"thresholds of groups are for two classes, and {model.name} is {model.task}")
    known = {f.name: f for f in model.runtime.inputs}
    labels = {f.name for f in model.runtime.targets.raw.features} if model.info.get("targets") else set()
    if column in labels - set(known):
        problems.append(f"{column!r} is what the label is made of: no client has it")
    if column in {str(o["name"]) for o in model.runtime.outputs}:
        problems.append(f"the column {column!r} has the name of an output of the model: rename it")
    own, fed = known.get(column), model.runtime.graph.feeds.by_name.get(column)
    if own is not None and own.kind != "scalar":
        problems.append(f"column {column!r} is a list ({own.kind}): groups are made of single values")
    if own is None and column.startswith("__"):
        problems.append(f"{column!r} is no raw column. {did_you_mean(column, known)}")
    dtype = own.dtype if own is not None else _dtype_of(thresholds)
    values = tuple(_value(v, dtype) for v in thresholds)
    optional = (fed or own).optional if own is not None or fed is not None else True  # type: ignore[union-attr]
    before = model.decision.groups if model.decision is not None else None
    added = own is None or (before is not None and before.added and before.column == column)
    groups = GroupThresholds(
        column, dtype, values, tuple(float(t) for t in thresholds.values()), float(default), optional, added
    )
    problems += _problems(groups)
    if problems:
        raise ModelError(f"{model.name} cannot be given thresholds of groups", problems=problems)
    return groups


def _dtype_of(thresholds: Mapping[Any, float]) -> str:
    """Of a column that the model does not read: what the values are."""
    kinds = {type(v) for v in thresholds}
    named: dict[type, str] = {bool: "bool", int: "int64"}
    return named.get(next(iter(kinds)), "utf8") if len(kinds) == 1 else "utf8"


def _value(value: Any, dtype: str) -> Any:
    """A value as the column holds it; texts may name integers and booleans."""
    if isinstance(value, np.generic):
        value = value.item()
    if not isinstance(value, str) or dtype == "utf8":
        return value
    if dtype == "bool" and value.lower() in ("true", "false"):
        return value.lower() == "true"
    return int(value) if dtype == "int64" and value.lstrip("-").isdecimal() else value


def group_class(make: Any, groups: GroupThresholds) -> str:
    """The place of the class that each row is given, int64 ``[N]``; `make` adds nodes below ``output/``."""
    from onnx import TensorProto

    table = np.array([*groups.thresholds, groups.default], np.float32)
    rest = make.constant("group/rest", np.array(len(groups.values), np.int64))
    found = _place(make, groups)
    if groups.optional:
        found = make("Where", [groups.column + PRESENT, found, rest], "group/place")
    threshold = make("Gather", [make.constant("group/thresholds", table), found], "group/threshold", axis=0)
    above = make("GreaterOrEqual", [make.column(PROBABILITIES, 1), threshold], "above")
    return str(make("Cast", [above], "class", to=TensorProto.INT64))


def _place(make: Any, groups: GroupThresholds) -> str:
    """The place of each row's value among the values, their number for any other."""
    from trueline.models.graphs import ML_DOMAIN

    places, count = list(range(len(groups.values))), len(groups.values)
    if groups.dtype == "bool":
        by_bool = [groups.values.index(v) if v in groups.values else count for v in (False, True)]
        table = make.constant("group/by_bool", np.array(by_bool, np.int64))
        return str(make("Gather", [table, make("Cast", [groups.column], "group/bool", to=7)], "group/found", axis=0))
    name = "keys_strings" if groups.dtype == "utf8" else "keys_int64s"
    keys: dict[str, Any] = {name: list(groups.values)}
    return str(make("LabelEncoder", [groups.column], "group/found", domain=ML_DOMAIN, values_int64s=places,
                    default_int64=count, **keys))  # fmt: skip


def add_group_input(made: onnx.ModelProto, info: dict[str, Any], groups: GroupThresholds) -> None:
    """The column as an input of graph, feeds and signature, in place, where it is none yet."""
    from onnx import TensorProto, helper

    from trueline.models.graphs import ML_DOMAIN, opsets, set_opsets

    if ML_DOMAIN not in opsets(made):
        set_opsets(made, {**opsets(made), ML_DOMAIN: 3})
    feature = groups.feature
    have = {i.name for i in made.graph.input}
    wanted = {groups.column: getattr(TensorProto, ONNX_TYPES[groups.dtype])}
    wanted |= {groups.column + PRESENT: TensorProto.BOOL} if groups.optional else {}
    for name, kind in wanted.items():
        if name not in have:
            made.graph.input.append(helper.make_tensor_value_info(name, kind, ["N"]))
    feeds = Feeds.from_json(info["feeds"])
    if groups.column not in feeds.by_name:
        info["feeds"] = Feeds([*feeds.features, feature]).to_json()
    if groups.added:
        entry = feature.to_json() | {"shape": [None], "example": groups.values[0]}
        info["signature"] = {**info["signature"], "inputs": [*info["signature"]["inputs"], entry]}
    write_feeds(made, info)


def without_group_input(made: onnx.ModelProto, info: dict[str, Any], groups: GroupThresholds) -> None:
    """Takes the column of an earlier decision out again, in place, where that had put it in."""
    if not groups.added:
        return
    names = (groups.column, groups.column + PRESENT)
    kept = [i for i in made.graph.input if i.name not in names]
    del made.graph.input[:]
    made.graph.input.extend(kept)
    features = Feeds.from_json(info["feeds"]).features
    info["feeds"] = Feeds([f for f in features if f.name != groups.column]).to_json()
    inputs = [i for i in info["signature"]["inputs"] if i["name"] != groups.column]
    info["signature"] = {**info["signature"], "inputs": inputs}
    write_feeds(made, info)


def write_feeds(made: onnx.ModelProto, info: Mapping[str, Any]) -> None:
    """The feeds into the graph's metadata, where other software reads them."""
    import json

    from onnx import helper

    others = {p.key: p.value for p in made.metadata_props if p.key != "trueline.feeds"}
    del made.metadata_props[:]
    helper.set_model_props(made, {**others, "trueline.feeds": json.dumps(info["feeds"], sort_keys=True)})
