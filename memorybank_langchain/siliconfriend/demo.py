"""The demo's last chapter: a real talk of its people with the companion and the built-in model.

Run it with `python -m memorybank_langchain.siliconfriend.demo`. It needs no key and no network.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

import memorybank_core.demo
from memorybank_core import ConfigurationError, MemoryBank
from memorybank_core.json_format import import_json, load
from memorybank_core.terminal import clean, console, one_line

from .startup import loaded

DATA = Path(memorybank_core.demo.__file__).parent / "data"
ENGLISH, CHINESE = "Imogen", "郭一帆"
SAID = (
    "Hi! I am so tired today.",
    "What did I cook on March 9th?",
    "What is my partner's job?",
)
ASKED_IN_CHINESE = "我家的鹦鹉叫什么名字？"
_WIDTH = 100


def tell(out: Console, model: Any, *, embedder: str | None = None) -> None:
    """Lets the demo's people talk with the companion.

    Args:
        out: Where to.
        model: The chat model that answers.
        embedder: Its name; None takes the best that is installed.
    """
    out.print()
    out.rule(Text("9  SiliconFriend: a companion that remembers", "bold cyan"), align="left")
    out.print(
        "Only what Imogen says was written in advance. SmolLM2-135M answers on this machine: it "
        "is tiny and\neasily muddled. Above each answer stands what was recalled for it, and why. "
        "About a minute."
    )
    with _bank("en", embedder) as bank:
        _talk(out, model, bank, ENGLISH, SAID)
    out.print()
    out.print("SmolLM2 knows no Chinese, the memory does:")
    with _bank("zh", embedder) as bank:
        out.print(Text.assemble((f"{CHINESE}  ", "bold cyan"), ASKED_IN_CHINESE))
        _show(out, bank.context(ASKED_IN_CHINESE, user_id=CHINESE, k=1).results, "zh")
    found = shutil.which("siliconfriend")
    command = "siliconfriend" if found else f"{sys.executable} -m {__package__}"
    out.print(f"\nNow you:  {command} chat", soft_wrap=True)


def _talk(out: Console, model: Any, bank: MemoryBank, user: str, said: Sequence[str]) -> None:
    from .companion import Companion
    from .models import budget

    companion = Companion(model, bank, user_id=user, **budget(model))
    for text in said:
        began = time.monotonic()
        out.print(Text.assemble("\n", (f"{user}  ", "bold cyan"), text))
        answer = "".join(companion.say(text, temperature=0))
        _show(out, companion.recalled.results[:1] if companion.recalled else (), "en")
        seconds = f"  ({time.monotonic() - began:.0f} s)"
        said_by = ("SiliconFriend  ", "bold green")
        out.print(Text.assemble(said_by, clean(answer.strip()), (seconds, "dim")))


def _show(out: Console, results: Sequence[Any], language: str) -> None:
    """What was recalled best, and why."""
    for result in results:
        line = Text.assemble((f"{result.memory.day}  ", "cyan"), one_line(result.memory.text))
        line.truncate(_WIDTH - 4, overflow="ellipsis")
        out.print(Padding(line, (0, 0, 0, 2)), style="dim")
        out.print(Padding(Text(result.why(language)), (0, 0, 0, 2)), style="dim")


@contextmanager
def _bank(language: str, embedder: str | None) -> Iterator[MemoryBank]:
    """A bank with the diary of one of the demo's people, which is gone afterwards."""
    with (
        tempfile.TemporaryDirectory() as folder,
        MemoryBank.open(Path(folder) / "demo.db", embedder=embedder, language=language) as bank,
    ):
        import_json(bank, load(DATA / f"dialogues_{language}.json"))
        yield bank


def main() -> None:
    """Tells the chapter, or says in one line why it cannot be told."""
    out = console()
    if not out.is_terminal:
        out = Console(width=_WIDTH, markup=False, highlight=False, emoji=False)
    try:
        from .models import BUILT_IN

        model = loaded(BUILT_IN)
    except ConfigurationError as error:
        out.print(f"\nThe companion's chapter is left out: {error}")
        return
    tell(out, model)


if __name__ == "__main__":
    main()
