"""Slash commands of a conversation in the terminal."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

from rich.console import Console
from rich.text import Text

from memorybank_core.terminal import one_line
from memorybank_langchain.siliconfriend.companion import Companion

from .lines import LineReader
from .render import print_context, print_digests, print_faded, print_timeline
from .strings import COMMANDS, STRINGS


class Commands(ABC):
    """The slash commands; each method is the command of the same name.

    Args:
        companion: The user's companion.
        lines: Reader of typed lines.
        out: Console to print to.

    Attributes:
        in_view: Number of turns included verbatim in the prompt of the last answer.
    """

    def __init__(self, companion: Companion, lines: LineReader, out: Console) -> None:
        self.companion, self.lines, self.out = companion, lines, out
        self.bank, self.user_id = companion.bank, companion.user_id
        self.language = companion.bank.language
        self.strings = STRINGS[self.language]
        self.in_view = 0

    @abstractmethod
    def print_answer(self, pieces: Iterator[str]) -> None:
        """Print an answer while it is received."""

    def print_string(self, key: str, /, **values: Any) -> None:
        """Print one of the app's texts, formatted with `values`."""
        self.out.print(Text(self.strings[key].format(**values), "dim"), soft_wrap=True)

    def help(self) -> None:
        """List the commands."""
        width = max(map(len, COMMANDS))
        for name in COMMANDS:
            command = (f"  /{name:<{width}}  ", "bold")
            self.out.print(Text.assemble(command, self.strings[name]))

    def why(self) -> None:
        """Show what was recalled for the last answer, and why."""
        if self.companion.recalled is None:
            self.print_string("no_answer_yet")
            return
        print_context(self.out, self.companion.recalled, self.in_view, self.strings, self.language)

    def memory(self) -> None:
        """List the memories by day, with the retention of each."""
        memories = self.bank.timeline(user_id=self.user_id, archived=True)
        print_timeline(self.out, memories, self.bank.law, datetime.now(timezone.utc), self.strings)

    def portrait(self) -> None:
        """Show the portrait and the summary."""
        digests = self.bank.digests(user_id=self.user_id)
        print_digests(self.out, digests, self.bank, self.strings)

    def summarize(self) -> None:
        """Digest new turns."""
        with self.out.status(self.strings["digesting"]):
            report = self.bank.summarize(user_id=self.user_id)
        self.print_string("digested", digested=report.digested, skipped=report.skipped)
        if report.failed:
            error = one_line(report.failed[0].error)
            self.print_string("digest_failed", count=len(report.failed), error=error)
        else:
            self.portrait()

    def forget(self) -> None:
        """Archive faded memories after confirmation."""
        report = self.bank.forget(user_id=self.user_id, dry_run=True)
        faded, kept = report.forgotten, report.kept
        if not faded:
            self.print_string("nothing_faded", kept=kept)
            return
        print_faded(self.out, faded, self.strings, self.language)
        if self._confirm("ask_forget", count=len(faded), all=len(faded) + kept):
            report = self.bank.forget(user_id=self.user_id)
            self.print_string("archived", count=len(report.forgotten), kept=report.kept)

    def clear(self) -> None:
        """Permanently erase all data of this user after confirmation."""
        count = self.bank.stats(user_id=self.user_id).memories
        if not self._confirm("ask_clear", count=count, name=one_line(self.user_id)):
            return
        receipt = self.bank.delete(user_id=self.user_id)
        self.companion.new_conversation()
        self.lines.set_history(())
        self.print_string("cleared", count=receipt.memories, left=receipt.remaining)
        if not receipt.erased:
            self.print_string("not_erased")

    def new(self) -> None:
        """Start a new conversation."""
        self.companion.new_conversation()
        self.print_string("new_conversation")

    def again(self) -> None:
        """Answer the last message again."""
        if self.companion.history(last=1):
            self.print_answer(self.companion.again())
        else:
            self.print_string("no_turns")

    def _confirm(self, key: str, **values: Any) -> bool:
        question = self.strings[key].format(**values) + self.strings["yes_or_no"]
        answer = self.lines.ask(question).strip().lower()
        confirmed = answer in self.strings["yes"].split(",")
        if not confirmed:
            self.print_string("cancelled")
        return confirmed
