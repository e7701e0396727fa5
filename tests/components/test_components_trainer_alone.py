"""Trainers that are ready at the same time train one after the other in one process."""

from __future__ import annotations

import json
from pathlib import Path

import trainer_line

CODE = """
import json, time
from pathlib import Path
from sklearn.linear_model import LogisticRegression

def run_fn(fn_args):
    begun = time.monotonic()
    x, y, _ = fn_args.train.arrays()
    model = LogisticRegression().fit(x, y)
    time.sleep(0.3)
    Path({place!r}).write_text(json.dumps([begun, time.monotonic()]))
    return model
"""


def test_two_trainings_of_one_process_do_not_overlap(tmp_path: Path) -> None:
    """Both see their own seed, and no library is entered by two trainings at once."""
    names, home = ("first", "second"), tmp_path / "home"
    home.mkdir()
    for name in names:
        (home / f"{name}_model.py").write_text(CODE.format(place=str(tmp_path / f"{name}.json")))
    result = trainer_line.run(home, names=names)
    assert result.ok, result.message
    spans = sorted(json.loads((tmp_path / f"{name}.json").read_text()) for name in names)
    assert spans[0][1] <= spans[1][0]
    models = [result.nodes[name].outputs["model"][0] for name in names]
    assert models[0].fingerprint == models[1].fingerprint
