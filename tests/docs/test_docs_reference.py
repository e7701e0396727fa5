"""The reference is what the docstrings say now, and leaves no public name out."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys

from docs_blocks import ROOT

SCRIPT = ROOT / "scripts" / "make_reference.py"
PAGE = ROOT / "docs" / "reference.md"


def run(*arguments):
    return subprocess.run([sys.executable, SCRIPT, *arguments], capture_output=True, text=True, timeout=120, cwd=ROOT)


def test_the_reference_is_up_to_date():
    checked = run("--check")
    assert checked.returncode == 0, f"{checked.stdout}{checked.stderr}"


def test_every_public_name_has_an_entry_with_a_sentence():
    sections = re.split(r"^### ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    said = {
        section.partition("\n")[0].strip("`"): re.sub(r"```.*?```", "", section, flags=re.DOTALL)
        for section in sections
    }
    rooms = re.findall(r"^## (trueline\S*)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(rooms) == 18
    public = {name for room in rooms for name in importlib.import_module(room).__all__}
    assert public <= set(said)
    silent = [name for name in sorted(public) if not said[name].partition("\n")[2].strip()]
    assert silent == []


def test_no_address_and_no_path_gets_into_the_page():
    text = PAGE.read_text(encoding="utf-8")
    assert not re.search(r" at 0x|<function|/home/|<factory>", text)
