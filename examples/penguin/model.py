"""Penguins: three species from measurements that are partly missing; a small PyTorch network.

Unlike the taxi line: the label is a text column, there are three classes, the input is Parquet, one column comes from
a host step, and the model is a network.
"""

from __future__ import annotations

from penguin_steps import days_into_season

import trueline.transform as tlt
from trueline import Fitted

LABEL = "species"

MEASURES = {
    "culmen_length": "Culmen Length (mm)",
    "culmen_depth": "Culmen Depth (mm)",
    "flipper_length": "Flipper Length (mm)",
    "body_mass": "Body Mass (g)",
    "delta_15_n": "Delta 15 N (o/oo)",
    "delta_13_c": "Delta 13 C (o/oo)",
}


def preprocessing_fn(inputs):
    """Measurements scaled, with a flag where one is missing; sex as a number; the day in the breeding season."""
    outputs = {}
    for name, column in MEASURES.items():
        scaled = tlt.scale_to_z_score(inputs[column])
        outputs[name] = tlt.fill_missing(scaled, 0.0)
        outputs[name + "_missing"] = tlt.is_missing(inputs[column])
    sex = tlt.lower(tlt.fill_missing(inputs["Sex"], "unknown"))
    outputs["sex"] = tlt.compute_and_apply_vocabulary(sex, num_oov_buckets=1, vocab_filename="sex")
    day = tlt.host(days_into_season, inputs["Date Egg"], dtype="float64", name="season_day", month=11)
    outputs["season_day"] = tlt.fill_missing(tlt.scale_to_z_score(day), 0.0)
    outputs[LABEL] = inputs["Species"]
    return outputs


def run_fn(fn_args):
    """A network of one hidden layer, trained on all rows at once; deterministic for a seed."""
    import numpy as np
    import torch

    torch.manual_seed(fn_args.seed)
    x, y, _ = fn_args.train.arrays()
    classes = sorted(set(y.tolist()))
    target = torch.from_numpy(np.searchsorted(np.array(classes), np.array(y.tolist())))
    rows = torch.from_numpy(x)
    model = torch.nn.Sequential(
        torch.nn.Linear(x.shape[1], fn_args.hyperparameters.get("hidden", 16)),
        torch.nn.ReLU(),
        torch.nn.Linear(fn_args.hyperparameters.get("hidden", 16), len(classes)),
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for step in range(fn_args.hyperparameters.get("steps", 200)):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(rows), target)
        loss.backward()
        optimizer.step()
        fn_args.log("loss", loss.item(), step)
    return Fitted(model.eval(), output="logits", classes=classes)
