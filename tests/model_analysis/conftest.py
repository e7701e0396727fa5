"""Small tables with labels, two models' predictions, weights and slice columns."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest


@pytest.fixture(scope="session")
def scored() -> pa.Table:
    """7,300 rows: a binary label, a good candidate, a slightly noisier baseline, weights, slices with gaps."""
    rng = np.random.default_rng(7)
    n = 7300
    label = rng.integers(0, 2, n).astype(float)
    prediction = np.clip(rng.normal(0.35 + 0.3 * label, 0.2), 0, 1)
    base = np.clip(prediction + rng.normal(0, 0.05, n), 0, 1)
    company = rng.choice(["acme", "bolt", "cab"], n, p=[0.6, 0.3, 0.1])
    return pa.table(
        {
            "label": pa.array(label, mask=rng.random(n) < 0.01),
            "prediction": np.round(prediction, 3),
            "base": np.round(base, 3),
            "w": rng.integers(1, 8, n) / 4,
            "company": pa.array(company, mask=rng.random(n) < 0.05),
            "hour": rng.integers(0, 4, n),
            "fare": pa.array(rng.normal(15, 6, n), mask=rng.random(n) < 0.02),
            "__row__": np.arange(n) + (3 << 40),
        }
    )
