"""`--json` everywhere: every command has it, standard output is one JSON document, and errors are one too."""

from __future__ import annotations

import json

import click
import pytest
from click.testing import CliRunner
from runs_cli import loop_run, make_database, small_line

from trueline._core.errors import ConfigError, GateError, SchemaError
from trueline.cli import app, main
from trueline.cli.app import COMMANDS, cli
from trueline.cli.failures import EXIT_CODES, print_json, wants_json
from trueline.cli.shapes import ERROR, SHAPES, Shape


def leaves() -> dict[str, click.Command]:
    """Every command and command of a group, by how it is called."""
    found: dict[str, click.Command] = {}
    for entry in COMMANDS:
        command = cli.get_command(click.Context(cli), entry.name)
        assert command is not None
        if isinstance(command, click.Group):
            inside = click.Context(command)
            for name in command.list_commands(inside):
                child = command.get_command(inside, name)
                assert child is not None
                found[f"{entry.name} {name}"] = child
        else:
            found[entry.name] = command
    return found


@pytest.mark.parametrize("name", sorted(leaves()))
def test_every_command_takes_json(name):
    options = [option for parameter in leaves()[name].params for option in parameter.opts]
    assert "--json" in options


@pytest.mark.parametrize("name", sorted(name for name in SHAPES if "--" not in name))
def test_every_shape_is_that_of_a_command(name):
    assert name in leaves()


def test_what_fits_a_shape():
    one = Shape(("a", "b"), optional=("c",))
    assert one.fits({"a": 1, "b": 2})
    assert one.fits({"a": 1, "c": 0, "b": 2})
    for wrong in ({"a": 1}, {"b": 1, "a": 2}, {"a": 1, "b": 2, "d": 3}, [{"a": 1, "b": 2}], None):
        assert not one.fits(wrong)
    assert Shape(("a",), many=True).fits([{"a": 1}, {"a": 2}])
    assert not Shape(("a",), many=True).fits([{"a": 1}, {}])


@pytest.fixture(scope="module")
def memory(tmp_path_factory):
    place = make_database(tmp_path_factory.mktemp("shapes") / "metadata.db")
    small_line(place, "one")
    loop_run(place)
    return place


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        ("runs", []),
        ("show", ["one"]),
        ("show", ["latest"]),
        ("logs", ["one"]),
        ("why", ["latest", "Left"]),
        ("lineage", ["one"]),
        ("lineage", ["Model", "--up", "--down"]),
    ],
)
def test_what_asks_the_memory_has_its_shape(memory, capsys, command, arguments):
    assert main([command, *arguments, "--json", "--metadata", str(memory)]) == 0
    assert SHAPES[command].fits(json.loads(capsys.readouterr().out))


ERROR_KEYS = ["type", "message", "where", "hint", "problems"]


def one_error(out: str) -> dict:
    (line,) = out.splitlines()
    told = json.loads(line)
    assert ERROR.fits(told)
    assert list(told["error"]) == ERROR_KEYS
    return told


@pytest.mark.parametrize(
    ("arguments", "code", "kind", "said"),
    [
        (["shwo"], 2, "UsageError", "Did you mean 'show'"),
        (["show", "x", "--jsn"], 2, "NoSuchOption", "--json"),
        (["show"], 2, "MissingParameter", "RUN"),
        (["runs", "--limit", "0"], 2, "BadParameter", "--limit"),
        (["schema", "veiw", "x"], 2, "UsageError", "view"),
        (["show", "x"], 1, "MetadataError", "no metadata database"),
        (["logs", "x"], 1, "MetadataError", "no metadata database"),
        (["why", "x", "y"], 1, "MetadataError", "no metadata database"),
        (["lineage", "x"], 1, "MetadataError", "no metadata database"),
        (["runs", "--metadata", "no.db"], 1, "MetadataError", "no metadata database"),
        (["run", "no.py"], 2, "ConfigError", "no such pipeline file"),
        (["validate", "no.csv", "no.pbtxt"], 1, "DataError", "no.csv"),
        (["stats", "no.csv"], 1, "DataError", "no.csv"),
        (["predict", "no", "no.csv", "-o", "x.csv"], 2, "ConfigError", "no model"),
        (["export", "no", "--to", "web", "-o", "x"], 2, "ConfigError", "no model"),
        (["serve", "no"], 1, "ServingError", "no such folder"),
        (["schema", "view", "no"], 1, "ArtifactError", "no schema here"),
    ],
)
def test_an_error_is_json_on_standard_output_and_a_message_on_stderr(
    tmp_path, monkeypatch, capsys, arguments, code, kind, said
):
    monkeypatch.chdir(tmp_path)
    assert main([*arguments, "--json"]) == code
    out, err = capsys.readouterr()
    told = one_error(out)
    assert told["exit_code"] == code
    assert told["error"]["type"] == kind
    assert said in json.dumps(told["error"])
    assert "Traceback" not in err
    assert "Error" in err


def test_without_json_nothing_of_an_error_is_on_standard_output(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["show", "x"]) == 1
    out, err = capsys.readouterr()
    assert not out
    assert "no metadata database" in err


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            ConfigError("wrong", where="a.py:3", hint="mend it.", problems=["x", "y"]),
            {"type": "ConfigError", "message": "wrong", "where": "a.py:3", "hint": "mend it.", "problems": ["x", "y"]},
        ),
        (GateError("closed"), {"type": "GateError", "message": "closed", "where": None, "hint": None, "problems": []}),
        (
            FileNotFoundError(2, "No such file or directory", "a.csv"),
            {
                "type": "FileNotFoundError", "message": "no such file or directory", "where": "a.csv",
                "hint": "nothing can be read or made there.", "problems": [],
            },
        ),
        (
            KeyboardInterrupt(),
            {"type": "Interrupted", "message": "interrupted", "where": None, "hint": None, "problems": []},
        ),
    ],
)  # fmt: skip
def test_every_kind_of_error_has_the_same_keys(capsys, error, told):
    print_json(error, 1)
    assert one_error(capsys.readouterr().out) == {"error": told, "exit_code": 1}


def test_another_librarys_error_says_how_to_see_more(capsys):
    print_json(ZeroDivisionError("division by zero"), 1)
    told = one_error(capsys.readouterr().out)["error"]
    assert (told["type"], told["message"]) == ("ZeroDivisionError", "division by zero")
    assert "--debug" in told["hint"]


def test_an_interrupted_command_is_130_in_json_too(monkeypatch, capsys):
    def stop(*given: object, **more: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(app.cli, "main", stop)
    assert main(["runs", "--json"]) == 130
    assert one_error(capsys.readouterr().out)["exit_code"] == 130


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["runs", "--json"], True),
        (["lineage", "1", "--format", "json"], True),
        (["lineage", "1", "--format=json"], True),
        (["lineage", "1", "--format", "dot"], False),
        (["runs"], False),
        ([], False),
    ],
)
def test_what_asks_for_json(arguments, wanted):
    assert wants_json(arguments) is wanted


@pytest.mark.parametrize("word", ["rnus", "shcema"])
def test_misspelt_commands_are_answered_with_the_right_one(word, capsys):
    right = {"rnus": "runs", "shcema": "schema"}[word]
    assert main([word]) == 2
    assert f"Did you mean '{right}'" in capsys.readouterr().err


def test_the_schema_error_of_a_file_is_json_too(tmp_path, capsys):
    file = tmp_path / "schema.pbtxt"
    file.write_text("feature { nam: 'x' }")
    assert main(["schema", "view", str(file), "--json"]) == 1
    assert one_error(capsys.readouterr().out)["error"]["type"] == SchemaError.__name__


def test_schemas_that_are_made_and_rows_that_are_made_up_are_told_as_json(tmp_path, capsys):
    (tmp_path / "x.csv").write_text("a,b\n1,x\n2,y\n")
    schema, rows = str(tmp_path / "schema.pbtxt"), str(tmp_path / "rows.jsonl")
    assert main(["schema", "infer", str(tmp_path / "x.csv"), "--out", schema, "--json"]) == 0
    assert [feature["name"] for feature in json.loads(capsys.readouterr().out)["feature"]] == ["a", "b"]
    assert main(["schema", "generate", schema, "--rows", "3", "--out", rows, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"out": rows, "rows": 3}
    assert main(["validate", str(tmp_path / "x.csv"), schema, "--json"]) == 0
    assert SHAPES["validate"].fits(json.loads(capsys.readouterr().out))
    (tmp_path / "y.csv").write_text("a,b\n1,z\n2,y\n")
    asked = ["schema", "accept", schema, "--data", str(tmp_path / "y.csv"), "--json"]
    assert main(asked) == 2
    assert "nobody is asked" in one_error(capsys.readouterr().out)["error"]["message"]
    assert main([*asked, "--dry-run"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert SHAPES["schema accept"].fits(told)
    assert (told["dry_run"], told["written"]) == (True, None)
    assert [(f["feature"], f["accepted"]) for f in told["findings"]] == [(["b"], False)]
    assert main([*asked, "--all"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["written"] == schema
    assert [finding["accepted"] for finding in told["findings"]] == [True]
    assert '"z"' in (tmp_path / "schema.pbtxt").read_text()


def test_help_tells_all_exit_codes():
    shown = CliRunner().invoke(cli, ["--help"]).output
    assert all(str(code) in shown for code in EXIT_CODES)
