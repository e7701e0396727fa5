"""Counts that a page names are those of the files that tests keep true."""

from __future__ import annotations

import ast
import json
import re

from docs_blocks import ROOT

LISTS = (
    "tests/data_validation/conformance_gaps.json",
    "tests/data_validation/conformance_gaps_statistics.json",
    "tests/data_validation/conformance_generators_gaps.json",
    "tests/data/csv_gaps.json",
)


def test_the_page_for_tfx_users_counts_upstreams_cases_as_the_lists_of_gaps_do():
    passing, failing, names = 0, set(), set()
    for name in LISTS:
        found = json.loads((ROOT / name).read_text())
        found = found.get("validation", found)
        counts = found["passing"]
        names |= {key for key in counts if counts[key]} if isinstance(counts, dict) else set()
        passing += sum(counts.values()) if isinstance(counts, dict) else counts
        failing |= {case for cases in found["gaps"].values() for case in cases}
    elsewhere = {case for case in failing if case.startswith("py.bin_util.")}  # they pass with the cases of lift
    assert {"bin_util.bin_array"} <= names
    gaps = len(failing - elsewhere)
    text = (ROOT / "docs/coming_from_tfx.md").read_text(encoding="utf-8")
    told = re.search(r"^(\d+) of upstream's own test cases.*?(\d+) fail on purpose", text, re.MULTILINE | re.DOTALL)
    assert told is not None
    assert (int(told[1]), int(told[2])) == (passing + gaps, gaps)


def test_the_page_for_tfx_users_counts_the_cases_of_transform():
    """Pipelines by the list of gaps, functions by the lists in their test files; the wholes by upstream's file."""
    folder = ROOT / "tests" / "transform"
    text = " ".join((ROOT / "docs/coming_from_tfx.md").read_text(encoding="utf-8").split())
    told = re.search(
        r"test cases (\d+) pipelines are run against this\. (\d+) pass; .* names the other (\d+) .* Of (\d+) cases of "
        r"single functions (\d+) pass; (\d+) have another result .*?, (\d+) are of combiners .*? and (\d+) of steps",
        text,
    )
    assert told is not None
    pipelines, passing, gaps, functions, passing_functions, other, combiners, steps = map(int, told.groups())
    assert gaps == len(json.loads((folder / "conformance_gaps.json").read_text()))
    assert passing == pipelines - gaps
    assert passing_functions == functions - other - combiners - steps
    assert steps == sum(_literal(folder / "test_transform_functions_conformance.py", "NOT_HERE").values())
    gaussian = (folder / "test_transform_gaussian_conformance.py").read_text()
    assert other == len(re.findall(r'^    "params_\w+": ', gaussian, re.MULTILINE))
    cases = ROOT.parent / "shared" / "conformance" / "tft" / "mappers_analyzers.jsonl"
    if cases.exists():
        kinds = [json.loads(line)["kind"] for line in cases.read_text().splitlines()]
        assert (pipelines, functions) == (len(kinds) - kinds.count("function"), kinds.count("function"))


def _literal(path, name):
    """A constant of a file, without importing it."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == name:
            return ast.literal_eval(node.value)
    raise AssertionError(f"{path.name} has no {name}")


def test_names_of_tensorflow_transform_that_are_said_to_be_the_same_are():
    import trueline.transform as tlt

    text = (ROOT / "docs/coming_from_tfx.md").read_text(encoding="utf-8")
    part = text.partition("## TensorFlow Transform")[2]
    same, experimental = re.search(r"same keywords:\n`([^`]+)`, and in `experimental`\n`([^`]+)`", part).groups()
    assert set(same.split()) <= set(tlt.__all__)
    assert all(hasattr(tlt.experimental, name) for name in experimental.split())
    methods = re.search(r"its `([^`]+)` \|", part)[1].split()
    assert all(hasattr(tlt.TransformOutput, name) for name in methods)
    assert len(same.split()) > 35


def test_the_figures_of_speed_have_the_benchmarks_names():
    page = (ROOT / "docs/howto/features_at_scale.md").read_text(encoding="utf-8").partition("## Speed")[2]
    names = re.findall(r"`([\w.-]+)`(?=[ ,|]* \||, `)", page)
    source = (ROOT / "benchmarks/transform.py").read_text(encoding="utf-8")
    parts = {part for name in names if not name.endswith("_rows") for part in name.split(".")}
    assert {"apply", "pass", "one_row", "median_us"} <= parts
    assert [part for part in sorted(parts) if f'"{part}"' not in source] == []
    assert 'f"peak_mb_{rows}_rows"' in source


def test_the_page_for_tfx_users_counts_the_golden_cases_of_metrics():
    text = (ROOT / "docs/coming_from_tfx.md").read_text(encoding="utf-8")
    told = re.search(
        r"^Of upstream's (\d+) golden cases of metrics (\d+) pass; .* names the other (\d+) ", text, re.MULTILINE
    )
    assert told is not None
    cases, passing, gaps = map(int, told.groups())
    listed = json.loads((ROOT / "tests/model_analysis/model_analysis_not_passing.json").read_text())
    assert gaps == len(listed["metrics.jsonl"])
    assert passing == cases - gaps
    golden = ROOT.parent / "shared" / "conformance" / "tfma" / "metrics.jsonl"
    if golden.exists():
        assert cases == len(golden.read_text().splitlines())


def test_names_of_model_analysis_that_are_said_to_be_the_same_are():
    from trueline import model_analysis

    text = (ROOT / "docs/coming_from_tfx.md").read_text(encoding="utf-8")
    same = re.search(r"## TensorFlow Model Analysis\n.*?The same names: `([^`]+)`", text, re.DOTALL)[1].split()
    assert len(same) > 15
    assert [name for name in same if not hasattr(model_analysis, name)] == []
