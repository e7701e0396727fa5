"""Every judgement takes the same forms of data, gives the same for them, and refuses others in a sentence."""

from __future__ import annotations

from collections.abc import Callable
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from model_analysis_line import built
from sklearn.linear_model import LogisticRegression

import trueline.transform as tlt
from trueline._core.errors import DataError, FeedError, ModelError
from trueline._core.values import RawFeature
from trueline.data import Examples, ingest_table
from trueline.engine import Dataset, LocalEngine
from trueline.model_analysis import (
    EvalConfig,
    EvalOptions,
    MetricConfig,
    MetricsSpec,
    SlicingSpec,
    as_dataset,
    check_operations,
    choose_decision,
    evaluate,
    evaluate_fairness,
    evaluate_models,
    evaluate_robustness,
    find_slices,
    permutation_importance,
    run_model_analysis,
    what_if,
)
from trueline.model_analysis.datasets import features_read
from trueline.model_analysis.noise import ROW_HASH, contents_hash, row_groups
from trueline.model_analysis.robustness import Perturbation, RobustnessSpec
from trueline.model_analysis.robustness.judge import judge
from trueline.model_analysis.robustness.result import SliceLoss
from trueline.models.build import build_model

AUC = MetricsSpec((MetricConfig("AUC"),))
CONFIG = EvalConfig((AUC,), (SlicingSpec(), SlicingSpec(("company",)), SlicingSpec(("seats",))))
NOISE = RobustnessSpec((Perturbation("gaussian_noise"),), "AUC")
WAYS: dict[str, Callable[[Any, Any], Any]] = {
    "evaluate": lambda m, d: evaluate(m, d, CONFIG).measured,
    "evaluate_models": lambda m, d: evaluate_models({"a": m, "b": m}, d, CONFIG).models["b"].measured,
    "run_model_analysis": lambda m, d: run_model_analysis(m, d, CONFIG).measured,
    "find_slices": lambda m, d: find_slices(m, d, max_order=1),
    "evaluate_fairness": lambda m, d: evaluate_fairness(m, d, {"groups": ["company"]}).to_dict(),
    "permutation_importance": lambda m, d: permutation_importance(m, d, n_repeats=1).content(),
    "what_if": lambda m, d: what_if(m, d, rows=5, worst=1, near=1).document,
    "evaluate_robustness": lambda m, d: evaluate_robustness(m, d, NOISE, CONFIG).to_json(),
    "choose_decision": lambda m, d: choose_decision(m, d, {"false_positive": 1, "false_negative": 3}, "none"),
    "check_operations": lambda m, d: check_operations(
        m, d, {"max_model_bytes": 10**9}, rounds=1, calls=1, batches=1
    ).for_artifact(),
}


@pytest.fixture(scope="module")
def table() -> pa.Table:
    return built()["table"].drop_columns(["__row__"])


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_whole_numbers_that_pandas_made_floats_judge_as_they_were(way: Any, table: pa.Table) -> None:
    frame = table.to_pandas().astype({"seats": "float64"})
    assert str(frame["seats"].dtype) == "float64"
    assert repr(way(built()["late"], frame)) == repr(way(built()["late"], table))


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_what_holds_no_rows_is_refused_in_a_sentence(way: Any) -> None:
    with pytest.raises(DataError, match=r"a list (cannot be evaluated|is no table)"):
        way(built()["late"], [1, 2])


def test_a_frame_takes_the_types_of_what_is_read_where_the_values_fit(table: pa.Table) -> None:
    features = features_read(built()["late"].runtime, None)
    assert {f.name for f in features} == {"fare", "miles", "seats", "company", "late"}
    gap = pd.DataFrame({"seats": [1.0, None], "miles": [1, 2], "company": [None, None], "own": [1.0, None]})
    made = as_dataset(gap, features=features).arrow_schema
    types = {n: str(made.field(n).type) for n in gap}
    assert types == {"seats": "int64", "miles": "int64", "company": "string", "own": "double"}
    assert (
        as_dataset(pl.DataFrame({"seats": [2.0, None]}), features=features).arrow_schema.field("seats").type == "int64"
    )
    with pytest.raises(FeedError, match=r"column 'seats': expected int64.*1\.5"):
        as_dataset(pd.DataFrame({"seats": [1.5, None]}), features=features)
    arrow = pa.table({"seats": [1.0, None]})  # Arrow knows its types: they are not touched
    assert as_dataset(arrow, features=features).arrow_schema.field("seats").type == "double"


def test_rows_without_a_number_keep_the_noise_groups_of_the_evaluation(table: pa.Table) -> None:
    bare = Dataset.from_table(table, 400)
    options = EvalOptions(compute_confidence_intervals=True, seed=3)
    config = EvalConfig((AUC,), (SlicingSpec(), SlicingSpec(("company",))), options)
    spec = RobustnessSpec((Perturbation("missing", name="none", rate=1e-12),), "AUC")
    found = evaluate_robustness(built()["late"], bare, NOISE, config, engine=LocalEngine(1))
    again = evaluate_robustness(built()["late"], bare.deal(3), NOISE, config, engine=LocalEngine(2))
    assert again.to_json() == found.to_json()
    assert all(s.low is not None and s.low < s.loss < s.high for s in found.losses)
    numbered = evaluate_robustness(built()["late"], as_dataset(table), NOISE, config)
    ratio = found.loss("gaussian_noise").standard_error / numbered.loss("gaussian_noise").standard_error
    assert 0.4 < ratio < 2.5
    assert evaluate_robustness(built()["late"], bare, spec, config).loss("none").standard_error == 0.0


def test_the_hash_that_is_carried_deals_the_groups_of_the_rows_themselves(table: pa.Table) -> None:
    batch = table.combine_chunks().to_batches()[0]
    carried = pa.record_batch({"x": batch.column("fare"), ROW_HASH: pa.array(contents_hash(batch, 7).view("int64"))})
    assert (row_groups(carried, 32, 7) == row_groups(batch, 32, 7)).all()
    assert len(set(row_groups(carried, 32, 7).tolist())) == 32


def test_a_decision_is_chosen_on_the_split_of_its_record(table: pa.Table) -> None:
    with TemporaryDirectory() as folder:
        ingest_table(table, folder, splits=[("train", 3), ("eval", 1)])
        examples = Examples.open(folder)
        cost = {"false_positive": 1, "false_negative": 3}
        for split in ("train", "eval"):
            chosen = choose_decision(built()["late"], examples, cost, "none", split)
            used = chosen.rows + sum(chosen.left_out.values())
            assert (chosen.split, used) == (split, examples.dataset(split).num_rows)
        with pytest.raises(DataError, match="there is no split 'test'"):
            choose_decision(built()["late"], examples, cost, "none", "test")


def test_a_loss_whose_noise_is_unknown_is_not_shown_to_be_small() -> None:
    loss = SliceLoss("p", "Overall", 9, 0.9, 0.88, 0.02, 0.022)

    def sentences(test: str, bound: float) -> list[str]:
        spec = RobustnessSpec((Perturbation("missing", name="p"),), "AUC", max_loss=bound, test=test)
        return [f.sentence for f in judge(spec, spec.perturbations, [loss], "auc")[0]]

    (closed,) = sentences("non_inferior", 0.5)
    assert closed == (
        "auc on Overall under p has a loss of 0.02, and its sampling noise could not be measured: "
        "it is not shown to be within the bound."
    )
    assert sentences("worse", 0.5) == sentences("value", 0.5) == []
    (worse,), (value,) = sentences("worse", 0.01), sentences("value", 0.01)
    assert "a loss of 0.02 (its sampling noise could not be measured); 0.01 is allowed" in worse
    assert "a loss of 0.02; 0.01 is allowed" in value


def test_a_model_is_built_with_a_sample_of_any_table(tmp_path: Any) -> None:
    table = pa.table({"n": pa.array([1, 2, None, 4] * 10), "y": pa.array([True, False, True, False] * 10)})
    raw = [RawFeature("n", "int64", optional=True), RawFeature("y", "bool")]
    traced = tlt.trace(lambda x: {"n": tlt.fill_missing(x["n"], 0), "y": x["y"]}, raw)
    fitted = tlt.analyze(traced, Dataset.from_table(table))
    made = fitted.transform(table)
    model = LogisticRegression().fit(made.select(["n"]).to_pandas().to_numpy(), made["y"].to_numpy())
    for name, sample in {
        "pandas": table.to_pandas(),
        "polars": pl.from_arrow(table),
        "batch": table.to_batches()[0],
    }.items():
        written = build_model(model, uri=str(tmp_path / name), transform=fitted, label="y", sample=sample)
        assert written.runtime.info["parity"]["rows"] == 40
        config = EvalConfig((AUC,), (SlicingSpec(), SlicingSpec(("n",))))
        frame = table.to_pandas()  # whole numbers with a gap are floats
        assert evaluate(written, frame, config).measured == evaluate(written, table, config).measured
    with pytest.raises(ModelError, match="a list is no sample of raw rows"):
        build_model(model, uri=str(tmp_path / "list"), transform=fitted, label="y", sample=[{"n": 1}])
