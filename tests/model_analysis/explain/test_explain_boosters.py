"""Trees of every booster, read off the graph: the values that all coalitions of raw columns give."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from trueline.model_analysis.explain import shap_values

FEATURES = ("size_gap", "depth", "count", "color_hot", "flag")


def boosters() -> dict[str, Any]:
    def xgboost(classes: bool) -> Any:
        module = pytest.importorskip("xgboost")
        kind = module.XGBClassifier if classes else module.XGBRegressor
        return kind(n_estimators=8, max_depth=3, n_jobs=1)

    def lightgbm(classes: bool) -> Any:
        module = pytest.importorskip("lightgbm")
        kind = module.LGBMClassifier if classes else module.LGBMRegressor
        return kind(n_estimators=8, num_leaves=6, n_jobs=1, verbose=-1)

    def catboost(classes: bool) -> Any:
        module = pytest.importorskip("catboost")
        kind = module.CatBoostClassifier if classes else module.CatBoostRegressor
        return kind(iterations=8, depth=3, thread_count=1, verbose=False, allow_writing_files=False)

    def forest(classes: bool) -> Any:
        module = pytest.importorskip("sklearn.ensemble")
        kind = module.RandomForestClassifier if classes else module.ExtraTreesRegressor
        return kind(n_estimators=5, max_depth=4, random_state=0)

    def gradient(classes: bool) -> Any:
        module = pytest.importorskip("sklearn.ensemble")
        kind = module.GradientBoostingClassifier if classes else module.GradientBoostingRegressor
        return kind(n_estimators=8, max_depth=3, random_state=0)

    return {f.__name__: f for f in (xgboost, lightgbm, catboost, forest, gradient)}


@pytest.mark.frameworks
@pytest.mark.parametrize("label", ["price", "good"])
@pytest.mark.parametrize("name", boosters())
def test_trees_give_the_values_of_the_whole_model(name: str, label: str, room: Any) -> None:
    features = FEATURES if name in ("xgboost", "lightgbm", "catboost") else ("size", *FEATURES[1:])
    estimator = boosters()[name](label == "good")
    x, y = room.matrix(features, label)
    model = room.build(f"{name}_{label}", estimator.fit(x, y), label, features)
    rows, background = room.table.slice(0, 8), room.table.slice(100, 25)
    trees = shap_values(model, rows, background, method="tree")
    assert "margin" not in trees.outputs[0]
    link = "log_odds" if "log odds" in trees.outputs[0] else "identity"
    exact = shap_values(model, rows, background, method="exact", link=link)
    np.testing.assert_allclose(trees.values, exact.values, atol=2e-5)
    assert np.abs(trees.values).max() > 0.05
