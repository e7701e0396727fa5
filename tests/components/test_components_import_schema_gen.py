"""ImportSchemaGen: a curated schema is checked as a whole, copied as it is, and its contents are in the cache key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from trueline.components import ImportSchemaGen
from trueline.pipeline import Pipeline
from trueline.pipeline.results import NodeResult
from trueline.runners import LocalRunner

GOOD = """# curated by hand
feature { name: "town" type: BYTES domain: "towns" presence { min_fraction: 1.0 } }
feature { name: "address" type: STRUCT struct_domain { feature { name: "city" type: BYTES } } }
string_domain { name: "towns" value: "Bonn" }
"""


@pytest.fixture
def run(tmp_path: Path) -> Any:
    def go(text: str) -> NodeResult:
        (tmp_path / "schema.pbtxt").write_text(text)
        node = ImportSchemaGen(schema_file=str(tmp_path / "schema.pbtxt"))
        return LocalRunner().run(Pipeline("line", [node], root=tmp_path / "root")).nodes["ImportSchemaGen"]

    return go


def test_the_file_is_copied_as_it_is_and_an_edit_makes_a_new_schema(run: Any) -> None:
    first = run(GOOD)
    assert first.state == "COMPLETE", first.message
    assert Path(first.outputs["schema"][0].uri, "schema.pbtxt").read_text() == GOOD, "comments and all"
    assert run(GOOD).state == "CACHED"
    assert run(GOOD + "# a remark\n").state == "COMPLETE", "the file's contents are in the key"


def test_everything_that_is_wrong_is_told_at_once(run: Any) -> None:
    result = run("""
feature { name: "town" type: BYTES domain: "twons" }
feature { name: "town" type: BYTES }
feature { type: INT int_domain { min: 5 max: 1 } }
feature { name: "n" value_count { min: 3 max: 1 } presence { min_fraction: 2.0 } }
feature { name: "s" type: STRUCT struct_domain { feature { name: "x" } feature { name: "x" } } }
string_domain { name: "towns" value: "Bonn" }
string_domain { name: "towns" value: "Köln" }
float_domain { name: "share" min: 1.0 max: 0.0 }
""")
    assert result.state == "FAILED"
    for told in (
        "string_domain 'towns' is declared 2 times",
        "feature 'town' is declared 2 times",
        "feature 'town': its domain 'twons' does not exist. Did you mean 'towns'?",
        "feature '': it has no name",
        "feature '': its int_domain is empty: min 5 is above max 1",
        "feature 'n': its value_count is empty: min 3 is above max 1",
        "feature 'n': its min_fraction is 2; give a share from 0 to 1",
        "feature 's.x' is declared 2 times",
        "domain 'share' is empty: min 1.0 is above max 0.0",
    ):
        assert told in result.message, told


def test_what_does_not_parse_or_says_nothing(run: Any) -> None:
    broken = run('feature { nam: "town" }')
    assert "1:11" in broken.message
    assert "Did you mean 'name'?" in broken.message
    assert "it declares no feature" in run("# nothing yet\n").message
