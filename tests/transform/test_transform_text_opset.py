"""Graphs on text at later opsets, as merging with a model of another opset needs them."""

from __future__ import annotations

import subprocess
import sys

LATER_OPSET = """
import numpy as np
import onnx
import trueline.transform as tlt
from trueline._core.runtime import make_session
from trueline._core.values import RawFeature
from trueline.transform.bind import bind
from trueline.transform.lower_onnx import Target, lower

def made(x):
    tokens = tlt.tokenize(x["t"])
    return {
        "matches": tlt.matches(tokens, "a.*"),
        "number": tlt.parse_number(tokens, 0),
        "whole": tlt.parse_int(tokens, 0),
        "lower": tlt.lower(tokens),
        "unicode": tlt.upper(tokens, unicode=True),
        "ids": tlt.apply_vocabulary(tokens, ["ab"]),
        "mapped": tlt.map_values(tokens, {"ab": "c"}),
        "bag": tlt.bag_of_words(tokens, (1, 2)),
        "hash": tlt.hash_strings(tokens, 9),
        "stripped": tlt.parse_number(tlt.strip(x["t"])),
        "part": tlt.matches(tlt.substring(x["t"], 1, 2), "a"),
        "replaced": tlt.matches(tlt.regex_replace(x["t"], "a", "b"), "b"),
        "joined": tlt.length(tlt.reduce_join(tokens)),
    }

graph = bind(tlt.trace(made, [RawFeature("t", "utf8", optional=False)]), {})
model = lower(graph, [Target(name, index) for name, index in graph.outputs])
onnx.shape_inference.infer_shapes(model)
texts = {"t": np.array(["ab Ab é", "", " 12"], object)}
expected = make_session(model.SerializeToString()).run(None, texts)
later = onnx.version_converter.convert_version(model, 22)
for a, b in zip(make_session(later.SerializeToString()).run(None, texts), expected, strict=True):
    np.testing.assert_array_equal(a, b)
print("all the same")
"""


def test_text_graphs_can_be_brought_to_a_later_opset() -> None:
    """As merging with a model of a later opset needs. ONNX's shape inference faults where a type is not known."""
    command = [sys.executable, "-W", "ignore", "-c", LATER_OPSET]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip() == "all the same"
