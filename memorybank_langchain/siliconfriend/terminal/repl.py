"""Read-eval-print loop of the terminal app, which answers messages and runs slash commands."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.text import Text

from memorybank_core import MemoryBankError
from memorybank_core.terminal import clean, one_line
from memorybank_core.text import without_surrogates
from memorybank_langchain.siliconfriend.companion import Companion

from .commands import Commands
from .lines import LineReader
from .strings import COMMANDS

END_COMMANDS = ("/stop", "/quit", "/exit")


class Repl(Commands):
    """Read-eval-print loop of one user's conversation with the companion.

    Args:
        companion: The user's companion.
        lines: Reader of typed lines.
        out: Console to print to.
        recent: Number of latest turns that the companion reads verbatim.
    """

    def __init__(self, companion: Companion, lines: LineReader, out: Console, recent: int) -> None:
        super().__init__(companion, lines, out)
        self._recent = recent

    def run(self) -> None:
        """Process lines until /stop or the end of the input."""
        while (line := self._read_line()) not in (None, *END_COMMANDS):
            if line:
                self._process(line)
        self.print_string("bye", name=self.user_id)

    def print_answer(self, pieces: Iterator[str]) -> None:
        """Print an answer while it is received; Ctrl-C stops the answer, not the program."""
        self.in_view = len(self.companion.history(self._recent)) if self._recent else 0
        self.out.print(Text(f"{self.strings['companion']}: ", "bold green"), end="")
        failure = ""
        with self._stop_on_ctrl_c() as was_stopped:
            try:
                for piece in pieces:
                    self.out.print(clean(without_surrogates(piece)), end="", soft_wrap=True)
            except MemoryBankError as error:
                failure = one_line(str(error)).rstrip(".")
        self.out.print()
        if failure:
            message = self.strings["failed"].format(error=failure)
            self.out.print(Text(message, "red"), soft_wrap=True)
        elif was_stopped():
            self.print_string("stopped")

    def _read_line(self) -> str | None:
        """Return the next line, "" after Ctrl-C; None at the end of the input."""
        try:
            return without_surrogates(self.lines.read(f"{self.strings['you']}> ")).strip()
        except KeyboardInterrupt:
            return ""
        except EOFError:
            self.out.print()
            return None

    def _process(self, line: str) -> None:
        command = line.split()[0]
        try:
            if not line.startswith("/"):
                self.print_answer(self.companion.say(line))
            elif command[1:] in COMMANDS:
                getattr(self, command[1:])()
            else:
                self.print_string("unknown", command=one_line(command))
        except MemoryBankError as error:
            self.out.print(Text(f"error: {one_line(str(error))}", "red"), soft_wrap=True)
        except KeyboardInterrupt:
            self.print_string("cancelled")

    @contextmanager
    def _stop_on_ctrl_c(self) -> Iterator[Callable[[], bool]]:
        """Stop the answer on Ctrl-C; yield a function that returns whether that happened."""
        received_signals: list[int] = []

        def stop(number: int, frame: Any) -> None:
            received_signals.append(number)
            self.companion.stop()

        previous = signal.signal(signal.SIGINT, stop)
        try:
            yield lambda: bool(received_signals)
        finally:
            signal.signal(signal.SIGINT, previous)
