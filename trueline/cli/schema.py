"""``trueline schema``: infer a schema, look at it, compare two, accept findings, make rows."""

from __future__ import annotations

import importlib

import click

__all__ = ["schema"]

_HOMES = {
    "infer": ("trueline.cli.schema_view:infer", "Make a schema from data or statistics."),
    "view": ("trueline.cli.schema_view:view", "Show a schema as a table."),
    "diff": ("trueline.cli.schema_view:diff", "List what differs between two schemas."),
    "accept": ("trueline.cli.schema_accept:accept", "Change a schema so that it accepts findings."),
    "generate": ("trueline.cli.schema_generate:generate", "Make up rows that a schema accepts."),
}


class _Lazy(click.Group):
    """Subcommands are imported on use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_HOMES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _HOMES:
            return None
        module, _, attribute = _HOMES[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from trueline._core.errors import did_you_mean

            hint = did_you_mean(args[0], self.list_commands(ctx))
            raise click.UsageError(f"{error.message} {hint}", ctx=ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _HOMES.items()])


@click.group(
    cls=_Lazy,
    epilog="\b\nExample:\n"
    "  trueline schema infer rides.csv --out schema.pbtxt\n"
    "  trueline validate june.csv schema.pbtxt\n"
    "  trueline schema accept schema.pbtxt --data june.csv",
)
def schema() -> None:
    """Infer, view, compare and mend schemas; make rows from one.

    A schema is a text file (schema.pbtxt) of tensorflow-metadata's Schema, TFX's own format.
    """
