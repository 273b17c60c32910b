"""The evaluation: every host is asked every question, and each question's answers are judged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from langchain_core.language_models import BaseChatModel

from memorybank_core import ConfigurationError, Embedder, InvalidInputError, embedder_named
from memorybank_core.evaluation import Conversation
from memorybank_core.validation import require_k

from .hosts import HostAnswer, ask_host
from .judges import Grade, Judge
from .scores import Evaluation, HostResult, ScoredAnswer, Scores
from .verdicts import verdict_on


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
    """The paper's evaluation of hosts: retrieval, correctness, coherence and ranking.

    Each host has a bank of its own for the time of the evaluation, is asked each question on the
    day after the last turn, and remembers none. A judge does not see who answered, and answers
    change places from question to question. A model that judges its own answers is biased; the
    paper's judges were people.

    Args:
        hosts: Name → chat model.
        conversations: What is remembered, and asked; retrieval is judged where a question comes
            without evidence.
        judge: Who judges: a `ModelJudge`, a `HumanJudge`, or your own.
        language: "en" or "zh".
        embedder: A name or an embedder; None takes the best that is installed.
        k: How many memories are recalled; None takes 5, and fewer for a small host.
        digest: Each host first digests the days, and has the portrait and the summary.
        limit: Only so many questions, going round the users; None asks all.
        progress: Called with 1 after each answer, and after each question's judgement.

    Raises:
        ConfigurationError: There is no host, or no such embedder.
        InvalidInputError: There is no question, or an argument is not what it must be.
        LLMError: A host or the judge failed.
    """
    talks = _first(conversations, limit)
    _require(hosts, talks, k)
    if embedder is None or isinstance(embedder, str):
        embedder = embedder_named(embedder)
    report = progress or (lambda _: None)
    answers = [
        ask_host(
            name,
            model,
            talks,
            language=language,
            embedder=embedder,
            k=k,
            digest=digest,
            progress=report,
        )
        for name, model in hosts.items()
    ]
    verdicts = []
    for place, row in enumerate(zip(*answers, strict=True)):
        verdicts.append(verdict_on(judge, place, [asked.case for asked in row]))
        report(1)
    return Evaluation(
        language=language,
        embedder=embedder.name,
        judge=judge.name,
        digested=digest,
        users=len(talks),
        questions=len(verdicts),
        unread_rankings=sum(verdict.ranking is None for verdict in verdicts),
        hosts=tuple(
            _result(name, asked, [verdict.of(number) for verdict in verdicts])
            for number, (name, asked) in enumerate(zip(hosts, answers, strict=True))
        ),
    )


def _result(
    name: str, answers: Sequence[HostAnswer], verdicts: Sequence[tuple[Grade | None, float | None]]
) -> HostResult:
    answered = tuple(
        ScoredAnswer(
            asked.user_id,
            asked.case.question,
            asked.case.answer,
            asked.recalled,
            _scores(asked, *v),
        )
        for asked, v in zip(answers, verdicts, strict=True)
    )
    unread = sum(grade is None for grade, _ in verdicts)
    return HostResult(name, Scores.mean([one.scores for one in answered]), unread, answered)


def _scores(asked: HostAnswer, grade: Grade | None, ranking: float | None) -> Scores:
    if grade is None:
        return Scores(asked.retrieval, None, None, ranking)
    retrieval = grade.retrieval if asked.retrieval is None else asked.retrieval
    return Scores(retrieval, grade.correctness, grade.coherence, ranking)


def _first(conversations: Sequence[Conversation], limit: int | None) -> list[Conversation]:
    """Those with a question, with so many of them in all: each user's first, then the second."""
    if limit is not None:
        require_k(limit, "limit")
    places = sorted(
        (number, talk)
        for talk, one in enumerate(conversations)
        for number in range(len(one.questions))
    )
    asked = Counter(talk for _, talk in places[:limit])
    return [
        replace(conversations[talk], questions=conversations[talk].questions[: asked[talk]])
        for talk in sorted(asked)
    ]


def _require(
    hosts: Mapping[str, BaseChatModel], talks: Sequence[Conversation], k: int | None
) -> None:
    if not hosts:
        raise ConfigurationError("there is no host to evaluate; name one or more")
    if not talks:
        raise InvalidInputError("there is no question to ask in these conversations")
    if k is not None:
        require_k(k)
