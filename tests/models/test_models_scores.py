"""What `Fitted` says of a model's output is what is made of it, or refused: never passed over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

from trueline._core.errors import ModelError
from trueline.models import Fitted

FEATURES = ["length_filled", "depth"]


def rows(line: Any) -> tuple[Any, Any]:
    """Numbers to fit on, as many columns as features."""
    generator = np.random.default_rng(0)
    return generator.normal(size=(200, len(FEATURES))).astype("float32"), generator.normal(size=200)


def test_a_regressor_of_scikit_learn_ranks_where_that_is_said(line: Any, tmp_path: Path) -> None:
    x, y = rows(line)
    model = line.build(Fitted(LinearRegression().fit(x, y), output="score"), tmp_path / "m", "importance", FEATURES)
    assert model.task == "ranking"
    assert model.predict(line.table.slice(0, 3)).column_names[-1] == "score"


def test_a_regression_of_statsmodels_ranks_where_that_is_said(line: Any, tmp_path: Path) -> None:
    sm = pytest.importorskip("statsmodels.api")
    x, y = rows(line)
    fitted = sm.OLS(y, sm.add_constant(x.astype("float64"))).fit()
    model = line.build(Fitted(fitted, output="score"), tmp_path / "m", "importance", FEATURES)
    assert model.task == "ranking"


def test_a_classifier_that_is_said_to_rank_is_refused(line: Any, tmp_path: Path) -> None:
    x, y = rows(line)
    classifier = LogisticRegression().fit(x, y > 0)
    with pytest.raises(ModelError, match=r"output='score', and this sklearn model is a binary model"):
        line.build(Fitted(classifier, output="score"), tmp_path / "m", "ringed", FEATURES)
    assert not (tmp_path / "m").exists()
