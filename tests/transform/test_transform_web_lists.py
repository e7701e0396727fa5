"""Lists, vectors, images and mathematics in onnxruntime-web: the values of `TransformOutput.transform`, in node."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from helpers_web import NODE, RUNTIME, Node, decode_arrays, encode

import trueline.transform as tlt
from trueline._core.feeds import Feeds
from trueline.transform.web_export import save_web

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(NODE is None, reason="NOT TESTED HERE: no node; install Debian's package nodejs"),
    pytest.mark.skipif(not RUNTIME.exists(), reason="NOT TESTED HERE: no onnxruntime-web; run scripts/web_env.sh"),
]
WORDS = [["b", "é", "b", "日本", ""], [], None, ["b"], ["x", "x", "x"]]
NUMBERS = [[1.5, -2.0, math.nan], [0.1] * 9, [], None, [math.inf, 1e-300]]
ROWS = pa.table(
    {
        "w": pa.array(WORDS, pa.list_(pa.string())),
        "n": pa.array(NUMBERS, pa.list_(pa.float64())),
        "i": pa.array([[3, 1, 3], [], None, [2**60], [0, 0]], pa.list_(pa.int64())),
        "b": pa.array([[True, False], [], None, [False], [True]], pa.list_(pa.bool_())),
        "v": pa.array(
            [[0.5, -1.0, 2.0], [0.0, 0.0, 0.0], [1e6, 7.0, -3.0], [1.0] * 3, None], pa.list_(pa.float64(), 3)
        ),
    }
)
MATHS = ("sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "erf", "expm1")


def preprocessing(x: Any) -> dict[str, Any]:
    """Every operation on lists and vectors."""
    w, n, i, v = x["w"], x["n"], x["i"], x["v"]
    return {
        **{name: getattr(tlt, name)(v) for name in (*MATHS, "log2", "log10", "sign")},
        **{f"pad_{name}": tlt.pad(x[name], 2, side="left") for name in "wnib"},
        **{f"once_{name}": tlt.dedupe(x[name]) for name in "wnib"},
        **{f"tail_{name}": x[name][-2:] for name in "wnib"},
        **{f"last_{name}": x[name][-1] for name in "wnib"},
        **{f"{f.__name__}_{name}": f(x[name]) for f in (tlt.list_sum, tlt.list_min, tlt.list_max) for name in "ni"},
        **{f"sorted_{name}": tlt.list_sort(x[name]) for name in "niv"},
        "mean": tlt.list_mean(n),
        "any": tlt.list_any(x["b"]),
        "all": tlt.list_all(x["b"]),
        "length": tlt.list_length(tlt.fill_missing(w, [])),
        "joined": tlt.list_concat([w, tlt.lower(w), w[:1]]),
        "segments": tlt.segment_indices(i),
        "hot": tlt.multi_hot(i, 4, counts=True),
        "hashed": tlt.hash_trick(w, 8, signed=True),
        "product": tlt.matmul(v, [[0.1, 2.0], [0.3, -1.0], [0.7, 0.0]]),
        "stacked": tlt.stack([tlt.list_length(w), tlt.list_length(n)]),
        "angle": tlt.atan2(v[0], v[1]),
        "larger": tlt.resize_image(v, (1, 3, 1), (2, 5)),
        "mirror": tlt.flip_image(v, (1, 3, 1)),
    }


def test_node_gives_the_same_values(tmp_path: Path) -> None:
    """All rows, none, and one by one; float32 outputs within one unit in the last place, all else the same."""
    output = tlt.analyze_and_transform(ROWS, preprocessing)[1]
    save_web(output, str(tmp_path / "page"), runtime=str(RUNTIME))
    feeds = Feeds(output.outputs)
    with Node("graph_worker.mjs", str(tmp_path / "page"), str(RUNTIME)) as node:
        for part in (ROWS, ROWS.slice(0, 0), *(ROWS.slice(i, 1) for i in range(len(ROWS)))):
            request = {"graph": str(tmp_path / "page" / "transform.onnx"), "rows": encode(part.to_pylist())}
            answer = node.ask({**request, "arrays": True})
            assert "error" not in answer, answer["error"]
            found = decode_arrays(answer["arrays"])
            expected = feeds.from_arrow(output.transform(part))
            assert found.keys() == {f"transformed:{name}" for name in expected}
            for name, array in expected.items():
                _assert_near(found[f"transformed:{name}"], array, name)


def _assert_near(found: np.ndarray, expected: np.ndarray, name: str) -> None:
    """Equal, but for one unit in the last place of float32 and for the width of the padding."""
    assert found.dtype == expected.dtype, name
    width = min(found.shape[1], expected.shape[1]) if found.ndim == 2 else None
    for array in (found, expected):
        if width is not None and array.size:
            blank = array[:, width:]
            assert not blank.size or all(v in (0, "", False) for v in blank.ravel().tolist()), name
    if width is not None:
        found, expected = found[:, :width], expected[:, :width]
    if expected.dtype == np.float32:
        np.testing.assert_array_max_ulp(np.nan_to_num(found), np.nan_to_num(expected), 1)
        np.testing.assert_array_equal(np.isnan(found), np.isnan(expected), err_msg=name)
    else:
        np.testing.assert_array_equal(found, expected, err_msg=name)
