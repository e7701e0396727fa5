"""Fairness of tables: agreement with Fairlearn, laws, gates that fail closed, other thresholds without another pass."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from trueline._core.errors import ArtifactError, ConfigError, DataError
from trueline.engine import Dataset, LocalEngine
from trueline.model_analysis import (
    Criterion,
    EvalConfig,
    FairnessResult,
    FairnessSpec,
    MetricConfig,
    MetricsSpec,
    SlicingSpec,
    analyze_raw_data,
    fairness_of_table,
    judge_fairness,
    threshold_what_if,
)
from trueline.model_analysis.fairness import CRITERIA, criterion_curves

ADULT = Path(__file__).resolve().parents[3] / "shared" / "data" / "adult" / "adult.test"
CLOSE = 1e-12
INDICATORS = (
    "positive_rate", "negative_rate", "true_positive_rate", "false_positive_rate", "true_negative_rate",
    "false_negative_rate", "false_discovery_rate", "false_omission_rate", "precision", "recall",
)  # fmt: skip


def people(rows: int = 1200, seed: int = 3) -> pa.Table:
    """Scores that are kinder to M; race has gaps."""
    rng = np.random.default_rng(seed)
    sex = rng.choice(["F", "M"], rows, p=[0.4, 0.6])
    race = rng.choice(["a", "b", "c"], rows, p=[0.6, 0.3, 0.1])
    label = (rng.random(rows) < np.where(sex == "M", 0.5, 0.35)).astype(float)
    score = np.clip(rng.normal(0.3 + 0.3 * label + 0.1 * (sex == "M"), 0.2), 0, 1).round(2)
    return pa.table(
        {
            "label": label,
            "prediction": score,
            "w": rng.integers(1, 6, rows) / 4,
            "sex": pa.array(sex),
            "race": pa.array(race, mask=rng.random(rows) < 0.05),
            "__row__": np.arange(rows) + (2 << 40),
        }
    )


@pytest.fixture(scope="module")
def table() -> pa.Table:
    return people()


def spec(**fields: Any) -> FairnessSpec:
    return FairnessSpec(**{"groups": ["sex"], "min_group_size": 1, "thresholds": (0.3, 0.5)} | fields)


def fairlearn_gaps(y: Any, said: Any, groups: Any, w: Any) -> dict[str, float]:
    from fairlearn import metrics as fl

    given: dict[str, Any] = {"sensitive_features": groups, "sample_weight": w}
    return {
        "demographic_parity": fl.demographic_parity_difference(y, said, **given),
        "demographic_parity ratio": fl.demographic_parity_ratio(y, said, **given),
        "equal_opportunity": fl.equal_opportunity_difference(y, said, **given),
        "equal_opportunity ratio": fl.equal_opportunity_ratio(y, said, **given),
        "equalized_odds": fl.equalized_odds_difference(y, said, **given),
        "equalized_odds ratio": fl.equalized_odds_ratio(y, said, **given),
        "demographic_parity to": fl.demographic_parity_difference(y, said, method="to_overall", **given),
        "demographic_parity ratio to": fl.demographic_parity_ratio(y, said, method="to_overall", **given),
        "equalized_odds to": fl.equalized_odds_difference(y, said, method="to_overall", **given),
    }


def our_gaps(result: FairnessResult, columns: Any, at: Any) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    for name in ("demographic_parity", "equal_opportunity", "equalized_odds"):
        c = result.criterion(name, columns, at)
        found |= {name: c.difference.value, f"{name} ratio": c.ratio.value}
        found |= {f"{name} to": c.difference_to_reference.value, f"{name} ratio to": c.ratio_to_reference.value}
    return found


def agree(table: pa.Table, columns: tuple[str, ...], at: float, weighted: bool = True) -> None:
    y, p = table["label"].to_numpy(), table["prediction"].to_numpy()
    w = table["w"].to_numpy() if weighted else None
    names = [[str(v) for v in table[c].to_pylist()] for c in columns]
    groups = np.array(["|".join(parts) for parts in zip(*names, strict=True)])
    wanted = fairlearn_gaps(y, (p > at).astype(int), groups, w)
    made = spec(groups=list(columns), intersections=True, thresholds=(at,))
    key = "w" if weighted else None
    found = our_gaps(fairness_of_table(table, made, example_weight_key=key), tuple(sorted(columns)), at)
    for name, value in wanted.items():
        mine = found[name]
        if np.isnan(value):  # a rate is 0 in every group; Fairlearn's least of NaN and a number is NaN or the number
            assert mine is None or name == "equalized_odds ratio"
        else:
            assert mine == pytest.approx(value, abs=CLOSE), name


@pytest.mark.parametrize(("columns", "at", "weighted"), [(("sex",), 0.5, True), (("race", "sex"), 0.3, False)])
def test_gaps_are_fairlearns(table: pa.Table, columns: tuple[str, ...], at: float, weighted: bool) -> None:
    agree(table, columns, at, weighted)


def test_rates_of_groups_are_those_of_fairlearns_metric_frame(table: pa.Table) -> None:
    from fairlearn import metrics as fl
    from sklearn.metrics import accuracy_score, precision_score

    y, said, w = table["label"].to_numpy(), (table["prediction"].to_numpy() > 0.5).astype(int), table["w"].to_numpy()
    race = np.array([str(v) for v in table["race"].to_pylist()])
    functions = {
        "positive_rate": fl.selection_rate,
        "true_positive_rate": fl.true_positive_rate,
        "false_positive_rate": fl.false_positive_rate,
        "true_negative_rate": fl.true_negative_rate,
        "false_negative_rate": fl.false_negative_rate,
        "accuracy": accuracy_score,
        "precision": precision_score,
    }
    params = {name: {"sample_weight": w} for name in functions}
    frame = fl.MetricFrame(metrics=functions, y_true=y, y_pred=said, sensitive_features=race, sample_params=params)
    result = fairness_of_table(table, spec(groups=["race"]), example_weight_key="w")
    for value, name in (("a", "a"), ("b", "b"), ("c", "c"), (None, "None")):
        group = result.group(race=value)
        for rate in functions:
            assert group.rates[rate].value == pytest.approx(frame.by_group.loc[name, rate], abs=CLOSE)
            assert group.rates[rate].low < group.rates[rate].value < group.rates[rate].high
    for rate in functions:
        assert result.group().rates[rate].value == pytest.approx(frame.overall[rate], abs=CLOSE)
    gap = frame.difference()
    assert result.criterion("equal_accuracy").difference.value == pytest.approx(gap["accuracy"], abs=CLOSE)
    assert result.criterion("predictive_parity").difference.value == pytest.approx(gap["precision"], abs=CLOSE)
    odds = result.criterion("false_negative_rate_parity").difference.value
    assert odds == pytest.approx(gap["false_negative_rate"], abs=CLOSE)


row = st.tuples(st.sampled_from("FMX"), st.integers(0, 1), st.integers(0, 10).map(lambda i: i / 10), st.integers(1, 4))


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(st.lists(row, min_size=4, max_size=40))
def test_any_small_table_agrees_with_fairlearn_wherever_rates_are_defined(rows: list[Any]) -> None:
    by_group: dict[str, set[int]] = {}
    for sex, label, *_ in rows:
        by_group.setdefault(sex, set()).add(label)
    rows = [r for r in rows if len(by_group[r[0]]) == 2]  # Fairlearn says 0 where a rate is undefined
    assume(len({r[0] for r in rows}) > 1)
    sex, label, score, w = (list(column) for column in zip(*rows, strict=True))
    made = pa.table({"label": [float(v) for v in label], "prediction": score, "w": [v / 2 for v in w], "sex": sex})
    agree(made, ("sex",), 0.5)


@pytest.mark.shared
@pytest.mark.skipif(not ADULT.exists(), reason="the shared data sets are not beside this clone")
def test_adult_agrees_with_fairlearn() -> None:
    lines = [line.rstrip(".").split(", ") for line in ADULT.read_text().splitlines() if line[:1].isdigit()]
    assert len(lines) > 16_000
    rng = np.random.default_rng(0)
    label = np.array([float(c[14] == ">50K") for c in lines])
    score = np.clip(0.25 * label + np.array([int(c[4]) for c in lines]) / 30 + rng.normal(0, 0.1, len(lines)), 0, 1)
    w = np.array([float(c[2]) / 1e5 for c in lines])
    made = pa.table(
        {"label": label, "prediction": score, "w": w, "sex": [c[9] for c in lines], "race": [c[8] for c in lines]}
    )
    for columns in (("sex",), ("race",), ("race", "sex")):
        agree(made, columns, 0.5)


def test_groups_alike_have_no_gap_and_names_do_not_matter(table: pa.Table) -> None:
    half = table.slice(0, 300).drop_columns(["sex", "__row__"])
    twins = pa.concat_tables([half.append_column("sex", pa.array([s] * 300)) for s in "FM"])
    ids = pa.array(np.tile(np.arange(300), 2))  # equal rows share a noise group, so that their noise cancels
    result = fairness_of_table(Dataset.from_table(twins.append_column("__row__", ids)), spec())
    for c in result.criteria:
        assert c.difference.value == 0
        assert (c.difference.low, c.difference.high, c.difference.p_value) == (0, 0, 1)
        assert c.ratio.value == 1 or c.criterion == "calibration"
    swapped = table.set_column(3, "sex", pa.array(["M" if s == "F" else "F" for s in table["sex"].to_pylist()]))
    one, two = fairness_of_table(table, spec()), fairness_of_table(swapped, spec())
    for a, b in zip(one.criteria, two.criteria, strict=True):
        assert (a.difference.value, a.ratio.value) == (b.difference.value, b.ratio.value)
        assert a.difference.low == pytest.approx(b.difference.low, abs=1e-12)


def test_a_weight_of_two_is_the_row_twice(table: pa.Table) -> None:
    double = table.set_column(2, "w", pa.array([2.0 if i % 3 == 0 else 1.0 for i in range(len(table))]))
    twice = pa.concat_tables([table, table.take(list(range(0, len(table), 3)))])
    one = fairness_of_table(double, spec(), example_weight_key="w")
    two = fairness_of_table(twice, spec())
    for a, b in zip(one.criteria, two.criteria, strict=True):
        assert a.difference.value == pytest.approx(b.difference.value, abs=1e-12)
        assert a.difference.low == pytest.approx(b.difference.low, abs=1e-12)
    plain = fairness_of_table(double, spec(weighted=False), example_weight_key="w")
    assert plain.criteria == fairness_of_table(table, spec()).criteria


def test_dealing_the_rows_otherwise_changes_no_bit(table: pa.Table) -> None:
    rows = Dataset.from_table(table, 170)
    made = spec(groups=["sex", "race"], intersections=2)
    one = fairness_of_table(rows, made, example_weight_key="w", engine=LocalEngine(1))
    two = fairness_of_table(rows.deal(3), made, example_weight_key="w", engine=LocalEngine(2))
    assert one.to_json() == two.to_json()


def test_the_result_comes_back_from_json_and_judges_as_before(table: pa.Table, tmp_path: Path) -> None:
    result = fairness_of_table(table, spec(criteria={"demographic_parity": 0.05}, reference={"sex": "M"}))
    result.save(str(tmp_path))
    again = FairnessResult.load(str(tmp_path))
    assert again == result
    assert judge_fairness(again) == result.failures
    assert judge_fairness(again, [Criterion("demographic_parity", max_difference=0.9)]) == ()
    data = json.loads(result.to_json())
    with pytest.raises(ConfigError, match="format"):
        FairnessResult.from_dict(data | {"format": 7})
    with pytest.raises(ArtifactError, match="damaged"):
        judge_fairness(FairnessResult.from_dict(data | {"state": "AAAA"}))
    assert FairnessSpec.from_json(result.spec.to_json()) == result.spec
    assert result.to_table().num_rows == sum(len(g.rates) for g in result.groups)


def test_the_interval_of_a_difference_is_the_paired_jackknife(table: pa.Table) -> None:
    from trueline.model_analysis.noise import row_groups, standard_errors, t_quantile

    found = fairness_of_table(table, spec()).criterion("demographic_parity").difference
    group = row_groups(table.combine_chunks().to_batches()[0], 32, 0)
    male, said = np.array(table["sex"].to_pylist()) == "M", table["prediction"].to_numpy() > 0.5

    def gap(kept: Any) -> float:
        return float(said[kept & male].mean() - said[kept & ~male].mean())

    error = standard_errors(np.array([gap(group != g) for g in range(32)]), np.int64(32))
    reach = t_quantile(0.975, 31) * float(error)
    assert (found.value, found.greater, found.lesser) == (pytest.approx(gap(group >= 0)), "sex=M", "sex=F")
    assert found.low == pytest.approx(found.value - reach)
    assert found.high == pytest.approx(found.value + reach)
    assert 0 < found.p_value < 1e-4


def test_intervals_hold_the_true_gap_of_several_equal_groups() -> None:
    rng = np.random.default_rng(1)
    held, trials = 0, 40
    for _ in range(trials):
        rows = 600
        made = pa.table({"label": np.zeros(rows), "prediction": (rng.random(rows) < 0.3).astype(float),
                         "g": rng.choice(["a", "b", "c", "d"], rows)})  # fmt: skip
        gap = fairness_of_table(made, spec(groups=["g"], thresholds=(0.5,))).criterion("demographic_parity").difference
        assert gap.value > 0  # never 0 by chance, though the truth is
        held += gap.low == 0
    assert held >= 0.9 * trials


def test_missing_values_are_a_group_or_left_out(table: pa.Table) -> None:
    gaps = table["race"].null_count
    result = fairness_of_table(table, spec(groups=["race"]))
    assert result.group(race=None).rows == gaps
    assert result.group(race=None).name == "race=(missing)"
    without = fairness_of_table(table, spec(groups=["race"], missing="leave_out"))
    assert [g.name for g in without.groups] == ["Overall", "race=a", "race=b", "race=c"]
    assert any(f"{gaps:,} rows lack a value of race" in note for note in without.notes)
    assert without.group().rows == len(table)


def test_buckets_make_groups_of_numbers(table: pa.Table) -> None:
    made = table.append_column("age", pa.array(np.arange(len(table)) % 80 + 0.5))
    result = fairness_of_table(made, spec(groups=["age"], buckets={"age": [30, 60]}))
    assert [g.name for g in result.groups[1:]] == ["age=< 30", "age=[30, 60)", "age=>= 60"]
    with pytest.raises(ConfigError, match="each of its numbers would be a group"):
        fairness_of_table(made, spec(groups=["age"]))


def test_small_and_undefined_groups_are_said_and_close_the_gate(table: pa.Table) -> None:
    few = pa.table({"label": [0.0, 0.0], "prediction": [0.9, 0.1], "w": [1.0, 1.0], "sex": ["X", "X"]})
    both = pa.concat_tables([table.select(few.column_names), few])
    gates = (Criterion("equal_opportunity", max_difference=0.9),)
    result = fairness_of_table(both, spec(criteria=gates, min_group_size=30))
    assert result.group(sex="X").small
    assert result.group(sex="X").rates["positive_rate"].value == 0.5  # still shown
    assert [f.kind for f in result.failures] == ["too_small"]
    assert "sex=X: 2 rows are fewer than min_group_size=30" in result.failures[0].sentence
    loose = [replace(gates[0], small="pass")]
    assert judge_fairness(result, loose) == ()
    defined = fairness_of_table(both, spec(criteria=gates))
    rate = defined.group(sex="X").rates["true_positive_rate"]
    assert (rate.value, rate.undefined) == (None, "no row is positive")
    assert [f.kind for f in defined.failures] == ["undefined"]
    left = defined.criterion("equal_opportunity").left_out
    assert [(x.group, x.small) for x in left] == [("sex=X", False)]
    assert judge_fairness(defined, [replace(gates[0], undefined="pass")]) == ()
    none = fairness_of_table(both, spec(criteria=gates, min_group_size=10_000))
    assert none.criterion("equal_opportunity").difference.undefined == "fewer than two groups can be compared"
    assert {f.kind for f in none.failures} == {"too_small", "undefined"}


def test_one_group_alone_is_no_pass(table: pa.Table) -> None:
    alone = table.set_column(3, "sex", pa.array(["F"] * len(table)))
    result = fairness_of_table(alone, spec(criteria={"demographic_parity": 0.1}))
    assert result.criterion("demographic_parity").difference.value is None
    assert [f.kind for f in result.failures] == ["undefined"]


def test_a_ratio_of_rates_that_are_all_zero_is_undefined() -> None:
    zero = pa.table({"label": [0.0, 1.0] * 4, "prediction": [0.0] * 8, "sex": ["F", "F", "M", "M"] * 2})
    result = fairness_of_table(zero, spec(criteria=[Criterion("demographic_parity", min_ratio=0.8)]))
    found = result.criterion("demographic_parity")
    assert (found.difference.value, found.ratio.value) == (0, None)
    assert found.ratio.undefined == "positive_rate is 0 in every group"
    assert [f.kind for f in result.failures] == ["undefined"]


def test_unusable_rows_make_their_group_undefined() -> None:
    bad = pa.table({"label": [0.0, 1.0, 0.0, 1.0], "prediction": [0.2, 0.8, float("nan"), 0.7], "sex": list("FFMM")})
    result = fairness_of_table(bad, spec())
    assert "1 predictions are missing" in str(result.group(sex="M").rates["positive_rate"].undefined)
    assert result.group(sex="F").rates["positive_rate"].value == 0.5


def test_gates_name_both_groups_with_sizes_and_intervals(table: pa.Table) -> None:
    gates = {"demographic_parity": Criterion("x", max_difference=0.05, min_ratio=0.8)}
    difference, ratio = fairness_of_table(table, spec(criteria=gates)).failures
    assert (difference.kind, ratio.kind) == ("fairness_difference", "fairness_ratio")
    assert difference.by == pytest.approx(difference.value - 0.05)
    for part in ("for sex=M (", "for sex=F (", " rows, ", "where at most 0.05 is allowed", "(interval "):
        assert part in difference.sentence
    assert "where at least 0.8 is demanded" in ratio.sentence


def test_gates_at_thresholds_and_against_the_reference(table: pa.Table) -> None:
    result = fairness_of_table(table, spec(reference={"sex": "M"}))

    def metrics(**fields: Any) -> list[str]:
        return [f.metric for f in judge_fairness(result, [Criterion("demographic_parity", **fields)])]

    assert metrics(max_difference=0.01, at=0.3) == ["demographic_parity@0.3"]
    own = ["demographic_parity", "demographic_parity@0.3", "demographic_parity@0.5"]
    assert metrics(max_difference=0.01, at="all", to="reference") == own
    alone = fairness_of_table(table, spec())  # each group beside all rows lies nearer than beside the other
    near = alone.criterion("demographic_parity").difference_to_reference.value
    bound = Criterion("demographic_parity", max_difference=near + 0.001, to="reference")
    assert judge_fairness(alone, [bound]) == ()
    assert judge_fairness(alone, [replace(bound, to="groups")]) != ()
    strict = Criterion("demographic_parity", max_difference=near + 0.001, to="groups", groups=["race"])
    with pytest.raises(ConfigError, match="no group column"):
        judge_fairness(alone, [strict])


def test_noise_excuses_in_worse_and_condemns_in_non_inferior(table: pa.Table) -> None:
    result = fairness_of_table(table, spec())
    gap = result.criterion("demographic_parity").difference

    def kinds(bound: float, test: str) -> list[str]:
        made = Criterion("demographic_parity", max_difference=bound, test=test)
        return [f.kind for f in judge_fairness(result, [made])]

    near, far = gap.value - 0.005, gap.value / 4
    assert kinds(near, "value") == ["fairness_difference"]
    assert kinds(near, "worse") == []
    assert kinds(far, "worse") == ["fairness_difference"]
    assert kinds(gap.value + 0.005, "value") == []
    assert kinds(gap.value + 0.005, "non_inferior") == ["fairness_difference"]
    assert kinds(gap.high + 0.001, "non_inferior") == []
    ratio = result.criterion("demographic_parity").ratio
    one = Criterion("demographic_parity", min_ratio=min(1.0, ratio.value + 0.005), test="worse")
    assert judge_fairness(result, [one]) == ()
    assert judge_fairness(result, [replace(one, test="non_inferior", min_ratio=ratio.low - 0.01)]) == ()
    assert judge_fairness(result, [replace(one, test="value")]) != ()


def test_a_baseline_bounds_the_increase(table: pa.Table) -> None:
    fair = np.clip(table["prediction"].to_numpy() - 0.1 * (np.array(table["sex"].to_pylist()) == "M"), 0, 1)
    made = table.append_column("base", pa.array(fair))
    gates = [Criterion("demographic_parity", max_increase=0.02)]
    result = fairness_of_table(made, spec(criteria=gates), baseline_prediction_key="base")
    found = result.criterion("demographic_parity")
    alone = fairness_of_table(made, spec(), prediction_key="base").criterion("demographic_parity")
    assert found.baseline_difference == alone.difference.value
    assert result.failures[0].value == pytest.approx(found.difference.value - found.baseline_difference)
    assert "than the baseline's where at most 0.02" in result.failures[0].sentence
    assert fairness_of_table(table, spec(criteria=gates)).failures[0].kind == "undefined"


@pytest.mark.parametrize("reference", ["overall", "largest", "best", {"sex": "M"}, {"race": "a", "sex": "F"}])
def test_references(table: pa.Table, reference: Any) -> None:
    result = fairness_of_table(table, spec(groups=["sex", "race"], intersections=2, reference=reference))
    sex, cross = result.criterion("demographic_parity", "sex"), result.criterion("demographic_parity", ("race", "sex"))
    wanted = {"overall": "Overall", "largest": "sex=M", "best": "sex=M"}
    expected = wanted[reference] if isinstance(reference, str) else f"sex={reference['sex']}"
    assert {g.reference for g in sex.groups} == {expected}
    if reference == {"race": "a", "sex": "F"}:
        assert {g.reference for g in cross.groups} == {"race=a, sex=F"}
    elif isinstance(reference, dict):
        assert {g.reference for g in cross.groups} == {"Overall"}
    for gap in sex.groups:
        rates = {g.name: g.rates["positive_rate"].value for g in result.groups}
        assert gap.difference == pytest.approx(rates[gap.group] - rates[gap.reference], abs=CLOSE)
        assert gap.p_value <= gap.p_adjusted <= 1
        assert gap.low < gap.difference < gap.high


def test_what_if_thresholds_are_those_of_a_pass_of_their_own(table: pa.Table) -> None:
    result = fairness_of_table(table, spec(groups=["sex", "race"], intersections=2), example_weight_key="w")
    what_if = threshold_what_if(result, {"F": 0.41, "M": 0.6}, column="sex")
    levels = np.where(np.array(table["sex"].to_pylist()) == "F", 0.41, 0.6)
    said = (table["prediction"].to_numpy() >= levels).astype(float)
    direct = fairness_of_table(table.set_column(1, "prediction", pa.array(said)), result.spec, example_weight_key="w")
    for mine in what_if.criteria:
        other = direct.criterion(mine.criterion, mine.columns)
        for name in ("difference", "ratio", "difference_to_reference"):
            a, b = getattr(mine, name), getattr(other, name)
            assert (a.value, a.low, a.high) == pytest.approx((b.value, b.low, b.high), abs=1e-9)
    assert what_if.group(sex="F").rates["positive_rate@what_if"].value == pytest.approx(
        direct.group(sex="F").rates["positive_rate"].value
    )
    assert what_if.to_table().num_rows == len(what_if.criteria) == 21
    with pytest.raises(ConfigError) as caught:
        threshold_what_if(result, {"Q": 0.5, "M": 0.12345}, column="sex")
    assert len(caught.value.problems) == 2


def test_curves_are_the_criteria_at_each_threshold(table: pa.Table) -> None:
    result = fairness_of_table(table, spec(thresholds=(0.3, 0.5)))
    curves = {c.criterion: c for c in criterion_curves(result)}
    said = (table["prediction"].to_numpy() >= 0.37).astype(float)
    direct = fairness_of_table(table.set_column(1, "prediction", pa.array(said)), spec())
    for name, curve in curves.items():
        assert curve.difference[37] == pytest.approx(direct.criterion(name).difference.value, abs=1e-12)
        assert curve.ratio[37] == pytest.approx(direct.criterion(name).ratio.value, abs=1e-12)
    assert curves["demographic_parity"].difference[0] == 0


def test_more_than_two_classes_are_judged_one_against_the_rest() -> None:
    rng = np.random.default_rng(2)
    n, sex = 900, rng.choice(["F", "M"], 900)
    kinds = np.array(["calm", "busy", "wild"])
    label = rng.integers(0, 3, n)
    p = rng.dirichlet([1, 1, 1], n) + 1.2 * np.eye(3)[label] * (0.5 + 0.5 * (sex == "M"))[:, None]
    p /= p.sum(axis=1, keepdims=True)
    made = pa.table({"label": kinds[label], "prediction": pa.FixedSizeListArray.from_arrays(p.ravel(), 3), "sex": sex})
    gates = [Criterion("demographic_parity", max_difference=0.0, class_ids=[2]), Criterion("equal_accuracy", 0.01)]
    result = fairness_of_table(made, spec(criteria=gates), classes=kinds.tolist())
    chosen, male = p.argmax(axis=1), sex == "M"
    for c in range(3):
        gap = abs((chosen[male] == c).mean() - (chosen[~male] == c).mean())
        found = result.criterion("demographic_parity", at=f"class_id={c}")
        assert found.difference.value == pytest.approx(gap, abs=CLOSE)
    accuracy = abs((chosen == label)[male].mean() - (chosen == label)[~male].mean())
    assert result.criterion("equal_accuracy").difference.value == pytest.approx(accuracy, abs=CLOSE)
    assert [f.metric for f in result.failures] == ["demographic_parity[class_id=2]", "equal_accuracy"]


def test_regressions_compare_errors() -> None:
    rng = np.random.default_rng(4)
    n, sex = 800, rng.choice(["F", "M"], 800)
    label = rng.normal(10, 2, n)
    made = pa.table({"label": label, "prediction": label + rng.normal(0, 1, n) - 0.5 * (sex == "F"), "sex": sex})
    result = fairness_of_table(made, spec(criteria={"mean_error_parity": 0.1}), task="regression")
    gap = made["prediction"].to_numpy() - label
    found = result.criterion("mean_error_parity")
    assert found.difference.value == pytest.approx(gap[sex == "M"].mean() - gap[sex == "F"].mean(), abs=1e-12)
    assert "ratios mean nothing" in str(found.ratio.undefined)
    rmse = result.group(sex="F").rates["root_mean_squared_error"].value
    assert rmse == pytest.approx(np.sqrt((gap[sex == "F"] ** 2).mean()), abs=1e-12)
    assert [f.metric for f in result.failures] == ["mean_error_parity"]
    with pytest.raises(ConfigError, match="no threshold"):
        threshold_what_if(result, {"F": 0.5})


def test_all_problems_of_a_spec_come_at_once(table: pa.Table) -> None:
    with pytest.raises(ConfigError) as caught:
        FairnessSpec(
            groups=["sex", "sex"],
            thresholds=[2],
            reference="worst",
            missing="drop",
            confidence=1,
            multiplicity="holmes",
            criteria=[
                Criterion("demografic_parity", 0.1),
                Criterion("calibration"),
                Criterion("equal_accuracy", 0.1, at=0.7),
            ],
        )
    text = "\n".join(caught.value.problems)
    for part in ("named twice", "threshold 2", "reference is 'worst'", "missing is 'drop'", "'holm'", "confidence is 1",
                 "Did you mean 'demographic_parity'", "has no bound", "judges threshold 0.7"):  # fmt: skip
        assert part in text
    with pytest.raises(ConfigError) as caught:
        fairness_of_table(table, spec(groups=["sx"], criteria={"mean_error_parity": 1}), prediction_key="score")
    assert len(caught.value.problems) == 3
    with pytest.raises(ConfigError, match="FairnessSpec"):
        fairness_of_table(table, {"groups": ["sex"], "treshold": [0.5]})
    with pytest.raises(DataError, match="is no group of the data"):
        fairness_of_table(table, spec(reference={"sex": "Q"}))
    with pytest.raises(DataError, match="max_groups=2"):
        fairness_of_table(table, spec(groups=["race"], max_groups=2))
    with pytest.raises(DataError, match="no rows"):
        fairness_of_table(table.slice(0, 0), spec())


def test_every_criterion_of_a_task_is_measured(table: pa.Table) -> None:
    result = fairness_of_table(table, spec())
    assert {c.criterion for c in result.criteria} == {n for n, c in CRITERIA.items() if "binary" in c.tasks}


def test_fairness_indicators_have_tfmas_keys_and_the_same_values(table: pa.Table) -> None:
    entry = MetricConfig("FairnessIndicators", {"thresholds": [0.3, 0.5]})
    config = EvalConfig((MetricsSpec((entry,)),), (SlicingSpec(), SlicingSpec(("sex",))))
    found = analyze_raw_data(table, config)
    result = fairness_of_table(table, spec())
    for value in ("F", "M"):
        for key in INDICATORS:
            for t in ("0.3", "0.5"):
                name = f"fairness_indicators_metrics/{key}@{t}"
                mine = result.group(sex=value).rates[f"{key}@{t}"].value
                assert found.metric(name, (("sex", value),)).value == pytest.approx(mine, abs=CLOSE)
    one = EvalConfig((MetricsSpec((MetricConfig("FairnessIndicators", {"thresholds": [0.5]}),)),))
    keys = list(analyze_raw_data(table, one).measured.slices[0].metrics)
    assert len(keys) == 10
    assert all(key.endswith("@0.5") for key in keys)
