"""``trueline serve``: the model server on a folder of pushed versions, a file of models, or a pipeline's metadata."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from trueline._core.errors import ServingError
from trueline.cli.memory import metadata_option
from trueline.cli.serve_front import front_options

if TYPE_CHECKING:
    from trueline.serving.config import ServerConfig

__all__ = ["serve"]

_PORT = click.IntRange(0, 65535)
_SENTENCES: Mapping[str, str] = {
    "no_version": "No version of {model} answers: {error}",
    "load_failed": "Version {version} of {model} does not load: {error}",
    "scan_failed": "The versions of {model} cannot be looked for: {error}",
    "version_missing": "{model} is to be served in versions that are not there: {versions}",
    "traffic_target_missing": "{target} of the traffic of {model} is not available; others answer for it.",
    "shadow_failed": "Version {version} of {model} cannot answer copies of requests: {error}",
    "prediction_log_failed": "The prediction log cannot be written: {error}",
    "configuration_failed": "The file of models is not applied, what was served is served on: {error}",
}
"""What goes wrong, for people; it stands on standard error, beside the event."""


@click.command()
@click.argument("directory", required=False)
@click.option("--config", "config_file", metavar="FILE", help="Models: TensorFlow Serving's text format, TOML or JSON.")
@click.option("--pipeline", metavar="NAME[@ALIAS]", help="The newest blessed model of a pipeline, or one by its alias.")
@click.option("--name", help="The model's name in the addresses; the folder's or pipeline's name by default.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8501, show_default=True, type=_PORT, help="REST port; 0: any.")
@click.option("--grpc-port", type=_PORT, help="Serve gRPC there too; 0: any.")
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1), help="Processes that answer.")
@click.option("--poll-seconds", default=1.0, show_default=True, help="Pause between looks for versions; 0: one look.")
@click.option("--config-poll-seconds", default=0.0, help="Pause between looks at --config; 0: on SIGHUP alone.")
@click.option("--fail-fast", is_flag=True, help="End with exit code 1 when a model has no version that loads.")
@click.option("--prediction-log", metavar="FOLDER", help="Log requests with their predictions there, as Parquet.")
@click.option("--prediction-log-sample", default=1.0, show_default=True, help="The share of requests that is logged.")
@click.option("--prediction-log-seconds", default=60.0, show_default=True, help="How often a file of the log is made.")
@click.option("--explain", is_flag=True, help="Answer :explain too.")
@click.option("--allow-host", multiple=True, metavar="MODULE", help="Module whose host steps may run; repeatable.")
@click.option("--json", "as_json", is_flag=True, help="Nothing but events on standard output, as JSON lines.")
@front_options
@metadata_option
def serve(
    directory: str | None,
    config_file: str | None,
    pipeline: str | None,
    name: str | None,
    host: str,
    port: int,
    grpc_port: int | None,
    workers: int,
    poll_seconds: float,
    config_poll_seconds: float,
    fail_fast: bool,
    allow_host: tuple[str, ...],
    as_json: bool,
    location: str | None,
    front: dict[str, Any],
    **settings: Any,
) -> int:
    """Serve the newest version in DIRECTORY, a folder or URL of integer-named versions as the Pusher makes them.

    Or the models of a --config file, or the newest blessed model of a --pipeline. What comes later is taken over
    without a pause; events are JSON lines on standard output, what goes wrong stands on standard error in words too.
    """
    if sum(given is not None for given in (directory, config_file, pipeline)) != 1:
        raise click.UsageError("give one of DIRECTORY, --config FILE and --pipeline NAME.")
    from trueline.cli.serve_pipeline import plugs_of
    from trueline.serving.front import Front
    from trueline.serving.options import ServerOptions
    from trueline.serving.place import Place
    from trueline.serving.server import serve_models

    models = _models(directory, config_file, pipeline, name)
    scheme = "https" if "tls_cert" in front else "http"
    for model in models.models:
        base = directory or model.base
        told = f"Serving {model.name} from {base} on {scheme}://{host}:{port}/v1/models/{model.name}:predict"
        click.echo(f"{told} (Ctrl-C ends it)", err=as_json)
    if allow_host:
        # Host steps may stand beside the user's pipeline file, as they did when the line ran.
        sys.path.insert(0, str(Path.cwd()))
    place = Place(
        host,
        port,
        grpc_port=grpc_port,
        workers=workers,
        fail_fast=fail_fast,
        model_config_file=config_file,
        model_config_file_poll_wait_seconds=config_poll_seconds,
    )
    options = ServerOptions(poll_seconds=poll_seconds, allow_host=allow_host, **settings)
    return serve_models(models, place, options, Front(**front), plugs=plugs_of(location), tell=_teller(fail_fast))


def _models(directory: str | None, config_file: str | None, pipeline: str | None, name: str | None) -> ServerConfig:
    """What is served.

    Raises:
        ServingError: the folder does not exist.
        ConfigError: a file or name that is wrong.
    """
    from trueline.serving.config import ModelConfig, ServerConfig
    from trueline.serving.config_file import read_config_file

    if config_file is not None:
        if name is not None:
            raise click.UsageError("--name goes with DIRECTORY and --pipeline; the file names its models itself.")
        return read_config_file(config_file)
    if pipeline is not None:
        return ServerConfig((ModelConfig(name or pipeline.partition("@")[0], f"pipeline:{pipeline}"),))
    assert directory is not None
    if "://" in directory:
        return ServerConfig((ModelConfig(name or directory.rstrip("/").rpartition("/")[2], directory),))
    if not Path(directory).is_dir():
        raise ServingError("no such folder", where=directory, hint="give the Pusher's push destination.")
    return ServerConfig((ModelConfig(name or Path(directory).resolve().name, str(Path(directory))),))


def _teller(fail_fast: bool) -> Callable[[str, Mapping[str, Any]], None]:
    """Writes every event to standard output, and what goes wrong to standard error in words."""
    from trueline.serving.place import emit

    def tell(event: str, facts: Mapping[str, Any]) -> None:
        emit(event, facts)
        if event in _SENTENCES:
            sentence = _SENTENCES[event].format(**facts)
            if event == "no_version" and not fail_fast:
                sentence = f"{sentence.removesuffix('.')}. The server waits for one."
            click.echo(sentence, err=True)

    return tell
