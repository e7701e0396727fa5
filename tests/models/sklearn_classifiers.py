"""Classifiers of scikit-learn that were tried: each is exported, or refused with a sentence."""

from __future__ import annotations

from sklearn.calibration import CalibratedClassifierCV
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV, Perceptron, RidgeClassifier, SGDClassifier
from sklearn.naive_bayes import BernoulliNB, CategoricalNB, ComplementNB, GaussianNB, MultinomialNB
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid, RadiusNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import KBinsDiscretizer, MinMaxScaler
from sklearn.svm import SVC, LinearSVC, NuSVC
from sklearn.tree import DecisionTreeClassifier, ExtraTreeClassifier
from sklearn_case import Case

__all__ = ["CASES"]

CASES = [
    Case("logistic", LogisticRegression(max_iter=200)),
    Case("logistic-l1", LogisticRegression(max_iter=200, l1_ratio=1.0, solver="saga", C=0.5)),
    Case("elasticnet", LogisticRegression(max_iter=200, l1_ratio=0.5, solver="saga")),
    Case("logistic-nointercept", LogisticRegression(max_iter=200, fit_intercept=False)),
    Case("logistic-balanced", LogisticRegression(max_iter=200, class_weight="balanced")),
    Case("logistic-cv", LogisticRegressionCV(cv=2, max_iter=200, use_legacy_attributes=False)),
    Case("ridge-classifier", RidgeClassifier(), refused="RidgeClassifier gives no probabilities"),
    Case("perceptron", Perceptron(), refused="Perceptron gives no probabilities"),
    Case("passive", SGDClassifier(loss="hinge"), refused="SGDClassifier gives no probabilities"),
    Case("sgd-log", SGDClassifier(loss="log_loss", random_state=0)),
    Case("sgd-huber", SGDClassifier(loss="modified_huber", random_state=0)),
    Case("tree", DecisionTreeClassifier(random_state=0)),
    Case("extratree", ExtraTreeClassifier(random_state=0)),
    Case("forest", RandomForestClassifier(10, random_state=0)),
    Case("extra", ExtraTreesClassifier(10, random_state=0)),
    Case("gb", GradientBoostingClassifier(n_estimators=5)),
    Case("gb-exp", GradientBoostingClassifier(n_estimators=5, loss="exponential"), labels=("bool",)),
    Case(
        "gb-init",
        GradientBoostingClassifier(n_estimators=5, init=LogisticRegression(max_iter=200)),
        refused="what it starts from has no converter",
    ),
    Case(
        "gb-zero",
        GradientBoostingClassifier(n_estimators=5, init="zero"),
        refused="what it starts from has no converter",
        labels=("text", "int"),
    ),
    Case("ada", AdaBoostClassifier(n_estimators=5, random_state=0)),
    Case("ada-lr", AdaBoostClassifier(LogisticRegression(max_iter=200), n_estimators=5)),
    Case("bagging", BaggingClassifier(n_estimators=5, random_state=0)),
    Case(
        "bagging-lr",
        BaggingClassifier(LogisticRegression(max_iter=200), n_estimators=5, max_features=0.6, random_state=0),
    ),
    Case(
        "bagging-ridge",
        BaggingClassifier(RidgeClassifier(), n_estimators=5, random_state=0),
        refused="BaggingClassifier cannot be exported: its members vote, which gives no",
    ),
    Case("hist", HistGradientBoostingClassifier(max_iter=5)),
    Case("hist-cat", HistGradientBoostingClassifier(max_iter=5, categorical_features=[3])),
    Case("svc", SVC(probability=True, random_state=0)),
    Case("svc-linear", SVC(kernel="linear", probability=True)),
    Case("svc-poly", SVC(kernel="poly", probability=True), inexact=True),
    Case("nusvc", NuSVC(nu=0.2, probability=True)),
    Case("svc-noproba", SVC(), refused="SVC gives no probabilities"),
    Case("linearsvc", LinearSVC(), refused="LinearSVC gives no probabilities"),
    Case("linearsvc-cal", CalibratedClassifierCV(LinearSVC(), cv=2)),
    Case("knn", KNeighborsClassifier(3)),
    Case(
        "knn-dist", KNeighborsClassifier(5, weights="distance"), refused="weighted by distance have no exact converter"
    ),
    Case("knn-manhattan", KNeighborsClassifier(5, metric="manhattan")),
    Case(
        "radius",
        RadiusNeighborsClassifier(2.0),
        refused="RadiusNeighborsClassifier cannot be exported: rows without a neighbour",
    ),
    Case("nearest-centroid", NearestCentroid(), refused="NearestCentroid cannot be exported: there is no converter"),
    Case("mlp", MLPClassifier((8,), max_iter=30, random_state=0)),
    Case("mlp-tanh", MLPClassifier((8, 4), activation="tanh", max_iter=30)),
    Case("mlp-logistic", MLPClassifier((8, 4), activation="logistic", max_iter=30)),
    Case("gnb", GaussianNB()),
    Case("bnb", BernoulliNB()),
    Case("mnb", make_pipeline(MinMaxScaler(), MultinomialNB())),
    Case("cnb", make_pipeline(MinMaxScaler(), ComplementNB())),
    Case(
        "catnb",
        make_pipeline(KBinsDiscretizer(4, encode="ordinal", quantile_method="averaged_inverted_cdf"), CategoricalNB()),
    ),
    Case("lda", LinearDiscriminantAnalysis()),
    Case("lda-lsqr", LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")),
    Case("qda", QuadraticDiscriminantAnalysis(reg_param=0.1)),
    Case(
        "gp",
        GaussianProcessClassifier(),
        refused="GaussianProcessClassifier cannot be exported: its graph would hold no ",
    ),
    Case("dummy", DummyClassifier()),
    Case(
        "dummy-strat",
        DummyClassifier(strategy="stratified"),
        refused="DummyClassifier cannot be exported: the strategy 'stratified' draws at",
    ),
]
