"""The chapter of recall: questions, what they find, and why."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from memorybank_core.evaluation import Question
from memorybank_core.records import SearchResult

from .charts import passage
from .scene import ASIDE, ASKED_ON, INDENT, PASSAGE, K, Scene, moment

_SHOWN = 2
_FAR = 20  # how far down a missed answer is looked for
_MARKS = {True: ("✓ ", "bold green"), None: ("◐ ", "bold yellow"), False: ("✗ ", "bold red")}


def tell_recall(scene: Scene) -> None:
    """Asks the questions, shows what is found and reinforces it."""
    scene.say(scene.word("asking", day=scene.day(ASKED_ON, weekday=True)), "dim")
    recalled: set[str] = set()
    for number, question in enumerate(scene.questions):
        found = ask(scene, question, number)
        recalled |= {result.memory.id for result in found}
        share = question.recall([result.memory.id for result in found], K)
        scene.asked += 1
        scene.found += share == 1.0
        scene.partly += 0.0 < share < 1.0
        scene.say("")
        scene.say(
            Text.assemble(
                _MARKS[share == 1.0 or (None if share else False)], (question.text, "bold")
            )
        )
        _show(scene, question, found)
    scene.say("")
    scene.say(
        Text(scene.word("summary", found=scene.found, asked=scene.asked), "bold")
        + (scene.word("partly", partly=scene.partly) if scene.partly else "")
        + scene.word("recalled", count=len(recalled))
    )


def ask(scene: Scene, question: Question, number: int) -> list[SearchResult]:
    """Asks one question on the day of the questions, and reinforces what is found."""
    now = moment(ASKED_ON, number)
    found = scene.bank.search(question.text, user_id=scene.user, k=K, now=now)
    scene.bank.reinforce(found, user_id=scene.user, now=now, turn=f"{ASKED_ON}-{number}")
    return found


def _show(scene: Scene, question: Question, found: list[SearchResult]) -> None:
    """The first memories, a third one only if it answers, and why the first was found."""
    answers = {*question.evidence, *question.alternatives}
    for rank, result in enumerate(found):
        is_answer = result.memory.id in answers
        if rank < _SHOWN or is_answer:
            show_memory(scene, result, question.text, is_answer)
    if found:
        scene.indented(Text(found[0].why(scene.language), "dim"))
    if not answers & {result.memory.id for result in found}:
        _show_missed(scene, question, answers)


def _show_missed(scene: Scene, question: Question, answers: set[str]) -> None:
    """Shows where the first memory that answers came, further down."""
    now = moment(ASKED_ON)
    found = scene.bank.search(question.text, user_id=scene.user, k=_FAR, now=now)
    for rank, result in enumerate(found, 1):
        if result.memory.id in answers:
            scene.indented(Text(scene.word("further", rank=rank), "yellow"))
            show_memory(scene, result, question.text, is_answer=True)
            return
    scene.indented(Text(scene.word("missed", k=_FAR), "yellow"))


def show_memory(scene: Scene, result: SearchResult, question: str, is_answer: bool) -> None:
    """A memory's day and the passage of it that is nearest to the question."""
    limit = PASSAGE if is_answer else ASIDE
    text = passage(result.memory.text, question, scene.bank.embedder, limit)
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=INDENT - 1)
    grid.add_column(width=1)
    grid.add_column(width=7, no_wrap=True)
    grid.add_column(overflow="fold")
    mark = Text("●", "green") if is_answer else Text("·", "dim")
    day = Text(scene.day(result.memory.day), "cyan")
    grid.add_row("", mark, day, Text(text, "" if is_answer else "dim"))
    scene.out.print(grid)
