"""The file of models while the server runs: read again on demand, on SIGHUP, and when it changes.

A file that is wrong, or whose models do not load, changes nothing; it is tried again when it changes, and after
`ServerOptions.retry_seconds`, for the models may have come by then.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from pathlib import Path
from typing import Protocol

from trueline._core.errors import TruelineError
from trueline.serving.config import ServerConfig
from trueline.serving.config_file import read_config_file
from trueline.serving.options import ServerOptions
from trueline.serving.surroundings import Event, told

__all__ = ["ConfigFile", "Configured"]


class Configured(Protocol):
    """What a file of models configures: a `ModelManager`, or the supervisor of several processes."""

    @property
    def config(self) -> ServerConfig:
        """What is in force."""

    async def refresh(self, name: str) -> None:
        """See `ModelManager.refresh`."""

    async def apply(self, config: ServerConfig) -> None:
        """See `ModelManager.apply`."""


class ConfigFile:
    """A file of models that a running server follows.

    Args:
        file: its path.
        manager: what it configures; its configuration is what the file said at the start.
        options: the server's settings.
        on_event: told ``configuration_failed`` when the file cannot be read; `ModelManager.apply` tells the rest.
    """

    def __init__(self, file: str, manager: Configured, options: ServerOptions, on_event: Event) -> None:
        self._file = file
        self._manager = manager
        self._options = options
        self._on_event = on_event
        self._seen = _digest(file)
        self._failed_at: float | None = None

    async def reload(self) -> None:
        """Reads the file now and applies what it says; where it says what is in force already, looks for versions.

        Raises:
            TruelineError: the file is wrong, or `ModelManager.apply` refuses it; nothing was changed.
        """
        self._seen = await asyncio.to_thread(_digest, self._file)
        self._failed_at = time.monotonic()
        try:
            config = await asyncio.to_thread(read_config_file, self._file)
        except TruelineError as error:
            self._on_event("configuration_failed", {"error": told(error)})
            raise
        if config == self._manager.config:
            await asyncio.gather(*(self._manager.refresh(name) for name in config.by_name))
        else:
            await self._manager.apply(config)
        self._failed_at = None

    async def poll(self, seconds: float) -> None:
        """Looks at the file every so many seconds, until it is cancelled."""
        while True:
            await asyncio.sleep(seconds)
            if await asyncio.to_thread(_digest, self._file) != self._seen or self._due():
                try:
                    await self.reload()
                except TruelineError:
                    continue  # it was told

    def _due(self) -> bool:
        return self._failed_at is not None and time.monotonic() - self._failed_at >= self._options.retry_seconds


def _digest(file: str) -> str:
    """What the file holds, in short; "" when it cannot be read."""
    try:
        return hashlib.sha256(Path(file).read_bytes()).hexdigest()
    except OSError:
        return ""
