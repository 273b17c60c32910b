"""Last chapter of the demo: conversations with the companion, answered by the built-in model.

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

from .startup import load_chat_model

DATA_FOLDER = Path(memorybank_core.demo.__file__).parent / "data"
ENGLISH_USER, CHINESE_USER = "Imogen", "郭一帆"
ENGLISH_MESSAGES = (
    "Hi! I am so tired today.",
    "What did I cook on March 9th?",
    "What is my partner's job?",
)
CHINESE_QUESTION = "我家的鹦鹉叫什么名字？"
_WIDTH = 100


def show_chapter(out: Console, model: Any, *, embedder: str | None = None) -> None:
    """Print conversations of the demo's users with the companion.

    Args:
        out: Console to print to.
        model: Chat model that answers.
        embedder: Name of the embedder; None uses the best one installed.
    """
    out.print()
    out.rule(Text("9  SiliconFriend: a companion that remembers", "bold cyan"), align="left")
    out.print(
        "Only Imogen's messages were written in advance. SmolLM2-135M answers on this machine: it "
        "is tiny and\neasily confused. Above each answer is the memory recalled for it, and why. "
        "About a minute."
    )
    with _open_bank("en", embedder) as bank:
        _talk(out, model, bank, ENGLISH_USER, ENGLISH_MESSAGES)
    out.print()
    out.print("SmolLM2 does not speak Chinese, but the memory also works in Chinese:")
    with _open_bank("zh", embedder) as bank:
        out.print(Text.assemble((f"{CHINESE_USER}  ", "bold cyan"), CHINESE_QUESTION))
        _show_results(out, bank.context(CHINESE_QUESTION, user_id=CHINESE_USER, k=1).results, "zh")
    is_installed = shutil.which("siliconfriend") is not None
    command = "siliconfriend" if is_installed else f"{sys.executable} -m {__package__}"
    out.print(f"\nTry it:  {command} chat", soft_wrap=True)


def _talk(out: Console, model: Any, bank: MemoryBank, user: str, messages: Sequence[str]) -> None:
    from .companion import Companion
    from .models import budget

    companion = Companion(model, bank, user_id=user, **budget(model))
    for text in messages:
        started = time.monotonic()
        out.print(Text.assemble("\n", (f"{user}  ", "bold cyan"), text))
        answer = "".join(companion.say(text, temperature=0))
        _show_results(out, companion.recalled.results[:1] if companion.recalled else (), "en")
        seconds = f"  ({time.monotonic() - started:.0f} s)"
        speaker = ("SiliconFriend  ", "bold green")
        out.print(Text.assemble(speaker, clean(answer.strip()), (seconds, "dim")))


def _show_results(out: Console, results: Sequence[Any], language: str) -> None:
    """Print recalled memories and their scores."""
    for result in results:
        line = Text.assemble((f"{result.memory.day}  ", "cyan"), one_line(result.memory.text))
        line.truncate(_WIDTH - 4, overflow="ellipsis")
        out.print(Padding(line, (0, 0, 0, 2)), style="dim")
        out.print(Padding(Text(result.why(language)), (0, 0, 0, 2)), style="dim")


@contextmanager
def _open_bank(language: str, embedder: str | None) -> Iterator[MemoryBank]:
    """Open a temporary bank with the dialogues of one of the demo's users."""
    with (
        tempfile.TemporaryDirectory() as folder,
        MemoryBank.open(Path(folder) / "demo.db", embedder=embedder, language=language) as bank,
    ):
        import_json(bank, load(DATA_FOLDER / f"dialogues_{language}.json"))
        yield bank


def main() -> None:
    """Print the chapter, or a line with the reason why it is skipped."""
    out = console()
    if not out.is_terminal:
        out = Console(width=_WIDTH, markup=False, highlight=False, emoji=False)
    try:
        from .models import BUILT_IN

        model = load_chat_model(BUILT_IN)
    except ConfigurationError as error:
        out.print(f"\nThe chapter about the companion is skipped: {error}")
        return
    show_chapter(out, model)


if __name__ == "__main__":
    main()
