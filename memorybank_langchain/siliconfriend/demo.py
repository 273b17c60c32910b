"""Last chapter of the demo: conversations with the companion, which answers by quoting.

Run it with `python -m memorybank_langchain.siliconfriend.demo`. It needs no model, no key and no
network; `--llm smollm2` or another model answers instead.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

import memorybank_core.demo
from memorybank_core import ConfigurationError, MemoryBank
from memorybank_core.json_format import import_json, load
from memorybank_core.terminal import clean, console, one_line

from .models import QUOTATION, is_tiny
from .startup import STRINGS, load_chat_model

DATA_FOLDER = Path(memorybank_core.demo.__file__).parent / "data"
USERS = {"en": "Imogen", "zh": "郭一帆"}
MESSAGES = {
    "en": (
        "Hi!",
        "What is my partner's job?",
        "What did I cook on March 9th?",
        "When did I finish the scarf?",
        "What colour is the kitchen now?",
        "I am so tired today.",
        "What is my blood group?",
    ),
    "zh": (
        "我家的鹦鹉叫什么名字？",
        "演出几点开始？",
        "3月9号我给奶奶修好了什么？",
        "我的血型是什么？",
    ),
}
"""Messages of the demo's users; the last ones are about something that they never said."""
_WIDTH = 100
_TITLE = "9  SiliconFriend: a companion that remembers"
_INTRODUCTION = {
    True: "No language model: the companion quotes what it remembers, with the day, and admits\n"
    "what it does not.",
    False: "{model} answers on the memories below each message.",
}


def show_chapter(
    out: Console, model: Any, *, name: str = QUOTATION, embedder: str | None = None
) -> None:
    """Print conversations of the demo's users with the companion.

    Args:
        out: Console to print to.
        model: Chat model that answers.
        name: Name of the model.
        embedder: Name of the embedder; None uses the best one installed.
    """
    quotes = name == QUOTATION
    chosen = slice(1, 3) if is_tiny(model) else slice(None)  # enough to see that it makes things up
    out.print()
    out.rule(Text(_TITLE, "bold cyan"), align="left", style="dim")
    out.print(_INTRODUCTION[quotes].format(model=name))
    if is_tiny(model):
        out.print(STRINGS["en"]["tiny"].format(model=name), style="yellow")
    for language in MESSAGES if quotes else ("en",):
        with _open_bank(language, embedder) as bank:
            _talk(out, model, bank, USERS[language], MESSAGES[language][chosen])
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
        if model.model_name != QUOTATION:
            _show_results(out, companion.recalled.results[:1] if companion.recalled else ())
        seconds = f"  ({time.monotonic() - started:.1f} s)"
        speaker = ("SiliconFriend  ", "bold green")
        out.print(Text.assemble(speaker, clean(answer.strip()), (seconds, "dim")))


def _show_results(out: Console, results: Sequence[Any]) -> None:
    """Print recalled memories and their scores."""
    for result in results:
        line = Text.assemble((f"{result.memory.day}  ", "cyan"), one_line(result.memory.text))
        line.truncate(_WIDTH - 4, overflow="ellipsis")
        out.print(Padding(line, (0, 0, 0, 2)), style="dim")
        out.print(Padding(Text(result.why()), (0, 0, 0, 2)), style="dim")


@contextmanager
def _open_bank(language: str, embedder: str | None) -> Iterator[MemoryBank]:
    """Open a temporary bank with the dialogues of one of the demo's users."""
    with (
        tempfile.TemporaryDirectory() as folder,
        MemoryBank.open(Path(folder) / "demo.db", embedder=embedder, language=language) as bank,
    ):
        import_json(bank, load(DATA_FOLDER / f"dialogues_{language}.json"))
        yield bank


def main(
    llm: Annotated[str, typer.Option("--llm", help="As of `siliconfriend chat`.")] = QUOTATION,
) -> None:
    """Print the chapter, or a line with the reason why it is skipped."""
    out = console()
    if not out.is_terminal:
        out = Console(width=_WIDTH, markup=False, highlight=False, emoji=False)
    try:
        model = load_chat_model(llm)
    except ConfigurationError as error:
        out.print(f"\nThe chapter about the companion is skipped: {error}")
        return
    show_chapter(out, model, name=llm)


if __name__ == "__main__":
    typer.run(main)
