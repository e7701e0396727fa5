"""Runs as the launcher records them, with real files and manifests, without running anything: a line of five nodes
(ExampleGen, StatisticsGen, SchemaGen, Trainer, Evaluator, Pusher) written through the stores' own calls.

    world = World(tmp_path)
    first = world.run(span=1)         # {"examples": 1, ..., "model": 5, "blessing": 6, ...}
    second = world.run(span=2, code="other")
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from trueline._core import store as files
from trueline._core.manifest import read_manifest, write_manifest
from trueline.metadata import (
    Artifact,
    ArtifactState,
    Context,
    EventType,
    Execution,
    ExecutionState,
    MetadataStore,
    PropertyType,
    RunStore,
    TypeKind,
    TypeSpec,
)
from trueline.metadata.own_tables import run as run_table
from trueline.metadata.run_rows import add_cache_entry, write_node

KINDS = {
    "Examples": {"span": PropertyType.INT},
    "ExampleStatistics": {},
    "Schema": {},
    "Model": {},
    "ModelBlessing": {},
    "ModelEvaluation": {},
    "PushedModel": {},
}
NODES = ("ExampleGen", "StatisticsGen", "SchemaGen", "Trainer", "Evaluator", "Pusher", "Resolver")
FEATURES = {"fare": "FLOAT", "company": "BYTES"}
INPUTS = {"fare": "float64", "company": "utf8"}


class World:
    """A store, a root below it, and runs."""

    def __init__(self, folder: Path, url: str | None = None, root: str | None = None) -> None:
        self.root = root or str(folder / "root")
        self.url = url or str(folder / "metadata.db")
        self.store = MetadataStore(self.url)
        self.runs = RunStore(self.store)
        for name in ("pipeline", "pipeline_run", "node"):
            self.store.put_type(TypeSpec(name, TypeKind.CONTEXT))
        for name, properties in KINDS.items():
            self.store.put_type(TypeSpec(name, TypeKind.ARTIFACT, properties))
        for name in NODES:
            self.store.put_type(TypeSpec(f"components.{name}", TypeKind.EXECUTION))
        self._numbers = itertools.count(1)
        self._places = itertools.count(1)

    def begin(self, pipeline: str = "taxi", sample: int | None = None, reads: object = None) -> str:
        """A RUNNING run of this process; `reads`: the pipeline that its resolver looks into."""
        run_id = f"run-{next(self._numbers):04d}"
        plan = json.dumps(
            {"name": pipeline, "root": self.root, "nodes": [{"id": n, "params": {"pipeline": reads}} for n in NODES]}
        )
        self.runs.start(run_id, pipeline, plan, {}, list(NODES))
        if sample is not None:
            change = (
                run_table.update().where(run_table.c.run_id == run_id).values(settings=json.dumps({"sample": sample}))
            )
            self.store.database.write(lambda c: c.execute(change))
        return run_id

    def execute(
        self,
        run_id: str,
        node: str,
        inputs: Mapping[str, list[int]],
        outputs: Mapping[str, tuple[str, Mapping[str, str], Mapping[str, Any]]],
        parts: Mapping[str, Any] | None = None,
        found: Mapping[str, Any] | None = None,
        pipeline: str = "taxi",
        existing: Mapping[str, list[int]] | None = None,
    ) -> dict[str, int]:
        """One execution: inputs by key, outputs as key -> (type, files, properties); `existing` outputs are a cache
        hit, or what a resolver found."""
        kind = EventType.INTERNAL_OUTPUT if node == "Resolver" else EventType.OUTPUT
        listed: list[tuple[Artifact | int, EventType, tuple[str | int, ...]]] = []
        taken: dict[int, tuple[str | int, ...]] = {}
        for key, ids in inputs.items():
            for index, number in enumerate(ids):
                taken[number] = (*taken.get(number, ()), key, index)
        listed += [(number, EventType.INPUT, path) for number, path in taken.items()]
        listed += [(number, kind, (key, i)) for key, ids in (existing or {}).items() for i, number in enumerate(ids)]
        place = next(self._places)
        listed += [(self._artifact(node, key, place, *told), kind, (key, 0)) for key, told in outputs.items()]

        def also(connection: sa.Connection, execution_id: int, _: list[int]) -> None:
            if parts is not None:
                digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
                add_cache_entry(connection, execution_id, pipeline, node, digest, parts)
            write_node(connection, run_id, node, state="COMPLETE", execution_id=execution_id, found=dict(found or {}))

        ended = Execution(f"components.{node}", ExecutionState.COMPLETE)
        contexts = [Context("pipeline", pipeline), Context("pipeline_run", run_id)]
        _, ids, _ = self.store.put_execution(ended, listed, contexts, also)
        return dict(zip(outputs, ids[len(listed) - len(outputs) :], strict=True))

    def _artifact(
        self,
        node: str,
        key: str,
        place: int,
        kind: str,
        contents: Mapping[str, str],
        properties: Mapping[str, Any],
    ) -> Artifact:
        uri = files.join(self.root, node, key, str(place))
        for name, text in contents.items():
            files.write_text(files.join(uri, name), text)
        fingerprint = write_manifest(uri, kind).fingerprint
        declared = {name: value for name, value in properties.items() if name in KINDS[kind]}
        custom = {name: value for name, value in properties.items() if name not in declared}
        custom["__fingerprint__"] = fingerprint
        return Artifact(kind, uri, ArtifactState.LIVE, properties=declared, custom_properties=custom)

    def run(
        self,
        pipeline: str = "taxi",
        *,
        span: int = 1,
        rows: int = 100,
        code: str = "a",
        rate: float = 0.1,
        features: Mapping[str, str] = FEATURES,
        inputs: Mapping[str, str] = INPUTS,
        limits: str = "",
        blessed: bool | None = True,
        metrics: Mapping[str, float] | None = None,
        push: str | None = "serving",
        sample: int | None = None,
        base: list[int] | None = None,
        status: str = "COMPLETE",
        spans: list[int] | None = None,
    ) -> dict[str, int]:
        """A whole run; the artifacts by name, and under ``run`` nothing: see `last`."""
        run_id = self.last = self.begin(pipeline, sample=sample)
        marks = {"sample": sample} if sample is not None else {}
        done = self.execute(
            run_id,
            "ExampleGen",
            {},
            {"examples": ("Examples", {"Split-train/rows": f"{span} {rows} {sample}"}, {"span": span, **marks})},
            {"executor": {"name": "gen", "code": "1"}, "functions": {}, "params": {"span": span}, "trueline": "0.1"},
            {"rows": rows},
            pipeline,
        )
        examples = [done["examples"], *(spans or [])]
        if spans:
            self.execute(run_id, "Resolver", {}, {}, pipeline=pipeline, existing={"window": spans})
        done |= self.execute(
            run_id,
            "StatisticsGen",
            {"examples": [done["examples"]]},
            {"statistics": ("ExampleStatistics", {"stats": f"{span} {rows}"}, marks)},
            {"executor": {"name": "stats", "code": "1"}, "functions": {}, "params": {}, "trueline": "0.1"},
            pipeline=pipeline,
        )
        text = "".join(f'feature {{ name: "{name}" type: {kind} }}\n' for name, kind in features.items()) + limits
        done |= self.execute(
            run_id,
            "SchemaGen",
            {"statistics": [done["statistics"]]},
            {"schema": ("Schema", {"schema.pbtxt": text}, marks)},
            {"executor": {"name": "schema", "code": "1"}, "functions": {}, "params": {}, "trueline": "0.1"},
            pipeline=pipeline,
        )
        if base:
            self.execute(run_id, "Resolver", {}, {}, pipeline=pipeline, existing={"base_model": base})
        signature = {
            "inputs": [{"name": name, "dtype": kind, "kind": "scalar"} for name, kind in inputs.items()],
            "outputs": [{"name": "score", "dtype": "float32"}],
        }
        about = {"signature": signature, "task": "binary", "classes": [False, True]}
        weights = f"{span} {rows} {code} {rate} {sorted(features.items())} {limits} {base}"
        done |= self.execute(
            run_id,
            "Trainer",
            {"examples": examples, "schema": [done["schema"]], "base_model": base or []},
            {"model": ("Model", {"model.json": json.dumps(about), "weights": weights}, marks)},
            {
                "executor": {"name": "train", "code": "1"},
                "functions": {"run_fn": code},
                "params": {"rate": rate, "run_fn": {"__function__": "run_fn"}},
                "trueline": "0.1",
            },
            pipeline=pipeline,
        )
        if blessed is not None:
            done |= self.judge(run_id, done, blessed, metrics or {"auc": 0.9}, pipeline)
        if push is not None and blessed is not False:
            done |= self.push(run_id, done, push, pipeline)
        self.runs.finish(run_id, status)  # type: ignore[arg-type]
        return done

    def judge(
        self, run_id: str, done: Mapping[str, int], blessed: bool, metrics: Mapping[str, float], pipeline: str = "taxi"
    ) -> dict[str, int]:
        """An Evaluator's blessing and evaluation of a model."""
        (model,) = self.store.artifacts(ids=[done["model"]])
        verdict = {
            "blessed": int(blessed),
            "current_model_id": model.id,
            "current_model_fingerprint": model.custom_properties["__fingerprint__"],
            "reason": "" if blessed else "The model is not blessed: auc is 0.5.",
        }
        return self.execute(
            run_id,
            "Evaluator",
            {"examples": [done["examples"]], "model": [done["model"]]},
            {
                "blessing": ("ModelBlessing", {"BLESSED" if blessed else "NOT_BLESSED": f"{model.id}"}, verdict),
                "evaluation": ("ModelEvaluation", {"metrics": json.dumps(dict(metrics))}, {}),
            },
            found={"metrics": dict(metrics), "blessed": blessed},
            pipeline=pipeline,
        )

    def push(self, run_id: str, done: Mapping[str, int], folder: str, pipeline: str = "taxi") -> dict[str, int]:
        """A push by the Pusher's own code, below the root's folder."""
        from trueline.components.pusher import push_model

        (model,) = self.store.artifacts(ids=[done["model"]])
        destination = files.join(self.root, "..", folder) if files.is_local(self.root) else f"{self.root}-{folder}"
        if files.is_local(destination):
            destination = str(Path(destination).resolve())
        version, _ = push_model(model.uri or "", destination)
        told = {"pushed": 1, "pushed_destination": destination, "pushed_version": str(version)}
        return self.execute(
            run_id,
            "Pusher",
            {"model": [done["model"]], "blessing": [done["blessing"]] if "blessing" in done else []},
            {"pushed_model": ("PushedModel", {"pushed.json": json.dumps(told)}, told)},
            pipeline=pipeline,
        )

    # -- looking ----------------------------------------------------------------------------------------------------

    def states(self) -> dict[int, str]:
        """Artifact -> its state."""
        return {a.id: a.state.name for a in self.store.artifacts() if a.id is not None}

    def uri(self, number: int) -> str:
        """Where an artifact lies."""
        return self.store.artifacts(ids=[number])[0].uri or ""

    def consistent(self) -> None:
        """Every LIVE artifact is whole, of every DELETED one nothing is left."""
        for artifact in self.store.artifacts():
            if artifact.state is ArtifactState.LIVE:
                read_manifest(artifact.uri or "", "sha256")
            elif artifact.state is ArtifactState.DELETED:
                assert not files.exists(artifact.uri or ""), artifact


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A world of a test's own; rooms take it into their conftest.py."""
    made = World(tmp_path)
    yield made
    made.store.close()
