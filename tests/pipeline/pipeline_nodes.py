"""Nodes for the pipeline tests: small, real, and each able to go wrong in one way."""

from __future__ import annotations

import errno
import hashlib
import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from trueline._core import store
from trueline._core.errors import GateError
from trueline.pipeline import Channel, Component, ExecutionContext, In, Input, Out, Output, component
from trueline.pipeline.artifacts import Examples, Model, ModelBlessing, Schema


def read_source(ctx: ExecutionContext) -> None:
    text = Path(ctx.params["path"]).read_text()
    out = ctx.output("examples")
    store.write_text(out.path("Split-train", "rows.txt"), text * ctx.params["times"])
    out.properties.update(span=ctx.params["times"], split_names=["train"], origin="test")
    ctx.report(rows=len(text.splitlines()) * ctx.params["times"])


def source_digest(params: dict[str, Any]) -> dict[str, str]:
    return {params["path"]: hashlib.sha256(Path(params["path"]).read_bytes()).hexdigest()}


class Source(Component):
    OUTPUTS: ClassVar[Mapping[str, Out]] = {"examples": Out(Examples)}
    EXECUTOR = read_source
    FINGERPRINT = source_digest

    def __init__(self, *, path: str, times: int = 1, node_id: str | None = None) -> None:
        super().__init__(node_id=node_id, params={"path": path, "times": times})


def make_schema(ctx: ExecutionContext) -> None:
    text = store.read_text(ctx.input("examples").path("Split-train", "rows.txt"))
    store.write_text(ctx.output("schema").path("schema.pbtxt"), f"# {len(text)} bytes\n")


class MakeSchema(Component):
    INPUTS: ClassVar[Mapping[str, In]] = {"examples": In(Examples)}
    OUTPUTS: ClassVar[Mapping[str, Out]] = {"schema": Out(Schema)}
    EXECUTOR = make_schema

    def __init__(self, *, examples: Channel | None = None, node_id: str | None = None) -> None:
        super().__init__(node_id=node_id, inputs={"examples": examples})


def train(ctx: ExecutionContext) -> None:
    how = ctx.params["how"]
    out = ctx.output("model")
    store.write_text(out.path("native", "part1"), "half of a model")
    ctx.report(started=True)
    if how == "raise":
        raise ValueError("the loss is NaN")
    if how == "gate":
        raise GateError("the data is too old", hint="get newer data.")
    if how == "close":
        ctx.close_gate("feature 'fare' has 3 anomalies")
    if how == "full":
        raise RuntimeError("writing failed") from OSError(errno.ENOSPC, "No space left on device")
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "exit":
        os._exit(3)
    if how == "sysexit":
        raise SystemExit("stop here")
    if how == "odd":
        ctx.report(odd=object())
    if how == "sleep":
        time.sleep(ctx.params["seconds"])
    if how == "hang":
        Path(ctx.params["flag"]).write_text(str(os.getpid()))
        time.sleep(60)
    print("trained with", how)
    ctx.log.info("the model is ready")
    store.write_text(out.path("model.onnx"), f"model {ctx.params['steps']}")


class Train(Component):
    INPUTS: ClassVar[Mapping[str, In]] = {"examples": In(Examples), "schema": In(Schema, optional=True)}
    OUTPUTS: ClassVar[Mapping[str, Out]] = {"model": Out(Model)}
    EXECUTOR = train

    def __init__(
        self,
        *,
        examples: Channel | None = None,
        schema: Channel | None = None,
        how: str = "well",
        steps: int = 10,
        seconds: float = 0.0,
        flag: str = "",
        node_id: str | None = None,
    ) -> None:
        params = {"how": how, "steps": steps, "seconds": seconds, "flag": flag}
        super().__init__(node_id=node_id, inputs={"examples": examples, "schema": schema}, params=params)


@component
def bless(model: Input[Model], blessing: Output[ModelBlessing], verdict: bool = True) -> None:
    store.write_text(blessing.path("BLESSED" if verdict else "NOT_BLESSED"), "")
    blessing.properties.update(blessed=int(verdict), current_model_id=model.id)


@component
def count(examples: Input[Examples], factor: int = 1) -> int:
    return len(store.read_text(examples.path("Split-train", "rows.txt"))) * factor


@component
def describe(n: int, label: str = "n") -> str:
    return f"{label}={n}"
