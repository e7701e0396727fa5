"""The exact packages of a server: its own, and what an addition such as s3fs needs, as installed here."""

from __future__ import annotations

from importlib import metadata

from trueline._core.errors import ConfigError

__all__ = ["SERVING_PACKAGES", "pinned_packages"]

SERVING_PACKAGES = (
    "numpy", "onnxruntime", "uvicorn", "uvloop", "h11", "click", "httptools", "orjson", "prometheus-client", "grpcio",
    "typing-extensions", "protobuf", "trueline",
)  # fmt: skip
"""What the server imports, all of it; what its packages name beyond that is not used by it."""


def pinned_packages(additions: tuple[str, ...] = ()) -> dict[str, str]:
    """Version by name, for ``pip install --no-deps``.

    Args:
        additions: packages beside the server's, such as ``s3fs`` for models in S3, ``pyarrow`` for Arrow bodies or
            ``onnxruntime-extensions`` for models of the profile ``server``; what they need comes along.

    Raises:
        ConfigError: naming every package that is not installed here, so that no version is known.
    """
    found: dict[str, str] = {}
    absent: list[str] = []
    for name in SERVING_PACKAGES:
        _take(name, found, absent, deep=False)
    for name in additions:
        _take(name, found, absent, deep=True)
    if absent:
        raise ConfigError(
            f"not installed here, so that no version can be pinned: {', '.join(sorted(set(absent)))}",
            hint="pip install 'trueline[serving]' and what is added, then try again.",
        )
    return dict(sorted(found.items()))


def _take(name: str, found: dict[str, str], absent: list[str], *, deep: bool) -> None:
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    key = canonicalize_name(name)
    if key in found:
        return
    try:
        distribution = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        absent.append(name)
        return
    found[key] = distribution.version
    for line in (distribution.requires or ()) if deep else ():
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            _take(requirement.name, found, absent, deep=True)
