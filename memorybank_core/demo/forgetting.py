"""The chapter of forgetting: some things are asked again, the rest fades, one comes back."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from memorybank_core.evaluation import Question
from memorybank_core.forgetting import THRESHOLD, retention_of
from memorybank_core.records import SearchResult
from memorybank_core.reports import Fading
from memorybank_core.terminal import one_line, retention_bar

from .recall import show_memory
from .scene import AGAIN_ON, FORGET_ON, HORIZON, K, Scene, moment

_AGAIN = 2  # questions that come up again
_SHOWN = 4


def tell_forgetting(scene: Scene) -> None:
    """Lets days pass, forgets, looks ahead, and brings one memory back."""
    _ask_again(scene)
    forgotten = _forget(scene)
    _show_kept(scene)
    _look_ahead(scene)
    _bring_back(scene, forgotten)


def _ask_again(scene: Scene) -> None:
    for day in AGAIN_ON:
        for number, question in enumerate(scene.questions[:_AGAIN]):
            now = moment(day, number)
            found = scene.bank.search(question.text, user_id=scene.user, k=K, now=now)
            scene.bank.reinforce(found, user_id=scene.user, now=now, turn=f"{day}-{number}")
    scene.say(scene.word("again", count=_AGAIN, days=scene.days(AGAIN_ON)))


def _forget(scene: Scene) -> dict[str, Fading]:
    """Forgets, first in a dry run; returns what went, by id."""
    now = moment(FORGET_ON)
    would = scene.bank.forget(user_id=scene.user, now=now, dry_run=True)
    counts = {"forgotten": len(would.forgotten), "all": len(would.forgotten) + would.kept}
    day = scene.day(FORGET_ON)
    scene.say(scene.word("dry_run", day=day, threshold=THRESHOLD, **counts))
    report = scene.bank.forget(user_id=scene.user, now=now)
    scene.forgotten, scene.kept = len(report.forgotten), report.kept
    scene.say(scene.word("really"))
    step = max(1, len(report.forgotten) // _SHOWN)
    _show_rows(scene, list(report.forgotten[::step][:_SHOWN]))
    return {fading.memory.id: fading for fading in report.forgotten}


def _show_kept(scene: Scene) -> None:
    now, law = moment(FORGET_ON), scene.bank.law
    kept = [memory for memory in scene.bank.timeline(user_id=scene.user) if memory.recalls]
    kept.sort(key=lambda memory: (-memory.strength, memory.created_at))
    scene.say("")
    scene.say(scene.word("kept", kept=scene.kept))
    step = max(1, len(kept) // _SHOWN)
    rows = [Fading(memory, retention_of(memory, law, now), None) for memory in kept[::step]]
    _show_rows(scene, rows[:_SHOWN])


def _look_ahead(scene: Scene) -> None:
    fading = scene.bank.forecast(moment(HORIZON), user_id=scene.user)
    scene.fading = len(fading)
    said = Text(scene.word("forecast", day=scene.day(HORIZON), count=len(fading)))
    if fading and fading[0].fades_at:
        first = scene.bank.day_of(fading[0].fades_at)
        said.append(scene.word("first_to_fade", day=scene.day(first)))
    scene.say("")
    scene.say(said)


def _bring_back(scene: Scene, forgotten: dict[str, Fading]) -> None:
    """Asks for a forgotten thing, in vain; restores it; asks again."""
    question = _question_for(scene, forgotten)
    answers = (*question.evidence, *question.alternatives)
    scene.say("")
    scene.say(scene.word("try_forgotten"))
    scene.say(Text(f"? {question.text}", "bold"))
    before = _rank(_find(scene, question), question)
    lost = scene.word("lost") if before is None else scene.word("still_found", rank=before)
    scene.indented(Text(lost, "red"))
    count = scene.bank.restore(answers, user_id=scene.user, now=moment(FORGET_ON))
    found = _find(scene, question)
    scene.restored_rank = _rank(found, question)
    if scene.restored_rank is None:
        scene.indented(Text(scene.word("not_restored", count=count, k=K), "red"))
        return
    scene.indented(Text(scene.word("restored", count=count, rank=scene.restored_rank), "green"))
    show_memory(scene, found[scene.restored_rank - 1], question.text, is_answer=True)


def _question_for(scene: Scene, forgotten: dict[str, Fading]) -> Question:
    """The spare question, if all that answers it is forgotten; else a forgotten turn's words."""
    answers = {*scene.spare.evidence, *scene.spare.alternatives}
    if answers <= forgotten.keys() or not forgotten:
        return scene.spare
    memory = next(iter(forgotten.values())).memory
    return Question(scene.gist(memory, 60), (memory.id,))


def _find(scene: Scene, question: Question) -> list[SearchResult]:
    now = moment(FORGET_ON)
    return scene.bank.search(question.text, user_id=scene.user, k=K, now=now)


def _rank(found: list[SearchResult], question: Question) -> int | None:
    answers = {*question.evidence, *question.alternatives}
    ranks = (rank for rank, result in enumerate(found, 1) if result.memory.id in answers)
    return next(ranks, None)


def _show_rows(scene: Scene, rows: list[Fading]) -> None:
    """A line each: the day, what was said, what is left of it, how strong it is."""
    grid = Table.grid(padding=(0, 2, 0, 0), expand=True)
    grid.add_column(width=2)
    grid.add_column(width=7, style="cyan", no_wrap=True)
    grid.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    grid.add_column(width=15, no_wrap=True)
    grid.add_column(width=10, no_wrap=True, style="dim")
    for fading in rows:
        memory = fading.memory
        grid.add_row(
            "",
            scene.day(memory.day),
            one_line(memory.text),
            retention_bar(fading.retention),
            scene.word("strength", strength=memory.strength),
        )
    scene.out.print(grid)
