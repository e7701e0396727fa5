"""The line, run once on the project's own data in a folder of the tests; every test may look at what came out."""

from __future__ import annotations

from pathlib import Path

import pytest
from pipeline import create_pipeline

from trueline import Examples, LocalRunner, Model


@pytest.fixture(scope="session")
def places(tmp_path_factory):
    """Where the tests' run puts what it makes."""
    home = tmp_path_factory.mktemp("line")
    return {"root": str(home / "line"), "serving_dir": str(home / "serving")}


@pytest.fixture(scope="session")
def ran(places):
    """The finished run."""
    result = LocalRunner().run(create_pipeline(**places))
    assert result.ok, result.message
    return result


@pytest.fixture(scope="session")
def pushed(ran, places):
    """The one model that was pushed, as a server would find it."""
    (version,) = Path(places["serving_dir"]).iterdir()
    return Model.load(str(version))


@pytest.fixture(scope="session")
def raw_rows(ran, pushed):
    """Rows held out, as a client would send them: the columns that the model asks for, missing ones left out."""
    examples = next(node.outputs["examples"][0] for name, node in ran.nodes.items() if name.endswith("ExampleGen"))
    wanted = [feature.name for feature in pushed.runtime.inputs]
    rows = Examples.open(examples.uri).table("eval", wanted).slice(0, 50).to_pylist()
    return [{name: value for name, value in row.items() if value is not None} for row in rows]
