"""Results of an evaluation: the four scores of each answer, and their means by host."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from statistics import fmean
from typing import Any


@dataclass(frozen=True, slots=True)
class Scores:
    """The four scores of the paper; a score is None if its judgement could not be parsed.

    Attributes:
        retrieval: Whether the right memory was retrieved, 0 or 1.
        correctness: Correctness of the answer: 0, 0.5 or 1.
        coherence: Coherence of the answer with question and memories: 0, 0.5 or 1.
        ranking: 1/r for the answer's rank r among the hosts; equal answers share the better rank.
    """

    retrieval: float | None
    correctness: float | None
    coherence: float | None
    ranking: float | None

    @classmethod
    def mean(cls, scores: Sequence[Scores]) -> Scores:
        """Return the mean of each score, ignoring None; None if all values are None."""
        columns = ([getattr(item, field.name) for item in scores] for field in fields(cls))
        known = ([value for value in column if value is not None] for column in columns)
        return cls(*(round(fmean(column), 4) if column else None for column in known))


@dataclass(frozen=True, slots=True)
class ScoredAnswer:
    """A host's answer to a question, with its scores.

    Attributes:
        user_id: User whose memories were used.
        question: The question.
        answer: The host's answer.
        recalled: Ids of the memories in the prompt, best first.
        scores: Scores of the answer.
    """

    user_id: str
    question: str
    answer: str
    recalled: tuple[str, ...]
    scores: Scores

    def to_dict(self) -> dict[str, Any]:
        """Return the values as plain JSON types."""
        return {**asdict(self), "recalled": list(self.recalled)}


@dataclass(frozen=True, slots=True)
class HostResult:
    """Results of one host.

    Attributes:
        host: Name of the host.
        scores: Mean scores of its answers.
        unread: Number of gradings that could not be parsed; the means ignore them.
        answers: Its answers, in the order of the questions.
    """

    host: str
    scores: Scores
    unread: int
    answers: tuple[ScoredAnswer, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the values as plain JSON types."""
        return {
            "host": self.host,
            **asdict(self.scores),
            "unread": self.unread,
            "answers": [answer.to_dict() for answer in self.answers],
        }


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Settings and results of an evaluation.

    Attributes:
        language: "en" or "zh".
        embedder: Name of the embedder.
        judge: Name of the judge.
        digested: Whether the days were digested first.
        users: Number of users with questions.
        questions: Number of questions asked to each host.
        unread_rankings: Number of questions whose ranking could not be parsed; they have no
            ranking score.
        hosts: Results by host, in the order of `hosts` in the call.
    """

    language: str
    embedder: str
    judge: str
    digested: bool
    users: int
    questions: int
    unread_rankings: int
    hosts: tuple[HostResult, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the values as plain JSON types."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {**values, "hosts": [host.to_dict() for host in self.hosts]}
