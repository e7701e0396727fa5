"""``trueline predict``: predictions for the rows of a file, as a file."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from trueline._core import store
from trueline._core.errors import ConfigError, DataError
from trueline.cli.data_files import DataFile, DataOptions
from trueline.cli.data_files_find import find_data
from trueline.cli.data_files_options import comma_separated, data_options

if TYPE_CHECKING:
    from collections.abc import Mapping

    from trueline.models import Predictions

__all__ = ["TEXT_KINDS", "model_folder", "model_rows", "predict"]

TEXT_KINDS = ("csv", "jsonl")
"""Files of texts, whose columns take the types that a model asks for."""


@click.command(
    epilog="\b\nExamples:\n"
    "  trueline predict models/taxi rides.csv -o predictions.csv\n"
    "  trueline predict models/taxi rides.parquet -o out.parquet --columns trip_id,label,probabilities\n"
    "  trueline predict models/taxi 's3://bucket/day-*/part-?.csv' -o out.jsonl --columns '*,label'\n"
    "  trueline predict models/taxi examples/ --split eval -o predictions/"
)
@click.argument("model")
@click.argument("data")
@click.option(
    "-o",
    "--out",
    required=True,
    metavar="OUT",
    help="Where to: a .parquet, .csv, .tsv or .jsonl file, or a folder of Parquet files.",
)
@click.option(
    "--columns",
    metavar="A,B,...",
    multiple=True,
    callback=comma_separated,
    help="Columns of the result: the model's outputs and the data's, '*' for all of the data's (the outputs).",
)
@click.option("--rename", metavar="A=B,...", multiple=True, callback=comma_separated, help="Other names of outputs.")
@click.option("--allow-missing-columns", is_flag=True, help="A column that is not there is missing in every row.")
@click.option(
    "--allow-host", metavar="MODULE,...", multiple=True, callback=comma_separated, help="Modules whose code may run."
)
@click.option("--workers", type=click.IntRange(1), help="How many blocks at a time (the processors).")
@click.option("--processes", is_flag=True, help="Worker processes in place of threads.")
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@click.option("--json", "as_json", is_flag=True, help="Print what was written as JSON.")
@data_options
def predict(
    data: str, model: str, out: str, force: bool, as_json: bool, reading: DataOptions, **asked: Any
) -> None:  # fmt: skip
    """Predict every row of DATA with MODEL (a model's folder, or the folder that it was pushed to).

    Nothing is written unless every row is predicted.
    """
    from trueline.cli.predict_write import check_target, write_predictions

    kind = check_target(out, force)
    place = model_folder(model)
    local = store.is_local(out) and store.is_local(place)
    if local and store.local_path(out).resolve().is_relative_to(store.local_path(place).resolve()):
        raise ConfigError("this lies within the model itself", where=out, hint="write somewhere else.")
    found = find_data(data, reading)
    if not found.has_rows:
        raise ConfigError("statistics have no rows to predict", where=data, hint="give the data.")
    if reading.max_rejects:
        raise ConfigError("every row gets a prediction: --max-rejects is not for this command", hint="mend the rows.")
    if kind == "folder":
        _say(place, out, _predict(place, found, out, **asked).num_rows(), as_json)
        return
    with tempfile.TemporaryDirectory(prefix="trueline-") as folder:
        made = _predict(place, found, os.path.join(folder, "predictions"), **asked)
        write_predictions(made, out, kind)
        rows = made.num_rows()
    _say(place, out, rows, as_json)


def _say(model: str, out: str, rows: int, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"model": model, "out": out, "rows": rows}))
    else:
        click.echo(f"Wrote {rows} predictions to {out}")


def model_folder(location: str) -> str:
    """The model's own folder: as given, or the newest version of a folder that models are pushed to.

    Raises:
        ConfigError: there is no model.
    """
    if store.exists(store.join(location, "model.json")):
        return location
    versions = [int(n) for n in store.listdir(location) if n.isascii() and n.isdigit()]
    for version in sorted(versions, reverse=True):
        if store.exists(store.join(location, str(version), "MANIFEST.json")):
            return store.join(location, str(version))
    raise ConfigError(
        "there is no model here",
        where=location,
        hint="give a folder with model.json, or one that holds pushed versions.",
    )


def _predict(
    model: str,
    found: DataFile,
    uri: str,
    columns: tuple[str, ...],
    rename: tuple[str, ...],
    allow_missing_columns: bool,
    allow_host: tuple[str, ...],
    workers: int | None,
    processes: bool,
) -> Predictions:
    from trueline.engine import LocalEngine
    from trueline.models import Model, predict_dataset

    loaded = Model.load(model, allow_host=allow_host)
    with LocalEngine(workers=workers, processes=processes) as engine:
        try:
            return predict_dataset(
                loaded,
                model_rows(loaded, found),
                uri,
                columns=columns or None,
                rename=_pairs(rename),
                allow_missing_columns=allow_missing_columns,
                engine=engine,
            )
        except DataError as error:
            hint = (error.hint or "").replace("allow_missing_columns=True", "--allow-missing-columns") or None
            hint = "mend the rows: every row gets a prediction, or none." if "max_rejects" in (hint or "") else hint
            raise type(error)(error.message, where=found.location, hint=hint, problems=error.problems) from error


def model_rows(model: Any, found: DataFile) -> Any:
    """The rows: Parquet and Examples as they lie, text in the model's types."""
    from trueline.data import list_inputs
    from trueline.data_validation.entry import location_of
    from trueline.engine import Dataset

    if found.kind == "examples":
        return found.rows()
    if found.kind == "parquet":
        base, pattern = location_of(found.location)
        names = list_inputs(base, pattern)
        return Dataset.from_parquet([store.join(base, name) if name else base for name in names])
    spec = found.spec()
    if found.kind in TEXT_KINDS:
        inputs = [f for f in model.runtime.inputs if f.kind == "scalar" and f.dtype != "bytes"]
        types = {f.name: f.dtype for f in inputs}
        spec = replace(spec, params={**spec.params, "schema_types": types})
    return spec


def _pairs(texts: tuple[str, ...]) -> Mapping[str, str]:
    found = dict(text.partition("=")[::2] for text in texts)
    if wrong := [old for old, new in found.items() if not new]:
        raise ConfigError(f"--rename {wrong[0]} says no new name", hint="write --rename label=predicted.")
    return found
