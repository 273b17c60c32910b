"""Fair division of a token budget."""

from __future__ import annotations

from collections.abc import Sequence


def fair_share(sizes: Sequence[float], total: float) -> float:
    """Return the maximum size of each piece, so that all fit into `total` (max-min fairness).

    Pieces of at most this size stay whole; the others are cut to it. If all fit, it is `total`.
    """
    remaining = total
    for position, size in enumerate(sorted(sizes)):
        share = remaining / (len(sizes) - position)
        if size > share:
            return share
        remaining -= size
    return total
