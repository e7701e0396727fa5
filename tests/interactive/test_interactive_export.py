"""A session's file describes the pipeline of the session, checked by loading it as the command line does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from interactive_nodes import greet, shout

from trueline import InteractiveContext
from trueline._core.errors import ConfigError
from trueline.cli.load import load_pipeline
from trueline.pipeline.compile import compile_pipeline


def plan(pipeline):
    """The compiled pipeline without lines and folders of user files."""
    return json.loads(
        compile_pipeline(pipeline).to_json(),
        object_hook=lambda d: (
            {**d, "location": "", "file": Path(d["file"]).name} if d.get("file") else {**d, "location": ""}
        ),
    )


@pytest.fixture
def session(tmp_path):
    context = InteractiveContext("session", tmp_path / "root")
    hello = greet(name='a"b\n\\')
    context.run(hello)
    context.run(shout(words=hello.outputs["result"], times=3, node_id="Loud").with_settings(retries=2).after(hello))
    return context


def test_the_file_describes_the_session_and_runs(session, tmp_path):
    from trueline import LocalRunner

    file = session.export_pipeline(tmp_path / "out" / "line.py")
    loaded = load_pipeline(file)
    assert plan(loaded) == plan(session._pipeline(session._exported()))
    assert (tmp_path / "out" / "interactive_nodes.py").is_file(), "user code lies beside the file"
    assert not list((tmp_path / "out").glob("*draft*"))
    result = LocalRunner().run(loaded)
    assert result.ok
    for node_id in ("greet", "Loud"):
        before, after = session.result(node_id).outputs["result"], result.nodes[node_id].outputs["result"]
        assert [a.fingerprint for a in before] == [a.fingerprint for a in after]
    session.export_pipeline(tmp_path / "out" / "line.py")  # its own file may be written again


def test_a_session_with_its_database_at_a_path_is_exported_and_no_file_of_the_users_is_touched(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    context = InteractiveContext("session", tmp_path / "root", metadata="meta.db")
    context.run(greet(name="ada"))
    (tmp_path / "line_draft.py").write_text("mine\n")
    (tmp_path / "folder.py").mkdir()
    with pytest.raises(ConfigError, match=r"folder\.py is a folder"):
        context.export_pipeline("folder.py")
    with pytest.raises(ConfigError, match="cannot be written"):
        context.export_pipeline("meta.db/line.py")
    assert load_pipeline(context.export_pipeline("line.py")).metadata == "meta.db"
    assert (tmp_path / "line_draft.py").read_text() == "mine\n"


def test_what_cannot_be_written_or_stands_in_the_way_is_told_at_once(session, tmp_path):
    (tmp_path / "mine.py").write_text("x = 1\n")
    (tmp_path / "interactive_nodes.py").write_text("x = 2\n")
    with pytest.raises(ConfigError) as caught:
        session.export_pipeline(tmp_path / "mine.py")
    assert len(caught.value.problems) == 2
    assert (tmp_path / "mine.py").read_text() == "x = 1\n"
    with pytest.raises(ConfigError, match="nothing to export"):
        InteractiveContext("empty", tmp_path / "e").export_pipeline(tmp_path / "p.py")


def test_a_file_that_would_say_something_else_is_not_kept(tmp_path):
    context = InteractiveContext("session", tmp_path / "root")
    hello = greet(name="ada")
    context.run(hello)
    hello.params["name"] = "changed by hand"
    with pytest.raises(ConfigError, match="changed by hand"):
        context.export_pipeline(tmp_path / "line.py")
    assert not (tmp_path / "line.py").exists()
