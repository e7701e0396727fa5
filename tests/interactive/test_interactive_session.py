"""A session runs nodes one by one: on what this session made, or not at all, and says why."""

from __future__ import annotations

import pytest
from interactive_nodes import break_down, greet, odd_files, refuse, shout

from trueline import InteractiveContext
from trueline._core.errors import ArtifactError, ConfigError, GateError, TruelineError
from trueline.components import StatisticsGen
from trueline.interactive import ExecutionResult
from trueline.pipeline import ArtifactHandle, Pipeline


@pytest.fixture
def context(tmp_path):
    return InteractiveContext("session", tmp_path / "root")


def test_a_node_runs_and_its_outputs_are_there(context):
    hello = greet(name="ada")
    result = context.run(hello)
    assert isinstance(result, ExecutionResult)
    assert (result.state, result.ok, result.node_id) == ("COMPLETE", True, "greet")
    (artifact,) = hello.outputs["result"].get()
    assert isinstance(artifact, ArtifactHandle)
    assert artifact.value == "hello ada"
    loud = shout(words=hello.outputs["result"], times=2)
    result = context.run(loud)
    assert loud.outputs["result"].get()[0].value == "HELLO ADAHELLO ADA"
    assert [a.id for a in result.inputs["words"]] == [artifact.id], "the store says what the node was given"


def test_an_unchanged_node_comes_from_the_cache_also_in_the_next_session(context, tmp_path):
    context.run(greet(name="ada"))
    again = InteractiveContext("session", tmp_path / "root")
    result = again.run(greet(name="ada"))
    assert result.state == "CACHED"
    assert result.cached_reason in result._repr_html_().replace("&#x27;", "'")
    assert again.run(greet(name="ada"), enable_cache=False).state == "COMPLETE"


def test_a_node_whose_input_never_ran_names_it(context):
    hello = greet()
    with pytest.raises(ConfigError, match=r"(?s)'shout' needs what 'greet' makes.*context\.run\(greet\)") as caught:
        context.run(shout(words=hello.outputs["result"]))
    assert "test_interactive_session.py" in str(caught.value)
    with pytest.raises(ConfigError, match="has made no 'result' yet"):
        hello.outputs["result"].get()


def test_a_node_of_the_same_id_takes_the_place_of_the_former(context):
    first, second = greet(name="ada"), greet(name="bob")
    context.run(first)
    old = shout(words=first.outputs["result"])
    context.run(old)
    context.run(second)
    with pytest.raises(ConfigError, match="wired to a former greet"):
        context.run(old)
    new = shout(words=second.outputs["result"])
    context.run(new)
    assert new.outputs["result"].get()[0].value == "HELLO BOB"
    assert context.result("shout").component is new


def test_a_failure_is_raised_with_its_log_and_the_earlier_result_stays(context):
    hello = greet()
    context.run(hello)
    with pytest.raises(TruelineError, match="the well is dry") as caught:
        context.run(break_down(words=hello.outputs["result"]))
    assert "interactive_nodes.py" in str(caught.value)
    with pytest.raises(ConfigError, match="has not run in this session"):
        context.result("break_down")
    assert context.result("greet").ok


def test_a_closed_gate_is_shown_and_nothing_after_it_runs(context):
    hello = greet()
    context.run(hello)
    gate = refuse(words=hello.outputs["result"])
    result = context.run(gate)
    assert (result.state, result.ok) == ("FAILED", False)
    assert "nobody may pass" in result._repr_html_()
    assert "nobody may pass" in repr(result)
    with pytest.raises(GateError, match="nobody may pass"):
        context.run(shout(words=gate.outputs["result"]))
    with pytest.raises(GateError, match="'refuse' did not succeed"):
        context.run(greet(node_id="later").after(gate))


def test_what_another_session_made_is_not_taken_for_ones_own(tmp_path):
    mine, other = InteractiveContext("one", tmp_path), InteractiveContext("one", tmp_path)
    hello = greet(name="mine")
    mine.run(hello)
    other.run(greet(name="other"))
    with pytest.raises(ArtifactError, match="another session made"):
        mine.run(shout(words=hello.outputs["result"]))


def test_wrong_wiring_and_things_that_are_no_component_are_refused_before_anything_runs(context, tmp_path):
    hello = greet()
    context.run(hello)
    with pytest.raises(ConfigError, match="takes Examples"):
        context.run(StatisticsGen(examples=hello.outputs["result"]))
    with pytest.raises(ConfigError, match="no component"):
        context.run(Pipeline("p", [greet()], root=tmp_path / "p"))
    with pytest.raises(ConfigError, match="no component"):
        context.run("greet")
    with pytest.raises(ConfigError, match="may hold letters"):
        InteractiveContext("a/b", tmp_path)


def test_show_takes_channels_artifacts_nodes_and_results(context):
    hello = greet(name="<b>ada</b>")
    result = context.run(hello)
    channel = hello.outputs["result"]
    for item in (hello, channel, channel.get(), channel.get()[0], result):
        html = context.show(item)._repr_html_()
        assert "hello &lt;b&gt;ada&lt;/b&gt;" in html
        assert "<b>ada" not in html
    with pytest.raises(ConfigError, match="cannot be shown"):
        context.show(3)


def test_an_artifact_that_cannot_be_read_says_so(context):
    node = odd_files()
    html = context.run(node)._repr_html_()
    assert "The artifact cannot be shown" in html
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert" in html


def test_a_name_comes_from_the_notebook(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JPY_SESSION_NAME", "/home/x/My taxi (2).ipynb")
    assert InteractiveContext().pipeline_name == "My_taxi_2"
    monkeypatch.delenv("JPY_SESSION_NAME")
    assert InteractiveContext().pipeline_name == "interactive"
    assert InteractiveContext().pipeline_root == str(tmp_path / "trueline-out" / "interactive")
