"""Lineage in a session: from an artifact back to what it was made from, over nodes that ran as runs of their own."""

from __future__ import annotations

import re

import pytest
from interactive_nodes import greet, shout

from trueline import InteractiveContext
from trueline._core.errors import ConfigError
from trueline.pipeline import ArtifactHandle


def test_lineage_goes_back_over_the_runs_of_a_session_and_forward(tmp_path):
    context = InteractiveContext("session", tmp_path)
    hello = greet(name="<b>ada")
    context.run(hello)
    loud = shout(words=hello.outputs["result"])
    context.run(loud)
    louder = shout(words=loud.outputs["result"], node_id="Louder")
    context.run(louder)

    def told(html: object) -> list[str]:
        found = re.findall(r"<b id=.lineage-(e\d+).>(\w+)</b>", str(html))
        return [name for _, name in sorted(found, key=lambda pair: int(pair[0][1:]))]

    assert told(context.lineage(louder.outputs["result"])) == ["greet", "shout", "Louder"]
    assert told(context.lineage(loud.outputs["result"].get()[0])) == ["greet", "shout"]
    assert told(context.lineage(hello.outputs["result"], up=False, down=True)) == ["shout", "Louder"]
    assert told(context.lineage(hello.outputs["result"], up=False, down=True, hops=1)) == ["shout"]
    assert told(context.lineage(loud.outputs["result"], down=True)) == ["greet", "shout", "Louder"]
    html = context.lineage(louder.outputs["result"])
    assert "String" in str(html)
    assert "what it was made from" in str(html)
    assert "<b>ada" not in str(html)
    assert len(repr(html)) < 300, "a terminal is not flooded"


def test_what_has_no_lineage_is_told(tmp_path):
    context = InteractiveContext("session", tmp_path)
    hello = greet()
    with pytest.raises(ConfigError, match="has made no 'result' yet"):
        context.lineage(hello.outputs["result"])
    context.run(hello)
    with pytest.raises(ConfigError, match="has no lineage"):
        context.lineage(3)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="nothing to look for"):
        context.lineage(hello.outputs["result"], up=False)
    with pytest.raises(ConfigError, match="no recorded artifact"):
        context.lineage(ArtifactHandle("String", "x", {}, None, "", None))
    with pytest.raises(ConfigError, match=r"does not hold the artifacts \[999\]"):
        context.lineage(ArtifactHandle("String", "x", {}, 999, "", None))
