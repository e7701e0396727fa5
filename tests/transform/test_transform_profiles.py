"""The profile `server`: what it adds, who refuses it and in which words, that it is served, and that nothing leaks."""

from __future__ import annotations

import asyncio
import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import onnx
import pyarrow as pa
import pytest
from helpers_transform import by_onnx, by_oracle, graph_of

import trueline.transform as tlt
from trueline._core.errors import ModelError, TransformError
from trueline._core.runtime import make_session
from trueline._core.values import RawFeature
from trueline.engine.base import Dataset
from trueline.transform.lower_onnx import Target, lower
from trueline.transform.operations import OPERATIONS

TEXT = [RawFeature("zip", "utf8")]
TABLE = pa.table({"zip": ["94-107 CA", "", None, "1", "a\0 1", "1 2"]})


def cleaned(x: Any) -> dict[str, Any]:
    digits = tlt.regex_replace(x["zip"], "[^0-9]+", "")
    doubled = tlt.regex_replace(x["zip"], r"(\d)", r"\1\1")
    return {"y": digits, "z": doubled}


def model_bytes() -> bytes:
    graph = graph_of(cleaned, TABLE)
    return bytes(lower(graph, [Target("y", graph.output("y"))]).SerializeToString())


def test_the_browser_refuses_it_by_name_line_and_alternative() -> None:
    """Both uses are told at once, each with its line."""
    with pytest.raises(TransformError) as caught:
        tlt.trace(cleaned, TEXT, profile="portable")
    told = str(caught.value)
    assert told.count("needs the `server` profile: the browser cannot run it; alternatives: tlt.map_values") == 2
    line = cleaned.__code__.co_firstlineno
    for used in (line + 1, line + 2):
        assert f"{Path(__file__).name}:{used})" in told
    assert "tlt.host" in told


@pytest.mark.parametrize("profile", ["server", "host", "tensorflow", None])
def test_other_profiles_take_it(profile: str | None) -> None:
    assert tlt.trace(cleaned, TEXT, profile=profile).output("y") >= 0


def test_tensorflow_has_all_that_the_server_adds() -> None:
    """So its profile allows these operations."""
    from trueline.transform.tensorflow.table import TENSORFLOW

    added = {name for name, record in OPERATIONS.items() if record.profile == "server"}
    assert "regex_replace" in added
    assert added <= set(TENSORFLOW)


def test_values() -> None:
    """Digits alone, digits twice; a text with a NUL character stays, since the kernel would cut it there."""
    graph = graph_of(cleaned, TABLE)
    for found in (by_onnx(graph, TABLE), by_oracle(graph, TABLE)):
        assert [found["y"].data[i] for i in (0, 1, 3, 4, 5)] == ["94107", "", "1", "a\0 1", "12"]
        assert [found["z"].data[i] for i in (0, 3, 5)] == ["9944-110077 CA", "11", "11 22"]


@pytest.mark.parametrize(
    ("pattern", "rewrite", "told"),
    [
        ("(", "", "missing \\)"),
        ("a", r"\1", "0 parenthesized"),
        ("a", "\\", "not allowed at end"),
        ("a\0", "", "NUL"),
        ("(?=a)", "", "invalid perl operator"),
    ],
)
def test_a_bad_pattern_is_refused_while_tracing(pattern: str, rewrite: str, told: str) -> None:
    """The kernel itself would log a line and leave every text as it is."""
    with pytest.raises(TransformError, match=told):
        tlt.trace(lambda x: {"y": tlt.regex_replace(x["zip"], pattern, rewrite)}, TEXT)


def test_without_the_package_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "onnxruntime_extensions" else found(name)
    )
    with pytest.raises(ModelError, match="profile 'server', which onnxruntime-extensions runs") as caught:
        make_session(model_bytes())
    assert "pip install 'trueline[serving]'" in str(caught.value.hint)


PROBE = """
import sys
import numpy as np, onnx, onnxruntime
from onnx import helper
from trueline._core.runtime import make_session

def loaded():
    return "_extensions_pydll" in open("/proc/self/maps").read()

text = helper.make_tensor_value_info("x", onnx.TensorProto.STRING, ["N"])
out = helper.make_tensor_value_info("y", onnx.TensorProto.STRING, ["N"])
plain = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "plain", [text], [out])
plain = helper.make_model(plain, opset_imports=[helper.make_opsetid("", 20)], ir_version=10).SerializeToString()
make_session(plain).run(None, {"x": np.array(["a"], object)})
assert not loaded(), "a portable graph loads the extensions"
server = open(sys.argv[1], "rb").read()
make_session(server)
assert loaded()
assert "onnxruntime_extensions" not in sys.modules, "the package itself is not needed"
make_session(plain)
try:
    onnxruntime.InferenceSession(server, providers=["CPUExecutionProvider"])
except Exception as error:
    assert "ai.onnx.contrib" in str(error), error
else:
    raise AssertionError("another session knows the operations too")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads the list of loaded libraries that Linux gives")
def test_only_sessions_that_need_the_operations_have_them(tmp_path: Path) -> None:
    """The library is loaded for a graph of the profile, and a session beside it does not know its operations."""
    (tmp_path / "server.onnx").write_bytes(model_bytes())
    subprocess.run([sys.executable, "-c", PROBE, str(tmp_path / "server.onnx")], check=True, timeout=120)


def served(x: Any) -> dict[str, Any]:
    digits = tlt.regex_replace(x["zip"], "[^0-9]+", "")
    ids = tlt.fill_missing(tlt.compute_and_apply_vocabulary(digits, num_oov_buckets=1), 0)
    return {"digits": tlt.one_hot(ids, 4), "fare": tlt.fill_missing(x["fare"], 0.0), "tip": x["tip"]}


def test_a_served_model_has_it(tmp_path: Path) -> None:
    """Analysed, trained, merged, written, loaded by the server: the server's answer is the model's own."""
    from sklearn.linear_model import LogisticRegression

    from trueline.models import build_model
    from trueline.serving import ServerOptions, create_app
    from trueline.training import FnArgs

    rng = np.random.default_rng(3)
    tips = rng.random(200) < 0.5
    zips = np.where(tips, "Z 10-001", "60/601 x").astype(object)
    raw = pa.table({"zip": zips, "fare": rng.normal(10, 3, 200), "tip": tips})
    features = [RawFeature("zip", "utf8"), RawFeature("fare", "float64"), RawFeature("tip", "bool", optional=False)]
    transform = tlt.analyze(tlt.trace(served, features, profile="server"), Dataset.from_table(raw, 64))
    train = Dataset.from_table(transform.transform(raw), 64)
    wanted = ["digits", "fare"]
    x, y, _ = FnArgs.create(train=train, transform=transform, label="tip", features=wanted).train.arrays()
    base = tmp_path / "base"
    model = build_model(
        LogisticRegression(max_iter=100).fit(x, y),
        uri=str(base / "1"),
        transform=transform,
        label="tip",
        features=wanted,
        sample=raw,
    )
    domains = {n.domain for n in onnx.load(base / "1" / "model.onnx").graph.node}
    assert "ai.onnx.contrib" in domains
    rows = [{"zip": "10 001", "fare": 9.0}, {"zip": "60601", "fare": 9.0}, {"zip": None, "fare": 9.0}]
    own = model.predict_proba(rows)
    assert own[0][1] > 0.9 > 0.1 > own[1][1]

    async def ask() -> Any:
        app = create_app({"taxi": str(base)}, ServerOptions(poll_seconds=0.05))
        await app.startup()
        try:
            async with asyncio.timeout(60):
                while not app.ready:
                    await asyncio.sleep(0.02)
            transport = httpx.ASGITransport(app=app)
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                return await client.post("/v1/models/taxi:predict", json={"instances": rows})
        finally:
            await app.shutdown()

    answer = asyncio.run(ask())
    assert answer.status_code == 200, answer.text
    found = np.array([p["probabilities"] for p in answer.json()["predictions"]], np.float32)
    np.testing.assert_array_equal(found, own)
