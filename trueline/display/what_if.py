"""The what-if page as HTML: a frame with headings and controls, the document, and the script that fills it.

Offline, models and onnxruntime-web lie in the page (or in scripts beside it) as compressed base64, and its policy lets
it ask nobody for anything; behind the local app it may ask that app alone.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote

from trueline._core.errors import ConfigError
from trueline._core.web import RUNTIME_FILES
from trueline.display.html import Html, Safe, join, number, tag, visible
from trueline.display.what_if_script import content_hash, page_script

__all__ = ["folder_of", "policy", "what_if_html", "what_if_parts"]

_ABOUT = (
    "Pick a row, change its values, and see what the model says. Curves show what it would say with other values of "
    "one feature, all else as it stands; a click on one sets the value."
)


def what_if_parts(models: Sequence[bytes], runtime: str) -> dict[str, str]:
    """What the page runs, each part as base64 of its gzip: ``runtime``, ``wasm``, ``model-0`` and so on.

    Args:
        models: ONNX files.
        runtime: the folder ``dist`` of the npm package onnxruntime-web.

    Raises:
        ConfigError: the folder lacks a file.
    """
    paths = [Path(runtime) / name for name in RUNTIME_FILES]
    absent = [p.name for p in paths if not p.is_file()]
    if absent:
        raise ConfigError(
            f"the folder has no {' and no '.join(absent)}",
            where=str(runtime),
            hint="npm install onnxruntime-web, and give node_modules/onnxruntime-web/dist; or serve the page.",
        )
    script, wasm = (p.read_bytes() for p in paths)
    parts = {"runtime": script, "wasm": wasm} | {f"model-{i}": m for i, m in enumerate(models)}
    return {name: base64.b64encode(gzip.compress(data, 9, mtime=0)).decode("ascii") for name, data in parts.items()}


def folder_of(path: str) -> str:
    """The name of the folder beside a page."""
    name = path.rstrip("/").rpartition("/")[2]
    return f"{name.removesuffix('.html')}_files"


def what_if_html(
    document: Mapping[str, Any],
    parts: Mapping[str, str] | None = None,
    *,
    folder: str | None = None,
    endpoint: str | None = None,
) -> tuple[str, dict[str, str]]:
    """The page, and the files that belong beside it by their relative names.

    Args:
        document: what it shows.
        parts: what it runs; see `what_if_parts`. None where the local app answers.
        folder: put the parts into scripts in this folder.
        endpoint: where the app answers, such as ``predict``.
    """
    beside: dict[str, str] = {}
    inside: list[Safe] = []
    for name, text in (parts or {}).items():
        if folder is None:
            inside.append(Html(f'<script type="text/plain" id="part-{name}">{text}</script>\n'))
        else:
            beside[f"{folder}/{name}.js"] = f'(globalThis.truelineParts ??= {{}})["{name}"] = "{text}";\n'
            inside.append(tag("script", src=Html(f"{quote(folder)}/{name}.js")))
    shown = dict(document) | ({"endpoint": endpoint} if endpoint else {})
    data = json.dumps(shown, ensure_ascii=False, allow_nan=False).replace("<", "\\u003c")
    style, script = "".join(_asset(n) for n in ("style.css", "what_if.css")), page_script()
    rules = policy(endpoint=endpoint, files=folder is not None)
    head = (
        f"<meta charset='utf-8'><meta http-equiv='Content-Security-Policy' content=\"{rules}\">"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        "<meta name='referrer' content='no-referrer'>"
        f"{tag('title', str(document['title']))}<link rel='icon' href='data:,'><style>{style}</style>"
    )
    data_block = f'<script type="application/json" id="document">{data}</script>'
    html = (
        f"<!doctype html>\n<html lang='en'><head>{head}</head>\n<body class='tl'>{_frame(document)}\n{data_block}\n"
        f"{join(inside)}<script>{script}</script></body></html>\n"
    )
    return html, beside


def policy(*, endpoint: str | None, files: bool = False) -> str:
    """The page's content security policy: its own script and style by their hashes, nobody to talk to but the app."""
    style, script = "".join(_asset(n) for n in ("style.css", "what_if.css")), page_script()
    runs = [content_hash(script)]
    if endpoint is None:
        runs += ["blob:", "'wasm-unsafe-eval'", *(["'self'", "file:"] if files else [])]
    rules = {
        "default-src": "'none'",
        "script-src": " ".join(runs),
        "style-src": content_hash(style),
        "img-src": "data:",
        "connect-src": "'self'" if endpoint else "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in rules.items())


def _asset(name: str) -> str:
    return files("trueline.display").joinpath("assets", name).read_text(encoding="utf-8")


def _frame(document: Mapping[str, Any]) -> Html:
    """All that stands on the page before its script runs."""
    return join(
        [
            tag("h1", visible(str(document["title"])), dir="auto"),
            tag("p", visible(_facts(document)), class_="soft", dir="auto"),
            tag("p", _ABOUT),
            tag("noscript", tag("p", "This page needs JavaScript.", class_="bad")),
            tag("p", id="state", role="status", class_="soft"),
            tag("p", id="alert", role="alert", class_="bad"),
            tag("main", _rows_section(document), _row_section(), class_="what-if"),
            _curves_section(document),
            _threshold_section(document),
        ]
    )  # fmt: skip


def _facts(document: Mapping[str, Any]) -> str:
    models = " and ".join(f"{m['name']} ({str(m['fingerprint'])[:12]})" for m in document["models"])
    rows = f"{number(len(document['rows']))} of {number(document['total'])} rows"
    return " · ".join([models, str(document["task"]), f"label {document['label']}", rows])


def _control(label: str, control: Html) -> Html:
    return tag("label", f"{label} ", control, class_="control")


def _select(id_: str, options: Sequence[tuple[str, str]]) -> Html:
    return tag("select", *(tag("option", visible(text), value=Html(value)) for value, text in options), id=id_)


def _rows_section(document: Mapping[str, Any]) -> Html:
    across = [("place", "row of the data"), ("label", str(document["label"] or "label"))]
    across += [(f"f:{f['name']}", f["name"]) for f in document["fields"] if f["x"] is not None]
    reasons = dict.fromkeys(w for r in document["rows"] for w in r["why"])
    shown = [("", "all rows"), *((w, w) for w in reasons)]
    controls = [_control("Across", _select("x", across)), _control("Show", _select("why", shown))]
    classes = document["classes"]
    if classes is not None and len(classes) > 2:
        focus = [("", "the class that is said"), *((str(i), c) for i, c in enumerate(classes))]
        controls.append(_control("Class", _select("focus", focus)))
    legend = "" if classes is None else "✓ ● said what is true, ✕ × did not, ○ truth unknown."
    return tag(
        "section",
        tag("h2", "Rows", id="rows-title"),
        tag("div", *controls, class_="toolbar"),
        tag("div", id="scatter"),
        tag("p", legend, class_="soft"),
        tag("div", id="rows", class_="scroll", tabindex=0, role="region", aria_label="Rows as a table"),
        aria_labelledby="rows-title",
        class_="rows",
    )


def _row_section() -> Html:
    buttons = [("previous", "Previous row"), ("next", "Next row"), ("reset", "Undo all edits")]
    return tag(
        "section",
        tag("h2", "The row", id="row-title"),
        tag("div", *(tag("button", text, id=i, type="button") for i, text in buttons), class_="toolbar"),
        tag("div", id="answer"),
        tag("p", id="told", role="status", class_="unseen"),
        tag("h3", "Its values"),
        tag("div", id="editor"),
        tag("h3", "The nearest row with another outcome"),
        tag("div", id="nearest"),
        aria_labelledby="row-title",
        class_="row",
    )


def _curves_section(document: Mapping[str, Any]) -> Html:
    names = [visible(str(m["name"])) for m in document["models"]]
    legend = tag("p", f"Solid: {names[0]}. Dashed and hollow: {names[1]}.", class_="soft") if len(names) > 1 else ""
    heading = tag("h2", "Other values of one feature", id="curves-title")
    return tag("section", heading, legend, tag("div", id="curves"), aria_labelledby="curves-title")


def _threshold_section(document: Mapping[str, Any]) -> Html:
    classes = document["classes"]
    parts: list[Safe] = []
    if classes is None or len(classes) == 2:
        name = "Level" if classes is None else f"Threshold of the probability of {classes[1]}"
        step = None if classes is None else "0.005"
        slider = tag("input", type="range", id="threshold", min="0", max="1", step=step)
        own = tag("button", "The median" if classes is None else "The model's own", type="button", id="threshold-own")
        said = tag("output", id="threshold-said", for_="threshold")
        parts.append(tag("div", _control(visible(name), slider), said, " ", own, class_="toolbar"))
    note = (
        "Counted over the rows of the random sample, as they are in the data: rows that are shown for their errors, or "
        "for a slice, would make the picture worse than it is."
    )
    heading = tag("h2", "Errors in the sample", id="counts-title")
    return tag(
        "section",
        heading,
        *parts,
        tag("div", id="counts"),
        tag("p", note, class_="soft"),
        aria_labelledby="counts-title",
    )
