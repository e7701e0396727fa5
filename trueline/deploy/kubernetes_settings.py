"""The settings of a deployment on Kubernetes, and the names and labels that all its objects share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["KubernetesOptions"]


@dataclass(frozen=True)
class KubernetesOptions:
    """A server on Kubernetes.

    Attributes:
        name: of all objects.
        image: the server's image, with a tag or digest that does not move.
        namespace: None leaves it to who applies the file.
        min_replicas: pods at least.
        max_replicas: pods at most; the same as `min_replicas`: no autoscaler.
        target_cpu: percent of the asked CPU at which pods are added.
        cpu: CPU that a pod asks for; it may use more.
        memory: memory that a pod asks for and may use.
        cache_size: disk for versions that are copied from an object store.
        grpc: whether gRPC is served too.
        claim: a PersistentVolumeClaim with models, mounted at ``/models`` to be read.
        service_account: whose identity the pods have, for object stores that know it.
        environment_secret: a Secret whose entries become variables, for object stores that want keys.
        tls_secret: a Secret of the type ``kubernetes.io/tls`` for the server's own TLS.
        api_keys_secret: a Secret with ``keys.json``, see `trueline.serving.auth`.
        drain_delay: seconds between SIGTERM and the end of listening.
        drain_seconds: the longest wait for requests in flight after that.
        pod_monitor: whether the Prometheus operator is told of the metrics.
        ingress_host: the name under which an Ingress leads here; None: no Ingress.
        ingress_class: its class.
        ingress_tls_secret: a Secret with its certificate.
    """

    name: str
    image: str
    namespace: str | None = None
    min_replicas: int = 2
    max_replicas: int = 10
    target_cpu: int = 70
    cpu: str = "1"
    memory: str = "1Gi"
    cache_size: str = "4Gi"
    grpc: bool = True
    claim: str | None = None
    service_account: str | None = None
    environment_secret: str | None = None
    tls_secret: str | None = None
    api_keys_secret: str | None = None
    drain_delay: int = 10
    drain_seconds: int = 30
    pod_monitor: bool = True
    ingress_host: str | None = None
    ingress_class: str | None = None
    ingress_tls_secret: str | None = None

    def selector(self) -> dict[str, str]:
        """The labels by which the pods are found; they never change."""
        return {"app.kubernetes.io/name": "trueline-serving", "app.kubernetes.io/instance": self.name}

    def metadata(self, name: str | None = None) -> dict[str, Any]:
        """An object's name, namespace and labels."""
        labels = {**self.selector(), "app.kubernetes.io/managed-by": "trueline"}
        place = {} if self.namespace is None else {"namespace": self.namespace}
        return {"name": name or self.name, **place, "labels": labels}
