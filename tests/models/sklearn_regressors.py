"""Regressors of scikit-learn that were tried: each is exported, or refused with a sentence."""

from __future__ import annotations

import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.cross_decomposition import PLSRegression
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import (
    AdaBoostRegressor,
    BaggingRegressor,
    ExtraTreesRegressor,
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
    RandomForestRegressor,
    StackingRegressor,
    VotingRegressor,
)
from sklearn.feature_selection import SelectKBest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, WhiteKernel
from sklearn.isotonic import IsotonicRegression
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import (
    ARDRegression,
    BayesianRidge,
    ElasticNet,
    ElasticNetCV,
    GammaRegressor,
    HuberRegressor,
    Lars,
    Lasso,
    LassoCV,
    LassoLars,
    LinearRegression,
    OrthogonalMatchingPursuit,
    PoissonRegressor,
    QuantileRegressor,
    RANSACRegressor,
    Ridge,
    RidgeCV,
    SGDRegressor,
    TheilSenRegressor,
    TweedieRegressor,
)
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsRegressor, RadiusNeighborsRegressor
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    MinMaxScaler,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    SplineTransformer,
    StandardScaler,
)
from sklearn.svm import SVR, LinearSVR, NuSVR
from sklearn.tree import DecisionTreeRegressor, ExtraTreeRegressor
from sklearn_case import Case

__all__ = ["CASES"]

CASES = [
    Case("linear", LinearRegression()),
    Case("linear-nointercept", LinearRegression(fit_intercept=False)),
    Case("linear-pos", LinearRegression(positive=True)),
    Case("ridge", Ridge()),
    Case("ridgecv", RidgeCV()),
    Case("lasso", Lasso(0.01)),
    Case("lassocv", LassoCV(cv=2)),
    Case("enet", ElasticNet(0.01)),
    Case("enetcv", ElasticNetCV(cv=2)),
    Case("lars", Lars()),
    Case("lassolars", LassoLars(0.01)),
    Case("omp", OrthogonalMatchingPursuit()),
    Case("bayes", BayesianRidge()),
    Case("ard", ARDRegression()),
    Case("sgd", SGDRegressor(random_state=0)),
    Case("huber", HuberRegressor(max_iter=500)),
    Case("quantile", QuantileRegressor(alpha=0.01)),
    Case("poisson", PoissonRegressor()),
    Case("gamma", GammaRegressor()),
    Case("tweedie", TweedieRegressor(power=1.5)),
    Case("tweedie0", TweedieRegressor(power=0)),
    Case("tweedie-log", TweedieRegressor(power=0, link="log")),
    Case("theil", TheilSenRegressor(random_state=0, max_subpopulation=50)),
    Case("ransac", RANSACRegressor(random_state=0)),
    Case("tree", DecisionTreeRegressor(random_state=0)),
    Case("extratree", ExtraTreeRegressor(random_state=0)),
    Case("forest", RandomForestRegressor(10, random_state=0)),
    Case("extra", ExtraTreesRegressor(10, random_state=0)),
    Case("tree-poisson", DecisionTreeRegressor(criterion="poisson", max_depth=3)),
    Case("gb", GradientBoostingRegressor(n_estimators=5)),
    Case("gb-abs", GradientBoostingRegressor(n_estimators=5, loss="absolute_error")),
    Case("gb-huber", GradientBoostingRegressor(n_estimators=5, loss="huber")),
    Case("gb-quantile", GradientBoostingRegressor(n_estimators=5, loss="quantile")),
    Case(
        "gb-init",
        GradientBoostingRegressor(n_estimators=5, init=LinearRegression()),
        refused="what it starts from has no converter",
    ),
    Case("gb-zero", GradientBoostingRegressor(n_estimators=5, init="zero")),
    Case("ada", AdaBoostRegressor(n_estimators=5, random_state=0)),
    Case("bagging", BaggingRegressor(n_estimators=5, random_state=0)),
    Case("bagging-lr", BaggingRegressor(LinearRegression(), n_estimators=5, max_features=0.6, random_state=0)),
    Case("hist", HistGradientBoostingRegressor(max_iter=5)),
    Case("hist-poisson", HistGradientBoostingRegressor(max_iter=5, loss="poisson")),
    Case("hist-gamma", HistGradientBoostingRegressor(max_iter=5, loss="gamma")),
    Case("hist-quantile", HistGradientBoostingRegressor(max_iter=5, loss="quantile", quantile=0.8)),
    Case("hist-abs", HistGradientBoostingRegressor(max_iter=5, loss="absolute_error")),
    Case("hist-cat", HistGradientBoostingRegressor(max_iter=5, categorical_features=[3])),
    Case("svr", SVR()),
    Case("svr-linear", SVR(kernel="linear")),
    Case("svr-poly", SVR(kernel="poly")),
    Case("nusvr", NuSVR()),
    Case("linearsvr", LinearSVR()),
    Case("knn", KNeighborsRegressor(3)),
    Case(
        "knn-dist", KNeighborsRegressor(5, weights="distance"), refused="weighted by distance have no exact converter"
    ),
    Case(
        "radius",
        RadiusNeighborsRegressor(2.0),
        refused="RadiusNeighborsRegressor cannot be exported: rows without a neighbour ",
    ),
    Case("mlp", MLPRegressor(hidden_layer_sizes=(8,), max_iter=30, random_state=0)),
    Case("mlp-tanh", MLPRegressor(hidden_layer_sizes=(8,), activation="tanh", max_iter=30)),
    Case("gp", GaussianProcessRegressor(), inexact=True),
    Case("gp-rbf", GaussianProcessRegressor(RBF(2.0) + WhiteKernel()), inexact=True),
    Case("kernel-ridge", KernelRidge(kernel="rbf")),
    Case("pls", PLSRegression(2)),
    Case("isotonic", make_pipeline(SelectKBest(k=1), IsotonicRegression(out_of_bounds="clip"))),
    Case("dummy", DummyRegressor()),
    Case("dummy-median", DummyRegressor(strategy="median")),
    Case("p-standard", make_pipeline(StandardScaler(), Ridge())),
    Case("p-hist", make_pipeline(MinMaxScaler(), HistGradientBoostingRegressor(max_iter=5))),
    Case("p-poly", make_pipeline(PolynomialFeatures(2), LinearRegression())),
    Case(
        "p-spline",
        make_pipeline(SplineTransformer(), Ridge()),
        refused="SplineTransformer cannot be exported: splines have no converter",
    ),
    Case("p-tree", make_pipeline(StandardScaler(), DecisionTreeRegressor(random_state=0))),
    Case(
        "p-spline-log",
        make_pipeline(SplineTransformer(3, degree=2, extrapolation="linear"), PoissonRegressor()),
        refused="SplineTransformer cannot be exported: splines have no converter",
    ),
    Case("vote", VotingRegressor([("a", LinearRegression()), ("b", DecisionTreeRegressor(max_depth=3))])),
    Case(
        "vote-w",
        VotingRegressor([("a", LinearRegression()), ("b", DecisionTreeRegressor(max_depth=3))], weights=[1, 4]),
    ),
    Case("vote-hist", VotingRegressor([("a", LinearRegression()), ("b", HistGradientBoostingRegressor(max_iter=5))])),
    Case("stack", StackingRegressor([("a", LinearRegression()), ("b", DecisionTreeRegressor(max_depth=3))], cv=2)),
    Case(
        "stack-pass",
        StackingRegressor(
            [("a", LinearRegression()), ("b", DecisionTreeRegressor(max_depth=3))], cv=2, passthrough=True
        ),
    ),
    Case(
        "stack-hist",
        StackingRegressor([("a", HistGradientBoostingRegressor(max_iter=5)), ("b", LinearRegression())], cv=2),
    ),
    Case("target", TransformedTargetRegressor(LinearRegression(), transformer=StandardScaler())),
    Case("target-log", TransformedTargetRegressor(LinearRegression(), func=np.log1p, inverse_func=np.expm1)),
    Case("target-logexp", TransformedTargetRegressor(Ridge(), func=np.log, inverse_func=np.exp)),
    Case("target-none", TransformedTargetRegressor(LinearRegression())),
    Case(
        "target-lambda",
        TransformedTargetRegressor(LinearRegression(), func=lambda y: y * 2, inverse_func=lambda y: y / 2),
        refused="TransformedTargetRegressor cannot be exported: what its inverse_func <",
    ),
    Case(
        "target-quantile",
        TransformedTargetRegressor(LinearRegression(), transformer=QuantileTransformer(n_quantiles=20)),
        refused="TransformedTargetRegressor cannot be exported: its transformer Quantil",
    ),
    Case(
        "target-power",
        TransformedTargetRegressor(LinearRegression(), transformer=PowerTransformer()),
        refused="TransformedTargetRegressor cannot be exported: its transformer PowerTr",
    ),
    Case(
        "target-minmax",
        TransformedTargetRegressor(HistGradientBoostingRegressor(max_iter=5), transformer=MinMaxScaler()),
    ),
    Case("grid", GridSearchCV(Ridge(), {"alpha": [1, 2]}, cv=2)),
]
