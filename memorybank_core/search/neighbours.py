"""Neighbours of candidates in their conversations."""

from __future__ import annotations

from memorybank_core.protocols import Array, Candidates


def find_distances(candidates: Candidates, reach: int) -> list[Array]:
    """Return how far each candidate is from those that follow it in its conversation.

    Args:
        candidates: The candidates, n rows in the order of their conversations.
        reach: Maximum distance of a neighbour, in utterances.

    Returns:
        For step 1, 2 and so on, as long as any rows are neighbours, int (n - step,): the distance
        between each row and the row `step` later, or 0 if these two are not neighbours.
    """
    session, place = candidates.session, candidates.place
    distances = []
    for step in range(1, reach + 1):
        distance = place[step:] - place[:-step]
        # Event summaries, whose session is negative, have no neighbours.
        near = (session[step:] == session[:-step]) & (distance <= reach) & (session[step:] >= 0)
        if not near.any():
            break
        distances.append(distance * near)
    return distances
