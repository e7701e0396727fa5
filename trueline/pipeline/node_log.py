"""Where an execution's log goes: the node's file, or the stream of the process that is the node's own."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from trueline._core.errors import ConfigError
from trueline.pipeline.evaluate import ExecutorScope, evaluate
from trueline.pipeline.node_output import node_output
from trueline.pipeline.node_task import NodeTask
from trueline.pipeline.secrets import veiled_output

__all__ = ["node_logger", "spoken_output"]


@contextmanager
def node_logger(task: NodeTask, stream: IO[str] | None) -> Iterator[logging.Logger]:
    """The execution's logger, to `stream` or to the task's file; it is gone afterwards."""
    log = logging.getLogger(f"trueline.node.{task.run_id}.{task.node_id}.{task.execution_id}")
    log.setLevel(logging.INFO)
    log.propagate = False
    handler: logging.Handler
    if stream is not None:
        handler = _QuietStream(stream)
    else:
        Path(task.log).parent.mkdir(parents=True, exist_ok=True)
        handler = _QuietFile(task.log, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log.addHandler(handler)
    try:
        yield log
    finally:
        log.removeHandler(handler)
        handler.close()
        logging.Logger.manager.loggerDict.pop(log.name, None)


def spoken_output(
    task: NodeTask, scope: ExecutorScope, log: logging.Logger, *, own_process: bool, debug: bool
) -> contextlib.AbstractContextManager[None]:
    """What the node prints goes to its log, under the debugger to the terminal: without its secrets, those of its
    environment included. In a process of its own its streams lead to the log already."""
    with contextlib.suppress(ConfigError):
        evaluate(dict(task.environment), scope, deferred=True)
    if own_process:
        return veiled_output(scope.secrets)
    return node_output(log, scope.secrets, terminal=debug)


class _QuietFile(logging.FileHandler):
    """A log that cannot be written (a full disk) is no second failure beside the one that it would tell of."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name that logging calls
        pass


class _QuietStream(logging.StreamHandler[IO[str]]):
    """As `_QuietFile`, for a stream."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        pass
