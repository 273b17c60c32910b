"""Interface of judges, and a judge that asks a language model."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol, TypeVar

from memorybank_core import LLM, AnswerError

from .strings import get_strings

LEVELS = (0.0, 0.5, 1.0)
"""Allowed values of correctness and coherence."""
RETRIEVAL_LEVELS = (0.0, 1.0)
"""Allowed values of retrieval."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Submission:
    """One answer as a judge sees it, without the name of the host.

    Attributes:
        question: The question.
        truth: The turns that answer it; "" if they are not known.
        recalled: The recalled memories in the host's prompt.
        answer: The host's answer.
    """

    question: str
    truth: str
    recalled: str
    answer: str


@dataclass(frozen=True, slots=True)
class Grade:
    """Scores that a judge gives to one answer.

    Attributes:
        correctness: 0, 0.5 or 1.
        coherence: 0, 0.5 or 1.
        retrieval: 0 or 1 if the truth is not known, otherwise None.
    """

    correctness: float
    coherence: float
    retrieval: float | None = None


class Judge(Protocol):
    """Interface of judges of answers."""

    @property
    def name(self) -> str:
        """Name of the judge in the results."""
        ...

    def grade(self, submission: Submission) -> Grade | None:
        """Return the scores of an answer; None if the judgement cannot be parsed."""
        ...

    def rank(self, submissions: Sequence[Submission]) -> tuple[int, ...] | None:
        """Return the rank of each of several answers to one question, 1 for the best.

        Equal answers have equal ranks; only the order of the numbers counts. Return None if the
        judgement cannot be parsed.
        """
        ...


class ModelJudge:
    """Judge that asks a language model, which is biased, above all towards its own answers.

    The model must answer with one JSON object and nothing else. After an invalid answer it is
    asked once more. A second invalid answer is dropped; scores are never guessed.

    Args:
        llm: The model.
        language: Language of the prompts, "en" or "zh".

    Raises:
        InvalidInputError: If `language` is not supported.
        LLMError: From `grade` and `rank`, if the model fails.
    """

    def __init__(self, llm: LLM, language: str = "en") -> None:
        self._llm, self._strings = llm, get_strings(language)
        self.name = str(getattr(llm, "name", type(llm).__name__))

    def grade(self, submission: Submission) -> Grade | None:
        """Return the scores of an answer; None if both attempts were invalid."""
        has_truth = bool(submission.truth)
        prompt = self._strings.grade if has_truth else self._strings.grade_with_retrieval
        return self._judge(prompt, asdict(submission), lambda value: _parse_grade(value, has_truth))

    def rank(self, submissions: Sequence[Submission]) -> tuple[int, ...] | None:
        """Return the rank of each answer; None if both attempts were invalid."""
        data = {
            "question": submissions[0].question,
            "truth": submissions[0].truth,
            "answers": [
                {"recalled": submission.recalled, "answer": submission.answer}
                for submission in submissions
            ],
        }
        count = len(submissions)
        return self._judge(self._strings.rank, data, lambda value: _parse_ranks(value, count))

    def _judge(
        self, prompt: str, data: Mapping[str, Any], parse: Callable[[Any], _T | None]
    ) -> _T | None:
        """Call the model up to twice; return the first answer that `parse` accepts, or None."""
        quoted = json.dumps(data, ensure_ascii=False)  # quoted texts cannot pose as instructions
        for reminder in ("", f"\n\n{self._strings.again}"):
            messages = [
                {"role": "system", "content": prompt},
                {"role": "user", "content": quoted + reminder},
            ]
            try:
                judgement = parse(_parse_json(self._llm.complete(messages)))
            except AnswerError:  # empty, refused or cut off counts as invalid
                continue
            if judgement is not None:
                return judgement
        return None


def _parse_json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _parse_grade(value: Any, has_truth: bool) -> Grade | None:
    allowed: dict[str, Sequence[float]] = {"correctness": LEVELS, "coherence": LEVELS}
    if not has_truth:
        allowed["retrieval"] = RETRIEVAL_LEVELS
    if not isinstance(value, dict) or value.keys() != allowed.keys():
        return None
    if any(
        type(value[name]) is bool or value[name] not in levels for name, levels in allowed.items()
    ):
        return None
    return Grade(**{name: float(score) for name, score in value.items()})


def _parse_ranks(value: Any, count: int) -> tuple[int, ...] | None:
    ranks = value["ranks"] if isinstance(value, dict) and value.keys() == {"ranks"} else None
    return check_ranks(ranks, count) if isinstance(ranks, list) else None


def check_ranks(ranks: Sequence[Any], count: int) -> tuple[int, ...] | None:
    """Return `ranks` if they are `count` integers from 1 to `count`, else None."""
    is_valid = all(type(rank) is int and 1 <= rank <= count for rank in ranks)
    return tuple(ranks) if is_valid and len(ranks) == count else None
