"""The pod: one container without rights, a root file system that cannot be written, probes, and its volumes."""

from __future__ import annotations

from typing import Any

from trueline.deploy.container import CACHE, COMMAND, CONFIG_FILE, CONFIG_NAME, GRPC_PORT, MODELS, REST_PORT, USER
from trueline.deploy.kubernetes_settings import KubernetesOptions

__all__ = ["pod_template"]

_TLS = "/etc/trueline-tls"
_KEYS = "/etc/trueline-keys"
_CONFIG_POLL = 10
_START_SECONDS = 600
_SPARE_SECONDS = 10


def pod_template(o: KubernetesOptions) -> dict[str, Any]:
    """The template of a Deployment."""
    account = {} if o.service_account is None else {"serviceAccountName": o.service_account}
    return {
        "metadata": {"labels": o.selector()},
        "spec": {
            **account,
            # The server asks nothing of the cluster; an identity for an object store comes as a token of its own.
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": o.drain_delay + o.drain_seconds + _SPARE_SECONDS,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": USER,
                "runAsGroup": USER,
                "fsGroup": USER,
                "fsGroupChangePolicy": "OnRootMismatch",
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "topologySpreadConstraints": [
                {
                    "maxSkew": 1,
                    "topologyKey": "kubernetes.io/hostname",
                    "whenUnsatisfiable": "ScheduleAnyway",
                    "labelSelector": {"matchLabels": o.selector()},
                }
            ],
            "containers": [_container(o)],
            "volumes": _volumes(o),
        },
    }


def _container(o: KubernetesOptions) -> dict[str, Any]:
    secret = {} if o.environment_secret is None else {"envFrom": [{"secretRef": {"name": o.environment_secret}}]}
    ports = [{"name": "http", "containerPort": REST_PORT}]
    if o.grpc:
        ports.append({"name": "grpc", "containerPort": GRPC_PORT})
    return {
        "name": "server",
        "image": o.image,
        "imagePullPolicy": "IfNotPresent",
        "command": list(COMMAND),
        "args": _arguments(o),
        **secret,
        "env": [{"name": "HOME", "value": "/tmp"}],  # noqa: S108 - a volume of the pod alone
        "ports": ports,
        # No limit of CPU: a pod that is throttled answers late while the node idles.
        "resources": {"requests": {"cpu": o.cpu, "memory": o.memory}, "limits": {"memory": o.memory}},
        "startupProbe": {**_probe(o, "/readyz"), "periodSeconds": 2, "failureThreshold": _START_SECONDS // 2},
        "readinessProbe": {**_probe(o, "/readyz"), "periodSeconds": 2, "failureThreshold": 1},
        "livenessProbe": {**_probe(o, "/healthz"), "periodSeconds": 10, "failureThreshold": 3},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": _mounts(o),
    }


def _arguments(o: KubernetesOptions) -> list[str]:
    made = ["--model-config-file", CONFIG_FILE, "--model-config-file-poll-wait-seconds", str(_CONFIG_POLL)]
    made += ["--host", "0.0.0.0", "--port", str(REST_PORT), "--cache-dir", CACHE]  # noqa: S104 - a pod's own address
    made += ["--drain-delay", str(o.drain_delay), "--drain-seconds", str(o.drain_seconds)]
    if o.grpc:
        made += ["--grpc-port", str(GRPC_PORT)]
    if o.tls_secret is not None:
        made += ["--tls-cert", f"{_TLS}/tls.crt", "--tls-key", f"{_TLS}/tls.key"]
    if o.api_keys_secret is not None:
        made += ["--api-keys-file", f"{_KEYS}/keys.json"]
    return made


def _probe(o: KubernetesOptions, path: str) -> dict[str, Any]:
    scheme = {} if o.tls_secret is None else {"scheme": "HTTPS"}
    return {"httpGet": {"path": path, "port": "http", **scheme}, "timeoutSeconds": 2}


def _mounts(o: KubernetesOptions) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = [
        {"name": "config", "mountPath": CONFIG_FILE.rsplit("/", 1)[0], "readOnly": True},
        {"name": "cache", "mountPath": CACHE},
        {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108
    ]
    more = {"models": (o.claim, MODELS), "tls": (o.tls_secret, _TLS), "keys": (o.api_keys_secret, _KEYS)}
    return made + [
        {"name": name, "mountPath": path, "readOnly": True} for name, (given, path) in more.items() if given is not None
    ]


def _volumes(o: KubernetesOptions) -> list[dict[str, Any]]:
    items = [{"key": CONFIG_NAME, "path": CONFIG_NAME}]
    made: list[dict[str, Any]] = [
        {"name": "config", "configMap": {"name": f"{o.name}-models", "items": items}},
        {"name": "cache", "emptyDir": {"sizeLimit": o.cache_size}},
        {"name": "tmp", "emptyDir": {"sizeLimit": "256Mi"}},
    ]
    if o.claim is not None:
        made.append({"name": "models", "persistentVolumeClaim": {"claimName": o.claim, "readOnly": True}})
    for name, secret in (("tls", o.tls_secret), ("keys", o.api_keys_secret)):
        if secret is not None:
            made.append({"name": name, "secret": {"secretName": secret, "defaultMode": 0o440}})
    return made
