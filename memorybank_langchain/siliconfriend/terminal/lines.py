"""Reader of typed lines, from a terminal with editing and history, or from a pipe."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from prompt_toolkit import PromptSession
from prompt_toolkit.history import InMemoryHistory


class LineReader:
    """Reader of lines from stdin; a terminal offers editing, and a history with ↑ and ↓.

    No history file is written: earlier lines are read from the bank, so that an erased memory
    does not remain in a history.
    """

    def __init__(self) -> None:
        self._session: PromptSession[str] | None = None
        self.set_history(())

    def set_history(self, texts: Sequence[str]) -> None:
        """Replace the earlier lines with `texts`, oldest first."""
        if sys.stdin.isatty():
            lines = [" ".join(text.split()) for text in texts]
            self._session = PromptSession(history=InMemoryHistory(lines))

    def read(self, prompt: str) -> str:
        """Read the next line.

        Raises:
            EOFError: If the input ends.
            KeyboardInterrupt: If the user presses Ctrl-C.
        """
        if self._session is not None:
            return str(self._session.prompt(prompt))
        print(prompt, end="", flush=True)  # noqa: T201 - no colours in a pipe
        line = sys.stdin.readline()
        if not line:
            raise EOFError
        return line.rstrip("\n")

    def ask(self, question: str) -> str:
        """Read the answer to a question, which is not added to the history; "" if cancelled."""
        try:
            if self._session is not None:
                return str(PromptSession[str]().prompt(question))
            return self.read(question)
        except (EOFError, KeyboardInterrupt):
            return ""
