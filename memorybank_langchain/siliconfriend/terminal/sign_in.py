"""Start of a conversation in the terminal: ask for the user's name and greet them."""

from __future__ import annotations

from langchain_core.language_models import BaseChatModel
from rich.console import Console
from rich.text import Text

from memorybank_core import InvalidInputError, MemoryBank
from memorybank_core.terminal import console, one_line
from memorybank_langchain.siliconfriend.companion import Companion, require_patience
from memorybank_langchain.siliconfriend.models import budget
from memorybank_langchain.siliconfriend.quoting_model import QuotingModel

from .lines import LineReader
from .repl import Repl
from .strings import STRINGS, format_day

MAX_NAME_LENGTH = 100
_HISTORY_LINES = 200  # earlier lines available with ↑
_RECENT = 6  # default of `siliconfriend`'s argument


def talk(
    bank: MemoryBank, model: BaseChatModel, *, user: str | None = None, patience: float = 120.0
) -> None:
    """Hold a conversation in the terminal, in the bank's language, until the user ends it.

    Args:
        bank: Bank with the memories.
        model: Any LangChain chat model.
        user: Name of the user; None asks for it.
        patience: Seconds without output after which an answer is aborted.

    Raises:
        InvalidInputError: If `user` is not a valid name, or `patience` is not more than 0.
    """
    require_patience(patience)
    out, lines, strings = console(), LineReader(), STRINGS[bank.language]
    if user is None:
        name = _ask_name(lines, out, bank.language)
    else:
        name = _require_name(user, bank.language)
    if not name:
        return
    _greet(bank, name, out)
    memories = bank.timeline(user_id=name, kind="turn", last=_HISTORY_LINES)
    queries = [memory.turn.query for memory in memories if memory.turn]
    lines.set_history([query for query in queries if query.strip()])
    out.print(Text(strings["hint"], "dim"), soft_wrap=True)
    options = budget(model)
    companion = Companion(model, bank, user_id=name, patience=patience, **options)
    recent = 0 if isinstance(model, QuotingModel) else options.get("recent", _RECENT)
    Repl(companion, lines, out, recent).run()


def _ask_name(lines: LineReader, out: Console, language: str) -> str:
    """Ask until a valid name is typed; return "" if the input ends."""
    while True:
        try:
            return _require_name(lines.read(STRINGS[language]["ask_name"]), language)
        except InvalidInputError as error:
            out.print(str(error))
        except (EOFError, KeyboardInterrupt):
            out.print()
            return ""


def _require_name(text: str, language: str) -> str:
    """Return a valid name: one line without control characters.

    Raises:
        InvalidInputError: If the name is empty or too long.
    """
    name = one_line(text)
    if not 0 < len(name) <= MAX_NAME_LENGTH:
        raise InvalidInputError(STRINGS[language]["bad_name"].format(longest=MAX_NAME_LENGTH))
    return name


def _greet(bank: MemoryBank, name: str, out: Console) -> None:
    strings, language = STRINGS[bank.language], bank.language
    turns = bank.timeline(user_id=name, kind="turn", archived=True)
    if not turns:
        out.print(Text(strings["hello"].format(name=name), "bold"), soft_wrap=True)
        return
    count = strings["turn" if len(turns) == 1 else "turns"].format(count=len(turns))
    first, last = (format_day(memory.day, language) for memory in (turns[0], turns[-1]))
    out.print(Text(strings["hello_again"].format(name=name), "bold"), soft_wrap=True)
    out.print(strings["known"].format(first=first, turns=count, last=last), soft_wrap=True)
