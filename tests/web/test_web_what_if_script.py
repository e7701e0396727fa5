"""The page's script: modules become one text, and its distances, decisions and counts are those of Python."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from trueline.display.what_if_script import bundle, page_script
from trueline.model_analysis import what_if
from trueline.model_analysis.explain.distance import Gower
from trueline.models import Model
from trueline.models.model_data import as_table

NODE = shutil.which("node")
needs_node = pytest.mark.skipif(NODE is None, reason="NOT TESTED HERE: no node; install Debian's package nodejs")
Script = Callable[[str, Any], Any]


@pytest.fixture
def script(tmp_path: Path) -> Script:
    """Runs a function body over JSON, with the page's pure modules at hand."""
    for package, folder, name in [
        ("trueline._core", "js", "iso_time"), ("trueline._core", "js", "feeds"),
        ("trueline.display", "assets", "what_if_core"),
    ]:  # fmt: skip
        text = resources.files(package).joinpath(folder, f"{name}.mjs").read_text(encoding="utf-8")
        (tmp_path / f"{name}.mjs").write_text(text, encoding="utf-8")

    def run(body: str, given: Any) -> Any:
        assert NODE is not None
        main = tmp_path / "main.mjs"
        main.write_text(
            'import * as core from "./what_if_core.mjs";\nimport { readFileSync } from "node:fs";\n'
            "const given = JSON.parse(readFileSync(0, 'utf-8'));\n"
            f"const found = (() => {{ {body} }})();\nconsole.log(JSON.stringify(found));\n",
            encoding="utf-8",
        )
        done = subprocess.run([NODE, main], input=json.dumps(given), capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def test_modules_become_one_text_whose_names_do_not_meet() -> None:
    first = "export const x = 1;\nconst hidden = 2;\nexport function f() { return hidden + x; }\n"
    second = 'import { f, x as y } from "./a.mjs";\nconst hidden = 40;\nglobalThis.found = f() + y + hidden;\n'
    one = bundle({"a": first, "b": second})
    assert "import" not in one
    assert "export" not in one
    if NODE is not None:
        done = subprocess.run([NODE, "-e", one + "console.log(found)"], capture_output=True, text=True, timeout=60)
        assert done.stdout.strip() == "44"


@pytest.mark.parametrize(
    ("modules", "said"),
    [
        ({"a": 'import { x } from "./b.mjs";\n', "b": "export const x = 1;\n"}, "does not stand before it"),
        ({"a": 'import * as all from "elsewhere";\n'}, "not written plainly"),
        ({"a": "const x = 1;\nexport default x;\n"}, "not written plainly"),
    ],
)
def test_what_is_not_written_plainly_is_refused(modules: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        bundle(modules)


def test_the_page_s_script_ends_no_element_and_fetches_nothing_from_elsewhere() -> None:
    text = page_script()
    assert "</script" not in text
    assert "<!--" not in text
    assert text.count("fetch(") == 2  # a graph by its address, which the page never gives, and the local app
    assert "eval(" not in text
    assert "innerHTML" not in text


@needs_node
def test_distances_are_those_of_python(script: Script, binary: Model, table: pa.Table) -> None:
    document = what_if(binary, table, rows=40, worst=0, near=0).document
    body = """
      const rows = given.rows.map((r) => given.fields.map((f, i) => core.decode(f, r.values[i])));
      return rows.map((a) => rows.map((b) => core.gower(given.fields, a, b)));
    """
    found = np.array(script(body, document))
    typed = as_table(table, binary.runtime.inputs)
    gower = Gower(binary.runtime.inputs, typed)
    taken = gower.encode(typed.take(pa.array([r["place"] for r in document["rows"]])))
    np.testing.assert_allclose(found, gower.between(taken, taken), atol=1e-12)
    assert found.max() > 0.2


@needs_node
def test_counts_and_rates_of_a_threshold(script: Script) -> None:
    rng = np.random.default_rng(0)
    p, truth = rng.random(300).astype(np.float32), rng.integers(0, 2, 300)
    p[:5] = np.float32(0.3)
    body = """
      const pairs = given.p.map((p, i) => [given.truth[i], core.outcome(["no", "yes"], [1 - p, p], 0, 0.3)]);
      return core.rates(core.confusion(["no", "yes"], [...pairs, [null, 1]]));
    """
    found = script(body, {"p": p.tolist(), "truth": truth.tolist()})
    said = p >= np.float32(0.3)
    tp, fp, fn = (said & (truth == 1)).sum(), (said & (truth == 0)).sum(), (~said & (truth == 1)).sum()
    assert [found[k] for k in ("tp", "fp", "fn", "tn", "rows")] == [tp, fp, fn, 300 - tp - fp - fn, 300]
    assert found["precision"] == pytest.approx(tp / (tp + fp))
    assert found["recall"] == pytest.approx(tp / (tp + fn))
    assert found["accuracy"] == pytest.approx(float((said == truth).mean()))


@needs_node
def test_what_is_undefined_is_no_zero(script: Script) -> None:
    found = script("return [core.rates([[3, 0], [0, 0]]), core.errors([[null, 1], [2, NaN]])];", None)
    assert (found[0]["precision"], found[0]["recall"], found[0]["accuracy"]) == (None, None, 1)
    assert found[1] == {
        "rows": 0, "mean error": None, "mean absolute error": None, "root mean squared error": None,
    }  # fmt: skip
    assert script("return [core.percent(null), core.shown(null)];", None) == ["–", "–"]


@needs_node
def test_without_a_threshold_the_model_decides(script: Script) -> None:
    body = """
      const names = ["a", "b", "c"];
      return [core.outcome(names, [0.2, 0.5, 0.3], 2, null), core.outcome(names, [0.2, 0.5, 0.3], null, null),
        core.outcome(null, 3, null, 3), core.outcome(null, 2.9, null, 3), core.outcome(null, NaN, null, 3)];
    """
    assert script(body, None) == [2, 1, 1, 0, None]


@needs_node
def test_what_is_typed_means_what_it_says(script: Script) -> None:
    body = """
      const scalar = (dtype) => ({ dtype, kind: "scalar" });
      const list = { dtype: "float64", kind: "ragged" };
      const one = (dtype, text) => core.parsed(scalar(dtype), text);
      const at = (dtype, texts) => texts.map((t) => `${one(dtype, t)}:${typeof one(dtype, t)}`);
      return [
        at("float64", ["1.5", "-2e3", ".5", "NaN", "1,5", "", "0x1"]),
        at("int64", ["12", "-0", "9007199254740993", "1.0"]),
        at("utf8", ["12", ""]),
        at("timestamp", ["2024-05-01", "17"]),
        core.parsed(list, "[1, 2"),
        core.parsed(list, "[1, 2.5]"),
      ];
    """
    assert script(body, None) == [
        ["1.5:number", "-2000:number", "0.5:number", "NaN:number", "1,5:string", ":string", "0x1:string"],
        ["12:number", "0:number", "9007199254740993:bigint", "1.0:string"],
        ["12:string", ":string"],
        ["2024-05-01:string", "17:number"],
        "[1, 2",
        [1, 2.5],
    ]
