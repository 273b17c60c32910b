"""Base of the command-line applications: help, version, and errors as one line on stderr."""

from __future__ import annotations

import sys
from typing import Any, NoReturn

import typer
from rich.console import Console
from rich.text import Text
from typer.core import TyperGroup

from memorybank_core import __version__
from memorybank_core.errors import MemoryBankError

UsageError: Any
ClickException: Any
UsageError, ClickException = typer.BadParameter.__mro__[1:3]
"""Classes of click, or of the copy of click inside Typer, depending on Typer's version."""


class OneLineErrorGroup(TyperGroup):
    """Command group that prints errors without tracebacks.

    The exit status is 0, 1 after an error, or 2 if the command line is invalid.
    """

    def main(self, *args: Any, **options: Any) -> NoReturn:
        """Run a command and exit with its status."""
        try:
            code = super().main(*args, **{**options, "standalone_mode": False})
        except MemoryBankError as error:
            _fail(str(error), 1)
        except typer.Abort:
            _fail("stopped", 1)
        except ClickException as error:
            _fail(error.format_message(), error.exit_code)
        sys.exit(code if isinstance(code, int) else 0)


def create_app(command: str, description: str) -> typer.Typer:
    """Return an application with `--version`, which prints its help if no command is given.

    Args:
        command: Name of the command, printed with the version.
        description: First paragraph of the help.
    """
    app = typer.Typer(
        cls=OneLineErrorGroup,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    def print_version(requested: bool) -> None:
        if requested:
            typer.echo(f"{command} {__version__}")
            raise typer.Exit

    version_option = typer.Option(
        False, "--version", callback=print_version, is_eager=True, help="Print the version."
    )

    @app.callback(invoke_without_command=True, help=description)
    def start(context: typer.Context, version: bool = version_option) -> None:
        if context.invoked_subcommand is None:
            typer.echo(context.get_help())

    return app


def _fail(message: str, code: int) -> NoReturn:
    line = " ".join(message.split())
    Console(stderr=True).print(Text(f"error: {line}", style="red"), soft_wrap=True)
    sys.exit(code)
