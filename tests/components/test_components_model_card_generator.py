"""The ModelCardGenerator as the launcher runs it: with everything, with the model alone, and again for equal bytes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import trueline.transform as tlt
from trueline._core.errors import ConfigError
from trueline._core.manifest import read_manifest, write_manifest
from trueline.components import ModelCardGenerator
from trueline.components.model_card_generator import execute
from trueline.model_analysis import (
    EvalConfig,
    GenericValueThreshold,
    MetricConfig,
    MetricsSpec,
    MetricThreshold,
    ModelCard,
    SlicingSpec,
    evaluate,
    evaluate_fairness,
    evaluate_robustness,
)
from trueline.models import build_model
from trueline.pipeline import ArtifactHandle, ExecutionContext, Importer, Pipeline
from trueline.pipeline import artifacts as kinds

pytest.importorskip("sklearn")
SECRET = "hunter2hunter2"


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ArtifactHandle]:
    """The artifacts that a line would hand to the card, each finished with its manifest."""
    from sklearn.linear_model import LogisticRegression

    from trueline.data import Examples, ingest_csv
    from trueline.data_validation import (
        generate_statistics,
        infer_schema,
        validate_statistics,
        write_anomalies_binary,
        write_statistics,
    )
    from trueline.schema import write_schema_text

    base = tmp_path_factory.mktemp("card")
    rng = np.random.default_rng(4)
    a, b = rng.normal(size=(2, 600))
    side = rng.choice(["left|<b>", "right"], 600)
    bad = a + b + rng.normal(0, 1, 600) > 0.2
    lines = [f"{x},{y},{s},{int(g)}" for x, y, s, g in zip(a, b, side, bad, strict=True)]
    (base / "rows.csv").write_text("\n".join(["a,b,side,bad", *lines]) + "\n")
    ingest_csv(str(base), str(base / "examples"), splits={"train": 2, "eval": 1})
    examples = Examples.open(str(base / "examples"))
    table = pa.Table.from_batches(list(examples.dataset("train").batches(None)))

    def preprocessing(x: Any) -> dict[str, Any]:
        return {"a": tlt.fill_missing(x["a"], 0.0), "b": tlt.fill_missing(x["b"], 0.0), "bad": x["bad"] > 0}

    made, output = tlt.analyze_and_transform(table, preprocessing)
    x = np.stack([np.array(made[n].to_pylist(), np.float32) for n in "ab"], axis=1)
    fitted = LogisticRegression().fit(x, np.array(made["bad"].to_pylist()))
    model = build_model(
        fitted, uri=str(base / "model"), transform=output, label="bad", sample=table, name="bad",
        about={"licence": "MIT", "owner": "The bad team"},
        training={"seed": 3, "data_dir": str(base), "db_password": SECRET, "rows": table.num_rows},
    )  # fmt: skip
    threshold = MetricThreshold(GenericValueThreshold(lower_bound=0.6))
    config = EvalConfig(
        (MetricsSpec((MetricConfig("AUC", threshold=threshold), MetricConfig("ExampleCount"))),),
        (SlicingSpec(), SlicingSpec(["side"])),
    )
    evaluate(model, examples.dataset("eval"), config).save(str(base / "evaluation"))
    spec = {"groups": ["side"], "thresholds": [0.5], "criteria": {"equal_accuracy": 0.5}}
    evaluate_fairness(model, examples.dataset("eval"), spec).save(str(base / "evaluation"))
    noise = {"perturbations": [{"kind": "gaussian_noise", "features": ["a"]}], "metric": "AUC", "max_loss": 0.5}
    robust = evaluate_robustness(model, examples.dataset("eval"), noise, config)
    (base / "evaluation" / "robustness.json").write_text(robust.to_json())
    schema = infer_schema(generate_statistics(examples.dataset("train")))
    (base / "schema").mkdir()
    write_schema_text(schema, str(base / "schema" / "schema.pbtxt"))
    for split in ("train", "eval"):
        found = generate_statistics(examples.dataset(split))
        for kind in ("statistics", "anomalies"):
            (base / kind / f"Split-{split}").mkdir(parents=True)
        write_statistics(found, str(base / "statistics" / f"Split-{split}" / "FeatureStats.pb"))
        anomalies = validate_statistics(found, schema)
        write_anomalies_binary(anomalies, str(base / "anomalies" / f"Split-{split}" / "SchemaDiff.pb"))
    (base / "infra_blessing").mkdir()
    report = {"ok": True, "rows": 8, "message": ""}
    (base / "infra_blessing" / "report.json").write_text(json.dumps(report))
    types = {
        "model": "Model", "evaluation": "ModelEvaluation", "statistics": "ExampleStatistics", "schema": "Schema",
        "examples": "Examples", "anomalies": "ExampleAnomalies", "infra_blessing": "InfraBlessing",
    }  # fmt: skip
    return {key: _finished(base / key, kind, number) for number, (key, kind) in enumerate(types.items(), 1)}


def _finished(folder: Path, kind: str, number: int) -> ArtifactHandle:
    if not (folder / "MANIFEST.json").exists():
        write_manifest(str(folder), kind)
    properties = {"span": 2, "version": 1} if kind == "Examples" else {}
    return ArtifactHandle(kind, str(folder), properties, id=number, fingerprint=read_manifest(str(folder)).fingerprint)


def channel(kind: Any, node_id: str) -> Any:
    return Importer(source_uri="anywhere", artifact_type=kind, node_id=node_id).outputs["result"]


WIRED: dict[str, Any] = {
    "model": kinds.Model, "evaluation": kinds.ModelEvaluation, "statistics": kinds.ExampleStatistics,
    "schema": kinds.Schema, "examples": kinds.Examples, "anomalies": kinds.ExampleAnomalies,
    "infra_blessing": kinds.InfraBlessing,
}  # fmt: skip


@pytest.fixture
def run(line: dict[str, ArtifactHandle], tmp_path: Path) -> Callable[..., ExecutionContext]:
    def go(*keys: str, place: str = "card", **more: Any) -> ExecutionContext:
        node = ModelCardGenerator(
            **{k: channel(WIRED[k], k.title()) for k in WIRED if k in keys or k == "model"}, **more
        )
        assert not node.problems
        params = json.loads(json.dumps(node.params))
        inputs = {key: [line[key]] if key in keys or key == "model" else [] for key in WIRED}
        (tmp_path / place).mkdir(parents=True)
        outputs = {"model_card": ArtifactHandle("ModelCard", str(tmp_path / place))}
        ctx = ExecutionContext(inputs=inputs, outputs=outputs, params=params, tmp_dir=str(tmp_path))
        execute(ctx)
        return ctx

    return go


def test_everything_that_the_line_knows_stands_in_the_card(run: Any, line: dict[str, ArtifactHandle]) -> None:
    ctx = run(*WIRED, texts={"intended_use": "Finding bad ones.", "tags": ["demo"]})
    card = ModelCard.load(ctx.output("model_card").uri)
    data, found = card.data, card.data.evaluation
    assert {g.group for g in data.fairness.groups} >= {"All rows", "side=right"}
    assert data.robustness is not None
    assert data.texts.owner == "The bad team"  # from the model itself
    assert data.texts.intended_use == "Finding bad ones."
    assert {s.name: s.rows for s in data.data.splits}.keys() == {"train", "eval"}
    assert (data.data.span, data.data.version) == (2, 1)
    assert [f.name for f in data.data.statistics] == ["a", "b", "side", "bad"]
    assert data.data.anomalies == ()
    assert found.ok
    assert {s.name for s in found.slices} == {"side=left|<b>", "side=right"}
    assert found.candidate == data.model.fingerprint == line["model"].fingerprint
    assert data.server.ok
    assert data.server.rows == 8
    assert [(e.role, e.producer, e.fingerprint) for e in data.lineage[:2]] == [
        ("model", "Model", line["model"].fingerprint),
        ("evaluation", "Evaluation", line["evaluation"].fingerprint),
    ]
    assert "another model" not in " ".join(data.limits)
    assert ctx.output("model_card").properties == {"model_fingerprint": line["model"].fingerprint}
    text = Path(ctx.output("model_card").path("model_card.md")).read_text()
    assert 'license: "mit"' in text
    assert "| side=left\\|&lt;b&gt; |" in text


def test_the_model_alone_makes_a_card_that_says_what_is_missing(run: Any) -> None:
    ctx = run()
    card = ModelCard.load(ctx.output("model_card").uri)
    assert ctx.found["not_given"] == [key for key in WIRED if key != "model"]
    assert card.data.evaluation is None
    assert card.data.data.splits is None
    assert "The model's quality was not measured: no evaluation was given." in card.data.limits
    assert "passed" not in card.to_markdown()


def test_equal_work_gives_equal_bytes(run: Any) -> None:
    uris = [run(*WIRED, place=place).output("model_card").uri for place in ("one", "deeper/two")]
    first, second = (write_manifest(uri, "ModelCard").fingerprint for uri in uris)
    assert first == second


def test_nothing_of_this_machine_and_no_secret_is_told(run: Any, line: dict[str, ArtifactHandle]) -> None:
    folder = Path(run(*WIRED).output("model_card").uri)
    for path in folder.iterdir():
        text = path.read_text()
        assert str(Path(line["model"].uri).parent) not in text
        assert "/tmp/" not in text
        assert SECRET not in text
    assert ModelCard.load(str(folder)).data.training.facts["db_password"] == "(withheld)"


def test_a_template_of_ones_own_is_carried_by_the_node(run: Any, tmp_path: Path) -> None:
    path = tmp_path / "mine.md.j2"
    path.write_text('{% extends "model_card.md.j2" %}{% block factors %}Of {{ card.model.name }}.{% endblock %}')
    ctx = run(template=str(path))
    assert "## Factors\n\nOf bad.\n" in Path(ctx.output("model_card").path("model_card.md")).read_text()
    assert str(tmp_path) not in json.dumps(ctx.params)


def test_what_cannot_work_is_told_before_anything_runs(tmp_path: Path) -> None:
    path = tmp_path / "mine.md.j2"
    path.write_text('{% extends "model_card.md.j2" %}\n{% block factors %}{{ card.model.nmae }}{% endblock %}')
    node = ModelCardGenerator(model=channel(kinds.Model, "M"), texts={"licens": "MIT"}, template=path)
    with pytest.raises(ConfigError) as caught:
        Pipeline("line", [node], root=tmp_path)
    said = "\n".join(caught.value.problems)
    for part in ("texts: there is no text 'licens'", "'licence'", "mine.md.j2, line 2: ModelFacts has no 'nmae'"):
        assert part in said


MODEL = """
def run_fn(fn_args):
    from sklearn.linear_model import LogisticRegression

    x, y, _ = fn_args.train.arrays()
    return LogisticRegression().fit(x, y)
"""


@pytest.mark.frameworks
def test_a_whole_line_writes_its_card_and_takes_it_from_the_cache_again(tmp_path: Path) -> None:
    from trainer_line import nodes

    from trueline import LocalRunner
    from trueline.components import Evaluator, ExampleValidator, Resolver

    (tmp_path / "model.py").write_text(MODEL)
    config = EvalConfig((MetricsSpec((MetricConfig("AUC"),)),))

    def go() -> Any:
        examples, statistics, schema, *rest, trainer = nodes(tmp_path, custom_config={})
        rows, model = examples.outputs["examples"], trainer.outputs["model"]
        validator = ExampleValidator(statistics=statistics.outputs["statistics"], schema=schema.outputs["schema"])
        judged = Evaluator(examples=rows, model=model, eval_config=config)
        earlier = Resolver(strategy="latest", optional=True, infra_blessing=kinds.InfraBlessing, node_id="Earlier")
        card = ModelCardGenerator(
            model=model, evaluation=judged.outputs["evaluation"], statistics=statistics.outputs["statistics"],
            schema=schema.outputs["schema"], examples=rows, anomalies=validator.outputs["anomalies"],
            infra_blessing=earlier.outputs["infra_blessing"],
        )  # fmt: skip
        line = Pipeline(
            "line", [examples, statistics, schema, *rest, trainer, validator, judged, earlier, card],
            root=str(tmp_path / "line"),
        )  # fmt: skip
        return LocalRunner().run(line)

    first = go()
    (made,) = first.nodes["ModelCardGenerator"].outputs["model_card"]
    data = ModelCard.load(made.uri).data
    assert data.server is None  # the resolver found nothing
    assert not data.evaluation.judged
    assert [e.producer for e in data.lineage] == [
        "Trainer", "Evaluator", "StatisticsGen", "SchemaGen", "CsvExampleGen", "ExampleValidator",
    ]  # fmt: skip
    assert go().nodes["ModelCardGenerator"].outputs["model_card"][0].uri == made.uri
