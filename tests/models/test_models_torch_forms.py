"""PyTorch modules of many forms: images, sequences, bags, tied and narrow weights, wrappers, other tasks, refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trueline._core.errors import ModelError, ParityError
from trueline.models import Fitted

torch = pytest.importorskip("torch")
pytest.importorskip("onnxscript")
nn = torch.nn

pytestmark = [
    pytest.mark.frameworks,
    pytest.mark.torch,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning"),
]

DENSE = ["length_filled", "depth", "mass", "ringed"]
IDS = ["island", "tip_bucket"]
SPECIES = ["Adelie", "Chinstrap", "Gentoo"]


class Image(nn.Module):
    """A fixed vector is an image inside; batch statistics and dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 3, 2, padding=1),
            nn.BatchNorm2d(3),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Dropout(0.5),
            nn.Flatten(),
            nn.Linear(3, 3),
        )

    def forward(self, x: Any) -> Any:
        return self.layers(x.reshape(-1, 1, 2, 2))


class Recurrent(nn.Module):
    """An LSTM over ids."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.lstm = nn.Embedding(8, 4, padding_idx=0), nn.LSTM(4, 5, batch_first=True)
        self.last = nn.Linear(5, 1)

    def forward(self, ids: Any) -> Any:
        return self.last(self.lstm(self.embedding(ids))[0][:, -1])


class Attention(nn.Module):
    """A Transformer over padded ids: id 0 is padding and masked, unless all are."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(8, 4)
        layer = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.last = nn.Linear(4, 3)

    def forward(self, ids: Any) -> Any:
        kept = torch.cat([torch.ones_like(ids[:, :1]), ids], 1)
        found = self.encoder(self.embedding(kept), src_key_padding_mask=kept == 0)
        return self.last(found[:, 0])


class Bag(nn.Module):
    """A bag of ids."""

    def __init__(self) -> None:
        super().__init__()
        self.bag, self.last = nn.EmbeddingBag(8, 4, mode="sum"), nn.Linear(4, 1)

    def forward(self, ids: Any) -> Any:
        return self.last(self.bag(ids))


class IdsAmongNumbers(nn.Module):
    """Ids and numbers are one matrix of floats, as fn_args gives them without named inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.last = nn.Embedding(4, 3), nn.Linear(4, 3)

    def forward(self, x: Any) -> Any:
        return self.last(torch.cat([x[:, :1], self.embedding(x[:, 1].long())], dim=1))


class Tied(nn.Module):
    """One weight under two names."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)
        self.second.weight = self.first.weight

    def forward(self, x: Any) -> Any:
        return self.second(torch.tanh(self.first(x)))


class Narrow(nn.Module):
    """Weights of another width than float32; a caller casts the inputs to it."""

    def __init__(self, dtype: Any) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1)).to(dtype)

    def forward(self, x: Any) -> Any:
        return self.layers(x)


def seeded(make: Any) -> Any:
    """The module with the same weights every time."""
    torch.manual_seed(11)
    return make()


def main_output(model: Any, table: Any) -> Any:
    """The main output of the artifact."""
    found = model.predict(table).column(model.runtime.outputs[0]["name"])
    return np.array(found.to_pylist(), np.float64)


def own_output(module: Any, line: Any, features: list[str], ids: bool, dtype: Any = None) -> Any:
    """The module's own output on all rows, in evaluation mode."""
    inputs = {"ids": features} if ids else None
    x = line.fn_args("importance", features).train.arrays(inputs).x
    given = torch.from_numpy(x["ids"] if ids else x)
    with torch.no_grad():
        return module.eval()(given if dtype is None else given.to(dtype)).double().numpy()


FORMS = [
    pytest.param(Image, "species", False, {"output": "logits", "classes": SPECIES}, id="image"),
    pytest.param(Recurrent, "tips", True, {}, id="lstm"),
    pytest.param(Attention, "species", True, {"output": "logits", "classes": SPECIES}, id="transformer"),
    pytest.param(Bag, "tips", True, {"output": "score"}, id="bag-ranking"),
    pytest.param(Tied, None, False, {"output": "embedding"}, id="tied-embedding"),
]


@pytest.mark.parametrize(("make", "label", "ids", "said"), FORMS)
def test_every_form_agrees_with_torch_in_any_batch(
    line: Any, tmp_path: Path, make: Any, label: Any, ids: bool, said: Any
) -> None:
    module, features = seeded(make), IDS if ids else DENSE
    said = said | ({"inputs": {"ids": IDS}} if ids else {})
    model = line.build(Fitted(module, **said), tmp_path / "m", label, features)
    own = own_output(module, line, features, ids)
    if said.get("output") == "logits":
        own = np.exp(own) / np.exp(own).sum(1, keepdims=True)
    for start, size in ((0, line.table.num_rows), (3, 1), (5, 7)):
        found = main_output(model, line.table.slice(start, size))
        np.testing.assert_allclose(found.reshape(size, -1), own[start : start + size], rtol=2e-5, atol=1e-5)


def test_ids_in_a_column_of_floats_are_looked_up(line: Any, tmp_path: Path) -> None:
    module = seeded(IdsAmongNumbers)
    fitted = Fitted(module, output="logits", classes=SPECIES)
    model = line.build(fitted, tmp_path / "m", "species", ["depth", "island"])
    x = np.stack([line.fn_args("species", [n]).train.arrays()[0][:, 0] for n in ("depth", "island")], axis=1)
    with torch.no_grad():
        own = torch.softmax(module(torch.from_numpy(x)).double(), dim=1).numpy()
    there = line.table.filter(line.table.column("species").is_valid())
    np.testing.assert_allclose(model.predict_proba(there), own, atol=1e-6)


def test_tied_weights_come_back_tied_and_the_bytes_are_the_same(line: Any, tmp_path: Path) -> None:
    load = pytest.importorskip("safetensors.torch").load
    for name in ("a", "b"):
        line.build(Fitted(seeded(Tied), output="embedding"), tmp_path / name, None, DENSE)
    for name in ("model.onnx", "native/model.safetensors"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name
    again = Tied()
    again.load_state_dict(load((tmp_path / "a/native/model.safetensors").read_bytes()))
    assert again.second.weight is again.first.weight
    for name, tensor in seeded(Tied).state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor)


def test_a_trace_gives_the_same_bytes_and_serves_where_export_fails(
    line: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    import trueline.models.exporters.torch_graph as roads

    def fails(*_: Any) -> None:
        raise RuntimeError("not by this road")

    monkeypatch.setattr(roads, "_exported", fails)
    for name in ("a", "b"):
        model = line.build(Fitted(seeded(Image), output="logits", classes=SPECIES), tmp_path / name, "species", DENSE)
    assert (tmp_path / "a/model.onnx").read_bytes() == (tmp_path / "b/model.onnx").read_bytes()
    own = own_output(seeded(Image), line, DENSE, False)
    own = np.exp(own) / np.exp(own).sum(1, keepdims=True)
    np.testing.assert_allclose(model.predict_proba(line.table), own, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64], ids=str)
def test_weights_of_other_widths_are_kept_beside_and_served_as_float32(line: Any, tmp_path: Path, dtype: Any) -> None:
    load = pytest.importorskip("safetensors.torch").load
    module = seeded(lambda: Narrow(dtype))
    model = line.build(Fitted(module), tmp_path / "m", "tips", DENSE)
    wide = module if dtype == torch.float64 else seeded(lambda: Narrow(dtype)).float()
    own = own_output(wide, line, DENSE, False, torch.float64 if dtype == torch.float64 else None)
    np.testing.assert_allclose(main_output(model, line.table), own[:, 0], rtol=1e-5, atol=1e-5)
    assert module.layers[0].weight.dtype == dtype, "the user's module is left as it is"
    kept = load((tmp_path / "m/native/model.safetensors").read_bytes())
    assert torch.equal(kept["layers.0.weight"], module.layers[0].weight)


def test_wrappers_are_looked_through(line: Any, tmp_path: Path) -> None:
    plain = line.build(Fitted(seeded(Image), output="logits", classes=SPECIES), tmp_path / "a", "species", DENSE)
    inner = seeded(Image)
    inner.layers[6] = torch.compile(inner.layers[6], backend="eager")
    for name, wrapped in (
        ("compiled", torch.compile(seeded(Image), backend="eager")),
        ("inside", inner),
        ("parallel", nn.DataParallel(seeded(Image))),
    ):
        model = line.build(Fitted(wrapped, output="logits", classes=SPECIES), tmp_path / name, "species", DENSE)
        assert (tmp_path / name / "model.onnx").read_bytes() == (tmp_path / "a/model.onnx").read_bytes(), name
    assert model.classes == plain.classes


def test_missing_values_travel_through_alike(line: Any, tmp_path: Path) -> None:
    class Fills(nn.Module):
        """Nan is nine."""

        def forward(self, x: Any) -> Any:
            return torch.nan_to_num(x, nan=9.0).sum(1)

    features = ["length", "depth"]
    x = line.fn_args("importance", features).train.arrays().x
    assert np.isnan(x).any()
    filled = line.build(Fitted(Fills()), tmp_path / "m", "tips", features)
    np.testing.assert_allclose(main_output(filled, line.table), np.where(np.isnan(x), 9, x).sum(1), rtol=1e-5)
    plain = line.build(Fitted(seeded(lambda: nn.Linear(2, 1))), tmp_path / "n", "tips", features)
    np.testing.assert_array_equal(np.isnan(main_output(plain, line.table)), np.isnan(x).any(1))


class Branches(nn.Module):
    """Control flow over values."""

    def forward(self, x: Any) -> Any:
        if x.sum().item() > 0:  # the line that the error names
            return x.sum(1)
        return -x.sum(1)


class Several(nn.Module):
    """Two outputs."""

    def forward(self, x: Any) -> Any:
        return x, x


class Computed(nn.Module):
    """Holds a result of a computation."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(4))
        self.double = self.weight * 2

    def forward(self, x: Any) -> Any:
        return (x * self.double).sum(1)


REFUSED = [
    pytest.param(
        Branches,
        r"Branches cannot be exported \(test_models_torch_forms\.py, line \d+: if x\.sum\(\)\.item\(\)",
        id="branches",
    ),
    pytest.param(Several, r"Several\.forward must return one tensor(.|\n)*tuple", id="two-outputs"),
    pytest.param(Computed, r"Computed cannot be copied: Only Tensors created explicitly", id="computed"),
    pytest.param(lambda: nn.LazyLinear(1), r"without values(.|\n)*weight: its shape is not known yet", id="lazy"),
    pytest.param(
        lambda: nn.Linear(4, 1, device="meta"), r"without values(.|\n)*weight: it is on the meta device", id="meta"
    ),
]


@pytest.mark.parametrize(("make", "message"), REFUSED)
def test_what_cannot_travel_is_refused_by_name(
    line: Any, tmp_path: Path, nothing_written: Any, make: Any, message: str
) -> None:
    with pytest.raises((ModelError, ParityError), match=message):
        line.build(Fitted(make()), tmp_path / "m", "tips", DENSE)
    assert nothing_written()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="NOT TESTED HERE: no GPU")
def test_a_module_on_a_gpu_is_exported_from_a_copy(line: Any, tmp_path: Path) -> None:
    module = seeded(Image).cuda()
    model = line.build(Fitted(module, output="logits", classes=SPECIES), tmp_path / "m", "species", DENSE)
    assert next(module.parameters()).is_cuda
    own = own_output(seeded(Image), line, DENSE, False)
    own = np.exp(own) / np.exp(own).sum(1, keepdims=True)
    np.testing.assert_allclose(model.predict_proba(line.table), own, rtol=1e-5, atol=1e-5)
