"""What an evaluation comes to: the four scores of every answer, and their means by host."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from statistics import fmean
from typing import Any


@dataclass(frozen=True, slots=True)
class Scores:
    """The paper's four; None where the judgement could not be read.

    Attributes:
        retrieval: Whether the right memory was retrieved, 0 or 1.
        correctness: Of the answer: 0, 0.5 or 1.
        coherence: Of the answer with the question and what was recalled: 0, 0.5 or 1.
        ranking: 1/r for the answer's rank r among the hosts; equal ones share the better rank.
    """

    retrieval: float | None
    correctness: float | None
    coherence: float | None
    ranking: float | None

    @classmethod
    def mean(cls, several: Sequence[Scores]) -> Scores:
        """Of each score, over those that there are; None where there is none."""
        columns = ([getattr(one, field.name) for one in several] for field in fields(cls))
        known = ([score for score in column if score is not None] for column in columns)
        return cls(*(round(fmean(column), 4) if column else None for column in known))


@dataclass(frozen=True, slots=True)
class ScoredAnswer:
    """A host's answer to a question.

    Attributes:
        user_id: Whose memory was asked.
        question: The question.
        answer: What the host said.
        recalled: The ids of the memories in its prompt, best first.
        scores: What it is worth.
    """

    user_id: str
    question: str
    answer: str
    recalled: tuple[str, ...]
    scores: Scores

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {**asdict(self), "recalled": list(self.recalled)}


@dataclass(frozen=True, slots=True)
class HostResult:
    """How well a host did.

    Attributes:
        host: Its name.
        scores: The means over its answers.
        unread: How many gradings of its answers could not be read; they count nowhere.
        answers: Its answers, in the order of the questions.
    """

    host: str
    scores: Scores
    unread: int
    answers: tuple[ScoredAnswer, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "host": self.host,
            **asdict(self.scores),
            "unread": self.unread,
            "answers": [answer.to_dict() for answer in self.answers],
        }


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What the hosts were asked, and how well they did.

    Attributes:
        language: "en" or "zh".
        embedder: The name of what turned text into vectors.
        judge: Who judged.
        digested: Whether the days were digested first.
        users: How many were asked about.
        questions: How many each host was asked.
        unread_rankings: For how many of them the ranking could not be read; they have none.
        hosts: The results, in the order in which the hosts were named.
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
        """Plain JSON values."""
        whole = {field.name: getattr(self, field.name) for field in fields(self)}
        return {**whole, "hosts": [host.to_dict() for host in self.hosts]}
