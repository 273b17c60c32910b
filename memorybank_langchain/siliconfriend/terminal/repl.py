"""The talk itself: what is typed is answered, or is a command."""

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
from .lines import Lines
from .strings import COMMANDS

END = "/stop"


class Talk(Commands):
    """One person's talk with the companion, until they end it.

    Args:
        companion: Who answers.
        lines: What is typed.
        out: Where to.
        recent: How many turns the companion reads word for word.
    """

    def __init__(self, companion: Companion, lines: Lines, out: Console, recent: int) -> None:
        super().__init__(companion, lines, out)
        self._recent = recent

    def run(self) -> None:
        """Reads and answers until /stop or the end of what is typed."""
        while (line := self._line()) not in (None, END):
            if line:
                self._obey(line)
        self.say("bye", name=self.user_id)

    def answer(self, pieces: Iterator[str]) -> None:
        """Prints an answer as it comes; Ctrl-C ends it, not the program."""
        self.in_view = len(self.companion.said(self._recent))
        self.out.print(Text(f"{self.words['companion']}: ", "bold green"), end="")
        failure = ""
        with self._stoppable() as was_stopped:
            try:
                for piece in pieces:
                    self.out.print(clean(without_surrogates(piece)), end="", soft_wrap=True)
            except MemoryBankError as error:
                failure = one_line(str(error)).rstrip(".")
        self.out.print()
        if failure:
            said = self.words["failed"].format(error=failure)
            self.out.print(Text(said, "red"), soft_wrap=True)
        elif was_stopped():
            self.say("stopped")

    def _line(self) -> str | None:
        """What is typed next, "" for nothing; None at the end."""
        try:
            return without_surrogates(self.lines.read(f"{self.words['you']}> ")).strip()
        except KeyboardInterrupt:
            return ""
        except EOFError:
            self.out.print()
            return None

    def _obey(self, line: str) -> None:
        word = line.split()[0]
        try:
            if not line.startswith("/"):
                self.answer(self.companion.say(line))
            elif word[1:] in COMMANDS:
                getattr(self, word[1:])()
            else:
                self.say("unknown", command=one_line(word))
        except MemoryBankError as error:
            self.out.print(Text(f"error: {one_line(str(error))}", "red"), soft_wrap=True)
        except KeyboardInterrupt:
            self.say("left_alone")

    @contextmanager
    def _stoppable(self) -> Iterator[Callable[[], bool]]:
        """Ctrl-C stops the answer meanwhile; gives what says whether it did."""
        seen: list[int] = []

        def stop(number: int, frame: Any) -> None:
            seen.append(number)
            self.companion.stop()

        before = signal.signal(signal.SIGINT, stop)
        try:
            yield lambda: bool(seen)
        finally:
            signal.signal(signal.SIGINT, before)
