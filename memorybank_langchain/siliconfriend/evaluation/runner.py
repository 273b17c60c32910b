"""Evaluation runner: each host answers each question, and a judge scores the answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from langchain_core.language_models import BaseChatModel

from memorybank_core import ConfigurationError, Embedder, InvalidInputError, embedder_named
from memorybank_core.evaluation import Conversation
from memorybank_core.validation import require_count

from .hosts import HostAnswer, ask_host
from .judges import Grade, Judge
from .scores import Evaluation, HostResult, ScoredAnswer, Scores
from .verdicts import judge_question


def evaluate(
    hosts: Mapping[str, BaseChatModel],
    conversations: Sequence[Conversation],
    judge: Judge,
    *,
    language: str = "en",
    embedder: str | Embedder | None = None,
    k: int | None = None,
    digest: bool = False,
    limit: int | None = None,
    progress: Callable[[int], object] | None = None,
) -> Evaluation:
    """Run the paper's evaluation of hosts: retrieval, correctness, coherence and ranking.

    Each host has a temporary bank and is asked each question on the day after the last turn;
    questions are not stored. A judge does not see which host answered, and the order of the
    answers changes from question to question. A model that judges its own answers is biased; the
    paper's judges were people.

    Args:
        hosts: Chat models by name.
        conversations: Histories with their questions. The judge also grades retrieval if a
            question has no evidence.
        judge: A `ModelJudge`, a `HumanJudge`, or another implementation of `Judge`.
        language: "en" or "zh".
        embedder: Name of an embedder, or an embedder; None uses the best one installed.
        k: Maximum number of recalled memories; None takes as many as fit, or suit a tiny
            host.
        digest: Whether each host first digests the days, so that prompts have a portrait and a
            summary.
        limit: Maximum number of questions, spread evenly over the users; None asks all.
        progress: Called with 1 after each answer, and after each question is judged.

    Raises:
        ConfigurationError: If there are no hosts, or the embedder does not exist.
        InvalidInputError: If there are no questions, or an argument is invalid.
        LLMError: If a host or the judge fails.
    """
    conversations = _limit_questions(conversations, limit)
    _require_valid(hosts, conversations, k)
    if embedder is None or isinstance(embedder, str):
        embedder = embedder_named(embedder)
    report = progress or (lambda _: None)
    options: dict[str, Any] = {"language": language, "embedder": embedder, "k": k, "digest": digest}
    answers = [
        ask_host(name, model, conversations, **options, progress=report)
        for name, model in hosts.items()
    ]
    verdicts = []
    for index, row in enumerate(zip(*answers, strict=True)):
        verdicts.append(judge_question(judge, index, [answer.submission for answer in row]))
        report(1)
    return Evaluation(
        language=language,
        embedder=embedder.name,
        judge=judge.name,
        digested=digest,
        users=len(conversations),
        questions=len(verdicts),
        unread_rankings=sum(verdict.ranking is None for verdict in verdicts),
        hosts=tuple(
            _make_host_result(
                name, host_answers, [verdict.for_host(number) for verdict in verdicts]
            )
            for number, (name, host_answers) in enumerate(zip(hosts, answers, strict=True))
        ),
    )


def _make_host_result(
    name: str, answers: Sequence[HostAnswer], verdicts: Sequence[tuple[Grade | None, float | None]]
) -> HostResult:
    scored = tuple(
        ScoredAnswer(
            answer.user_id,
            answer.submission.question,
            answer.submission.answer,
            answer.recalled,
            _merge_scores(answer, *verdict),
        )
        for answer, verdict in zip(answers, verdicts, strict=True)
    )
    unread = sum(grade is None for grade, _ in verdicts)
    return HostResult(name, Scores.mean([answer.scores for answer in scored]), unread, scored)


def _merge_scores(answer: HostAnswer, grade: Grade | None, ranking: float | None) -> Scores:
    if grade is None:
        return Scores(answer.retrieval, None, None, ranking)
    retrieval = grade.retrieval if answer.retrieval is None else answer.retrieval
    return Scores(retrieval, grade.correctness, grade.coherence, ranking)


def _limit_questions(
    conversations: Sequence[Conversation], limit: int | None
) -> list[Conversation]:
    """Keep at most `limit` questions: the first of each user, then the second, and so on.

    Conversations without a question are dropped.
    """
    if limit is not None:
        require_count(limit, "limit")
    positions = sorted(
        (number, index)
        for index, conversation in enumerate(conversations)
        for number in range(len(conversation.questions))
    )
    counts = Counter(index for _, index in positions[:limit])
    return [
        replace(conversations[index], questions=conversations[index].questions[:count])
        for index, count in sorted(counts.items())
    ]


def _require_valid(
    hosts: Mapping[str, BaseChatModel], conversations: Sequence[Conversation], k: int | None
) -> None:
    if not hosts:
        raise ConfigurationError("there are no hosts to evaluate: name at least one")
    if not conversations:
        raise InvalidInputError("these conversations contain no questions")
    if k is not None:
        require_count(k)
