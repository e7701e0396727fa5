"""A small table, and run_fns that train on it in several processes; no framework is needed to import this file."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np

from trueline import Pipeline
from trueline.components import CsvExampleGen, SchemaGen, StatisticsGen, Trainer, Transform

ROWS = 600
HERE = Path(__file__).resolve()


def write_rows(folder: Path, rows: int = ROWS) -> Path:
    """A CSV file of numbered rows whose label depends on two columns."""
    rng = np.random.default_rng(3)
    a, b = rng.normal(0, 1, rows), rng.normal(0, 1, rows)
    y = (a - b + rng.normal(0, 0.5, rows) > 0).astype(int)
    lines = [f"{i},{a[i]:.6f},{b[i]:.6f},{y[i]}" for i in range(rows)]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "rows.csv").write_text("number,a,b,y\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return folder


def preprocessing_fn(inputs: Any) -> dict[str, Any]:
    """The columns as they are; the number tells rows apart."""
    return {"number": inputs["number"], "a": inputs["a"], "b": inputs["b"], "y": inputs["y"] > 0}


def line(root: Path, run_fn: str, **more: Any) -> Pipeline:
    """From the file to a model, by a Trainer with these arguments."""
    examples = CsvExampleGen(input_base=str(write_rows(root / "data")))
    statistics = StatisticsGen(examples=examples.outputs["examples"])
    schema = SchemaGen(statistics=statistics.outputs["statistics"])
    transform = Transform(
        examples=examples.outputs["examples"],
        schema=schema.outputs["schema"],
        preprocessing_fn=f"{HERE}:preprocessing_fn",
    )
    trainer = Trainer(
        examples=transform.outputs["transformed_examples"],
        transform_graph=transform.outputs["transform_graph"],
        label="y",
        run_fn=f"{HERE}:{run_fn}",
        **more,
    )
    return Pipeline("together", [examples, statistics, schema, transform, trainer], root=str(root / "out"))


def numpy_sgd(fn_args: Any) -> Any:
    """Logistic regression by steps on sums of gradients over all processes, in numpy; the model is an ONNX graph."""
    from trueline import Fitted
    from trueline.training.distributed import group

    together = group()
    assert (together.rank, together.world_size) == (fn_args.rank, fn_args.world_size)
    weights, seen = np.zeros(2), np.zeros(ROWS)
    order = {"rank": fn_args.rank, "world_size": fn_args.world_size, "even": True}
    for epoch in range(3):
        for x, y, _ in fn_args.train.batches(32 // fn_args.world_size, shuffle=True, seed=1, epoch=epoch, **order):
            if epoch == 0:
                seen[x[:, 0].astype(int)] += 1
            error = 1 / (1 + np.exp(-(x[:, 1:] @ weights))) - y
            total = together.sum(np.append(x[:, 1:].T @ error, len(x)))
            weights -= 0.5 * total[:-1] / total[-1]
    times = together.sum(seen)
    mine = together.sum(np.eye(fn_args.world_size)[fn_args.rank] * seen.sum())
    fn_args.log("rows_seen", float(times.sum()))
    fn_args.log("rows_seen_twice", float((times > 1).sum()))
    fn_args.log("rows_of_the_smallest_rank", float(mine.min()))
    fn_args.log("weights_apart", float(np.abs(together.sum(weights) / fn_args.world_size - weights).max()))
    return Fitted(_graph(weights), output="probabilities")


def _graph(weights: np.ndarray[Any, Any]) -> Any:
    from onnx import TensorProto, helper, numpy_helper

    column = np.array([[0.0], [weights[0]], [weights[1]]], np.float32)
    nodes = [helper.make_node("MatMul", ["x", "w"], ["z"]), helper.make_node("Sigmoid", ["z"], ["p"])]
    graph = helper.make_graph(
        nodes,
        "logistic",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3])],
        [helper.make_tensor_value_info("p", TensorProto.FLOAT, ["N", 1])],
        [numpy_helper.from_array(column, "w")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def averaged(fn_args: Any) -> Any:
    """The ready-made network in two processes, and the same steps in one process with both shares of every batch."""
    import dataclasses

    import torch

    from trueline import Fitted
    from trueline.training.distributed import group
    from trueline.training.ready.network import Batch, network_plan
    from trueline.training.ready.torch_mlp import _Training

    torch.set_num_threads(1)
    plan = network_plan(fn_args, "torch_mlp")
    together = _Training(fn_args, plan)
    before = torch.nn.utils.parameters_to_vector(together.network.parameters()).detach().clone()
    for epoch in range(2):
        together._epoch(epoch)
    mine = torch.nn.utils.parameters_to_vector(together.network.parameters()).detach().numpy()
    fn_args.log("weights_apart", float(np.abs(group().sum(mine) / 2 - mine).max()))
    one = _Training(dataclasses.replace(fn_args, rank=0, world_size=1), plan)
    half = plan.options["batch_size"] // 2
    for epoch in range(2):
        orders = [
            {"rank": rank, "world_size": 2, "even": True, "epoch": epoch, "seed": fn_args.seed} for rank in (0, 1)
        ]
        shares = [plan.batches(fn_args.train, half, shuffle=True, **order) for order in orders]
        for pair in zip(*shares, strict=True):
            left, right = (plan.batch(found) for found in pair)
            parts = ("x", "y", "w")
            one._step(Batch(*(np.concatenate([getattr(left, p), getattr(right, p)]) for p in parts)))
    alone = torch.nn.utils.parameters_to_vector(one.network.parameters()).detach().numpy()
    fn_args.log("from_one_process", float(np.abs(alone - mine).max()))
    fn_args.log("moved", float(np.abs(before.numpy() - mine).max()))
    return Fitted(together.network.eval(), output="logits")


def failing(fn_args: Any) -> Any:
    """The second process fails while the first waits for it."""
    from trueline.training.distributed import group

    if fn_args.rank == 1:
        raise ValueError("the second process has no luck")
    group().barrier()


def killed(fn_args: Any) -> Any:
    """The second process is killed while the first waits for it."""
    from trueline.training.distributed import group

    if fn_args.rank == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    group().barrier()
