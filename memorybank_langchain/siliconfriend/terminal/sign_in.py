"""Who it is that talks: asked, greeted and known again."""

from __future__ import annotations

from langchain_core.language_models import BaseChatModel
from rich.console import Console
from rich.text import Text

from memorybank_core import InvalidInputError, MemoryBank
from memorybank_core.terminal import console, one_line
from memorybank_langchain.siliconfriend.companion import Companion
from memorybank_langchain.siliconfriend.models import budget

from .lines import Lines
from .repl import Talk
from .strings import WORDS, day_label

LONGEST_NAME = 100
_LINES = 200  # how many earlier lines come back with ↑
_RECENT = 6  # what `siliconfriend` shows unless told otherwise


def talk(
    bank: MemoryBank, model: BaseChatModel, *, user: str | None = None, patience: float = 120.0
) -> None:
    """Talks in the terminal until the person ends it; in the bank's language.

    Args:
        bank: Where the memories are.
        model: Any chat model of LangChain's.
        user: Who talks; None asks.
        patience: Seconds without a piece of an answer after which it is given up.

    Raises:
        InvalidInputError: `user` is no name.
    """
    out, lines, words = console(), Lines(), WORDS[bank.language]
    name = _named(user, bank.language) if user is not None else _asked(lines, out, bank.language)
    if not name:
        return
    _greet(bank, name, out)
    said = bank.timeline(user_id=name, kind="turn", last=_LINES)
    lines.remember([one.turn.query for one in said if one.turn and one.turn.query.strip()])
    out.print(Text(words["hint"], "dim"), soft_wrap=True)
    how = budget(model)
    companion = Companion(model, bank, user_id=name, patience=patience, **how)
    Talk(companion, lines, out, how.get("recent", _RECENT)).run()


def _asked(lines: Lines, out: Console, language: str) -> str:
    """The name that is typed; "" where nobody wants to say one."""
    while True:
        try:
            return _named(lines.read(WORDS[language]["ask_name"]), language)
        except InvalidInputError as error:
            out.print(str(error))
        except (EOFError, KeyboardInterrupt):
            out.print()
            return ""


def _named(typed: str, language: str) -> str:
    """A name in one line, without control characters.

    Raises:
        InvalidInputError: There is none, or it is too long.
    """
    name = one_line(typed)
    if not 0 < len(name) <= LONGEST_NAME:
        raise InvalidInputError(WORDS[language]["bad_name"].format(longest=LONGEST_NAME))
    return name


def _greet(bank: MemoryBank, name: str, out: Console) -> None:
    words, language = WORDS[bank.language], bank.language
    known = bank.timeline(user_id=name, kind="turn", archived=True)
    if not known:
        out.print(Text(words["hello"].format(name=name), "bold"), soft_wrap=True)
        return
    count = words["turn" if len(known) == 1 else "turns"].format(count=len(known))
    first, last = (day_label(one.day, language) for one in (known[0], known[-1]))
    out.print(Text(words["hello_again"].format(name=name), "bold"), soft_wrap=True)
    out.print(words["known"].format(first=first, turns=count, last=last), soft_wrap=True)
