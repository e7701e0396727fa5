"""``trueline init``: a project folder from a template."""

from __future__ import annotations

import importlib.util
import json
import os
import shlex
from typing import TYPE_CHECKING

import click

from trueline.cli.completion import complete_templates

if TYPE_CHECKING:
    from trueline.templates import Project

__all__ = ["init"]


def _names_of_templates(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    from trueline.templates import TEMPLATES

    return [name for name in TEMPLATES if name.startswith(incomplete)]


@click.command(epilog="\b\nExample:\n  trueline init churn --template minimal")
@click.argument("directory", required=False)
@click.option(
    "--template",
    default="taxi",
    show_default=True,
    shell_complete=complete_templates,
    help="Which template; `--list` names them.",
)
@click.option("--name", help="Of the pipeline and its model; the folder's name by default.")
@click.option("--list", "list_templates", is_flag=True, help="List the templates and stop.")
@click.option("--json", "as_json", is_flag=True, help="Print what was made, or the list, as JSON.")
def init(directory: str | None, template: str, name: str | None, list_templates: bool, as_json: bool) -> None:
    """Make a new project in DIRECTORY: pipeline, model, sample data, tests, CI file, Dockerfile, README.

    The folder must be empty or not there yet; nothing is ever overwritten, and a failure leaves nothing behind.
    """
    from trueline.templates import make_project

    if list_templates:
        _print_list(as_json)
        return
    if directory is None:
        raise click.UsageError("name the folder: trueline init DIRECTORY")
    project = make_project(template, directory, name=name)
    steps = _next_steps(project, directory)
    if as_json:
        made = {"directory": directory, "template": template, "name": project.name}
        click.echo(json.dumps({**made, "files": list(project.files), "next": steps}, indent=1))
        return
    click.echo(f"Made {project.name} in {directory} from template {template}: {', '.join(project.files)}")
    click.echo("\n  ".join(["Next:", *steps]))


def _print_list(as_json: bool) -> None:
    from trueline.templates import TEMPLATES

    if as_json:
        click.echo(json.dumps([{"name": t.name, "about": t.about} for t in TEMPLATES.values()], indent=1))
        return
    for found in TEMPLATES.values():
        click.echo(f"{found.name:12} {found.about}")


def _next_steps(project: Project, directory: str) -> list[str]:
    """Commands that a shell takes as they stand; what is not installed comes first."""
    from trueline.templates import missing_modules

    # Tests need pytest besides; requirements-dev.txt names everything.
    short = missing_modules() or importlib.util.find_spec("pytest") is None
    inside = os.path.realpath(directory) == os.getcwd()
    # A folder called -x is no option of cd behind ./
    place = f"./{directory}" if directory.startswith("-") else directory
    steps = [] if inside else [f"cd {shlex.quote(place)}"]
    steps += ["python -m pip install -r requirements-dev.txt"] if short else []
    return [*steps, "trueline run pipeline.py", "python -m pytest"]
