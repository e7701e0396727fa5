"""PyTorch modules: several inputs with embedding ids, logits and probabilities, one and many columns, regression."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trueline._core.errors import ModelError, ParityError
from trueline.models import Fitted

torch = pytest.importorskip("torch")
pytest.importorskip("onnxscript")
pytestmark = pytest.mark.torch

DENSE = ["length_filled", "depth", "mass", "ringed"]
IDS = ["island", "tip_bucket"]
SPECIES = ["Adelie", "Chinstrap", "Gentoo"]


class TwoInputs(torch.nn.Module):
    """Embeddings of ids beside numbers, with dropout and batch statistics that evaluation mode must switch off."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.embedding = torch.nn.Embedding(8, 3)
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(4 + 6, 16),
            torch.nn.BatchNorm1d(16),
            torch.nn.ReLU(),
            torch.nn.Dropout(0.5),
            torch.nn.Linear(16, outputs),
        )

    def forward(self, dense: Any, ids: Any) -> Any:
        return self.layers(torch.cat([dense, self.embedding(ids).flatten(1)], 1))


class OneInput(torch.nn.Module):
    """A small network that returns ``[N, outputs]``, or ``[N]``, through an optional last function."""

    def __init__(self, outputs: int, last: Any = None, flat: bool = False) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.layers = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, outputs))
        self.last, self.flat = last, flat

    def forward(self, x: Any) -> Any:
        out = self.layers(x)
        out = out if self.last is None else self.last(out)
        return out[:, 0] if self.flat else out


def test_two_inputs_keep_ids_as_integers_and_match_the_module(line: Any, tmp_path: Path) -> None:
    inputs = {"ids": IDS, "dense": DENSE}
    x, _, _ = line.fn_args("species", DENSE + IDS).train.arrays(inputs)
    assert (x["ids"].dtype, x["dense"].dtype) == (np.int64, np.float32)
    module = TwoInputs(3).train()
    optimiser = torch.optim.SGD(module.parameters(), 0.1)
    y = np.searchsorted(SPECIES, line.fn_args("species", DENSE).train.arrays().y.astype(str))
    for _ in range(3):
        optimiser.zero_grad()
        out = module(torch.from_numpy(x["dense"]), torch.from_numpy(x["ids"]))
        torch.nn.functional.cross_entropy(out, torch.from_numpy(y)).backward()
        optimiser.step()
    fitted = Fitted(module, inputs=inputs, output="logits", classes=SPECIES)
    model = line.build(fitted, tmp_path / "m", "species", DENSE + IDS)
    assert module.training, "the user's module is left in its mode"
    assert model.info["inputs"] == [
        {"name": "dense", "dtype": "float32", "features": DENSE},
        {"name": "ids", "dtype": "int64", "features": IDS},
    ]
    whole = line.fn_args("importance", DENSE + IDS).train.arrays(inputs).x
    with torch.no_grad():
        own = torch.softmax(module.eval()(torch.from_numpy(whole["dense"]), torch.from_numpy(whole["ids"])), 1)
    np.testing.assert_allclose(model.predict_proba(line.table), own.numpy(), rtol=1e-5, atol=1e-5)
    table = model.predict(line.table)
    assert table.column("label").to_pylist() == [SPECIES[i] for i in own.argmax(1).tolist()]
    for size in (1, 7):
        part = model.predict_proba(line.table.slice(3, size))
        np.testing.assert_allclose(part, own.numpy()[3 : 3 + size], rtol=1e-5, atol=1e-5)


HEADS = [
    pytest.param(OneInput(1), "logits", id="one-logit"),
    pytest.param(OneInput(1, flat=True), "logits", id="flat-logit"),
    pytest.param(OneInput(2), "logits", id="two-logits"),
    pytest.param(OneInput(1, torch.sigmoid), "probabilities", id="one-probability"),
]


@pytest.mark.parametrize(("module", "output"), HEADS)
def test_binary_heads_agree_with_torch(line: Any, tmp_path: Path, module: Any, output: Any) -> None:
    model = line.build(Fitted(module, output=output), tmp_path / "m", "big_tipper", DENSE)
    assert (model.task, model.classes) == ("binary", [False, True])
    x = torch.from_numpy(line.fn_args("importance", DENSE).train.arrays().x)
    with torch.no_grad():
        raw = module(x).reshape(len(x), -1)
    if raw.shape[1] == 2:
        own = torch.softmax(raw, 1)[:, 1]
    else:
        own = (torch.sigmoid(raw) if output == "logits" else raw)[:, 0]
    np.testing.assert_allclose(model.predict_proba(line.table)[:, 1], own.numpy(), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(model.predict_proba(line.table).sum(axis=1), 1.0, rtol=1e-6)


def test_regression_needs_no_declaration_and_writes_no_pickle(line: Any, tmp_path: Path) -> None:
    load_file = pytest.importorskip("safetensors.torch").load_file
    module = OneInput(1)
    model = line.build(module, tmp_path / "m", "tips", DENSE)
    x = torch.from_numpy(line.fn_args("importance", DENSE).train.arrays().x)
    with torch.no_grad():
        own = module(x)[:, 0].numpy()
    np.testing.assert_allclose(model.predict(line.table).column("prediction"), own, rtol=1e-5, atol=1e-5)
    files = [p.name for p in (tmp_path / "m").rglob("*") if p.is_file()]
    kept = load_file(str(tmp_path / "m" / "native" / "model.safetensors"))
    for name, tensor in module.state_dict().items():
        assert torch.equal(kept[name], tensor), "the framework's own weights lie beside the graph, bit for bit"
    assert not [f for f in files if f.endswith((".pt", ".pth", ".pkl"))]


def test_what_torch_models_must_declare(line: Any, tmp_path: Path, nothing_written: Any) -> None:
    with pytest.raises(ModelError, match=r"what OneInput returns is not known(.|\n)*logits"):
        line.build(OneInput(3), tmp_path / "m", "species", DENSE)
    with pytest.raises(ModelError, match=r"classes of label 'species'(.|\n)*classes="):
        line.build(Fitted(OneInput(3), output="logits"), tmp_path / "m", "species", DENSE)
    with pytest.raises(ModelError, match="gives 3 output columns, which is 3 classes, and there are 2"):
        line.build(Fitted(OneInput(3), output="logits", classes=["a", "b"]), tmp_path / "m", "species", DENSE)
    with pytest.raises(ModelError, match=r"OneInput\.forward fails on x float32\[3, 3\]"):
        line.build(Fitted(OneInput(2), output="logits"), tmp_path / "m", "big_tipper", DENSE[:3])
    two = {"numbers": DENSE, "ids": IDS}
    with pytest.raises(ModelError, match="forward takes dense, ids; the inputs are numbers, ids"):
        line.build(Fitted(TwoInputs(2), two, "logits"), tmp_path / "m", "big_tipper", DENSE + IDS)
    assert nothing_written()


class Branches(torch.nn.Module):
    """Control flow over values, which no export can follow."""

    def forward(self, x: Any) -> Any:
        return x.sum(1, keepdim=True) if float(x.sum()) > 0 else -x.sum(1, keepdim=True)


def test_a_module_that_cannot_be_exported_says_why(line: Any, tmp_path: Path, nothing_written: Any) -> None:
    with pytest.raises(ModelError, match=r"Branches cannot be exported(.|\n)*control flow"):
        line.build(Branches(), tmp_path / "m", "tips", DENSE)
    assert nothing_written()


class MixesRows(torch.nn.Module):
    """Centres on the batch: its answer for a row depends on the rows beside it."""

    def forward(self, x: Any) -> Any:
        return (x - x.mean(0)).sum(1)


def test_a_module_that_mixes_the_rows_of_a_batch_is_refused(line: Any, tmp_path: Path, nothing_written: Any) -> None:
    with pytest.raises(ParityError, match=r"differently in a batch of 1 than in bulk(.|\n)*mixes rows"):
        line.build(MixesRows(), tmp_path / "m", "tips", DENSE)
    assert nothing_written()


class AnyInputs(torch.nn.Module):
    """Takes its inputs as ``*args``."""

    def forward(self, *parts: Any) -> Any:
        return torch.cat([p.float() for p in parts], 1).sum(1)


def test_a_module_with_star_arguments_takes_inputs_in_their_order(line: Any, tmp_path: Path) -> None:
    inputs = {"dense": DENSE, "ids": IDS}
    model = line.build(Fitted(AnyInputs(), inputs), tmp_path / "m", "tips", DENSE + IDS)
    x = line.fn_args("importance", DENSE + IDS).train.arrays().x
    np.testing.assert_allclose(model.predict(line.table).column("prediction"), x.sum(axis=1), rtol=1e-5, atol=1e-5)
