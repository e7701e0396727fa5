"""The copy of a PyTorch module that is exported: on the CPU, in evaluation mode, free of wrappers and of its trainer.

The user's own module is left as it is: its device, its mode and what it refers to.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from trueline._core.errors import ModelError, first_line

if TYPE_CHECKING:
    import torch

__all__ = ["cpu_copy", "float_width", "unwrapped"]

_WRAPPERS = {
    "OptimizedModule": "_orig_mod",
    "DataParallel": "module",
    "DistributedDataParallel": "module",
}
"""Class of a wrapper around a module, and the attribute that holds the module."""
_FORGOTTEN = ("_trainer", "_fabric")
"""Attributes by which a LightningModule refers to what trains it."""
_TRAINING_ONLY = (
    ("torch", "Dataset"),
    ("torch", "DataLoader"),
    ("torch", "Optimizer"),
    ("torch", "LRScheduler"),
    ("lightning", "LightningDataModule"),
)


def unwrapped(module: torch.nn.Module) -> torch.nn.Module:
    """The module inside `torch.compile`'s result, `DataParallel` and `DistributedDataParallel`."""
    while (attribute := _WRAPPERS.get(type(module).__name__)) is not None and hasattr(module, attribute):
        module = getattr(module, attribute)
    return module


def cpu_copy(module: torch.nn.Module) -> torch.nn.Module:
    """A copy on the CPU, in evaluation mode.

    A Lightning trainer is not copied, datasets, loaders and optimisers that the module holds are shared with it.

    Raises:
        ModelError: parameters without values, and modules that cannot be copied.
    """
    found = unwrapped(module)
    _check_parameters(found)
    try:
        made: torch.nn.Module = copy.deepcopy(found, _memo(found))
    except (RuntimeError, TypeError, AttributeError) as error:
        raise ModelError(
            f"{type(found).__name__} cannot be copied: {first_line(error)}",
            hint="a module must hold parameters and buffers, not results of a computation, open files or locks.",
        ) from error
    for parent in list(made.modules()):
        for name, child in list(parent.named_children()):
            if (inner := unwrapped(child)) is not child:
                setattr(parent, name, inner)
    return made.cpu().eval()


def _check_parameters(module: torch.nn.Module) -> None:
    """Every parameter and buffer has a value."""
    from torch.nn.parameter import is_lazy

    problems = []
    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        if is_lazy(tensor):
            problems.append(f"{name}: its shape is not known yet; call the module once on a batch")
        elif tensor.is_meta:
            problems.append(f"{name}: it is on the meta device, where tensors have no values")
    if problems:
        raise ModelError(f"{type(module).__name__} has parameters without values", problems=problems)


def _memo(module: torch.nn.Module) -> dict[int, Any]:
    """What `copy.deepcopy` takes for copied already: no trainer, and the very objects that only training needs."""
    memo: dict[int, Any] = {}
    for part in module.modules():
        for name, value in vars(part).items():
            if name in _FORGOTTEN and value is not None:
                memo[id(value)] = None
            elif _is_training_only(value):
                memo[id(value)] = value
    return memo


def _is_training_only(value: Any) -> bool:
    ancestors = {(c.__module__.partition(".")[0].replace("pytorch_", ""), c.__name__) for c in type(value).__mro__}
    return bool(ancestors.intersection(_TRAINING_ONLY))


def float_width(module: torch.nn.Module) -> int:
    """Bits of the widest floating-point parameter or buffer; 32 for a module that has none."""
    tensors = [*module.parameters(), *module.buffers()]
    return max((t.element_size() * 8 for t in tensors if t.is_floating_point()), default=32)
