"""A judge's verdict on all answers to one question: their grades and their ranking."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .judges import Grade, Judge, Submission


@dataclass(frozen=True)
class Verdict:
    """Grades and ranking of the answers to one question, in the order of the hosts.

    Attributes:
        grades: Grade of each answer; None if the judgement could not be parsed.
        ranking: Scores 1/r; None if the ranking could not be parsed.
    """

    grades: list[Grade | None]
    ranking: list[float] | None

    def for_host(self, host: int) -> tuple[Grade | None, float | None]:
        """Return the grade and the ranking score of one host."""
        return self.grades[host], None if self.ranking is None else self.ranking[host]


def judge_question(judge: Judge, index: int, submissions: Sequence[Submission]) -> Verdict:
    """Judge the answers to one question.

    Args:
        judge: The judge.
        index: Index of the question. It determines which answer the judge sees first.
        submissions: The answers, in the order of the hosts.

    Raises:
        LLMError: If the judge is a model and fails.
    """
    count = len(submissions)
    order = [(index + step) % count for step in range(count)]
    grades = {host: judge.grade(submissions[host]) for host in order}
    ranks = judge.rank([submissions[host] for host in order]) if count > 1 else (1,)
    ranking = None
    if ranks is not None:
        scores = dict(zip(order, compute_reciprocal_ranks(ranks), strict=True))
        ranking = [scores[host] for host in range(count)]
    return Verdict([grades[host] for host in range(count)], ranking)


def compute_reciprocal_ranks(ranks: Sequence[int]) -> list[float]:
    """Return the paper's ranking score 1/r of each rank; equal answers share the better rank."""
    return [1 / (1 + sum(other < rank for other in ranks)) for rank in ranks]
