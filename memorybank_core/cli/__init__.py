"""The command `memorybank`: a bank at the terminal.

Every command prints for people or, with --json, exactly one JSON document for programs. What
goes wrong is one line on stderr: exit code 1, or 2 where the command line itself is wrong.
Modules that take long to import are imported by the commands that need them.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Annotated

import typer

from memorybank_core import __version__

from . import database, digesting, forgetting, moving, recalling, trying, upkeep
from .group import OneLineErrors

__all__ = ["app", "main"]

COMMANDS = "memorybank.commands"
"""The group of entry points by which commands of other packages are found."""

app = typer.Typer(
    cls=OneLineErrors,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
"""The commands, to be called by a program or taken into another one."""
evaluation = typer.Typer(help="Measure how well recall works.")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"memorybank {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def start(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Long-term memory that remembers, recalls and fades, in one file or a database."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


_VERBS: dict[str, dict[str, Callable[..., None]]] = {
    "Remember": {"add": moving.add, "import": moving.import_, "export": moving.export},
    "Recall": {
        "search": recalling.search,
        "context": recalling.context,
        "timeline": recalling.timeline,
    },
    "Digest": {
        "summarize": digesting.summarize,
        "rebuild": digesting.rebuild,
        "verify": digesting.verify,
        "digests": digesting.digests,
    },
    "Forget": {
        "forget": forgetting.forget,
        "forecast": forgetting.forecast,
        "restore": forgetting.restore,
        "pin": forgetting.pin,
        "unpin": forgetting.unpin,
        "delete": forgetting.delete,
    },
    "Look after a bank": {
        "users": upkeep.users,
        "stats": upkeep.stats,
        "reembed": upkeep.reembed,
        "compact": upkeep.compact,
        "move": database.move,
    },
    "Try it": {"demo": trying.demo},
}
for panel, verbs in _VERBS.items():
    for name, verb in verbs.items():
        app.command(name, rich_help_panel=panel)(verb)
for entry in entry_points(group=COMMANDS):
    app.command(entry.name, rich_help_panel="Teach a model")(entry.load())
databases = typer.Typer(help="Make and upgrade a bank in a PostgreSQL database.")
databases.command("init")(database.init)
databases.command("upgrade")(database.upgrade)
app.add_typer(databases, name="db", rich_help_panel="Look after a bank")
evaluation.command("retrieval")(trying.retrieval)
evaluation.callback()(lambda: None)  # keeps "retrieval" a command of its own while it is alone
app.add_typer(evaluation, name="eval", rich_help_panel="Try it")


def main() -> None:
    """Runs the command line."""
    app()
