"""A network with embeddings in PyTorch, without a module file; this file imports torch.

Defaults: see `network_plan`. AdamW on the weighted cross entropy, or on the squared error of the label brought to
standard deviation 1; after half of `patience` epochs without a gain on the split that is watched the learning rate
falls to a third, after all of it training ends; the best epoch's weights are kept. In several processes each gets its
share of every batch, and gradients are averaged so that a step is that of one process with the whole batch. After every
epoch the training is saved; a killed one goes on there, and ends with the same bits.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from trueline._core import store
from trueline.models.contract import Fitted
from trueline.training.checkpoints import Checkpoints
from trueline.training.ready.network import Batch, NetworkPlan, network_plan
from trueline.training.ready.scores import scores
from trueline.training.ready.torch_module import TableNetwork

if TYPE_CHECKING:
    from trueline.training.fn_args import FnArgs

__all__ = ["run_fn"]

_EVAL_ROWS = 8192
_EVAL_BATCHES = 64
_LESS = 0.3


def run_fn(fn_args: FnArgs) -> Fitted:
    """Trains on the rows of `fn_args`, in one process or as one of several.

    Raises:
        ConfigError: options that cannot be.
        ModelError: a label, class weights or features that do not fit.
    """
    plan = network_plan(fn_args, "torch_mlp")
    with _threads(int(plan.options["threads"])):
        training = _Training(fn_args, plan)
        training.run()
    network = training.network.cpu().eval()
    output = "logits" if plan.task.classes else "prediction"
    return Fitted(network, inputs=plan.inputs, output=output, classes=plan.task.classes or None)  # type: ignore[arg-type]


@contextlib.contextmanager
def _threads(count: int) -> Iterator[None]:
    """The bits of a sum depend on how many threads share it."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class _Training:
    """One training: the network, its optimiser, and what the best epoch was."""

    def __init__(self, fn_args: FnArgs, plan: NetworkPlan) -> None:
        self.fn_args, self.plan = fn_args, plan
        self.device = torch.device(fn_args.device)
        torch.manual_seed(fn_args.seed)
        options = plan.options
        self.network = TableNetwork(
            plan.columns,
            plan.mean,
            plan.scale,
            plan.outputs,
            target=plan.target,
            **{name: options[name] for name in ("hidden", "dropout", "activation", "max_embedding")},
        ).to(self.device)
        self.module: nn.Module = self.network
        if fn_args.world_size > 1:
            self.module = nn.parallel.DistributedDataParallel(self.network)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=options["learning_rate"], weight_decay=options["weight_decay"]
        )
        # trainings that share a folder, as those of a notebook do, do not go on from each other
        folder = store.join(fn_args.checkpoint_dir, f"torch_mlp-{plan.fingerprint(fn_args)}")
        self.checkpoints = Checkpoints(folder, writes=fn_args.rank == 0, metrics_of=fn_args.working_dir)
        self.steps = 0
        self.best = float("inf")
        self.waited = 0
        self.best_network = copy.deepcopy(self.network)

    def run(self) -> None:
        """All epochs, until steps or patience are used up; begins where a killed training had saved an epoch."""
        first, over = self._resume()
        for epoch in range(first, self.plan.epochs):
            if over:
                break
            torch.manual_seed(self.fn_args.seed + 1 + epoch * self.fn_args.world_size + self.fn_args.rank)
            self._log("train_loss", self._epoch(epoch), epoch)
            over = self._watch(epoch) or self._out_of_steps()
            self._save(epoch, over)
        if self.best < float("inf"):
            self.network.load_state_dict(self.best_network.state_dict())

    @property
    def _parts(self) -> dict[str, Any]:
        return {"model": self.network, "optimizer": self.optimizer, "best": self.best_network}

    def _save(self, epoch: int, over: bool) -> None:
        best = self.best if self.best < float("inf") else None
        state = {"epoch": epoch, "steps": self.steps, "best": best, "waited": self.waited, "over": over}
        self.checkpoints.save_torch(epoch, state=state, **self._parts)

    def _resume(self) -> tuple[int, bool]:
        """The epoch to begin with, and whether nothing is left to do."""
        found = self.checkpoints.latest()
        if found is None:
            return 0, False
        found.load_torch(**self._parts)
        state = found.state
        self.steps, self.waited = int(state["steps"]), int(state["waited"])
        self.best = float("inf") if state["best"] is None else float(state["best"])
        return int(state["epoch"]) + 1, bool(state["over"])

    def _out_of_steps(self) -> bool:
        return self.fn_args.train_steps is not None and self.steps >= self.fn_args.train_steps

    def _epoch(self, epoch: int) -> float:
        """One run through the data; the weighted mean loss of its rows."""
        args = self.fn_args
        rows = max(1, self.plan.options["batch_size"] // args.world_size)
        order = {"rank": args.rank, "world_size": args.world_size, "even": args.world_size > 1}
        self.module.train()
        total = torch.zeros(2, dtype=torch.float64)
        for found in self.plan.batches(args.train, rows, shuffle=True, seed=args.seed, epoch=epoch, **order):
            total += self._step(self.plan.batch(found))
            self.steps += 1
            if self._out_of_steps():
                break
        total = _summed(total, args.world_size)
        return float(total[0] / total[1].clamp_min(1e-12))

    def _step(self, batch: Batch) -> torch.Tensor:
        """One step; the sum of weighted losses and that of weights."""
        x, y, w = (torch.from_numpy(np.ascontiguousarray(part)).to(self.device) for part in (batch.x, batch.y, batch.w))
        loss = (self._losses(self.module(x), y) * w).sum()
        weight = _summed(w.sum().double(), self.fn_args.world_size)
        # averaged over the processes, this is the gradient of the whole batch's weighted mean
        mean = loss * self.fn_args.world_size / weight.clamp_min(1e-12)
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(mean)
        self.optimizer.step()
        return torch.stack([loss.detach().double(), w.sum().double()]).cpu()

    def _losses(self, out: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        if not self.plan.task.classes:
            mean, scale = self.plan.target
            return ((out[:, 0] - mean) / scale - (y - mean) / scale).square()
        if out.shape[1] == 1:
            return functional.binary_cross_entropy_with_logits(out[:, 0], y.to(out.dtype), reduction="none")
        return functional.cross_entropy(out, y, reduction="none")

    def _watch(self, epoch: int) -> bool:
        """Measures on the split to watch; whether it is time to end."""
        found = self._evaluate()
        if found is None:
            return False
        for name, value in found.items():
            self._log(f"eval_{name}", value, epoch)
        if found["loss"] < self.best:
            self.best, self.waited = found["loss"], 0
            self.best_network.load_state_dict(self.network.state_dict())
            return False
        self.waited += 1
        patience = self.plan.options["patience"]
        if self.waited == max(1, patience // 2):
            for group in self.optimizer.param_groups:
                group["lr"] *= _LESS
        return bool(self.waited >= patience)

    def _evaluate(self) -> dict[str, float] | None:
        """Every process measures the same rows with the same weights, so all of them decide alike."""
        watched = self.fn_args.eval
        if watched is None or watched.num_rows == 0:
            return None
        self.module.eval()
        most = self.fn_args.eval_steps or _EVAL_BATCHES
        parts: list[tuple[Batch, Any]] = []
        with torch.no_grad():
            for number, found in enumerate(self.plan.batches(watched, _EVAL_ROWS)):
                if number >= most:
                    break
                batch = self.plan.batch(found)
                out = self.network(torch.from_numpy(np.ascontiguousarray(batch.x)).to(self.device))
                parts.append((batch, self._output(out.double().cpu())))
        y, w = (np.concatenate([getattr(batch, name) for batch, _ in parts]) for name in ("y", "w"))
        return scores(self.plan.task, y, np.concatenate([out for _, out in parts]), w) if len(y) else None

    def _output(self, out: torch.Tensor) -> Any:
        if not self.plan.task.classes:
            return out[:, 0].numpy()
        if out.shape[1] == 1:
            p = torch.sigmoid(out)
            return torch.cat([1 - p, p], dim=1).numpy()
        return torch.softmax(out, dim=1).numpy()

    def _log(self, metric: str, value: float, step: int) -> None:
        if self.fn_args.rank == 0:
            self.fn_args.log(metric, value, step)


def _summed(value: torch.Tensor, world_size: int) -> torch.Tensor:
    """The sum over all processes."""
    if world_size > 1:
        torch.distributed.all_reduce(value)
    return value
