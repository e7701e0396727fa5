"""Disturbed rows: the same for any sharding, within the schema, worse as said, and gated slice by slice."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from model_analysis_line import built
from sklearn.metrics import roc_auc_score
from tensorflow_metadata.proto.v0 import schema_pb2

from trueline._core.errors import ConfigError, DataError
from trueline.engine import Dataset, LocalEngine
from trueline.model_analysis import EvalConfig, EvalOptions, SlicingSpec
from trueline.model_analysis.robustness import (
    Perturbation,
    RobustnessResult,
    RobustnessSpec,
    evaluate_robustness,
    perturb,
)

SLICES = (SlicingSpec(), SlicingSpec(("company",)))
CONFIG = EvalConfig(slicing_specs=SLICES, options=EvalOptions(min_slice_size=20))
EVERY = RobustnessSpec(
    (
        Perturbation("gaussian_noise", scale=0.5),
        Perturbation("uniform_noise", scale=0.5, features=("fare",)),
        Perturbation("missing_each"),
        Perturbation("missing", rate=0.3),
        Perturbation("out_of_range"),
        Perturbation("unseen_category", rate=1.0),
        Perturbation("typos", rate=1.0),
        Perturbation("adversarial", queries=8),
    ),
    "AUC",
)


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    return built()


@pytest.fixture(scope="module")
def rows(made: dict[str, Any]) -> Dataset:
    return Dataset.from_table(made["table"], 400)


@pytest.fixture(scope="module")
def result(made: dict[str, Any], rows: Dataset) -> RobustnessResult:
    return evaluate_robustness(made["late"], rows, EVERY, CONFIG, engine=LocalEngine(1))


def test_dealing_the_rows_otherwise_changes_no_bit(made: Any, rows: Dataset, result: RobustnessResult) -> None:
    again = evaluate_robustness(made["late"], rows.deal(3), EVERY.to_dict(), CONFIG, engine=LocalEngine(2))
    assert again.to_json() == result.to_json()
    other = RobustnessSpec(EVERY.perturbations[:1], "AUC", seed=1)
    assert evaluate_robustness(made["late"], rows, other, CONFIG).losses[0].loss != result.losses[0].loss


def test_each_loss_is_that_of_the_metric_on_the_rows_disturbed(
    made: Any, rows: Dataset, result: RobustnessResult
) -> None:
    table, model = made["table"], made["late"]
    batch = table.combine_chunks().to_batches()[0]
    label, _ = model.targets(table)
    kept = np.asarray(label.is_valid())
    y = np.array(label.drop_null().to_pylist())
    cab = np.array([v == "cab" for v in table["company"].to_pylist()])

    def auc(data: Any, where: Any) -> float:
        return float(roc_auc_score(y[where[kept]], model.predict_proba(data)[kept & where, 1]))

    drop = perturb(batch, Perturbation("missing", features=("fare",), rate=1.0), {}, 0)
    everywhere = np.ones(len(kept), bool)
    for where, name in ((everywhere, "Overall"), (cab, "company=cab")):
        found = result.loss("missing[fare]", name)
        assert found.clean == pytest.approx(auc(table, where), abs=1e-9)
        assert found.perturbed == pytest.approx(auc(drop, where), abs=1e-9)
        assert found.loss == pytest.approx(found.clean - found.perturbed, abs=1e-12)
        assert found.relative == pytest.approx(found.loss / found.clean)
        assert found.low < found.loss < found.high
        assert found.rows == int((kept & where).sum())
    assert drop.column("fare").null_count == len(kept)


def test_every_kind_hurts_where_it_can_and_the_search_hurts_most(result: RobustnessResult) -> None:
    names = list(dict.fromkeys(loss.perturbation for loss in result.losses))
    assert names == [
        "gaussian_noise", "uniform_noise[fare]", "missing[fare]", "missing[company]", "missing", "out_of_range",
        "unseen_category", "typos", "adversarial",
    ]  # fmt: skip
    loss = {name: result.loss(name).loss for name in names}
    assert all(value > 0 for value in loss.values())
    assert loss["adversarial"] == max(loss.values())  # with a fifth of the noise's size
    assert loss["unseen_category"] == pytest.approx(loss["typos"])  # both are out of the vocabulary
    assert {w.slice for w in result.worst} == {loss.slice for loss in result.losses}
    assert all(w.loss == max(other.loss for other in result.losses if other.slice == w.slice) for w in result.worst)
    assert not result.gated
    assert "nothing is judged" in result.notes[-1]


def test_more_queries_find_more(made: Any, rows: Dataset) -> None:
    spec = RobustnessSpec(
        tuple(Perturbation("adversarial", name=f"q{q}", queries=q, epsilon=0.2) for q in (1, 6, 24)),
        "BinaryCrossentropy",
    )
    found = evaluate_robustness(made["late"], rows, spec)
    losses = [found.loss(f"q{q}").loss for q in (1, 6, 24)]
    assert 0 < losses[0] < losses[1] < losses[2]


def test_a_slice_that_loses_too_much_is_named_with_its_perturbation(
    made: Any, rows: Dataset, result: RobustnessResult
) -> None:
    each = {s.slice: s.loss for s in result.losses if s.perturbation == "missing[fare]"}
    bound = sorted(each.values())[-2] + 1e-6  # one slice alone is beyond it
    spec = RobustnessSpec((Perturbation("missing_each"),), "AUC", max_loss=bound)
    found = evaluate_robustness(made["late"], rows, spec, CONFIG)
    (failure,) = found.failures
    assert found.gated
    assert failure.slice == max(each, key=each.get)
    assert failure.kind == "robustness_absolute"
    assert failure.by == pytest.approx(each[failure.slice] - bound)
    assert failure.sentence.startswith(f"auc on {failure.slice} under missing[fare] goes from ")
    loose = RobustnessSpec(spec.perturbations, "AUC", max_loss=bound, slices=(SlicingSpec(),))
    assert evaluate_robustness(made["late"], rows, loose, CONFIG).failures == ()


def test_noise_decides_as_the_test_says(made: Any, rows: Dataset, result: RobustnessResult) -> None:
    one = result.loss("gaussian_noise")
    p = (EVERY.perturbations[0],)

    def fails(bound: float, test: str) -> bool:
        spec = RobustnessSpec(p, "AUC", max_loss=bound, test=test, slices=(SlicingSpec(),))
        return bool(evaluate_robustness(made["late"], rows, spec, CONFIG).failures)

    inside = one.loss + 0.3 * one.standard_error
    below = one.loss - 0.3 * one.standard_error
    assert [fails(inside, t) for t in ("value", "worse", "non_inferior")] == [False, False, True]
    assert [fails(below, t) for t in ("value", "worse", "non_inferior")] == [True, False, True]
    assert [fails(one.loss + 4 * one.standard_error, t) for t in ("value", "worse", "non_inferior")] == [False] * 3
    assert [fails(one.loss - 4 * one.standard_error, t) for t in ("value", "worse", "non_inferior")] == [True] * 3


def test_a_bound_of_its_own_goes_before_the_specs(made: Any, rows: Dataset) -> None:
    p = Perturbation("missing_each", features=("fare",), max_relative_loss=0.9)
    spec = RobustnessSpec((p, Perturbation("gaussian_noise", scale=3.0)), "AUC", max_loss=0.01)
    (failure,) = evaluate_robustness(made["late"], rows, spec).failures
    assert "under gaussian_noise" in failure.sentence
    assert "more perturbation" not in failure.sentence


def test_an_undefined_loss_does_not_pass_unless_it_is_told_to(made: Any) -> None:
    table = made["table"]
    one = table.filter(np.array([v is True for v in table["late"].to_pylist()]))
    spec = RobustnessSpec((Perturbation("gaussian_noise"),), "AUC", max_loss=0.5)
    found = evaluate_robustness(made["late"], Dataset.from_table(one), spec)
    (failure,) = found.failures
    assert failure.kind == "undefined"
    assert "an undefined loss does not pass" in failure.sentence
    assert found.losses[0].loss is None
    assert found.losses[0].undefined
    told = RobustnessSpec(spec.perturbations, "AUC", max_loss=0.5, undefined="pass")
    assert evaluate_robustness(made["late"], Dataset.from_table(one), told).failures == ()


@pytest.mark.parametrize(("name", "metric"), [("kind", "CategoricalAccuracy"), ("minutes", "MeanAbsoluteError")])
def test_more_classes_and_numbers_lose_too(made: Any, rows: Dataset, name: str, metric: str) -> None:
    spec = {"perturbations": [{"kind": "gaussian_noise"}, {"kind": "adversarial"}], "metric": metric}
    found = evaluate_robustness(made[name], rows, spec)
    noise, searched = (found.loss(p).loss for p in ("gaussian_noise", "adversarial"))
    assert searched > 0.1
    assert searched > noise
    assert found.rows == 1500


def test_the_search_stays_in_its_box_and_in_the_schema(made: Any, rows: Dataset) -> None:
    from trueline.model_analysis.robustness.adversarial import attack, row_losses
    from trueline.model_analysis.robustness.facts import FeatureFacts, with_domains

    batch = made["table"].combine_chunks().to_batches()[0]
    model = made["late"]
    facts = FeatureFacts({"fare": "float64", "miles": "float64", "seats": "int64", "company": "utf8"})
    facts.update(batch)
    features = [f for f in model.runtime.inputs if f.name != "heavy"]
    known = with_domains(facts.finish(), features, schema())
    assert known["fare"]["std"] == pytest.approx(np.nanstd(np.array(batch.column("fare").to_pylist(), float)))
    label, _ = model.targets(made["table"])
    y = np.array([np.nan if v is None else float(v) for v in label.to_pylist()])

    def losses(data: Any) -> Any:
        return row_losses(model.predict_proba(data)[:, 1].astype(float), y, "binary")

    p = Perturbation("adversarial", features=("fare", "miles", "seats", "company"), epsilon=0.5, queries=10)
    hurt = attack(batch, p, known, 0, losses)
    before, after = losses(batch), losses(hurt)
    assert (after[np.isfinite(y)] >= before[np.isfinite(y)]).all()
    assert (after > before).mean() > 0.8
    for name in ("fare", "miles"):
        old, new = (np.array(b.column(name).to_pylist(), float) for b in (batch, hurt))
        assert np.nanmax(np.abs(old - new)) <= 0.5 * known[name]["std"] + 1e-9
        np.testing.assert_array_equal(np.isnan(old), np.isnan(new))
        np.testing.assert_array_equal(old[~np.isfinite(y)], new[~np.isfinite(y)])  # no label, no loss, no change
    miles = np.array(hurt.column("miles").to_pylist())
    assert (miles <= np.maximum(6.0, np.array(batch.column("miles").to_pylist()))).all()
    assert set(hurt.column("company").drop_null().to_pylist()) <= {"acme", "bolt", "cab"}
    assert hurt.column("seats").type == batch.column("seats").type


def schema() -> schema_pb2.Schema:
    made = schema_pb2.Schema()
    made.feature.add(name="miles").float_domain.max = 6.0
    company = made.feature.add(name="company")
    company.string_domain.value.extend(["acme", "bolt"])
    return made


def test_all_that_does_not_fit_is_told_at_once(made: Any, rows: Dataset) -> None:
    bad = {
        "perturbations": [
            {"kind": "gausian_noise"},
            {"kind": "missing", "rate": 2.0},
            {"kind": "typos", "edits": 0},
            {"kind": "adversarial", "epsilon": -1.0},
            {"kind": "typos"},
        ],
        "metric": "ExampleCount",
        "max_loss": -0.1,
        "test": "better",
    }
    with pytest.raises(ConfigError) as caught:
        RobustnessSpec.from_dict(bad)
    said = "\n".join(caught.value.problems)
    for part in (
        "Did you mean 'gaussian_noise'", "rate is 2.0", "edits is 0", "epsilon is -1.0", "two perturbations are called",
        "a loss of it has no sign", "max_loss is -0.1", "test is 'better'",
    ):  # fmt: skip
        assert part in said
    spec = RobustnessSpec(
        (
            Perturbation("missing", features=("miles",)),
            Perturbation("typos", features=("seats",)),
            Perturbation("gaussian_noise", features=("fares",)),
        ),
        "MeanAbsoluteError",
    )
    with pytest.raises(ConfigError) as caught:
        evaluate_robustness(made["late"], rows, spec, EvalConfig(slicing_specs=(SlicingSpec(("city",)),)))
    said = "\n".join(caught.value.problems)
    for part in (
        "'miles' is required", "'seats' is scalar int64, which typos does not change", "Did you mean 'fare'",
        "no column 'city'",
    ):  # fmt: skip
        assert part in said
    empty = Dataset.from_table(made["table"].slice(0, 0))
    with pytest.raises(DataError, match="no rows to disturb"):
        evaluate_robustness(made["late"], empty, EVERY)


def test_json_and_table_and_page_hold_it_all(result: RobustnessResult) -> None:
    data = json.loads(result.to_json())
    assert RobustnessResult.from_dict(data) == result
    assert result.to_table().num_rows == len(result.losses)
    page = result.to_html()
    assert "not gated" in page
    assert "company=cab" in page
    assert RobustnessSpec.from_dict(json.loads(json.dumps(EVERY.to_dict()))) == EVERY
    with pytest.raises(ConfigError, match="not of format"):
        RobustnessResult.from_dict({"format": 0})
    with pytest.raises(KeyError):
        result.loss("sunshine")


def test_a_sample_of_rows_is_drawn_by_their_hash(made: Any, rows: Dataset) -> None:
    spec = RobustnessSpec((Perturbation("gaussian_noise"),), "AUC", max_rows=500)
    one, two = (evaluate_robustness(made["late"], d, spec) for d in (rows, rows.deal(2)))
    assert one.to_json() == two.to_json()
    assert 400 < one.rows < 600
