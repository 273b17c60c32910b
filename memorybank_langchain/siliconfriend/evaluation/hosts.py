"""A host is asked about histories: recalled, put into the companion's prompt, answered."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from langchain_core.language_models import BaseChatModel
from langchain_core.output_parsers import StrOutputParser

from memorybank_core import AnswerError, Context, Embedder, LLMError, MemoryBank
from memorybank_core.context import CONTEXT_TOKENS
from memorybank_core.evaluation import Conversation, Question
from memorybank_core.llm.prompts import PROMPTS
from memorybank_langchain.siliconfriend.chain import PROMPT
from memorybank_langchain.siliconfriend.models import budget, digester
from memorybank_langchain.siliconfriend.personas import persona
from memorybank_langchain.siliconfriend.prompt_window import fitted
from memorybank_langchain.siliconfriend.stoppable import StoppableModel

from .judges import Submission

K = 5
"""How many memories are recalled, unless told otherwise or the host is small."""

_PATIENCE = 600.0  # seconds of silence; nobody waits for the answer


@dataclass(frozen=True, slots=True)
class HostAnswer:
    """A host's answer, before it is judged.

    Attributes:
        user_id: Whose memory was asked.
        case: What a judge sees of it.
        recalled: The ids of the memories in the prompt, best first.
        retrieval: 1.0 if a turn that answers the question is among them, else 0.0; None where it
            is not known which do.
    """

    user_id: str
    case: Submission
    recalled: tuple[str, ...]
    retrieval: float | None


class EvaluatedHost:
    """One host over one bank.

    Args:
        model: The host.
        bank: Where the histories are. Asking writes nothing into it.
        k: How many memories are recalled at most; None takes what suits the host.
    """

    def __init__(self, model: BaseChatModel, bank: MemoryBank, k: int | None = None) -> None:
        fit = budget(model)
        self._bank, self._brief = bank, bool(fit.get("brief"))
        self._k, self._max_tokens = k or fit.get("k", K), fit.get("max_tokens", CONTEXT_TOKENS)
        answering = StoppableModel(fitted(model), _PATIENCE, threading.Event())
        self._chain = PROMPT | answering | StrOutputParser()

    def ask(self, talk: Conversation, question: Question) -> HostAnswer:
        """The host's answer to one question, on the day after the last turn.

        The prompt is the companion's. `with_memory` is not around it: that would recall at the
        present instead of that day, and remember each question for the next.

        Raises:
            LLMError: The host failed.
        """
        context = self.recalled(talk, question)
        truth, gold = _truth(talk, question, self._bank.language), _gold(question)
        answer = self._answer(talk.user_id, context.text, question.text)
        found = float(bool(gold & {*context.ids})) if gold else None
        case = Submission(question.text, truth, context.text, answer)
        return HostAnswer(talk.user_id, case, context.ids, found)

    def recalled(self, talk: Conversation, question: Question) -> Context:
        """What is recalled for a question, on the day after the last turn."""
        return self._bank.context(
            question.text,
            user_id=talk.user_id,
            k=self._k,
            max_tokens=self._max_tokens,
            now=talk.asked_at,
        )

    def _answer(self, user_id: str, memory: str, question: str) -> str:
        who = persona(self._bank.language, user=user_id, brief=self._brief)
        told = {"persona": who, "history": [], "words": f"{memory}\n\n{question}".strip()}
        said = ""
        try:
            for piece in self._chain.stream(told):
                said += piece
        except AnswerError:  # empty, refused or cut off: what there is of it is judged
            pass
        return said


def ask_host(
    name: str,
    model: BaseChatModel,
    talks: Sequence[Conversation],
    *,
    language: str,
    embedder: Embedder,
    k: int | None,
    digest: bool,
    progress: Callable[[int], object],
) -> list[HostAnswer]:
    """The answers of a host to all questions, over a bank that is gone afterwards.

    Raises:
        LLMError: The host failed, at an answer or at a digest.
    """
    llm = digester(model) if digest else None
    with TemporaryDirectory() as folder:
        path = Path(folder) / "eval.db"
        with MemoryBank.open(path, embedder=embedder, llm=llm, language=language) as bank:
            for talk in talks:
                bank.add(talk.turns, user_id=talk.user_id)
                if digest:
                    _digest(bank, name, talk)
            asking, answers = EvaluatedHost(model, bank, k), []
            for talk in talks:
                for question in talk.questions:
                    answers.append(_asked(asking, name, talk, question))
                    progress(1)
    return answers


def _asked(asking: EvaluatedHost, name: str, talk: Conversation, question: Question) -> HostAnswer:
    try:
        return asking.ask(talk, question)
    except LLMError as error:
        raise LLMError(f"{name} was asked {question.text!r}: {error}") from error


def _digest(bank: MemoryBank, name: str, talk: Conversation) -> None:
    failed = bank.summarize(user_id=talk.user_id, now=talk.asked_at).failed
    if failed:
        raise LLMError(f"{name} could not digest {talk.user_id}'s days: {failed[0]}")


def _gold(question: Question) -> set[str]:
    return {*question.evidence, *question.alternatives}


def _truth(talk: Conversation, question: Question, language: str) -> str:
    """The turns that answer the question, with their days."""
    words, gold = PROMPTS[language], _gold(question)
    return "\n".join(
        f"{turn.at:%Y-%m-%d}\n{words.user}: {turn.query}\n{words.companion}: {turn.response}"
        for turn in talk.turns
        if turn.id in gold
    )
