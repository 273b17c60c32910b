"""The commands of a talk: what stands after a slash."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

from rich.console import Console
from rich.text import Text

from memorybank_core.terminal import one_line
from memorybank_langchain.siliconfriend.companion import Companion

from .lines import Lines
from .render import show_digests, show_fading, show_timeline, show_why
from .strings import COMMANDS, WORDS


class Commands(ABC):
    """What one person may ask for, a method each.

    Args:
        companion: Who answers.
        lines: What is typed.
        out: Where to.

    Attributes:
        in_view: How many turns of the conversation were read word for word for the last answer.
    """

    def __init__(self, companion: Companion, lines: Lines, out: Console) -> None:
        self.companion, self.lines, self.out = companion, lines, out
        self.bank, self.user_id = companion.bank, companion.user_id
        self.language = companion.bank.language
        self.words = WORDS[self.language]
        self.in_view = 0

    @abstractmethod
    def answer(self, pieces: Iterator[str]) -> None:
        """Prints an answer as it comes."""

    def say(self, phrase: str, /, **values: Any) -> None:
        """Prints a phrase."""
        self.out.print(Text(self.words[phrase].format(**values), "dim"), soft_wrap=True)

    def help(self) -> None:
        """Lists the commands."""
        width = max(map(len, COMMANDS))
        for name in COMMANDS:
            command = (f"  /{name:<{width}}  ", "bold")
            self.out.print(Text.assemble(command, self.words[name]))

    def why(self) -> None:
        """Says what was recalled for the last answer, and why."""
        if self.companion.recalled is None:
            self.say("nothing_asked")
            return
        show_why(self.out, self.companion.recalled, self.in_view, self.words, self.language)

    def memory(self) -> None:
        """Lists the memories day by day, with what is left of each."""
        memories = self.bank.timeline(user_id=self.user_id, archived=True)
        show_timeline(self.out, memories, self.bank.law, datetime.now(timezone.utc), self.words)

    def portrait(self) -> None:
        """Shows the portrait and the summary."""
        show_digests(self.out, self.bank.digests(user_id=self.user_id), self.words)

    def summarize(self) -> None:
        """Digests what is new."""
        with self.out.status(self.words["digesting"]):
            report = self.bank.summarize(user_id=self.user_id)
        self.say("digested", digested=report.digested, skipped=report.skipped)
        if report.failed:
            error = one_line(report.failed[0].error)
            self.say("digest_failed", count=len(report.failed), error=error)
        else:
            self.portrait()

    def forget(self) -> None:
        """Lets go of what has faded, once that is agreed to."""
        report = self.bank.forget(user_id=self.user_id, dry_run=True)
        gone, kept = len(report.forgotten), report.kept
        if not gone:
            self.say("nothing_fades", kept=kept)
            return
        show_fading(self.out, report.forgotten, self.words, self.language)
        if self._agreed("ask_forget", count=gone, all=gone + kept):
            done = self.bank.forget(user_id=self.user_id)
            self.say("let_go", count=len(done.forgotten), kept=done.kept)

    def clear(self) -> None:
        """Erases everything of this person, once that is agreed to."""
        count = self.bank.stats(user_id=self.user_id).memories
        if not self._agreed("ask_clear", count=count, name=one_line(self.user_id)):
            return
        receipt = self.bank.delete(user_id=self.user_id)
        self.companion.begin_anew()
        self.lines.remember(())
        self.say("cleared", count=receipt.memories, left=receipt.remaining)
        if not receipt.erased:
            self.say("not_wiped")

    def new(self) -> None:
        """Begins another conversation."""
        self.companion.begin_anew()
        self.say("begun")

    def again(self) -> None:
        """Answers anew what was said last."""
        if self.companion.said(last=1):
            self.answer(self.companion.again())
        else:
            self.say("nothing_said")

    def _agreed(self, question: str, **values: Any) -> bool:
        asked = self.words[question].format(**values) + self.words["yes_or_no"]
        agreed = self.lines.ask(asked).strip().lower() in self.words["yes"].split(",")
        if not agreed:
            self.say("left_alone")
        return agreed
