"""State that the chapters of the demo share, and the days of the demo."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from memorybank_core.bank import MemoryBank
from memorybank_core.evaluation import Question
from memorybank_core.records import Memory

from .strings import STRINGS, format_day, join

QUESTION_DAY = date(2024, 3, 25)
REPEAT_DAYS = (date(2024, 3, 29), date(2024, 4, 2))
FORGET_DAY = date(2024, 4, 5)
FORECAST_DAY = date(2024, 5, 5)

K = 3
WIDTH = 100  # columns
INDENT = 2  # columns
_LONG_WORD = 12  # letters
ANSWER_COLUMNS, OTHER_COLUMNS = 420, 150
"""Maximum number of columns shown of a memory that answers a question, and of other memories."""


def after_noon(day: date, minutes: int = 0) -> datetime:
    """Return the moment a number of minutes after noon, UTC."""
    return datetime.combine(day, time(12), timezone.utc) + timedelta(minutes=minutes)


@dataclass
class Scene:
    """State of the demo for one person: the bank, the questions, and counts for the tests.

    Attributes:
        out: Console to print on.
        bank: The bank.
        language: "en" or "zh", for the diary and the text of the demo.
        user: Id of the person.
        questions: Questions that the demo asks.
        spare: Question about something that is forgotten.
        question_count: Number of questions asked.
        answered: Number of questions with all their evidence among the first K results.
        partly_answered: Number of questions with part of it.
        forgotten: Number of memories archived.
        kept: Number of memories not archived.
        fading: Number of memories in the forecast.
        restored_rank: Rank of the restored memory in the search; None if not among the results.
        digested: Number of days digested.
    """

    out: Console
    bank: MemoryBank
    language: str
    user: str
    questions: list[Question]
    spare: Question
    question_count: int = 0
    answered: int = 0
    partly_answered: int = 0
    forgotten: int = 0
    kept: int = 0
    fading: int = 0
    restored_rank: int | None = None
    digested: int = 0

    def phrase(self, name: str, **values: object) -> str:
        """Return a phrase in the language of this scene, with its values filled in."""
        return STRINGS[self.language][name].format(**values)

    def print(self, text: str | Text, style: str = "") -> None:
        """Print a paragraph."""
        self.out.print(text, style=style)

    def print_indented(self, text: Text) -> None:
        """Print an indented paragraph."""
        self.out.print(Padding(text, (0, 0, 0, INDENT)))

    def format_day(self, day: date, weekday: bool = False) -> str:
        """Return a day in the language of this scene."""
        return format_day(day, self.language, weekday)

    def format_days(self, days: tuple[date, ...]) -> str:
        """Return several days as a list in the language of this scene."""
        return join([self.format_day(day) for day in days], self.language)

    def shorten(self, memory: Memory, width: int) -> str:
        """Return the beginning of a memory's text: whole words, at most `width` columns."""
        words = " ".join(memory.text.split())
        if cell_len(words) <= width:
            return words
        cut = set_cell_size(words, width - 1)
        space = cut.rfind(" ", len(cut) - _LONG_WORD)
        return f"{cut[:space] if space > 0 else cut}…"
