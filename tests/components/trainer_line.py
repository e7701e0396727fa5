"""A small line that ends with a Trainer: rows, features and code in a folder, run here or in a process of its own."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trueline import LocalRunner, Pipeline
from trueline.components import CsvExampleGen, SchemaGen, StatisticsGen, Trainer, Transform

STEPS = """
import trueline.transform as tlt

def preprocessing_fn(inputs):
    return {
        "z": tlt.scale_to_z_score(inputs["height"]),
        "w": tlt.scale_to_z_score(inputs["weight"]),
        "gap": inputs["gap"],
        "town": tlt.compute_and_apply_vocabulary(inputs["town"], num_oov_buckets=1),
        "tall": inputs["tall"],
    }
"""
FEATURES = ["z", "w"]


def nodes(home: Path, names: Sequence[str] = ("Trainer",), **trainer: Any) -> list[Any]:
    """The line's nodes; rows are made once. Of several Trainers each has the module of its name."""
    data = home / "data"
    if not data.exists():
        data.mkdir(parents=True)
        dice = random.Random(7)
        rows = []
        for number in range(600):
            height, weight = dice.gauss(170, 9), dice.gauss(70, 8)
            tall = "" if number % 50 == 49 else int(height + dice.gauss(0, 4) > 170)
            gap = "" if number % 9 == 0 else dice.random()
            rows.append(f"town {dice.randrange(5)},{height!r},{weight!r},{gap},{tall}\n")
        (data / "rows.csv").write_text("town,height,weight,gap,tall\n" + "".join(rows))
        (home / "steps.py").write_text(STEPS)
    examples = CsvExampleGen(input_base=str(data), block_rows=64)
    statistics = StatisticsGen(examples=examples.outputs["examples"])
    schema = SchemaGen(statistics=statistics.outputs["statistics"])
    made = Transform(
        examples=examples.outputs["examples"], schema=schema.outputs["schema"], module_file=str(home / "steps.py")
    )
    given = {"label": "tall", "features": FEATURES} | trainer
    given |= {"schema": schema.outputs["schema"], "raw_examples": examples.outputs["examples"]}
    trained = [
        Trainer(
            examples=made.outputs["transformed_examples"],
            transform_graph=made.outputs["transform_graph"],
            module_file=str(home / f"{name + '_model' if len(names) > 1 else 'model'}.py"),
            node_id=name,
            **given,
        )
        for name in names
    ]
    return [examples, statistics, schema, made, *trained]


def run(home: Path, code: str | None = None, names: Sequence[str] = ("Trainer",), **trainer: Any) -> Any:
    """Runs the line with ``model.py`` holding `code`."""
    if code is not None:
        home.mkdir(parents=True, exist_ok=True)
        (home / "model.py").write_text(code)
    return LocalRunner().run(Pipeline("line", nodes(home, names, **trainer), root=str(home / "line")))


def apart(home: Path, names: Sequence[str] = ("Trainer",), **more: Any) -> subprocess.Popen[str]:
    """The same in a process of its own, which ends with a line for each Trainer: its name, state and model."""
    here = Path(__file__).parent
    script = f"import sys; sys.path.insert(0, {str(here)!r}); import trainer_line; from pathlib import Path\n"
    script += "if __name__ == '__main__':\n"
    script += f"    result = trainer_line.run(Path({str(home)!r}), names={list(names)!r}, **{more!r})\n"
    script += f"    for name in {list(names)!r}:\n        node = result.nodes[name]\n"
    script += "        model = node.outputs['model'][0].uri if node.outputs else node.message\n"
    script += "        print(name, node.state, model)\n"
    (home / "run_line.py").write_text(script)
    command = [sys.executable, str(home / "run_line.py")]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
