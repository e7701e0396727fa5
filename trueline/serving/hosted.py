"""The server where a platform starts its container: one model in one folder, found by the platform's own variables.

| platform | where the model lies | what it asks |
|---|---|---|
| SageMaker | ``/opt/ml/model`` | ``POST /invocations`` and ``GET /ping`` on port 8080 |
| Vertex AI | the URL in ``AIP_STORAGE_URI`` | the port in ``AIP_HTTP_PORT``, routes of its own choice |
| KServe | ``/mnt/models`` | TensorFlow Serving's or the Open Inference Protocol's paths on port 8080 |

``TRUELINE_MODEL_NAME`` and ``TRUELINE_MODEL_VERSION`` say what the model is; the Pusher's targets set them. Without a
platform this is ``python -m trueline.serving``: one image serves everywhere.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from urllib.parse import quote

from trueline._core import store
from trueline._core.errors import ConfigError, TruelineError
from trueline.serving import command
from trueline.serving.app import ServingApp
from trueline.serving.asgi import Answer, Request
from trueline.serving.front import Front, Installed
from trueline.serving.rest_tfs import TensorFlowRest
from trueline.serving.server import serve_models

__all__ = ["Hosting", "SageMakerFront", "hosting_of", "main"]

NAME_VARIABLE = "TRUELINE_MODEL_NAME"
VERSION_VARIABLE = "TRUELINE_MODEL_VERSION"
PLACE_VARIABLE = "TRUELINE_MODEL_DIR"
_LARGEST = 2**63 - 1


@dataclass(frozen=True)
class Hosting:
    """What a platform gives.

    Attributes:
        place: the folder or URL of the one version.
        port: where REST is asked for.
        name: the model's name.
        version: its number.
        sagemaker: whether SageMaker's two paths are wanted.
    """

    place: str
    port: int
    name: str = "model"
    version: int = 1
    sagemaker: bool = False


def hosting_of(argv: Sequence[str], environment: Mapping[str, str]) -> Hosting | None:
    """The platform that started this process, or None.

    Raises:
        ConfigError: all variables that are wrong, at once.
    """
    sagemaker = list(argv[:1]) == ["serve"]
    place = environment.get(PLACE_VARIABLE) or environment.get("AIP_STORAGE_URI")
    if place is None and not sagemaker:
        return None
    port = environment.get("AIP_HTTP_PORT") or environment.get("SAGEMAKER_BIND_TO_PORT") or "8080"
    version = environment.get(VERSION_VARIABLE) or "1"
    name = environment.get(NAME_VARIABLE) or "model"
    problems = []
    if not (port.isascii() and port.isdigit() and 0 <= int(port) < 65536):
        problems.append(f"AIP_HTTP_PORT or SAGEMAKER_BIND_TO_PORT: expected a port, got {port!r}")
    if not (version.isascii() and version.isdigit() and int(version) <= _LARGEST):
        problems.append(f"{VERSION_VARIABLE}: expected a whole number, got {version!r}")
    if problems:
        raise ConfigError("the platform's variables are wrong", problems=problems)
    return Hosting(place or "/opt/ml/model", int(port), name, int(version), sagemaker)


@dataclass(frozen=True)
class SageMakerFront(Front):
    """A front with SageMaker's paths: ``/invocations`` is the prediction of the one model, ``/ping`` its readiness.

    Attributes:
        model: its name.
    """

    model: str = "model"

    def install(self, app: ServingApp) -> Installed:
        """Puts it around an app; see `Front.install`."""
        path = f"/v1/models/{quote(self.model, safe='')}:predict".encode()
        rest = TensorFlowRest(app.service)

        async def invoke(request: Request) -> Answer:
            request.path = path
            return await rest(request)

        app.handlers.append((b"/invocations", invoke))
        app.pages[b"/ping"] = app.pages[b"/readyz"]
        return super().install(app)


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    given = list(sys.argv[1:] if argv is None else argv)
    try:
        hosting = hosting_of(given, os.environ)
        if hosting is None:
            return command.main(given)
        rest = given[1:] if hosting.sagemaker else given
        with tempfile.TemporaryDirectory(prefix="trueline-hosted-") as folder:
            _lay_out(hosting, Path(folder))
            wish = command.asked(["--model", f"{hosting.name}={folder}", "--host", "0.0.0.0", *rest], os.environ)  # noqa: S104
            front = wish.front
            if hosting.sagemaker:
                kept = {f.name: getattr(front, f.name) for f in fields(Front)}
                front = SageMakerFront(**kept, model=hosting.name)
            return serve_models(wish.models, replace(wish.place, port=hosting.port), wish.options, front)
    except TruelineError as error:
        print(str(error), file=sys.stderr)
        return 2


def _lay_out(hosting: Hosting, base: Path) -> None:
    """The version under its number, as the server looks for it: a link where it lies here, a copy otherwise."""
    target = base / str(hosting.version)
    if store.is_local(hosting.place):
        source = store.local_path(hosting.place)
        if not source.is_dir():
            raise ConfigError("the platform gave no model", where=hosting.place)
        target.symlink_to(source.absolute(), target_is_directory=True)
        return
    try:
        store.copy_tree(hosting.place.rstrip("/"), str(target))
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise


if __name__ == "__main__":
    sys.exit(main())
