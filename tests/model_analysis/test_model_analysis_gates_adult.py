"""Census rows with their sampling weights: threshold, gates and disturbances against plain numpy, by sex and race."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.metrics import roc_auc_score

import trueline.transform as tlt
from trueline.engine import Dataset
from trueline.model_analysis import EvalConfig, SlicingSpec, choose_decision
from trueline.model_analysis.robustness import evaluate_robustness
from trueline.models import Model, build_model
from trueline.training import FnArgs

ADULT = Path(__file__).resolve().parents[3] / "shared" / "data" / "adult"
pytestmark = [
    pytest.mark.shared,
    pytest.mark.frameworks,
    pytest.mark.skipif(not ADULT.exists(), reason="the shared data does not lie beside the clone"),
]
NUMBERS = ["age", "education-num", "capital-gain", "hours-per-week"]
FEATURES = [*NUMBERS, "marital-status", "sex"]


def table(name: str, first: int) -> pa.Table:
    names = pd.read_csv(ADULT / "adult.data", nrows=0, skipinitialspace=True).columns.tolist()
    rows = pd.read_csv(ADULT / name, names=names, skiprows=1, skipinitialspace=True, na_values="?", comment="|")
    rows["rich"] = rows.pop("income").str.startswith(">50K")
    made = pa.Table.from_pandas(rows, preserve_index=False)
    return made.append_column("__row__", pa.array(np.arange(len(rows)) + first))


def preprocessing(inputs: Any) -> dict[str, Any]:
    made = {n: tlt.scale_to_z_score(tlt.fill_missing(inputs[n], 0)) for n in NUMBERS}
    for name in ("marital-status", "sex"):
        code = tlt.compute_and_apply_vocabulary(inputs[name], num_oov_buckets=1)
        made[name] = tlt.one_hot(tlt.fill_missing(code, 0), 8)
    return made | {"rich": inputs["rich"], "share": tlt.fill_missing(inputs["fnlwgt"], 0)}


@pytest.fixture(scope="module")
def adult(tmp_path_factory: pytest.TempPathFactory) -> tuple[Model, pa.Table]:
    from sklearn.linear_model import LogisticRegression

    train, held = table("adult.data", 0), table("adult.test", 1 << 40)
    output = tlt.analyze_and_transform(train, preprocessing)[1]
    args = FnArgs.create(
        train=Dataset.from_table(output.transform(train)), transform=output, label="rich", features=FEATURES
    )
    x, y, _ = args.train.arrays()
    model = build_model(
        LogisticRegression(max_iter=500).fit(x, y), uri=str(tmp_path_factory.mktemp("adult") / "model"),
        transform=output, label="rich", weight="share", features=FEATURES, sample=train.slice(0, 500),
    )  # fmt: skip
    return model, held


def test_the_weighted_threshold_is_the_best_of_all_scores(adult: tuple[Model, pa.Table]) -> None:
    model, held = adult
    chosen = choose_decision(model, Dataset.from_table(held, 3000), {"false_positive": 1, "false_negative": 3}, "none")
    p = model.predict_proba(held)[:, 1]
    y, w = np.array(held["rich"].to_pylist()), np.array(held["fnlwgt"].to_pylist(), float)
    order = np.argsort(p, kind="stable")
    p, y, w = p[order], y[order], w[order]
    missed = np.concatenate([[0.0], np.cumsum(w * y)])
    alarms = (w * ~y).sum() - np.concatenate([[0.0], np.cumsum(w * ~y)])
    at = np.flatnonzero(np.concatenate([[True], p[1:] != p[:-1], [True]]))
    costs = (3 * missed + alarms)[at] / w.sum()
    assert chosen.expected.value == pytest.approx(costs.min(), rel=1e-9)
    said = p >= np.float32(chosen.threshold)
    paid = (w * (3.0 * (y & ~said) + 1.0 * (~y & said))).sum() / w.sum()
    assert paid == pytest.approx(costs.min(), rel=1e-9)
    assert chosen.rows == held.num_rows == 16281
    assert chosen.error_bound == 0
    assert chosen.saving.low > 0


def test_a_dropped_column_hurts_one_group_more_and_the_gate_names_it(adult: tuple[Model, pa.Table]) -> None:
    model, held = adult
    config = EvalConfig(slicing_specs=(SlicingSpec(), SlicingSpec(("sex", "race"))))
    spec: dict[str, Any] = {"perturbations": [{"kind": "missing_each", "features": ["education-num"]}], "metric": "AUC"}
    found = evaluate_robustness(model, Dataset.from_table(held, 3000), spec, config)
    assert len(found.losses) == 11
    names = held.column_names
    dropped = held.set_column(names.index("education-num"), "education-num", pa.nulls(held.num_rows, pa.int64()))
    clean, hurt = (model.predict_proba(t)[:, 1] for t in (held, dropped))
    y, w = np.array(held["rich"].to_pylist()), np.array(held["fnlwgt"].to_pylist(), float)
    group = np.array([f"{r}|{s}" for r, s in zip(held["race"].to_pylist(), held["sex"].to_pylist(), strict=True)])
    for loss in found.losses[1:]:
        race, sex = (part.split("=")[1] for part in sorted(loss.slice.replace(" × ", ", ").split(", ")))
        kept = group == f"{race}|{sex}"
        assert loss.rows == kept.sum()
        assert loss.clean == pytest.approx(roc_auc_score(y[kept], clean[kept], sample_weight=w[kept]), abs=1e-9)
        assert loss.perturbed == pytest.approx(roc_auc_score(y[kept], hurt[kept], sample_weight=w[kept]), abs=1e-9)
    worst, second = sorted(found.losses, key=lambda loss: -loss.loss)[:2]
    gated = evaluate_robustness(
        model, Dataset.from_table(held, 3000), spec | {"max_loss": (worst.loss + second.loss) / 2}, config
    )
    (failure,) = gated.failures
    assert failure.slice == worst.slice != "Overall"
    assert "under missing[education-num]" in failure.sentence
