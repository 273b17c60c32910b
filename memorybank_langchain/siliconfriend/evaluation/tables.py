"""Tables of evaluation results, with the paper's figures for comparison."""

from __future__ import annotations

from rich.table import Table

from memorybank_core.terminal import one_line, plural, table

from .scores import Evaluation, Scores

PAPER = {
    "en": {
        "ChatGLM": Scores(0.809, 0.438, 0.680, 0.498),
        "BELLE": Scores(0.814, 0.479, 0.582, 0.517),
        "ChatGPT": Scores(0.763, 0.716, 0.912, 0.818),
    },
    "zh": {
        "ChatGLM": Scores(0.840, 0.418, 0.428, 0.51),
        "BELLE": Scores(0.856, 0.603, 0.562, 0.565),
        "ChatGPT": Scores(0.711, 0.655, 0.675, 0.758),
    },
}
"""Scores reported in the paper (Zhong et al. 2023, arXiv 2305.10250, section 4.3)."""

PAPER_SOURCE = (
    "paper: Zhong et al. 2023, arXiv 2305.10250: 15 users, 194 questions, judged by people"
)

_COLUMNS = ("Retrieval", "Correctness", "Coherence", "Ranking")


def as_table(evaluation: Evaluation) -> Table:
    """Return a table of the evaluated hosts and of the paper's; a missing score is "-"."""
    result = table("", *_COLUMNS, numbers=_COLUMNS)
    for host in evaluation.hosts:
        result.add_row(one_line(host.host), *_format_cells(host.scores))
    result.add_section()
    for name, scores in PAPER[evaluation.language].items():
        result.add_row(f"{name} (paper)", *_format_cells(scores))
    return result


def make_notes(evaluation: Evaluation) -> list[str]:
    """Return notes on the table: its sources and judges, and judgements that are missing."""
    by_model = evaluation.judge != "human"
    lines = [
        PAPER_SOURCE,
        f"ours: {plural(evaluation.users, 'user')}, {plural(evaluation.questions, 'question')}, "
        f"judged by {f'the model {one_line(evaluation.judge)}' if by_model else 'a person'}",
    ]
    if by_model:
        lines.append("a model is a biased judge, above all of its own answers")
    if len(evaluation.hosts) == 1:
        lines.append("a single host always ranks first")
    for host in evaluation.hosts:
        if host.unread:
            gradings = plural(host.unread, "grading")
            lines.append(f"{one_line(host.host)}: {gradings} could not be parsed and were ignored")
    if evaluation.unread_rankings:
        rankings = plural(evaluation.unread_rankings, "ranking")
        lines.append(f"{rankings} could not be parsed and were ignored")
    return lines


def _format_cells(scores: Scores) -> list[str]:
    values = (scores.retrieval, scores.correctness, scores.coherence, scores.ranking)
    return ["-" if value is None else f"{value:.3f}" for value in values]
