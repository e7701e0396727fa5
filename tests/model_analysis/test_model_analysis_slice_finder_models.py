"""Slices of models that are run: labels, classes and weights are the model's own, and a worse candidate is located."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import trueline.transform as tlt
from trueline._core.errors import ConfigError, ModelError
from trueline.engine import Dataset, LocalEngine
from trueline.model_analysis import find_slices
from trueline.models import build_model
from trueline.schema import raw_features

pytestmark = pytest.mark.frameworks
ROWS = 4000


def orders() -> pa.Table:
    """A linear relation that another town turns around; some labels are missing."""
    rng = np.random.default_rng(8)
    x, town = rng.normal(0, 1, ROWS), rng.choice(["a", "b", "c", "d"], ROWS)
    amount = np.where(town == "d", -x, x) + rng.normal(0, 0.3, ROWS)
    return pa.table(
        {
            "x": x,
            "town": town,
            "seats": rng.integers(1, 4, ROWS),
            "amount": pa.array(amount, mask=rng.random(ROWS) < 0.02),
            "__row__": np.arange(ROWS),
        }
    )


def preprocessing_fn(inputs: dict[str, Any]) -> dict[str, Any]:
    return {
        "x": tlt.fill_missing(inputs["x"], 0.0),
        "turned": tlt.fill_missing(inputs["town"], "") == "d",
        "amount": inputs["amount"],
        "big": inputs["amount"] > 0.0,
        "size": tlt.fill_missing(inputs["seats"], 1),
    }


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    from sklearn.linear_model import LinearRegression, LogisticRegression
    from sklearn.tree import DecisionTreeClassifier

    table = orders()
    output = tlt.analyze(tlt.trace(preprocessing_fn, raw_features(table.schema, None)), Dataset.from_table(table))
    batch = pa.Table.from_batches([output.transform(table.combine_chunks().to_batches()[0])])
    known = table["amount"].is_valid().to_numpy()
    x = np.stack([batch[n].to_numpy(zero_copy_only=False).astype(np.float32) for n in ("x", "turned")], axis=1)
    amount = np.array(table["amount"].to_pylist(), dtype=float)
    folder = tmp_path_factory.mktemp("models")

    def build(name: str, fitted: Any, target: str, features: list[str], **more: Any) -> Any:
        return build_model(
            fitted, uri=str(folder / name), transform=output, label=target, features=features, sample=table, **more
        )

    line = LinearRegression().fit(x[known][:, :1], amount[known])
    one = LogisticRegression().fit(x[known][:, :1], amount[known] > 0)
    tree = DecisionTreeClassifier(max_depth=4).fit(x[known], amount[known] > 0)
    return {
        "table": table,
        "known": known,
        "regression": build("regression", line, "amount", ["x"], weight="size"),
        "line": build("line", one, "big", ["x"]),
        "tree": build("tree", tree, "big", ["x", "turned"]),
    }


def test_the_town_that_turns_the_relation_around_is_found_though_the_model_does_not_read_it(
    built: dict[str, Any],
) -> None:
    for name, loss in (("regression", "auto"), ("line", "auto"), ("line", "zero_one")):
        found = find_slices(built[name], built["table"], loss=loss, extra_features=["town"])
        assert "town=d" in found.slices[0].name
        assert dict(found.left_out) == {"missing_label": int((~built["known"]).sum())}
        assert found.rows == built["known"].sum()
        assert set(found.columns) >= {"x", "town"}


def test_the_change_from_a_baseline_lies_where_the_candidate_lacks_a_feature(built: dict[str, Any]) -> None:
    found = find_slices(built["line"], built["table"], baseline=built["tree"], features=["x", "town", "seats"])
    assert found.compared
    assert "town=d" in found.slices[0].name
    assert find_slices(built["tree"], built["table"], baseline=built["tree"], features=["town"]).slices == ()


def test_models_give_the_same_bits_in_threads_and_processes(built: dict[str, Any]) -> None:
    dataset = Dataset.from_table(built["table"], 500)
    texts = {find_slices(built["tree"], dataset, features=["x", "town"], engine=LocalEngine(1)).to_json()}
    with LocalEngine(2, processes=True) as engine:
        texts.add(find_slices(built["tree"], dataset.deal(3), features=["x", "town"], engine=engine).to_json())
    assert len(texts) == 1


def test_what_a_model_tells_itself_is_not_given_twice_and_tasks_must_agree(
    built: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="gives label"):
        find_slices(built["tree"], built["table"], label_key="big")
    with pytest.raises(ConfigError, match="needs a model"):
        find_slices(None, built["table"], baseline=built["tree"])
    with pytest.raises(ModelError, match="the baseline a regression one"):
        find_slices(built["tree"], built["table"], baseline=built["regression"])
