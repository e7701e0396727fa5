"""KServe: an InferenceService of the cluster gets the version, by one server-side apply of the Kubernetes API.

The server's container (`trueline deploy docker`) runs as a custom predictor: KServe's initializer copies the version
from the object store or the volume to ``/mnt/models``, and the container serves it under its number. The same apply as
a dry run comes before anything is pushed, so that a service that the cluster would not take is found in time.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

from trueline._core.errors import ArtifactError, ConfigError
from trueline.components.push_service import JsonService, service_url_problems, until_done
from trueline.components.push_targets import Version
from trueline.deploy.container import USER, image_problems

__all__ = ["KServe"]

_NAME = re.compile(r"[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?")
_IN_POD = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_STORES = ("s3://", "gs://", "https://", "hdfs://", "webhdfs://", "pvc://")
_PORT = 8080


@dataclass(frozen=True)
class KServe:
    """An InferenceService.

    In a pod its own service account is used. Elsewhere ``KUBERNETES_API_URL``, ``KUBERNETES_TOKEN`` (or
    ``KUBERNETES_TOKEN_FILE``) and ``KUBERNETES_CA_FILE`` say where the cluster is and who asks.

    Attributes:
        name: of the InferenceService; it is made if it is not there.
        image: the server's image.
        namespace: where it stands.
        model_name: in addresses; the service's name by default.
        storage_uri: where the cluster finds the versions, when it is not the push destination, such as
            ``pvc://claim/serving``.
        service_account: identity of the predictor, with the object store's credentials.
        min_replicas: pods at least; 0 lets KServe take all away.
        max_replicas: pods at most.
        canary_percent: share of the requests that the new version gets; None: all.
        cpu: CPU that a pod asks for.
        memory: memory that a pod has.
        wait_seconds: the longest wait until the service is ready; 0: none.
    """

    KIND: ClassVar[str] = "kserve"

    name: str
    image: str
    namespace: str = "default"
    model_name: str | None = None
    storage_uri: str | None = None
    service_account: str | None = None
    min_replicas: int = 1
    max_replicas: int = 3
    canary_percent: int | None = None
    cpu: str = "1"
    memory: str = "1Gi"
    wait_seconds: float = 600.0

    def problems(self, destination: str) -> list[str]:
        """What is wrong with the settings."""
        found = [
            f"{field}: expected a name of Kubernetes, got {value!r}"
            for field, value in (
                ("name", self.name),
                ("namespace", self.namespace),
                ("service_account", self.service_account or "a"),
            )
            if not _NAME.fullmatch(value)
        ]
        found += image_problems(self.image)
        place = self.storage_uri or destination
        if not place.startswith(_STORES):
            found.append(f"the cluster cannot read {place!r}: push to {', '.join(_STORES)} or give storage_uri")
        if not 0 <= self.min_replicas <= self.max_replicas or self.max_replicas < 1:
            found.append(f"replicas: expected 0 <= min <= max, got {self.min_replicas} and {self.max_replicas}")
        if self.canary_percent is not None and not 0 <= self.canary_percent <= 100:
            found.append(f"canary_percent: expected 0 to 100, got {self.canary_percent}")
        if not self.wait_seconds >= 0:
            found.append(f"wait_seconds: expected 0 or more, got {self.wait_seconds}")
        return found

    def check(self, environment: Mapping[str, str]) -> None:
        """Applies the service as a dry run; see `PushTarget.check`."""
        self._apply(_cluster(environment), "s3://dry-run/0", 0, dry=True)

    def push(self, version: Version, environment: Mapping[str, str]) -> dict[str, Any]:
        """Applies the service with the version, and waits until it is ready."""
        cluster = _cluster(environment)
        place = version.uri if self.storage_uri is None else f"{self.storage_uri.rstrip('/')}/{version.number}"
        made = self._apply(cluster, place, version.number, dry=False)
        version.done.append(f"the InferenceService {self.namespace}/{self.name} asks for version {version.number}")
        facts: dict[str, Any] = {"namespace": self.namespace, "name": self.name, "storage_uri": place}
        if self.wait_seconds:
            generation = made.get("metadata", {}).get("generation", 0)
            url = until_done(
                lambda: self._ready(cluster, generation), self.wait_seconds, f"InferenceService {self.name}"
            )
            facts["url"] = url
        return facts

    @property
    def _path(self) -> str:
        return f"apis/serving.kserve.io/v1beta1/namespaces/{self.namespace}/inferenceservices/{self.name}"

    def _apply(self, cluster: JsonService, place: str, number: int, *, dry: bool) -> dict[str, Any]:
        query = "fieldManager=trueline&force=true" + ("&dryRun=All" if dry else "")
        return cluster.send(
            "PATCH", f"{self._path}?{query}", self._object(place, number), "application/apply-patch+yaml"
        )

    def _object(self, place: str, number: int) -> dict[str, Any]:
        predictor: dict[str, Any] = {"minReplicas": self.min_replicas, "maxReplicas": self.max_replicas}
        if self.service_account is not None:
            predictor["serviceAccountName"] = self.service_account
        if self.canary_percent is not None:
            predictor["canaryTrafficPercent"] = self.canary_percent
        predictor["securityContext"] = {"runAsNonRoot": True, "runAsUser": USER, "fsGroup": USER}
        predictor["containers"] = [self._container(place, number)]
        return {
            "apiVersion": "serving.kserve.io/v1beta1",
            "kind": "InferenceService",
            "metadata": {
                "name": self.name,
                "namespace": self.namespace,
                "labels": {"app.kubernetes.io/managed-by": "trueline"},
            },
            "spec": {"predictor": predictor},
        }

    def _container(self, place: str, number: int) -> dict[str, Any]:
        values = {
            "STORAGE_URI": place,
            "TRUELINE_MODEL_DIR": "/mnt/models",
            "TRUELINE_MODEL_NAME": self.model_name or self.name,
            "TRUELINE_MODEL_VERSION": str(number),
        }
        return {
            "name": "kserve-container",
            "image": self.image,
            "env": [{"name": name, "value": value} for name, value in values.items()],
            "ports": [{"containerPort": _PORT, "protocol": "TCP"}],
            "readinessProbe": {"httpGet": {"path": "/readyz", "port": _PORT}, "periodSeconds": 2},
            "resources": {
                "requests": {"cpu": self.cpu, "memory": self.memory},
                "limits": {"memory": self.memory},
            },
        }

    def _ready(self, cluster: JsonService, generation: int) -> str | None:
        found = cluster.get(self._path)
        if found is None:
            raise ArtifactError(f"the InferenceService {self.namespace}/{self.name} was deleted meanwhile")
        status = found.get("status", {})
        seen = status.get("observedGeneration", generation)
        states = {c.get("type"): c.get("status") for c in status.get("conditions", ())}
        return str(status.get("url", "")) if states.get("Ready") == "True" and seen >= generation else None


def _cluster(environment: Mapping[str, str]) -> JsonService:
    """The Kubernetes API.

    Raises:
        ConfigError: what is missing.
    """
    url, token, ca = environment.get("KUBERNETES_API_URL", ""), environment.get("KUBERNETES_TOKEN", ""), None
    token_file, ca_file = environment.get("KUBERNETES_TOKEN_FILE", ""), environment.get("KUBERNETES_CA_FILE", "")
    if not url and "KUBERNETES_SERVICE_HOST" in environment:
        host, port = environment["KUBERNETES_SERVICE_HOST"], environment.get("KUBERNETES_SERVICE_PORT_HTTPS", "443")
        url = f"https://{f'[{host}]' if ':' in host else host}:{quote(port)}"
        token_file, ca_file = token_file or str(_IN_POD / "token"), ca_file or str(_IN_POD / "ca.crt")
    problems = service_url_problems("KUBERNETES_API_URL", url)
    if not token and token_file:
        try:
            token = Path(token_file).read_text(encoding="ascii").strip()
        except (OSError, UnicodeError) as error:
            problems.append(f"KUBERNETES_TOKEN_FILE: {type(error).__name__}")
    elif not token:
        problems.append("KUBERNETES_TOKEN or KUBERNETES_TOKEN_FILE: not set")
    if ca_file:
        try:
            ca = ssl.create_default_context(cafile=ca_file)
        except (OSError, ssl.SSLError) as error:
            problems.append(f"KUBERNETES_CA_FILE: {type(error).__name__}")
    if problems:
        raise ConfigError("the cluster cannot be asked: its variables are wrong", problems=problems)
    return JsonService("Kubernetes", url, {"authorization": f"Bearer {token}", "accept": "application/json"}, ca)
