"""MLflow's model registry: the version as a registered model version, with the model's folder as its artifact.

The server's address and credentials are MLflow's own variables (``MLFLOW_TRACKING_URI``, ``MLFLOW_TRACKING_TOKEN``,
...). What is registered is trueline's model: it is served by ``trueline serve``, not loaded by MLflow's flavors.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from trueline._core import store
from trueline._core.errors import ArtifactError, ConfigError
from trueline._core.extras import missing_extra_hint
from trueline.components.push_targets import Version

__all__ = ["MlflowRegistry"]

_ALIAS = re.compile(r"[A-Za-z0-9][\w-]{0,254}")
_FINGERPRINT, _NUMBER = "trueline.fingerprint", "trueline.version"
_QUIET = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "60"}


@dataclass(frozen=True)
class MlflowRegistry:
    """A registered model.

    Attributes:
        model: its name; it is made if it is not there.
        alias: an alias such as ``champion`` that points at the version from then on.
        experiment: where the run stands that holds the artifact.
    """

    KIND: ClassVar[str] = "mlflow"

    model: str
    alias: str | None = None
    experiment: str = "trueline"

    def problems(self, destination: str) -> list[str]:
        """What is wrong with the settings."""
        found = []
        if not self.model.strip() or set(self.model) & set("/:'\"%"):
            found.append(f"model: expected a name without / : ' \" %, got {self.model!r}")
        if self.alias is not None and (not _ALIAS.fullmatch(self.alias) or re.fullmatch(r"[vV]\d+", self.alias)):
            found.append(f"alias: expected letters, digits, '_' and '-', and not like v1, got {self.alias!r}")
        if not self.experiment.strip():
            found.append("experiment: expected a name")
        return found

    def check(self, environment: Mapping[str, str]) -> None:
        """Asks the registry for the model's versions; see `PushTarget.check`."""
        client = _client(environment)
        with _told():
            self._versions(client)

    def push(self, version: Version, environment: Mapping[str, str]) -> dict[str, Any]:
        """Uploads and registers the version where it is not there, and moves the alias."""
        client = _client(environment)
        with _told():
            found = next((v for v in self._versions(client) if _is(v, version)), None)
            if found is None:
                found = self._registered(client, version)
            version.done.append(f"version {found.version} of the registered model {self.model} is there")
            if self.alias is not None:
                client.set_registered_model_alias(self.model, self.alias, found.version)
        return {"model": self.model, "model_version": str(found.version), "alias": self.alias}

    def _versions(self, client: Any) -> list[Any]:
        found: list[Any] = []
        token = None
        while True:
            page = client.search_model_versions(f"name='{self.model}'", page_token=token)
            found += page
            token = page.token
            if not token:
                return found

    def _registered(self, client: Any, version: Version) -> Any:
        from mlflow.exceptions import MlflowException

        known = client.get_experiment_by_name(self.experiment)
        experiment = client.create_experiment(self.experiment) if known is None else known.experiment_id
        tags = {_FINGERPRINT: version.fingerprint, _NUMBER: str(version.number)}
        run = client.create_run(experiment, run_name=f"{self.model}-{version.number}", tags=tags)
        ended = "FAILED"
        try:
            with _local(version.uri) as folder:
                client.log_artifacts(run.info.run_id, folder, "model")
            version.done.append(f"the run {run.info.run_id} holds the model's files")
            try:
                client.create_registered_model(self.model)
            except MlflowException as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise
            made = client.create_model_version(self.model, f"{run.info.artifact_uri}/model", run.info.run_id, tags=tags)
            ended = "FINISHED"
        finally:
            with contextlib.suppress(MlflowException):
                client.set_terminated(run.info.run_id, ended)
        return made


def _is(found: Any, version: Version) -> bool:
    same = {_FINGERPRINT: version.fingerprint, _NUMBER: str(version.number)}.items() <= dict(found.tags).items()
    return same and found.status == "READY"


def _client(environment: Mapping[str, str]) -> Any:
    uri = environment.get("MLFLOW_TRACKING_URI", "").strip()
    if not uri:
        raise ConfigError("MLFLOW_TRACKING_URI is not set", hint="it says where MLflow's server is.")
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    try:
        from mlflow.tracking import MlflowClient
    except ImportError as error:
        raise ConfigError("MLflow is not installed", hint=missing_extra_hint(error)) from None
    with _told():
        return MlflowClient(uri, registry_uri=environment.get("MLFLOW_REGISTRY_URI", "").strip() or uri)


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """MLflow's errors as ours, without the server's address, which may hold a password."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        told = re.sub(r"\S*://\S*", "<address>", str(error).partition("\n")[0])
        raise ArtifactError(f"MLflow: {error.error_code}: {told}"[:1000]) from None
    except OSError as error:
        raise ArtifactError(f"MLflow: {type(error).__name__} while the files were sent") from None


@contextlib.contextmanager
def _local(uri: str) -> Iterator[str]:
    """The version's folder on this machine."""
    if store.is_local(uri):
        yield str(store.local_path(uri))
        return
    with tempfile.TemporaryDirectory(prefix="trueline-push-") as folder:
        store.copy_tree(uri, folder)
        yield folder
