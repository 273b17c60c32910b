"""Neighbours of candidates in their conversations."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from memorybank_core.protocols import Array, Candidates


class Neighbours(NamedTuple):
    """Pairs of rows that are near in one conversation: int (m,) each.

    Attributes:
        earlier: The row that comes first.
        later: The other row.
        distance: Their distance in utterances.
        adjacent: Whether no candidate is between them, bool.
    """

    earlier: Array
    later: Array
    distance: Array
    adjacent: Array


def find_neighbours(candidates: Candidates, reach: int) -> Neighbours:
    """Return the pairs of rows of one conversation at most `reach` utterances apart."""
    order = np.lexsort((candidates.place, candidates.session))
    session, place = candidates.session[order], candidates.place[order]
    first = int(session.searchsorted(0))  # event summaries have no neighbours
    order, session, place = order[first:], session[first:], place[first:]
    # Those within reach of a row are among the `reach` rows that follow it in this order.
    following = np.arange(len(order)) + np.arange(1, reach + 1)[:, None]
    distances = place.take(following, mode="clip") - place
    near = (session.take(following, mode="clip") == session) & (distances <= reach)
    near &= following < len(order)
    step, row = near.nonzero()
    later = order.take(row + step + 1)
    return Neighbours(order.take(row), later, distances[step, row], step == 0)
