"""``trueline explain --what-if``: the page on which rows are edited, as a file or behind the local app."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import click

from trueline._core.errors import ConfigError

if TYPE_CHECKING:
    from trueline.engine import Dataset
    from trueline.model_analysis import WhatIf
    from trueline.models import Model

__all__ = ["show_what_if", "what_if_options", "what_if_page"]

F = TypeVar("F", bound=Callable[..., Any])
_OPTIONS = (
    click.option("--what-if", is_flag=True, help="The what-if page: --html FILE with --runtime, or --serve."),
    click.option("--serve", is_flag=True, help="... behind a local app, until Ctrl-C."),
    click.option("--port", default=0, show_default=True, type=click.IntRange(0, 65535), help="... its port; 0: any."),
    click.option(
        "--runtime", metavar="FOLDER", help="... the npm package onnxruntime-web's dist, to go into the page."
    ),
    click.option("--compare", metavar="MODEL", help="... with a second model beside the first."),
)
_ALONE = ("serve", "port", "runtime", "compare")


def what_if_options(command: F) -> F:
    """Adds the page's options to a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def what_if_page(
    model: Model, data: Dataset, asked: Mapping[str, Any], html: str | None, json_: str | None
) -> WhatIf | None:
    """The page that the options ask for; None where they ask for none.

    Raises:
        ConfigError: options of the page without it, or a page that nobody would see.
    """
    if not asked["what_if"]:
        problems = [f"--{name} belongs to --what-if" for name in _ALONE if asked[name]]
        if problems:
            raise ConfigError("what is not asked for has options", problems=problems, hint="add --what-if.")
        return None
    if json_ is not None or asked["row"] is not None:
        raise ConfigError("--json and --row do not belong to --what-if, which shows a page of many rows")
    if html is None and not asked["serve"]:
        raise ConfigError(
            "the what-if page goes into a file or is served", hint="give --html FILE --runtime FOLDER, or --serve."
        )
    if html is not None and asked["runtime"] is None:
        raise ConfigError(
            "a page that works from a disk holds onnxruntime-web",
            hint="npm install onnxruntime-web, and give --runtime node_modules/onnxruntime-web/dist; or --serve.",
        )
    from trueline.cli.predict import model_folder
    from trueline.model_analysis import what_if
    from trueline.models import Model

    other = asked["compare"]
    second = None if other is None else Model.load(model_folder(other), allow_host=model.runtime.allow_host)
    rows = {"rows": asked["most"]} if asked["most"] else {}
    return what_if(
        model,
        data,
        compare=second,
        schema=asked["schema"],
        features=asked["features"] or None,
        facets=asked["slices"],
        seed=asked["seed"],
        **rows,
    )


def show_what_if(page: WhatIf, asked: Mapping[str, Any], html: str | None) -> None:
    """Writes the page, serves it, or both."""
    if html is not None:
        text = page.to_html(html, runtime=str(asked["runtime"]))
        click.echo(f"Wrote {html} ({len(text) / 1e6:.1f} MB, with the models and onnxruntime-web in it)")
    if asked["serve"]:
        from trueline.web import serve_what_if

        serve_what_if(page, port=asked["port"], say=click.echo)
