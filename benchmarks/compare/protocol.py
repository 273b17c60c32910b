"""What a system of the comparison offers. Standard library only: every environment imports it.

A system is a module of `systems/` with these names:

- NAME: how the tables call it.
- PACKAGE: the distribution whose version the tables show.
- ENVIRONMENT: the virtual environment, and the file of requirements, that it uses.
- SETTING: the setting that was chosen, and where it is documented.
- CHOOSES_EMBEDDER: whether it takes an embedder of the caller's.
- open(folder, embedder): returns a `System` that keeps its files in `folder`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol


class Turn(NamedTuple):
    """One exchange. `at` has a time zone; `response` is empty for an utterance of LoCoMo."""

    id: str
    at: datetime
    session: str
    query: str
    response: str
    speaker: str = ""

    @property
    def text(self) -> str:
        """Both sides, for systems that store one text."""
        query = f"{self.speaker}: {self.query}" if self.speaker else self.query
        return f"{query}\n{self.response}" if self.response else query


class Hit(NamedTuple):
    """One result: the text that the system returned, and the turn's id if it returned that too."""

    text: str
    id: str | None = None
    score: float | None = None


class Embedder(Protocol):
    """The vectors that every system gets: unit length, float32."""

    name: str
    dimension: int

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return a vector for each text."""

    def embed_query(self, text: str) -> list[float]:
        """Return the vector of a question."""


class System(Protocol):
    """A memory, opened."""

    def add(self, turns: Sequence[Turn], user: str) -> None:
        """Store turns; they count as written when this returns."""

    def search(self, query: str, user: str, k: int, now: datetime) -> list[Hit]:
        """Return the best k turns, best first."""

    def delete(self, turns: Sequence[Turn], user: str) -> None:
        """Erase turns; NotImplementedError if the system has no call for it."""

    def close(self) -> None:
        """Save what is not saved yet, and let go of the files."""
