"""``trueline schema generate``: made-up rows that a schema accepts."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import click

from trueline._core.errors import ConfigError
from trueline.cli.data_files_find import load_schema

__all__ = ["generate"]


@click.command(epilog="\b\nExample:\n  trueline schema generate schema.pbtxt --rows 1000 --seed 7 --out rows.csv")
@click.argument("schema")
@click.option("--rows", "count", default=100, show_default=True, type=click.IntRange(0), help="How many rows.")
@click.option("--seed", default=0, show_default=True, help="Equal seeds give equal rows.")
@click.option("--environment", help="One of the schema's environments: features outside it are left out.")
@click.option("--out", required=True, metavar="FILE", help="Where to: .csv, .parquet or .jsonl; - prints JSON lines.")
@click.option("--json", "as_json", is_flag=True, help="Print what was written as JSON.")
def generate(schema: str, count: int, seed: int, environment: str | None, out: str, as_json: bool) -> None:
    """Make up rows that SCHEMA accepts: for tests of code, not for training."""
    from trueline._core import store
    from trueline.data_validation import generate_examples

    ending = ".jsonl" if out == "-" else next((e for e in _WRITERS if out.lower().endswith(e)), None)
    if ending is None:
        raise ConfigError("the ending names no format", where=out, hint=f"give one of {', '.join(_WRITERS)}.")
    found = load_schema(schema)
    if environment is not None:
        from trueline.data_validation.validation import check_schema

        check_schema(found, environment)
    data = _WRITERS[ending](generate_examples(found, count, seed, environment=environment))
    if out == "-":
        click.echo(data, nl=False)
        return
    store.write_bytes(out, data)
    click.echo(json.dumps({"out": out, "rows": count}) if as_json else f"Wrote {out}: {count:,} rows")


def _parquet(table: Any) -> bytes:
    import pyarrow.parquet as pq

    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


def _csv(table: Any) -> bytes:
    """CSV; missing is an empty cell, an empty text is ``""``.

    Raises:
        ConfigError: naming the columns that a CSV cannot hold.
    """
    import pyarrow as pa
    import pyarrow.csv as csv

    nested = [field.name for field in table.schema if pa.types.is_nested(field.type)]
    if nested:
        raise ConfigError(
            f"a CSV cell holds one value, and these columns have lists: {', '.join(nested)}",
            hint="write .parquet or .jsonl.",
        )
    sink = pa.BufferOutputStream()
    csv.write_csv(_printable(table), sink)
    return bytes(sink.getvalue().to_pybytes())


def _printable(table: Any) -> Any:
    """Bytes that are text as text.

    Raises:
        ConfigError: naming a column of other bytes.
    """
    import pyarrow as pa

    for place, field in enumerate(table.schema):
        if pa.types.is_binary(field.type):
            try:
                table = table.set_column(place, field.name, table.column(place).cast(pa.string()))
            except pa.ArrowInvalid as error:
                raise ConfigError(
                    f"column {field.name!r} holds bytes that are no text", hint="write .parquet."
                ) from error
    return table


def _jsonl(table: Any) -> bytes:
    lines = [json.dumps(row, ensure_ascii=False, default=_plain) for row in table.to_pylist()]
    return "".join(f"{line}\n" for line in lines).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value.isoformat() if isinstance(value, datetime) else str(value)


_WRITERS: Mapping[str, Callable[[Any], bytes]] = {".csv": _csv, ".parquet": _parquet, ".jsonl": _jsonl}
