"""Judge that asks a person in the terminal; the paper's judges were also people."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from .judges import LEVELS, RETRIEVAL_LEVELS, Grade, Submission, check_ranks
from .strings import get_strings

_T = TypeVar("_T")


class HumanJudge:
    """Judge that shows a person each answer, without its host, and asks for its scores.

    Args:
        show: Prints a block of text.
        read: Prints a question and returns the typed line; may raise to end the evaluation.
        language: Language of the questions, "en" or "zh".

    Raises:
        InvalidInputError: If `language` is not supported.
    """

    name = "human"

    def __init__(
        self, show: Callable[[str], object], read: Callable[[str], str], language: str = "en"
    ) -> None:
        self._show, self._read, self._strings = show, read, get_strings(language)

    def grade(self, submission: Submission) -> Grade:
        """Ask for the scores of an answer."""
        strings = self._strings
        self._show_question(submission)
        self._show_section(strings.recalled, submission.recalled)
        self._show_section(strings.answer, submission.answer)
        retrieval = None
        if not submission.truth:
            retrieval = self._read_score(strings.retrieval, RETRIEVAL_LEVELS)
        return Grade(
            self._read_score(strings.correctness, LEVELS),
            self._read_score(strings.coherence, LEVELS),
            retrieval,
        )

    def rank(self, submissions: Sequence[Submission]) -> tuple[int, ...]:
        """Ask for the rank of each answer."""
        self._show_question(submissions[0])
        for number, submission in enumerate(submissions, 1):
            self._show_section(f"{self._strings.answer} {number}", submission.answer)
        count = len(submissions)
        allowed = " ".join(map(str, range(1, count + 1)))
        return self._read_valid(
            self._strings.ranks, allowed, lambda line: _parse_ranks(line, count)
        )

    def _show_question(self, submission: Submission) -> None:
        self._show_section(self._strings.question, submission.question)
        if submission.truth:
            self._show_section(self._strings.truth, submission.truth)

    def _show_section(self, heading: str, text: str) -> None:
        self._show(f"\n{heading}:\n{text.strip() or '-'}")

    def _read_score(self, question: str, levels: Sequence[float]) -> float:
        scores = {f"{level:g}": level for level in levels}
        return self._read_valid(question, " / ".join(scores), lambda line: scores.get(line.strip()))

    def _read_valid(self, question: str, allowed: str, parse: Callable[[str], _T | None]) -> _T:
        """Ask until `parse` accepts the typed line."""
        while (value := parse(self._read(f"{question}:"))) is None:
            self._show(self._strings.invalid.format(allowed=allowed))
        return value


def _parse_ranks(line: str, count: int) -> tuple[int, ...] | None:
    numbers = line.replace(",", " ").split()
    if not all(number.isascii() and number.isdigit() for number in numbers):
        return None
    return check_ranks([int(number) for number in numbers], count)
