"""Names of parameters that nobody has, told before they are passed on: what was meant, and what there is."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ParamSpec, TypeVar

from trueline._core.errors import ConfigError, did_you_mean

__all__ = ["check_params", "known_options"]

P = ParamSpec("P")
R = TypeVar("R")
_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def check_params(what: str, target: Callable[..., Any], params: Mapping[str, Any]) -> None:
    """Refuses parameters that a function or class does not take, and a lack of those that it must have.

    One that takes any keyword, or whose signature cannot be told, is not checked.

    Args:
        what: what to call it in the message.
        target: the function or class.
        params: the keywords.

    Raises:
        ConfigError: naming each.
    """
    found = _parameters(target)
    if found is None:
        return
    _refuse_unknown(what, params, found)
    missing = [n for n, p in found.items() if p.default is p.empty and p.kind in _NAMED and n not in params]
    if missing:
        problems = [f"{name!r} is missing" for name in missing]
        raise ConfigError("parameters are missing", where=what, problems=problems)


def known_options(*also: Callable[..., Any]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Makes a function that hands its further keywords on refuse those that neither it nor the others know.

    Args:
        also: what the keywords are handed on to.
    """

    def made(function: Callable[P, R]) -> Callable[P, R]:
        own = [n for n, p in inspect.signature(function).parameters.items() if p.kind in _NAMED]
        handed = [(n, p) for other in also for n, p in (_parameters(other) or {}).items() if n not in own]
        names = [*own, *(n for n, p in handed if p.kind is p.KEYWORD_ONLY)]

        @functools.wraps(function)
        def checked(*args: P.args, **kwargs: P.kwargs) -> R:
            _refuse_unknown(function.__name__, kwargs, names)
            return function(*args, **kwargs)

        return checked

    return made


def _parameters(target: Callable[..., Any]) -> Mapping[str, inspect.Parameter] | None:
    try:
        found = inspect.signature(target).parameters
    except (TypeError, ValueError):
        return None
    return None if any(p.kind is p.VAR_KEYWORD for p in found.values()) else found


def _refuse_unknown(what: str, given: Iterable[str], known: Iterable[str]) -> None:
    names = list(known)
    problems = [f"{name!r}. {did_you_mean(name, names)}" for name in given if name not in names]
    if problems:
        raise ConfigError("there are no such parameters", where=what, problems=problems)
