"""What a run says of a node that failed: its sentence, with the first of several problems."""

from __future__ import annotations

import pytest

from trueline._core.errors import ConfigError
from trueline.pipeline.sentence import sentence


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (str(ConfigError("two are wrong", problems=["a is 1", "b is 2"])), "two are wrong: a is 1 (and 1 more)"),
        (str(ConfigError("one thing is wrong", problems=["a is 1"], hint="make it 2.")), "one thing is wrong: a is 1"),
        (str(ConfigError("wrong", hint="mend it.")), "wrong"),
        ("ValueError: no luck\nand more", "ValueError: no luck"),
    ],
)
def test_the_first_problem_is_told(message: str, said: str) -> None:
    assert sentence(message) == said
