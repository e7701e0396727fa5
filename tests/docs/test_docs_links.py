"""Every link between pages leads to a file, and to a heading of it where it names one."""

from __future__ import annotations

import pytest
from docs_blocks import ROOT, headings_of, links_of, missing_lines, pages


@pytest.mark.parametrize("page", [*pages(), "examples/taxi/README.md", "examples/penguin/README.md", "CONTRIBUTING.md"])
def test_links_resolve(page):
    broken = []
    for link in links_of(page):
        target, _, anchor = link.partition("#")
        if "://" in target:
            continue
        path = (ROOT / page).parent / target if target else ROOT / page
        if not path.exists() or (anchor and anchor not in headings_of(path.resolve().relative_to(ROOT).as_posix())):
            broken.append(link)
    assert broken == []


def test_the_readme_leads_to_every_guide():
    reached, todo = set(), ["README.md"]
    while todo:
        page = todo.pop()
        reached.add(page)
        for link in links_of(page):
            target = ((ROOT / page).parent / link.partition("#")[0]).resolve()
            if target.suffix == ".md" and target.is_relative_to(ROOT):
                name = target.relative_to(ROOT).as_posix()
                todo += [name] if name not in reached else []
    assert set(pages()) <= reached


def test_shown_output_is_compared_line_by_line():
    real = "Trainer  complete  1.23 s  rows 2,002\nAUC 0.911\ndone"
    assert missing_lines("Trainer complete 0.9 s ...\n...\ndone", real, any_number=True) == []
    assert missing_lines("done\nTrainer ...", real, any_number=True) == []
    run = "Run 20261121-125915-9efe91: complete"
    assert missing_lines("Run 20250101-000000-abcdef: complete", run, any_number=True) == []
    assert missing_lines("Run 20250101-000000-abcdef: failed", run, any_number=True) != []
    assert missing_lines("AUC 0.908", real, any_number=False) == []
    assert missing_lines("AUC 0.85", real, any_number=False) == ["AUC 0.85"]
    assert missing_lines("Trainer failed 1 s", real, any_number=True) == ["Trainer failed 1 s"]
