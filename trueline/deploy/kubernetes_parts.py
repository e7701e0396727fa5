"""What stands around the pods: a Service, an autoscaler, a disruption budget, a monitor, an Ingress."""

from __future__ import annotations

from typing import Any

from trueline.deploy.container import GRPC_PORT, REST_PORT
from trueline.deploy.kubernetes_settings import KubernetesOptions

__all__ = ["autoscaler", "budget", "ingress", "pod_monitor", "service"]


def service(o: KubernetesOptions) -> dict[str, Any]:
    """The address inside the cluster."""
    secure = "https" if o.tls_secret else "http"
    ports = [{"name": "http", "port": REST_PORT, "targetPort": "http", "appProtocol": secure}]
    if o.grpc:
        ports.append({"name": "grpc", "port": GRPC_PORT, "targetPort": "grpc", "appProtocol": "grpc"})
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": o.metadata(),
        "spec": {"type": "ClusterIP", "selector": o.selector(), "ports": ports},
    }


def autoscaler(o: KubernetesOptions) -> dict[str, Any]:
    """Pods by the CPU that they use: quickly up, slowly down."""
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": o.metadata(),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": o.name},
            "minReplicas": o.min_replicas,
            "maxReplicas": o.max_replicas,
            "metrics": [
                {
                    "type": "Resource",
                    "resource": {
                        "name": "cpu",
                        "target": {"type": "Utilization", "averageUtilization": o.target_cpu},
                    },
                }
            ],
            "behavior": {"scaleDown": {"stabilizationWindowSeconds": 300}},
        },
    }


def budget(o: KubernetesOptions) -> dict[str, Any]:
    """One pod at a time may be taken away on purpose."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": o.metadata(),
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": o.selector()}},
    }


def pod_monitor(o: KubernetesOptions) -> dict[str, Any]:
    """Tells the Prometheus operator where the metrics are."""
    secure = {"scheme": "https", "tlsConfig": {"insecureSkipVerify": True}} if o.tls_secret else {}
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PodMonitor",
        "metadata": o.metadata(),
        "spec": {
            "selector": {"matchLabels": o.selector()},
            "podMetricsEndpoints": [{"port": "http", "path": "/metrics", "interval": "30s", **secure}],
        },
    }


def ingress(o: KubernetesOptions) -> dict[str, Any]:
    """The way in from outside: inference and status alone, not metrics."""
    backend = {"service": {"name": o.name, "port": {"name": "http"}}}
    paths = [{"path": path, "pathType": "Prefix", "backend": backend} for path in ("/v1", "/v2")]
    spec: dict[str, Any] = {} if o.ingress_class is None else {"ingressClassName": o.ingress_class}
    if o.ingress_tls_secret is not None:
        spec["tls"] = [{"hosts": [o.ingress_host], "secretName": o.ingress_tls_secret}]
    spec["rules"] = [{"host": o.ingress_host, "http": {"paths": paths}}]
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": o.metadata(), "spec": spec}
