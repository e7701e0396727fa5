"""Run as a script: two virtual CPU devices, a Keras network under `tensorflow_strategy`, and the same on one device."""

from __future__ import annotations

import json

import numpy as np
import tensorflow as tf

from trueline.training.strategy import tensorflow_strategy


def main() -> None:
    """Prints how many replicas there were, and how far the weights of both trainings are apart."""
    (cpu,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration() for _ in range(2)])
    import keras

    rng = np.random.default_rng(1)
    x = rng.normal(size=(64, 3)).astype(np.float32)
    y = (x.sum(axis=1, keepdims=True) > 0).astype(np.float32)
    mirrored, plain = tensorflow_strategy("cpu"), tf.distribute.get_strategy()
    weights = []
    for strategy in (mirrored, plain):
        keras.utils.set_random_seed(3)
        with strategy.scope():
            model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(4, "tanh"), keras.layers.Dense(1)])
            model.compile("sgd", keras.losses.BinaryCrossentropy(from_logits=True))
        before = [w.copy() for w in model.get_weights()]
        model.fit(tf.data.Dataset.from_tensor_slices((x, y)).batch(16), epochs=2, verbose=0)
        weights.append(model.get_weights())
    apart = max(float(np.abs(a - b).max()) for a, b in zip(*weights, strict=True))
    moved = max(float(np.abs(a - b).max()) for a, b in zip(before, weights[1], strict=True))
    print(json.dumps({"replicas": mirrored.num_replicas_in_sync, "apart": apart, "moved": moved}))


if __name__ == "__main__":
    main()
