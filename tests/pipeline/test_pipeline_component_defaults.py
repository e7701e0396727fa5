"""Every default of a standard component's options is in its cache key: another default in the code is another key."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from typing import Any

import pytest

from trueline import components
from trueline.pipeline import Component
from trueline.pipeline.params import encode_params

REQUIRED: dict[str, Any] = {
    "destination": "somewhere",
    "thresholds": {"a": 1},
    "metrics": ["accuracy"],
    "features": {"fare": {"infinity_norm": 0.1}},
    "query": "select 1",
}
OTHERS: tuple[Any, ...] = (
    True,
    False,
    "a",
    7,
    0.25,
    ["a"],
    {"a": 1},
    {"a": {"b": 1.0}},
    [{"type": "SCHEMA_NEW_COLUMN", "severity": "WARNING"}],
)


def options() -> Iterator[tuple[type[Component], str]]:
    for name in sorted(components.__all__):
        kind = getattr(components, name)
        if isinstance(kind, type) and issubclass(kind, Component):
            for option in inspect.signature(kind.__init__).parameters.values():
                if option.default not in (inspect.Parameter.empty, None) and option.name not in kind.INPUTS:
                    yield kind, option.name


def made(kind: type[Component], **given: Any) -> str:
    """All of a node that is in its cache key, as text."""
    for option in inspect.signature(kind.__init__).parameters.values():
        named = option.kind in (option.KEYWORD_ONLY, option.POSITIONAL_OR_KEYWORD)
        if named and option.name != "self" and option.default is option.empty:
            given.setdefault(option.name, None if option.name in kind.INPUTS else REQUIRED.get(option.name, "x"))
    node = kind(**given)
    return json.dumps([encode_params(node.params), sorted(node.declared_outputs)], sort_keys=True)


@pytest.mark.parametrize(("kind", "option"), list(options()), ids=lambda value: getattr(value, "__name__", value))
def test_another_value_of_an_option_is_another_key(kind: type[Component], option: str) -> None:
    usual, seen = made(kind), []
    for value in OTHERS:
        try:
            seen.append(made(kind, **{option: value}) != usual)
        except (TypeError, ValueError, AttributeError):  # of a wrong type, told where it is used
            continue
    assert any(seen), f"{kind.__name__}({option}=) does not reach the node's parameters"


def test_no_component_was_overlooked() -> None:
    kinds = {kind.__name__ for kind, _ in options()}
    assert len(list(options())) > 60
    assert {"CsvExampleGen", "Evaluator", "Trainer", "Transform", "Tuner", "StatisticsGen", "Resolver"} <= kinds
