"""Order of one user's memories by conversation, in which neighbours are next to each other."""

from __future__ import annotations

import numpy as np

from memorybank_core.protocols import Array

from .arrays import GrowingArray

_FEW = 64
"""New memories that are inserted into the order; with more, the order is sorted again."""


class ConversationOrder:
    """Positions of memories by session, then by time, and their places in the conversation.

    It is brought up to date by `refresh`, so that loading a user sorts once.
    """

    def __init__(self) -> None:
        self._order = GrowingArray(np.int32)
        self._rank = GrowingArray(np.int32)  # position -> its index in the order
        self._place = GrowingArray(np.int32)  # index in the order -> utterances up to there

    @property
    def nbytes(self) -> int:
        """Size of the arrays in bytes."""
        return self._order.nbytes + self._rank.nbytes + self._place.nbytes

    def truncate(self, size: int) -> None:
        """Drop all positions but the first `size`; a `refresh` must follow."""
        order = self._order.values
        kept = order[order < size]
        self._order.truncate(0)
        self._order.extend(kept)
        self._rank.truncate(0)  # so that `refresh` computes it again

    def refresh(self, session: Array, created: Array, utterances: Array) -> None:
        """Bring the order up to date with these columns of all memories."""
        start, size = len(self._order), len(session)
        if size == len(self._rank):
            return
        new = np.lexsort((created[start:], session[start:])) + start
        order = self._order.values
        if start and new.size and _precedes(new[0], order[-1], session, created):
            if size - start > _FEW:
                order = np.lexsort((created, session))
            else:
                order = np.insert(order, _places(order, new, session, created), new)
            self._order.truncate(0)
            self._order.extend(order)
            self._rank.truncate(0)
        else:  # they continue the last conversation: the usual case
            self._order.extend(new)
        self._number(utterances)

    def with_neighbours(self, positions: Array, reach: int, session: Array) -> Array:
        """Return positions and their neighbours, int (m,), by conversation, then by place.

        Args:
            positions: int (n,).
            reach: Maximum distance of a neighbour, in utterances.
            session: The session of every memory; those without one have no neighbours.
        """
        chosen = np.zeros(len(self._order), bool)
        if len(positions):
            ranks = self._rank.values.take(positions)[:, None]
            nearby = np.maximum(ranks + np.arange(-reach, reach + 1), 0)
            nearby = np.minimum(nearby, len(self._order) - 1)  # np.clip takes far longer
            sessions, place = session.take(positions)[:, None], self._place.values
            same = (session.take(self._order.values.take(nearby)) == sessions) & (sessions >= 0)
            same &= np.abs(place.take(nearby) - place.take(ranks)) <= reach
            chosen[nearby[same]] = True
            chosen[ranks] = True
        return self._order.values.take(chosen.nonzero()[0]).astype(np.intp)

    def places(self, positions: Array) -> Array:
        """Return the place of each position in its conversation, counted in utterances."""
        places: Array = self._place.values[self._rank.values[positions]]
        return places

    def _number(self, utterances: Array) -> None:
        """Compute rank and place from where they are missing."""
        order, first = self._order.values, len(self._rank)
        self._place.truncate(first)
        before = self._place.values[-1] if first else 0
        self._place.extend(before + np.cumsum(utterances[order[first:]], dtype=np.int32))
        self._rank.extend(np.empty(len(order) - first, np.int32))
        self._rank.values[order[first:]] = np.arange(first, len(order), dtype=np.int32)


def _precedes(left: int, right: int, session: Array, created: Array) -> bool:
    """Return whether one position comes before another."""
    return bool((session[left], created[left]) < (session[right], created[right]))


def _places(order: Array, new: Array, session: Array, created: Array) -> list[int]:
    """Return where to insert new positions, the latest ones, into the order."""
    sessions, places = session[order], []
    for position in new:
        low, high = np.searchsorted(sessions, (session[position], session[position] + 1))
        times = created[order[low:high]]
        places.append(low + int(np.searchsorted(times, created[position], "right")))
    return places
