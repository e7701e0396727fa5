"""What all workers agreed on: the configuration, the versions that answer, failures, and what status reports say."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from trueline.serving.config import ModelConfig, ServerConfig
from trueline.serving.options import ServerOptions
from trueline.serving.scan import Candidate
from trueline.serving.traffic import number_of
from trueline.serving.worker_control import Message, Told, config_to_json

__all__ = ["Board", "View"]

View = dict[str, dict[str, tuple[str, str]]]
"""By model and version: state and error. Versions are texts, as JSON has them."""
_RANK = {"AVAILABLE": 4, "UNLOADING": 3, "LOADING": 2, "START": 1, "END": 0}
_ENDED_KEPT = 10
_SOON_SECONDS = 5.0


@dataclass(frozen=True)
class _Failure:
    candidate: Candidate
    error: str
    attempts: int
    at: float
    wait: float


class Board:
    """The state that a new worker needs, and that every worker reports.

    Args:
        config: the models.
        options: the server's settings.

    Attributes:
        config: what is in force.
        generation: grows with every change of what answers.
        configured: grows with every configuration.
        committed: by model the versions that answer in every worker.
        loading: by model the versions that are being loaded.
    """

    def __init__(self, config: ServerConfig, options: ServerOptions) -> None:
        self.config = config
        self.generation = 0
        self.configured = 0
        self.committed: dict[str, dict[int, Candidate]] = {}
        self.loading: dict[str, set[int]] = {}
        self._options = options
        self._failures: dict[str, dict[int, _Failure]] = {}
        self._view: View = {}

    @property
    def ready(self) -> bool:
        """Whether every model has a version that answers, and after its first round all that share its traffic."""
        return all(self._is_ready(model) for model in self.config.models)

    def _is_ready(self, model: ModelConfig) -> bool:
        there = self.committed.get(model.name, {})
        split = model.traffic.split if model.traffic is not None else {}
        targets = {number_of(target, model.labels) for target, weight in split.items() if weight}
        return bool(there) and not (self.loading.get(model.name, set()) - there.keys()) & targets

    def start_facts(self) -> Message:
        """What a new worker begins with."""
        return {"config": config_to_json(self.config), **self.catch_up_facts()}

    def catch_up_facts(self) -> Message:
        """What a worker must have loaded before it takes requests."""
        models = {name: Told(found).to_json() for name, found in self.committed.items() if found}
        return {"generation": self.generation, "models": models}

    # Versions

    def wanted(self, model: str, told: Told) -> set[int]:
        """The versions of a source that the model's policy wants and that do not answer yet."""
        wanted = set(self.config.by_name[model].policy.wanted(list(told.candidates)))
        return wanted - set(self.committed.get(model, ()))

    def usable(self, model: str, told: Told) -> Told:
        """A source without the versions that failed as they now are and whose time for another attempt has not come."""
        now = time.monotonic()
        failed = {
            number
            for number, failure in self._failures.get(model, {}).items()
            if failure.candidate == told.candidates.get(number)
            and (failure.attempts > self._options.max_load_retries or now - failure.at < failure.wait)
        }
        return told.without(failed)

    def failed(self, model: str, candidate: Candidate, error: str, *, died: bool = False) -> None:
        """Notes that a version did not load; one whose worker was ended is tried again soon."""
        known = self._failures.setdefault(model, {}).get(candidate.number)
        attempts = known.attempts + 1 if known is not None and known.candidate == candidate else 1
        wait = min(_SOON_SECONDS, self._options.retry_seconds) if died else self._options.retry_seconds
        self._failures[model][candidate.number] = _Failure(candidate, error, attempts, time.monotonic(), wait)

    def commit(self, model: str, candidate: Candidate) -> None:
        """A version answers in every worker."""
        self.committed.setdefault(model, {})[candidate.number] = candidate
        self._failures.get(model, {}).pop(candidate.number, None)
        self.generation += 1

    def settle(self, model: str, available: Iterable[int], told: Told) -> None:
        """After a look: what answers, and nothing else, is what a new worker loads."""
        known = {**told.candidates, **self.committed.get(model, {})}
        now = {number: known[number] for number in available if number in known}
        if now != self.committed.get(model, {}):
            self.committed[model] = now
            self.generation += 1

    def configure(self, config: ServerConfig) -> None:
        """A configuration is in force in every worker."""
        for gone in set(self.config.by_name) - set(config.by_name):
            for table in (self.committed, self._failures, self.loading, self._view):
                table.pop(gone, None)
        self.config = config
        self.configured += 1
        self.generation += 1

    # Reports

    def view(self, said: list[Mapping[str, Mapping[str, tuple[str, str]]]]) -> View:
        """What GetModelStatus tells, from what the workers said last."""
        self._view = {model: self._of_model(model, [s[model] for s in said if model in s]) for model in self._known()}
        return self._view

    def _known(self) -> list[str]:
        return list(self.config.by_name)

    def _of_model(self, model: str, said: list[Mapping[str, tuple[str, str]]]) -> dict[str, tuple[str, str]]:
        found: dict[str, tuple[str, str]] = {}
        for states in said:
            for number, (state, error) in states.items():
                if number not in found or _RANK[state] > _RANK[found[number][0]]:
                    found[number] = (state, error)
        for number, (_, error) in self._view.get(model, {}).items():
            found.setdefault(number, ("END", error))
        for version, failure in self._failures.get(model, {}).items():
            if found.get(str(version), ("END", ""))[0] == "END":
                found[str(version)] = ("END", failure.error)
        for version in self.loading.get(model, ()):
            found[str(version)] = ("LOADING", "")
        for version in self.committed.get(model, ()):
            found[str(version)] = ("AVAILABLE", "")
        ended = sorted((n for n, (state, _) in found.items() if state == "END"), key=int)
        for number in ended[:-_ENDED_KEPT]:
            del found[number]
        return dict(sorted(found.items(), key=lambda item: int(item[0])))
