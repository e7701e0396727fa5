"""The command line of ``python -m trueline.serving``: our flags, and TensorFlow Serving's where they say the same.

Every flag may be written with underscores, and a switch may have a value (``--enable_model_warmup=false``). A command
line of TensorFlow Serving's works as it is: once ``--rest_api_port`` stands there, ``--port`` is gRPC's, as it is for
TensorFlow Serving. Without any model the variables MODEL_NAME and MODEL_BASE_PATH of its container image are asked.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from trueline._core.errors import ConfigError, TruelineError
from trueline.serving.batching_file import read_batching_file
from trueline.serving.config import Latest, ModelConfig, ServerConfig
from trueline.serving.config_file import read_config_file
from trueline.serving.front import Front
from trueline.serving.options import ServerOptions
from trueline.serving.place import Place, emit
from trueline.serving.server import serve_models

__all__ = ["Asked", "asked", "main"]

_SAME = {
    "--file-system-poll-wait-seconds": "--poll-seconds",
    "--max-num-load-retries": "--max-load-retries",
    "--num-load-threads": "--load-threads",
    "--grpc-socket-path": "--grpc-socket",
    "--config": "--model-config-file",
}
"""TensorFlow Serving's flags, and others, that are ours under another name."""

_IGNORED = frozenset(
    {"--rest-api-num-threads", "--num-unload-threads", "--tensorflow-session-parallelism", "--grpc-max-threads",
     "--tensorflow-intra-op-parallelism", "--tensorflow-inter-op-parallelism", "--flush-filesystem-caches",
     "--per-process-gpu-memory-fraction", "--saved-model-tags", "--enable-signature-method-name-check",
     "--grpc-channel-arguments", "--remove-unused-fields-from-bundle-metagraph", "--prefer-tflite-model",
     "--num-tflite-pools", "--num-tflite-interpreters-per-pool", "--enable-profiler",
     "--xla-cpu-compilation-enabled", "--xla-gpu-compilation-enabled", "--mixed-precision", "--skip-initialize-tpu",
     "--enable-grpc-healthcheck-service", "--enable-serialization-as-tensor-content", "--platform-config-file"}
)  # fmt: skip
"""TensorFlow Serving's flags that mean nothing here; they are accepted, and an event says so."""

_LISTS = {
    "allow_host": ("MODULE", "host steps that may run; repeatable"),
    "cors_origins": ("ORIGIN", "whose pages may read; repeatable"),
    "allowed_batch_sizes": ("ROWS", "a run has one of these sizes; repeatable"),
}


@dataclass(frozen=True)
class Asked:
    """What a command line asks for.

    Attributes:
        models: what is served.
        place: where.
        options: the settings.
        front: who may ask, and how.
        notes: what was understood otherwise than it is written.
    """

    models: ServerConfig
    place: Place
    options: ServerOptions
    front: Front
    notes: tuple[str, ...]


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    try:
        wish = asked(sys.argv[1:] if argv is None else argv, os.environ)
        for note in wish.notes:
            emit("note", {"note": note})
        return serve_models(wish.models, wish.place, wish.options, wish.front)
    except TruelineError as error:
        print(str(error), file=sys.stderr)
        return 2


def asked(argv: Sequence[str], environment: Mapping[str, str]) -> Asked:
    """What a command line asks for.

    Raises:
        ConfigError: models or settings that are wrong.
        SystemExit: a flag that does not exist.
    """
    words, ignored = _plain(argv)
    given = _parser().parse_args(words)
    notes = [f"{name} means nothing here and is ignored" for name in ignored]
    place, options = _place(given), _options(given, notes)
    front = Front(**{f.name: getattr(given, f.name) for f in fields(Front)})
    return Asked(_models(given, options, environment), place, options, front, tuple(notes))


def _plain(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """The words with our names of flags; and the flags that mean nothing here."""
    words: list[str] = []
    ignored = []
    skip = False
    for word in argv:
        if skip and not word.startswith("--"):
            skip = False
            continue
        skip = False
        name, equals, value = word.partition("=") if word.startswith("--") else (word, "", "")
        if name.startswith("--"):
            name = name.replace("_", "-")
            name = _SAME.get(name, name)
        if name in _IGNORED:
            ignored.append(name)
            skip = not equals
            continue
        words.append(name + equals + value)
    return words, ignored


def _switch(text: str) -> bool:
    """A switch's value.

    Raises:
        ArgumentTypeError: neither yes nor no.
    """
    found = {"true": True, "1": True, "false": False, "0": False}.get(text.lower())
    if found is None:
        raise argparse.ArgumentTypeError(f"expected true or false, got {text!r}")
    return found


def _model_argument(text: str) -> tuple[str, str]:
    name, equals, base = text.partition("=")
    if not (name and equals and base):
        raise argparse.ArgumentTypeError(f"expected NAME=FOLDER, got {text!r}")
    return name, base


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m trueline.serving", description="Serve models over REST and gRPC.", allow_abbrev=False
    )
    add = parser.add_argument
    add("--model", action="append", default=[], type=_model_argument, metavar="NAME=FOLDER", help="repeatable")
    add("--model-config-file", metavar="FILE", help="models as TensorFlow Serving's text, TOML or JSON")
    add("--model-config-file-poll-wait-seconds", type=float, default=0.0, metavar="SECONDS", help="0: on SIGHUP alone")
    add("--model-name", default="default", help="with --model-base-path")
    add("--model-base-path", metavar="FOLDER", help="one model; as TensorFlow Serving has it")
    add("--host", default=Place.host)
    add("--port", type=int, help=f"REST, {Place.port} by default, 0 takes a free port; gRPC beside --rest-api-port")
    add("--rest-api-port", type=int, help="REST; --port is gRPC's then")
    add("--grpc-port", type=int, help="serve gRPC there too; 0 takes a free port")
    add("--grpc-socket", metavar="PATH", help="serve gRPC on a Unix socket too")
    add("--grpc-reload-root", metavar="FOLDER", help="take configurations by gRPC of models below it")
    add("--ready-file", help="written as JSON once every model answers")
    add("--fail-fast", nargs="?", type=_switch, const=True, default=False, help="end with 1 if a model has no version")
    add("--drain-delay", type=float, default=0.0, metavar="SECONDS")
    add("--workers", type=int, default=1, metavar="PROCESSES", help="processes that answer on the same port")
    add("--enable-batching", nargs="?", type=_switch, const=True, help="false: requests are never put together")
    add("--batching-parameters-file", metavar="FILE", help="TensorFlow Serving's BatchingParameters")
    add("--rest-api-enable-cors-support", nargs="?", type=_switch, const=True, help="the same as --cors-origins '*'")
    add("--load-retry-interval-micros", type=float, help="the same as --retry-seconds")
    _add_fields(parser)
    return parser


def _add_fields(parser: argparse.ArgumentParser) -> None:
    """A flag for each setting that has none of its own."""
    for field in (*fields(Front), *fields(ServerOptions)):
        name, default = f"--{field.name.replace('_', '-')}", field.default
        if field.name in _LISTS:
            kind = int if field.name == "allowed_batch_sizes" else str
            metavar, text = _LISTS[field.name]
            parser.add_argument(name, action="append", default=[], type=kind, metavar=metavar, help=text)
        elif isinstance(default, bool):
            parser.add_argument(name, nargs="?", type=_switch, const=True, default=default)
        else:
            number = int if isinstance(default, int) or field.name == "admin_port" else str
            parser.add_argument(name, type=float if isinstance(default, float) else number, default=default)


def _place(given: argparse.Namespace) -> Place:
    values: dict[str, Any] = {f.name: getattr(given, f.name) for f in fields(Place)}
    rest, grpc = given.rest_api_port, given.grpc_port
    if rest is not None:
        values["port"] = rest
        values["grpc_port"] = grpc if grpc is not None else given.port
    elif given.port is None:
        values["port"] = Place.port
    return Place(**values)


def _options(given: argparse.Namespace, notes: list[str]) -> ServerOptions:
    values = {f.name: getattr(given, f.name) for f in fields(ServerOptions)}
    values |= {name: tuple(values[name]) for name in _LISTS}
    if given.load_retry_interval_micros is not None:
        values["retry_seconds"] = given.load_retry_interval_micros / 1e6
    values["load_threads"] = values["load_threads"] or 1  # TensorFlow Serving's 0 is one
    values["num_request_iterations_for_warmup"] = values["num_request_iterations_for_warmup"] or 1
    if given.rest_api_enable_cors_support and not values["cors_origins"]:
        values["cors_origins"] = ("*",)
    if given.enable_batching is False:
        values["max_batch_rows"] = 1
    options = ServerOptions(**values)
    if given.batching_parameters_file is None:
        return options
    if not given.enable_batching:
        raise ConfigError("--batching-parameters-file goes with --enable-batching alone")
    settings, told = read_batching_file(given.batching_parameters_file)
    notes += told
    return replace(
        options,
        max_batch_rows=settings.max_batch_rows,
        max_queue_rows=settings.max_queue_rows,
        batch_timeout_micros=settings.timeout_micros,
        allowed_batch_sizes=settings.allowed_batch_sizes,
        enable_large_batch_splitting=settings.split_large,
    )


def _models(given: argparse.Namespace, options: ServerOptions, environment: Mapping[str, str]) -> ServerConfig:
    models = [ModelConfig(name, base, Latest(options.num_versions)) for name, base in given.model]
    if given.model_base_path is not None:
        models.append(ModelConfig(given.model_name, given.model_base_path, Latest(options.num_versions)))
    if given.model_config_file is not None:
        if models:
            raise ConfigError("--model-config-file and models on the command line exclude each other")
        return read_config_file(given.model_config_file)
    if not models and ("MODEL_NAME" in environment or "MODEL_BASE_PATH" in environment):
        name = environment.get("MODEL_NAME", "model")
        base = f"{environment.get('MODEL_BASE_PATH', '/models').rstrip('/')}/{name}"
        models.append(ModelConfig(name, base, Latest(options.num_versions)))
    if not models:
        raise ConfigError(
            "there is no model to serve",
            hint="give --model NAME=FOLDER, --model-config-file FILE, or MODEL_NAME in the environment.",
        )
    return ServerConfig(tuple(models))
