"""From the raw CSV file to an answered request: runs the line, starts the real server, asks it about one trip.

    python examples/taxi/demo.py

The answer is compared with the scikit-learn model itself: fitted here once more, on the same rows with the same seed,
outside the line. Everything that is made goes to ``out/`` beside this file; the run's report is ``out/report.html``.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from trueline._core.values import arrow_type_of
from trueline.cli.load import load_pipeline
from trueline.cli.memory import open_runs
from trueline.cli.report import write_report
from trueline.cli.run import exit_code_of_run, run_and_watch
from trueline.pipeline import ArtifactHandle

HERE = Path(__file__).resolve().parent
OUT = HERE / "out"
Outputs = dict[str, Mapping[str, list[ArtifactHandle]]]
console = Console(soft_wrap=True, highlight=False)


def main() -> int:
    """Runs the demo; returns the line's exit code."""
    console.print("[bold]1. The line[/]: from CSV files to a pushed model")
    pipeline = load_pipeline(str(HERE / "pipeline.py"))
    result = run_and_watch(pipeline, console)
    report = OUT / "report.html"
    write_report(open_runs(pipeline.metadata), result.run_id, str(report))
    if not result.ok:
        console.print(f"\nThe report of the run: {report}")
        return exit_code_of_run(result)

    outputs = {node_id: node.outputs for node_id, node in result.nodes.items()}
    row = one_raw_row(outputs["CsvExampleGen"]["examples"][0].uri, outputs["Trainer"]["model"][0].uri)
    serving_dir = str(outputs["Pusher"]["pushed_model"][0].properties["pushed_destination"])

    console.print("\n[bold]2. The server[/]: one raw trip over HTTP")
    with tempfile.TemporaryDirectory() as folder:
        server, url = start_server(serving_dir, Path(folder) / "ready.json")
        try:
            body = {"instances": [row]}
            console.print(f"POST {url}/v1/models/taxi:predict\n{json.dumps(body)}", markup=False)
            answer = post(f"{url}/v1/models/taxi:predict", body)
            console.print(json.dumps(answer), markup=False)
        finally:
            server.terminate()
            server.wait(timeout=30)

    console.print("\n[bold]3. The same trip, the scikit-learn model itself[/]")
    served = answer["predictions"][0]["probabilities"]
    native = native_probabilities(outputs, row)
    difference = max(abs(a - b) for a, b in zip(served, native, strict=True))
    console.print(f"served {served}\nnative {native}\nlargest difference {difference:.1e}")
    console.print(f"\nThe report of the run: {report}")
    if difference > 1e-5:
        console.print("[bold red]The server does not predict what the model predicts.[/]")
        return 1
    return 0


def one_raw_row(examples_uri: str, model_uri: str) -> dict[str, object]:
    """A held-out trip as a client would send it: only the columns that the model asks for, missing ones left out."""
    from trueline import Examples, Model

    wanted = [feature.name for feature in Model.load(model_uri).runtime.inputs]
    rows = Examples.open(examples_uri).table("eval", wanted).to_pylist()
    # The first trip paid by card: cash tips are hardly ever recorded, so those trips are no puzzle.
    row = next(row for row in rows if row["payment_type"] == "Credit Card")
    return {name: value for name, value in row.items() if value is not None}


def start_server(base: str, ready: Path) -> tuple[subprocess.Popen[bytes], str]:
    """The real server as a process of its own, on a free port; with its address once it answers."""
    command = [sys.executable, "-m", "trueline.serving", "--model", f"taxi={base}", "--port", "0", "--fail-fast"]
    server = subprocess.Popen([*command, "--ready-file", str(ready)], stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not ready.exists():
        if server.poll() is not None or time.monotonic() > deadline:
            server.kill()
            raise SystemExit("the server did not start")
        time.sleep(0.05)
    place = json.loads(ready.read_text())
    return server, f"http://{place['host']}:{place['port']}"


def post(url: str, body: object) -> dict[str, list[dict[str, list[float]]]]:
    """One JSON request."""
    headers = {"content-type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)  # noqa: S310 - our own server
    with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310
        return json.loads(response.read())


def native_probabilities(outputs: Outputs, row: dict[str, object]) -> list[float]:
    """What scikit-learn itself says of the trip: the model fitted again on the line's own features, never exported."""
    import pyarrow as pa
    from model import LABEL, run_fn

    from trueline import Examples, FnArgs
    from trueline.models import input_arrays, model_inputs
    from trueline.transform import TransformOutput

    transform = TransformOutput.load(outputs["Transform"]["transform_graph"][0].uri)
    examples = Examples.open(outputs["Transform"]["transformed_examples"][0].uri)
    fn_args = FnArgs.create(
        train=examples.dataset("train"), transform=transform, label=LABEL, hyperparameters={"max_iter": 100}
    )
    model = run_fn(fn_args)
    features = list(fn_args.features)
    columns = {f.name: pa.array([row.get(f.name)], arrow_type_of(f)) for f in transform.raw_features(features)}
    transformed = transform.transform(pa.RecordBatch.from_pydict(columns), features)
    x = input_arrays(transformed, model_inputs(fn_args.train.features))["x"]
    return [float(value) for value in model.predict_proba(x)[0]]


if __name__ == "__main__":
    raise SystemExit(main())
