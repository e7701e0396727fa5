"""An Evaluator's configuration, however it is given: the object, TFMA's text proto, JSON, or a file of either."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from trueline._core import store
from trueline._core.errors import ConfigError, TruelineError

if TYPE_CHECKING:
    from trueline.model_analysis import EvalConfig

__all__ = ["read_eval_config"]


def read_eval_config(given: EvalConfig | str | os.PathLike[str]) -> EvalConfig:
    """The configuration.

    Args:
        given: an `EvalConfig`; a path that ends in ``.json``, ``.pbtxt``, ``.textproto`` or ``.txt``; or the text
            itself, JSON where it starts with a brace, else TFMA's text proto.

    Raises:
        ConfigError: another type, a file that cannot be read, or a configuration that cannot work, with all problems.
    """
    from trueline.model_analysis import EvalConfig

    if isinstance(given, EvalConfig):
        return given
    if not isinstance(given, (str, os.PathLike)):
        raise ConfigError(f"needs an EvalConfig as eval_config, got {type(given).__name__}")
    text = os.fspath(given)
    if isinstance(given, os.PathLike) or _is_path(text):
        try:
            text = store.read_text(text)
        except (OSError, ValueError, TruelineError) as error:
            raise ConfigError(f"eval_config: the file {text!r} cannot be read: {error}") from error
    return EvalConfig.from_json(text) if text.lstrip("\ufeff \t\r\n").startswith("{") else EvalConfig.from_text(text)


def _is_path(text: str) -> bool:
    return text.endswith((".json", ".pbtxt", ".textproto", ".txt")) and "\n" not in text
