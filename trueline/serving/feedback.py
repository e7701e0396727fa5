"""The feedback loop around one app: what split and shadow traffic tell, and the prediction log."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from prometheus_client import CollectorRegistry

from trueline._core.errors import ConfigError
from trueline.serving.config import ServerConfig
from trueline.serving.feedback_metrics import FeedbackMetrics
from trueline.serving.options import ServerOptions
from trueline.serving.prediction_log import LogPlace, PredictionLog
from trueline.serving.router import Router
from trueline.serving.service import Answered, Call, Service
from trueline.serving.shadow import Shadows

__all__ = ["Feedback", "log_places"]

_CLOSE_SECONDS = 5.0
Event = Callable[[str, Mapping[str, Any]], None]


class Feedback:
    """Traffic and prediction log of one app.

    Args:
        service: whose requests they are.
        config: the models.
        options: the server's settings.
        registry: where metrics go.
        on_event: told ``traffic_target_missing``, ``shadow_failed``, ``prediction_log_failed`` and
            ``prediction_log_recovered``.

    Raises:
        ConfigError: requests are to be logged, and there is no place or no pyarrow.
    """

    def __init__(
        self,
        service: Service,
        config: ServerConfig,
        options: ServerOptions,
        registry: CollectorRegistry,
        on_event: Event,
    ) -> None:
        self.metrics = FeedbackMetrics(registry)
        self._service = service
        self._options = options
        self._on_event = on_event
        self._loop: asyncio.AbstractEventLoop | None = None
        self._log: PredictionLog | None = None
        self._shadows = Shadows(service, self.metrics, options.shadow_queue_requests, self._challenged, on_event)
        places = log_places(config, options)
        if places:
            self._log = self._new_log(places)
            service.observers.append(self._log)
        service.on_shadow = self._shadows.offer
        service.on_absent = self._absent

    def start(self) -> None:
        """Begins to write; call it on the event loop, in the process that answers."""
        self._loop = asyncio.get_running_loop()
        if self._log is not None:
            self._log.start()

    async def stop_shadows(self) -> None:
        """Ends the copies, before the models go."""
        await self._shadows.close(min(_CLOSE_SECONDS, self._options.drain_seconds))

    async def stop(self) -> None:
        """Writes what was logged, after the last request."""
        if self._log is not None and self._loop is not None:
            await asyncio.get_running_loop().run_in_executor(None, self._log.close, self._options.drain_seconds)

    def configured(self, config: ServerConfig) -> None:
        """Follows a new configuration; what is wrong with its logging is told, and the rest is logged."""
        try:
            places = log_places(config, self._options)
            if places and self._log is None:
                self._log = self._new_log(places)
                self._service.observers.append(self._log)
                self._log.start()
            elif self._log is not None:
                self._log.places = places
        except ConfigError as error:
            self._on_event("prediction_log_failed", {"error": str(error)})

    def _new_log(self, places: Mapping[str, LogPlace]) -> PredictionLog:
        options = self._options
        return PredictionLog(
            places,
            options.prediction_log_rows,
            options.prediction_log_seconds,
            options.prediction_log_queue_rows,
            self.metrics,
            self._from_thread,
        )

    def _from_thread(self, name: str, facts: Mapping[str, Any]) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._on_event, name, facts)

    def _challenged(self, call: Call, answered: Answered) -> None:
        if self._log is not None:
            self._log.log(call, answered, "challenger")

    def _absent(self, router: Router, target: str) -> None:
        self.metrics.fallback.labels(router.model, target).inc()
        if target not in router.told:
            router.told.add(target)
            self._on_event("traffic_target_missing", {"model": router.model, "target": target})


def log_places(config: ServerConfig, options: ServerOptions) -> dict[str, LogPlace]:
    """By model where its requests are logged; a model's own setting counts before the server's.

    Raises:
        ConfigError: a model's requests are to be logged, and there is no place for them.
    """
    places, problems = {}, []
    for name, model in config.by_name.items():
        rate = options.prediction_log_sample if model.logging is None else model.logging.sampling_rate
        folder = (model.logging.filename_prefix if model.logging is not None else "") or options.prediction_log
        if folder and rate > 0:
            places[name] = LogPlace(folder, rate)
        elif model.logging is not None and rate > 0:
            problems.append(f"model {name!r}: its requests are to be logged, and no folder is named")
    if problems:
        hint = "give the option prediction_log, or a filename_prefix."
        raise ConfigError("the prediction log has no place", problems=problems, hint=hint)
    return places
