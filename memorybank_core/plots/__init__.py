"""Pictures of a memory: they read on light and on dark, and need the extra `plots` (matplotlib).

`bank.plot_forgetting`, `bank.plot_timeline` and `bank.plot_days` draw what a bank holds; these
functions draw anything else. No display is needed: `figure.savefig(path)` writes a file, and a
notebook shows what a cell returns.
"""

from .comparison import plot_laws, plot_recall
from .forgetting import plot_forgetting
from .history import History, curve, state_at
from .theme import can_write
from .timeline import plot_days, plot_timeline

__all__ = [
    "History",
    "can_write",
    "curve",
    "plot_days",
    "plot_forgetting",
    "plot_laws",
    "plot_recall",
    "plot_timeline",
    "state_at",
]
