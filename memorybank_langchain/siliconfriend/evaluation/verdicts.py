"""What a judge says of all answers to a question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .judges import Grade, Judge, Submission


@dataclass(frozen=True)
class Verdict:
    """What was judged of a question's answers, in the order of the hosts.

    Attributes:
        grades: Of each answer; None where it could not be read.
        ranking: The scores 1/r; None where the ranking could not be read.
    """

    grades: list[Grade | None]
    ranking: list[float] | None

    def of(self, host: int) -> tuple[Grade | None, float | None]:
        """The grade and the ranking score of one host."""
        return self.grades[host], None if self.ranking is None else self.ranking[host]


def verdict_on(judge: Judge, place: int, cases: Sequence[Submission]) -> Verdict:
    """The verdict on the answers to the question at `place`, each shown first in its turn."""
    count = len(cases)
    shown = [(place + step) % count for step in range(count)]
    grades = {host: judge.grade(cases[host]) for host in shown}
    ranks = judge.rank([cases[host] for host in shown]) if count > 1 else (1,)
    ranking = None
    if ranks is not None:
        scores = dict(zip(shown, reciprocal_ranks(ranks), strict=True))
        ranking = [scores[host] for host in range(count)]
    return Verdict([grades[host] for host in range(count)], ranking)


def reciprocal_ranks(places: Sequence[int]) -> list[float]:
    """The paper's ranking score 1/r of each place; equal ones share the better rank."""
    return [1 / (1 + sum(other < place for other in places)) for place in places]
