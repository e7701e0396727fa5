"""JAX functions with their parameters, Flax's nnx and linen modules: every task, several inputs, refusals, bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

jax = pytest.importorskip("jax", reason="NOT TESTED HERE: no JAX; run `make test-tensorflow`")

import jax.numpy as jnp  # noqa: E402
from flax import linen, nnx  # noqa: E402

from trueline._core.errors import ModelError  # noqa: E402
from trueline.models import Fitted, JaxModel  # noqa: E402
from trueline.models.exporters.weights import load_tensors  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning")

DENSE = ["length_filled", "depth", "mass", "ringed"]
IDS = ["island", "tip_bucket"]
SPECIES = ["Adelie", "Chinstrap", "Gentoo"]


def params(outputs: int, features: int = 4) -> dict[str, Any]:
    """A pytree of arrays."""
    rng = np.random.default_rng(outputs)
    return {
        "first": {"w": jnp.asarray(rng.normal(size=(features, 8)), jnp.float32), "b": jnp.ones(8) * 0.1},
        "last": [jnp.asarray(rng.normal(size=(8, outputs)), jnp.float32)],
    }


def apply(weights: Any, x: Any) -> Any:
    """Two layers."""
    return jnp.tanh(x @ weights["first"]["w"] + weights["first"]["b"]) @ weights["last"][0]


def embed(weights: Any, dense: Any, ids: Any) -> Any:
    """Ids and numbers, by the names of the arguments."""
    flat = weights["table"][ids].reshape(ids.shape[0], 6)
    return jnp.concatenate([dense, flat], axis=1) @ weights["w"]


def arrays_of(line: Any, features: list[str], inputs: Any = None) -> Any:
    """All rows as the model takes them."""
    return line.fn_args("importance", features).train.arrays(inputs).x


def main_output(model: Any, table: Any) -> Any:
    """The main output of the artifact."""
    found = model.predict(table).column(model.runtime.outputs[0]["name"])
    return np.array(found.to_pylist(), np.float64)


TASKS = [
    pytest.param(1, "big_tipper", "binary", {"output": "logits"}, id="binary"),
    pytest.param(3, "species", "multiclass", {"output": "logits", "classes": SPECIES}, id="multiclass-text"),
    pytest.param(1, "tips", "regression", {}, id="regression"),
    pytest.param(1, "tips", "ranking", {"output": "score"}, id="ranking"),
    pytest.param(5, None, "embedding", {"output": "embedding"}, id="embedding"),
]


@pytest.mark.parametrize(("outputs", "label", "task", "said"), TASKS)
def test_every_task_agrees_with_jax_in_any_batch(
    line: Any, tmp_path: Path, outputs: int, label: Any, task: str, said: Any
) -> None:
    net = JaxModel(apply, params(outputs))
    model = line.build(Fitted(net, **said), tmp_path / "m", label, DENSE)
    assert (model.task, model.info["framework"]) == (task, "jax")
    own = np.asarray(net(arrays_of(line, DENSE)), np.float64)
    if task == "binary":
        own = 1 / (1 + np.exp(-own))
        own = np.concatenate([1 - own, own], 1)
    if task == "multiclass":
        own = np.exp(own) / np.exp(own).sum(1, keepdims=True)
    for start, size in ((0, line.table.num_rows), (3, 1), (5, 7)):
        found = main_output(model, line.table.slice(start, size))
        np.testing.assert_allclose(found.reshape(size, -1), own[start : start + size], rtol=1e-5, atol=1e-5)


def test_ids_are_an_input_by_name_and_the_parameters_lie_beside(line: Any, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    weights = {
        "table": jnp.asarray(rng.normal(size=(8, 3)), jnp.float32),
        "w": jnp.asarray(rng.normal(size=(10, 3)), jnp.float32),
    }
    inputs = {"ids": IDS, "dense": DENSE}
    model = line.build(
        Fitted(JaxModel(embed, weights), inputs, "logits", SPECIES), tmp_path / "m", "species", DENSE + IDS
    )
    assert model.info["inputs"][1] == {"name": "ids", "dtype": "int64", "features": IDS}
    x = arrays_of(line, DENSE + IDS, inputs)
    own = jax.nn.softmax(embed(weights, jnp.asarray(x["dense"]), jnp.asarray(x["ids"].astype(np.int32))))
    np.testing.assert_allclose(model.predict_proba(line.table), own, rtol=1e-5, atol=1e-5)
    kept = load_tensors((tmp_path / "m/native/params.safetensors").read_bytes())
    assert sorted(kept) == ["table", "w"]
    np.testing.assert_array_equal(kept["table"], weights["table"])
    with pytest.raises(ModelError, match="embed takes dense, ids; the inputs are numbers, ids"):
        line.build(
            Fitted(JaxModel(embed, weights), {"numbers": DENSE, "ids": IDS}, "logits", SPECIES),
            tmp_path / "n",
            "species",
            DENSE + IDS,
        )


class Nnx(nnx.Module):
    """Batch statistics and dropout, which evaluation mode must switch off; an image of two by two."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.conv = nnx.Conv(1, 3, (2, 2), rngs=rngs)
        self.norm = nnx.BatchNorm(12, rngs=rngs)
        self.drop = nnx.Dropout(0.5, rngs=rngs)
        self.last = nnx.Linear(12, 3, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        image = self.conv(x.reshape(x.shape[0], 2, 2, 1))
        return self.last(self.drop(nnx.relu(self.norm(image.reshape(x.shape[0], 12)))))


def test_an_nnx_module_is_exported_in_evaluation_mode_and_keeps_its_own(line: Any, tmp_path: Path) -> None:
    net = Nnx(nnx.Rngs(3))
    net.train()
    model = line.build(Fitted(net, output="logits", classes=SPECIES), tmp_path / "m", "species", DENSE)
    assert not net.drop.deterministic, "the user's module is left in its mode"
    net.eval()
    own = jax.nn.softmax(net(jnp.asarray(arrays_of(line, DENSE))))
    np.testing.assert_allclose(model.predict_proba(line.table), own, rtol=1e-5, atol=1e-5)
    assert "last/kernel" in load_tensors((tmp_path / "m/native/params.safetensors").read_bytes())


class Linen(linen.Module):
    """A linen module."""

    @linen.compact
    def __call__(self, x: Any) -> Any:
        return linen.Dense(1)(linen.tanh(linen.Dense(5)(x)))


def test_a_linen_module_travels_with_its_variables_or_not_at_all(line: Any, tmp_path: Path) -> None:
    net = Linen()
    variables = net.init(jax.random.key(0), jnp.zeros((1, 4)))
    own = np.asarray(net.apply(variables, arrays_of(line, DENSE)))[:, 0]
    for name, given in (("bound", net.bind(variables)), ("function", JaxModel(net.apply, variables))):
        model = line.build(Fitted(given), tmp_path / name, "tips", DENSE)
        np.testing.assert_allclose(main_output(model, line.table), own, rtol=1e-5, atol=1e-5)
        kept = load_tensors((tmp_path / name / "native/params.safetensors").read_bytes())
        assert "params/Dense_0/kernel" in kept
    with pytest.raises(ModelError, match=r"Linen is a linen module without its variables(.|\n)*bind"):
        line.build(Fitted(net), tmp_path / "n", "tips", DENSE)


def test_missing_values_bytes_and_pooling(line: Any, tmp_path: Path) -> None:
    def pooled(_: Any, x: Any) -> Any:
        image = jnp.where(jnp.isnan(x), -1.0, x).reshape(x.shape[0], 2, 2, 1)
        window = (1, 2, 2, 1)
        return jax.lax.reduce_window(image, -jnp.inf, jax.lax.max, window, window, "VALID").reshape(x.shape[0])

    features = ["length", "depth", "mass", "ringed"]
    for name in ("a", "b"):
        model = line.build(Fitted(JaxModel(pooled, ())), tmp_path / name, "tips", features)
    x = arrays_of(line, features)
    assert np.isnan(x).any()
    np.testing.assert_allclose(main_output(model, line.table), np.where(np.isnan(x), -1, x).max(1), rtol=1e-6)
    assert (tmp_path / "a/model.onnx").read_bytes() == (tmp_path / "b/model.onnx").read_bytes()


def test_what_cannot_travel_is_refused_by_name(line: Any, tmp_path: Path, nothing_written: Any) -> None:
    def branches(_: Any, x: Any) -> Any:
        return x.sum(1) if x.sum() > 0 else -x.sum(1)

    cases = [
        (Fitted(JaxModel(branches, ())), "branches cannot be converted to ONNX by jax2onnx"),
        (Fitted(JaxModel(apply, params(1, 3))), r"apply fails on x float32\[3, 4\]"),
        (Fitted(JaxModel(lambda _, x: (x, x), ())), "must return one tensor"),
    ]
    for fitted, message in cases:
        with pytest.raises(ModelError, match=message):
            line.build(fitted, tmp_path / "m", "tips", DENSE)
    with pytest.raises(ModelError, match="JaxModel's apply is a dict"):
        JaxModel(params(1), apply)  # type: ignore[arg-type]
    assert nothing_written()
