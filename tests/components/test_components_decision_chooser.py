"""The DecisionChooser as the launcher runs it: the model that decides, what it tells, and when it stops the line."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import trueline.transform as tlt
from trueline._core.errors import ConfigError
from trueline._core.manifest import read_manifest
from trueline.components import DecisionChooser
from trueline.components.decision_chooser import execute
from trueline.model_analysis import ChosenDecision, Cost
from trueline.models import Model, build_model
from trueline.pipeline import ArtifactHandle, ExecutionContext, Importer, Pipeline
from trueline.pipeline import artifacts as kinds

pytest.importorskip("sklearn")

COST = {"false_positive": 1.0, "false_negative": 6.0, "unit": "EUR"}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Raw examples of three splits and a classifier."""
    from sklearn.linear_model import LogisticRegression

    from trueline.data import Examples, ingest_csv

    base = tmp_path_factory.mktemp("decision")
    rng = np.random.default_rng(4)
    a, b = rng.normal(size=(2, 1200))
    bad = a + b + rng.normal(0, 1, 1200) > 1.2
    lines = [f"{x},{y},{int(g)}" for x, y, g in zip(a, b, bad, strict=True)]
    (base / "rows.csv").write_text("\n".join(["a,b,bad", *lines]) + "\n")
    examples = base / "examples"
    ingest_csv(str(base), str(examples), splits={"train": 2, "calibration": 1, "eval": 1})
    table = pa.Table.from_batches(list(Examples.open(str(examples)).dataset("train").batches(None)))

    def preprocessing(x: Any) -> dict[str, Any]:
        return {"a": tlt.fill_missing(x["a"], 0.0), "b": tlt.fill_missing(x["b"], 0.0), "bad": x["bad"] > 0}

    made, output = tlt.analyze_and_transform(table, preprocessing)
    x = np.stack([np.array(made[n].to_pylist(), np.float32) for n in "ab"], axis=1)
    fitted = LogisticRegression().fit(x, np.array(made["bad"].to_pylist()))
    build_model(fitted, uri=str(base / "model"), transform=output, label="bad", sample=table, name="bad")
    return {"examples": examples, "model": base / "model"}


@pytest.fixture
def run(folders: dict[str, Path], tmp_path: Path) -> Callable[..., ExecutionContext]:
    def go(*, sample: int | None = None, **more: Any) -> ExecutionContext:
        params = {"cost": COST, "constraints": [], "calibration": "auto", "example_split": "calibration", "seed": 0}
        inputs = {
            "model": [ArtifactHandle("Model", str(folders["model"]), {"state": "fresh"}, id=1, fingerprint="m")],
            "examples": [
                ArtifactHandle(
                    "Examples", str(folders["examples"]), {"split_names": '["train", "calibration", "eval"]'}, id=2
                )
            ],
        }
        for name in ("model", "scratch"):
            (tmp_path / name).mkdir(exist_ok=True)
        outputs = {"model": ArtifactHandle("Model", str(tmp_path / "model"))}
        scratch = str(tmp_path / "scratch")
        ctx = ExecutionContext(inputs=inputs, outputs=outputs, params=params | more, tmp_dir=scratch, sample=sample)
        execute(ctx)
        return ctx

    return go


def test_the_model_goes_on_with_its_decision_and_its_evidence(run: Any, folders: dict[str, Path]) -> None:
    ctx = run(constraints=[{"metric": "false_positive_rate", "at_most": 0.5}])
    out = ctx.output("model")
    written = Model.load(out.uri)
    chosen = ChosenDecision.from_dict(written.info["decision"]["evidence"])
    assert out.properties == {"state": "fresh"}
    assert ctx.gate is None
    assert chosen.split == "calibration"
    assert chosen.rates["false_positive_rate"] <= 0.5
    assert ctx.found["threshold"] == chosen.threshold == written.decision.threshold < 0.4
    assert ctx.found["expected_cost"] < ctx.found["cost_before"]
    assert not any("on which an Evaluator judges" in note for note in ctx.found["notes"])
    assert "split calibration" in written.decision.chosen_on
    assert read_manifest(out.uri).fingerprint != read_manifest(str(folders["model"])).fingerprint


def test_the_server_answers_with_the_decision(run: Any, tmp_path: Path) -> None:
    from trueline.serving import create_app

    model = Model.load(run().output("model").uri)
    served = tmp_path / "served"
    served.mkdir()
    (Path(model.uri)).rename(served / "1")
    rng = np.random.default_rng(0)
    rows = [{"a": float(x), "b": float(y)} for x, y in rng.normal(size=(40, 2))]
    answers = ask(create_app({"bad": str(served)}), rows)
    probability = [answer["probabilities"][1] for answer in answers]
    said = [answer["label"] for answer in answers]
    threshold = Model.load(str(served / "1")).decision.threshold
    assert said == [p >= np.float32(threshold) for p in probability]
    assert said != [p > 0.5 for p in probability]


def ask(app: Any, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    import httpx

    async def go() -> list[dict[str, Any]]:
        await app.startup()
        try:
            while not app.ready:
                await asyncio.sleep(0.01)
            transport = httpx.ASGITransport(app=app)
            async with httpx.AsyncClient(transport=transport, base_url="http://model") as client:
                answer = await client.post("/v1/models/bad:predict", json={"instances": rows})
        finally:
            await app.shutdown()
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["predictions"]
        return found

    return asyncio.run(go())


def test_equal_work_gives_equal_models(run: Any, folders: dict[str, Path], tmp_path: Path) -> None:
    from trueline.data import Examples
    from trueline.model_analysis import choose_decision

    uri = run().output("model").uri
    again = choose_decision(
        Model.load(str(folders["model"])), Examples.open(str(folders["examples"])).dataset("calibration").deal(2), COST,
        split="calibration",
    )  # fmt: skip
    again.apply(Model.load(str(folders["model"])), str(tmp_path / "again"))
    assert read_manifest(uri).fingerprint == read_manifest(str(tmp_path / "again")).fingerprint


def test_choosing_on_the_split_that_judges_is_told(run: Any) -> None:
    notes = run(example_split="eval").found["notes"]
    assert any("chosen on the split 'eval', on which an Evaluator judges by default" in note for note in notes)


def test_constraints_that_cannot_be_kept_close_the_gate(run: Any) -> None:
    bounds = [{"metric": "recall", "at_least": 1.0}, {"metric": "precision", "at_least": 0.99}]
    ctx = run(constraints=bounds)
    assert ctx.gate.startswith("No threshold keeps all constraints for bad: recall at least 1: with the others kept")
    assert "precision at least 0.99" in ctx.gate
    assert not list(Path(ctx.output("model").uri).iterdir())
    sampled = run(constraints=bounds, sample=300)
    assert (sampled.gate, sampled.found["would_close"]) == (None, ctx.gate)
    assert Model.load(sampled.output("model").uri).decision.threshold == sampled.found["threshold"]


def test_what_cannot_work_is_told_before_anything_runs(tmp_path: Path) -> None:
    def channel(kind: Any, node_id: str) -> Any:
        return Importer(source_uri="anywhere", artifact_type=kind, node_id=node_id).outputs["result"]

    wired = {"model": channel(kinds.Model, "M"), "examples": channel(kinds.Examples, "E")}
    node = DecisionChooser(
        **wired, cost={"false_positive": 1}, constraints=[{"metric": "recal", "at_least": 2}], calibration="platt"
    )
    with pytest.raises(ConfigError) as caught:
        Pipeline("line", [node], root=tmp_path)
    said = "\n".join(caught.value.problems)
    for part in ("'false_negative' is missing", "Did you mean 'recall'", "none of 0..1", "no calibration 'platt'"):
        assert part in said
    good = DecisionChooser(**wired, cost=Cost(1, 6, unit="EUR"))
    assert json.loads(json.dumps(good.params))["cost"] == COST
    assert not good.problems


MODEL = """
def run_fn(fn_args):
    from sklearn.linear_model import LogisticRegression

    x, y, _ = fn_args.train.arrays()
    return LogisticRegression().fit(x, y)
"""


@pytest.mark.frameworks
def test_a_line_from_rows_to_a_judged_decision_and_again_from_the_cache(tmp_path: Path) -> None:
    from trainer_line import nodes

    from trueline import LocalRunner
    from trueline.components import Evaluator
    from trueline.model_analysis import EvalConfig, GenericValueThreshold, MetricConfig, MetricsSpec, MetricThreshold

    (tmp_path / "model.py").write_text(MODEL)
    config = EvalConfig(
        (MetricsSpec((MetricConfig("AUC", threshold=MetricThreshold(GenericValueThreshold(lower_bound=0.7))),)),)
    )

    def run() -> Any:
        examples, *rest, trainer = nodes(tmp_path, custom_config={})
        given = {"model": trainer.outputs["model"], "examples": examples.outputs["examples"]}
        chooser = DecisionChooser(**given, cost={"false_positive": 4, "false_negative": 1})
        judged = Evaluator(**given | {"model": chooser.outputs["model"]}, eval_config=config)
        line = Pipeline("line", [examples, *rest, trainer, chooser, judged], root=str(tmp_path / "line"))
        return LocalRunner().run(line)

    first = run()
    (made,) = first.nodes["DecisionChooser"].outputs["model"]
    assert Model.load(made.uri).decision.threshold > 0.5
    assert first.nodes["Evaluator"].outputs["blessing"][0].properties["current_model"] == made.uri
    second = run()
    assert second.nodes["DecisionChooser"].outputs["model"][0].uri == made.uri  # nothing changed, nothing ran
