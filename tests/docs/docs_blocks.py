"""The fenced blocks of a Markdown page, and what their info words ask the tests to do with them.

* ``python``: a block whose first line is a comment with a file name is that file; others run in order, in one
  namespace a page. ``raises=Name``: it must raise that error. ``needs=a,b``: left out, with the output that follows,
  where one of these packages is not installed. ``needs=frameworks`` leaves it to the group of heavy frameworks.
* ``js needs=node``: a file, named in a comment on its first line, that node runs with onnxruntime-web.
* ``console run``: each line after ``$ `` is a command that must end with 0, or with the last one's ``exit=N``. What
  stands between is the output: every line must be found in the real output (in any order, for nodes run side by
  side); ``...`` stands for anything, numbers match any number, run ids any run id.
* ``sh run``: every line is a command.
* ``diff file=NAME``: the edit is made to the file.
* ``text output`` / ``text error``: what the last Python block printed or raised, compared the same way, but numbers
  must agree to 1 %.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

__all__ = ["ROOT", "Block", "blocks_of", "headings_of", "links_of", "missing_lines", "pages"]

ROOT = Path(__file__).resolve().parents[2]
_FENCE = re.compile(r"^```([^\n`]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?")
_RUN_ID = re.compile(r"\d{8}-\d{6}-[0-9a-f]{6}")
_TOKEN = re.compile(rf"({_NUMBER.pattern}|\.\.\.|\s+)")


@dataclass(frozen=True)
class Block:
    """One fenced block."""

    page: str
    line: int
    language: str
    flags: tuple[str, ...]
    text: str

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def file(self) -> str | None:
        """The file that a Python block is."""
        first = re.match(r"# (\S+\.py)$", self.text.partition("\n")[0])
        return first[1] if first and self.language == "python" else None

    @property
    def needs(self) -> tuple[str, ...]:
        """Packages without which the block is left out."""
        return tuple((self.option("needs") or "").split(",")) if self.option("needs") else ()

    def option(self, name: str) -> str | None:
        return next((f.partition("=")[2] for f in self.flags if f.startswith(f"{name}=")), None)


def pages() -> list[str]:
    """README and every page of the documentation, relative to the root."""
    return ["README.md", *sorted(p.relative_to(ROOT).as_posix() for p in (ROOT / "docs").rglob("*.md"))]


def blocks_of(page: str) -> list[Block]:
    text = (ROOT / page).read_text(encoding="utf-8")
    found = []
    for match in _FENCE.finditer(text):
        language, *flags = match[1].split() or [""]
        line = text.count("\n", 0, match.start()) + 2
        found.append(Block(page, line, language, tuple(flags), match[2]))
    assert text.count("\n```") + text.startswith("```") == 2 * len(found), f"{page}: a fence is not closed"
    return found


def links_of(page: str) -> list[str]:
    text = _FENCE.sub("", (ROOT / page).read_text(encoding="utf-8"))
    return re.findall(r"\[[^\]\n]+\]\(([^)\s]+)\)", text)


def headings_of(page: str) -> set[str]:
    """Anchors as the usual renderers make them."""
    text = _FENCE.sub("", (ROOT / page).read_text(encoding="utf-8"))
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


def missing_lines(shown: str, real: str, *, any_number: bool) -> list[str]:
    """The lines shown that the real text does not have."""
    lines = [line.strip() for line in _RUN_ID.sub("RUN-ID", real).splitlines()]
    wanted = [line.strip() for line in _RUN_ID.sub("RUN-ID", shown).splitlines()]
    wanted = [line for line in wanted if line not in ("", "...")]
    return [line for line in wanted if not any(_same(line, there, any_number) for there in lines)]


def _same(wanted: str, line: str, any_number: bool) -> bool:
    number = f"({_NUMBER.pattern})"
    parts = [_pattern(token, number) for token in _TOKEN.split(wanted) if token]
    found = re.fullmatch("".join(parts), line)
    if found is None or any_number:
        return found is not None
    shown = [_value(t) for t in _NUMBER.findall(wanted)]
    return all(
        abs(a - b) <= 0.01 * max(abs(a), abs(b)) for a, b in zip(shown, map(_value, found.groups()), strict=True)
    )


def _pattern(token: str, number: str) -> str:
    if token == "...":
        return ".*"
    if token.isspace():
        return r"\s+"
    return number if _NUMBER.fullmatch(token) else re.escape(token)


def _value(text: str) -> float:
    return float(text.replace(",", ""))
