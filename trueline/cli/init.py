"""``trueline init``: a project folder from a template."""

from __future__ import annotations

import click

__all__ = ["init"]


@click.command()
@click.argument("directory", required=False)
@click.option("--template", default="taxi", show_default=True, help="Which template; `--list` names them.")
@click.option("--list", "list_templates", is_flag=True, help="List the templates and stop.")
def init(directory: str | None, template: str, list_templates: bool) -> None:
    """Make a new project in DIRECTORY: a pipeline, a model, sample data, tests, a README.

    The folder must be empty or not there yet; nothing is ever overwritten.
    """
    from trueline.templates import TEMPLATES, copy_template

    if list_templates:
        for name, about in TEMPLATES.items():
            click.echo(f"{name:12} {about}")
        return
    if directory is None:
        raise click.UsageError("name the folder: trueline init DIRECTORY")
    files = copy_template(template, directory)
    click.echo(f"Made {directory} from template {template}: {', '.join(files)}")
    click.echo(f"Next:\n  cd {directory}\n  trueline run pipeline.py")
