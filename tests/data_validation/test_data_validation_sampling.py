"""Sampling by rows: which rows, how many, and that nothing but the rows decides."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from trueline.data_validation import StatsOptions, generate_statistics
from trueline.data_validation.passes import plan_pass
from trueline.data_validation.sampling import sampled_rows, sampled_spec
from trueline.engine import AccumulatorSpec, Dataset, LocalEngine, check_accumulator

ROWS = 20_000
COUNT = AccumulatorSpec("trueline.data_validation.counting:RowCount")


@pytest.fixture(scope="module")
def table() -> pa.Table:
    rng = np.random.default_rng(11)
    return pa.table(
        {
            "x": rng.normal(size=ROWS),
            "c": rng.choice(["a", "b"], ROWS),
            "__row__": np.arange(ROWS) + (3 << 40),
        }
    )


@pytest.mark.parametrize("rate", [0.01, 0.3, 0.999])
@pytest.mark.parametrize("ids", [True, False])
def test_the_share_of_rows(table: pa.Table, rate: float, ids: bool) -> None:
    """Within five standard deviations; counts are those of the sample, not scaled up."""
    data = table if ids else table.select(["x", "c"])
    found = generate_statistics(data, StatsOptions(sample_rate=rate)).datasets[0]
    assert abs(found.num_examples - rate * ROWS) < 5 * np.sqrt(rate * (1 - rate) * ROWS)
    common = found.features[0].num_stats.common_stats
    assert common.num_non_missing == found.num_examples


def test_equal_rows_are_not_all_in_or_all_out() -> None:
    same = pa.table({"c": ["a"] * 10_000})
    found = generate_statistics(same, StatsOptions(sample_rate=0.5)).datasets[0]
    assert 4700 < found.num_examples < 5300


def test_row_ids_alone_decide(table: pa.Table) -> None:
    """Other blocks, other columns, another order: the same rows."""
    batch = table.combine_chunks().to_batches()[0]
    chosen = sampled_rows(batch, 0.3, 0)
    few = sampled_rows(batch.select(["__row__"]), 0.3, 0)
    assert (chosen == few).all()
    pieces = np.concatenate([sampled_rows(batch.slice(i, 777), 0.3, 0) for i in range(0, ROWS, 777)])
    assert (chosen == pieces).all()
    options = StatsOptions(sample_rate=0.3, feature_allowlist=["x"])
    one = generate_statistics(Dataset.from_table(table, 500), options).datasets[0]
    assert one.num_examples == int(chosen.sum())
    mean = table["x"].to_numpy()[chosen].mean()
    assert one.features[0].num_stats.mean == pytest.approx(mean, rel=1e-12)


def test_a_larger_rate_keeps_what_a_smaller_kept_and_another_seed_is_another_sample(table: pa.Table) -> None:
    for data in (table, table.select(["x", "c"])):
        batch = data.combine_chunks().to_batches()[0]
        small, large = sampled_rows(batch, 0.2, 0), sampled_rows(batch, 0.4, 0)
        assert (large >= small).all()
        other = sampled_rows(batch, 0.4, 1)
        both = int((large & other).sum())
        assert abs(both - 0.16 * ROWS) < 5 * np.sqrt(0.16 * 0.84 * ROWS)


def test_all_rows_at_rate_one(table: pa.Table) -> None:
    assert generate_statistics(table, StatsOptions(sample_rate=1)) == generate_statistics(table)


def test_samples_keep_the_engines_promises(table: pa.Table) -> None:
    """With row ids also for other block borders."""
    count = check_accumulator(sampled_spec(COUNT, 0.3), table.slice(0, 3000), columns=["__row__", "c"])
    assert 700 < count.num_examples < 1100
    check_accumulator(sampled_spec(COUNT, 0.3), table.slice(0, 3000), columns=["x"], recut=False, processes=False)


def test_slices_are_cut_from_the_sample(table: pa.Table) -> None:
    options = StatsOptions(sample_rate=0.3, slicing_config='slicing_specs { feature_keys: "c" }')
    planned = plan_pass(table.schema, options)
    assert planned.columns == ("x", "c", "__row__")
    found = planned.result(LocalEngine(1).run(planned.spec, Dataset.from_table(table), planned.columns))
    sizes = {dataset.name: dataset.num_examples for dataset in found.datasets}
    chosen = sampled_rows(table.combine_chunks().to_batches()[0], 0.3, 0)
    in_a = table["c"].to_numpy(zero_copy_only=False) == "a"
    assert sizes == {
        "All Examples": int(chosen.sum()),
        "c_a": int((chosen & in_a).sum()),
        "c_b": int((chosen & ~in_a).sum()),
    }
