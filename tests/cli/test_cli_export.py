"""``trueline export``: every target whole or not at all, and sentences for what cannot leave."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
from host_functions_cli import text_length

import trueline.transform as tlt
from trueline.cli.app import run_command
from trueline.models import Fitted, Model, build_model
from trueline.models.export_targets import REFUSED, TARGETS

WORDS = ["red", "green", "Blue", None]


def rows(count: int = 300) -> pa.Table:
    rng = np.random.default_rng(1)
    size = rng.normal(10, 3, count)
    words = [WORDS[i] for i in rng.integers(0, 4, count)]
    return pa.table(
        {
            "word": pa.array(words, pa.string()),
            "size": pa.array(size, mask=rng.random(count) < 0.2),
            "count": rng.integers(0, 9, count),
            "good": [w == "red" or s > 12 for w, s in zip(words, size, strict=True)],
        }
    )


def built(uri: str, table: pa.Table, **more: Any) -> Model:
    from sklearn.tree import DecisionTreeClassifier

    def preprocessing(x: Any) -> dict[str, Any]:
        word = tlt.compute_and_apply_vocabulary(tlt.fill_missing(x["word"], "none"), num_oov_buckets=1)
        made = {"word": word, "size": tlt.fill_missing(x["size"], 0.0), "count": tlt.fill_missing(x["count"], 0)}
        return made | {name: function(x) for name, function in more.items()} | {"good": x["good"]}

    made, output = tlt.analyze_and_transform(table, preprocessing)
    x = np.stack([np.array(made[n].to_pylist(), np.float32) for n in ("word", "size", "count", *more)], axis=1)
    tree = DecisionTreeClassifier(max_depth=4, random_state=0).fit(x, made["good"].to_pylist())
    return build_model(Fitted(tree), uri=uri, transform=output, label="good", sample=table, name="words")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return built(str(tmp_path_factory.mktemp("export") / "model"), rows())


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rows")
    pacsv.write_csv(rows(), folder / "rows.csv")
    pq.write_table(rows(), folder / "rows.parquet")
    pq.write_table(rows().drop_columns("size"), folder / "without.parquet")
    return folder


def test_onnx_comes_with_a_short_script_that_asks_it(model: Model, tmp_path: Path, capsys: Any) -> None:
    out = tmp_path / "onnx"
    assert run_command(["export", model.uri, "--to", "onnx", "-o", str(out)]) == 0
    assert capsys.readouterr().out == f"Wrote words for onnx to {out}\n"
    assert sorted(p.name for p in out.iterdir()) == ["feeds.json", "model.onnx", "predict.py"]
    script = (out / "predict.py").read_text()
    assert len([line for line in script.splitlines() if line.strip()]) <= 22
    done = subprocess.run(
        [sys.executable, "-I", "-W", "error", str(out / "predict.py")], capture_output=True, text=True, check=False
    )  # in any working folder
    assert done.returncode == 0, done.stderr
    example = json.loads((out / "feeds.json").read_text())["example"]
    expected = model.predict([example])
    said = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    assert said == {name: str(expected[name].to_pylist()) for name in ("probabilities", "label")}


def test_the_scripts_function_takes_many_rows_with_gaps(model: Model, tmp_path: Path) -> None:
    out = tmp_path / "onnx"
    assert run_command(["export", model.uri, "--to", "onnx", "-o", str(out)]) == 0
    table = rows().slice(0, 40)
    asked = [{k: v for k, v in r.items() if v is not None} for r in table.drop_columns("good").to_pylist()]
    code = f"import predict; print([v.tolist() for v in predict.predict({asked!r})])"
    done = subprocess.run([sys.executable, "-c", code], cwd=out, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    _, labels = json.loads(done.stdout.replace("True", "true").replace("False", "false"))
    assert labels == model.predict(table)["label"].to_pylist()


@pytest.mark.parametrize("file", ["rows.csv", "rows.parquet"])
def test_python_is_compared_on_the_sample(file: str, model: Model, data: Path, tmp_path: Path, capsys: Any) -> None:
    out = tmp_path / "py"
    command = ["export", model.uri, "--to", "python", "-o", str(out), "--sample", str(data / file), "--rows", "120"]
    assert run_command(command) == 0
    assert "(rows compared: 120; largest difference: 0.0)" in capsys.readouterr().out
    assert [p.name for p in out.iterdir()] == ["words.py"]


def test_the_web_folder_says_what_it_still_needs(model: Model, tmp_path: Path, capsys: Any) -> None:
    out = tmp_path / "web"
    assert run_command(["export", model.uri, "--to", "web", "-o", str(out)]) == 0
    assert "missing: ort/, which the page asks for; see --runtime" in capsys.readouterr().out
    about = json.loads((out / "feeds.json").read_text())
    assert about["examples"].keys() == {"word", "size", "count"}
    assert about["classes"] == [False, True]
    assert (out / "index.html").exists()


def test_a_pushed_models_newest_version_is_taken(model: Model, tmp_path: Path) -> None:
    from trueline._core.store import copy_tree

    for version in ("1", "10", "9"):
        copy_tree(model.uri, str(tmp_path / "pushed" / version))
    out = tmp_path / "out"
    assert run_command(["export", str(tmp_path / "pushed"), "--to", "server", "-o", str(out)]) == 0
    assert (out / "models" / "words" / "1" / "MANIFEST.json").exists()


@pytest.mark.parametrize("target", sorted(REFUSED))
def test_what_is_refused_says_what_to_use_instead(target: str, model: Model, tmp_path: Path, capsys: Any) -> None:
    assert run_command(["export", model.uri, "--to", target, "-o", str(tmp_path / "out")]) == 1
    said = capsys.readouterr().err
    assert f"a model is not exported to {target}" in said
    assert "--to " in said.partition("Hint: ")[2]
    assert not (tmp_path / "out").exists()


def test_pmml_says_why(model: Model, tmp_path: Path, capsys: Any) -> None:
    run_command(["export", model.uri, "--to", "pmml", "-o", str(tmp_path / "out")])
    said = capsys.readouterr().err
    assert "PMML cannot say what the preprocessing does here" in said
    assert "it would be another model than the one that was measured" in said


def test_an_unknown_target_lists_those_that_there_are(model: Model, tmp_path: Path, capsys: Any) -> None:
    assert run_command(["export", model.uri, "--to", "onxx", "-o", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert "no target 'onxx'" in said
    assert "Did you mean 'onnx'? There is: litert, onnx, python, saved-model, server, web." in said


def test_a_folder_that_is_taken_stays_as_it_is(model: Model, tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    assert run_command(["export", model.uri, "--to", "onnx", "-o", str(tmp_path / "out")]) == 2
    assert "there is something already" in capsys.readouterr().err
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["mine.txt"]
    (tmp_path / "empty").mkdir()
    assert run_command(["export", model.uri, "--to", "onnx", "-o", str(tmp_path / "empty")]) == 0


@pytest.mark.parametrize(
    ("sample", "code", "said"),
    [
        (None, 2, "--to python needs sample rows: what it writes is compared with the model on them first"),
        ("without.parquet", 1, "no column 'size'. There is: word, count, good"),
        ("nowhere.csv", 1, "nowhere.csv"),
    ],
)
def test_samples_that_cannot_do(
    sample: str | None, code: int, said: str, model: Model, data: Path, tmp_path: Path, capsys: Any
) -> None:
    given = ["--sample", str(data / sample)] if sample else []
    found = run_command(["export", model.uri, "--to", "python", "-o", str(tmp_path / "out"), *given])
    err = capsys.readouterr().err
    assert found == code, err
    assert said.partition(" There is")[0] in err
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def hosted(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A model with a host step."""
    count = lambda x: tlt.fill_missing(tlt.host(text_length, x["word"], dtype="int64"), 0)  # noqa: E731
    return built(str(tmp_path_factory.mktemp("hosted") / "model"), rows(), length=count)


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("web", "the browser cannot run this model"),
        ("onnx", "ONNX Runtime alone cannot run this model"),
        ("server", "a bundle cannot carry this model: its code is not in it"),
        ("python", "the model cannot be written as plain Python"),
    ],
)
def test_host_steps_are_refused_by_name_and_nothing_stays(
    target: str, said: str, hosted: Model, data: Path, tmp_path: Path, capsys: Any
) -> None:
    command = ["export", hosted.uri, "--to", target, "-o", str(tmp_path / "out"), "--allow-host", "host_functions_cli"]
    assert run_command([*command, "--sample", str(data / "rows.parquet")]) == 1
    err = capsys.readouterr().err
    assert said in err
    assert "is Python (host_functions_cli:text_length)" in err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("target", ["web", "onnx"])
def test_foreign_operators_are_refused_by_name(
    target: str, model: Model, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = onnx.load(str(Path(model.uri) / "model.onnx"))
    changed.graph.node.append(onnx.helper.make_node("StringUpper", ["a"], ["b"], domain="ai.onnx.contrib"))
    read = {"trueline.models.foreign": "read_graph", "trueline.models.web_export": "read_graph"}
    for module, name in read.items():
        monkeypatch.setattr(f"{module}.{name}", lambda *_: changed.SerializeToString())
    assert run_command(["export", model.uri, "--to", target, "-o", str(tmp_path / "out")]) == 1
    assert "ai.onnx.contrib:StringUpper" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_writer_that_breaks_off_leaves_nothing(model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from trueline.models import onnx_export

    def breaks(_: Any) -> dict[str, Any]:
        raise OSError("no space left on device")

    monkeypatch.setattr(onnx_export.json, "dumps", breaks)
    assert run_command(["export", model.uri, "--to", "onnx", "-o", str(tmp_path / "out")]) == 1
    assert not list(tmp_path.iterdir())


def test_nothing_is_written_into_the_model_itself(model: Model, data: Path, capsys: Any) -> None:
    before = sorted(Path(model.uri).rglob("*"))
    for out in ("inside", "native/inside"):
        assert run_command(["export", model.uri, "--to", "onnx", "-o", f"{model.uri}/{out}"]) == 2
        assert "within the model itself" in capsys.readouterr().err
    for out in ("out.csv", "native/out.parquet", "folder"):
        assert run_command(["predict", model.uri, str(data / "rows.csv"), "-o", f"{model.uri}/{out}"]) == 2
        assert "within the model itself" in capsys.readouterr().err
    assert sorted(Path(model.uri).rglob("*")) == before


@pytest.mark.parametrize(("name", "said"), [("file/out", "file exists"), ("x" * 300, "file name too long")])
def test_places_that_cannot_be_are_sentences(
    model: Model, data: Path, tmp_path: Path, capsys: Any, name: str, said: str
) -> None:
    (tmp_path / "file").write_text("x")
    for command in (
        ["export", model.uri, "--to", "onnx", "-o", f"{tmp_path}/{name}"],
        ["predict", model.uri, str(data / "rows.csv"), "-o", f"{tmp_path}/{name}.csv"],
    ):
        assert run_command(command) == 1
        told = capsys.readouterr().err
        assert said in told
        assert "Hint: " in told
        assert "--debug" not in told
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_every_target_stands_in_the_help() -> None:
    from trueline.cli.export import export

    listed = {line.split()[0] for line in (export.epilog or "").splitlines() if line.startswith("  ") and line.split()}
    assert set(TARGETS) <= listed
