"""The recipe of the server's image: a Dockerfile, its exact packages, and how it is built.

Nothing but wheels of these versions goes in (``--no-deps``): no pandas, pyarrow or onnx, no framework, no compiler and
no pip. The image runs as a user without rights and writes nothing outside ``/tmp`` and its cache.
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from trueline._core.errors import ConfigError
from trueline._core.version import __version__
from trueline.deploy.container import CACHE, GRPC_PORT, HOSTED, MODELS, REST_PORT, USER
from trueline.deploy.packages import pinned_packages

__all__ = ["DockerOptions", "docker_files"]

_MODULE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@-]*")

_DOCKERFILE = """\
# syntax=docker/dockerfile:1
# The trueline model server. Build: docker build -t registry.example/trueline-serving:@VERSION@ .
# Pin the base by its digest for builds that repeat: --build-arg BASE=python:@PYTHON@-slim@sha256:...
ARG BASE=@BASE@

FROM ${BASE} AS build
WORKDIR /build
@COPY@
RUN python -m venv --without-pip /opt/serving
RUN python -m pip --python /opt/serving/bin/python install --no-cache-dir --no-compile --no-deps \\
    --only-binary :all: @FIND_LINKS@--constraint constraints.txt --requirement requirements.txt
RUN /opt/serving/bin/python -m compileall -q /opt/serving/lib

FROM ${BASE}
COPY --from=build /opt/serving /opt/serving
RUN install -d -o @USER@ -g @USER@ @CACHE@ @MODELS@
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/tmp
USER @USER@:@USER@
EXPOSE @REST@ @GRPC@
STOPSIGNAL SIGTERM
ENTRYPOINT @ENTRYPOINT@
CMD @CMD@
"""

_README = """\
# The model server's image

    docker build -t registry.example/trueline-serving:@VERSION@ .
    docker run --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges \\
        -v "$PWD/serving:/models:ro" -p @REST@:@REST@ -e MODEL_NAME=churn registry.example/trueline-serving:@VERSION@

Versions of the model `churn` lie in `serving/churn/<version>/`, as a Pusher puts them. `/readyz` answers 200 once it is
loaded. Everything after the image's name replaces the arguments: `--model churn=s3://bucket/churn --cache-dir @CACHE@`.

`constraints.txt` holds every package with its version. `--no-deps` is meant: the list is complete, and what packages
name beyond it is not used by the server.
"""


@dataclass(frozen=True)
class DockerOptions:
    """An image.

    Attributes:
        base: the image that it starts from; one with this Python.
        additions: packages beside the server's own, such as ``s3fs``; what they need comes along.
        wheel: trueline's own wheel, copied beside the Dockerfile; None: it comes from the index.
    """

    base: str = f"python:{sys.version_info.major}.{sys.version_info.minor}-slim"
    additions: tuple[str, ...] = ()
    wheel: str | None = None


def docker_files(options: DockerOptions) -> dict[str, bytes]:
    """Contents by file name: ``Dockerfile``, ``constraints.txt``, ``requirements.txt``, ``.dockerignore``,
    ``README.md``, and the wheel.

    Raises:
        ConfigError: all that is wrong at once; packages that are not installed here.
    """
    problems = [f"package {name!r}: expected a name" for name in options.additions if not _MODULE.fullmatch(name)]
    if not _IMAGE.fullmatch(options.base):
        problems.append(f"base {options.base!r}: expected an image's name")
    wheel = None if options.wheel is None else Path(options.wheel)
    if wheel is not None and not (wheel.is_file() and re.fullmatch(r"trueline-[\w.+!]+-py3-none-any\.whl", wheel.name)):
        problems.append(f"wheel {options.wheel!r}: expected a file trueline-<version>-py3-none-any.whl")
    if problems:
        raise ConfigError("no image can be made of this", problems=problems)
    pins = pinned_packages(options.additions)
    if wheel is not None:
        pins["trueline"] = wheel.name.split("-")[1]
    copied = "COPY constraints.txt requirements.txt ./"
    files = {
        "Dockerfile": _filled(_DOCKERFILE, options.base, copied, wheel),
        "constraints.txt": "".join(f"{name}=={version}\n" for name, version in pins.items()),
        "requirements.txt": "".join(f"{name}\n" for name in pins),
        ".dockerignore": "*\n!constraints.txt\n!requirements.txt\n" + ("!wheels\n" if wheel is not None else ""),
        "README.md": _filled(_README, options.base, copied, wheel),
    }
    made = {name: text.encode() for name, text in files.items()}
    if wheel is not None:
        made[f"wheels/{wheel.name}"] = wheel.read_bytes()
    return made


def _filled(text: str, base: str, copied: str, wheel: Path | None) -> str:
    places = {
        "@BASE@": base,
        "@COPY@": copied if wheel is None else f"{copied}\nCOPY wheels wheels",
        "@FIND_LINKS@": "" if wheel is None else "--find-links wheels ",
        "@VERSION@": __version__ if wheel is None else wheel.name.split("-")[1],
        "@PYTHON@": f"{sys.version_info.major}.{sys.version_info.minor}",
        "@USER@": str(USER),
        "@CACHE@": CACHE,
        "@MODELS@": MODELS,
        "@REST@": str(REST_PORT),
        "@GRPC@": str(GRPC_PORT),
        "@ENTRYPOINT@": json.dumps(list(HOSTED)),
        "@CMD@": json.dumps(["--host", "0.0.0.0", "--port", str(REST_PORT), "--grpc-port", str(GRPC_PORT)]),  # noqa: S104
    }
    for place, value in places.items():
        text = text.replace(place, value)
    return text
