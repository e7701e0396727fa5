"""A model as one Python file that needs nothing but Python: ``predict(row)`` from raw features, made to be read.

For linear models, trees and small networks. The file is made from the merged graph, operator by operator, and is
compared with it on sample rows, in a process of its own, before it is written.
"""

from __future__ import annotations

import ast
import inspect
import json
import math
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline._core import store
from trueline._core.errors import ModelError, ParityError
from trueline._core.model_files import read_graph
from trueline._core.runtime import OnnxGraph
from trueline._core.values import PRESENT, RawFeature
from trueline.models import plain_python_helpers as helpers
from trueline.models.foreign import python_code
from trueline.models.optimise.weights import attribute, tensors
from trueline.models.parity import Tolerance
from trueline.models.plain_python_models import MODELS
from trueline.models.plain_python_ops import OPERATORS
from trueline.models.plain_python_writer import Operand, Refusal, Writer, literal, uses_of

if TYPE_CHECKING:
    import onnx
    import pyarrow as pa

    from trueline.models.model import Model

__all__ = ["python_source", "save_python"]

_CHUNK = 2048
_SECONDS = 300


def save_python(model: Model, uri: str, sample: pa.Table, *, tolerance: Tolerance | None = None) -> dict[str, Any]:
    """Writes ``<name>.py``, checked on `sample` in ``python -I``.

    Args:
        model: the model.
        uri: the file, ending in ``.py``, or a folder for ``<model's name>.py``.
        sample: raw rows; on each the file must give the model's label and, within `tolerance`, its scores.
        tolerance: `Tolerance()` by default; classes must not change whatever it says.

    Returns:
        ``path``, ``rows`` compared, and ``max_difference``.

    Raises:
        ModelError: host steps, inputs that are lists, and operators that have no form in Python: all are named.
        ParityError: the file predicts otherwise on a row. In both cases nothing is written.
    """
    if sample.num_rows == 0:
        raise ModelError("the sample for checking the Python file has no rows", hint="give some real raw rows.")
    names = {f.name for f in model.runtime.inputs}
    if absent := sorted(names - set(sample.schema.names)):
        raise ModelError("the sample lacks raw features of the model", problems=absent)
    source = python_source(model, sample)
    answers = _run(source, [f.name for f in model.runtime.inputs], sample)
    worst = _compare(model, sample, answers, tolerance or Tolerance())
    name = re.sub(r"\W+", "_", model.name) or "model"
    path = uri if uri.endswith(".py") else store.join(uri, f"{name}.py")
    store.write_text(path, source)
    return {"path": path, "rows": sample.num_rows, "max_difference": worst}


def python_source(model: Model, sample: pa.Table) -> str:
    """The file's text; one row of `sample` is run to learn the shapes of everything inside.

    Raises:
        ModelError: host steps, inputs that are lists, and operators that have no form in Python: all are named.
    """
    import onnx

    whole = onnx.load_from_string(read_graph(model.uri, "model.onnx"))
    graph = model.runtime.graph
    problems = python_code(model)
    problems += [f"raw feature {f.name!r} is a list" for f in graph.feeds.features if f.kind != "scalar"]
    known = {**OPERATORS, **MODELS, "Constant": None, "Shape": None}
    strange = {n.op_type for n in whole.graph.node if n.op_type not in known and not _is_folded(n)}
    problems += [f"operator {op} has no form in Python" for op in sorted(strange)]
    if not problems:
        seen = _seen(whole, graph, sample)
        writer = Writer(uses_of(whole.graph), seen, tensors(whole.graph), helpers.__all__)
        _inputs(writer, graph.feeds.features)
        problems = _walk(writer, whole.graph)
    if problems:
        raise ModelError(
            "the model cannot be written as plain Python",
            where=model.uri,
            problems=problems,
            hint="export --to onnx or --to server runs every model; plain Python is for linear models and trees on "
            "numbers, vocabularies, buckets and hashes.",
        )
    source = _file(model, writer)
    ast.parse(source)
    return source


def _is_folded(node: onnx.NodeProto) -> bool:
    return node.op_type in ("Range", "ConstantOfShape")


def _seen(whole: onnx.ModelProto, graph: OnnxGraph, sample: pa.Table) -> dict[str, npt.NDArray[Any]]:
    """Every tensor's value for the first sample row."""
    import onnx

    copy = onnx.ModelProto()
    copy.CopyFrom(whole)
    read = {name for node in whole.graph.node for name in node.input}
    outputs = {o.name for o in whole.graph.output}
    made = [n for node in whole.graph.node for n in node.output if n in read and n not in outputs]
    copy.graph.output.extend(onnx.ValueInfoProto(name=name) for name in made)
    arrays = graph.arrays_from_arrow(sample.slice(0, 1))
    opened = OnnxGraph(copy.SerializeToString(), graph.feeds, graph.steps, graph.raw.features)
    return arrays | opened.run(arrays)


_FILLS = {"float64": "0.0", "float32": "0.0", "utf8": '""', "bool": "False"}


def _inputs(w: Writer, features: Sequence[RawFeature]) -> None:
    """One line for each raw field that is read, and one that says whether it is there."""
    for feature in features:
        name, fill = feature.name, _FILLS.get(feature.dtype, "0")
        raw = f"given[{name!r}]"
        dtype = "utf8" if feature.dtype == "utf8" else str(w.seen[name].dtype)
        if feature.optional and w.uses[name + PRESENT]:
            w.set(name + PRESENT, Operand(w.assign("has_" + name, f"{raw} is not None"), (1,), "bool"))
        if w.uses[name]:
            value = f"{raw} if {raw} is not None else {fill}" if feature.optional else raw
            w.set(name, Operand(w.assign("raw_" + name, value), (1,), dtype))


def _walk(w: Writer, graph: onnx.GraphProto) -> list[str]:
    """Writes every node; what could not be written."""
    problems: list[str] = []
    for node in graph.node:
        if _constant(w, node):
            continue
        say = OPERATORS.get(node.op_type) or MODELS.get(node.op_type)
        try:
            if say is None:
                raise Refusal("it depends on the data")
            say(w, node, [w.operand(name) for name in node.input if name])
        except Refusal as refusal:
            problems.append(f"operator {node.op_type} ({node.name}) is not written here: {refusal}")
        except KeyError:
            continue  # it reads what was refused before
    return problems


def _constant(w: Writer, node: onnx.NodeProto) -> bool:
    """Whether a node's output does not depend on the row; if so, it becomes a constant with the value of the run."""
    fixed = node.op_type == "Shape" or (all(n in w.known for n in node.input if n) and len(node.output) == 1)
    if fixed and node.output[0] in w.seen:
        w.known[node.output[0]] = w.seen[node.output[0]]
    return fixed or (node.op_type == "Constant" and attribute(node, "value") is not None)


def _file(model: Model, w: Writer) -> str:
    fields = {f.name: (f.dtype, f.optional) for f in model.runtime.graph.feeds.features}
    outputs = [o["name"] for o in model.runtime.outputs]
    answer = ", ".join(f"{name!r}: {w.operand(name).text}" for name in outputs)
    lines = [f"    {line}".rstrip() for line in w.lines]
    predict = [
        "def predict(row):",
        f'    """{_title(model)} for one row, a dict of raw fields; a missing field is left out or None."""',
        "    given = check_row(row, FIELDS)",
        *lines,
        f"    return {{{answer}}}",
    ]
    fields_text = "\n".join(["FIELDS = {", *(f"    {literal(k)}: {literal(v)}," for k, v in fields.items()), "}"])
    body = "\n\n\n".join([*w.functions, "\n".join(w.after), "\n".join(predict), _MAIN])
    constants = "\n".join([fields_text, *w.used_constants(body)])
    copied = _copied(body)
    text = "\n\n\n".join(part for part in [constants, *copied, body] if part.strip())
    modules = [m for m in ("json", "math", "struct", "sys") if re.search(rf"\b{m}\.", text)]
    head = [f'"""{_title(model)}: a model in plain Python, made by trueline from its graph.', "", *_about(model), '"""']
    imports = [f"import {m}" for m in modules]
    if "datetime" in text:
        imports.append("from datetime import datetime, timezone")
    return re.sub(r"\n{4,}", "\n\n\n", "\n".join([*head, "", *imports, "", text, ""]))


_MAIN = """if __name__ == "__main__":  # JSON rows in, one a line; JSON answers out
    for line in sys.stdin:
        print(json.dumps(predict(json.loads(line))))"""


def _title(model: Model) -> str:
    return _harmless(f"{model.name}, {model.task} of {model.label}")


def _harmless(text: str) -> str:
    """A model's own words for a docstring: nothing that ends it, or that begins another line."""
    return re.sub(r'[\\"\x00-\x1f]', "_", text)


def _about(model: Model) -> list[str]:
    outputs = _harmless(", ".join(str(o["name"]) for o in model.runtime.outputs))
    return [
        "predict(row) takes a dict of the fields in FIELDS (type, and whether it may be missing) and gives",
        f"{outputs}. Numbers are rounded to float32 where the model's are.",
    ]


def _copied(body: str) -> list[str]:
    """The sources of the helper functions that a text uses, and of those that they use."""
    wanted: list[str] = []
    texts = [body]
    while texts:
        text = texts.pop()
        for name in helpers.__all__:
            if name not in wanted and re.search(rf"\b{name}\(", text):
                wanted.append(name)
                texts.append(inspect.getsource(getattr(helpers, name)))
    plain = {name: inspect.getsource(getattr(helpers, name)).rstrip() for name in sorted(wanted)}
    return [_without_hints(source) for source in plain.values()]


def _without_hints(source: str) -> str:
    """A helper without its annotations: the file is for any Python 3 and for people who do not use them."""
    source = re.sub(r"^(def \w+\()(.*)\) -> .*:$", lambda m: f"{m[1]}{re.sub(_HINT, '', m[2])}):", source, flags=re.M)
    source = re.sub(r"^(\s+\w+): [^=\n(]+ = ", r"\1 = ", source, flags=re.M)
    return source.replace("UTC", "timezone.utc")


_HINT = r": (?:[a-zA-Z]+(?:\[(?:[^\[\]]|\[[^\[\]]*\])*\])?)"


def _run(source: str, names: list[str], sample: pa.Table) -> list[dict[str, Any]]:
    """The file's answers, from a Python that sees nothing of this one's packages or folders."""
    lines = [json.dumps(row) for row in _rows(sample, names)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.py"
        path.write_text(source, encoding="utf-8")
        try:
            done = subprocess.run(
                [sys.executable, "-I", "-X", "utf8", str(path)],
                input="\n".join(lines), capture_output=True, encoding="utf-8", timeout=_SECONDS, cwd=folder,
                check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            hint = "give fewer sample rows, or export --to onnx."
            raise ModelError(f"the generated file has not answered after {_SECONDS} s", hint=hint) from error
    if done.returncode != 0:
        raise ModelError(f"the generated file fails: {(done.stderr.strip().splitlines() or ['no word'])[-1]}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def _rows(sample: pa.Table, names: list[str]) -> list[dict[str, Any]]:
    import pyarrow as pa

    columns = []
    for name in names:
        column = sample.column(name)
        columns.append((column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column).to_pylist())
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def _compare(model: Model, sample: pa.Table, answers: list[dict[str, Any]], limits: Tolerance) -> float:
    expected = [model.predict(sample.slice(at, _CHUNK)) for at in range(0, sample.num_rows, _CHUNK)]
    score, *label = [str(o["name"]) for o in model.runtime.outputs]
    worst, problems = 0.0, []
    wanted = [v for table in expected for v in table.column(score).to_pylist()]
    labels = [v for table in expected for v in table.column(label[0]).to_pylist()] if label else [None] * len(wanted)
    for i, (answer, values, name) in enumerate(zip(answers, wanted, labels, strict=True)):
        mine, theirs = np.atleast_1d(np.array(answer[score], float)), np.atleast_1d(np.array(values, float))
        apart = np.abs(mine - theirs)
        apart = np.where((mine == theirs) | (np.isnan(mine) & np.isnan(theirs)), 0.0, apart)
        far = bool((~(apart <= limits.absolute + limits.relative * np.abs(theirs))).any())
        if far or (label and answer[label[0]] != name):
            problems.append(f"row {i} of the sample: {values!r} {name!r} became {answer!r}")
        worst = max(worst, float(np.nan_to_num(apart, nan=math.inf).max()))
    if problems:
        raise ParityError(
            f"the Python file differs from the model on {len(problems)} of {len(wanted)} rows; nothing was written",
            problems=problems[:10],
        )
    return worst
