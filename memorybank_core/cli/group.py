"""Base of the command-line applications: help, version, and errors as one line on stderr."""

from __future__ import annotations

import os
import sys
import traceback
import warnings
from contextlib import suppress
from typing import Any, NoReturn

import typer
from rich.console import Console
from rich.text import Text
from typer.core import TyperGroup

from memorybank_core import __version__
from memorybank_core.errors import EmbedderWarning, MemoryBankError, SettingsWarning

from .lock_notice import lock_notice
from .streams import INTERRUPTED, accept_any_text, discard_output, flush_output
from .verbosity import LOG_FORMAT, VERBOSE, LogOptions, printed_log, take_options

UsageError: Any
ClickException: Any
UsageError, ClickException = typer.BadParameter.__mro__[1:3]
"""Classes of click, or of the copy of click inside Typer, depending on Typer's version."""


TRACEBACK = "MEMORYBANK_TRACEBACK"
"""Environment variable; if set, an unexpected error is shown with its traceback."""


_VALUES = {
    "text": "TEXT",
    "str": "TEXT",
    "integer": "NUMBER",
    "int": "NUMBER",
    "float": "NUMBER",
    "path": "PATH",
    "file": "PATH",
}
"""Names of values in the help, by the names that versions of click have for their types."""
_PYTHONS_SHOWWARNING = warnings.showwarning


class _InterruptedError(Exception):
    """The user pressed Ctrl-C."""


class OneLineErrorGroup(TyperGroup):
    """Command group that prints errors without tracebacks.

    The exit status is 0, 1 after an error, 2 if the command line is invalid, or 130 after Ctrl-C.
    """

    def invoke(self, context: Any) -> Any:
        """Run a command and write out what it printed."""
        try:
            result = super().invoke(context)
            flush_output()
        except KeyboardInterrupt as error:
            raise _InterruptedError from error  # typer has its own message for it
        return result

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command whose help names values as people do, not as Python types."""
        command = super().get_command(ctx, cmd_name)
        if command is not None:
            _name_values(command, ctx)
        return command

    def get_params(self, ctx: Any) -> Any:
        """Return the options of the application itself, with the same names of values."""
        params = super().get_params(ctx)
        _name_options(params, ctx)
        return params

    def main(self, *args: Any, **options: Any) -> NoReturn:
        """Run a command and exit with its status."""
        accept_any_text()
        warnings.showwarning = _show_warning
        arguments = args[0] if args else options.pop("args", None)
        log = LogOptions()
        try:
            words, log = take_options(sys.argv[1:] if arguments is None else arguments)
            options = {**options, "args": words, "standalone_mode": False}
            with printed_log(log), lock_notice():
                code = super().main(*args[1:], **options)
        except MemoryBankError as error:
            if log.verbose:
                traceback.print_exc()
            _fail(str(error), 1)
        except (_InterruptedError, KeyboardInterrupt):
            _stop(INTERRUPTED)
        except typer.Abort as error:
            _stop(INTERRUPTED if isinstance(error.__context__, KeyboardInterrupt) else 1)
        except ClickException as error:
            _fail(error.format_message(), error.exit_code)
        except OSError as error:
            discard_output()
            _fail(_describe(error), 1)
        except SystemExit:  # the reader of the output has closed it
            discard_output()
            raise
        except Exception as error:  # the outermost caller is a terminal
            if log.verbose or os.environ.get(TRACEBACK):
                raise
            _fail(f"unexpected {type(error).__name__}: {error} (--verbose shows more)", 1)
        sys.exit(code if isinstance(code, int) else 0)


def create_app(command: str, description: str) -> typer.Typer:
    """Return an application with `--version`, which prints its help if no command is given.

    Args:
        command: Name of the command, printed with the version.
        description: First paragraph of the help.
    """
    app = typer.Typer(
        cls=OneLineErrorGroup,
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

    verbose_option = typer.Option(
        False, VERBOSE, help="Also print the log, the duration and tracebacks; after any command."
    )

    format_option = typer.Option(
        None,
        LOG_FORMAT,
        metavar="text|json",
        help="Print the log; json is an object a line. Anywhere.",
    )

    @app.callback(invoke_without_command=True, help=description)
    def start(
        context: typer.Context,
        version: bool = version_option,
        verbose: bool = verbose_option,
        log_format: str | None = format_option,
    ) -> None:
        if context.invoked_subcommand is None:
            typer.echo(context.get_help())

    return app


def _name_values(command: Any, context: Any) -> None:
    """Name the values of a command's options, and those of the commands in a group."""
    _name_options(command.get_params(context), context)
    for nested in getattr(command, "commands", {}).values():
        _name_values(nested, context)


def _name_options(parameters: Any, context: Any) -> None:
    for parameter in parameters:
        if parameter.param_type_name == "argument":
            parameter.display_type_rich = _show_no_type
        elif parameter.metavar is None:
            parameter.metavar = _name_value(parameter, context)


def _show_no_type(ctx: Any) -> None:
    """Show only the name of an argument; newer versions of Typer add its Python type."""


def _name_value(option: Any, context: Any) -> str | None:
    """Return the name of an option's value in the help; "" for an option without a value."""
    if option.is_flag or option.count:
        return ""
    kind = getattr(option, "type", None)  # newer versions of Typer have no types of click
    name = str(kind.name if kind else option.display_type(context).strip("<>"))
    return _VALUES.get(name.removeprefix("list[").removesuffix("]").removesuffix(" range"))


def _show_warning(
    message: Warning | str, category: type[Warning], *place: Any, **more: Any
) -> None:
    """Print a warning of ours as one line on stderr, others as Python does."""
    if issubclass(category, (EmbedderWarning, SettingsWarning)):
        with suppress(OSError):
            line = Text(f"warning: {message}", style="yellow")
            Console(stderr=True).print(line, soft_wrap=True)
    else:
        _PYTHONS_SHOWWARNING(message, category, *place, **more)


def _describe(error: OSError) -> str:
    """Return the message of an error of the operating system, with the file if it is known."""
    reason = error.strerror or str(error)
    if error.filename is None:
        return f"cannot read or write: {reason}"
    return f"{os.fsdecode(error.filename)}: {reason}"


def _stop(code: int) -> NoReturn:
    if sys.stderr is not None and sys.stderr.isatty():
        typer.echo(err=True)  # the terminal shows ^C at the start of the line
    _fail("stopped", code)


def _fail(message: str, code: int) -> NoReturn:
    line = " ".join(message.split())
    with suppress(OSError):  # stderr cannot be written either
        Console(stderr=True).print(Text(f"error: {line}", style="red"), soft_wrap=True)
    sys.exit(code)
