"""The page's script: a few modules as one text, so that a page holds it and its policy can name its hash.

Modules here are written plainly: ``import { a, b } from "./x.mjs";`` on one line, and ``export`` before a function,
class or constant. Each becomes a function of its own that gives what it exports, so that names do not meet.
"""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from importlib import resources

__all__ = ["bundle", "content_hash", "page_script"]

_IMPORT = re.compile(r'^import \{ ([^}]*) \} from "\./([\w]+)\.mjs";$', re.MULTILINE)
_EXPORT = re.compile(r"^export ((?:async )?(?:function\*?|class|const|let) (\w+))", re.MULTILINE)
_LEFT = re.compile(r"^(?:import|export)\b.*$", re.MULTILINE)
_CORE = ("iso_time", "feeds", "graph")
_OWN = (
    "what_if_core", "what_if_draw", "what_if_models", "what_if_editor", "what_if_curves", "what_if_counts",
    "what_if_views", "what_if_page",
)  # fmt: skip


def bundle(modules: dict[str, str]) -> str:
    """One script out of modules, each after those that it imports.

    Raises:
        ValueError: a module that imports what does not stand before it, or that is not written plainly.
    """
    parts, seen = [], set[str]()
    for name, text in modules.items():
        for _, source in _IMPORT.findall(text):
            if source not in seen:
                raise ValueError(f"{name}.mjs imports {source}.mjs, which does not stand before it")
        body = _IMPORT.sub(lambda m: f"const {{ {m[1].replace(' as ', ': ')} }} = ${m[2]};", text)
        names = [m[1] for m in _EXPORT.findall(body)]
        body = _EXPORT.sub(r"\1", body)
        if left := _LEFT.search(body):
            raise ValueError(f"{name}.mjs is not written plainly: {left[0]}")
        parts.append(f"const ${name} = (() => {{\n{body}\nreturn {{ {', '.join(names)} }};\n}})();")
        seen.add(name)
    return '"use strict";\n' + "\n".join(parts) + "\n"


@cache
def page_script() -> str:
    """The script of the what-if page."""
    texts = {n: ("trueline._core", "js", n) for n in _CORE} | {n: ("trueline.display", "assets", n) for n in _OWN}
    return bundle(
        {
            name: resources.files(package).joinpath(folder, f"{file}.mjs").read_text(encoding="utf-8")
            for name, (package, folder, file) in texts.items()
        }
    )


def content_hash(text: str) -> str:
    """What a content security policy calls an inline script or style of this text."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode('utf-8')).digest()).decode('ascii')}'"
