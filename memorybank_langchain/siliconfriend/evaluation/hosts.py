"""Hosts under evaluation: chat models that answer probing questions with recalled memories."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from langchain_core.language_models import BaseChatModel
from langchain_core.output_parsers import StrOutputParser

from memorybank_core import AnswerError, Context, Embedder, LLMError, MemoryBank, QuotingLLM
from memorybank_core.context import CONTEXT_TOKENS
from memorybank_core.evaluation import Conversation, Question
from memorybank_core.llm.prompts import PROMPTS
from memorybank_langchain.siliconfriend.chain import PROMPT
from memorybank_langchain.siliconfriend.models import budget, choose_digest_llm
from memorybank_langchain.siliconfriend.personas import persona
from memorybank_langchain.siliconfriend.prompt_window import fit_to_window
from memorybank_langchain.siliconfriend.quoting_model import QuotingModel
from memorybank_langchain.siliconfriend.stoppable import StoppableModel

from .judges import Submission

_PATIENCE = 600.0  # seconds without output; no user is waiting


@dataclass(frozen=True, slots=True)
class HostAnswer:
    """A host's answer, before it is judged.

    Attributes:
        user_id: User whose memories were used.
        submission: The part of the answer that a judge sees.
        recalled: Ids of the memories in the prompt, best first.
        retrieval: 1.0 if they include a turn that answers the question, else 0.0; None if the
            question has no evidence.
    """

    user_id: str
    submission: Submission
    recalled: tuple[str, ...]
    retrieval: float | None


class EvaluatedHost:
    """A chat model under evaluation, with the bank that it answers from.

    Args:
        model: The chat model.
        bank: Bank with the histories; nothing is written to it.
        k: Maximum number of recalled memories; None takes as many as fit, or suit a tiny model.
    """

    def __init__(self, model: BaseChatModel, bank: MemoryBank, k: int | None = None) -> None:
        options = budget(model)
        self._bank, self._brief = bank, bool(options.get("brief"))
        self._quotes = isinstance(model, QuotingModel)
        self._k: int | None = k or options.get("k")
        self._max_tokens = options.get("max_tokens", CONTEXT_TOKENS)
        stoppable = StoppableModel(fit_to_window(model), _PATIENCE, threading.Event())
        self._chain = PROMPT | stoppable | StrOutputParser()

    def ask(self, conversation: Conversation, question: Question) -> HostAnswer:
        """Return the host's answer to one question, asked on the day after the last turn.

        The prompt is that of the companion. `with_memory` is not used, because it would recall at
        the present time instead of that day, and would store each question as a turn.

        Raises:
            LLMError: If the host fails.
        """
        context = self.recall(conversation, question)
        truth = _format_evidence(conversation, question, self._bank.language)
        evidence = _collect_evidence_ids(question)
        user_id = conversation.user_id
        if self._quotes:
            quoting = QuotingLLM(self._bank, user_id=user_id)
            answer = quoting.ask(question.text, now=conversation.asked_at).text
        else:
            answer = self._generate_answer(user_id, context.text, question.text)
        retrieval = float(not evidence.isdisjoint(context.ids)) if evidence else None
        submission = Submission(question.text, truth, context.text, answer)
        return HostAnswer(user_id, submission, context.ids, retrieval)

    def recall(self, conversation: Conversation, question: Question) -> Context:
        """Return the context for a question, on the day after the last turn."""
        return self._bank.context(
            question.text,
            user_id=conversation.user_id,
            k=self._k,
            max_tokens=self._max_tokens,
            now=conversation.asked_at,
        )

    def _generate_answer(self, user_id: str, memory: str, question: str) -> str:
        inputs = {
            "persona": persona(self._bank.language, user=user_id, brief=self._brief),
            "history": [],
            "message": f"{memory}\n\n{question}".strip(),
        }
        answer = ""
        try:
            for piece in self._chain.stream(inputs):
                answer += piece
        except AnswerError:  # empty, refused or cut off: the received part is judged
            pass
        return answer


def ask_host(
    name: str,
    model: BaseChatModel,
    conversations: Sequence[Conversation],
    *,
    language: str,
    embedder: Embedder,
    k: int | None,
    digest: bool,
    progress: Callable[[int], object],
) -> list[HostAnswer]:
    """Return the answers of a host to all questions, using a temporary bank.

    Args:
        name: Name of the host.
        model: The host.
        conversations: Histories with their questions.
        language: Language of the bank.
        embedder: Embedder of the bank.
        k: Maximum number of recalled memories, as in `EvaluatedHost`.
        digest: Whether the host first digests the days.
        progress: Called with 1 after each answer.

    Raises:
        LLMError: If the host fails to answer or to digest.
    """
    llm = choose_digest_llm(model) if digest else None
    with TemporaryDirectory() as folder:
        path = Path(folder) / "eval.db"
        with MemoryBank.open(path, embedder=embedder, llm=llm, language=language) as bank:
            for conversation in conversations:
                bank.add(conversation.turns, user_id=conversation.user_id)
                if digest:
                    _digest_days(bank, name, conversation)
            host, answers = EvaluatedHost(model, bank, k), []
            for conversation in conversations:
                for question in conversation.questions:
                    answers.append(_ask_with_context(host, name, conversation, question))
                    progress(1)
    return answers


def _ask_with_context(
    host: EvaluatedHost, name: str, conversation: Conversation, question: Question
) -> HostAnswer:
    """Call `host.ask`, and add the names of the host and the question to its errors."""
    try:
        return host.ask(conversation, question)
    except LLMError as error:
        raise LLMError(f"{name} failed to answer {question.text!r}: {error}") from error


def _digest_days(bank: MemoryBank, name: str, conversation: Conversation) -> None:
    user_id = conversation.user_id
    failed = bank.summarize(user_id=user_id, now=conversation.asked_at).failed
    if failed:
        raise LLMError(f"{name} could not digest the days of {user_id}: {failed[0]}")


def _collect_evidence_ids(question: Question) -> set[str]:
    return {*question.evidence, *question.alternatives}


def _format_evidence(conversation: Conversation, question: Question, language: str) -> str:
    """Return the turns that answer the question, with their days."""
    labels, evidence = PROMPTS[language], _collect_evidence_ids(question)
    return "\n".join(
        f"{turn.at:%Y-%m-%d}\n{labels.user}: {turn.query}\n{labels.companion}: {turn.response}"
        for turn in conversation.turns
        if turn.id in evidence
    )
