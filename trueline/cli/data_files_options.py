"""Options that every command on data has."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import click

from trueline._core.errors import TruelineError
from trueline.cli.data_files import KINDS, DataOptions

__all__ = ["comma_separated", "data_options"]

F = TypeVar("F", bound=Callable[..., Any])


def comma_separated(_: click.Context, __: click.Parameter, value: tuple[str, ...] | str | None) -> tuple[str, ...]:
    """Names from one or several options, commas between them."""
    texts = () if value is None else (value,) if isinstance(value, str) else value
    return tuple(name.strip() for text in texts for name in text.split(",") if name.strip())


_OPTIONS = (
    click.option("--format", "format_", type=click.Choice(KINDS), help="The kind of file, where the ending is silent."),
    click.option(
        "--split", default="", help="Which split of Examples or statistics (train; eval where a model is judged)."
    ),
    click.option(
        "--names", metavar="A,B,...", callback=comma_separated, help="Column names of a CSV without a header."
    ),
    click.option("--delimiter", default="", help="What stands between the cells of a CSV."),
    click.option("--trim", is_flag=True, help="Take blanks around the cells of a CSV away."),
    click.option(
        "--null", metavar="TEXT", multiple=True, help="A cell of a CSV that is missing, such as NA; repeatable."
    ),
    click.option("--skip-rows", default=0, type=click.IntRange(0), help="Lines to pass over at the start of a CSV."),
    click.option("--encoding", default="", help="Of the text of a CSV, such as latin-1 (UTF-8)."),
    click.option(
        "--max-rejects", default=0, type=click.IntRange(0), help="Rows that may be left out as unreadable (0)."
    ),
)


_SPELLED = {
    "max_rejects": "--max-rejects",
    "column_names": "--names",
    "encoding='utf16'": "--encoding utf16",
    "encoding=": "--encoding",
    "skip_rows=1": "--skip-rows 1",
    "delimiter=": "--delimiter",
    "null_values": "--null",
    "payload='sequence_example'": "--format sequence",
}


def _as_options(text: str) -> str:
    """What is said to those who call functions, as the command line says it."""
    for name, option in _SPELLED.items():
        text = text.replace(name, option)
    return text


def data_options(command: F) -> Callable[..., Any]:
    """Adds the options of reading; the command gets them as one `DataOptions` named ``reading``."""

    @wraps(command)
    def wrapped(
        format_: str | None,
        split: str,
        names: tuple[str, ...],
        delimiter: str,
        trim: bool,
        max_rejects: int,
        null: tuple[str, ...],
        encoding: str,
        skip_rows: int,
        **given: Any,
    ) -> Any:
        shown = delimiter.replace("\\t", "\t")
        reading = DataOptions(format_ or "", split, names, shown, trim, max_rejects, null, encoding, skip_rows)
        try:
            return command(reading=reading, **given)
        except TruelineError as error:
            hint = None if error.hint is None else _as_options(error.hint)
            problems = [_as_options(problem) for problem in error.problems]
            if hint == error.hint and problems == list(error.problems):
                raise
            raise type(error)(error.message, where=error.where, hint=hint, problems=problems) from error

    found: Callable[..., Any] = wrapped
    for option in reversed(_OPTIONS):
        found = option(found)
    return found
