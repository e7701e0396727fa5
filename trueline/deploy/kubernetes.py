"""Manifests for Kubernetes: a Deployment of the server with what belongs to it, as plain data.

The server drains by itself: at SIGTERM readiness turns false, it goes on answering for `drain_delay` seconds while
the cluster takes it out of its services, then finishes what is in flight. So no hook before the stop is needed.
"""

from __future__ import annotations

import re
from typing import Any

from trueline._core.errors import ConfigError
from trueline.deploy.container import image_problems, models_toml
from trueline.deploy.kubernetes_parts import (
    autoscaler,
    budget,
    ingress,
    pod_monitor,
    service,
)
from trueline.deploy.kubernetes_pod import pod_template
from trueline.deploy.kubernetes_settings import KubernetesOptions
from trueline.serving.config import ServerConfig

__all__ = ["KubernetesOptions", "manifests"]

_NAME = re.compile(r"[a-z](?:[a-z0-9-]{0,51}[a-z0-9])?")
_LABEL_HOST = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*")
_QUANTITY = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?")


def manifests(config: ServerConfig, options: KubernetesOptions) -> list[dict[str, Any]]:
    """The objects, in the order in which they are applied.

    Args:
        config: the models; a base below ``/models`` lies on the volume claim, others are URLs of object stores.
        options: everything else.

    Raises:
        ConfigError: all that is wrong, at once.
    """
    problems = _problems(config, options)
    if problems:
        raise ConfigError("no manifests can be made of this", problems=problems)
    made = [_config_map(config, options), _deployment(options), service(options)]
    if options.max_replicas > options.min_replicas:
        made.append(autoscaler(options))
    if options.max_replicas > 1:
        made.append(budget(options))
    if options.pod_monitor:
        made.append(pod_monitor(options))
    if options.ingress_host is not None:
        made.append(ingress(options))
    return made


def _config_map(config: ServerConfig, options: KubernetesOptions) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": options.metadata(f"{options.name}-models"),
        "data": {"models.toml": models_toml(config)},
    }


def _deployment(options: KubernetesOptions) -> dict[str, Any]:
    scaled = options.max_replicas > options.min_replicas
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": options.metadata(),
        "spec": {
            # Left out where an autoscaler decides: applying the file again must not scale down.
            **({} if scaled else {"replicas": options.min_replicas}),
            "revisionHistoryLimit": 5,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "selector": {"matchLabels": options.selector()},
            "template": pod_template(options),
        },
    }


def _problems(config: ServerConfig, o: KubernetesOptions) -> list[str]:
    found = [] if _NAME.fullmatch(o.name) else [f"name {o.name!r}: expected a-z, 0-9 and '-', at most 53 characters"]
    found += image_problems(o.image)
    named = {"namespace": o.namespace, "claim": o.claim, "service_account": o.service_account,
             "environment_secret": o.environment_secret, "tls_secret": o.tls_secret,
             "api_keys_secret": o.api_keys_secret, "ingress_class": o.ingress_class,
             "ingress_tls_secret": o.ingress_tls_secret, "ingress_host": o.ingress_host}  # fmt: skip
    found += [
        f"{field} {value!r}: expected a name of Kubernetes: a-z, 0-9, '-' and '.'"
        for field, value in named.items()
        if value is not None and not (_LABEL_HOST.fullmatch(value) and len(value) <= 253)
    ]
    for field in ("cpu", "memory", "cache_size"):
        if not _QUANTITY.fullmatch(getattr(o, field)):
            found.append(f"{field} {getattr(o, field)!r}: expected a quantity such as 500m, 2 or 1Gi")
    if not 1 <= o.min_replicas <= o.max_replicas:
        found.append(f"replicas: expected 1 <= min <= max, got {o.min_replicas} and {o.max_replicas}")
    if not 1 <= o.target_cpu <= 100:
        found.append(f"target_cpu: expected 1 to 100 percent, got {o.target_cpu}")
    found += [f"{f}: expected 0 or more seconds" for f in ("drain_delay", "drain_seconds") if not getattr(o, f) >= 0]
    if o.ingress_host is None and (o.ingress_class or o.ingress_tls_secret):
        found.append("ingress_class and ingress_tls_secret go with ingress_host")
    return found + _base_problems(config, o)


def _base_problems(config: ServerConfig, options: KubernetesOptions) -> list[str]:
    found = []
    for model in config.models:
        stored = "://" in model.base and not model.base.startswith(("file://", "memory://"))
        on_volume = model.base == "/models" or model.base.startswith("/models/")
        if not stored and not on_volume:
            found.append(f"model {model.name!r}: {model.base!r} is no place a pod can reach: give a URL such as "
                         "s3://bucket/serving, or a folder below /models on a volume claim")  # fmt: skip
        elif on_volume and options.claim is None:
            found.append(f"model {model.name!r}: {model.base!r} lies on a volume: name its claim")
        if ".." in model.base.split("/"):
            found.append(f"model {model.name!r}: {model.base!r} leaves its folder")
        if model.batching is not None or model.logging is not None or getattr(model, "traffic", None) is not None:
            found.append(f"model {model.name!r}: batching, logging and traffic are not written into manifests")
    return found
