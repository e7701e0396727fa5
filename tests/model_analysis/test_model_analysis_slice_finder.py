"""Planted slices are found first, noise is not, and what is said of a slice is true of rows that chose nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from trueline._core.errors import ConfigError, DataError
from trueline.engine import Dataset, LocalEngine
from trueline.model_analysis import EvalConfig, MetricConfig, MetricsSpec, find_slices
from trueline.model_analysis.slices import group_rows

Mask = npt.NDArray[np.bool_]
HARM = 3.0  # the squared error inside a planted slice has mean 4, outside it 1
SHOP = Callable[[dict[str, npt.NDArray[Any]]], Any]


def shop(rows: int, seed: int, planted: SHOP | None = None, harm: float = 2.0) -> tuple[pa.Table, Mask]:
    """A regression whose errors have standard deviation 1, and `harm` where `planted` says."""
    rng = np.random.default_rng(seed)
    columns = {
        "town": rng.choice(list("wxyz"), rows),
        "kind": rng.choice(list("pq"), rows),
        "hour": rng.integers(0, 6, rows),
        "fare": rng.normal(0, 1, rows),
        "gap": rng.random(rows) < 0.1,
        "nan": rng.random(rows) < 0.1,
    }
    bad = planted(columns) if planted else np.zeros(rows, dtype=bool)
    prediction = rng.normal(0, 1, rows)
    error = rng.normal(0, 1, rows) * np.where(bad, harm, 1.0)
    fare = np.where(columns["nan"], np.nan, columns["fare"])
    table = pa.table(
        {
            "town": columns["town"],
            "kind": columns["kind"],
            "hour": columns["hour"],
            "fare": pa.array(fare, mask=columns["gap"]),
            "label": prediction + error,
            "prediction": prediction,
        }
    )
    return table, bad


PLANTED: dict[str, tuple[SHOP, str]] = {
    "a value": (lambda c: c["town"] == "y", "town=y"),
    "a pair": (lambda c: (c["town"] == "y") & (c["kind"] == "p"), "town=y, kind=p"),
    "a range of whole numbers": (lambda c: (c["hour"] >= 2) & (c["hour"] <= 3), "hour in [2, 3]"),
    "missing": (lambda c: c["gap"], "fare is missing"),
    "NaN": (lambda c: c["nan"] & ~c["gap"], "fare is NaN"),
    "missing in a value": (lambda c: c["gap"] & (c["kind"] == "q"), "kind=q, fare is missing"),
}


@pytest.mark.parametrize("what", PLANTED)
def test_a_planted_slice_is_found_first_alone_and_its_effect_lies_in_its_interval(what: str) -> None:
    """Neither parts nor refinements of it are named beside it."""
    planted, name = PLANTED[what]
    table, bad = shop(6000, 3, planted)
    found = find_slices(None, table, loss="squared_error")
    assert found.slices[0].name == name
    first = found.slices[0]
    assert first.rows == bad.sum()
    assert first.low < HARM < first.high
    assert first.adjusted_p_value < 1e-6
    assert len(found.slices) == 1
    assert found.passes == 2


def test_a_planted_range_of_numbers_is_found_up_to_its_buckets() -> None:
    table, bad = shop(6000, 3, lambda c: (c["fare"] > 0.3) & (c["fare"] < 1.2) & ~c["gap"] & ~c["nan"])
    first = find_slices(None, table, loss="squared_error").slices[0]
    inside = spec_rows(table, first.slicing_spec)
    assert (inside & bad).sum() / (inside | bad).sum() > 0.7
    error = np.square(np.array(table["label"]) - np.array(table["prediction"]))
    assert first.low < error[inside].mean() - error[~inside].mean() < first.high


def test_a_planted_triple_is_found_in_one_more_pass() -> None:
    triple: SHOP = lambda c: (c["town"] == "y") & (c["kind"] == "p") & (c["hour"] >= 3)  # noqa: E731
    table, _ = shop(8000, 5, triple)
    found = find_slices(None, table, loss="squared_error", max_order=3)
    assert found.slices[0].name == "town=y, kind=p, hour in [3, 4, 5]"
    assert found.passes <= 4


def test_a_pair_is_found_among_the_triples_of_many_columns_of_noise() -> None:
    """Each slice has hundreds of refinements; the best of them by chance alone does not stand for it."""
    table, _ = shop(4000, 9, PLANTED["a pair"][0])
    rng = np.random.default_rng(0)
    for i in range(5):
        table = table.append_column(f"noise{i}", pa.array(rng.normal(0, 1, 4000)))
    found = find_slices(None, table, loss="squared_error", max_order=3)
    assert [s.name for s in found.slices] == ["town=y, kind=p"]
    assert found.searched > 10_000


def spec_rows(table: pa.Table, spec: object) -> Mask:
    batch = table.combine_chunks().to_batches()[0]
    (grouping,) = group_rows(batch, [spec])  # type: ignore[list-item]
    inside = np.zeros(batch.num_rows, dtype=bool)
    inside[grouping.rows] = True
    return inside


@pytest.mark.slow
@pytest.mark.parametrize("confirm", [True, False])
def test_noise_alone_is_found_in_no_more_than_alpha_of_the_tables(confirm: bool) -> None:
    """False discovery rate where nothing is planted; no effect size is asked for. 200 tables (60 without halves, which
    adjust for every slice judged), and two standard errors of that share."""
    tables = 200 if confirm else 60
    wrong = 0
    for seed in range(tables):
        table, _ = shop(600, seed)
        found = find_slices(
            None, table, loss="squared_error", min_effect=0.0, min_rows=40, confirm=confirm,
            multiplicity="benjamini_hochberg",
        )  # fmt: skip
        assert found.searched > 100
        wrong += bool(found.slices)
    assert wrong / tables <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / tables)


def test_intervals_of_found_slices_cover_the_truth_though_the_best_of_many_were_chosen() -> None:
    """A weak effect is found only where noise helps: on the half that chose it, it looks larger than it is."""
    covered, flattered, found_so_often = 0, [], 0
    for seed in range(60):
        table, _ = shop(1500, seed, lambda c: c["town"] == "y", harm=1.4)
        found = find_slices(None, table, loss="squared_error", min_effect=0.0)
        for one in found.slices:
            if one.name == "town=y":
                found_so_often += 1
                covered += one.low < 1.4**2 - 1 < one.high
        flattered += [s.search_difference for s in found.slices if s.name != "town=y"]
    assert found_so_often >= 30
    assert covered / found_so_often >= 0.9
    assert len(flattered) <= 6


def test_all_losses_are_better_in_no_slice_of_a_perfect_model() -> None:
    table, _ = shop(600, 0)
    perfect = table.set_column(table.column_names.index("label"), "label", table["prediction"])
    found = find_slices(None, perfect, loss="squared_error", min_rows=30)
    assert found.slices == ()
    assert found.mean_loss == 0.0
    assert "No slice is worse" in found.to_html()


def test_a_copy_of_a_column_gives_no_second_slice() -> None:
    table, _ = shop(3000, 1, PLANTED["a value"][0])
    twin = table.append_column("city", table["town"])
    assert [s.name for s in find_slices(None, twin, loss="squared_error").slices] == ["town=y"]


def test_what_most_rows_are_in_is_no_slice() -> None:
    table, _ = shop(3000, 1, lambda c: c["town"] != "y")
    names = [s.name for s in find_slices(None, table, loss="squared_error", max_share=0.5).slices]
    assert names
    assert all(s.share <= 0.5 for s in find_slices(None, table, loss="squared_error").slices)


def test_with_a_baseline_the_slice_that_became_worse_is_found() -> None:
    """The town is bad for both models; only the pair is worse for the candidate than for the baseline."""
    table, _ = shop(4000, 2, lambda c: c["town"] == "y")
    rng = np.random.default_rng(0)
    pair = (np.array(table["kind"]) == "p") & (np.array(table["hour"]) == 3)
    worse = np.array(table["prediction"]) + rng.normal(0, 1.5, 4000) * pair
    both = table.rename_columns([*table.column_names[:-1], "old"]).append_column("prediction", pa.array(worse))
    found = find_slices(None, both, loss="squared_error", baseline_prediction_key="old")
    assert found.compared
    assert found.slices[0].name == "kind=p, hour=3"
    assert found.slices[0].loss_share is None
    assert found.slices[0].outside == pytest.approx(0.0, abs=1e-12)
    assert "became worse" in found.to_html()


def test_the_same_bits_for_any_shards_and_workers_and_the_same_slices_for_other_blocks() -> None:
    table, _ = shop(3000, 4, PLANTED["a pair"][0])
    table = table.append_column("__row__", pa.array(np.arange(3000)))
    texts = {
        find_slices(
            None, Dataset.from_table(table, 400).deal(shards), loss="squared_error", max_order=3,
            engine=LocalEngine(workers),
        ).to_json()
        for shards, workers in ((1, 1), (1, 3), (5, 2))
    }  # fmt: skip
    assert len(texts) == 1
    other = find_slices(None, Dataset.from_table(table, 3000), loss="squared_error", max_order=3)
    one = find_slices(None, Dataset.from_table(table, 400), loss="squared_error", max_order=3)
    assert [s.key for s in other.slices] == [s.key for s in one.slices]
    assert other.slices[0].difference == pytest.approx(one.slices[0].difference, rel=1e-9)


def test_found_slices_can_be_evaluated_by_their_specs() -> None:
    from trueline.model_analysis import analyze_raw_data

    table, _ = shop(4000, 3, PLANTED["missing in a value"][0])
    found = find_slices(None, table, loss="squared_error")
    metrics = [MetricsSpec([MetricConfig("MeanSquaredError"), MetricConfig("ExampleCount")])]
    result = analyze_raw_data(table, EvalConfig(metrics, found.slicing_specs(1)), task="regression")
    (evaluated,) = result.measured.slices
    assert evaluated.key == found.slices[0].key
    assert evaluated.rows == found.slices[0].rows
    assert evaluated.metrics["mean_squared_error"].value > 3


def test_weights_count_and_equal_ones_change_nothing() -> None:
    table, bad = shop(3000, 6, PLANTED["a value"][0])
    plain = find_slices(None, table, loss="squared_error")
    twos = find_slices(
        None, table.append_column("w", pa.array(np.full(3000, 2.0))), loss="squared_error", example_weight_key="w"
    )
    assert twos.slices[0].difference == pytest.approx(plain.slices[0].difference, rel=1e-12)
    assert twos.slices[0].p_value == pytest.approx(plain.slices[0].p_value, rel=1e-6)
    nothing = table.append_column("w", pa.array(np.where(bad, 0.0, 1.0)))
    left = find_slices(None, nothing, loss="squared_error", example_weight_key="w").slices
    assert not any("town=y" in one.name for one in left)


def test_rows_without_a_loss_are_counted_and_not_judged() -> None:
    table, _ = shop(2000, 6, PLANTED["a value"][0])
    label = table["label"].to_numpy().copy()
    label[:3] = np.inf
    prediction = table["prediction"].to_numpy().copy()
    prediction[2:7] = np.nan
    mask = np.zeros(2000, dtype=bool)
    mask[100:110] = True
    broken = pa.table(
        {
            "town": table["town"],
            "label": pa.array(label, mask=mask),
            "prediction": prediction,
            "w": np.where(np.arange(2000) == 500, -1.0, 1.0),
        }
    )
    found = find_slices(None, broken, loss="squared_error", example_weight_key="w")
    assert dict(found.left_out) == {"missing_label": 10, "bad_label": 3, "bad_prediction": 4, "bad_weight": 1}
    assert found.rows == 2000 - 18
    assert found.slices[0].name == "town=y"
    assert "bad prediction" in found.to_html()


def test_binary_and_multiclass_losses() -> None:
    rng = np.random.default_rng(1)
    n = 3000
    town, p = rng.choice(list("xyz"), n), rng.beta(2, 2, n)
    y = (rng.random(n) < np.where(town == "y", 1 - p, p)).astype(float)
    binary = pa.table({"town": town, "label": y, "prediction": p})
    two = pa.table({"town": town, "label": y, "prediction": pa.array(np.stack([1 - p, p], axis=1).tolist())})
    for loss in ("log_loss", "zero_one"):
        one, other = (find_slices(None, t, loss=loss) for t in (binary, two))
        assert [one.task, other.task] == ["binary", "multiclass"]
        assert one.slices[0].name == other.slices[0].name == "town=y"
        assert one.slices[0].difference == pytest.approx(other.slices[0].difference, rel=1e-9)
    own = -(y * np.log(p) + (1 - y) * np.log(1 - p))
    assert find_slices(None, binary, confirm=False).mean_loss == pytest.approx(own.mean(), rel=1e-12)


def test_all_problems_are_told_at_once() -> None:
    table, _ = shop(100, 0)
    with pytest.raises(ConfigError) as caught:
        find_slices(None, table, max_order=4, min_rows=3, alpha=0.9, multiplicity="bonferoni", buckets=99)
    said = str(caught.value)
    assert all(word in said for word in ("max_order", "min_rows", "alpha", "buckets", "'bonferroni'"))
    with pytest.raises(ConfigError, match="'town'"):
        find_slices(None, table, loss="squared_error", features=["twon"])
    with pytest.raises(ConfigError, match="no loss 'hinge'"):
        find_slices(None, table, loss="hinge")
    with pytest.raises(ConfigError, match="does not fit"):
        find_slices(None, table, task="multiclass")
    with pytest.raises(ConfigError, match="no column can be searched"):
        find_slices(None, table.append_column("raw", pa.array([b"x"] * 100)), features=["raw"], loss="squared_error")


def test_too_few_rows_are_refused_with_the_reason() -> None:
    table, _ = shop(50, 0)
    with pytest.raises(DataError, match="50 rows have a loss, too few"):
        find_slices(None, table, loss="squared_error")
    with pytest.raises(DataError, match="bad label: "):
        find_slices(None, table, loss="log_loss")
    with pytest.raises(DataError, match="no rows"):
        find_slices(None, table.slice(0, 0), loss="squared_error")
    with pytest.raises(DataError, match="holds no numbers"):
        find_slices(None, table, loss="squared_error", label_key="town")
