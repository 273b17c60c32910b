"""Who judges the answers: the seam, and a language model behind it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol, TypeVar

from memorybank_core import LLM, AnswerError

from .strings import wording_in

LEVELS = (0.0, 0.5, 1.0)
"""Of correctness and coherence."""
FOUND = (0.0, 1.0)
"""Of retrieval."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Submission:
    """An answer, as a judge sees it: without the name of its host.

    Attributes:
        question: What was asked.
        truth: The turns that answer it; "" where it is not known which do.
        recalled: What the host was reminded of.
        answer: What it said.
    """

    question: str
    truth: str
    recalled: str
    answer: str


@dataclass(frozen=True, slots=True)
class Grade:
    """What a judge says of one answer.

    Attributes:
        correctness: 0, 0.5 or 1.
        coherence: 0, 0.5 or 1.
        retrieval: 0 or 1, where the truth is not known; otherwise None.
    """

    correctness: float
    coherence: float
    retrieval: float | None = None


class Judge(Protocol):
    """Judges answers."""

    @property
    def name(self) -> str:
        """Who it is."""
        ...

    def grade(self, case: Submission) -> Grade | None:
        """What an answer is worth; None where the judgement cannot be read."""
        ...

    def rank(self, cases: Sequence[Submission]) -> tuple[int, ...] | None:
        """The place of each of several answers to one question, 1 for the best.

        Equal answers have equal numbers; only the order of the numbers counts. None where the
        judgement cannot be read.
        """
        ...


class ModelJudge:
    """A language model as judge: biased, above all where it judges its own answers.

    It answers with one JSON object and nothing else. What is none is asked for once more, and
    then given up: nothing is guessed.

    Args:
        llm: The model.
        language: "en" or "zh": in which it is asked.

    Raises:
        InvalidInputError: There are no words for a judge in that language.
        LLMError: From a judgement: the model failed.
    """

    def __init__(self, llm: LLM, language: str = "en") -> None:
        self._llm, self._wording = llm, wording_in(language)
        self.name = str(getattr(llm, "name", type(llm).__name__))

    def grade(self, case: Submission) -> Grade | None:
        task = self._wording.grade if case.truth else self._wording.grade_with_retrieval
        return self._judged(task, asdict(case), lambda said: _grade_in(said, bool(case.truth)))

    def rank(self, cases: Sequence[Submission]) -> tuple[int, ...] | None:
        told = {
            "question": cases[0].question,
            "truth": cases[0].truth,
            "answers": [{"recalled": case.recalled, "answer": case.answer} for case in cases],
        }
        return self._judged(self._wording.rank, told, lambda said: _ranks_in(said, len(cases)))

    def _judged(
        self, task: str, told: Mapping[str, Any], read: Callable[[Any], _T | None]
    ) -> _T | None:
        """What `read` makes of the model's answer; None where it makes nothing of two."""
        material = json.dumps(told, ensure_ascii=False)  # quotes what might pose as instructions
        for reminder in ("", f"\n\n{self._wording.again}"):
            messages = [
                {"role": "system", "content": task},
                {"role": "user", "content": material + reminder},
            ]
            try:
                judgement = read(_parsed(self._llm.complete(messages)))
            except AnswerError:  # empty, refused or cut off: as good as unreadable
                continue
            if judgement is not None:
                return judgement
        return None


def _parsed(said: str) -> Any:
    try:
        return json.loads(said)
    except (ValueError, RecursionError):
        return None


def _grade_in(said: Any, knows_truth: bool) -> Grade | None:
    allowed: dict[str, Sequence[float]] = {"correctness": LEVELS, "coherence": LEVELS}
    if not knows_truth:
        allowed["retrieval"] = FOUND
    if not isinstance(said, dict) or said.keys() != allowed.keys():
        return None
    if any(
        type(said[name]) is bool or said[name] not in levels for name, levels in allowed.items()
    ):
        return None
    return Grade(**{name: float(score) for name, score in said.items()})


def _ranks_in(said: Any, count: int) -> tuple[int, ...] | None:
    ranks = said["ranks"] if isinstance(said, dict) and said.keys() == {"ranks"} else None
    return checked_ranks(ranks, count) if isinstance(ranks, list) else None


def checked_ranks(ranks: Sequence[Any], count: int) -> tuple[int, ...] | None:
    """`ranks`, if they are so many whole numbers from 1 to their count."""
    right = all(type(rank) is int and 1 <= rank <= count for rank in ranks)
    return tuple(ranks) if right and len(ranks) == count else None
