"""Small models over rows with numbers, text and gaps; built once for all files that ask."""

from __future__ import annotations

import asyncio
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import pyarrow as pa

FEATURES = ["fare", "miles", "seats", "company"]


def rides(rows: int = 1500, seed: int = 5) -> pa.Table:
    """Raw rows: two floats (one with gaps), an int, a text with gaps, three labels and a weight."""
    rng = np.random.default_rng(seed)
    fare, miles, seats = rng.gamma(3, 5, rows), rng.gamma(2, 2, rows), rng.integers(1, 5, rows)
    company = rng.choice(["acme", "bolt", "cab"], rows, p=[0.6, 0.3, 0.1])
    logit = 0.12 * (fare - 15) - 0.5 * (miles - 4) + 0.6 * (company == "bolt") - 1.2
    late = rng.random(rows) < 1 / (1 + np.exp(-logit))
    kind = np.array(["calm", "busy", "wild"], object)[np.digitize(logit + rng.normal(0, 0.7, rows), [-1.5, 0.2])]
    return pa.table(
        {
            "fare": pa.array(fare, mask=rng.random(rows) < 0.05),
            "miles": miles,
            "seats": seats,
            "company": pa.array(company, mask=rng.random(rows) < 0.05),
            "late": pa.array(late, mask=rng.random(rows) < 0.02),
            "kind": pa.array(kind),
            "minutes": 10 + 2 * miles + rng.normal(0, 1, rows),
            "heavy": rng.uniform(0.5, 2.0, rows),
            "__row__": np.arange(rows) + (1 << 40),
        }
    )


def preprocessing(inputs: Any) -> dict[str, Any]:
    """Features of every kind, three labels, a weight."""
    import trueline.transform as tlt

    company = tlt.fill_missing(tlt.compute_and_apply_vocabulary(inputs["company"], num_oov_buckets=1), 3)
    return {
        "fare": tlt.scale_to_z_score(tlt.fill_missing(inputs["fare"], 15.0)),
        "miles": tlt.scale_to_z_score(inputs["miles"]),
        "seats": tlt.scale_to_0_1(inputs["seats"]),
        "company": tlt.one_hot(company, 4),
        "late": inputs["late"],
        "kind": inputs["kind"],
        "minutes": inputs["minutes"],
        "heavy": inputs["heavy"],
    }


@cache
def built() -> dict[str, Any]:
    """``table``, and the models ``late`` (two classes), ``flat`` (over-sure), ``kind`` (three) and ``minutes``."""
    from sklearn.linear_model import LinearRegression, LogisticRegression

    import trueline.transform as tlt
    from trueline._core.values import RawFeature
    from trueline.engine import Dataset
    from trueline.models import build_model
    from trueline.training import FnArgs

    table = rides()
    dtypes = {"fare": "float64", "miles": "float64", "minutes": "float64", "heavy": "float64", "seats": "int64"}
    dtypes |= {"company": "utf8", "kind": "utf8", "late": "bool"}
    gaps = ("fare", "company", "late", "kind")
    raw = [RawFeature(name, dtype, optional=name in gaps) for name, dtype in dtypes.items()]  # type: ignore[arg-type]
    transform = tlt.analyze(tlt.trace(preprocessing, raw), Dataset.from_table(table))
    train = Dataset.from_table(transform.transform(table))
    folder, made = Path(mkdtemp(prefix="trueline-rides-")), {"table": table}
    sure = LogisticRegression(C=1e3)
    for name, estimator, label, weight in (
        ("late", LogisticRegression(), "late", None),
        ("weighted", LogisticRegression(), "late", "heavy"),
        ("kind", LogisticRegression(), "kind", None),
        ("minutes", LinearRegression(), "minutes", None),
        ("sure", sure, "late", None),
    ):
        args = FnArgs.create(train=train, transform=transform, label=label, features=FEATURES)
        x, y, _ = args.train.arrays()
        fitted = estimator.fit(x, y)
        if name == "sure":  # ranks as before and is far too sure of it
            fitted.coef_, fitted.intercept_ = fitted.coef_ * 4, fitted.intercept_ * 4
        made[name] = build_model(
            fitted, uri=str(folder / name), transform=transform, label=label, features=FEATURES, weight=weight,
            sample=table,
        )  # fmt: skip
    return made


def served(uri: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the server's app answers for rows of the model in this folder."""
    import httpx

    from trueline._core.manifest import MANIFEST_NAME
    from trueline.serving import create_app

    base = Path(mkdtemp(prefix="trueline-served-"))
    (base / "1").symlink_to(uri)
    assert (base / "1" / MANIFEST_NAME).exists()
    app = create_app({"model": str(base)})

    async def go() -> Any:
        await app.startup()
        try:
            while not app.ready:
                await asyncio.sleep(0.01)
            transport = httpx.ASGITransport(app=app)
            async with httpx.AsyncClient(transport=transport, base_url="http://model") as client:
                return await client.post("/v1/models/model:predict", json={"instances": rows})
        finally:
            await app.shutdown()

    answer = asyncio.run(go())
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["predictions"]
    return found
