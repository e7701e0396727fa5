"""``trueline --install-completion SHELL`` and ``--show-completion SHELL``: the script by which a shell asks us.

The scripts are click's own. They are written where the shells look for scripts of programs; zsh alone has to be told of
the folder, by two lines in ``.zshrc`` that are added once, where they are not there.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

__all__ = ["SHELLS", "completion_options", "completion_script", "install_completion", "offer_files"]

F = TypeVar("F", bound=Callable[..., Any])
SHELLS = ("bash", "zsh", "fish")
_VARIABLE = "_TRUELINE_COMPLETE"
_ZSH_LINES = 'fpath=("{folder}" $fpath)\nautoload -Uz compinit && compinit\n'
_BASH_LINE = '[ -f "{file}" ] && . "{file}"\n'


def completion_options(command: F) -> F:
    """Adds the two options to the group."""
    for name, callback, text in (
        ("--install-completion", _install, "Set up completion by Tab for bash, zsh or fish, and stop."),
        ("--show-completion", _show, "Print the completion script of a shell, and stop."),
    ):
        command = click.option(
            name,
            type=click.Choice(SHELLS),
            metavar="SHELL",
            expose_value=False,
            is_eager=True,
            callback=callback,
            help=text,
        )(command)
    return command


def offer_files() -> None:
    """When a shell is asking: where nothing of ours fits, it offers files, as most arguments are files or folders."""
    if _VARIABLE not in os.environ:
        return
    from click import shell_completion as click_shells

    def with_files(base: type[click_shells.ShellComplete]) -> type[click_shells.ShellComplete]:
        class WithFiles(base):  # type: ignore[valid-type, misc]
            def get_completions(self, args: list[str], incomplete: str) -> list[click_shells.CompletionItem]:
                found: list[click_shells.CompletionItem] = super().get_completions(args, incomplete)
                return found or [click_shells.CompletionItem(incomplete, type="file")]

        return WithFiles

    for shell in SHELLS:
        if (known := click_shells.get_completion_class(shell)) is not None:
            click_shells.add_completion_class(with_files(known), shell)


def completion_script(shell: str) -> str:
    """The script for one of `SHELLS`."""
    from click.shell_completion import get_completion_class

    from trueline.cli.app import cli

    found = get_completion_class(shell)
    assert found is not None
    completing = found(cli, {}, "trueline", _VARIABLE)
    return completing.source_template % completing.source_vars()


def install_completion(shell: str, home: Path) -> list[Path]:
    """Writes the script below a home folder, and tells the shell of it; a second time changes nothing.

    Returns:
        The files that hold it, the script first.
    """
    places = {
        "bash": home / ".local/share/trueline/completion.bash",
        "zsh": home / ".local/share/trueline/zsh/_trueline",
        "fish": home / ".config/fish/completions/trueline.fish",
    }
    file = places[shell]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(completion_script(shell), encoding="utf-8")
    if shell == "fish":
        return [file]
    start = home / f".{shell}rc"
    lines = _BASH_LINE.format(file=file) if shell == "bash" else _ZSH_LINES.format(folder=file.parent)
    before = start.read_text(encoding="utf-8") if start.exists() else ""
    if lines not in before:
        gap = "\n" if before and not before.endswith("\n") else ""
        with start.open("a", encoding="utf-8") as out:
            out.write(f"{gap}# trueline: completion by Tab\n{lines}")
    return [file, start]


def _install(ctx: click.Context, param: click.Parameter, shell: str | None) -> None:
    if shell is None or ctx.resilient_parsing:
        return
    files = install_completion(shell, Path(os.path.expanduser("~")))
    click.echo(f"Wrote {' and '.join(map(str, files))}")
    click.echo(f"Open a new {shell} to use it.")
    ctx.exit()


def _show(ctx: click.Context, param: click.Parameter, shell: str | None) -> None:
    if shell is None or ctx.resilient_parsing:
        return
    click.echo(completion_script(shell))
    ctx.exit()
