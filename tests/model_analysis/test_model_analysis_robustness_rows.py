"""Every kind of disturbance on rows of every type: what it changes, what it must leave, and that order is nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trueline.engine.base import AccumulatorSpec
from trueline.engine.testing import check_accumulator
from trueline.model_analysis.robustness import Perturbation, perturb
from trueline.model_analysis.robustness.adversarial import attack
from trueline.model_analysis.robustness.changes import moved_numbers
from trueline.model_analysis.robustness.draw import Draw
from trueline.model_analysis.robustness.facts import FEATURE_FACTS, FeatureFacts

N = 400
RNG = np.random.default_rng(0)
BATCH = pa.record_batch(
    {
        "x": pa.array(RNG.normal(10, 2, N), mask=RNG.random(N) < 0.1),
        "n": pa.array(RNG.integers(0, 9, N), mask=RNG.random(N) < 0.1),
        "t": pa.array(RNG.choice(["red", "green", "a", ""], N), mask=RNG.random(N) < 0.1),
        "many": pa.array([None if i % 7 == 0 else [float(i), 1.0][: i % 3] for i in range(N)], pa.list_(pa.float64())),
        "pair": pa.array([None if i % 5 == 0 else [1.0, 2.0] for i in range(N)], pa.list_(pa.float64(), 2)),
        "__row__": np.arange(N),
    }
)
FACTS: dict[str, Any] = {
    "x": {"dtype": "float64", "std": 2.0, "seen": [4.0, 16.0], "domain": [0.0, 12.0]},
    "n": {"dtype": "int64", "std": 2.5, "seen": [0.0, 8.0], "domain": [0.0, 10.0]},
    "t": {"dtype": "utf8", "values": ["red", "green"]},
    "many": {"dtype": "float64", "std": 1.0, "seen": [0.0, 400.0]},
    "pair": {"dtype": "float64", "std": 1.0, "seen": [0.0, 2.0]},
}
KINDS = {
    "gaussian_noise": ("x", "n", "many", "pair"),
    "uniform_noise": ("x", "n", "many", "pair"),
    "missing": ("x", "n", "t", "many", "pair"),
    "out_of_range": ("x", "n", "many", "pair"),
    "unseen_category": ("t",),
    "typos": ("t",),
}


@pytest.mark.parametrize("kind", KINDS)
def test_rows_are_disturbed_by_themselves_in_whatever_order_they_come(kind: str) -> None:
    p = Perturbation(kind, features=KINDS[kind], scale=0.5, rate=0.5)
    whole = perturb(BATCH, p, FACTS, 3)
    order = RNG.permutation(N)
    shuffled = perturb(BATCH.take(pa.array(order)), p, FACTS, 3)
    assert shuffled.to_pylist() == [whole.to_pylist()[i] for i in order]
    parts = [perturb(BATCH.slice(a, 100), p, FACTS, 3) for a in range(0, N, 100)]
    assert [row for part in parts for row in part.to_pylist()] == whole.to_pylist()
    assert perturb(BATCH, p, FACTS, 4).to_pylist() != whole.to_pylist()
    assert whole.schema.types == BATCH.schema.types
    for name in BATCH.schema.names:
        changed = whole.column(name).to_pylist() != BATCH.column(name).to_pylist()
        assert changed is (name in p.features)
        if kind != "missing":
            assert whole.column(name).is_null().to_pylist() == BATCH.column(name).is_null().to_pylist()


def values(batch: Any, name: str) -> Any:
    return np.array(batch.column(name).to_pylist(), float)


def test_noise_has_its_size_and_stays_in_the_domain() -> None:
    for kind in ("gaussian_noise", "uniform_noise"):
        wide = {"x": {**FACTS["x"], "domain": [None, None]}}
        moved = perturb(BATCH, Perturbation(kind, features=("x",), scale=0.5), wide, 0)
        gap = values(moved, "x") - values(BATCH, "x")
        assert abs(np.nanmean(gap)) < 0.15
        assert np.nanstd(gap) == pytest.approx(1.0, abs=0.12)
    kept = perturb(BATCH, Perturbation("gaussian_noise", features=("x", "n"), scale=2.0), FACTS, 0)
    old = values(BATCH, "x")
    assert (np.nan_to_num(values(kept, "x")) <= np.nan_to_num(np.maximum(old, 12.0))).all()
    whole = np.array([v for v in kept.column("n").to_pylist() if v is not None])
    assert whole.min() == 0
    assert whole.max() == 10
    assert all(isinstance(v, int) for v in whole.tolist())


def test_dropping_has_its_rate_and_lists_keep_their_lengths() -> None:
    gone = perturb(BATCH, Perturbation("missing", features=("x", "many"), rate=0.5), FACTS, 0)
    assert gone.column("x").null_count == pytest.approx(0.1 * N + 0.45 * N, abs=35)
    noisy = perturb(BATCH, Perturbation("gaussian_noise", features=("many", "pair")), FACTS, 0)
    for name in ("many", "pair"):
        pairs = zip(BATCH.column(name).to_pylist(), noisy.column(name).to_pylist(), strict=True)
        assert all((a is None) == (b is None) and (a is None or len(a) == len(b)) for a, b in pairs)


def test_out_of_range_is_beyond_all_that_was_seen_and_allowed() -> None:
    far = perturb(BATCH, Perturbation("out_of_range", features=("x", "n"), rate=1.0), FACTS, 0)
    for name, low, high in (("x", 0.0, 16.0), ("n", 0.0, 10.0)):
        found = values(far, name)[~np.isnan(values(BATCH, name))]
        assert ((found < low) | (found > high)).all()
        assert (found < low).any()
        assert (found > high).any()


def test_texts_become_others() -> None:
    known = set(BATCH.column("t").to_pylist())
    unseen = perturb(BATCH, Perturbation("unseen_category", features=("t",), rate=1.0), FACTS, 0).column("t")
    assert not (set(unseen.drop_null().to_pylist()) & known)
    for edits in (1, 3):
        spelt = perturb(BATCH, Perturbation("typos", features=("t",), rate=1.0, edits=edits), FACTS, 0).column("t")
        pairs = [(a, b) for a, b in zip(BATCH.column("t").to_pylist(), spelt.to_pylist(), strict=True) if a is not None]
        assert all(abs(len(a) - len(b)) <= edits for a, b in pairs)
        if edits == 1:
            assert all(a != b for a, b in pairs)


@settings(max_examples=100, deadline=None)
@given(
    clean=st.integers(-(2**63), 2**63 - 1),
    by=st.floats(allow_nan=False, allow_infinity=False),
    ends=st.tuples(st.none() | st.integers(-(2**60), 0), st.none() | st.integers(1, 2**60)),
)
def test_ints_of_any_size_never_wrap_around_nor_leave_their_domain(clean: int, by: float, ends: Any) -> None:
    low, high = (None if e is None else int(float(e)) for e in ends)
    facts = {"domain": [None if e is None else float(e) for e in ends]}
    (moved,) = moved_numbers(np.array([clean]), np.array([by]), facts).tolist()
    step = round(max(min(by, 2.0**62), -(2.0**62)))  # to even at a half, as numpy rounds
    wanted = min(max(clean + step, -(2**63)), 2**63 - 1)
    wanted = wanted if low is None else max(wanted, min(clean, low))
    wanted = wanted if high is None else min(wanted, max(clean, high))
    assert moved == wanted


def test_the_search_takes_what_hurts_and_leaves_what_is_missing() -> None:
    batch = pa.record_batch(
        {
            "flag": pa.array([False, None, True, False]),
            "t": pa.array(["red", "red", None, "green"]),
            "x": pa.array([1.0, None, 3.0, 4.0]),
            "__row__": [0, 1, 2, 3],
        }
    )
    facts = {
        "flag": {"dtype": "bool"},
        "t": {"dtype": "utf8", "values": ["green", "red"]},
        "x": {"dtype": "float64", "std": 2.0, "domain": [None, 4.5]},
    }

    def losses(rows: Any) -> Any:
        worst = [bool(r["flag"]) + (r["t"] == "green") + (r["x"] or 0.0) for r in rows.to_pylist()]
        return np.array([*worst[:3], np.nan])  # the last row has no label

    p = Perturbation("adversarial", features=("flag", "t", "x", "absent"), epsilon=0.5, queries=200)
    found = attack(batch, p, facts, 0, losses)
    assert found.column("flag").to_pylist() == [True, None, True, False]
    assert found.column("t").to_pylist() == ["green", "green", None, "green"]
    assert found.column("x").to_pylist() == [2.0, None, 4.0, 4.0]
    assert attack(batch, Perturbation("adversarial", features=("absent",)), facts, 0, losses) is batch


def test_draws_are_even_and_of_no_relation_to_each_other() -> None:
    batch = pa.record_batch({"__row__": np.arange(20_000)})
    draw = Draw(batch, 0)
    one, two, normal = draw.uniform("a"), draw.uniform("b"), draw.normal("c")
    assert 0 < one.min() < 1e-3 < 0.999 < one.max() < 1
    assert np.histogram(one, 10, (0, 1))[0].min() > 1800
    assert abs(np.corrcoef(one, two)[0, 1]) < 0.03
    assert normal.mean() == pytest.approx(0, abs=0.03)
    assert normal.std() == pytest.approx(1, abs=0.03)
    assert set(draw.below(3, "d").tolist()) == {0, 1, 2}
    contents = Draw(pa.record_batch({"v": [1, 1, 2]}), 0).uniform("a")
    assert contents[0] == contents[1] != contents[2]


def test_facts_are_an_accumulator() -> None:
    dtypes = {"x": "float64", "n": "int64", "t": "utf8", "many": "float64"}
    spec: Any = AccumulatorSpec(FEATURE_FACTS, {"dtypes": dtypes})
    check_accumulator(spec, pa.Table.from_batches([BATCH]), rtol=1e-9, processes=False)
    facts = FeatureFacts(dtypes)
    facts.update(BATCH)
    found = facts.finish()
    x = values(BATCH, "x")
    assert found["x"] == {"std": pytest.approx(np.nanstd(x)), "seen": [np.nanmin(x), np.nanmax(x)]}
    assert found["t"]["values"] == ["", "a", "green", "red"]
    empty = FeatureFacts({"x": "float64"}).finish()
    assert empty["x"] == {"std": 0.0, "seen": None}
