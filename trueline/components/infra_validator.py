"""A model loaded by the real server and asked real rows, before anything is pushed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, ClassVar

from trueline._core import store
from trueline.components.common import wanted_splits
from trueline.pipeline.artifacts import Examples, InfraBlessing, Model
from trueline.pipeline.channel import Channel
from trueline.pipeline.context import ExecutionContext
from trueline.pipeline.node import Component, In, Out

__all__ = ["BLESSED_FILE", "NOT_BLESSED_FILE", "InfraValidator", "execute", "json_rows"]

BLESSED_FILE = "INFRA_BLESSED"
NOT_BLESSED_FILE = "INFRA_NOT_BLESSED"
REPORT_FILE = "report.json"


class InfraValidator(Component):
    """Starts the model server in a process of its own, loads the model, sends it raw rows and checks the answers.

    A model that does not load, or answers otherwise than in this process, is not blessed and the line stops here with
    the reason.

    Args:
        model: the candidate.
        examples: raw examples whose first rows are sent; without them the model is only loaded.
        split: the split to take rows from.
        num_examples: how many rows.
        timeout_seconds: how long the server may take to load and answer.
        allow_host: modules whose host steps the server may run; the same list that the real server will get.

    Outputs: ``blessing``, with the file ``INFRA_BLESSED`` or ``INFRA_NOT_BLESSED`` and the properties ``blessed``,
        ``current_model_id``, ``current_model_fingerprint`` and ``reason``; ``report.json`` has the figures.
    """

    INPUTS: ClassVar[Mapping[str, In]] = {"model": In(Model), "examples": In(Examples, optional=True)}
    OUTPUTS: ClassVar[Mapping[str, Out]] = {"blessing": Out(InfraBlessing)}
    EXECUTOR = "trueline.components.infra_validator:execute"

    def __init__(
        self,
        *,
        model: Channel,
        examples: Channel | None = None,
        split: str = "eval",
        num_examples: int = 8,
        timeout_seconds: float = 60.0,
        allow_host: tuple[str, ...] = (),
        node_id: str | None = None,
    ) -> None:
        super().__init__(
            node_id=node_id,
            inputs={"model": model, "examples": examples},
            params={
                "split": split,
                "num_examples": num_examples,
                "timeout_seconds": timeout_seconds,
                "allow_host": list(allow_host),
            },
        )
        if num_examples < 1:
            self.note(f"cannot send {num_examples} examples; give at least 1")


def execute(ctx: ExecutionContext) -> None:
    """Validates in a server, writes the blessing, closes the gate when it did not go well."""
    from trueline._core.runtime import ModelRuntime
    from trueline.serving import validate_in_server

    model, blessing = ctx.input("model"), ctx.output("blessing")
    runtime = ModelRuntime.load(model.uri, allow_host=None)
    rows = _rows(ctx, [feature.name for feature in runtime.inputs])
    report = validate_in_server(
        model.uri,
        rows,
        expected=_as_lists(runtime.predict_rows(json_rows(rows))) if rows else None,
        timeout=ctx.params["timeout_seconds"],
        allow_host=tuple(ctx.params["allow_host"]),
    )
    store.write_bytes(blessing.path(BLESSED_FILE if report.ok else NOT_BLESSED_FILE), b"")
    # Times and ports differ from run to run: they are findings, and no part of what the artifact holds.
    kept = {"ok": report.ok, "rows": report.rows, "message": "" if report.ok else report.message}
    store.write_text(blessing.path(REPORT_FILE), json.dumps(kept, sort_keys=True))
    for line in report.log:
        ctx.log.info("server: %s", line)
    reason = "" if report.ok else f"The model does not stand in the server: {report.message}"
    blessing.properties.update(
        blessed=int(report.ok), current_model_id=model.id, current_model_fingerprint=model.fingerprint, reason=reason
    )
    ctx.report(blessed=report.ok, rows=report.rows, load_seconds=report.load_seconds, latency_ms=report.latency_ms)
    if not report.ok:
        ctx.close_gate(reason)


def _rows(ctx: ExecutionContext, names: list[str]) -> list[dict[str, Any]]:
    """The first raw rows of the split, cut to the columns that the model asks of its clients."""
    from trueline.data import Examples as ExamplesReader

    source = ctx.optional_input("examples")
    if source is None:
        return []
    (split,) = wanted_splits(source, [ctx.params["split"]])
    rows: list[dict[str, Any]] = []
    for batch in ExamplesReader.open(source.uri).dataset(split).batches(names):
        rows += batch.slice(0, ctx.params["num_examples"] - len(rows)).to_pylist()
        if len(rows) >= ctx.params["num_examples"]:
            break
    return rows


def json_rows(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows as a JSON client would send them: moments as ISO text."""
    return [{k: v.isoformat() if isinstance(v, date) else v for k, v in row.items()} for row in rows]


def _as_lists(outputs: Mapping[str, Any]) -> dict[str, list[Any]]:
    return {name: values.tolist() for name, values in outputs.items()}
