"""Find with a language model which statements replaced which, and record it.

Each turn is read once, with the nearest older statements of its user. What the model says is
recorded only if its whole answer is in the required form; a turn whose reading failed is read
again in the next run. No memory is changed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby

from memorybank_core.errors import AnswerError, ConflictError, LLMError
from memorybank_core.llm.change_prompts import CHANGE_HEADINGS, CHANGE_PROMPTS
from memorybank_core.llm.prompts import PROMPTS
from memorybank_core.protocols import LLM, Filter, MemoryStore
from memorybank_core.records import Change, Memory
from memorybank_core.reports import ChangeReport, FailedReading
from memorybank_core.search.statement_analysis import analyze_statement

from .llm_client import CallCounter, LLMClient, format_material

_MAX_OLDER = 4
"""Maximum number of older statements that a new one is compared with."""
_MAX_STATEMENTS = 8
"""Maximum number of new statements in a prompt."""
_MAX_LENGTH = 400
"""Maximum length of a statement in a prompt, in characters; the end of a longer one is cut."""
_LINE = re.compile(r"(?:[-*•]\s*)?(\d+)\s*(?:replaces|取代)\s*(\d+)\s*[.。]?", re.IGNORECASE)
_NOTHING = re.compile(r"(?:none|无)[.。]?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Case:
    """A statement to read, and the nearest older ones of the same speaker."""

    newer: Memory
    olders: Sequence[Memory]


def find_changes(
    store: MemoryStore,
    find_older: Callable[[Memory], Iterable[Memory]],
    user_ids: Iterable[str],
    *,
    llm: LLM,
    language: str,
    now: datetime,
    on_progress: Callable[[int], None],
) -> ChangeReport:
    """Read the turns of these users that were not read yet, and record what they replaced.

    Args:
        store: The store of the turns.
        find_older: Returns turns of the same user that a turn may replace, best first.
        user_ids: The users.
        llm: The language model.
        language: Language of the prompts, "en" or "zh".
        now: Time of the records.
        on_progress: Called with the number of turns just read, even if reading them failed.
    """
    counter = CallCounter()
    client = LLMClient(llm, counter)
    recorded: list[Change] = []
    failed: list[FailedReading] = []
    read = 0
    for user_id in user_ids:
        for day, cases in _find_unread(store, find_older, user_id):
            for batch in _split(cases, client, language):
                try:
                    pairs = _ask(client, batch, language)
                    changes = [Change(new.id, old.id, client.name, now) for new, old in pairs]
                    _record(store, user_id, batch, changes, client.name, now)
                except (ConflictError, LLMError) as error:
                    failed.append(FailedReading(user_id, day, len(batch), str(error)))
                else:
                    recorded += changes
                    read += len(batch)
                on_progress(len(batch))
    return ChangeReport(tuple(recorded), read, tuple(failed), counter.calls, counter.tokens)


def format_cases(cases: Sequence[Case], language: str) -> tuple[str, dict[int, Memory]]:
    """Return the statements as material for a prompt, and the statements by number."""
    new = {case.newer.id for case in cases}
    memories = {item.id: item for case in cases for item in (*case.olders, case.newer)}
    ordered = sorted(memories.values(), key=lambda item: (item.id in new, item.created_at, item.id))
    numbers = dict(enumerate(ordered, 1))
    earlier_heading, new_heading = CHANGE_HEADINGS[language]
    lines = {number: _format(number, item, language) for number, item in numbers.items()}
    earlier = [line for number, line in lines.items() if numbers[number].id not in new]
    latest = [line for number, line in lines.items() if numbers[number].id in new]
    return "\n".join((earlier_heading, *earlier, "", new_heading, *latest)), numbers


def parse_answer(
    answer: str, numbers: dict[int, Memory], cases: Sequence[Case]
) -> list[tuple[Memory, Memory]]:
    """Return the pairs of a newer statement and the one that it replaced.

    Args:
        answer: The answer: one line for each pair, or "none".
        numbers: The statements by number.
        cases: What was asked.

    Raises:
        AnswerError: If a line has another form, or names statements that were not to be compared.
    """
    lines = [line.strip() for line in answer.splitlines() if line.strip()]
    if len(lines) == 1 and _NOTHING.fullmatch(lines[0]):
        return []
    allowed = {(case.newer.id, older.id) for case in cases for older in case.olders}
    pairs: dict[tuple[str, str], tuple[Memory, Memory]] = {}
    for line in lines:
        match = _LINE.fullmatch(line)
        newer, older = (numbers.get(int(n)) for n in match.groups()) if match else (None, None)
        if newer is None or older is None or (newer.id, older.id) not in allowed:
            raise AnswerError(
                f"the answer has the line {line[:80]!r}; expected lines such as '7 replaces 3' "
                "about the statements that were asked for, or 'none'. Nothing of it was recorded."
            )
        pairs[newer.id, older.id] = newer, older
    return list(pairs.values())


def _find_unread(
    store: MemoryStore, find_older: Callable[[Memory], Iterable[Memory]], user_id: str
) -> Iterator[tuple[date, list[Case]]]:
    """Yield the statements that were not read yet with their older ones, day by day."""
    known = {change.newer for change in store.changes(user_id)}
    turns = [
        memory
        for memory in store.memories(user_id, Filter(kind="turn"))
        if memory.id not in known and _states(memory)
    ]
    for day, group in groupby(turns, key=lambda memory: memory.day):
        yield day, [Case(memory, _select_older(memory, find_older(memory))) for memory in group]


def _select_older(newer: Memory, found: Iterable[Memory]) -> list[Memory]:
    return [
        memory
        for memory in found
        if memory.created_at < newer.created_at
        and _states(memory)
        and _speaker(memory) == _speaker(newer)
    ][:_MAX_OLDER]


def _states(memory: Memory) -> bool:
    """Return whether the user said something in a turn, rather than only asked."""
    query = memory.turn.query if memory.turn else ""
    return bool(query.strip()) and analyze_statement(query) is not None


def _speaker(memory: Memory) -> str | None:
    return memory.turn.user_name if memory.turn else None


def _split(cases: Sequence[Case], client: LLMClient, language: str) -> Iterator[list[Case]]:
    """Yield the cases in batches that fit into a prompt; those without older ones come together."""
    limit = client.available_tokens(PROMPTS[language].system, CHANGE_PROMPTS[language])
    if alone := [case for case in cases if not case.olders]:
        yield alone
    batch: list[Case] = []
    for case in cases:
        if not case.olders:
            continue
        material, _ = format_cases([*batch, case], language)
        if batch and (len(batch) == _MAX_STATEMENTS or client.count_tokens(material) > limit):
            yield batch
            batch = []
        batch.append(case)
    if batch:
        yield batch


def _ask(client: LLMClient, cases: Sequence[Case], language: str) -> list[tuple[Memory, Memory]]:
    """Return the pairs that the model finds; without older statements it is not asked.

    Raises:
        LLMError: If the call fails, or the answer does not have the required form.
    """
    if not any(case.olders for case in cases):
        return []
    material, numbers = format_cases(cases, language)
    prompt = f"{CHANGE_PROMPTS[language]}\n\n{format_material([material])}"
    return parse_answer(client.ask(PROMPTS[language].system, prompt), numbers, cases)


def _record(
    store: MemoryStore,
    user_id: str,
    cases: Sequence[Case],
    changes: Sequence[Change],
    author: str,
    now: datetime,
) -> None:
    """Record the changes, and that the new statements were read.

    Raises:
        ConflictError: If one of the statements was deleted or has another text now.
    """
    readings = [Change(case.newer.id, None, author, now) for case in cases]
    made_from = {item.id: item for case in cases for item in (case.newer, *case.olders)}
    store.record_changes(user_id, [*readings, *changes], made_from=list(made_from.values()))


def _format(number: int, memory: Memory, language: str) -> str:
    text = " ".join(memory.turn.query.split()) if memory.turn else ""
    speaker = _speaker(memory) or PROMPTS[language].user
    mark = "…" if len(text) > _MAX_LENGTH else ""
    return f"{number}. ({memory.day}, {speaker}) {text[:_MAX_LENGTH]}{mark}"
