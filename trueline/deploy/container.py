"""What the server's container has, whoever runs it: its ports, folders, user, and how it is started."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from trueline.serving.config import ServerConfig, Specific

__all__ = [
    "CACHE",
    "COMMAND",
    "CONFIG_FILE",
    "CONFIG_NAME",
    "GRPC_PORT",
    "HOSTED",
    "MODELS",
    "REST_PORT",
    "USER",
    "image_problems",
    "models_toml",
]

COMMAND = ("/opt/serving/bin/python", "-m", "trueline.serving")
HOSTED = (*COMMAND[:2], "trueline.serving.hosted")
REST_PORT = 8501
GRPC_PORT = 8500
MODELS = "/models"
CACHE = "/var/cache/trueline"
CONFIG_NAME = "models.toml"
CONFIG_FILE = f"/etc/trueline/{CONFIG_NAME}"
USER = 10001
_IMAGE = re.compile(r"[a-z0-9][A-Za-z0-9._:/-]*?(?::(?P<tag>[\w][\w.-]{0,127}))?(?P<digest>@sha256:[0-9a-f]{64})?")


def image_problems(image: str) -> list[str]:
    """What is wrong with an image's name; one whose tag moves is."""
    match = _IMAGE.fullmatch(image)
    if match is None:
        return [f"image {image!r}: expected registry/name:tag or registry/name@sha256:..."]
    if match["digest"] is None and match["tag"] in (None, "latest"):
        return [f"image {image!r}: expected a tag or digest that does not move: what runs must be known"]
    return []


def models_toml(config: ServerConfig) -> str:
    """The configuration as the server's file ``models.toml``."""
    blocks = []
    for model in config.models:
        lines = ["[[models]]", f"name = {_toml(model.name)}", f"base = {_toml(model.base)}"]
        policy = model.policy
        if isinstance(policy, Specific):
            lines += ['policy = "specific"', f"versions = {json.dumps(list(policy.versions))}"]
        else:
            number = getattr(policy, "num_versions", None)
            lines += ['policy = "all"'] if number is None else ['policy = "latest"', f"num_versions = {number}"]
        if model.labels:
            pairs = ", ".join(f"{_toml(k)} = {v}" for k, v in _mapping(model.labels).items())
            lines.append(f"labels = {{ {pairs} }}")
        if model.resource_preserving:
            lines.append("resource_preserving = true")
        blocks.append("\n".join(lines) + "\n")
    return "\n".join(blocks)


def _mapping(labels: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(labels.items()))


def _toml(text: str) -> str:
    """A basic string of TOML: JSON's escapes are among its own, but for DEL, which JSON leaves as it is."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
