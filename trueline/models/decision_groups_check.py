"""The proof that a graph decides by group as numpy does: tried before anything is written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline._core.errors import ParityError
from trueline._core.feeds import Feeds
from trueline._core.sessions import make_session
from trueline._core.values import PRESENT
from trueline.models.contract import PROBABILITIES, Head
from trueline.models.decision_groups import ONNX_TYPES, GroupThresholds

if TYPE_CHECKING:
    from trueline.models.decision import Decision

__all__ = ["try_groups"]

_TRIED = 400


def try_groups(head: Head, decision: Decision, append: Callable[..., None]) -> None:
    """Compares the labels of the outputs alone, in ONNX Runtime, with numpy's: every value, others, missing ones.

    Raises:
        ParityError: a label differs; nothing is written.
    """
    from onnx import TensorProto, helper

    from trueline.models.graphs import ML_DOMAIN, OPSET
    from trueline.models.outputs import LABEL, MODEL

    groups = decision.groups
    assert groups is not None
    plain = replace(decision, calibration=None)
    source = helper.make_tensor_value_info(MODEL + PROBABILITIES, TensorProto.FLOAT, ["N", 2])
    inputs = [
        source,
        helper.make_tensor_value_info(groups.column, getattr(TensorProto, ONNX_TYPES[groups.dtype]), ["N"]),
    ]
    if groups.optional:
        inputs.append(helper.make_tensor_value_info(groups.column + PRESENT, TensorProto.BOOL, ["N"]))
    graph = helper.make_graph([], "outputs", inputs, [])
    append(graph, head, plain)
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(ML_DOMAIN, 3)]
    session = make_session(helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString())
    second, values = _tried(groups)
    p = np.stack([1 - second, second], axis=1)
    arrays = Feeds([groups.feature]).from_columns({groups.column: values})
    found = session.run([LABEL], {MODEL + PROBABILITIES: p, **arrays})[0].tolist()
    expected = [head.classes[int(s)] for s in second >= groups.of(values)]
    if found != expected:
        at = next(i for i, (a, b) in enumerate(zip(found, expected, strict=True)) if a != b)
        raise ParityError(
            f"the graph says {found[at]!r} and numpy {expected[at]!r} for probability {second[at]!r} and "
            f"{groups.column}={values[at]!r}; nothing was written"
        )


def _tried(groups: GroupThresholds) -> tuple[npt.NDArray[np.float32], list[Any]]:
    """Probabilities of every size, and at and beside each threshold, for every value, another and a missing one."""
    others: dict[str, list[Any]] = {"utf8": ["", "\x00never"], "int64": [-(2**62)], "bool": []}
    values = [*groups.values, *(v for v in others[groups.dtype] if v not in groups.values)]
    values += [None] if groups.optional else []
    edges = np.array(sorted({*groups.thresholds, groups.default}), np.float32)
    beside = [edges, np.nextafter(edges, np.float32(0)), np.nextafter(edges, np.float32(1))]
    rng = np.random.default_rng(0)
    scores = np.concatenate([*beside, rng.random(_TRIED // len(values) + 1).astype(np.float32), [0, 1]])
    scores = scores.clip(0, 1).astype(np.float32)
    return np.tile(scores, len(values)), [v for v in values for _ in scores]
