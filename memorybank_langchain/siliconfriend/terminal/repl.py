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
from memorybank_langchain.siliconfriend.failures import describe_failure

from .commands import Commands
from .lines import LineReader
from .strings import COMMANDS

END_COMMANDS = (["/stop"], ["/quit"], ["/exit"])
"""First words of the lines that end the conversation."""


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
        while (line := self._read_line()) is not None:
            if line.split()[:1] in END_COMMANDS:
                break
            if line:
                self._process(line)
        self.print_string("bye" if self._knows_user() else "bye_unknown", name=self.user_id)

    def _knows_user(self) -> bool:
        """Return whether a turn of the user is stored, as far as the bank can say."""
        options: dict[str, Any] = {"kind": "turn", "archived": True, "last": 1}
        try:
            return bool(self.bank.timeline(user_id=self.user_id, **options))
        except MemoryBankError:
            return True

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
                failure = one_line(describe_failure(error, self.language)).rstrip(".")
        self.out.print()
        is_waiting = bool(self.bank.backlog.waiting(self.user_id))
        if failure:
            message = self.strings["failed"].format(error=failure)
            message += "" if is_waiting else self.strings["kept"]
            self.out.print(Text(message, "red"), soft_wrap=True)
        elif was_stopped() and not is_waiting:
            self.print_string("stopped")
        if is_waiting:
            self.out.print(Text(self.strings["not_stored"], "yellow"), soft_wrap=True)

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
            message = self.strings["error"].format(error=one_line(str(error)))
            self.out.print(Text(message, "red"), soft_wrap=True)
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
