"""Several processes on one port: a supervisor binds the sockets, starts workers, changes versions in all at once.

``python -m trueline.serving --workers 4``. The supervisor answers no requests. It looks for versions, tells the workers
what there is (`worker_rounds`), starts workers anew that end (`worker_pool`), adds up their metrics, and is where
signals, a file of models and the ready file are looked after. The listening socket is one, inherited by all: while a
worker is replaced the others take its clients. Workers are interpreters of their own, not forks.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from trueline._core.errors import ConfigError
from trueline.serving.app import create_app
from trueline.serving.config import ServerConfig
from trueline.serving.front import Front
from trueline.serving.options import ServerOptions
from trueline.serving.place import Place
from trueline.serving.sources import Plugs
from trueline.serving.surroundings import Event
from trueline.serving.worker_sockets import Sockets
from trueline.serving.worker_supervisor import Supervisor

__all__ = ["supervise"]


def supervise(
    models: Mapping[str, str] | ServerConfig,
    place: Place,
    options: ServerOptions,
    front: Front,
    *,
    plugs: Plugs = MappingProxyType({}),
    tell: Event,
) -> int:
    """Serves models with several processes until SIGTERM. Call it on the main thread.

    Args:
        models: a configuration, or base directory by model name.
        place: where to listen, and with how many workers.
        options: the settings of each worker; limits hold for each of them.
        front: who may ask, and how.
        plugs: further kinds of sources, by scheme.
        tell: told every event.

    Returns:
        the exit status: 0 after an orderly end, 1 when `Place.fail_fast` ended it or no worker could be kept alive.

    Raises:
        ConfigError: names or options that are wrong, a port that is taken, what several processes cannot share.
    """
    _check(place)
    app = create_app(models, options, plugs=plugs)
    # What stands around the app is made once here, so that what is wrong with it is known before any process starts.
    replace(front, access_log=None, trace_endpoint=None).install(app).close()
    app.service.close()
    with contextlib.ExitStack() as stack:
        sockets = Sockets(place, front, stack)
        own = replace(place, port=sockets.port, grpc_port=sockets.grpc_port)
        return asyncio.run(Supervisor(app.manager.config, own, options, front, plugs, tell, sockets).run())


def _check(place: Place) -> None:
    problems = []
    if place.workers < 1:
        problems.append(f"workers: expected 1 or more, got {place.workers}")
    if place.grpc_socket is not None:
        problems.append("grpc_socket: several processes cannot listen on one Unix socket; use a port, or one process")
    if sys.platform == "win32":
        problems.append("workers: several processes need sockets that are inherited, which Windows does not have here")
    if problems:
        raise ConfigError("several processes cannot serve like this", problems=problems)
