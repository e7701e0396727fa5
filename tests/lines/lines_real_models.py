"""The models of the lines over the real data sets: one scikit-learn classifier for all of them."""

from __future__ import annotations

from typing import Any


def run_fn(fn_args: Any) -> Any:
    """Trees, or with ``linear`` a logistic regression."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression

    x, y, _ = fn_args.train.arrays()
    if fn_args.hyperparameters["linear"]:
        return LogisticRegression(max_iter=1000, random_state=fn_args.seed).fit(x, y)
    return HistGradientBoostingClassifier(max_iter=fn_args.hyperparameters["trees"], random_state=fn_args.seed).fit(
        x, y
    )
