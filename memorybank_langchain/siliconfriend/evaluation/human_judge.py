"""A person who judges in the terminal, as the paper's annotators did."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from .judges import FOUND, LEVELS, Grade, Submission, checked_ranks
from .strings import wording_in

_T = TypeVar("_T")


class HumanJudge:
    """Shows a person each answer, without its host, and asks for its scores.

    Args:
        show: Shows lines of text.
        read: Asks for one line and returns it; ends the whole by raising.
        language: "en" or "zh": in which the person is asked.

    Raises:
        InvalidInputError: There are no words for a judge in that language.
    """

    name = "human"

    def __init__(
        self, show: Callable[[str], object], read: Callable[[str], str], language: str = "en"
    ) -> None:
        self._show, self._read, self._wording = show, read, wording_in(language)

    def grade(self, case: Submission) -> Grade:
        words = self._wording
        self._show_question(case)
        self._show_part(words.recalled, case.recalled)
        self._show_part(words.answer, case.answer)
        retrieval = None if case.truth else self._score(words.retrieval, FOUND)
        return Grade(
            self._score(words.correctness, LEVELS),
            self._score(words.coherence, LEVELS),
            retrieval,
        )

    def rank(self, cases: Sequence[Submission]) -> tuple[int, ...]:
        self._show_question(cases[0])
        for number, case in enumerate(cases, 1):
            self._show_part(f"{self._wording.answer} {number}", case.answer)
        allowed = " ".join(map(str, range(1, len(cases) + 1)))
        return self._asked(self._wording.ranks, allowed, lambda said: _ranks_in(said, len(cases)))

    def _show_question(self, case: Submission) -> None:
        self._show_part(self._wording.question, case.question)
        if case.truth:
            self._show_part(self._wording.truth, case.truth)

    def _show_part(self, heading: str, text: str) -> None:
        self._show(f"\n{heading}:\n{text.strip() or '-'}")

    def _score(self, question: str, levels: Sequence[float]) -> float:
        named = {f"{level:g}": level for level in levels}
        return self._asked(question, " / ".join(named), lambda said: named.get(said.strip()))

    def _asked(self, question: str, allowed: str, parse: Callable[[str], _T | None]) -> _T:
        """What a person says, asked until it can be read."""
        while (answer := parse(self._read(f"{question}:"))) is None:
            self._show(self._wording.wrong.format(allowed=allowed))
        return answer


def _ranks_in(said: str, count: int) -> tuple[int, ...] | None:
    numbers = said.replace(",", " ").split()
    if not all(number.isascii() and number.isdigit() for number in numbers):
        return None
    return checked_ranks([int(number) for number in numbers], count)
