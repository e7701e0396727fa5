"""Makes docs/howto/transform_functions.md: every function of `trueline.transform` by topic, with what its graph needs.

python scripts/make_transform_functions.py            # writes the page
python scripts/make_transform_functions.py --check    # exit code 1 when the page is not up to date

Each function is called once, in a graph that is traced and analysed: what stands in the page is read off that graph.
"""

from __future__ import annotations

import contextlib
import datetime
import inspect
import re
import sys
import tempfile
import types
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pyarrow as pa
from onnx import TensorProto, helper, numpy_helper
from transform_examples import EXAMPLES, OPERATORS, RUN, TYPES, Call

import trueline.transform as tlt
from trueline._core.values import raw_feature_of
from trueline.engine import Dataset, LocalEngine
from trueline.transform.graph import Graph
from trueline.transform.operations import operation
from trueline.transform.profiles import profiles_of

PAGE = Path(__file__).resolve().parents[1] / "docs" / "howto" / "transform_functions.md"
HEAD = """# All functions of a transform, by topic

Made by `scripts/make_transform_functions.py` from the functions themselves. *Exact*: the same bits in bulk and in the
server, for one row and for many. *Rounded*: within the ulps that the docstring states. *Constant*: one value, or one
table, for the whole data. *Passes*: how often the data is read for it; analyzers of one depth share a pass. *Profile*:
where it runs, `portable` unless said ([profiles](features_elsewhere.md#profiles)); traced for the profile `tensorflow`,
hashes are TensorFlow's. Arguments, errors and edge cases are in the [reference](../reference.md) and in
`help(trueline.transform.bucketize)`.
"""
ROW = {
    "x": 1.5, "y": 2.0, "i": 1, "b": True, "s": "a", "t": "b", "words": ["a", "b"], "lists": [1.0, 2.0], "ids": [0, 1],
    "time": datetime.datetime(2026, 1, 31, 8), "vector": [1.0, 2.0, 3.0], "image": list(range(12)), "file": b"",
}  # fmt: skip


class Greatest:
    """The analyzer of the example of `analyzer`."""

    def __init__(self) -> None:
        self.value = 0.0

    def update(self, inputs: Any) -> None:
        """Takes in a block."""
        self.value = max(self.value, *inputs.elements(0).tolist())

    def merge(self, other: Greatest) -> None:
        """Takes in later blocks."""
        self.value = max(self.value, other.value)

    def parts(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The state."""
        return {"value": self.value}, {}

    def restore(self, header: dict[str, Any], arrays: dict[str, Any]) -> None:
        """Takes on a state."""
        self.value = header["value"]

    def result(self) -> float:
        """The constant."""
        return self.value


def data() -> pa.Table:
    """A few rows with a column of every kind, and one with heavy tails."""
    rows = [{**ROW, "x": float(i), "s": "ab"[i % 2], "tailed": float(i**5), "__row__": i} for i in range(-20, 21)]
    table = pa.Table.from_pylist(rows)
    for name, width in (("vector", 3), ("image", 12)):
        values = pa.array(table[name].to_pylist(), pa.list_(pa.float64(), width))
        table = table.set_column(table.schema.get_field_index(name), name, values)
    return table


@contextlib.contextmanager
def surroundings() -> Iterator[None]:
    """A folder with an encoder and a live table in it, and an importable analyzer."""
    module = types.ModuleType("transform_example_state")
    module.Greatest = Greatest  # type: ignore[attr-defined]  # a module made here
    sys.modules[module.__name__] = module
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        tlt.write_lookup_version("prices", pa.table({"s": ["a"], "price": [1.0]}))
        Path("encoder").mkdir()
        Path("encoder/vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n", encoding="utf-8")
        ids = helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["rows", "tokens"])
        hidden = helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, ["rows", "tokens", 2])
        weights = numpy_helper.from_array(np.zeros((4, 2), np.float32), "weights")
        node = helper.make_node("Gather", ["weights", "input_ids"], ["last_hidden_state"])
        graph = helper.make_graph([node], "encoder", [ids], [hidden], [weights])
        onnx.save(
            helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), "encoder/model.onnx"
        )
        yield
    del sys.modules[module.__name__]


@dataclass
class Called:
    """One call: the graph as traced and as analysed, and whether it gave constants."""

    traced: Graph
    bound: Graph
    constant: bool


def _column(c: tlt.Column) -> tlt.Column:
    """What can be an output: of a table its size."""
    return c.tracer.op("table_size", c) if c.type.kind == "table" else c


def called(call: Call, table: pa.Table) -> Called:
    """Traces and analyses one call."""
    constant = False

    def preprocessing_fn(inputs: Any) -> dict[str, Any]:
        nonlocal constant
        made = call(SimpleNamespace(**{n: inputs[n] for n in table.schema.names if not n.startswith("__")}))
        columns = made if isinstance(made, list | tuple) else [made]
        constant = all(c.type.constant for c in columns)
        return {f"out{i}": _column(c) for i, c in enumerate(columns)}

    features = [raw_feature_of(f, optional=True) for f in table.schema if not f.name.startswith("__")]
    traced = tlt.trace(preprocessing_fn, features)
    return Called(traced, tlt.analyze(traced, Dataset.from_table(table), LocalEngine(workers=1)).graph, constant)


def row(name: str, what: str, call: Call, table: pa.Table) -> str:
    """A line of the page."""
    found = called(call, table)
    reached = found.bound.reachable([i for _, i in found.bound.outputs])
    work = [n.op for n in (found.bound.nodes[i] for i in reached) if n.op not in ("input", "constant")]
    kind = "rounded" if any(operation(op).kind == "rounded" for op in work) else "exact"
    passes = len({found.traced.phases[i] for i, n in enumerate(found.traced.nodes) if n.is_analyzer})
    needs = ", ".join(f"`{p}`" for p in sorted(profiles_of(found.bound) - {"portable"}))
    if found.constant or (needs and not work):
        kind = "constant" if found.constant else ""
    return f"| {name} | {what} | {kind} | {passes or ''} | {needs} |"


def sentence(name: str) -> str:
    """The docstring's first sentence, without its class, which has a column of its own."""
    text = " ".join((inspect.getdoc(getattr(tlt, name)) or "").partition("\n\n")[0].split())
    text = re.sub(r" \(rounded: \d+ ulps\)", "", text)
    return re.sub(r"``?", "`", re.split(r"(?<=[a-z)0-9])[.:;] (?=[A-Za-z])", text)[0].rstrip(".")).replace("|", "\\|")


def page() -> str:
    """The page's text."""
    parts, table = [HEAD], data()
    line = "| function | what | class | passes | profile |\n|---|---|---|---|---|\n"
    with surroundings():
        found = [row(name, "", call, table) for name, call in OPERATORS.items()]
        parts.append("## Operators\n" + line.replace("function", "operator") + "\n".join(found) + "\n")
        for topic, calls in EXAMPLES.items():
            found = [row(f"`{name}`", sentence(name), call, table) for name, call in calls.items()]
            parts.append(f"## {topic}\n{line}" + "\n".join(found) + "\n")
    for topic, names in (("To run a transform", RUN), ("Types", TYPES)):
        lines = [f"| `{name}` | {sentence(name)} |" for name in names]
        parts.append(f"## {topic}\n| name | what |\n|---|---|\n" + "\n".join(lines) + "\n")
    return "\n".join(parts)


def main() -> None:
    """Writes or checks the page."""
    made = page()
    if "--check" in sys.argv[1:]:
        if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != made:
            sys.exit(f"{PAGE.name} is not up to date: python scripts/make_transform_functions.py")
        return
    PAGE.write_text(made, encoding="utf-8")


if __name__ == "__main__":
    main()
