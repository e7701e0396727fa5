"""A LightningModule after its training: exported without its trainer, its data or its optimiser; copied cheaply."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trueline.models import Fitted
from trueline.models.exporters.torch_copy import cpu_copy

torch = pytest.importorskip("torch")
lightning = pytest.importorskip("lightning")
pytest.importorskip("onnxscript")

pytestmark = [pytest.mark.frameworks, pytest.mark.torch, pytest.mark.filterwarnings("ignore")]

DENSE = ["length_filled", "depth", "mass", "ringed"]
SPECIES = ["Adelie", "Chinstrap", "Gentoo"]


class NotCopied(torch.utils.data.Dataset):  # type: ignore[type-arg]
    """Data that must not be copied with the module."""

    def __init__(self, x: Any, y: Any) -> None:
        self.x, self.y = x, y

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, at: int) -> Any:
        return self.x[at], self.y[at]

    def __deepcopy__(self, memo: Any) -> Any:
        raise AssertionError("the data were copied")


class Classifier(lightning.LightningModule):
    """A small classifier that keeps its data and saves its hyperparameters."""

    def __init__(self, hidden: int, data: Any) -> None:
        super().__init__()
        self.save_hyperparameters("hidden")
        self.data = data
        self.layers = torch.nn.Sequential(torch.nn.Linear(4, hidden), torch.nn.ReLU(), torch.nn.Linear(hidden, 3))

    def forward(self, x: Any) -> Any:
        return self.layers(x)

    def training_step(self, batch: Any, at: int) -> Any:
        loss = torch.nn.functional.cross_entropy(self(batch[0]), batch[1])
        self.log("loss", loss)
        return loss

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), 0.1)


def trained(line: Any, root: Path) -> Any:
    """The module after an epoch; its trainer hangs on it."""
    lightning.seed_everything(5)
    args = line.fn_args("species", DENSE).train.arrays()
    y = torch.from_numpy(np.searchsorted(SPECIES, args.y.astype(str)))
    data = NotCopied(torch.from_numpy(args.x), y)
    module = Classifier(8, data)
    trainer = lightning.Trainer(
        max_epochs=1,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=str(root),
    )
    trainer.fit(module, torch.utils.data.DataLoader(data, batch_size=64))
    return module


def test_a_lightning_module_travels_without_what_trained_it(line: Any, tmp_path: Path) -> None:
    module = trained(line, tmp_path / "root")
    trainer = module.trainer
    model = line.build(Fitted(module, output="logits", classes=SPECIES), tmp_path / "m", "species", DENSE)
    assert module.trainer is trainer, "the user's module keeps its trainer"
    x = torch.from_numpy(line.fn_args("importance", DENSE).train.arrays().x)
    with torch.no_grad():
        own = torch.softmax(module.eval()(x), 1).numpy()
    np.testing.assert_allclose(model.predict_proba(line.table), own, rtol=1e-5, atol=1e-5)
    assert model.info["framework"] == "torch"
    kept = pytest.importorskip("safetensors.torch").load((tmp_path / "m/native/model.safetensors").read_bytes())
    assert set(kept) == set(module.state_dict())
    copied = cpu_copy(module)
    assert copied._trainer is None
    assert copied.data is module.data
    assert copied.layers[0].weight is not module.layers[0].weight
