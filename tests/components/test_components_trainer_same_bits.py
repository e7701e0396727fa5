"""Equal data and seed are an equal model, byte for byte, in processes of their own; and a network that goes on."""

from __future__ import annotations

from pathlib import Path

import pytest
from trainer_line import apart, nodes, run

from trueline import LocalRunner, Pipeline
from trueline._core.manifest import read_manifest
from trueline.components import Importer
from trueline.models import Model
from trueline.pipeline.artifacts import Model as ModelType

pytestmark = pytest.mark.frameworks

SKLEARN = """
def run_fn(fn_args):
    from sklearn.ensemble import RandomForestClassifier
    x, y, _ = fn_args.train.arrays()
    return RandomForestClassifier(5, max_depth=4).fit(x, y)
"""
XGBOOST = """
def run_fn(fn_args):
    from xgboost import XGBClassifier
    x, y, _ = fn_args.train.arrays()
    return XGBClassifier(n_estimators=5, subsample=0.5, n_jobs=2, random_state=fn_args.seed).fit(x, y)
"""
LIGHTGBM = """
def run_fn(fn_args):
    from lightgbm import LGBMClassifier
    x, y, _ = fn_args.train.arrays()
    return LGBMClassifier(n_estimators=5, subsample=0.5, subsample_freq=1, n_jobs=2, verbose=-1,
                          deterministic=True, random_state=fn_args.seed).fit(x, y)
"""
TORCH = """
def run_fn(fn_args):
    import torch
    from safetensors.torch import load
    from trueline import Fitted

    net = torch.nn.Sequential(torch.nn.Linear(2, 4), torch.nn.Dropout(0.2), torch.nn.Linear(4, 1))
    if fn_args.base_model is not None:
        native = fn_args.base_model.native()
        (weights,) = [name for name in native.files if name.endswith(".safetensors")]
        net.load_state_dict(load(native.read(weights)))
        with torch.no_grad():
            x, y, _ = next(iter(fn_args.train.torch_loader(1000, shuffle=False)))
            first = torch.nn.functional.binary_cross_entropy_with_logits(net.eval()(x)[:, 0], y.float())
            fn_args.log("loss at first", first.item(), 0)
        net.train()
    adam = torch.optim.Adam(net.parameters(), lr=0.05)
    for epoch in range(fn_args.epochs):
        for x, y, _ in fn_args.train.torch_loader(64):
            loss = torch.nn.functional.binary_cross_entropy_with_logits(net(x)[:, 0], y.float())
            adam.zero_grad()
            loss.backward()
            adam.step()
        fn_args.log("loss", loss.item(), epoch)
    return Fitted(net.eval(), output="logits")
"""


CODES = {"sklearn": SKLEARN, "xgboost": XGBOOST, "lightgbm": LIGHTGBM, "torch": TORCH}


def test_twice_in_two_processes(tmp_path: Path) -> None:
    prints: list[dict[str, str]] = []
    for number in range(2):
        home = tmp_path / str(number)
        home.mkdir()
        for name, code in CODES.items():
            (home / f"{name}_model.py").write_text(code)
        said, _ = apart(home, list(CODES), seed=3, epochs=3).communicate(timeout=300)
        ends = [line.split() for line in said.splitlines()[-len(CODES) :]]
        assert [end[:2] for end in ends] == [[name, "COMPLETE"] for name in CODES], said
        prints.append({end[0]: read_manifest(end[2], "sha256").fingerprint for end in ends})
    assert prints[0] == prints[1]
    assert len(set(prints[0].values())) == len(CODES)


def test_a_network_goes_on_from_the_weights_of_a_base_model(tmp_path: Path) -> None:
    first = run(tmp_path, TORCH, epochs=12)
    base = Importer(source_uri=first.nodes["Trainer"].outputs["model"][0].uri, artifact_type=ModelType)
    line = [base, *nodes(tmp_path, epochs=1, base_model=base.outputs["result"])]
    second = LocalRunner().run(Pipeline("warm", line, root=str(tmp_path / "warm")))
    node = second.nodes["Trainer"]
    assert node.state == "COMPLETE", node.message
    info = Model.load(node.outputs["model"][0].uri).info
    assert info["training"]["base_model"] == {"name": "tall", "framework": "torch"}
    begun = Model.load(first.nodes["Trainer"].outputs["model"][0].uri).info["training"]["metrics"]["loss"]
    assert info["training"]["metrics"]["loss at first"]["last"] < (begun["max"] + begun["min"]) / 2
