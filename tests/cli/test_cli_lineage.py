"""`trueline lineage` and `trueline why`: the right nodes and edges, and the same ones in every form."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import pytest
from runs_cli import EVIL, loop_run, make_database, small_line

from trueline.cli import main


@pytest.fixture(scope="module")
def two_runs(tmp_path_factory):
    """A database of two runs: the second took its Examples from the cache, and its Model has an evil name."""
    place = make_database(tmp_path_factory.mktemp("runs") / "metadata.db")
    first = small_line(place, "20260101-000000-one", started=1_000_000)
    small_line(
        place, "20260102-000000-two", started=2_000_000, examples=first["Examples"], model_name=EVIL
    )  # artifacts 1 Examples, 2 Model, 3 PushedModel; then 4 Model, 5 PushedModel; executions 1 2 3, 4 5 6
    return place


@pytest.fixture
def memory(two_runs, tmp_path, monkeypatch):
    """A copy of it in the working folder."""
    monkeypatch.chdir(tmp_path)
    return shutil.copy(two_runs, tmp_path / "metadata.db")


def graph(capsys, *arguments: str) -> tuple[set[str], set[tuple[str, str]]]:
    capsys.readouterr()
    assert main(["lineage", *arguments, "--format", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    return {node["key"] for node in told["nodes"]}, {(edge["from"], edge["to"]) for edge in told["edges"]}


@pytest.mark.parametrize(
    ("arguments", "nodes", "edges"),
    [
        # Upward: the execution that made it, not the one that found it in the cache.
        (["4"], {"a1", "a4", "e1", "e5"}, {("e1", "a1"), ("a1", "e5"), ("e5", "a4")}),
        (["4", "--hops", "1"], {"a4", "e5"}, {("e5", "a4")}),
        (["4", "--hops", "2"], {"a4", "e5", "a1"}, {("e5", "a4"), ("a1", "e5")}),
        (["4", "--down"], {"a4", "e6", "a5"}, {("a4", "e6"), ("e6", "a5")}),
        (
            ["4", "--up", "--down"],
            {"a1", "a4", "a5", "e1", "e5", "e6"},
            {("e1", "a1"), ("a1", "e5"), ("e5", "a4"), ("a4", "e6"), ("e6", "a5")},
        ),
        (
            ["1", "--down"],
            {"a1", "a2", "a3", "a4", "a5", "e2", "e3", "e5", "e6"},
            {
                ("a1", "e2"), ("e2", "a2"), ("a2", "e3"), ("e3", "a3"),
                ("a1", "e5"), ("e5", "a4"), ("a4", "e6"), ("e6", "a5"),
            },
        ),
        # A run: its own executions, the cached one too.
        (
            ["20260102"],
            {"a1", "a4", "a5", "e4", "e5", "e6"},
            {("e4", "a1"), ("a1", "e5"), ("e5", "a4"), ("a4", "e6"), ("e6", "a5")},
        ),
        (
            ["20260101", "--down"],
            {"a1", "a2", "a3", "a4", "a5", "e1", "e2", "e3", "e5", "e6"},
            {
                ("e1", "a1"), ("a1", "e2"), ("e2", "a2"), ("a2", "e3"), ("e3", "a3"),
                ("a1", "e5"), ("e5", "a4"), ("a4", "e6"), ("e6", "a5"),
            },
        ),
    ],
)  # fmt: skip
def test_the_nodes_and_edges_are_those_that_were_recorded(memory, capsys, arguments, nodes, edges):
    assert graph(capsys, *arguments) == (nodes, edges)


def test_an_artifact_has_many_names(memory, capsys):
    by_number = graph(capsys, "4")
    assert graph(capsys, "Model") == by_number
    assert graph(capsys, "/line/Trainer/20260102-000000-two") == by_number
    assert graph(capsys, "latest") == graph(capsys, "20260102-000000-two")


def test_json_tells_what_it_is_about_and_all_of_every_node(memory, capsys):
    assert main(["lineage", "4", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert list(told) == ["of", "nodes", "edges"]
    assert told["of"] == {"kind": "artifact", "id": 4}
    keys = ["key", "kind", "id", "type", "state", "name", "uri", "run_id", "node_id", "properties",
            "custom_properties", "focus"]  # fmt: skip
    assert all(list(node) == keys for node in told["nodes"])
    named = {node["key"]: node for node in told["nodes"]}
    assert named["a4"]["name"] == EVIL
    assert named["a4"]["focus"] is True
    assert (named["e5"]["run_id"], named["e5"]["node_id"]) == ("20260102-000000-two", "Trainer")
    assert told["edges"][0]["path"] == ["examples", 0]


def test_text_is_a_tree_for_an_artifact_and_a_list_for_a_run(memory, capsys):
    assert main(["lineage", "4", "--up", "--down"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Made from"
    assert lines[1].startswith("Model 4")
    assert lines[2].endswith("Trainer (execution 5, COMPLETE)")
    assert "Used for" in lines
    assert main(["lineage", "20260102"]) == 0
    out = capsys.readouterr().out
    assert "CsvExampleGen (execution 4, CACHED)" in out
    assert "  from Examples 1  examples  /line/CsvExampleGen/20260101-000000-one" in out


class _Parsed(HTMLParser):
    """Tags and text of a page; every element that is opened is closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        assert not self._open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.ids += [str(value) for name, value in attrs if name == "id"]
        self.links += [str(value) for name, value in attrs if name == "href"]
        if tag not in ("meta", "line", "rect/"):
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def test_the_page_is_whole_safe_and_leads_from_each_box_to_its_row(memory, tmp_path, capsys):
    assert main(["lineage", "4", "--down", "--up", "--out", "line.html"]) == 0
    assert capsys.readouterr().out == "Wrote line.html\n"
    page = (tmp_path / "line.html").read_text()
    parsed = _Parsed(page)
    assert "el" not in parsed.tags
    assert any('Mod<b>el</b> "x" & \\N {|} \\u202e' in text for text in parsed.text)
    assert "\u202e" not in page
    boxes = [link for link in parsed.links if link.startswith("#lineage-")]
    assert sorted(boxes) == sorted(f"#{name}" for name in parsed.ids)
    assert len(boxes) == 6
    for outside in ("http:", "https:", "<link", " src="):
        assert outside not in page
    assert page.count('class="link') == 5


def _dot_graph(text: str) -> tuple[set[str], set[tuple[str, str]]]:
    """Nodes and edges as Graphviz itself understood them."""
    plain = subprocess.run(["dot", "-Tplain"], input=text, capture_output=True, text=True, check=True)
    assert not plain.stderr
    rows = [line.split() for line in plain.stdout.splitlines()]
    return {row[1] for row in rows if row[0] == "node"}, {(row[1], row[2]) for row in rows if row[0] == "edge"}


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
def test_graphviz_reads_the_same_graph(memory, tmp_path, capsys):
    expected = graph(capsys, "latest")
    assert main(["lineage", "latest", "--out", "line.gv"]) == 0
    text = (tmp_path / "line.gv").read_text()
    assert _dot_graph(text) == expected
    drawn = subprocess.run(["dot", "-Tsvg"], input=text, capture_output=True, text=True, check=True).stdout
    assert "Mod&lt;b&gt;el&lt;/b&gt; &quot;x&quot; &amp; \u29f5N {|} \u29f5u202e" in drawn


def test_names_in_dot_cannot_end_their_quotes(memory, capsys):
    assert main(["lineage", "4", "--format", "dot"]) == 0
    out = capsys.readouterr().out
    line = next(line for line in out.splitlines() if '"a4" [' in line)
    assert 'Name: Mod<b>el</b> \\"x\\" &amp; \u29f5N {|} \u29f5u202e' in line
    assert re.fullmatch(r'\s*"a4" \[(\w+="(?:[^"\\]|\\.)*"(?:, )?)+\];', line)


def test_what_is_not_there_is_said_with_what_is(memory, capsys):
    for word, said in (("99", "no artifact with id 99"), ("Modle", "Did you mean 'Model'"), ("/no/where", "no run")):
        assert main(["lineage", word]) == 1
        assert said in capsys.readouterr().err
    assert main(["lineage", "4", "--json", "--format", "dot"]) == 2


def test_a_number_that_two_databases_know_is_asked_back(memory, tmp_path, capsys):
    other = make_database(tmp_path / "other/metadata.db")
    small_line(other, "20260103-000000-new")
    assert main(["lineage", "1"]) == 1
    err = capsys.readouterr().err
    assert "2 databases hold an artifact 1" in err
    assert "--metadata" in err
    # Of a type the newest of all is meant, and it is said where it lies.
    assert main(["lineage", "Model", "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["of"] == {"kind": "artifact", "id": 2}
    assert "other/metadata.db" in err
    assert main(["lineage", "20260102", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["of"] == {"kind": "run", "id": "20260102-000000-two"}


def test_why_says_what_a_state_means_and_asks_for_one_pass_of_a_loop(memory, capsys):
    run_id = loop_run(memory)
    assert main(["why", run_id, "Left"]) == 0
    assert "left out by a condition" in capsys.readouterr().out
    assert main(["why", run_id, "train"]) == 1
    assert "train[3]" in capsys.readouterr().err
    assert main(["why", run_id, "train[10]", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["state"], told["message"]) == ("FAILED", "[red] no luck")
