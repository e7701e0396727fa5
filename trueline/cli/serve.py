"""``trueline serve``: the model server on a folder of pushed versions."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from trueline._core.errors import ServingError

__all__ = ["serve"]


@click.command()
@click.argument("directory")
@click.option("--name", help="The model's name in the addresses; the folder's name by default.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8501, show_default=True, type=click.IntRange(0, 65535), help="REST port; 0: any.")
@click.option("--allow-host", multiple=True, metavar="MODULE", help="Module whose host steps may run; repeatable.")
@click.option("--json", "as_json", is_flag=True, help="Nothing but events on standard output, as JSON lines.")
def serve(
    directory: str, name: str | None, host: str, port: int, allow_host: tuple[str, ...], as_json: bool
) -> int:  # fmt: skip
    """Serve the newest version in DIRECTORY, a folder of integer-named versions as the Pusher makes them.

    A version that is pushed later is taken over without a pause; events are JSON lines on standard output.
    """
    from trueline import serving

    base = Path(directory)
    if not base.is_dir():
        raise ServingError("no such folder", where=directory, hint="give the Pusher's push destination.")
    model = name or base.resolve().name
    told = f"Serving {model} from {base} on http://{host}:{port}/v1/models/{model}:predict (Ctrl-C ends it)"
    click.echo(told, err=as_json)
    if allow_host:
        # Host steps may stand beside the user's pipeline file, as they did when the line ran.
        sys.path.insert(0, str(Path.cwd()))
    return serving.serve(str(base), name=model, host=host, port=port, allow_host=allow_host)
