"""The parts of the search for slices: contrasts, axes, sums, bounds, and the saved result."""

from __future__ import annotations

import datetime
import json
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from trueline._core.errors import ArtifactError
from trueline.engine import AccumulatorSpec, check_accumulator
from trueline.model_analysis import FoundSlices, SlicingSpec, find_slices
from trueline.model_analysis.slice_finder.axes import Axis, Condition, cells_of, conditions_of
from trueline.model_analysis.slice_finder.contrasts import adjusted, contrast, group_of, t_quantile, t_tail
from trueline.model_analysis.slice_finder.found import FOUND_FILE
from trueline.model_analysis.slice_finder.lattice import Candidate, Limits, condition_sums, examine, viable
from trueline.model_analysis.slice_finder.make_axes import make_axes
from trueline.model_analysis.slice_finder.sample import ROW_SAMPLE
from trueline.model_analysis.slice_finder.sums import SLICE_SUMS
from trueline.model_analysis.slices import group_rows


def plain(losses: np.ndarray) -> np.ndarray:
    return np.array([len(losses), losses.sum(), np.square(losses).sum()])


def weighed(losses: np.ndarray, w: np.ndarray) -> np.ndarray:
    return np.array([len(losses), w.sum(), (w * losses).sum(), (w * w).sum(), (w * w * losses).sum(),
                     np.square(w * losses).sum()])  # fmt: skip


# Contrasts -----------------------------------------------------------------------------------------------------------


def test_contrasts_are_welchs_test() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.gamma(2, 1, 40), rng.gamma(1, 1, 300)
    want = stats.ttest_ind(one, other, equal_var=False, alternative="greater")
    for sums in ((plain(one), plain(other)), (weighed(one, np.full(40, 3.0)), weighed(other, np.full(300, 3.0)))):
        got = contrast(group_of(sums[0]), group_of(sums[1]), 1.0)
        assert float(got.t) == pytest.approx(want.statistic, rel=1e-9)
        assert float(got.dof) == pytest.approx(want.df, rel=1e-9)
        assert float(t_tail(got.t, got.dof)) == pytest.approx(want.pvalue, rel=1e-6)
        effect = (one.mean() - other.mean()) / np.sqrt((one.var() + other.var()) / 2)
        assert float(got.effect) == pytest.approx(effect, rel=1e-9)


def test_weighted_noise_is_that_of_a_ratio() -> None:
    rng = np.random.default_rng(1)
    losses, w = rng.gamma(2, 1, (4000, 60)), rng.integers(1, 5, (4000, 60)).astype(float)
    groups = [group_of(weighed(x, v)) for x, v in zip(losses, w, strict=True)]
    simulated = np.var([float(g.mean) for g in groups])
    assert np.mean([float(g.noise) for g in groups]) == pytest.approx(simulated, rel=0.08)


@pytest.mark.parametrize("dof", [9.0, 15.5, 40.0, 1e6])
def test_tails_and_quantiles_of_students_distribution(dof: float) -> None:
    t = np.array([-2.0, 0.0, 0.5, 1.0, 2.0, 4.0, 9.0])
    np.testing.assert_allclose(t_tail(t, np.full(7, dof)), stats.t.sf(t, dof), rtol=1e-5)
    assert t_quantile(0.0125, dof) == pytest.approx(stats.t.isf(0.0125, dof), rel=1e-5)


def test_groups_of_equal_losses_are_no_certainty_and_of_one_row_show_nothing() -> None:
    wrong, right = np.ones(20), np.zeros(30)
    got = contrast(group_of(plain(wrong)), group_of(plain(right)), 0.24)
    assert float(got.error) == pytest.approx(np.sqrt(0.24 / 20 + 0.24 / 30))
    assert 0 < float(t_tail(got.t, got.dof)) < 1e-4
    alone = contrast(group_of(plain(np.ones(1))), group_of(plain(right)), 0.24)
    assert float(t_tail(alone.t, alone.dof)) == 1.0
    assert float(t_tail(np.array(np.nan), np.array(3.0))) == 1.0


def test_adjusted_values_count_tests_that_are_not_given() -> None:
    p = np.array([0.001, 0.2, 0.01])
    by = stats.false_discovery_control(np.concatenate([p, np.ones(7)]), method="by")[:3]
    np.testing.assert_allclose(adjusted(p, "benjamini_yekutieli", 10), by, rtol=1e-12)
    bh = stats.false_discovery_control(p, method="bh")
    np.testing.assert_allclose(adjusted(p, "benjamini_hochberg"), bh, rtol=1e-12)
    np.testing.assert_allclose(adjusted(p, "bonferroni", 10), [0.01, 1.0, 0.1])
    np.testing.assert_allclose(adjusted(p, "holm", 10), [0.01, 1.0, 0.09])
    assert len(adjusted(np.zeros(0), "holm")) == 0


# Axes ----------------------------------------------------------------------------------------------------------------


def odd_table(rows: int = 400) -> pa.Table:
    rng = np.random.default_rng(2)
    gap = rng.random(rows) < 0.1
    number = np.where(rng.random(rows) < 0.1, np.nan, rng.normal(0, 3, rows))
    when = [datetime.datetime(2026, 1, 1) + datetime.timedelta(hours=int(h)) for h in rng.integers(0, 5000, rows)]
    lists = [None if g else list(rng.choice(list("abcd"), rng.integers(0, 3), replace=False)) for g in gap]
    return pa.table(
        {
            "text": pa.array(rng.choice(["it's", 'say "x"', "", "z"], rows), mask=gap),
            "an odd name": pa.array(number, mask=gap),
            "class": pa.array(number.astype(np.float32), pa.float32(), mask=gap),
            "few": pa.array(rng.choice([0.5, 1.0, np.nan, -0.0, 0.0], rows), mask=gap),
            "whole": rng.integers(0, 4, rows).astype(np.int8),
            "many": rng.integers(-1000, 1000, rows),
            "flag": pa.array(rng.random(rows) < 0.4, mask=gap),
            "when": pa.array(when, pa.timestamp("us"), mask=gap),
            "tags": pa.array(lists, pa.list_(pa.string())),
            "category": pa.array(rng.choice(["u", "v"], rows), mask=gap).dictionary_encode(),
            "none": pa.nulls(rows, pa.float64()),
        }
    )


def test_every_condition_of_every_kind_of_column_is_a_slicing_spec_of_the_same_rows() -> None:
    """Odd names, quotes, keywords, NaN, signed zeros, float32 edges, times, lists, booleans, dictionaries, no value."""
    table = odd_table()
    sampled = table.set_column(9, "category", table["category"].cast(pa.string()))
    axes = make_axes(sampled, table.column_names, 5, 10, 0.01)
    assert axes.left_out == {}
    assert {a.column for a in axes.axes} == set(table.column_names)
    names = set()
    for axis in axes.axes:
        for used in (table, sampled):
            batch = used.combine_chunks().to_batches()[0]
            (cells,) = cells_of([axis], batch)
            assert cells.min() >= 0
            assert cells.max() < axis.cells
            for condition in conditions_of(axis, ranges=True):
                inside = (cells >= condition.first) & (cells <= condition.last)
                pair = condition.pair
                values = {pair[0]: str(pair[1]).lower() if isinstance(pair[1], bool) else pair[1]} if pair else {}
                (grouping,) = group_rows(batch, [SlicingSpec(feature_values=values, expression=condition.expression)])
                assert sorted(grouping.rows.tolist()) == np.flatnonzero(inside).tolist(), condition.name
                names.add(condition.name)
    assert {"text=it's", "an odd name is NaN", "flag=true", "tags=a", "tags is missing", "whole in [1, 2]"} <= names
    assert any(name.startswith("when >= 2026-") for name in names)


def test_axes_survive_json_and_rare_values_and_types_are_told() -> None:
    table = pa.table({"t": [f"v{i % 7}" for i in range(100)], "b": [b"x"] * 100, "s": [{"a": 1}] * 100})
    axes = make_axes(table, ["t", "b", "s"], 4, 3, 0.01)
    assert [a.column for a in axes.axes] == ["t"]
    assert set(axes.left_out) == {"t", "b", "s"}
    assert "only the 3 most frequent" in axes.left_out["t"]
    for axis in (*axes.axes, Axis("x", "number", (0.1, 1e300), floats=True)):
        assert Axis.from_json(json.loads(json.dumps(axis.to_json()))) == axis


# Sums and levels -----------------------------------------------------------------------------------------------------


def losses_table(rows: int = 900) -> pa.Table:
    rng = np.random.default_rng(4)
    return (
        odd_table(rows)
        .append_column("label", pa.array(rng.normal(0, 1, rows)))
        .append_column("prediction", pa.array(rng.normal(0, 1, rows)))
        .append_column("w", pa.array(rng.integers(0, 4, rows) / 2))
        .append_column("__row__", pa.array(np.arange(rows)))
    )


SOURCE = {
    "kind": "table", "task": "regression", "classes": 0, "loss": "absolute_error", "label": "label", "weight": "w",
    "predictions": {"candidate": "prediction"}, "halves": 2, "seed": 0,
}  # fmt: skip


def test_both_accumulators_keep_the_promises_of_engines() -> None:
    table = losses_table()
    sampled = check_accumulator(
        AccumulatorSpec(ROW_SAMPLE, {"columns": ["text", "tags", "category"], "rows": 50}), table, processes=False
    )
    assert sampled.rows == 900
    assert sampled.table.num_rows == 50
    axes = [
        Axis("text", "value", (), ("z", "")),
        Axis("many", "number", (-10.0, 500.0)),
        Axis("tags", "member", (), ("a",)),
    ]
    params = {
        "source": SOURCE,
        "axes": [a.to_json() for a in axes],
        "tables": [[0], [0, 1], [0, 1, 2]],
        "weighted": True,
    }
    check_accumulator(AccumulatorSpec(SLICE_SUMS, params), table, rtol=1e-12, atol=1e-12)


def test_the_sample_is_the_same_for_any_blocks_and_every_row_has_the_same_chance() -> None:
    table = pa.table({"x": np.arange(5000), "__row__": np.arange(5000)})
    spec: AccumulatorSpec[Any] = AccumulatorSpec(ROW_SAMPLE, {"columns": ["x"], "rows": 500, "seed": 3})
    sampled = check_accumulator(spec, table, block_rows=700, processes=False).table["x"].to_numpy()
    assert len(set(sampled.tolist())) == 500
    assert stats.kstest(sampled / 5000, "uniform").pvalue > 0.01


def test_sums_of_a_table_are_those_of_its_rows_and_its_margins_those_of_fewer_axes() -> None:
    table = losses_table()
    axes = [Axis("whole", "value", (), (0, 1, 2)), Axis("many", "number", (-10.0, 500.0))]
    params = {"source": SOURCE | {"weight": None, "halves": 1}, "axes": [a.to_json() for a in axes],
              "tables": [[0], [0, 1]], "weighted": False}  # fmt: skip
    spec: AccumulatorSpec[Any] = AccumulatorSpec(SLICE_SUMS, params)
    accumulator = spec.new()
    accumulator.update(table.combine_chunks().to_batches()[0])
    one, two = accumulator.finish().tables
    loss = np.abs(table["label"].to_numpy() - table["prediction"].to_numpy())
    inside = (table["whole"].to_numpy() == 1) & (table["many"].to_numpy() >= 500)
    np.testing.assert_allclose(two[:, 0, 1, 2], plain(loss[inside]), rtol=1e-12)
    np.testing.assert_allclose(two.sum(axis=3), one, rtol=1e-12)
    conditions, sums = condition_sums(axes, two, ranges=True)
    np.testing.assert_allclose(sums[:, 0, -1, -1], plain(loss), rtol=1e-12)
    place = [c.name for c in conditions[1]].index("many >= -10")
    chosen = (table["whole"].to_numpy() == 2) & (table["many"].to_numpy() >= -10)
    np.testing.assert_allclose(sums[:, 0, 2, place], plain(loss[chosen]), rtol=1e-12)


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 10_000), st.booleans(), st.floats(0.0, 1.5), st.integers(2, 15))
def test_no_slice_that_qualifies_lies_in_one_that_the_bounds_leave_out(
    seed: int, signed: bool, effect: float, least: int
) -> None:
    rng = np.random.default_rng(seed)
    n = 120
    codes = [rng.integers(0, 3, n) for _ in range(2)]
    loss = rng.exponential(1, n) * np.where((codes[0] == 0) & (codes[1] == 1), rng.choice([1, 3, 8]), 1.0)
    loss = loss - (1.0 if signed else 0.0)
    axes = [Axis(name, "value", (), ("a", "b", "c")) for name in "xy"]
    table = np.zeros((3, 1, 6, 6))
    for i, j in product(range(3), range(3)):
        table[:, 0, i, j] = plain(loss[(codes[0] == i) & (codes[1] == j)])
    total = table.sum(axis=(2, 3))
    limits = Limits(float(least), float(least), n, effect, signed)
    examined = examine(axes, table, total, limits)
    for place, axis in enumerate(axes):
        single = condition_sums([axis], table.sum(axis=3 - place), ranges=False)[1][..., :-1]
        alive = viable(single, total, limits)
        conditions = conditions_of(axis, ranges=False)
        for candidate in examined.candidates:
            assert alive[conditions.index(candidate.conditions[place])]


def test_slices_inside_and_beside_each_other_are_told_apart() -> None:
    axis, other = Axis("x", "number", (1.0, 2.0, 3.0)), Axis("y", "value", (), ("a", "b"))
    none = np.zeros((3, 2))

    def slice_of(*conditions: Condition) -> Candidate:
        return Candidate(conditions, 1.0, none, ())

    wide, narrow = slice_of(Condition(axis, 1, 3)), slice_of(Condition(axis, 2, 2), Condition(other, 0, 0))
    assert wide.contains(narrow)
    assert not narrow.contains(wide)
    assert slice_of(Condition(axis, 0, 1)).overlaps(wide)
    assert not slice_of(Condition(axis, 0, 0)).overlaps(wide)
    assert not narrow.overlaps(wide)


# The result ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def found() -> FoundSlices:
    rng = np.random.default_rng(3)
    n = 2000
    name = rng.choice(["<b>bad</b>", "ok", "fine"], n)
    error = rng.normal(0, 1, n) * np.where(name == "<b>bad</b>", 3, 1)
    table = pa.table({"who": name, "label": error, "prediction": np.zeros(n), "blob": [b"1"] * n})
    return find_slices(None, table, loss="absolute_error")


def test_the_result_is_saved_and_loaded_and_tabled(found: FoundSlices, tmp_path: Path) -> None:
    found.save(str(tmp_path / "found"))
    again = FoundSlices.load(str(tmp_path / "found"))
    assert again == found
    assert again.slices[0].slicing_spec == SlicingSpec(feature_values={"who": "<b>bad</b>"})
    table = found.to_table()
    assert table["name"].to_pylist() == ["who=<b>bad</b>"]
    assert table["difference"][0].as_py() == found.slices[0].difference
    assert found.coverage == pytest.approx(found.slices[0].share, abs=1e-12)
    assert dict(found.columns_left_out) == {"blob": "columns of type binary are not searched"}


@pytest.mark.parametrize(
    "damage",
    [
        lambda d: d | {"format": 99},
        lambda d: d | {"slices": [{"key": 3}]},
        lambda d: d | {"surprise": 1},
        lambda d: d | {"slices": [d["slices"][0] | {"low": "NaN"}]},
        lambda d: [1],
    ],
)
def test_a_damaged_file_is_refused(found: FoundSlices, tmp_path: Path, damage: object) -> None:
    path = tmp_path / FOUND_FILE
    path.write_text(json.dumps(damage(json.loads(found.to_json()))))  # type: ignore[operator]
    with pytest.raises(ArtifactError):
        FoundSlices.load(str(tmp_path))


def test_the_page_stands_alone_and_shows_text_as_text(found: FoundSlices, tmp_path: Path) -> None:
    html = found.to_html(str(tmp_path / "found.html"))
    assert (tmp_path / "found.html").read_text() == html
    assert "<b>bad" not in html
    assert "who=&lt;b&gt;bad" in html
    assert "http" not in html.replace("http://www.w3.org", "")
    assert "blob" in html
    assert "measured on rows that did not choose them" in html
    assert "<svg" in found._repr_html_()
