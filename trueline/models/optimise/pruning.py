"""Pruning of PyTorch modules by magnitude: single weights or whole neurons, at once or along a schedule.

Zeros are written into the weights themselves: the module stays what it was, and exports as before. They take the same
place in a file as other numbers (a compressed file is smaller), and ONNX Runtime multiplies by them all the same. Only
`compact`, after structured pruning, makes the matrices smaller.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from trueline._core.errors import ModelError

if TYPE_CHECKING:
    import torch

__all__ = ["Pruner", "PruningSchedule", "compact", "prune", "sparsity"]


@dataclass(frozen=True)
class PruningSchedule:
    """How sparsity grows over training steps: ``final + (initial - final) * (1 - progress) ** power``.

    The cubic form is that of Zhu and Gupta, "To prune, or not to prune" (2017).

    Attributes:
        final: share of zeros at `end` and after it, 0 to below 1.
        end: the step at which it is reached.
        start: the step before which nothing is pruned.
        initial: the share at `start`.
        power: 1 grows evenly, 3 fast at first.
    """

    final: float
    end: int
    start: int = 0
    initial: float = 0.0
    power: float = 3.0

    def __post_init__(self) -> None:
        problems = [f"{n}={v} is no share from 0 to below 1" for n, v in self._shares() if not 0 <= v < 1]
        problems += [f"initial={self.initial} is above final={self.final}"] if self.initial > self.final else []
        problems += [f"end={self.end} is not after start={self.start}"] if self.end <= self.start else []
        if problems:
            raise ModelError("the pruning schedule contradicts itself", problems=problems)

    def _shares(self) -> list[tuple[str, float]]:
        return [("final", self.final), ("initial", self.initial)]

    def at(self, step: int) -> float:
        """The share of zeros wanted at a step."""
        if step < self.start:
            return 0.0
        progress = min(1.0, (step - self.start) / (self.end - self.start))
        return float(self.final + (self.initial - self.final) * (1.0 - progress) ** self.power)


class Pruner:
    """Prunes while a module is trained: call `step` after every step of the optimizer, `finish` at the end.

    Args:
        module: its Linear and convolution layers are pruned, each to the same share.
        schedule: when and how far.
        structured: whole rows of a layer (neurons, channels) with their biases, by their L2 norm, in place of single
            weights; the last layer, whose rows are the outputs, is left alone.
        every: the masks are made anew every so many steps; weights once zero may come back until then.

    Raises:
        ModelError: the module has no layer to prune.
    """

    def __init__(
        self, module: torch.nn.Module, schedule: PruningSchedule, *, structured: bool = False, every: int = 10
    ) -> None:
        layers = _layers(module)
        if structured:
            layers = dict(list(layers.items())[:-1])
        if not layers:
            raise ModelError(
                f"{type(module).__name__} has no layer to prune",
                hint="Linear and convolution layers are pruned; of the structured kind, all but the last.",
            )
        if every < 1:
            raise ModelError(f"every={every} is no number of steps", hint="give 1 or more.")
        self.module, self.schedule, self.structured, self.every = module, schedule, structured, every
        self._layers = layers
        self._masks: dict[str, torch.Tensor] = {}
        self._step = 0

    def step(self) -> None:
        """Counts one step and keeps what is pruned at zero."""
        self._step += 1
        if self._step % self.every == 0 or self._step == self.schedule.end:
            self._remake(self.schedule.at(self._step))
        self._apply()

    def finish(self) -> dict[str, float]:
        """Prunes to the final share whatever step it is; the shares that `sparsity` reports."""
        self._remake(self.schedule.final)
        self._apply()
        return sparsity(self.module)

    def _remake(self, share: float) -> None:
        import torch

        with torch.no_grad():
            for name, layer in self._layers.items():
                self._masks[name] = _mask(layer.weight, share, self.structured)

    def _apply(self) -> None:
        import torch

        with torch.no_grad():
            for name, mask in self._masks.items():
                layer = self._layers[name]
                layer.weight.mul_(mask)
                if self.structured and layer.bias is not None:
                    layer.bias.mul_(mask.reshape(len(mask), -1)[:, 0])


def _layers(module: torch.nn.Module) -> dict[str, torch.nn.Linear]:
    import torch

    kinds = (torch.nn.Linear, torch.nn.Conv1d, torch.nn.Conv2d, torch.nn.Conv3d)
    return {name: m for name, m in module.named_modules() if isinstance(m, kinds)}  # type: ignore[misc]


def _mask(weight: torch.Tensor, share: float, structured: bool) -> torch.Tensor:
    """Ones, and zeros for the smallest; of equals the first go, so that the same weights give the same mask."""
    import torch

    size = weight.reshape(len(weight), -1).norm(dim=1) if structured else weight.abs().reshape(-1)
    gone = min(round(share * size.numel()), size.numel() - 1)  # a layer of zeros alone would give one answer to all
    keep = torch.ones_like(size)
    keep[torch.argsort(size, stable=True)[:gone]] = 0
    shape = (-1,) + (1,) * (weight.ndim - 1) if structured else weight.shape
    return keep.reshape(shape).expand_as(weight).clone()


def prune(module: torch.nn.Module, share: float, *, structured: bool = False) -> dict[str, float]:
    """Prunes a trained module at once, in place.

    Args:
        module: the module.
        share: of each layer's weights (or rows, if structured) that become zero, 0 to below 1.
        structured: see `Pruner`.

    Returns:
        The shares that `sparsity` reports.
    """
    return Pruner(module, PruningSchedule(share, 1), structured=structured).finish()


def sparsity(module: torch.nn.Module) -> dict[str, float]:
    """The share of zeros in the weight of each layer that could be pruned, and ``total`` over all of them."""
    counts = {name: (int((m.weight == 0).sum()), m.weight.numel()) for name, m in _layers(module).items()}
    found = {name: zeros / size for name, (zeros, size) in counts.items()}
    whole = sum(size for _, size in counts.values())
    return {**found, "total": sum(zeros for zeros, _ in counts.values()) / whole if whole else 0.0}


def compact(module: torch.nn.Sequential) -> torch.nn.Sequential:
    """A smaller copy of a pruned stack of Linear layers: neurons that are zero, bias and all, are taken out.

    Args:
        module: Linear layers with activations between them that keep zero at zero (ReLU, Tanh, GELU, SiLU, LeakyReLU,
            ELU) or pass values on (Dropout, Identity).

    Raises:
        ModelError: another kind of module, naming what stands between.
    """
    import copy
    import itertools

    import torch

    keeps_zero = ("ReLU", "Tanh", "GELU", "SiLU", "LeakyReLU", "ELU", "Dropout", "Identity", "ReLU6", "Hardtanh")
    kinds = [type(m).__name__ for m in module.children()] if isinstance(module, torch.nn.Sequential) else []
    strange = sorted({k for k in kinds if k != "Linear" and k not in keeps_zero})
    if not kinds or strange:
        raise ModelError(
            f"{type(module).__name__} cannot be made smaller by taking neurons out",
            problems=[f"{k} may make something of a zero" for k in strange],
            hint="give a torch.nn.Sequential of Linear layers and activations that keep zero at zero.",
        )
    made = copy.deepcopy(module)
    linear = [m for m in made.children() if isinstance(m, torch.nn.Linear)]
    with torch.no_grad():
        for layer, after in itertools.pairwise(linear):
            alive = (layer.weight != 0).any(dim=1) | (layer.bias != 0 if layer.bias is not None else False)
            if not alive.any():
                alive[0] = True
            layer.weight = torch.nn.Parameter(layer.weight[alive].clone())
            if layer.bias is not None:
                layer.bias = torch.nn.Parameter(layer.bias[alive].clone())
            after.weight = torch.nn.Parameter(after.weight[:, alive].clone())
            layer.out_features = after.in_features = int(alive.sum())
    return made
