"""A project's name: short, and safe in addresses, image tags, Python, TOML and YAML, wherever a project writes it."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

from trueline._core.errors import ConfigError

__all__ = ["name_of", "project_name"]

_LONGEST = 63
_NAME = re.compile(r"[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*")


def project_name(text: str) -> str:
    """`text`, if it can be a project's name.

    Raises:
        ConfigError: when it is not 1 to 63 small letters and digits with single ``-`` or ``_`` between them, or begins
            with a digit. These are the names that pipelines, models in addresses and container images all take.
    """
    if len(text) <= _LONGEST and _NAME.fullmatch(text):
        return text
    near = _slug(text)
    usable = len(near) <= _LONGEST and _NAME.fullmatch(near)
    raise ConfigError(
        f"{text!r} cannot be a project's name: small letters, digits, single '-' or '_' between them, a letter first, "
        f"at most {_LONGEST}",
        hint=f"--name {near}" if usable else "give one, for example --name my-line",
    )


def name_of(directory: str | Path) -> str:
    """The name of the project in a folder: the folder's own, in small letters, '-' for what a name cannot hold.

    Raises:
        ConfigError: when nothing usable is left of it.
    """
    folder = Path(directory).resolve().name
    near = _slug(folder)
    if len(near) <= _LONGEST and _NAME.fullmatch(near):
        return near
    raise ConfigError(
        f"no project's name can be made of the folder's name {folder!r}", hint="give one, for example --name my-line"
    )


def _slug(text: str) -> str:
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    joined = re.sub(r"[^a-z0-9_-]+", "-", ascii_text)
    return re.sub(r"([-_])[-_]+", r"\1", joined).strip("-_")
