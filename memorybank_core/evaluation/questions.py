"""Questions with known evidence, and the conversations that they are about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import fmean

from memorybank_core.records import Turn


@dataclass(frozen=True, slots=True)
class Question:
    """A question and the ids of the turns that answer it.

    Attributes:
        text: The question.
        evidence: Ids of turns that together answer it.
        alternatives: Ids of turns that each answer it alone.
        is_capped: Whether recall is a share of min(number of evidence turns, k) instead of a share
            of the number of evidence turns.
        category: The kind of question, if the dataset has kinds.
        outdated: Ids of turns that the evidence must rank above: older statements, or turns that
            merely ask the same.
    """

    text: str
    evidence: tuple[str, ...]
    alternatives: tuple[str, ...] = ()
    is_capped: bool = False
    category: str | None = None
    outdated: tuple[str, ...] = ()

    @property
    def has_answer(self) -> bool:
        """True if any turn answers it."""
        return bool(self.evidence or self.alternatives)

    def recall(self, found: Sequence[str], k: int) -> float:
        """Return the recall of the first k of the turn ids `found`, best first."""
        first = set(found[:k])
        if first & set(self.alternatives):
            return 1.0
        total = min(len(self.evidence), k) if self.is_capped else len(self.evidence)
        return len(first & set(self.evidence)) / total if total else 0.0

    def coverage(self, shares: Mapping[str, float]) -> float:
        """Return the share of the evidence that is present, or of the best alternative if larger.

        Args:
            shares: The share of each turn's text that is present, by id; 0 for other turns.
        """
        needed = [shares.get(id, 0.0) for id in self.evidence]
        alternatives = [shares.get(id, 0.0) for id in self.alternatives]
        return max(fmean(needed) if needed else 0.0, *alternatives, 0.0)

    def is_newest_first(self, found: Sequence[str]) -> bool | None:
        """Return whether all evidence ranks above all outdated turns; None without such turns.

        A turn that was not found ranks last, evidence above outdated turns.
        """
        if not self.outdated:
            return None
        rank = {id: position for position, id in enumerate(found)}
        worst = max((rank.get(id, len(found)) for id in self.evidence), default=-1)
        return worst < min(rank.get(id, len(found) + 1) for id in self.outdated)


@dataclass(frozen=True, slots=True)
class Conversation:
    """The turns of one user, and questions about them.

    Attributes:
        user_id: The user.
        turns: The turns, in the order of the file.
        questions: The questions.
        now: Time of the questions; None means one day after the last turn.
        timezone: IANA name of the user's time zone.
    """

    user_id: str
    turns: list[Turn]
    questions: list[Question]
    now: datetime | None = None
    timezone: str = "UTC"

    @property
    def asked_at(self) -> datetime:
        """Time of the questions."""
        return self.now or max(turn.at for turn in self.turns if turn.at) + timedelta(days=1)
