"""Evaluation of the companion as in the MemoryBank paper: probing questions on simulated histories.

Answers are scored as in section 4.3 of the paper (Zhong et al. 2023, arXiv 2305.10250): was the
right memory retrieved {0, 1}, is the answer correct {0, 0.5, 1}, is it coherent {0, 0.5, 1}, and
1/r for its rank r among the hosts. The paper's judges were people. A model as judge is cheaper
but biased: it prefers its own answers, long and confident answers, and the answer that it reads
first. Therefore judges do not see which host answered, and the order of the answers changes from
question to question. Scores by a model should not be compared with the paper's.

Names are imported on first access, so that `siliconfriend --help` is fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .human_judge import HumanJudge
    from .judges import Grade, Judge, ModelJudge, Submission
    from .runner import evaluate
    from .scores import Evaluation, HostResult, ScoredAnswer, Scores
    from .tables import PAPER, as_table

_MODULES = {
    "PAPER": "tables",
    "ScoredAnswer": "scores",
    "Submission": "judges",
    "Evaluation": "scores",
    "Grade": "judges",
    "HostResult": "scores",
    "HumanJudge": "human_judge",
    "Judge": "judges",
    "ModelJudge": "judges",
    "Scores": "scores",
    "as_table": "tables",
    "evaluate": "runner",
}

__all__ = [
    "PAPER",
    "Evaluation",
    "Grade",
    "HostResult",
    "HumanJudge",
    "Judge",
    "ModelJudge",
    "ScoredAnswer",
    "Scores",
    "Submission",
    "as_table",
    "evaluate",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_MODULES[name]}", __name__), name)
