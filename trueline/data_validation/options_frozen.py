"""Options that cannot be changed say how to change them; options that do not exist say what there is."""

from __future__ import annotations

import functools
from dataclasses import FrozenInstanceError, fields
from typing import Any, TypeVar

from trueline._core.errors import ConfigError, did_you_mean

__all__ = ["FrozenOptionsError", "telling"]

T = TypeVar("T", bound=type)
_OF_UPSTREAM = {
    "feature_whitelist": "it is called feature_allowlist.",
    "experimental_slice_sqls": "SQL is not run: slices=['fare > 20'] takes expressions, slicing_config the values of "
    "features.",
    "slicing_sql": "SQL is not run: slices=['fare > 20'] takes expressions.",
}


class FrozenOptionsError(ConfigError, FrozenInstanceError):
    """Options that are made cannot be changed."""


def telling(cls: T) -> T:
    """Gives a frozen dataclass of options its own words for attributes that are set, and for names that are unknown."""
    first = cls.__dict__["__init__"]
    names = [field.name for field in fields(cls)]

    def assign(self: Any, name: str, value: Any) -> None:
        raise FrozenOptionsError(
            f"{name!r} of {cls.__name__} cannot be set: options do not change",
            hint=f"make others of them: dataclasses.replace(options, {name}=...).",
        )

    @functools.wraps(first)
    def make(self: Any, *args: Any, **given: Any) -> None:
        problems = [
            f"{name!r}: {_OF_UPSTREAM.get(name) or did_you_mean(name, names)}" for name in given if name not in names
        ]
        if problems:
            raise ConfigError(f"there are no such options of {cls.__name__}", problems=problems)
        first(self, *args, **given)

    type.__setattr__(cls, "__setattr__", assign)
    type.__setattr__(cls, "__init__", make)
    return cls
