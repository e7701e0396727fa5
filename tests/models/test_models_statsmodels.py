"""statsmodels' fits predict from raw rows what `results.predict` does, or are refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("statsmodels")

import statsmodels.api as sm
import statsmodels.formula.api as smf
from scipy.stats import gumbel_l
from statsmodels.miscmodels.ordinal_model import OrderedModel

from trueline._core.errors import ModelError
from trueline.models import Fitted
from trueline.models.inputs import input_arrays, model_inputs, select_features

FEATURES = ["length_filled", "depth", "mass", "ringed"]
F = sm.families
L = sm.families.links


def own_x(line: Any, features: list[str] = FEATURES) -> Any:
    """The framework's inputs, all rows."""
    specs = model_inputs(select_features(line.transform.outputs, "species", None, features))
    return input_arrays(line.transform.transform(line.table), specs)["x"]


def data(line: Any, label: str) -> tuple[Any, Any]:
    """x and y of the rows with a label."""
    x, y, _ = line.fn_args(label, FEATURES).train.arrays()
    return np.asarray(x, float), y


REGRESSIONS = {
    "ols": lambda y, x: sm.OLS(y, x).fit(),
    "wls": lambda y, x: sm.WLS(y, x, weights=np.linspace(0.5, 2, len(y))).fit(),
    "gls": lambda y, x: sm.GLS(y, x, sigma=np.linspace(0.5, 2, len(y))).fit(),
    "rlm": lambda y, x: sm.RLM(y, x).fit(),
    "quantreg": lambda y, x: sm.QuantReg(y, x).fit(q=0.7),
    "ridge": lambda y, x: sm.OLS(y, x).fit_regularized(alpha=0.1, L1_wt=0),
    "gaussian": lambda y, x: sm.GLM(y, x, family=F.Gaussian()).fit(),
    "gaussian-log": lambda y, x: sm.GLM(y, x, family=F.Gaussian(L.Log())).fit(start_params=[1, *[0] * 4][: x.shape[1]]),
    "poisson-glm": lambda y, x: sm.GLM(np.round(y), x, family=F.Poisson()).fit(),
    "poisson-sqrt": lambda y, x: sm.GLM(np.round(y), x, family=F.Poisson(L.Sqrt())).fit(),
    "gamma-log": lambda y, x: sm.GLM(y, x, family=F.Gamma(L.Log())).fit(),
    "gamma-inverse": lambda y, x: sm.GLM(y + 5, x, family=F.Gamma(L.InversePower())).fit(),
    "inverse-gaussian": lambda y, x: sm.GLM(y + 5, x, family=F.InverseGaussian(L.InverseSquared())).fit(),
    "tweedie": lambda y, x: sm.GLM(y, x, family=F.Tweedie(L.Power(0.5), var_power=1.5)).fit(),
    "negative-binomial-glm": lambda y, x: sm.GLM(np.round(y), x, family=F.NegativeBinomial(alpha=0.5)).fit(),
    "gee": lambda y, x: sm.GEE(np.round(y), x, groups=np.arange(len(y)) % 20, family=F.Poisson()).fit(),
    "poisson": lambda y, x: sm.Poisson(np.round(y), x).fit(disp=0),
    "negative-binomial": lambda y, x: sm.NegativeBinomial(np.round(y), x).fit(disp=0, maxiter=200),
    "generalized-poisson": lambda y, x: sm.GeneralizedPoisson(np.round(y), x).fit(disp=0, maxiter=200),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("constant", ["first", "last"])
@pytest.mark.parametrize("kind", REGRESSIONS)
def test_regressions_predict_what_their_framework_does(line: Any, tmp_path: Path, kind: str, constant: str) -> None:
    x, y = data(line, "tips")
    results = REGRESSIONS[kind](y, sm.add_constant(x, prepend=constant == "first"))
    model = line.build(results, tmp_path / "m", "tips", FEATURES)
    own = results.predict(sm.add_constant(own_x(line).astype(float), prepend=constant == "first"))
    assert model.task == "regression"
    assert np.isfinite(own).all()
    np.testing.assert_allclose(model.predict(line.table).column("prediction"), own, rtol=1e-5, atol=1e-5)


BINARY = {
    "logit": lambda y, x: sm.Logit(y, x).fit(disp=0),
    "probit": lambda y, x: sm.Probit(y, x).fit(disp=0),
    **{
        f"binomial-{link.__name__}": lambda y, x, link=link: sm.GLM(y, x, family=F.Binomial(link())).fit()
        for link in (L.Logit, L.Probit, L.CLogLog, L.LogLog, L.Cauchy)
    },
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", BINARY)
def test_binary_models_give_both_classes(line: Any, tmp_path: Path, kind: str) -> None:
    """Without a constant; the label is a bool."""
    x, y = data(line, "big_tipper")
    results = BINARY[kind](np.asarray(y, float), x)
    own = results.predict(own_x(line).astype(float))
    model = line.build(results, tmp_path / "m", "big_tipper", FEATURES)
    assert model.classes == [False, True]
    np.testing.assert_allclose(model.predict_proba(line.table)[:, 1], own, rtol=1e-5, atol=1e-5)
    labels = model.predict(line.table).column("label").to_pylist()
    assert labels == (own > 0.5).tolist()


def test_text_labels_need_their_classes_declared(line: Any, tmp_path: Path, nothing_written: Any) -> None:
    x, y = data(line, "big_tipper")
    results = sm.Logit(np.asarray(y, float), x).fit(disp=0)
    with pytest.raises(ModelError, match="classes of label 'species'"):
        line.build(results, tmp_path / "m", "species", FEATURES)
    with pytest.raises(ModelError, match="there are 3"):
        line.build(Fitted(results, classes=["a", "b", "c"]), tmp_path / "m", "species", FEATURES)
    assert nothing_written()
    named = line.build(Fitted(results, classes=["small", "big"]), tmp_path / "m", "species", FEATURES)
    assert named.classes == ["small", "big"]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("constant", [False, True])
def test_multinomial_and_ordered_models_know_their_classes(line: Any, tmp_path: Path, constant: bool) -> None:
    x, y = data(line, "grade")
    ready = (lambda a: sm.add_constant(a)) if constant else (lambda a: a)
    results = sm.MNLogit(np.asarray(y, int), ready(x)).fit(disp=0, maxiter=100)
    model = line.build(results, tmp_path / "a", "grade", FEATURES)
    assert model.classes == [0, 10, 20]
    own = results.predict(ready(own_x(line).astype(float)))
    np.testing.assert_allclose(model.predict_proba(line.table), own, rtol=1e-5, atol=1e-5)
    for distribution in ("logit", "probit"):
        ordered = OrderedModel(np.asarray(y, int), x, distr=distribution).fit(method="bfgs", disp=0)
        model = line.build(ordered, tmp_path / distribution, "grade", FEATURES)
        assert model.classes == [0, 10, 20]
        own = ordered.model.predict(ordered.params, exog=own_x(line).astype(float))
        np.testing.assert_allclose(model.predict_proba(line.table), own, rtol=1e-5, atol=1e-5)
    other = OrderedModel(np.asarray(y, int), x, distr=gumbel_l).fit(method="bfgs", disp=0)
    with pytest.raises(ModelError, match="distribution"):
        line.build(other, tmp_path / "x", "grade", FEATURES)


def frame_of(line: Any) -> Any:
    """The transformed rows with a label as pandas."""
    frame = line.transform.transform(line.table).select([*FEATURES, "tips"]).to_pandas()
    return frame.astype(float)


def test_formulas_and_frames_are_matched_by_name(line: Any, tmp_path: Path) -> None:
    frame = frame_of(line)
    by_formula = smf.ols("tips ~ mass + depth", frame).fit()
    model = line.build(by_formula, tmp_path / "a", "tips", ["depth", "mass"])
    own = by_formula.predict(frame)
    np.testing.assert_allclose(model.predict(line.table).column("prediction"), own, rtol=1e-5, atol=1e-5)
    swapped = sm.add_constant(frame[["ringed", "mass", "depth"]])
    by_frame = sm.OLS(frame["tips"], swapped).fit()
    model = line.build(by_frame, tmp_path / "b", "tips", ["depth", "mass", "ringed"])
    own = by_frame.predict(swapped)
    np.testing.assert_allclose(model.predict(line.table).column("prediction"), own, rtol=1e-5, atol=1e-5)


def test_parameters_can_be_read_by_a_person(line: Any, tmp_path: Path) -> None:
    x, y = data(line, "tips")
    results = sm.GLM(y, sm.add_constant(x), family=F.Gamma(L.Log())).fit()
    line.build(results, tmp_path / "m", "tips", FEATURES)
    found = json.loads((tmp_path / "m" / "native" / "statsmodels.json").read_text())
    assert found["features"] == FEATURES
    assert (found["model"], found["family"], found["link"], found["constant"]) == ("GLM", "Gamma", "Log", 1.0)
    assert list(found["params"].values()) == pytest.approx(np.asarray(results.params).tolist())
    again = sm.GLM(y, sm.add_constant(x), family=F.Gamma(L.Log())).predict(list(found["params"].values()))
    np.testing.assert_allclose(again, results.predict(), rtol=1e-12)


@pytest.mark.filterwarnings("ignore")
def test_what_has_no_graph_is_refused_by_name(line: Any, tmp_path: Path, nothing_written: Any) -> None:
    x, y = data(line, "tips")
    frame = frame_of(line)
    counts = np.round(y)
    wrong = [
        (smf.ols("tips ~ depth + np.square(mass)", frame).fit(), "makes columns of its own"),
        (smf.ols("tips ~ depth + C(ringed)", frame).fit(), "makes columns of its own"),
        (sm.OLS(y, x[:, :2]).fit(), "fitted on 2 columns"),
        (sm.OLS(frame["tips"], frame[["depth"]].rename(columns={"depth": "dept"})).fit(), "no features: dept"),
        (sm.OLS(frame["tips"], frame[["depth"]]).fit(), "not fitted on all features"),
        (sm.Poisson(counts, x, exposure=np.linspace(1, 2, len(y))).fit(disp=0), "fitted with an exposure"),
        (sm.GLM(counts, x, family=F.Poisson(), offset=np.linspace(0, 1, len(y))).fit(), "fitted with an offset"),
        (sm.ZeroInflatedPoisson(counts, x).fit(disp=0, maxiter=2), "ZeroInflatedPoisson of statsmodels"),
        (sm.tsa.AutoReg(y, 1).fit(), "AutoReg of statsmodels"),
    ]
    for results, said in wrong:
        with pytest.raises(ModelError, match=said):
            line.build(results, tmp_path / "m", "tips", FEATURES)
    assert nothing_written()


def test_missing_values_have_no_prediction(line: Any, tmp_path: Path) -> None:
    x, y = data(line, "tips")
    results = sm.OLS(y, x[:, :2]).fit()
    with pytest.raises(ModelError, match=r"no prediction for rows with missing(.|\n)*fill_missing"):
        line.build(results, tmp_path / "m", "tips", ["length", "depth"])
