"""``trueline export``: a model for another place to run in."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from trueline._core.errors import DataError, did_you_mean
from trueline.cli.data_files import DataOptions
from trueline.cli.data_files_find import find_data
from trueline.cli.data_files_options import comma_separated

if TYPE_CHECKING:
    import pyarrow as pa

    from trueline.models import Model

__all__ = ["export"]

_ROWS = 2000


@click.command(
    epilog="\b\nTargets:\n"
    "  web          a page and scripts that predict in the browser, offline\n"
    "  server       the model, the exact packages of its server, and how to start it\n"
    "  onnx         the plain graph, its feeds as JSON, and a short script that asks it\n"
    "  python       one Python file that needs nothing but Python (linear models, trees)\n"
    "  litert       for phones and small devices, by LiteRT\n"
    "  saved-model  for TensorFlow and TensorFlow Serving\n"
    "\b\nExamples:\n"
    "  trueline export models/taxi --to web -o taxi-page --runtime node_modules/onnxruntime-web/dist\n"
    "  trueline export models/taxi --to python -o taxi-python --sample data/taxi.csv"
)
@click.argument("model")
@click.option("--to", required=True, metavar="TARGET", help="Where it shall run; the list stands below.")
@click.option("-o", "--out", required=True, metavar="FOLDER", help="An absent or empty folder.")
@click.option("--sample", metavar="DATA", help="Raw rows on which the result is compared with the model.")
@click.option("--rows", default=_ROWS, show_default=True, type=click.IntRange(1), help="At most so many of them.")
@click.option(
    "--runtime", metavar="DIST", help="For web: the folder dist of the npm package onnxruntime-web, or a URL."
)
@click.option("--transform", metavar="FOLDER", help="For saved-model: the transform that the model was trained on.")
@click.option(
    "--allow-host", metavar="MODULE,...", multiple=True, callback=comma_separated, help="Modules whose code may run."
)
@click.option("--json", "as_json", is_flag=True, help="Print what was written as JSON.")
def export(
    model: str,
    to: str,
    out: str,
    sample: str | None,
    rows: int,
    runtime: str | None,
    transform: str | None,
    allow_host: tuple[str, ...],
    as_json: bool,
) -> None:
    """Write MODEL (a model's folder, or the folder that it was pushed to) for another place to run in.

    It is written whole or not at all; a target that cannot run the model says what of it.
    """
    from trueline.cli.predict import model_folder
    from trueline.models import Model
    from trueline.models.export_targets import check_target, export_model

    check_target(to)
    loaded = Model.load(model_folder(model), allow_host=allow_host)
    table = _sample(loaded, sample, rows) if sample else None
    facts = export_model(loaded, to, out, sample=table, runtime=runtime, transform=transform)
    if as_json:
        click.echo(json.dumps({"model": loaded.name, "to": to, "out": out, "facts": facts}, default=str))
        return
    told = "; ".join(f"{name}: {value}" for name, value in facts.items())
    click.echo(f"Wrote {loaded.name} for {to} to {out}" + (f" ({told})" if told else ""))


def _sample(model: Model, place: str, rows: int) -> pa.Table:
    """The first rows of data; text cells are read in the types that the model asks for."""
    import pyarrow as pa

    from trueline.cli.predict import model_rows
    from trueline.transform.datasets import opened

    names = {f.name for f in model.runtime.inputs}
    with opened(model_rows(model, find_data(place, DataOptions()))) as dataset:
        taken: list[pa.RecordBatch] = []
        left = rows
        for batch in dataset.batches([name for name in dataset.columns if name in names]):
            taken.append(batch.slice(0, left))
            left -= taken[-1].num_rows
            if left == 0:
                break
        shown = [name for name in dataset.columns if not name.startswith("__")]
    problems = [f"no column {n!r}. {did_you_mean(n, shown)}" for n in sorted(names - set(shown))]
    if problems or not taken:
        raise DataError("the sample does not fit the model", where=place, problems=problems or ["it has no rows"])
    return pa.Table.from_batches(taken)
