"""Environments on the command line: the option ``--env``, and a pipeline file loaded as its environment says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from trueline.cli.completion import complete_environments
from trueline.cli.config import DEFAULT, ENVIRONMENT_VARIABLE, Environment, apply, environment_of

if TYPE_CHECKING:
    from trueline.pipeline import Pipeline

__all__ = ["env_option", "loaded", "runner_class"]

F = TypeVar("F", bound=Callable[..., object])


def env_option(function: F) -> F:
    """The option ``--env`` of the commands that run or plan a pipeline."""
    option: Callable[[F], F] = click.option(
        "--env",
        metavar="NAME",
        shell_complete=complete_environments,
        help=f"The environment of trueline.toml to run in: ${ENVIRONMENT_VARIABLE}, else {DEFAULT}, where it has that.",
    )
    return option(function)


def loaded(file: str, name: str | None, params: Sequence[str]) -> tuple[Pipeline, dict[str, Any], Environment]:
    """A pipeline file's pipeline in an environment, the values of its runtime parameters, and the environment.

    Args:
        file: the pipeline file.
        name: the environment's name, or None; see `environment_of`.
        params: ``key=value`` texts of the command line, which go before those of the environment.

    Raises:
        ConfigError: as `environment_of`, `apply` and `trueline.cli.load.load_with_runtime`.
    """
    from trueline.cli.load import load_with_runtime

    found = environment_of(file, name)
    pipeline, runtime = load_with_runtime(file, found.texts(params))
    return apply(pipeline, found.without(text.partition("=")[0] for text in params)), runtime, found


def runner_class(name: str | None) -> Any:
    """The class of a runner: ``local``, or the one that ``package.module:Class`` names.

    Raises:
        EngineError: the name leads nowhere.
    """
    from trueline.engine.base import resolve

    return resolve("trueline.runners.local:LocalRunner" if name in (None, "local") else str(name))
