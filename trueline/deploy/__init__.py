"""Where models are served: manifests for Kubernetes and the recipe of a container image, made from a configuration.

Everything here is text made of settings: nothing is started, built or sent anywhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trueline._core.lazy import lazy_names

if TYPE_CHECKING:
    from trueline.deploy.docker import DockerOptions, docker_files
    from trueline.deploy.kubernetes import KubernetesOptions, manifests
    from trueline.deploy.yaml_writer import yaml_text

__all__ = ["DockerOptions", "KubernetesOptions", "docker_files", "manifests", "yaml_text"]

_HOMES = {
    "DockerOptions": "docker",
    "KubernetesOptions": "kubernetes",
    "docker_files": "docker",
    "manifests": "kubernetes",
    "yaml_text": "yaml_writer",
}

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
