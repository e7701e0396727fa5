"""Text and lists of tokens in onnxruntime-web: the values of `TransformOutput.transform`, in node.

The environment is made by scripts/web_env.sh.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from helpers_web import NODE, RUNTIME, Node, decode_arrays, encode

import trueline.transform as tlt
from trueline._core.feeds import Feeds
from trueline.transform.operations.unicode_case import DISPUTED
from trueline.transform.web_export import save_web

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(NODE is None, reason="NOT TESTED HERE: no node; install Debian's package nodejs"),
    pytest.mark.skipif(not RUNTIME.exists(), reason="NOT TESTED HERE: no onnxruntime-web; run scripts/web_env.sh"),
]
TEXTS = [
    *[
        "",
        None,
        " \u3000a b\x85",
        "İstanbul Straße ⒶⓐΣ",
        "日本 e\u0301 👍🏽!",
        "12",
        "-0",
        "9" * 30,
        "1e5",
        "\x01",
        "a,b,,",
    ],
    *["word " * 40, "x" * 1100, "9223372036854775807", "-9223372036854775809", "  ", "aaa", "\t\n"],
    "".join(chr(c) for c in sorted(DISPUTED)),
    "".join(chr(c) for c in range(0xC0, 0x250)),
    "".join(chr(c) for c in range(0x370, 0x530)),
    "".join(chr(c) for c in range(0x1E00, 0x2000)),
]


def preprocessing(x: Any) -> dict[str, Any]:
    t = x["t"]
    tokens = tlt.tokenize(t)
    return {
        "strip": tlt.strip(t),
        "rstrip": tlt.rstrip(t, "a b!"),
        "length": tlt.length(t),
        "part": tlt.substring(t, 1, 3),
        "end": tlt.substring(t, -2),
        "lower": tlt.lower(t, unicode=True),
        "upper": tlt.upper(t, unicode=True),
        "contains": tlt.contains(t, "a"),
        "number": tlt.parse_number(t, -1.0),
        "whole": tlt.parse_int(t),
        "split": tlt.split(t, ","),
        "words": tlt.split(t, None),
        "tokens": tokens,
        "alternatives": tlt.tokenize(t, "a|aa|[0-9]{1,3}"),
        "found": tlt.regex_extract(t, "[0-9]+"),
        "characters": tlt.characters(t),
        "ngrams": tlt.ngrams(tokens, (1, 3), "+"),
        "bag": tlt.bag_of_words(tokens, (1, 2)),
        "count": tlt.word_count(tokens),
        "joined": tlt.reduce_join(tokens, "-"),
        "mapped": tlt.map_values(t, {"12": "twelve", "": "none"}),
    }


def test_node_gives_the_same_values(tmp_path: Path) -> None:
    """In one batch of all rows, of none, and one row at a time."""
    table = pa.table({"t": pa.array(TEXTS, pa.string())})
    output = tlt.analyze_and_transform(table, preprocessing)[1]
    save_web(output, str(tmp_path / "page"), runtime=str(RUNTIME))
    with Node("graph_worker.mjs", str(tmp_path / "page"), str(RUNTIME)) as node:
        for part in (table, table.slice(0, 0), *(table.slice(i, 1) for i in range(len(TEXTS)))):
            answer = node.ask(
                {"graph": str(tmp_path / "page" / "transform.onnx"), "rows": encode(part.to_pylist()), "arrays": True}
            )
            assert "error" not in answer, answer["error"]
            found = decode_arrays(answer["arrays"])
            expected = Feeds(output.outputs).from_arrow(output.transform(part))
            assert found.keys() == {f"transformed:{name}" for name in expected}
            for name, array in expected.items():
                made = found[f"transformed:{name}"]
                if array.ndim == 2:  # a graph may pad further than its longest list is
                    made, rest = made[:, : array.shape[1]], made[:, array.shape[1] :]
                    assert not (rest != "").any()
                np.testing.assert_array_equal(made, array, err_msg=name)
