"""Chapter on recall: questions, the memories that answer them, and explanations of the scores."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from memorybank_core.evaluation import Question
from memorybank_core.records import SearchResult

from .passages import select_passage
from .scene import (
    ANSWER_COLUMNS,
    INDENT,
    OTHER_COLUMNS,
    QUESTION_DAY,
    K,
    Scene,
    after_noon,
)

_SHOWN = 2  # results shown for each question, in addition to answers
_DEEP_K = 20  # number of results to search for an answer that is not among the first K
_MARKS = {"all": ("✓ ", "bold green"), "part": ("◐ ", "bold yellow"), "none": ("✗ ", "bold red")}


def show_recall(scene: Scene) -> None:
    """Ask the questions, and show and reinforce the search results."""
    scene.print(scene.phrase("asking", day=scene.format_day(QUESTION_DAY, weekday=True)), "dim")
    recalled: set[str] = set()
    for number, question in enumerate(scene.questions):
        results = _ask(scene, question, number)
        ids = [result.memory.id for result in results]
        recalled.update(ids)
        share = question.recall(ids, K)
        scene.question_count += 1
        scene.answered += share == 1.0
        scene.partly_answered += 0.0 < share < 1.0
        mark = _MARKS["all" if share == 1.0 else "part" if share else "none"]
        scene.print("")
        scene.print(Text.assemble(mark, (question.text, "bold")))
        _show_results(scene, question, results)
    _print_summary(scene, len(recalled))


def _print_summary(scene: Scene, recalled: int) -> None:
    counts = {"answered": scene.answered, "count": scene.question_count}
    summary = Text(scene.phrase("summary", **counts), "bold")
    if scene.partly_answered:
        summary += scene.phrase("partly", count=scene.partly_answered)
    scene.print("")
    scene.print(summary + scene.phrase("recalled", count=recalled))


def _ask(scene: Scene, question: Question, number: int) -> list[SearchResult]:
    """Search for the answer to a question on the day of the questions, and reinforce it."""
    now = after_noon(QUESTION_DAY, number)
    results = scene.bank.search(question.text, user_id=scene.user, k=K, now=now)
    scene.bank.reinforce(results, user_id=scene.user, now=now, turn=f"{QUESTION_DAY}-{number}")
    return results


def _show_results(scene: Scene, question: Question, results: list[SearchResult]) -> None:
    """Print the first results and all answers, and the score of the first result."""
    answers = {*question.evidence, *question.alternatives}
    for rank, result in enumerate(results):
        is_answer = result.memory.id in answers
        if rank < _SHOWN or is_answer:
            show_memory(scene, result, question.text, is_answer)
    if results:
        scene.print_indented(Text(results[0].why(scene.language), "dim"))
    if not answers & {result.memory.id for result in results}:
        _show_lower_answer(scene, question, answers)


def _show_lower_answer(scene: Scene, question: Question, answers: set[str]) -> None:
    """Print the first answer below rank K, with its rank."""
    now = after_noon(QUESTION_DAY)
    results = scene.bank.search(question.text, user_id=scene.user, k=_DEEP_K, now=now)
    for rank, result in enumerate(results, 1):
        if result.memory.id in answers:
            scene.print_indented(Text(scene.phrase("lower", rank=rank), "yellow"))
            show_memory(scene, result, question.text, is_answer=True)
            return
    scene.print_indented(Text(scene.phrase("missed", k=_DEEP_K), "yellow"))


def show_memory(scene: Scene, result: SearchResult, question: str, is_answer: bool) -> None:
    """Print the day of a memory and its passage closest to the question."""
    limit = ANSWER_COLUMNS if is_answer else OTHER_COLUMNS
    text = select_passage(result.memory.text, question, scene.bank.embedder, limit)
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=INDENT - 1)
    grid.add_column(width=1)
    grid.add_column(width=7, no_wrap=True)
    grid.add_column(overflow="fold")
    mark = Text("●", "green") if is_answer else Text("·", "dim")
    day = Text(scene.format_day(result.memory.day), "cyan")
    grid.add_row("", mark, day, Text(text, "" if is_answer else "dim"))
    scene.out.print(grid)
