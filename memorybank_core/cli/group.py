"""Command group that prints every error as one red line on stderr and sets the exit status."""

from __future__ import annotations

import sys
from typing import Any, NoReturn

import typer
from rich.console import Console
from rich.text import Text
from typer.core import TyperGroup

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


def _fail(message: str, code: int) -> NoReturn:
    line = " ".join(message.split())
    Console(stderr=True).print(Text(f"error: {line}", style="red"), soft_wrap=True)
    sys.exit(code)
