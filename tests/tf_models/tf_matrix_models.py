"""Small models of TensorFlow, JAX and Flax for the data sets of the matrix. Each function is a ``run_fn``."""

from __future__ import annotations

from typing import Any

import numpy as np
from matrix_models import _columns, _output, _task, keras

__all__ = ["flax", "jax", "keras", "tensorflow"]


def _standardised(fn_args: Any) -> tuple[Any, Any, Any, Any]:
    x, y, _ = fn_args.train.arrays()
    mean, scale = x.mean(axis=0), x.std(axis=0) + 1e-3
    return x, y, mean, scale


def tensorflow(fn_args: Any) -> Any:
    """A tf.Module of two layers."""
    import tensorflow as tf

    from trueline.models import Fitted

    x, y, mean, scale = _standardised(fn_args)
    generator = np.random.default_rng(fn_args.seed)

    class Net(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = tf.Variable(generator.normal(0, 0.3, (x.shape[1], 16)).astype("float32"))
            self.b = tf.Variable(generator.normal(0, 0.3, (16, _columns(fn_args))).astype("float32"))
            self.bias = tf.Variable(np.zeros(_columns(fn_args), "float32"))
            self.mean, self.scale = tf.constant(mean), tf.constant(scale)

        def __call__(self, x: Any) -> Any:
            return tf.nn.tanh(((x - self.mean) / self.scale) @ self.a) @ self.b + self.bias

    model = Net()

    @tf.function
    def step(rows: Any, labels: Any) -> None:
        with tf.GradientTape() as tape:
            z = model(rows)
            if _task(fn_args) == "multiclass":
                loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(tf.cast(labels, tf.int32), z))
            elif _task(fn_args) == "binary":
                loss = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(tf.cast(labels, tf.float32), z[:, 0]))
            else:
                loss = tf.reduce_mean((z[:, 0] - tf.cast(labels, tf.float32)) ** 2)
        for variable, gradient in zip(
            model.trainable_variables, tape.gradient(loss, model.trainable_variables), strict=True
        ):
            variable.assign_sub(0.3 * tf.clip_by_norm(gradient, 1.0))

    for _ in range(150):
        chosen = generator.integers(0, len(x), 512)
        step(tf.constant(x[chosen]), tf.constant(y[chosen]))
    return Fitted(model, output=_output(fn_args))


def _apply(params: Any, x: Any) -> Any:
    import jax.numpy as jnp

    return jnp.tanh(((x - params["mean"]) / params["scale"]) @ params["a"]) @ params["b"] + params["bias"]


def _loss(task: str, z: Any, y: Any) -> Any:
    import jax.numpy as jnp
    import optax

    if task == "multiclass":
        return jnp.mean(optax.softmax_cross_entropy_with_integer_labels(z, y))
    if task == "binary":
        return jnp.mean(optax.sigmoid_binary_cross_entropy(z[:, 0], y))
    return jnp.mean((z[:, 0] - y) ** 2)


def jax(fn_args: Any) -> Any:
    """A pure function of parameters and rows, trained by hand."""
    import jax

    from trueline.models import Fitted, JaxModel

    x, y, mean, scale = _standardised(fn_args)
    generator = np.random.default_rng(fn_args.seed)
    params = {
        "a": generator.normal(0, 0.3, (x.shape[1], 16)).astype("float32"),
        "b": generator.normal(0, 0.3, (16, _columns(fn_args))).astype("float32"),
        "bias": np.zeros(_columns(fn_args), "float32"),
    }
    fixed = {"mean": mean, "scale": scale}
    task = _task(fn_args)
    gradient = jax.jit(jax.grad(lambda p, rows, labels: _loss(task, _apply(p | fixed, rows), labels)))
    for _ in range(150):
        chosen = generator.integers(0, len(x), 512)
        slope = gradient(params, x[chosen], y[chosen])
        params = {k: v - 0.3 * slope[k] for k, v in params.items()}
    return Fitted(JaxModel(_apply, params | fixed), output=_output(fn_args))


def flax(fn_args: Any) -> Any:
    """A Flax module (nnx), trained with Optax."""
    import optax
    from flax import nnx

    from trueline.models import Fitted

    x, y, mean, scale = _standardised(fn_args)
    task = _task(fn_args)

    class Net(nnx.Module):
        def __init__(self, rngs: Any) -> None:
            self.mean, self.scale = nnx.Variable(mean), nnx.Variable(scale)
            self.first = nnx.Linear(x.shape[1], 16, rngs=rngs)
            self.last = nnx.Linear(16, _columns(fn_args), rngs=rngs)

        def __call__(self, x: Any) -> Any:
            return self.last(nnx.relu(self.first((x - self.mean[...]) / self.scale[...])))

    model = Net(nnx.Rngs(fn_args.seed))
    optimizer = nnx.Optimizer(model, optax.adam(0.02), wrt=nnx.Param)

    @nnx.jit
    def step(model: Any, optimizer: Any, rows: Any, labels: Any) -> None:
        slope = nnx.grad(lambda m: _loss(task, m(rows), labels), argnums=nnx.DiffState(0, nnx.Param))(model)
        optimizer.update(model, slope)

    generator = np.random.default_rng(fn_args.seed)
    for _ in range(150):
        chosen = generator.integers(0, len(x), 512)
        step(model, optimizer, x[chosen], y[chosen])
    return Fitted(model, output=_output(fn_args))
