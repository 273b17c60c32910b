"""Pictures of what a bank holds; they need the extra `plots` (matplotlib)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from memorybank_core.concurrency import in_thread
from memorybank_core.errors import InvalidInputError
from memorybank_core.protocols import Filter
from memorybank_core.records import Memory, SearchResult
from memorybank_core.validation import require_k, require_moment, require_user

from .base import Base, ids_of

if TYPE_CHECKING:
    from memorybank_core.plots import History


class Drawing(Base):
    """`plot_forgetting`, `plot_timeline` and `plot_days`."""

    def plot_forgetting(
        self,
        found: Iterable[SearchResult | Memory | str] | None = None,
        *,
        user_id: str,
        now: datetime | None = None,
        k: int = 3,
        title: str | None = None,
    ) -> Any:
        """Draws the curves of forgetting of memories, with their recalls, up to `now`.

        Args:
            found: Results of a search, memories, or ids; None takes the `k` strongest.
            user_id: Whose memory.
            now: The last moment drawn; may lie ahead. Default the present.
            k: How many, where none are named.
            title: Stands above.

        Returns:
            A `matplotlib.figure.Figure`; see `memorybank_core.plots`.

        Raises:
            InvalidInputError: There is no such memory, or none at all.
            MissingDependencyError: matplotlib is not installed.
        """
        from memorybank_core.plots import plot_forgetting

        require_user(user_id)
        require_k(k)
        until = require_moment(now)
        if found is None:
            memories = self.store.memories(user_id, Filter(archived=True))
            memories.sort(key=lambda memory: (-memory.strength, memory.created_at))
            memories = memories[:k]
        else:
            ids = ids_of(found, user_id)
            known = self.store.known(user_id, ids)
            if missing := [id for id in ids if id not in known]:
                raise InvalidInputError(f"user {user_id!r} has no memories of the ids {missing}")
            memories = [known[id] for id in ids]
        return plot_forgetting(self._histories(memories), self.law, until=until, title=title)

    def plot_timeline(
        self,
        *,
        user_id: str,
        now: datetime | None = None,
        archived: bool = True,
        most: int = 40,
        title: str | None = None,
    ) -> Any:
        """Draws every memory as a line that pales as it fades, the strongest on top.

        Args:
            user_id: Whose memory.
            now: The last moment drawn; may lie ahead. Default the present.
            archived: Also what was forgotten.
            most: How many are drawn.
            title: Stands above.

        Returns:
            A `matplotlib.figure.Figure`; see `memorybank_core.plots`.

        Raises:
            InvalidInputError: There is no memory.
            MissingDependencyError: matplotlib is not installed.
        """
        from memorybank_core.plots import plot_timeline

        require_user(user_id)
        until = require_moment(now)
        memories = self.store.memories(user_id, Filter(archived=archived))
        histories = self._histories(memories)
        return plot_timeline(histories, self.law, until=until, most=most, title=title)

    def plot_days(self, *, user_id: str, title: str | None = None) -> Any:
        """Draws a heat map of the days: how many turns each has, a column a week.

        Args:
            user_id: Whose memory.
            title: Stands above.

        Returns:
            A `matplotlib.figure.Figure`; see `memorybank_core.plots`.

        Raises:
            InvalidInputError: There is no memory.
            MissingDependencyError: matplotlib is not installed.
        """
        from memorybank_core.plots import plot_days

        require_user(user_id)
        memories = self.store.memories(user_id, Filter(kind="turn", archived=True))
        return plot_days(Counter(memory.day for memory in memories), title=title)

    aplot_forgetting = in_thread(plot_forgetting)
    aplot_timeline = in_thread(plot_timeline)
    aplot_days = in_thread(plot_days)

    def _histories(self, memories: Iterable[Memory]) -> list[History]:
        """What happened to each memory; of one that was never recalled nobody asks the store."""
        from memorybank_core.plots import History

        return [
            History.of(
                memory, self.store.recalls(memory.user_id, memory.id) if memory.recalls else []
            )
            for memory in memories
        ]
