"""Where the runs are remembered: finds the metadata databases and opens them.

Asked in this order: ``--metadata``, ``--env``, ``$TRUELINE_METADATA``, ``$TRUELINE_ENV``, the key ``metadata`` of
``trueline.toml`` in this folder or one above, every ``metadata.db`` in this folder or up to three folders below and
that of the environment ``dev``. An environment's database is its ``metadata``, else the one in its ``root``; one that
names neither leaves the rest of the order as it is.

Two pipelines have two databases: what can be answered of all of them is (`open_all`), and a run is looked for in each
(`find_run`).
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click
from click.core import ParameterSource

from trueline._core.errors import ConfigError, MetadataError, did_you_mean
from trueline.cli.completion import complete_environments, complete_files
from trueline.cli.config import ENVIRONMENT_VARIABLE
from trueline.cli.config_place import default_place, place_of_environment

if TYPE_CHECKING:
    from trueline.metadata import MetadataStore, RunRecord, RunStore

__all__ = [
    "CONFIGURATION",
    "ENVIRONMENT",
    "find_database",
    "find_databases",
    "find_run",
    "location_option",
    "metadata_option",
    "open_all",
    "open_runs",
    "open_store",
    "open_stores",
    "shown_place",
]

F = TypeVar("F", bound=Callable[..., object])
ENVIRONMENT = "TRUELINE_METADATA"
CONFIGURATION = "trueline.toml"
_FILE = "metadata.db"
_DEPTH = 3
_PASSED = frozenset({"node_modules", "site-packages", "__pycache__"})


def metadata_option(function: F) -> F:
    """The options ``--metadata`` and ``--env`` of every command that asks the memory.

    The command gets as `location` what they, or the variables, say; None where nothing was said.
    """

    @functools.wraps(function)
    def placed(*arguments: Any, location: str | None, env: str | None, **options: Any) -> object:
        return function(*arguments, location=_said(location, env), **options)

    option: Callable[[F], F] = click.option(
        "--env",
        metavar="NAME",
        shell_complete=complete_environments,
        help=f"The environment of trueline.toml whose runs are meant (or ${ENVIRONMENT_VARIABLE}).",
    )
    return location_option(option(cast(F, placed)))


def location_option(function: F) -> F:
    """The option ``--metadata`` alone."""
    option: Callable[[F], F] = click.option(
        "--metadata",
        "location",
        metavar="LOCATION",
        envvar=ENVIRONMENT,
        shell_complete=complete_files,
        help=f"Path or URL of the metadata database (or ${ENVIRONMENT}); by default those below this folder.",
    )
    return option(function)


def _said(location: str | None, env: str | None) -> str | None:
    """The place that the command line names; what a group was told goes before variables, as its `obj`."""
    context = click.get_current_context()
    if location is not None and context.get_parameter_source("location") is ParameterSource.COMMANDLINE:
        return location
    if env is not None and (place := place_of_environment(env)) is not None:
        return place
    if isinstance(context.obj, str):
        return None
    variable = os.environ.get(ENVIRONMENT_VARIABLE)
    return location or (place_of_environment(variable) if variable and env is None else None)


def find_databases(location: str | None) -> list[str]:
    """The given location, the one that ``trueline.toml`` names, or every ``metadata.db`` near this folder.

    Raises:
        MetadataError: there is none.
        ConfigError: ``trueline.toml`` cannot be read.
    """
    if location:
        return [location]
    if configured := _configured():
        return configured
    found = [os.fspath(path) for path in sorted(_below(Path(), _DEPTH))]
    found += _of_default(found)
    if not found:
        raise MetadataError(
            "there is no metadata database below this folder", where=str(Path.cwd()), hint="give --metadata LOCATION."
        )
    return found


def _of_default(found: list[str]) -> list[str]:
    """The database of the environment that runs take unasked, where it is there and not among those found."""
    try:
        place = default_place()
    except ConfigError:
        if found:  # they can be read whatever is wrong with an environment that nobody named
            return []
        raise
    if place is None:
        return []
    file = Path(place.removeprefix("sqlite:///"))
    if "://" in os.fspath(file):
        return [place]
    known = {Path(path).resolve() for path in found}
    return [place] if file.is_file() and file.resolve() not in known else []


def find_database(location: str | None) -> str:
    """The only database of `find_databases`.

    Raises:
        MetadataError: there is none, or more than one.
    """
    found = find_databases(location)
    if len(found) == 1:
        return found[0]
    raise MetadataError(
        f"there are {len(found)} metadata databases below this folder",
        where=str(Path.cwd()),
        problems=[shown_place(place) for place in found],
        hint="say which one: --metadata LOCATION.",
    )


def _below(folder: Path, depth: int) -> Iterator[Path]:
    """Databases in a folder and below; hidden folders and installed packages hold none of ours."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if entry.name == _FILE and entry.is_file():
            yield folder / entry.name
        elif depth and entry.name[0] != "." and entry.name not in _PASSED and entry.is_dir(follow_symlinks=False):
            yield from _below(folder / entry.name, depth - 1)


def _configured() -> list[str]:
    """What ``metadata`` of the nearest ``trueline.toml`` says: one place or a list; paths are relative to the file."""
    here = Path.cwd()
    file = next(
        (folder / CONFIGURATION for folder in (here, *here.parents) if (folder / CONFIGURATION).is_file()), None
    )
    if file is None:
        return []
    import tomllib

    try:
        value: Any = tomllib.loads(file.read_text(encoding="utf-8")).get("metadata", [])
    except (OSError, ValueError) as error:
        raise ConfigError(f"it cannot be read: {error}", where=str(file)) from error
    places = [value] if isinstance(value, str) else value
    if not isinstance(places, list) or not all(isinstance(place, str) and place for place in places):
        raise ConfigError("`metadata` is a path or URL, or a list of them", where=str(file))
    return [place if "://" in place else os.path.relpath(file.parent / Path(place).expanduser()) for place in places]


def shown_place(place: str) -> str:
    """A database's place as people may read it: without a password."""
    if "://" not in place:
        return place
    scheme, _, rest = place.partition("://")
    login, at, host = rest.rpartition("@")
    user, colon, _ = login.partition(":")
    return f"{scheme}://{user}{':***' if colon else ''}{at}{host}"


def open_store(location: str | None) -> MetadataStore:
    """The metadata store, to read from; it is never made here."""
    from trueline.metadata import MetadataStore

    return MetadataStore(find_database(location), create=False, readonly=True)


def open_runs(location: str | None) -> RunStore:
    """The runs in the metadata store."""
    from trueline.metadata import RunStore

    return RunStore(open_store(location))


def open_stores(location: str | None) -> list[MetadataStore]:
    """Every database, to read from; of several, those that cannot be read are passed over, which stderr says.

    Raises:
        MetadataError: there is none, or none can be read.
    """
    from trueline.metadata import MetadataStore

    places = find_databases(location)
    opened: list[MetadataStore] = []
    for place in places:
        try:
            opened.append(MetadataStore(place, create=False, readonly=True))
        except MetadataError as error:
            if place == places[-1] and not opened:
                raise
            click.echo(f"({shown_place(place)} is passed over: {error.message})", err=True)
    return opened


def open_all(location: str | None) -> list[tuple[str, RunStore]]:
    """(place, runs) of every database; of several, those that another program made are passed over too.

    Raises:
        MetadataError: there is none, or none can be read.
    """
    from trueline.metadata import RunStore

    opened = open_stores(location)
    ours = [store for store in opened if store.database.adopted] if len(opened) > 1 else opened
    return [(_short(store.database.path, store.database.place), RunStore(store)) for store in ours or opened]


def _short(path: Path | None, place: str) -> str:
    """A file's path from this folder where it lies below it; another database's address, which has no password."""
    if path is None:
        return place
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else os.fspath(path)


def find_run(run: str, location: str | None) -> tuple[RunStore, RunRecord]:
    """A run by its id, the beginning of one, or ``latest``, in whichever database holds it.

    With several databases, a line on stderr says where the run lies.

    Raises:
        MetadataError: no such run, or several begin so.
    """
    memory = open_all(location)
    if len(memory) == 1:
        return memory[0][1], memory[0][1].run(run)
    place, runs, run_id = _newest(memory) if run == "latest" else _the_one(memory, run)
    click.echo(f"(run {run_id} of {shown_place(place)})", err=True)
    return runs, runs.run(run_id)


def _newest(memory: list[tuple[str, RunStore]]) -> tuple[str, RunStore, str]:
    newest = [(found[0].started, i) for i, (_, runs) in enumerate(memory) if (found := runs.runs(limit=1))]
    if not newest:
        raise MetadataError("there are no runs yet", hint="run a pipeline first.")
    place, runs = memory[max(newest)[1]]
    return place, runs, runs.runs(limit=1)[0].run_id


def _the_one(memory: list[tuple[str, RunStore]], run: str) -> tuple[str, RunStore, str]:
    known = [(place, runs, record.run_id) for place, runs in memory for record in runs.runs()]
    exact = [entry for entry in known if entry[2] == run]
    found = exact or [entry for entry in known if entry[2].startswith(run)]
    if len(found) == 1:
        return found[0]
    if not found:
        raise MetadataError(f"there is no run {run!r}", hint=did_you_mean(run, [entry[2] for entry in known]))
    raise MetadataError(
        f"{len(found)} runs begin with {run!r}",
        problems=[f"{run_id} of {shown_place(place)}" for place, _, run_id in found],
        hint="say more of the id, or which database: --metadata LOCATION.",
    )
