"""What an Evaluator says before anything runs, in which words it closes the line, and what its blessing holds."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import trueline.transform as tlt
from trueline._core.errors import ArtifactError, ConfigError
from trueline._core.manifest import write_manifest
from trueline._core.rowid import row_ids
from trueline._core.values import RawFeature
from trueline.components import Evaluator
from trueline.components.evaluator import _reason, execute
from trueline.components.evaluator_evidence import read_evidence
from trueline.components.evaluator_more import question_params
from trueline.data import ExamplesWriter
from trueline.engine import Dataset
from trueline.model_analysis import (
    EvalConfig,
    EvalOptions,
    GenericChangeThreshold,
    GenericValueThreshold,
    MetricConfig,
    MetricsSpec,
    MetricThreshold,
    SlicingSpec,
)
from trueline.model_analysis.validation import GateFailure, ValidationResult
from trueline.models import Fitted, build_model
from trueline.pipeline import ArtifactHandle, Importer, Pipeline
from trueline.pipeline.artifacts import Examples, Model

SIDE = SlicingSpec(["side"])
TEXT = """
model_specs { label_key: "y" }
metrics_specs { metrics { class_name: "AUC" threshold { value_threshold { lower_bound { value: 0.6 } } } } }
"""


def channel(kind, node_id):
    return Importer(source_uri="anywhere", artifact_type=kind, node_id=node_id).outputs["result"]


def test_a_config_that_cannot_work_is_told_before_anything_is_trained(tmp_path):
    config = EvalConfig(
        metrics_specs=(MetricsSpec(metrics=(MetricConfig("AUCC"),)),), slicing_specs=(SlicingSpec(expression="age >"),)
    )
    judged = Evaluator(examples=channel(Examples, "E"), model=channel(Model, "M"), eval_config=config)
    with pytest.raises(ConfigError) as caught:
        Pipeline("line", [judged], root=tmp_path)
    metric, slice_ = caught.value.problems
    assert "there is no metric 'AUCC'. Did you mean 'AUC'?" in metric
    assert "slice 'age >'" in slice_


class Verdict:
    """The part of an `EvalResult` that the sentence is made of."""

    def __init__(self, *slices):
        failures = [GateFailure("auc", name, "value_lower", 0.1, 0.5, 0.4, f"auc on {name} is low.") for name in slices]
        self.validation_result = ValidationResult(ok=False, failures=tuple(failures))


@pytest.mark.parametrize(
    ("slices", "said"),
    [
        ("a", "auc on a is low."),
        ("ab", "auc on a is low (also auc on b)."),
        ("abcdefgh", "auc on a is low (also auc on b; auc on c; auc on d; auc on e and 3 more)."),
    ],
)
def test_a_refusal_names_the_other_slices_too(slices, said):
    assert _reason(Verdict(*slices), judged=True) == f"The model is not blessed: {said}"


@pytest.mark.parametrize("form", ["text", "path", "name", "json"])
def test_a_config_may_be_text_or_a_file(tmp_path, form):
    file = tmp_path / ("config.json" if form == "json" else "config.pbtxt")
    file.write_text(EvalConfig.from_text(TEXT).to_json() if form == "json" else TEXT)
    given = {"text": TEXT, "path": file, "name": str(file), "json": str(file)}[form]
    judged = Evaluator(examples=channel(Examples, "E"), model=channel(Model, "M"), eval_config=given)
    assert judged.problems == []
    assert EvalConfig.from_json(judged.params["eval_config"]) == EvalConfig.from_text(TEXT)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ('metrics_specs { metrics { class_nam: "AUC" } }', "class_nam"),
        ('metrics_specs { metrics { class_name: "AUCC" } }', "there is no metric 'AUCC'"),
        ('{"metrics_specs": 3}', "metrics_specs"),
        ("nowhere.pbtxt", "the file 'nowhere.pbtxt' cannot be read"),
        (None, "needs an EvalConfig as eval_config, got NoneType"),
    ],
)
def test_a_text_that_is_no_config_is_told_when_the_line_is_built(given, said):
    judged = Evaluator(examples=channel(Examples, "E"), model=channel(Model, "M"), eval_config=given)
    assert said in "\n".join(judged.problems)


# one real evaluation: a candidate, a baseline, and a slice on which the candidate is worse


def rows(count=3000):
    """The label follows x on one side and z on the other."""
    rng = np.random.default_rng(5)
    x, z = rng.normal(0, 1, (2, count))
    left = rng.random(count) < 0.8
    label = np.where(left, x, z) + rng.normal(0, 0.4, count) > 0
    side = np.where(left, "left", "right")
    return pa.table({"__row__": row_ids(1, 0, count), "x": x, "z": z, "side": side, "y": label})


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """One model that looks at x and one that looks at z: the former is better overall, and worse on the right."""
    from sklearn.linear_model import LogisticRegression

    table, root = rows(), tmp_path_factory.mktemp("models")
    features = [RawFeature(n, "float64", optional=False) for n in "xz"]
    traced = tlt.trace(lambda i: dict(i), [*features, RawFeature("y", "bool", optional=False)])
    transform = tlt.analyze(traced, Dataset.from_table(table, 1000))
    arrays = {n: table.column(n).to_numpy(zero_copy_only=False) for n in "xzy"}
    made = {}
    for number, name in enumerate("xz", 1):
        fitted = Fitted(LogisticRegression().fit(arrays[name].astype(np.float32)[:, None], arrays["y"]))
        uri = str(root / name)
        build_model(fitted, uri=uri, transform=transform, label="y", features=[name], sample=table, name=name)
        made[name] = ArtifactHandle("Model", uri, {}, id=number, fingerprint=write_manifest(uri, "Model").fingerprint)
    folder = str(root / "examples")
    with ExamplesWriter(folder, table.schema, block_rows=1000, splits=["eval"]) as writer:
        for batch in table.to_batches(1000):
            writer.write("eval", batch)
    made["examples"] = ArtifactHandle("Examples", folder, {"split_names": ["eval"]}, id=9, fingerprint="e" * 64)
    return made


def gated(lower=0.55, absolute=0.0):
    threshold = MetricThreshold(GenericValueThreshold(lower), GenericChangeThreshold(absolute))
    metric = MetricConfig("AUC", threshold=threshold)
    return EvalConfig([MetricsSpec([metric])], [SlicingSpec(), SIDE], EvalOptions(multiplicity="holm"))


@pytest.fixture
def evaluating(models, context):
    def run(config, candidate, baseline=None, **more):
        inputs = {"examples": [models["examples"]], "model": [models[candidate]]}
        if baseline:
            inputs["baseline_model"] = [models[baseline]]
        asked, problems = question_params(more)
        assert problems == []
        params = {"eval_config": config.to_json(), "example_splits": ["eval"], "more": asked}
        ctx = context(params, inputs, {"evaluation": "ModelEvaluation", "blessing": "ModelBlessing"})
        execute(ctx)
        return ctx

    return run


def files(ctx):
    return sorted(p.name for p in Path(ctx.output("blessing").uri).iterdir())


def test_better_overall_and_worse_on_one_slice_is_refused_and_the_blessing_holds_the_evidence(evaluating, models):
    config = gated(lower=0.4)
    ctx = evaluating(config, "x", "z")
    assert "auc on side=right" in ctx.gate
    assert files(ctx) == ["NOT_BLESSED", "evidence.json"]
    evidence = read_evidence(ctx.output("blessing").uri)
    assert (evidence["format"], evidence["blessed"], evidence["first_model"], evidence["notes"]) == (
        1,
        False,
        False,
        [],
    )
    assert evidence["candidate"] == {"fingerprint": models["x"].fingerprint}
    assert evidence["baseline"] == {"fingerprint": models["z"].fingerprint}
    assert evidence["examples"] == {"fingerprint": "e" * 64, "splits": ["eval"]}
    assert evidence["eval_config"]["fingerprint"] == hashlib.sha256(config.to_json().encode()).hexdigest()
    assert [f["slice"] for f in evidence["verdict"]["failures"]] == ["side=right"]
    checks = {(c["slice"], c["kind"]): c for c in evidence["checks"]}
    assert set(checks) == {(s, k) for s in ("Overall", "side=left", "side=right") for k in KINDS}
    overall, right = checks["Overall", "change_absolute"], checks["side=right", "change_absolute"]
    assert overall["outcome"] == "passed"
    assert overall["change"] > 0.1
    assert right["outcome"] == "failed"
    assert right["rows"] + checks["side=left", "value_lower"]["rows"] == overall["rows"] == 3000
    assert right["low"] < right["compared"] < right["high"] < 0
    assert right["p_value"] <= right["p_adjusted"] < 1e-6
    assert ctx.output("blessing").properties["reason"] == ctx.gate
    validation = json.loads(Path(ctx.output("evaluation").path("validation.json")).read_text())
    assert [f["sentence"].startswith("auc on side=right went from") for f in validation["failures"]] == [True]


KINDS = ("value_lower", "change_absolute")


def test_a_first_model_is_blessed_on_value_thresholds_and_says_so(evaluating):
    ctx = evaluating(gated(lower=0.4), "x")
    assert ctx.gate is None
    assert files(ctx) == ["BLESSED", "evidence.json"]
    evidence = read_evidence(ctx.output("blessing").uri)
    assert (evidence["blessed"], evidence["first_model"], evidence["baseline"]) == (True, True, None)
    note = (
        "There was no other model to compare with, so this one passes on value thresholds alone: "
        "1 threshold on a change was not applied (auc)."
    )
    assert evidence["notes"] == [note]
    properties = ctx.output("blessing").properties
    assert (properties["blessed"], properties["rubber_stamp"], properties["note"]) == (1, 1, note)


def test_values_alone_say_so_too(evaluating):
    metric = MetricConfig("AUC", threshold=MetricThreshold(GenericValueThreshold(0.5)))
    ctx = evaluating(EvalConfig([MetricsSpec([metric])]), "x")
    assert "this one was judged by value thresholds alone" in ctx.output("blessing").properties["note"]


def test_a_model_that_is_its_own_baseline_is_judged_alone_and_the_run_says_so(evaluating, context):
    """What is published does not say what stood there: equal inputs give equal artifacts, also from the cache."""
    metric = MetricConfig("AUC", threshold=MetricThreshold(GenericValueThreshold(0.4)))
    for config in (gated(lower=0.4), EvalConfig([MetricsSpec([metric])])):
        context.left_out = ()
        alone = evaluating(config, "x")
        context.left_out = ("baseline_model",)
        ctx = evaluating(config, "x")
        assert ctx.found["baseline"] == "this very model: it has the same contents"
        assert "baseline" not in alone.found
        assert read_evidence(ctx.output("blessing").uri) == read_evidence(alone.output("blessing").uri)
        (note,) = read_evidence(ctx.output("blessing").uri)["notes"]
        assert note.startswith("There was no other model to compare with")
        assert "first model" not in Path(ctx.output("evaluation").path("evaluation.html")).read_text()


def test_a_sampled_run_blesses_nothing_and_closes_nothing(evaluating, context):
    context.sample = 100
    for config, met in ((gated(lower=0.4), True), (gated(lower=0.9999), False)):
        ctx = evaluating(config, "x")
        assert ctx.gate is None
        assert ctx.output("blessing").properties["blessed"] == 0
        assert "NOT_BLESSED" in files(ctx)
        assert (ctx.found["blessed"], ctx.found["thresholds_met"], ctx.found["sample"]) == (False, met, 100)


def test_equal_inputs_give_equal_evidence(evaluating):
    first = Path(evaluating(gated(), "x", "z").output("blessing").path("evidence.json")).read_bytes()
    assert Path(evaluating(gated(), "x", "z").output("blessing").path("evidence.json")).read_bytes() == first


def test_whatever_fails_leaves_no_blessing(models, context, evaluating):
    nowhere = EvalConfig(gated().metrics_specs, [SlicingSpec(["nowhere"])])
    inputs = {"examples": [models["examples"]], "model": [models["x"]]}
    params = {"eval_config": nowhere.to_json(), "example_splits": ["eval"]}
    ctx = context(params, inputs, {"evaluation": "ModelEvaluation", "blessing": "ModelBlessing"})
    with pytest.raises(ConfigError, match="nowhere"):
        execute(ctx)
    assert files(ctx) == []
    assert ctx.output("blessing").properties == {}
    with pytest.raises(ArtifactError, match="does not exist"):
        read_evidence(ctx.output("blessing").uri)


def test_evidence_that_cannot_be_written_leaves_no_blessing(models, context):
    inputs = {"examples": [models["examples"]], "model": [models["x"]]}
    params = {"eval_config": gated(lower=0.4).to_json(), "example_splits": ["eval"]}
    ctx = context(params, inputs, {"evaluation": "ModelEvaluation", "blessing": "ModelBlessing"})
    Path(ctx.output("blessing").path("evidence.json")).mkdir()
    with pytest.raises((OSError, ArtifactError)):
        execute(ctx)
    assert files(ctx) == ["evidence.json"]
    assert ctx.output("blessing").properties == {}


@pytest.mark.parametrize("text", ["{", "[]", '{"format": 2}'])
def test_another_file_is_no_evidence(tmp_path, text):
    (tmp_path / "evidence.json").write_text(text)
    with pytest.raises(ArtifactError, match=r"readable evidence|has format"):
        read_evidence(str(tmp_path))


def test_a_config_without_thresholds_blesses_nothing_and_the_line_goes_on(evaluating):
    ctx = evaluating(EvalConfig([MetricsSpec([MetricConfig("AUC")])]), "x")
    assert ctx.gate is None
    assert files(ctx) == ["NOT_BLESSED", "evidence.json"]
    assert read_evidence(ctx.output("blessing").uri)["blessed"] is False


# what is asked beside metrics


def evaluation_files(ctx):
    return {p.name for p in Path(ctx.output("evaluation").uri).iterdir()}


def test_operations_close_the_gate_and_their_times_stay_out_of_what_is_published(evaluating):
    config = gated(lower=0.4)
    ctx = evaluating(config, "x", operational_gates={"max_model_bytes": 10, "max_latency_us": 0.001})
    assert "max_model_bytes = 10" in ctx.gate
    assert files(ctx) == ["NOT_BLESSED", "evidence.json"]
    evidence = read_evidence(ctx.output("blessing").uri)
    kinds = {f["metric"]: f for f in evidence["verdict"]["failures"]}
    assert kinds["model_size"]["value"] > 10
    assert kinds["latency"]["value"] is None
    again = evaluating(config, "x", operational_gates={"max_model_bytes": 10, "max_latency_us": 0.001})
    for name in ("evaluation", "blessing"):
        texts = [
            {p.name: p.read_bytes() for p in Path(c.output(name).uri).iterdir() if p.suffix != ".parquet"}
            for c in (ctx, again)
        ]
        assert texts[0] == texts[1]
    assert evaluating(config, "x", operational_gates={"max_model_bytes": 10**7}).gate is None


def test_a_model_that_noise_breaks_is_refused_by_slice_and_disturbance(evaluating):
    spec = {
        "perturbations": [{"kind": "gaussian_noise", "scale": 5.0, "name": "rough roads"}],
        "metric": "AUC",
        "max_loss": 0.02,
    }
    ctx = evaluating(gated(lower=0.4), "x", robustness=spec)
    assert "rough roads" in ctx.gate
    assert "robustness.json" in evaluation_files(ctx)
    page = Path(ctx.output("evaluation").path("evaluation.html")).read_text()
    assert "Robustness" in page
    assert "rough roads" in page


def test_the_worst_slices_are_shown_and_close_nothing(evaluating):
    ctx = evaluating(gated(lower=0.4), "x", find_slices={"top_k": 3, "extra_features": ["side"]})
    assert ctx.gate is None
    found = json.loads(Path(ctx.output("evaluation").path("found_slices.json")).read_text())
    assert found["slices"][0]["key"] == [["side", "right"]]


def test_questions_that_cannot_be_asked_are_told_when_the_line_is_built():
    judged = Evaluator(
        examples=channel(Examples, "E"),
        model=channel(Model, "M"),
        eval_config=gated(),
        operational_gates={"max_model_byte": 3},
        robustness={"perturbations": [], "metric": "AUCC"},
        find_slices="many",
    )
    said = "\n".join(judged.problems)
    for word in ("operational_gates: max_model_byte", "robustness: there are no perturbations", "AUCC", "find_slices:"):
        assert word in said


def test_groups_that_are_treated_apart_close_the_gate_by_their_names(evaluating):
    spec = {"groups": ["side"], "thresholds": [0.5], "criteria": {"equal_accuracy": 0.05}}
    ctx = evaluating(gated(lower=0.4), "x", fairness=spec)
    assert "side=right" in ctx.gate
    assert "side=left" in ctx.gate
    assert "fairness.json" in evaluation_files(ctx)
    assert "Fairness" in Path(ctx.output("evaluation").path("evaluation.html")).read_text()
    far = {"groups": ["side"], "thresholds": [0.5], "criteria": {"equal_accuracy": 0.9}}
    assert evaluating(gated(lower=0.4), "x", fairness=far).gate is None
