"""Environments of a project: the same pipeline on other stores, another engine, another runner.

``trueline.toml`` beside the pipeline, or in a folder above it::

    [project]
    pipeline = "pipeline.py"

    [environments.dev]
    root = "out/line"

    [environments.prod]
    root = "${TRUELINE_ROOT}"
    metadata = "postgresql://line:${TRUELINE_DATABASE_PASSWORD}@db/line"
    engine = "ray://head:10001"
    isolation = "process"
    params = { serving_dir = "${TRUELINE_SERVING_DIR}" }

Relative paths are relative to the file's folder, wherever the command is called: ``project.pipeline``, ``root``,
``metadata``, and parameters whose name ends in ``_dir``, ``_file``, ``_folder`` or ``_path`` or whose value begins with
``./`` or ``../``. Parameters are for the pipeline that ``[project]`` names, not for other files. ``${NAME}`` is filled
from the process's environment, for the chosen environment alone.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from trueline._core import store
from trueline._core.errors import ConfigError, did_you_mean
from trueline.cli.config_file import ConfigFile, find_config, line_told, read_config, unknown

if TYPE_CHECKING:
    from trueline.pipeline import Pipeline

__all__ = [
    "DEFAULT",
    "ENVIRONMENT_VARIABLE",
    "Environment",
    "apply",
    "environment_of",
    "project_pipeline",
    "read_environment",
]


ENVIRONMENT_VARIABLE = "TRUELINE_ENV"
DEFAULT = "dev"
_TOP = ("project", "environments", "metadata")
_PATHS = ("_dir", "_file", "_folder", "_path")
_ENGINE = re.compile(r"local|ray|ray://\S+")
_RUNNER = re.compile(r"local|[A-Za-z_][\w.]*:[A-Za-z_]\w*")


@dataclass(frozen=True)
class Environment:
    """One place to run a pipeline; what is None is as the pipeline or the command has it.

    Attributes:
        name: as the file has it; "" where no environment was chosen.
        file: the configuration, or None.
        params: for ``create_pipeline``: texts, numbers and truth values.
        written: the same as the file has them, variables not filled in: what may be recorded.
        root: where artifacts go, absolute or a URI.
        metadata: the metadata database's path or URL; may hold a password.
        engine: ``local``, ``ray`` or the address of a Ray cluster, ``ray://host:10001``.
        runner: ``local`` or ``package.module:Class``.
        workers: nodes that the runner carries out at the same time.
        isolation: ``thread`` or ``process``.
        cache: whether unchanged nodes may be taken from the cache.
    """

    name: str = ""
    file: Path | None = None
    params: Mapping[str, Any] = field(default_factory=dict, repr=False)
    written: Mapping[str, Any] = field(default_factory=dict)
    root: str | None = None
    metadata: str | None = field(default=None, repr=False)
    engine: str | None = None
    runner: str | None = None
    workers: int | None = None
    isolation: str | None = None
    cache: bool | None = None

    def texts(self, given: Sequence[str] = ()) -> list[str]:
        """``key=value`` texts for ``create_pipeline``: the file's, where the command line does not say otherwise."""
        said = {text.partition("=")[0] for text in given}
        return [f"{key}={_text(value)}" for key, value in self.params.items() if key not in said] + list(given)

    def recorded(self, given: Sequence[str] = ()) -> dict[str, str]:
        """The parameters that are kept with the run: variables of the environment by their names alone."""
        return {key: _text(value) for key, value in self.written.items()} | dict(
            text.partition("=")[::2] for text in given
        )

    def without(self, names: Iterable[str]) -> Environment:
        """The same with no say in settings that the command line has as parameters of these names."""
        said = set(names)
        return replace(
            self,
            root=None if "root" in said else self.root,
            metadata=None if "metadata" in said else self.metadata,
        )


def project_pipeline(start: str | os.PathLike[str] = ".") -> str:
    """The pipeline file that the nearest ``trueline.toml`` names.

    Raises:
        ConfigError: there is no such file, it names none, or it is not right (with every problem).
    """
    path = find_config(Path(start))
    if path is None:
        raise ConfigError(
            "no pipeline file was given, and there is no trueline.toml here or above",
            where=str(Path(start).absolute()),
            hint='give FILE, or write [project] pipeline = "pipeline.py" into trueline.toml.',
        )
    file = read_config(path)
    problems: list[str] = []
    named = file.table(problems, "project").get("pipeline")
    if not problems and isinstance(named, str) and named:
        return os.path.relpath(file.folder / named)
    environment_of(path, warn=lambda sentence: None)  # a misspelt key may be why no file is named
    raise ConfigError(
        "it names no pipeline file",
        where=file.line_of("project", "pipeline"),
        problems=problems,
        hint='give FILE, or write [project] pipeline = "pipeline.py".',
    )


def environment_of(
    file: str | os.PathLike[str] | None,
    name: str | None = None,
    *,
    variables: Mapping[str, str] | None = None,
    warn: Callable[[str], None] | None = None,
) -> Environment:
    """The environment to run a pipeline file in.

    Args:
        file: the pipeline's file, beside or below which the configuration is looked for; None: the working folder.
        name: of the environment; by default ``$TRUELINE_ENV``, else ``dev`` where there is one, else none.
        variables: the process's environment, unless given.
        warn: told of passwords that stand in the file; by default stderr.

    Raises:
        ConfigError: every problem of the file, each with its line: unknown environment or setting, wrong values,
            missing variables.
    """
    variables = os.environ if variables is None else variables
    wanted = name or variables.get(ENVIRONMENT_VARIABLE) or None
    path = find_config(Path(file).absolute().parent if file is not None else Path())
    if path is None:
        if wanted:
            raise ConfigError(
                f"there is no environment {wanted!r}: no trueline.toml beside the pipeline or above",
                where=str(file or Path.cwd()),
                hint="write [environments.NAME] into a trueline.toml there.",
            )
        return Environment()
    config = read_config(path)
    problems = unknown(config, config.data, _TOP)
    problems += unknown(config, config.table(problems, "project"), ("pipeline",), "project")
    known = config.table(problems, "environments")
    chosen = wanted or (DEFAULT if DEFAULT in known else None)
    if wanted and wanted not in known:
        problems.append(f"{config.line_of('environments')}: no environment {wanted!r}. {did_you_mean(wanted, known)}")
    found = Environment(file=path)
    if chosen is not None and chosen in known:
        found = read_environment(config, chosen, problems, variables)
    if problems:
        raise ConfigError("the configuration is not right", where=str(path), problems=sorted(problems, key=line_told))
    if file is not None and _other_than_named(config, file):
        found = replace(found, params={}, written={})
    for place in config.literal_passwords():
        (warn or _warn)(f"{place} holds a password; write ${{NAME}} there and set the variable instead.")
    return found


def _other_than_named(config: ConfigFile, file: str | os.PathLike[str]) -> bool:
    """Whether a pipeline file is another one than the project's: parameters are the project's pipeline's alone."""
    named = config.table([], "project").get("pipeline")
    return isinstance(named, str) and (config.folder / named).resolve() != Path(file).resolve()


def apply(pipeline: Pipeline, environment: Environment) -> Pipeline:
    """The same pipeline with the environment's root, database and cache; the engine is set for this process.

    Raises:
        ConfigError: a remote root without a database.
    """
    if environment.root is not None:
        beside = pipeline.metadata == _beside(pipeline.root)
        pipeline.root = environment.root
        if environment.metadata is None and beside:
            if not store.is_local(environment.root):
                raise ConfigError(
                    f"the root {environment.root} of environment {environment.name!r} is remote",
                    where=str(environment.file),
                    hint='say there with metadata = "..." where the database is.',
                )
            pipeline.metadata = _beside(environment.root)
    if environment.metadata is not None:
        pipeline.metadata = environment.metadata
    if environment.cache is not None:
        pipeline.cache = environment.cache
    if environment.engine is not None:
        from trueline.engine.local import ENGINE_VARIABLE

        # Nodes in processes of their own inherit it.
        os.environ[ENGINE_VARIABLE] = environment.engine
    return pipeline


def _beside(root: str) -> str:
    return f"sqlite:///{root}/metadata.db"


@dataclass(frozen=True)
class _Setting:
    """What a setting's value must be, in words and as a test."""

    words: str
    fits: Callable[[Any], bool]


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _is_params(value: Any) -> bool:
    return isinstance(value, Mapping) and all(isinstance(item, str | int | float) for item in value.values())


_SETTINGS: Mapping[str, _Setting] = {
    "root": _Setting("a folder or a URI", _is_text),
    "metadata": _Setting("a path or a URL", _is_text),
    "engine": _Setting(
        "'local', 'ray' or 'ray://HOST:PORT'", lambda v: isinstance(v, str) and bool(_ENGINE.fullmatch(v))
    ),
    "runner": _Setting(
        "'local' or 'package.module:Class'", lambda v: isinstance(v, str) and bool(_RUNNER.fullmatch(v))
    ),
    "params": _Setting("a table of texts, numbers and truth values", _is_params),
    "workers": _Setting("a whole number from 1 on", lambda v: type(v) is int and v >= 1),
    "isolation": _Setting("'thread' or 'process'", lambda v: v in ("thread", "process")),
    "cache": _Setting("true or false", lambda v: isinstance(v, bool)),
}


def read_environment(config: ConfigFile, name: str, problems: list[str], variables: Mapping[str, str]) -> Environment:
    """An environment that the file has, with paths made absolute; what is wrong with it is added to `problems`."""
    keys = ("environments", name)
    table = config.table(problems, *keys)
    problems += unknown(config, table, tuple(_SETTINGS), *keys)
    values: dict[str, Any] = {}
    for key, setting in _SETTINGS.items():
        if key not in table:
            continue
        before = len(problems)
        value = config.filled(table[key], problems, variables, *keys, key)
        if len(problems) == before and not setting.fits(value):
            # The value as it is written: what a variable holds is not shown.
            problems.append(
                f"{config.line_of(*keys, key)}: {'.'.join((*keys, key))} is {setting.words}, not {table[key]!r}"
            )
        values[key] = value
    if problems:
        return Environment(name=name, file=config.path)
    for key in ("root", "metadata"):
        if key in values:
            values[key] = _placed(values[key], config.folder)
    params = {key: _param(key, value, config.folder) for key, value in values.pop("params", {}).items()}
    return Environment(name=name, file=config.path, params=params, written=dict(table.get("params", {})), **values)


def _param(key: str, value: Any, folder: Path) -> Any:
    named = isinstance(value, str) and (key.endswith(_PATHS) or value.startswith(("./", "../")))
    return _placed(value, folder) if named else value


def _placed(text: str, folder: Path) -> str:
    """An absolute path; a URI stays as it is."""
    if "://" in text:
        return text
    return os.path.normpath(folder / Path(text).expanduser())


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _warn(sentence: str) -> None:
    click.echo(f"Warning: {sentence}", err=True)
