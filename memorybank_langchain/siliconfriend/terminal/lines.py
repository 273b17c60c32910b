"""The lines that a person types: with a history that is their own memory, or from a pipe."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from memorybank_core import MissingDependencyError

try:
    from prompt_toolkit import PromptSession
    from prompt_toolkit.history import InMemoryHistory
except ModuleNotFoundError as error:
    raise MissingDependencyError.of("prompt-toolkit", "siliconfriend") from error


class Lines:
    """Reads lines; at a terminal they can be edited, and the earlier ones come back with ↑.

    No file keeps them: what was said in earlier talks is taken from the memory, where it is
    erased with it.
    """

    def __init__(self) -> None:
        self._session: PromptSession[str] | None = None
        self.remember(())

    def remember(self, said: Sequence[str]) -> None:
        """Makes these the earlier lines, the oldest first."""
        if sys.stdin.isatty():
            one_line = [" ".join(text.split()) for text in said]
            self._session = PromptSession(history=InMemoryHistory(one_line))

    def read(self, prompt: str) -> str:
        """The next line.

        Raises:
            EOFError: There is none.
            KeyboardInterrupt: The person does not want to go on with this line.
        """
        if self._session is not None:
            return str(self._session.prompt(prompt))
        print(prompt, end="", flush=True)  # noqa: T201 - a pipe gets no colours
        line = sys.stdin.readline()
        if not line:
            raise EOFError
        return line.rstrip("\n")

    def ask(self, prompt: str) -> str:
        """The answer to a question, which is no line to come back to; "" where there is none."""
        session = self._session
        try:
            if session is not None:
                return str(PromptSession[str]().prompt(prompt))
            return self.read(prompt)
        except (EOFError, KeyboardInterrupt):
            return ""
