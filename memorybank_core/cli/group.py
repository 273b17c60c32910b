"""The group of commands: whatever goes wrong, one red line on stderr and an exit code."""

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
"""Click's own, or those of the click inside Typer: which of them depends on Typer's version."""


class OneLineErrors(TyperGroup):
    """Ends with 0, with 1 after an error, with 2 after a wrong command line; no traceback."""

    def main(self, *args: Any, **options: Any) -> NoReturn:
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
