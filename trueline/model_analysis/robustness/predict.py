"""Predictions on clean and on disturbed rows, a file a block: what the metrics are then measured on."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline.model_analysis.config_json import decode
from trueline.model_analysis.noise import ROW_COLUMN, ROW_HASH, contents_hash
from trueline.model_analysis.robustness.adversarial import attack, row_losses
from trueline.model_analysis.robustness.changes import perturb
from trueline.model_analysis.robustness.draw import Draw
from trueline.model_analysis.robustness.spec import Perturbation
from trueline.model_analysis.sources import load_runtime

if TYPE_CHECKING:
    import pyarrow as pa

    from trueline._core.runtime import ModelRuntime
    from trueline.engine.base import Block

__all__ = ["CLEAN", "LABEL", "PREDICT_BLOCK", "WEIGHT", "disturbed", "predict_block"]

PREDICT_BLOCK = "trueline.model_analysis.robustness.predict:predict_block"
LABEL, WEIGHT, CLEAN = "__label__", "__weight__", "__clean__"
Floats = npt.NDArray[np.float64]


def disturbed(number: int) -> str:
    """The column with predictions on rows disturbed by the perturbation of this number."""
    return f"__disturbed_{number}__"


def predict_block(
    block: Block,
    model: Mapping[str, Any],
    columns: Sequence[str],
    kept: Sequence[str],
    facts: Mapping[str, Mapping[str, Any]],
    perturbations: Sequence[Mapping[str, Any]],
    seed: int,
    share: float,
    noise_seed: int,
    folder: str,
) -> dict[str, Any]:
    """Writes labels, weights, clean and disturbed predictions of a block, and the columns of slices.

    Rows without a number take along the hash of all that was read of them: their noise groups are those of an
    evaluation that reads the same columns.

    Args:
        block: the rows.
        model: uri, fingerprint and modules allowed.
        columns: what is read.
        kept: the columns of slices and ``__row__``.
        facts: of the features.
        perturbations: JSON of each, features filled in.
        seed: of all draws.
        share: of the rows that are used.
        noise_seed: of the noise groups.
        folder: where the file goes, under a name that no other attempt has.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    batch = block.read(columns)
    if share < 1:
        batch = batch.filter(pa.array(Draw(batch, seed).uniform("rows") < share))
    runtime = load_runtime(**model)
    table = _predicted(batch, runtime, kept, facts, [decode(Perturbation, p) for p in perturbations], seed)
    if ROW_COLUMN not in table.column_names:
        table = table.append_column(ROW_HASH, pa.array(contents_hash(batch, noise_seed).view(np.int64)))
    name = f"block-{block.number:06d}-{uuid.uuid4().hex}.parquet"
    pq.write_table(table, os.path.join(folder, name), row_group_size=max(table.num_rows, 1))
    return {"file": name, "rows": table.num_rows}


def _predicted(
    batch: Any,
    runtime: ModelRuntime,
    kept: Sequence[str],
    facts: Mapping[str, Mapping[str, Any]],
    perturbations: Sequence[Perturbation],
    seed: int,
) -> pa.Table:
    import pyarrow as pa

    task = str(runtime.info["task"])
    labels, present, weights = _targets(batch, runtime, task)

    def losses(rows: Any) -> Floats:
        return row_losses(_scores(rows, runtime, task), np.where(present, labels, np.nan), task)

    columns = {name: batch.column(batch.schema.get_field_index(name)) for name in kept}
    columns[LABEL] = pa.array(labels, mask=~present)
    if weights is not None:
        columns[WEIGHT] = pa.array(weights)
    columns[CLEAN] = _arrow(_scores(batch, runtime, task))
    for number, p in enumerate(perturbations):
        asks = p.kind == "adversarial"
        rows = attack(batch, p, facts, seed, losses) if asks else perturb(batch, p, facts, seed)
        columns[disturbed(number)] = _arrow(_scores(rows, runtime, task))
    return pa.table(columns)


def _targets(batch: Any, runtime: ModelRuntime, task: str) -> tuple[Floats, npt.NDArray[np.bool_], Floats | None]:
    """Labels as numbers (NaN: a class that the model does not know), which are there, and weights."""
    found, names = runtime.targets.predict_arrow(batch), runtime.info["targets"]["outputs"]
    n = batch.num_rows
    label, present = found[names["label"]].reshape(n), found[names["present"]].astype(bool).reshape(n)
    weights = found[names["weight"]].astype(np.float64).reshape(n) if "weight" in names else None
    if task == "regression":
        return label.astype(np.float64), present, weights
    numbers = np.full(n, np.nan)
    for index, value in enumerate(runtime.classes or []):
        numbers[np.asarray(label == value, bool)] = index
    return numbers, present, weights


def _scores(batch: Any, runtime: ModelRuntime, task: str) -> Floats:
    if not batch.num_rows:
        return np.zeros((0, len(runtime.classes or [])) if task == "multiclass" else 0)
    found = runtime.predict_arrow(batch)
    if task == "regression":
        return found["prediction"].astype(np.float64).reshape(-1)
    p: Floats = found["probabilities"].astype(np.float64)
    return p[:, 1] if task == "binary" else p


def _arrow(scores: Floats) -> Any:
    import pyarrow as pa

    if scores.ndim == 1:
        return pa.array(scores)
    return pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(scores).reshape(-1)), scores.shape[1])
