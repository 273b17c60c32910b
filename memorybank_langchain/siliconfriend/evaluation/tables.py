"""The results as the paper's table, with the paper's own beside them."""

from __future__ import annotations

from rich.table import Table

from memorybank_core.terminal import one_line, table, times

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
"""What the paper reports (Zhong et al. 2023, arXiv 2305.10250, section 4.3), by language."""

SOURCE = (
    "the paper's: Zhong et al. 2023, arXiv 2305.10250: 15 users, 194 questions, judged by people"
)

_COLUMNS = ("Retrieval", "Correctness", "Coherence", "Ranking")


def as_table(evaluation: Evaluation) -> Table:
    """Our hosts, then the paper's; a score that could not be judged at all is "-"."""
    shown = table("", *_COLUMNS, numbers=_COLUMNS)
    for host in evaluation.hosts:
        shown.add_row(one_line(host.host), *_cells(host.scores))
    shown.add_section()
    for name, scores in PAPER[evaluation.language].items():
        shown.add_row(f"{name} (paper)", *_cells(scores))
    return shown


def notes(evaluation: Evaluation) -> list[str]:
    """What must be known to read the table: whose judgement it is, and what is missing."""
    by_model = evaluation.judge != "human"
    told = [
        SOURCE,
        f"ours: {times(evaluation.users, 'user')}, {times(evaluation.questions, 'question')}, "
        f"judged by {f'the model {one_line(evaluation.judge)}' if by_model else 'a person'}",
    ]
    if by_model:
        told.append("a model is a biased judge, above all of its own answers")
    if len(evaluation.hosts) == 1:
        told.append("one host alone always ranks first")
    for host in evaluation.hosts:
        if host.unread:
            judgements = times(host.unread, "grading")
            told.append(f"{one_line(host.host)}: {judgements} could not be read, and count nowhere")
    if evaluation.unread_rankings:
        rankings = times(evaluation.unread_rankings, "ranking")
        told.append(f"{rankings} could not be read, and count nowhere")
    return told


def _cells(scores: Scores) -> list[str]:
    four = (scores.retrieval, scores.correctness, scores.coherence, scores.ranking)
    return ["-" if score is None else f"{score:.3f}" for score in four]
