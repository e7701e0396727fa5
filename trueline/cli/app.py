"""The group of commands: a table of names, homes and one-line helps; a command's module is imported when it is used."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import click

from trueline import __version__
from trueline.cli.completion_setup import completion_options, offer_files
from trueline.cli.failures import EXIT_CODES, OK, USAGE, exit_code_of, print_failure, print_json, wants_json

__all__ = ["COMMANDS", "CommandEntry", "cli", "run_command"]


@dataclass(frozen=True)
class CommandEntry:
    """Where a command lives, and what ``trueline --help`` says of it without importing it."""

    name: str
    home: str
    help: str


COMMANDS = (
    CommandEntry("init", "trueline.cli.init:init", "Make a new project folder from a template."),
    CommandEntry("run", "trueline.cli.run:run", "Run a pipeline file and watch its nodes."),
    CommandEntry("plan", "trueline.cli.plan:plan", "Say what a run would do, and why, before it does it."),
    CommandEntry("resume", "trueline.cli.resume:resume", "Go on with a run that failed, was cancelled or died."),
    CommandEntry("cancel", "trueline.cli.cancel:cancel", "Ask a run to end."),
    CommandEntry("replay", "trueline.cli.replay:replay", "Carry one node of a run out again: the same outputs?"),
    CommandEntry("runs", "trueline.cli.runs:runs", "List the runs, newest first."),
    CommandEntry("show", "trueline.cli.show:show", "Show one run: nodes, states, findings, artifacts."),
    CommandEntry("approve", "trueline.cli.approve:approve", "Say yes or no to a run that waits for it; or list them."),
    CommandEntry("logs", "trueline.cli.logs:logs", "Print what the nodes of a run wrote; --follow while they write."),
    CommandEntry(
        "lineage", "trueline.cli.lineage:lineage", "Show what an artifact or a run was made from, and what from it."
    ),
    CommandEntry("why", "trueline.cli.why:why", "Say why a node ran, or was taken from the cache."),
    CommandEntry("artifacts", "trueline.cli.artifacts:artifacts", "List artifacts; show, pin or unpin one."),
    CommandEntry("models", "trueline.cli.models:models", "Releases of models: list, notes, promote, rollback, alias."),
    CommandEntry("gc", "trueline.cli.gc:gc", "Delete what nothing needs, by lineage; look first with --dry-run."),
    CommandEntry("store", "trueline.cli.store:store", "The metadata database: info, adopt, upgrade, check."),
    CommandEntry("doctor", "trueline.cli.doctor:doctor", "Check this machine, its packages and the store."),
    CommandEntry("stats", "trueline.cli.stats:stats", "Statistics of data: a table, one HTML page, or two compared."),
    CommandEntry("schema", "trueline.cli.schema:schema", "Infer, view, compare and mend schemas; make rows from one."),
    CommandEntry(
        "validate", "trueline.cli.validate:validate", "Hold data to a schema; exit code 3 when they break it."
    ),
    CommandEntry("predict", "trueline.cli.predict:predict", "Predict every row of a file with a model."),
    CommandEntry(
        "evaluate", "trueline.cli.evaluate:evaluate", "Judge a model on labelled rows; exit code 3 at a closed gate."
    ),
    CommandEntry(
        "explain", "trueline.cli.explain:explain", "Say why a model says what it says: six methods, one page."
    ),
    CommandEntry("export", "trueline.cli.export:export", "Write a model for the browser, a server, plain Python, ..."),
    CommandEntry("serve", "trueline.cli.serve:serve", "Serve a pushed model over REST."),
    CommandEntry("deploy", "trueline.cli.deploy:deploy", "Write manifests for Kubernetes, or an image's recipe."),
)

_EPILOG = "\b\nExit codes:\n" + "\n".join(f"  {code}  {meaning}" for code, meaning in EXIT_CODES.items())


class _LazyGroup(click.Group):
    """A group whose commands are imported on use and listed from the table."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [entry.name for entry in COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        for entry in COMMANDS:
            if entry.name == cmd_name:
                module, _, attribute = entry.home.partition(":")
                command: click.Command = getattr(importlib.import_module(module), attribute)
                return command
        return None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from trueline._core.errors import did_you_mean

            raise click.UsageError(
                f"{error.message} {did_you_mean(args[0], self.list_commands(ctx))}", ctx=ctx
            ) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(entry.name, entry.help) for entry in COMMANDS])


@click.group(cls=_LazyGroup, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "--version", prog_name="trueline")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@completion_options
def cli(debug: bool) -> None:
    """A production line for machine-learning models.

    Data is measured, features are made, the model is judged and the server predicts with one definition of every
    step. Start with: trueline init my-project --template taxi
    """


def run_command(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and turns every failure into a message and an exit code; with ``--json`` also into JSON."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    if debug:
        given = [argument for argument in given if argument != "--debug"]
    as_json = wants_json(given)
    offer_files()
    try:
        result = cli.main(args=given, prog_name="trueline", standalone_mode=False)
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.ClickException as error:
        if as_json:
            print_json(error, USAGE)
        error.show()
        return USAGE
    except (KeyboardInterrupt, click.Abort) as error:
        if as_json:
            print_json(error, exit_code_of(error))
        click.echo("Interrupted.", err=True)
        return exit_code_of(error)
    except BrokenPipeError:
        # The reader of our output went away (`trueline runs | head`): nothing is wrong, and the interpreter's own
        # flush at exit must not complain either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except Exception as error:
        if as_json:
            print_json(error, exit_code_of(error))
        print_failure(error, debug=debug)
        return exit_code_of(error)
    return result if isinstance(result, int) else OK
