"""Fairness of models: own decisions, weights that balance groups, thresholds of groups inside the graph."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from model_analysis_line import served

from trueline._core.errors import ConfigError, DataError, ModelError
from trueline.engine import Dataset, LocalEngine
from trueline.model_analysis import (
    Criterion,
    FairnessSpec,
    evaluate_fairness,
    fairness_of_table,
    optimise_thresholds,
    reweighing_weights,
)
from trueline.model_analysis.fairness import Reweighing
from trueline.models import Model

SPEC = FairnessSpec(["sex"], weighted=False, thresholds=(0.3, 0.5))


def people(rows: int, seed: int) -> pa.Table:
    """Planted: men are hired more often at equal skill, and a feature gives the sex away."""
    rng = np.random.default_rng(seed)
    sex, skill = rng.choice(["F", "M"], rows, p=[0.4, 0.6]), rng.normal(0, 1, rows)
    male = sex == "M"
    hired = rng.random(rows) < 1 / (1 + np.exp(-(1.5 * skill + 1.6 * male - 1.0)))
    return pa.table(
        {
            "sex": pa.array(sex, mask=rng.random(rows) < 0.1),
            "age": rng.integers(20, 60, rows),
            "skill": skill,
            "proxy": male + rng.normal(0, 0.5, rows),
            "hired": hired,
            "__row__": np.arange(rows) + (seed << 40),
        }
    )


@cache
def train_rows() -> pa.Table:
    return people(4000, 1)


@cache
def new_rows() -> pa.Table:
    return people(4000, 2)


@cache
def trained(balanced: bool) -> Model:
    """A logistic regression, with or without weights that balance the groups."""
    from sklearn.linear_model import LogisticRegression

    import trueline.transform as tlt
    from trueline._core.values import RawFeature
    from trueline.models import build_model
    from trueline.training import FnArgs

    weights = reweighing_weights(train_rows(), "hired", "sex") if balanced else None

    def preprocessing(inputs: Any) -> dict[str, Any]:
        made = {name: inputs[name] for name in ("skill", "proxy", "hired")}
        return made | ({"fair_weight": weights.column(inputs)} if weights else {})

    raw = [RawFeature(n, d, optional=False) for n, d in (("skill", "float64"), ("proxy", "float64"), ("hired", "bool"))]  # type: ignore[arg-type]
    graph = tlt.analyze(tlt.trace(preprocessing, [*raw, RawFeature("sex", "utf8")]), Dataset.from_table(train_rows()))
    common: dict[str, Any] = {"transform": graph, "label": "hired", "features": ["skill", "proxy"]}
    common["weight"] = "fair_weight" if balanced else None
    args = FnArgs.create(train=Dataset.from_table(graph.transform(train_rows())), **common)
    x, y, w = args.train.arrays()
    fitted = LogisticRegression().fit(x, y, sample_weight=w)
    return build_model(fitted, uri=mkdtemp(prefix="trueline-fair-"), sample=train_rows(), **common)


def gap(model: Model, criterion: str) -> float:
    found = evaluate_fairness(model, new_rows(), SPEC).criterion(criterion).difference.value
    assert found is not None
    return found


def test_a_model_is_measured_as_its_predictions_are() -> None:
    model, table = trained(False), new_rows()
    result = evaluate_fairness(model, table, SPEC)
    scored = table.append_column("prediction", pa.array(model.predict_proba(table)[:, 1].astype(float)))
    direct = fairness_of_table(scored, SPEC, label_key="hired")
    assert result.criteria == direct.criteria
    assert [g.rates for g in result.groups] == [g.rates for g in direct.groups]
    assert "sex" not in [f.name for f in model.runtime.inputs]  # a column of the data, not of the model
    decided = model.with_decision(mkdtemp(), threshold=0.3)
    again = evaluate_fairness(decided, table, SPEC, model)
    said = (model.predict_proba(table)[:, 1] >= np.float32(0.3)).mean()
    assert again.group().rates["positive_rate"].value == pytest.approx(said, abs=1e-12)
    own = result.criterion("demographic_parity").difference.value
    assert again.criterion("demographic_parity").baseline_difference == own


def test_processes_and_shards_change_no_bit() -> None:
    rows = Dataset.from_table(new_rows(), 500)
    one = evaluate_fairness(trained(False), rows, SPEC, engine=LocalEngine(1))
    two = evaluate_fairness(trained(False), rows.deal(3), SPEC, engine=LocalEngine(2))
    assert one.to_json() == two.to_json()
    deal = [reweighing_weights(r, "hired", "sex", engine=LocalEngine(n)) for r, n in ((rows, 1), (rows.deal(3), 2))]
    assert deal[0] == deal[1]


def test_reweighing_makes_label_and_group_independent() -> None:
    table = train_rows()
    weights = reweighing_weights(table, "hired", "sex")
    w, hired = weights.weights_of(table).to_numpy(), table["hired"].to_numpy()
    sex = np.array([str(v) for v in table["sex"].to_pylist()])
    assert w.sum() == pytest.approx(len(table))
    shares = {s: np.average(hired[sex == s], weights=w[sex == s]) for s in ("F", "M", "None")}
    assert list(shares.values()) == pytest.approx([hired.mean()] * 3)
    female = (sex == "F") & hired
    assert w[female] == pytest.approx((sex == "F").sum() * hired.sum() / (len(table) * female.sum()))
    added = weights.add_to(table)
    assert added.column_names[-1] == "fair_weight"
    with pytest.raises(DataError, match="already"):
        weights.add_to(added)
    told = json.loads(json.dumps(weights.to_dict()))
    assert Reweighing.from_dict(told) == weights
    with pytest.raises(ConfigError, match="hold together"):
        Reweighing.from_dict(told | {"cells": told["cells"][1:]})
    own = table.append_column("w", pa.array(np.where(hired, 2.0, 1.0)))
    both = reweighing_weights(own, "hired", "sex", weight="w").weights_of(own).to_numpy() * own["w"].to_numpy()
    assert np.average(hired[sex == "F"], weights=both[sex == "F"]) == pytest.approx(np.average(hired, weights=both))


def test_reweighing_says_what_cannot_be_balanced_and_what_is_wrong() -> None:
    table = pa.table({"y": [1.0, 1.0, 0.0, None], "g": ["a", "a", "b", "b"]})
    weights = reweighing_weights(table, "y", "g")
    assert weights.notes == tuple(
        f"no row of g={g} has y={y}: no weight can balance that" for g, y in (("a", 0), ("b", 1))
    )
    assert weights.rows == (2, 1)
    assert weights.weights_of(table).to_pylist()[3] == 1.0
    with pytest.raises(ConfigError) as caught:
        reweighing_weights(table, "z", ["g", "h"])
    assert len(caught.value.problems) == 2
    with pytest.raises(DataError, match="fraction"):
        reweighing_weights(pa.table({"y": [0.5], "g": ["a"]}), "y", "g")


def test_weights_in_the_transform_are_those_of_the_table_and_narrow_the_gap_on_new_rows() -> None:
    plain, balanced = trained(False), trained(True)
    assert [f.name for f in balanced.runtime.inputs] == ["skill", "proxy"]  # neither sex nor label is served
    _, w = balanced.targets(train_rows())
    wanted = reweighing_weights(train_rows(), "hired", "sex").weights_of(train_rows())
    np.testing.assert_allclose(w, wanted.to_numpy(), rtol=1e-6)
    before, after = gap(plain, "demographic_parity"), gap(balanced, "demographic_parity")
    assert after < 0.6 * before
    assert before > 0.1


@pytest.mark.parametrize("constraint", ["demographic_parity", "equal_opportunity", "equalized_odds"])
def test_chosen_thresholds_narrow_the_gap_on_new_rows(constraint: str, tmp_path: Path) -> None:
    model, spec = trained(False), FairnessSpec(["sex"], missing="leave_out")
    found = optimise_thresholds(model, train_rows(), spec, constraint=constraint)
    assert found.reached
    assert found.after.value <= found.max_gap < found.before.value
    fair = found.apply(model, str(tmp_path / "fair"))
    before = evaluate_fairness(model, new_rows(), spec).criterion(constraint).difference
    after = evaluate_fairness(fair, new_rows(), spec).criterion(constraint).difference
    assert after.value < before.value
    assert after.value < found.max_gap + 0.06
    train = evaluate_fairness(fair, train_rows(), spec)
    assert train.criterion(constraint).difference.value == pytest.approx(found.after.value, abs=1e-9)
    assert train.group().rates["accuracy"].value == pytest.approx(found.objective_after, abs=1e-9)
    kept = json.loads(json.dumps(fair.info["decision"]))["evidence"]["fair_thresholds"]
    assert kept["constraint"] == constraint
    assert any("may be unlawful" in note for note in found.notes)


def test_optimised_thresholds_are_the_best_of_all_that_keep_the_gap() -> None:
    rng = np.random.default_rng(5)
    n, sex = 400, rng.choice(["F", "M"], 400)
    label = rng.random(n) < np.where(sex == "M", 0.6, 0.4)
    score = np.clip(rng.normal(0.4 + 0.2 * label, 0.2), 0, 0.99).round(1)  # ten distinct scores: all pairs can be tried
    table = pa.table({"label": label.astype(float), "prediction": score, "sex": sex})
    cost = {"false_positive": 1, "false_negative": 2}
    found = optimise_thresholds(
        fairness_of_table(table, SPEC), constraint="demographic_parity", objective=cost, max_gap=0.03
    )
    levels = np.arange(12) / 10 - 0.05

    def tried(a: float, b: float) -> tuple[float, float, bool]:
        said = score >= np.where(sex == "F", a, b)
        shares = [said[sex == s].mean() for s in "FM"]
        useful = all(0 < s < 1 for s in shares)
        return abs(shares[0] - shares[1]), float((1.0 * (said & ~label) + 2.0 * (~said & label)).mean()), useful

    best = min(c for a in levels for b in levels for g, c, useful in [tried(a, b)] if g <= 0.03 and useful)
    assert found.objective_after == pytest.approx(best, abs=1e-12)
    assert tried(*(found.per_group[s] for s in "FM"))[:2] == pytest.approx((found.after.value, best))


def test_optimising_refuses_what_it_cannot_do() -> None:
    result = evaluate_fairness(trained(False), new_rows(), SPEC)
    with pytest.raises(ConfigError) as caught:
        optimise_thresholds(result, constraint="equality", objective="profit", max_gap=2, column="age")
    assert len(caught.value.problems) == 4
    with pytest.raises(DataError, match="fewer than two groups"):
        optimise_thresholds(evaluate_fairness(trained(False), new_rows(), FairnessSpec(["sex"], min_group_size=99_999)))
    with pytest.raises(ConfigError, match="data and a spec"):
        optimise_thresholds(trained(False))


ROWS = [{"skill": s, "proxy": 0.5, **sex} for s in np.linspace(-3, 3, 41).tolist()
        for sex in ({}, {"sex": None}, {"sex": "F"}, {"sex": "M"}, {"sex": "f"}, {"sex": ""})]  # fmt: skip


def test_the_graph_decides_as_numpy_for_known_unseen_and_missing_groups(tmp_path: Path) -> None:
    model = trained(False)
    fair = model.with_group_thresholds(str(tmp_path / "a"), "sex", {"F": 0.3, "M": 0.7}, 0.45)
    p = model.predict_proba([{k: v for k, v in row.items() if k != "sex"} for row in ROWS])[:, 1]
    level = np.array([{"F": 0.3, "M": 0.7}.get(row.get("sex"), 0.45) for row in ROWS], np.float32)
    expected = (p >= level).tolist()
    assert fair.outputs_of(ROWS)["label"].tolist() == expected
    assert [r["label"] for r in served(fair.uri, ROWS)] == expected
    np.testing.assert_array_equal(fair.predict_proba(ROWS)[:, 1], p)
    entry = fair.info["signature"]["inputs"][-1]
    assert (entry["name"], entry["dtype"], entry["optional"]) == ("sex", "utf8", True)
    assert fair.decision is not None
    assert fair.decision.groups.of([row.get("sex") for row in ROWS]).tolist() == level.tolist()
    back = fair.with_decision(str(tmp_path / "b"), threshold=0.4)
    assert [f.name for f in back.runtime.inputs] == ["skill", "proxy"]
    other = fair.with_group_thresholds(str(tmp_path / "c"), "age", {30: 0.2, 40: 0.9})
    assert [f.name for f in other.runtime.inputs] == ["skill", "proxy", "age"]
    said = other.outputs_of([{"skill": 0.2, "proxy": 0.5, "age": a} for a in (30, 40, 50, None)])["label"].tolist()
    at = model.predict_proba([{"skill": 0.2, "proxy": 0.5}])[0, 1]
    assert said == [at >= 0.2, at >= 0.9, at >= 0.5, at >= 0.5]
    again = fair.with_group_thresholds(str(tmp_path / "d"), "sex", {"M": 1.0}, 0.0)
    assert [f.name for f in again.runtime.inputs] == ["skill", "proxy", "sex"]
    assert again.outputs_of(ROWS)["label"].tolist() == [row.get("sex") != "M" for row in ROWS]
    assert [f.name for f in again.with_decision(str(tmp_path / "e")).runtime.inputs] == ["skill", "proxy"]
    flag = model.with_group_thresholds(str(tmp_path / "f"), "vip", {True: 0.0}, 1.0)
    said = flag.outputs_of([{"skill": 0, "proxy": 0, "vip": v} for v in (True, False, None)])["label"].tolist()
    assert said == [True, False, False]


@pytest.mark.parametrize(
    ("column", "thresholds", "said"),
    [
        ("hired", {"a": 0.1}, "what the label is made of"),
        ("label", {"a": 0.1}, "name of an output"),
        ("skill", {"a": 0.1}, "text, int64 and bool"),
        ("sex", {}, "no group with a threshold"),
        ("sex", {"F": 1.5}, "is no probability"),
        ("sex", {"F": 0.5, 3: 0.2}, "is no value of 'sex'"),
        ("__row__", {1: 0.5}, "no raw column"),
    ],
)
def test_thresholds_that_do_not_fit_are_refused(column: str, thresholds: Any, said: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        trained(False).with_group_thresholds(str(tmp_path / "x"), column, thresholds)
    assert said in "\n".join(caught.value.problems)
    assert not (tmp_path / "x").exists()


def test_problems_of_model_and_data_come_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        evaluate_fairness(
            trained(False),
            new_rows().drop_columns(["skill"]),
            FairnessSpec(["gender", "proxy"], criteria=[Criterion("mean_error_parity", max_difference=1)]),
        )
    text = "\n".join(caught.value.problems)
    for part in ("no column 'gender'", "no column 'skill'", "each of its numbers", "not defined for a binary model"):
        assert part in text


STEPS = """
from trueline.model_analysis.fairness import Reweighing

def preprocessing_fn(inputs, custom_config):
    weights = Reweighing.from_dict(custom_config["weights"])
    made = {name: inputs[name] for name in ("skill", "proxy")}
    return made | {"hired": inputs["hired"] > 0, "fair_weight": weights.column(inputs)}
"""
TRAIN = """
def run_fn(fn_args):
    from sklearn.linear_model import LogisticRegression

    x, y, w = fn_args.train.arrays()
    return LogisticRegression().fit(x, y, sample_weight=w)
"""


@pytest.mark.frameworks
def test_a_whole_line_is_trained_with_balanced_weights(tmp_path: Path) -> None:
    import pyarrow.csv as pc

    from trueline import LocalRunner, Pipeline
    from trueline.components import CsvExampleGen, SchemaGen, StatisticsGen, Trainer, Transform
    from trueline.data import Examples

    (tmp_path / "data").mkdir()
    rows = train_rows().set_column(4, "hired", pa.array(train_rows()["hired"].to_numpy().astype(int)))
    pc.write_csv(rows.drop_columns(["__row__"]), tmp_path / "data" / "rows.csv")
    (tmp_path / "steps.py").write_text(STEPS)
    (tmp_path / "train.py").write_text(TRAIN)
    examples = CsvExampleGen(input_base=str(tmp_path / "data"))
    runner, root = LocalRunner(), str(tmp_path / "line")
    found = runner.run(Pipeline("fair", [examples], root=root)).nodes["CsvExampleGen"].outputs["examples"][0]
    weights = reweighing_weights(Examples.open(found.uri), "hired", "sex", split="train")
    statistics = StatisticsGen(examples=examples.outputs["examples"])
    schema = SchemaGen(statistics=statistics.outputs["statistics"])
    transform = Transform(
        examples=examples.outputs["examples"],
        schema=schema.outputs["schema"],
        module_file=str(tmp_path / "steps.py"),
        custom_config={"weights": weights.to_dict()},
    )
    trainer = Trainer(
        examples=transform.outputs["transformed_examples"],
        transform_graph=transform.outputs["transform_graph"],
        module_file=str(tmp_path / "train.py"),
        label="hired",
        weight="fair_weight",
        features=["skill", "proxy"],
    )
    result = runner.run(Pipeline("fair", [examples, statistics, schema, transform, trainer], root=root))
    model = Model.load(result.nodes["Trainer"].outputs["model"][0].uri)
    assert [f.name for f in model.runtime.inputs] == ["skill", "proxy"]
    held_out = evaluate_fairness(model, Examples.open(found.uri), SPEC, split="eval").criterion("demographic_parity")
    assert held_out.difference.value is not None
    rows = new_rows().set_column(4, "hired", pa.array(new_rows()["hired"].to_numpy().astype(int)))
    balanced = evaluate_fairness(model, rows, SPEC).criterion("demographic_parity").difference.value
    assert balanced < 0.6 * gap(trained(False), "demographic_parity")
