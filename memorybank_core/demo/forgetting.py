"""Chapter on forgetting: repeated questions, fading, a forecast, and a restored memory."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from memorybank_core.evaluation import Question
from memorybank_core.forgetting import THRESHOLD, retention_of
from memorybank_core.records import SearchResult
from memorybank_core.reports import Fading
from memorybank_core.terminal import one_line, retention_bar

from .recall import show_memory
from .scene import FORECAST_DAY, FORGET_DAY, REPEAT_DAYS, K, Scene, after_noon

_REPEATED = 2  # questions that are asked again
_SHOWN = 4  # memories
_QUERY_COLUMNS = 60


def show_forgetting(scene: Scene) -> None:
    """Repeat questions on later days, forget, forecast, and restore one memory."""
    _repeat_questions(scene)
    forgotten = _forget(scene)
    _show_kept(scene)
    _show_forecast(scene)
    _restore_answer(scene, forgotten)


def _repeat_questions(scene: Scene) -> None:
    for day in REPEAT_DAYS:
        for number, question in enumerate(scene.questions[:_REPEATED]):
            now = after_noon(day, number)
            results = scene.bank.search(question.text, user_id=scene.user, k=K, now=now)
            scene.bank.reinforce(results, user_id=scene.user, now=now, turn=f"{day}-{number}")
    scene.print(scene.phrase("repeated", count=_REPEATED, days=scene.format_days(REPEAT_DAYS)))


def _forget(scene: Scene) -> dict[str, Fading]:
    """Forget, after a dry run, and return the forgotten memories by id."""
    now = after_noon(FORGET_DAY)
    preview = scene.bank.forget(user_id=scene.user, now=now, dry_run=True)
    counts = {"forgotten": len(preview.forgotten), "all": len(preview.forgotten) + preview.kept}
    day = scene.format_day(FORGET_DAY)
    scene.print(scene.phrase("dry_run", day=day, threshold=THRESHOLD, **counts))
    report = scene.bank.forget(user_id=scene.user, now=now)
    scene.forgotten, scene.kept = len(report.forgotten), report.kept
    scene.print(scene.phrase("forgotten"))
    _show_rows(scene, _sample(report.forgotten))
    return {fading.memory.id: fading for fading in report.forgotten}


def _show_kept(scene: Scene) -> None:
    now, law = after_noon(FORGET_DAY), scene.bank.law
    recalled = [memory for memory in scene.bank.timeline(user_id=scene.user) if memory.recalls]
    recalled.sort(key=lambda memory: (-memory.strength, memory.created_at))
    scene.print("")
    scene.print(scene.phrase("kept", kept=scene.kept))
    rows = [Fading(memory, retention_of(memory, law, now), None) for memory in recalled]
    _show_rows(scene, _sample(rows))


def _show_forecast(scene: Scene) -> None:
    forecast = scene.bank.forecast(after_noon(FORECAST_DAY), user_id=scene.user)
    scene.fading = len(forecast)
    day = scene.format_day(FORECAST_DAY)
    text = Text(scene.phrase("forecast", day=day, count=len(forecast)))
    if forecast and forecast[0].fades_at:
        first = scene.bank.day_of(forecast[0].fades_at)
        text.append(scene.phrase("first_to_fade", day=scene.format_day(first)))
    scene.print("")
    scene.print(text)


def _restore_answer(scene: Scene, forgotten: dict[str, Fading]) -> None:
    """Search for a forgotten memory, restore it, and search again."""
    question = _choose_question(scene, forgotten)
    answers = (*question.evidence, *question.alternatives)
    scene.print("")
    scene.print(scene.phrase("ask_forgotten", user=scene.user))
    scene.print(Text(f"? {question.text}", "bold"))
    rank = _rank_of_answer(_search(scene, question), question)
    text = scene.phrase("lost") if rank is None else scene.phrase("still_found", rank=rank)
    scene.print_indented(Text(text, "red"))
    count = scene.bank.restore(answers, user_id=scene.user, now=after_noon(FORGET_DAY))
    results = _search(scene, question)
    scene.restored_rank = _rank_of_answer(results, question)
    if scene.restored_rank is None:
        text = scene.phrase("not_restored", count=count, k=K)
        scene.print_indented(Text(text, "red"))
        return
    text = scene.phrase("restored", count=count, rank=scene.restored_rank)
    scene.print_indented(Text(text, "green"))
    show_memory(scene, results[scene.restored_rank - 1], question.text, is_answer=True)


def _choose_question(scene: Scene, forgotten: dict[str, Fading]) -> Question:
    """Return a question about a forgotten memory.

    It is the spare question if all its answers are forgotten, else the beginning of a forgotten
    turn.
    """
    answers = {*scene.spare.evidence, *scene.spare.alternatives}
    if answers <= forgotten.keys() or not forgotten:
        return scene.spare
    memory = next(iter(forgotten.values())).memory
    return Question(scene.shorten(memory, _QUERY_COLUMNS), (memory.id,))


def _search(scene: Scene, question: Question) -> list[SearchResult]:
    now = after_noon(FORGET_DAY)
    return scene.bank.search(question.text, user_id=scene.user, k=K, now=now)


def _rank_of_answer(results: list[SearchResult], question: Question) -> int | None:
    answers = {*question.evidence, *question.alternatives}
    ranks = (rank for rank, result in enumerate(results, 1) if result.memory.id in answers)
    return next(ranks, None)


def _sample(rows: Sequence[Fading]) -> list[Fading]:
    """Return a few rows, evenly spaced."""
    return list(rows[:: max(1, len(rows) // _SHOWN)][:_SHOWN])


def _show_rows(scene: Scene, rows: list[Fading]) -> None:
    """Print one line for each memory: its day, text, retention and strength."""
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
            scene.format_day(memory.day),
            one_line(memory.text),
            retention_bar(fading.retention),
            scene.phrase("strength", strength=memory.strength),
        )
    scene.out.print(grid)
