"""Vertex AI: the version as a version of a model in the registry, deployed to an endpoint, with its share of traffic.

The server's container (`trueline deploy docker --with gcsfs`) copies the version from the bucket itself. The API is
`projects.locations.models` and `endpoints`, version ``v1``; what takes time is an operation that is asked for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import quote

from trueline._core.errors import ArtifactError, ConfigError
from trueline.components.push_service import JsonService, service_url_problems, until_done
from trueline.components.push_targets import Version
from trueline.deploy.container import REST_PORT, image_problems

__all__ = ["VertexEndpoint", "shared_traffic"]

_PROJECT = re.compile(r"[a-z][a-z0-9-]{4,28}[a-z0-9]|\d+")
_REGION = re.compile(r"[a-z]+-[a-z]+\d+")
_ENDPOINT = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_MODEL = re.compile(r"[a-z](?:[a-z0-9_-]{0,40}[a-z0-9])?")
_ADDRESS = "CLOUDSDK_API_ENDPOINT_OVERRIDES_AIPLATFORM"
_TOKENS = ("GOOGLE_OAUTH_ACCESS_TOKEN", "CLOUDSDK_AUTH_ACCESS_TOKEN")


@dataclass(frozen=True)
class VertexEndpoint:
    """An endpoint that is there already.

    A token comes from ``GOOGLE_OAUTH_ACCESS_TOKEN`` or ``CLOUDSDK_AUTH_ACCESS_TOKEN``, or, with the package
    google-auth, from the application default credentials.

    Attributes:
        project: its project.
        region: its region, such as ``europe-west4``.
        endpoint: its id.
        model: id of the model in the registry; it is made if it is not there.
        image: the server's image in an Artifact Registry.
        machine_type: of the machines.
        min_replicas: machines at least.
        max_replicas: machines at most.
        service_account: identity of the container, which reads the bucket.
        traffic_percent: share of the requests that the new version gets; what was there shares the rest.
        keep_others: whether versions without traffic stay deployed.
        wait_seconds: the longest wait for each operation.
    """

    KIND: ClassVar[str] = "vertex"

    project: str
    region: str
    endpoint: str
    model: str
    image: str
    machine_type: str = "n1-standard-2"
    min_replicas: int = 1
    max_replicas: int = 3
    service_account: str | None = None
    traffic_percent: int = 100
    keep_others: bool = False
    wait_seconds: float = 3600.0

    def problems(self, destination: str) -> list[str]:
        """What is wrong with the settings."""
        shapes = {"project": _PROJECT, "region": _REGION, "endpoint": _ENDPOINT, "model": _MODEL}
        values = {name: getattr(self, name) for name in shapes}
        found = [
            f"{name}: {value!r} is none of Vertex AI"
            for name, value in values.items()
            if not shapes[name].fullmatch(value)
        ]
        found += image_problems(self.image)
        if not destination.startswith("gs://"):
            found.append(f"Vertex AI reads from gs:// alone: the push destination is {destination!r}")
        if not 1 <= self.min_replicas <= self.max_replicas:
            found.append(f"replicas: expected 1 <= min <= max, got {self.min_replicas} and {self.max_replicas}")
        if not 0 <= self.traffic_percent <= 100:
            found.append(f"traffic_percent: expected 0 to 100, got {self.traffic_percent}")
        if not self.wait_seconds > 0:
            found.append(f"wait_seconds: expected more than 0, got {self.wait_seconds}")
        return found

    def check(self, environment: Mapping[str, str]) -> None:
        """Asks for the endpoint; see `PushTarget.check`."""
        self._endpoint(self._api(environment))

    def push(self, version: Version, environment: Mapping[str, str]) -> dict[str, Any]:
        """Uploads the version where it is not there, deploys it, takes those without traffic away."""
        api, title = self._api(environment), f"{self.model}-{version.number}"
        name = self._uploaded(api, version)
        version.done.append(f"the model version {name} is in the registry")
        before = self._endpoint(api)
        if all(deployed.get("displayName") != title for deployed in before.get("deployedModels", ())):
            others = {k: v for k, v in before.get("trafficSplit", {}).items() if v}
            body = {"deployedModel": self._deployed(name, title),
                    "trafficSplit": shared_traffic(others, self.traffic_percent)}  # fmt: skip
            self._operation(api, f"{self._endpoint_path}:deployModel", body)
        version.done.append(f"the endpoint {self.endpoint} has {title}")
        if not self.keep_others:
            self._take_away(api, title)
        return {"endpoint": self._endpoint_path, "model": name, "deployed": title}

    @property
    def _place(self) -> str:
        return f"projects/{self.project}/locations/{self.region}"

    @property
    def _endpoint_path(self) -> str:
        return f"{self._place}/endpoints/{self.endpoint}"

    def _api(self, environment: Mapping[str, str]) -> JsonService:
        url = environment.get(_ADDRESS) or f"https://{self.region}-aiplatform.googleapis.com/"
        problems = service_url_problems(_ADDRESS, url)
        token = next((environment[name] for name in _TOKENS if environment.get(name)), None) or _default_token()
        if token is None:
            problems.append(f"no credentials: set {_TOKENS[0]}, or GOOGLE_APPLICATION_CREDENTIALS with google-auth")
        if problems:
            raise ConfigError("Vertex AI cannot be asked: its variables are wrong", problems=problems)
        return JsonService("Vertex AI", f"{url.rstrip('/')}/v1", {"authorization": f"Bearer {token}"})

    def _endpoint(self, api: JsonService) -> dict[str, Any]:
        found = api.get(self._endpoint_path)
        if found is None:
            raise ArtifactError(f"there is no endpoint {self._endpoint_path}", hint="make it first.")
        return found

    def _uploaded(self, api: JsonService, version: Version) -> str:
        alias, path = f"v-{version.number}", f"{self._place}/models/{self.model}"
        there = api.get(f"{path}@{alias}")
        if there is None:
            known = {"parentModel": path} if api.get(path) is not None else {"modelId": self.model}
            body = {**known, "model": self._model(version, alias)}
            made = self._operation(api, f"{self._place}/models:upload", body)
            return f"{made.get('model', path)}@{made.get('modelVersionId', alias)}"
        return f"{path}@{there.get('versionId', alias)}"

    def _model(self, version: Version, alias: str) -> dict[str, Any]:
        route = f"/v1/models/{quote(self.model, safe='')}"
        values = {"TRUELINE_MODEL_NAME": self.model, "TRUELINE_MODEL_VERSION": str(version.number)}
        return {
            "displayName": self.model,
            "versionAliases": [alias],
            "artifactUri": version.uri,
            "labels": {"trueline-fingerprint": version.fingerprint.lower()[:63]},
            "containerSpec": {
                "imageUri": self.image,
                "ports": [{"containerPort": REST_PORT}],
                "predictRoute": f"{route}:predict",
                "healthRoute": "/readyz",
                "env": [{"name": name, "value": value} for name, value in values.items()],
            },
        }

    def _deployed(self, name: str, title: str) -> dict[str, Any]:
        account = {} if self.service_account is None else {"serviceAccount": self.service_account}
        return {
            "model": name,
            "displayName": title,
            **account,
            "dedicatedResources": {
                "machineSpec": {"machineType": self.machine_type},
                "minReplicaCount": self.min_replicas,
                "maxReplicaCount": self.max_replicas,
            },
        }

    def _take_away(self, api: JsonService, title: str) -> None:
        endpoint = self._endpoint(api)
        split = endpoint.get("trafficSplit", {})
        for deployed in endpoint.get("deployedModels", ()):
            if deployed.get("displayName") != title and not split.get(deployed["id"]):
                self._operation(api, f"{self._endpoint_path}:undeployModel", {"deployedModelId": deployed["id"]})

    def _operation(self, api: JsonService, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        started = api.send("POST", path, body)
        what = path.rpartition(":")[2]

        def look() -> dict[str, Any] | None:
            found = started if started.get("done") else api.get(str(started["name"])) or {}
            return found if found.get("done") else None

        ended = until_done(look, self.wait_seconds, f"Vertex AI's {what}")
        if "error" in ended:
            raise ArtifactError(f"Vertex AI's {what} failed: {ended['error'].get('message', ended['error'])}"[:1000])
        response: dict[str, Any] = ended.get("response", {})
        return response


def shared_traffic(others: Mapping[str, int], percent: int) -> dict[str, int]:
    """Percent by deployed model, ``0`` the new one; the others share the rest as before, in whole percents.

    They add up to 100; who gets nothing is left out.
    """
    total = sum(others.values())
    if not total:
        return {"0": 100}
    rest = 100 - percent
    exact = {name: rest * share / total for name, share in others.items()}
    split = {name: int(value) for name, value in exact.items()}
    for name in sorted(exact, key=lambda n: (split[n] - exact[n], n))[: rest - sum(split.values())]:
        split[name] += 1
    return {name: share for name, share in {"0": percent, **split}.items() if share}


def _default_token() -> str | None:
    try:
        import google.auth
        import google.auth.transport.requests
    except ImportError:
        return None
    try:
        credentials: Any = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])[0]
        credentials.refresh(google.auth.transport.requests.Request())
    except Exception:  # whatever is wrong with it, its text may hold parts of a key
        return None
    token: str | None = credentials.token
    return token
