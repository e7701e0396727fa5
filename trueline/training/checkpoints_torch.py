"""The state of a torch training as files without pickle: tensors in safetensors, everything else in JSON.

With the generators' states in it, a training that goes on from a checkpoint draws the numbers that it would have drawn.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors.torch import load, save

from trueline._core.errors import ModelError

if TYPE_CHECKING:
    from trueline.training.checkpoints import Checkpoint

__all__ = ["load_torch", "torch_files"]

TENSORS, REST = "torch.safetensors", "torch.json"
_TENSOR, _TUPLE, _KEYS = "__tensor__", "__tuple__", "__keys__"


def torch_files(**parts: Any) -> dict[str, bytes]:
    """Files for `Checkpoints.save`: the ``state_dict()`` of every part, and the states of all random generators.

    Args:
        parts: whatever has ``state_dict`` and ``load_state_dict``: model, optimizer, scheduler, scaler.

    Raises:
        ModelError: a state that holds anything but tensors, numbers, texts, lists and dicts.
    """
    tensors: dict[str, torch.Tensor] = {}
    plain = {name: _split(part.state_dict(), name, tensors) for name, part in parts.items()}
    tensors["rng:torch"] = torch.get_rng_state()
    if torch.cuda.is_available():
        tensors |= {f"rng:cuda:{n}": state for n, state in enumerate(torch.cuda.get_rng_state_all())}
    kind, keys, *rest = np.random.get_state(legacy=True)
    tensors["rng:numpy"] = torch.from_numpy(np.asarray(keys).astype(np.int64))
    plain["rng"] = {"numpy": [kind, *rest], "python": random.getstate()}
    return {TENSORS: save(tensors), REST: json.dumps(plain).encode()}


def load_torch(checkpoint: Checkpoint, **parts: Any) -> None:
    """Puts parts and random generators back into the states that `torch_files` saved.

    Raises:
        ModelError: the checkpoint has no such part.
    """
    tensors, plain = load(checkpoint.read(TENSORS)), json.loads(checkpoint.read(REST))
    absent = [name for name in parts if name not in plain]
    if absent:
        raise ModelError(f"the checkpoint has no {', '.join(absent)}", where=checkpoint.path)
    for name, part in parts.items():
        part.load_state_dict(_joined(plain[name], tensors))
    torch.set_rng_state(tensors["rng:torch"])
    for name, state in tensors.items():
        device = name.removeprefix("rng:")
        if device.startswith("cuda:") and torch.cuda.is_available():
            torch.cuda.set_rng_state(state, device)
    kind, *rest = plain["rng"]["numpy"]
    np.random.set_state((kind, tensors["rng:numpy"].numpy().astype(np.uint32), *rest))
    version, state, gauss = plain["rng"]["python"]
    random.setstate((version, tuple(state), gauss))


def _split(value: Any, path: str, tensors: dict[str, torch.Tensor]) -> Any:
    """The value as JSON; its tensors go into `tensors` by their path."""
    if isinstance(value, torch.Tensor):
        # a copy: parts may share memory, which safetensors refuses
        tensors[path] = value.detach().to("cpu", copy=True).contiguous()
        return {_TENSOR: path}
    if isinstance(value, Mapping):
        items = [[key, _split(item, f"{path}/{key}", tensors)] for key, item in value.items()]
        return {_KEYS: items}  # keys may be numbers, as an optimizer's are
    if isinstance(value, list | tuple):
        items = [_split(item, f"{path}/{i}", tensors) for i, item in enumerate(value)]
        return {_TUPLE: items} if isinstance(value, tuple) else items
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise ModelError(f"{path} is a {type(value).__name__}, which a checkpoint without pickle cannot hold")


def _joined(value: Any, tensors: Mapping[str, torch.Tensor]) -> Any:
    if isinstance(value, list):
        return [_joined(item, tensors) for item in value]
    if isinstance(value, dict):
        if _TENSOR in value:
            return tensors[value[_TENSOR]]
        if _TUPLE in value:
            return tuple(_joined(item, tensors) for item in value[_TUPLE])
        return {key: _joined(item, tensors) for key, item in value[_KEYS]}
    return value
