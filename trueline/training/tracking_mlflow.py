"""Values sent to an MLflow server, where ``MLFLOW_TRACKING_URI`` names one; this file alone imports mlflow.

A thread of its own sends: a slow, broken or absent server costs the training nothing but one warning. No part of the
server's address and no parameter with the name of a secret is ever written or sent.
"""

from __future__ import annotations

import os
import queue
import re
import threading
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trueline._core import store
from trueline._core.extras import missing_extra_hint

if TYPE_CHECKING:
    from trueline.training.fn_args import FnArgs

__all__ = ["MlflowRun", "mlflow_sink", "plain_parameters"]

URI_VARIABLE = "MLFLOW_TRACKING_URI"
EXPERIMENT_VARIABLE = "MLFLOW_EXPERIMENT_NAME"
RUN_FILE = "mlflow_run.txt"
_BATCH, _PARAMS, _TEXT = 1000, 100, 500  # limits of MLflow's log_batch; the shortest limit of a parameter's text
_SECRETS = re.compile(
    r"(^|[_\-. ])(password|passwd|pwd|secret|credentials?|api_?key|access_?key|auth_?token|token)$", re.I
)
_UNFIT = re.compile(r"[^\w\-. :/]")
_QUIET = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}
_Metric = tuple[str, float, int, int]


def mlflow_sink(fn_args: FnArgs) -> MlflowRun | None:
    """A run on the server that the environment names, or None where it names none."""
    if not os.environ.get(URI_VARIABLE, "").strip():
        return None
    about = {
        "seed": fn_args.seed,
        "device": fn_args.device,
        "epochs": fn_args.epochs,
        "train_steps": fn_args.train_steps,
        "world_size": fn_args.world_size,
    }
    known = {name: value for name, value in about.items() if value is not None}
    parameters = plain_parameters({**fn_args.hyperparameters, **known})
    experiment = os.environ.get(EXPERIMENT_VARIABLE) or "trueline"
    return MlflowRun(experiment, fn_args.name, parameters, fn_args.checkpoint_dir)


def plain_parameters(given: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Parameters as MLflow holds them: nested names with dots, values as short texts, secrets left out."""
    found: dict[str, str] = {}
    for name, value in given.items():
        if _SECRETS.search(str(name)):
            continue
        if isinstance(value, Mapping):
            found |= plain_parameters(value, f"{prefix}{name}.")
        else:
            found[_UNFIT.sub("_", f"{prefix}{name}")] = str(value)[:_TEXT]
    return found


class MlflowRun:
    """One run on the server; a killed training goes on with the run that it had begun.

    Args:
        experiment: its experiment's name.
        name: the run's name.
        parameters: sent first.
        checkpoint_dir: where the run's number is kept for a training that is killed.
        patience: seconds that `close` waits for what is still to be sent.
    """

    def __init__(
        self, experiment: str, name: str, parameters: Mapping[str, str], checkpoint_dir: str, patience: float = 30.0
    ) -> None:
        self.experiment, self.name, self.parameters = experiment, name, dict(parameters)
        self.patience = patience
        self._kept = Path(store.local_path(checkpoint_dir), RUN_FILE)
        self._queue: queue.SimpleQueue[_Metric | None] = queue.SimpleQueue()
        self._failure: str | None = None
        self._status = "FINISHED"
        self._thread = threading.Thread(target=self._send, name="trueline-mlflow", daemon=True)
        self._thread.start()

    def add(self, metric: str, value: float, step: int) -> None:
        """One value, sent soon."""
        if self._failure is None:
            self._queue.put((_UNFIT.sub("_", metric), value, int(time.time() * 1000), step))

    def close(self, failed: bool = False) -> None:
        """Waits until all is sent, but not for ever; a failure is told here, once, and is none of the training."""
        self._status = "FAILED" if failed else "FINISHED"
        self._queue.put(None)
        self._thread.join(self.patience)
        if self._thread.is_alive():
            self._failure = self._failure or f"it did not answer within {self.patience:g} s"
        if self._failure is not None:
            warnings.warn(
                f"the values of this training are not, or not all, on the MLflow server: {self._failure}. They are in "
                "the model_run artifact all the same.",
                stacklevel=2,
            )

    def _send(self) -> None:
        try:
            with _Environment(_QUIET):
                self._send_all()
        except Exception as error:  # whatever a server or its client does, the training goes on
            hint = missing_extra_hint(error)
            self._failure = type(error).__name__ + (f" ({hint})" if hint else "")

    def _send_all(self) -> None:
        from mlflow.entities import Metric, Param
        from mlflow.tracking import MlflowClient

        client = MlflowClient()
        run = self._begun(client)
        params = [Param(k, v) for k, v in self.parameters.items()]
        for start in range(0, len(params), _PARAMS):
            client.log_batch(run, params=params[start : start + _PARAMS])
        ended = False
        while not ended:
            held, ended = self._next()
            if held:
                client.log_batch(run, metrics=[Metric(*values) for values in held])
        client.set_terminated(run, self._status)
        self._kept.unlink(missing_ok=True)

    def _next(self) -> tuple[list[_Metric], bool]:
        """What has come since the last time, up to one batch, and whether that was all."""
        held: list[_Metric] = []
        first = self._queue.get()
        while first is not None:
            held.append(first)
            if len(held) == _BATCH or self._queue.empty():
                return held, False
            first = self._queue.get()
        return held, True

    def _begun(self, client: Any) -> str:
        if self._kept.exists():
            number = self._kept.read_text(encoding="utf-8").strip()
            try:
                return str(client.get_run(number).info.run_id)
            except Exception:  # noqa: S110 - the server has forgotten it: a new one is begun
                pass
        found = client.get_experiment_by_name(self.experiment)
        experiment = found.experiment_id if found is not None else client.create_experiment(self.experiment)
        number = str(client.create_run(experiment, run_name=self.name).info.run_id)
        self._kept.parent.mkdir(parents=True, exist_ok=True)
        self._kept.write_text(number, encoding="utf-8")
        return number


class _Environment:
    """Variables that are set while a block runs, where the user has not set them."""

    def __init__(self, wanted: Mapping[str, str]) -> None:
        self._added = [name for name in wanted if name not in os.environ]
        self._wanted = wanted

    def __enter__(self) -> None:
        os.environ.update({name: self._wanted[name] for name in self._added})

    def __exit__(self, *error: object) -> None:
        for name in self._added:
            os.environ.pop(name, None)
