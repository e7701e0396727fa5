"""Pipelines and other compositions that were tried: each is exported, or refused with a sentence."""

from __future__ import annotations

import numpy as np
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA, FastICA, KernelPCA, TruncatedSVD
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.feature_selection import RFE, SelectFromModel, SelectKBest, VarianceThreshold
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.kernel_approximation import Nystroem, RBFSampler
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    RandomizedSearchCV,
    TunedThresholdClassifierCV,
)
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    SplineTransformer,
    StandardScaler,
    TargetEncoder,
)
from sklearn.random_projection import GaussianRandomProjection
from sklearn.semi_supervised import LabelPropagation, SelfTrainingClassifier
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier
from sklearn_case import Case

__all__ = ["CASES"]

CASES = [
    Case("p-standard", make_pipeline(StandardScaler(), LogisticRegression(max_iter=200))),
    Case("p-minmax-tree", make_pipeline(MinMaxScaler(), DecisionTreeClassifier(random_state=0))),
    Case("p-std-tree", make_pipeline(StandardScaler(), DecisionTreeClassifier(random_state=0))),
    Case("p-robust-forest", make_pipeline(RobustScaler(), RandomForestClassifier(5, random_state=0))),
    Case("p-maxabs", make_pipeline(MaxAbsScaler(), LogisticRegression(max_iter=200))),
    Case("p-norm", make_pipeline(Normalizer(), LogisticRegression(max_iter=200))),
    Case("p-pca", make_pipeline(PCA(2), LogisticRegression(max_iter=200))),
    Case("p-pca-white", make_pipeline(PCA(n_components=2, whiten=True), LogisticRegression(max_iter=200))),
    Case("p-pca-forest", make_pipeline(PCA(3), RandomForestClassifier(5, random_state=0))),
    Case("p-tsvd", make_pipeline(TruncatedSVD(2), LogisticRegression(max_iter=200))),
    Case("p-kbest", make_pipeline(SelectKBest(k=2), LogisticRegression(max_iter=200))),
    Case("p-kbest-tree", make_pipeline(SelectKBest(k=2), DecisionTreeClassifier())),
    Case(
        "p-selfrom",
        make_pipeline(SelectFromModel(RandomForestClassifier(5, random_state=0)), LogisticRegression(max_iter=200)),
    ),
    Case(
        "p-rfe",
        make_pipeline(RFE(LogisticRegression(max_iter=200), n_features_to_select=2), LogisticRegression(max_iter=200)),
    ),
    Case("p-var", make_pipeline(VarianceThreshold(), LogisticRegression(max_iter=200))),
    Case("p-poly", make_pipeline(PolynomialFeatures(2), LogisticRegression(max_iter=200))),
    Case(
        "p-kbins",
        make_pipeline(KBinsDiscretizer(4, quantile_method="averaged_inverted_cdf"), LogisticRegression(max_iter=200)),
    ),
    Case(
        "p-kbins-ord",
        make_pipeline(
            KBinsDiscretizer(4, encode="ordinal", quantile_method="averaged_inverted_cdf"),
            LogisticRegression(max_iter=200),
        ),
    ),
    Case(
        "p-spline",
        make_pipeline(SplineTransformer(), LogisticRegression(max_iter=200)),
        refused="SplineTransformer cannot be exported: splines have no converter",
    ),
    Case("p-quantile", make_pipeline(QuantileTransformer(n_quantiles=50), LogisticRegression(max_iter=200))),
    Case("p-power", make_pipeline(PowerTransformer(), LogisticRegression(max_iter=200))),
    Case("p-binarize", make_pipeline(Binarizer(threshold=0.1), LogisticRegression(max_iter=200))),
    Case("p-impute", make_pipeline(SimpleImputer(), LogisticRegression(max_iter=200))),
    Case("p-impute-ind", make_pipeline(SimpleImputer(add_indicator=True), LogisticRegression(max_iter=200))),
    Case(
        "p-knnimp",
        make_pipeline(KNNImputer(), LogisticRegression(max_iter=200)),
        refused="KNNImputer cannot be exported",
    ),
    Case(
        "p-function",
        make_pipeline(FunctionTransformer(np.abs), LogisticRegression(max_iter=200)),
        refused="FunctionTransformer cannot be exported: what the function absolute doe",
    ),
    Case("p-identity", make_pipeline(FunctionTransformer(), LogisticRegression(max_iter=200))),
    Case("p-passthrough", Pipeline([("a", "passthrough"), ("b", LogisticRegression(max_iter=200))])),
    Case(
        "p-onehot",
        make_pipeline(
            ColumnTransformer([("c", OneHotEncoder(handle_unknown="ignore"), [3])], remainder="passthrough"),
            LogisticRegression(max_iter=200),
        ),
    ),
    Case(
        "p-ordinal",
        make_pipeline(
            ColumnTransformer([("c", OrdinalEncoder(), [3])], remainder="passthrough"), LogisticRegression(max_iter=200)
        ),
    ),
    Case(
        "p-target",
        make_pipeline(
            ColumnTransformer([("c", TargetEncoder(random_state=0), [3])], remainder="passthrough"),
            LogisticRegression(max_iter=200),
        ),
        labels=("bool",),
    ),
    Case(
        "p-ct",
        make_pipeline(
            ColumnTransformer([("a", StandardScaler(), [0, 1]), ("b", MinMaxScaler(), [2]), ("d", "drop", [3])]),
            LogisticRegression(max_iter=200),
        ),
    ),
    Case(
        "p-ct-rem",
        make_pipeline(
            ColumnTransformer([("a", StandardScaler(), [0, 1])], remainder="passthrough"),
            RandomForestClassifier(5, random_state=0),
        ),
    ),
    Case(
        "p-union",
        make_pipeline(FeatureUnion([("a", StandardScaler()), ("b", PCA(2))]), LogisticRegression(max_iter=200)),
    ),
    Case(
        "p-nys",
        make_pipeline(Nystroem(n_components=10, random_state=0), LogisticRegression(max_iter=200)),
        refused="Nystroem cannot be exported: there is no converter",
    ),
    Case(
        "p-rbf",
        make_pipeline(RBFSampler(n_components=10, random_state=0), LogisticRegression(max_iter=200)),
        refused="RBFSampler cannot be exported: there is no converter",
    ),
    Case(
        "p-grp",
        make_pipeline(GaussianRandomProjection(n_components=2, random_state=0), LogisticRegression(max_iter=200)),
    ),
    Case(
        "p-ica",
        make_pipeline(FastICA(n_components=2, random_state=0), LogisticRegression(max_iter=200)),
        refused="FastICA cannot be exported: there is no converter",
    ),
    Case("p-kpca", make_pipeline(KernelPCA(2, kernel="rbf"), LogisticRegression(max_iter=200))),
    Case("p-kmeans", make_pipeline(KMeans(3, n_init=1), LogisticRegression(max_iter=200))),
    Case("p-hist", make_pipeline(StandardScaler(), HistGradientBoostingClassifier(max_iter=5))),
    Case(
        "p-p",
        make_pipeline(
            make_pipeline(StandardScaler(), PCA(2)), make_pipeline(MinMaxScaler(), LogisticRegression(max_iter=200))
        ),
    ),
    Case("cal-sig", CalibratedClassifierCV(DecisionTreeClassifier(max_depth=3, random_state=0), cv=2)),
    Case(
        "cal-iso", CalibratedClassifierCV(DecisionTreeClassifier(max_depth=3, random_state=0), method="isotonic", cv=2)
    ),
    Case("cal-lr", CalibratedClassifierCV(LogisticRegression(max_iter=200), cv=2)),
    Case("cal-ens-false", CalibratedClassifierCV(LogisticRegression(max_iter=200), cv=2, ensemble=False)),
    Case("cal-forest-iso", CalibratedClassifierCV(RandomForestClassifier(5, random_state=0), method="isotonic", cv=2)),
    Case("cal-hist", CalibratedClassifierCV(HistGradientBoostingClassifier(max_iter=5), cv=2)),
    Case("cal-temp", CalibratedClassifierCV(LogisticRegression(max_iter=200), method="temperature", cv=2)),
    Case("cal-ridge", CalibratedClassifierCV(RidgeClassifier(), cv=2)),
    Case("cal-svc", CalibratedClassifierCV(SVC(), cv=2)),
    Case("cal-gb", CalibratedClassifierCV(GradientBoostingClassifier(n_estimators=5), cv=2)),
    Case("cal-p", CalibratedClassifierCV(make_pipeline(StandardScaler(), LinearSVC()), cv=2)),
    Case("vote-soft", VotingClassifier([("a", LogisticRegression(max_iter=200)), ("b", GaussianNB())], voting="soft")),
    Case(
        "vote-soft-w",
        VotingClassifier([("a", LogisticRegression(max_iter=200)), ("b", GaussianNB())], voting="soft", weights=[1, 3]),
    ),
    Case(
        "vote-hard",
        VotingClassifier([("a", LogisticRegression(max_iter=200)), ("b", GaussianNB())]),
        refused="VotingClassifier gives no probabilities",
    ),
    Case(
        "vote-hist",
        VotingClassifier(
            [("a", LogisticRegression(max_iter=200)), ("b", HistGradientBoostingClassifier(max_iter=5))], voting="soft"
        ),
    ),
    Case(
        "stack",
        StackingClassifier([("a", LogisticRegression(max_iter=200)), ("b", DecisionTreeClassifier(max_depth=3))], cv=2),
    ),
    Case(
        "stack-pass",
        StackingClassifier(
            [("a", LogisticRegression(max_iter=200)), ("b", RandomForestClassifier(5, random_state=0))],
            cv=2,
            passthrough=True,
        ),
    ),
    Case(
        "stack-hist",
        StackingClassifier(
            [("a", HistGradientBoostingClassifier(max_iter=5)), ("b", LogisticRegression(max_iter=200))], cv=2
        ),
    ),
    Case("stack-svc", StackingClassifier([("a", LinearSVC()), ("b", LogisticRegression(max_iter=200))], cv=2)),
    Case("ovr", OneVsRestClassifier(LogisticRegression(max_iter=200))),
    Case("ovr-tree", OneVsRestClassifier(DecisionTreeClassifier(max_depth=3))),
    Case("ovr-svc", OneVsRestClassifier(LinearSVC()), refused="OneVsRestClassifier gives no probabilities"),
    Case(
        "ovo", OneVsOneClassifier(LogisticRegression(max_iter=200)), refused="OneVsOneClassifier gives no probabilities"
    ),
    Case("ovr-hist", OneVsRestClassifier(HistGradientBoostingClassifier(max_iter=3))),
    Case("grid", GridSearchCV(RandomForestClassifier(5, random_state=0), {"max_depth": [3, 6]}, cv=2)),
    Case("random", RandomizedSearchCV(LogisticRegression(max_iter=200), {"C": [1, 2]}, n_iter=1, cv=2)),
    Case(
        "grid-p",
        GridSearchCV(
            make_pipeline(StandardScaler(), LogisticRegression(max_iter=200)), {"logisticregression__C": [1, 2]}, cv=2
        ),
    ),
    Case(
        "threshold",
        TunedThresholdClassifierCV(LogisticRegression(max_iter=200), cv=2),
        refused="TunedThresholdClassifierCV cannot be exported: its label is not the cl",
        labels=("bool",),
    ),
    Case(
        "fixed-threshold",
        FixedThresholdClassifier(LogisticRegression(max_iter=200), threshold=0.7),
        refused="FixedThresholdClassifier cannot be exported: its label is not the clas",
        labels=("bool",),
    ),
    Case("self-training", SelfTrainingClassifier(LogisticRegression(max_iter=200))),
    Case(
        "labelprop",
        LabelPropagation(),
        refused="LabelPropagation cannot be exported: it keeps all rows of its training",
    ),
]
