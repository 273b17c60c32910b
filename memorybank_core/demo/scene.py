"""What the chapters of the demo share: the stage, the calendar, the manner of printing."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, timezone

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from memorybank_core.bank import MemoryBank
from memorybank_core.evaluation import Question
from memorybank_core.records import Memory

from .strings import WORDS, day_label, listed

ASKED_ON = date(2024, 3, 25)
AGAIN_ON = (date(2024, 3, 29), date(2024, 4, 2))
FORGET_ON = date(2024, 4, 5)
HORIZON = date(2024, 5, 5)

K = 3
WIDTH = 100
INDENT = 2
_LONG_WORD = 12
PASSAGE, ASIDE = 420, 150  # columns shown of a memory that answers, and of another


def moment(day: date, minutes: int = 0) -> datetime:
    """Some minutes after noon of a day."""
    return datetime.combine(day, time(12), timezone.utc) + timedelta(minutes=minutes)


@dataclass
class Scene:
    """One person on the stage.

    Attributes:
        out: Where it is told.
        bank: The memory.
        language: "en" or "zh": the person's, and that of the telling.
        user: Whose memory it is.
        questions: What is asked in the demo.
        spare: A question that is kept for a thing forgotten.
        asked: How many were asked.
        found: For how many of them all evidence was found.
        partly: For how many some was.
        forgotten: How many memories were archived.
        kept: How many stayed.
        fading: How many of these the forecast names.
        restored_rank: Where the forgotten one was found again; None if it was not.
        digested: How many days were digested.
    """

    out: Console
    bank: MemoryBank
    language: str
    user: str
    questions: list[Question]
    spare: Question
    asked: int = 0
    found: int = 0
    partly: int = 0
    forgotten: int = 0
    kept: int = 0
    fading: int = 0
    restored_rank: int | None = field(default=None)
    digested: int = 0

    def word(self, name: str, **values: object) -> str:
        """A phrase in the language of this scene."""
        return WORDS[self.language][name].format(**values)

    def say(self, text: str | Text, style: str = "") -> None:
        """Prints a paragraph."""
        self.out.print(text, style=style)

    def indented(self, text: Text, by: int = INDENT) -> None:
        """Prints a paragraph that stands in."""
        self.out.print(Padding(text, (0, 0, 0, by)))

    def day(self, day: date, weekday: bool = False) -> str:
        """A day as one says it."""
        return day_label(day, self.language, weekday)

    def days(self, days: tuple[date, ...]) -> str:
        """Several days as one says them."""
        return listed([self.day(day) for day in days], self.language)

    def gist(self, memory: Memory, width: int) -> str:
        """The beginning of what was said, whole words, in at most `width` columns."""
        words = " ".join(memory.text.split())
        if cell_len(words) <= width:
            return words
        cut = set_cell_size(words, width - 1)
        space = cut.rfind(" ", len(cut) - _LONG_WORD)
        return f"{cut[:space] if space > 0 else cut}…"
