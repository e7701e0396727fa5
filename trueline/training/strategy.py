"""TensorFlow's distribution strategy for a training; this file imports tensorflow in its function."""

from __future__ import annotations

from typing import Any

from trueline._core.errors import ConfigError

__all__ = ["tensorflow_strategy"]


def tensorflow_strategy(device: str = "cpu", world_size: int = 1) -> Any:
    """A strategy over this process' devices: mirrored where there are several of the kind, else TensorFlow's default.

    Args:
        device: ``cpu`` takes all logical CPU devices, ``cuda`` all GPUs, ``cuda:1`` that one alone.
        world_size: how many processes train together: a strategy is of one.

    Raises:
        ConfigError: several processes, or a device that TensorFlow does not see.
        ModuleNotFoundError: TensorFlow is not installed: ``pip install 'trueline[tensorflow]'``.
    """
    import tensorflow as tf

    if world_size > 1:
        raise ConfigError(
            f"a strategy of TensorFlow is of one process, here are {world_size}",
            hint="train with processes=1: a mirrored strategy uses all devices of it.",
        )
    kind, _, number = device.partition(":")
    known = tf.config.list_logical_devices("GPU" if kind == "cuda" else "CPU")
    names = [found.name for found in known]
    if number:
        names = names[int(number) : int(number) + 1]
    if not names:
        raise ConfigError(f"TensorFlow sees no device {device!r}", hint="choose another device, or leave it at auto.")
    if len(names) > 1:
        return tf.distribute.MirroredStrategy(names, cross_device_ops=tf.distribute.ReductionToOneDevice())
    return tf.distribute.OneDeviceStrategy(names[0]) if number else tf.distribute.get_strategy()
