"""Every shape of pipeline in every context: isolation of nodes x database x place of the files.

The fast group holds each shape once, and each isolation, database and place; the exhaustive one the whole product.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
from matrix_checks import PARTS, check
from specs import SPECS, Spec, World

from trueline.pipeline.settings import Isolation

Place = Callable[[str, str], World]
BY_NAME = {spec.name: spec for spec in SPECS}
CONTEXTS = list(itertools.product(("thread", "main", "process"), ("sqlite", "postgresql", "mysql"), ("local", "s3")))
PLAIN = (("thread", "sqlite", "local"), ("main", "sqlite", "local"))
# Other contexts meet short shapes in the fast group: servers, stores and processes start slowly.
ELSEWHERE = {
    "linear": ("process", "postgresql", "s3"),
    "properties": ("thread", "mysql", "s3"),
    "resumed": ("main", "postgresql", "local"),
    "dynamic-parameters": ("process", "mysql", "local"),
}
COVERING = [(spec.name, ELSEWHERE.get(spec.name, PLAIN[n % 2])) for n, spec in enumerate(SPECS)]


@pytest.mark.parametrize(
    ("name", "context"), COVERING, ids=lambda value: value if isinstance(value, str) else "-".join(value)
)
def test_each_shape_once(name: str, context: tuple[Isolation, str, str], place: Place) -> None:
    turn = COVERING.index((name, context)) % 2  # the exhaustive group does both with every shape
    check(BY_NAME[name], place(*context[1:]), context[0], PARTS[turn : turn + 1])


def test_the_short_group_leaves_nothing_out() -> None:
    assert {name for name, _ in COVERING} == set(BY_NAME)
    for dimension, kinds in enumerate(zip(*CONTEXTS, strict=True)):
        assert {context[dimension] for _, context in COVERING} == set(kinds)


@pytest.mark.exhaustive
@pytest.mark.parametrize("context", CONTEXTS, ids="-".join)
@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_every_shape_in_every_context(spec: Spec, context: tuple[Isolation, str, str], place: Place) -> None:
    check(spec, place(*context[1:]), context[0])
