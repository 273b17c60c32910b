"""Prompt frames: how a conversation becomes the very tokens that a model was trained on.

A frame for ChatGLM or BELLE has no place for a system message: it becomes the first line of the
question after it. Messages of one role that follow each other are joined by a newline.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from llms.families import find_by_name, find_by_tokenizer
from memorybank_core.errors import ConfigurationError

from .messages import UNTRAINED, Messages, Round, Turn, answered, asked, rounds_of
from .template import TemplateFrame

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class Frame(Protocol):
    """How a conversation becomes token ids.

    Attributes:
        name: Its name in `FRAMES`.
        stop: Strings that end an answer and are no part of it.
    """

    @property
    def name(self) -> str: ...

    @property
    def stop(self) -> tuple[str, ...]: ...

    def encode(self, tokenizer: PreTrainedTokenizerBase, messages: Messages) -> list[int]:
        """The ids after which the model writes its answer to `messages`.

        Raises:
            ConfigurationError: A message has no known role or no text, the assistant has the last
                word, or the tokenizer is not of this frame's model.
        """
        ...

    def stop_ids(self, tokenizer: PreTrainedTokenizerBase) -> list[int]:
        """The ids that end an answer."""
        ...

    def training(
        self, tokenizer: PreTrainedTokenizerBase, messages: Messages
    ) -> tuple[list[int], list[int]]:
        """The ids of a conversation to learn from, and their labels.

        The labels are -100 but for the tokens of answers and those that end them. The ids before
        an answer with labels are those of `encode` for the conversation up to there; frames of
        text, in which only the whole has certain tokens, give the last answer alone its labels.

        Raises:
            ConfigurationError: As for `encode`, but the assistant must have the last word.
        """
        ...


@dataclass(frozen=True, slots=True)
class TextFrame:
    """A prompt that is one text.

    Attributes:
        name: Its name in `FRAMES`.
        write: Makes the text of the rounds that are over and the question.
        gap: What stands between the prompt and its answer where both are one text.
        stop: Strings that end an answer.
    """

    name: str
    write: Callable[[Sequence[Round], str], str]
    gap: str = ""
    stop: tuple[str, ...] = ()

    def encode(self, tokenizer: PreTrainedTokenizerBase, messages: Messages) -> list[int]:
        return self._prompt(tokenizer, asked(messages))[1]

    def stop_ids(self, tokenizer: PreTrainedTokenizerBase) -> list[int]:
        return [] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id]

    def training(
        self, tokenizer: PreTrainedTokenizerBase, messages: Messages
    ) -> tuple[list[int], list[int]]:
        *turns, last = answered(messages)
        text, prompt = self._prompt(tokenizer, turns)
        answer = _ids(tokenizer, last.text, add_special_tokens=False)
        if self.gap:
            whole = _ids(tokenizer, text + self.gap + last.text)
            answer = whole[len(prompt) :] if whole[: len(prompt)] == prompt else answer
        answer += self.stop_ids(tokenizer)
        return prompt + answer, [UNTRAINED] * len(prompt) + answer

    def _prompt(
        self, tokenizer: PreTrainedTokenizerBase, turns: Sequence[Turn]
    ) -> tuple[str, list[int]]:
        text = self.write(*rounds_of(turns))
        return text, _ids(tokenizer, text)


@dataclass(frozen=True, slots=True)
class RoleFrame:
    """ChatGLM3's: a mark for the role, a line for what tools need, and the text, for each turn.

    The marks enter as ids, so that no text can speak for another role. An answer ends with the
    mark of the user, or with </s> at the end of a conversation to learn from.
    """

    name: str = "chatglm3"
    stop: tuple[str, ...] = ()

    def encode(self, tokenizer: PreTrainedTokenizerBase, messages: Messages) -> list[int]:
        ids = self._start(tokenizer)
        for turn in asked(messages):
            ids += [_mark(tokenizer, f"<|{turn.role}|>"), *self.said(tokenizer, turn.text)]
        return [*ids, _mark(tokenizer, "<|assistant|>")]

    def stop_ids(self, tokenizer: PreTrainedTokenizerBase) -> list[int]:
        marks = [_mark(tokenizer, name) for name in ("<|user|>", "<|observation|>")]
        return [tokenizer.eos_token_id, *marks]

    def training(
        self, tokenizer: PreTrainedTokenizerBase, messages: Messages
    ) -> tuple[list[int], list[int]]:
        ids = self._start(tokenizer)
        labels = [UNTRAINED] * len(ids)
        ends = frozenset(self.stop_ids(tokenizer))
        learnt = False
        for turn in answered(messages):
            mark = _mark(tokenizer, f"<|{turn.role}|>")
            labels.append(mark if learnt and mark in ends else UNTRAINED)
            said = self.said(tokenizer, turn.text)
            learnt = turn.role == "assistant"
            labels += said if learnt else [UNTRAINED] * len(said)
            ids += [mark, *said]
        return [*ids, tokenizer.eos_token_id], [*labels, tokenizer.eos_token_id]

    @staticmethod
    def said(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
        """The ids after a role's mark: an empty line for tools, and the text."""
        parts = ("\n", text)
        return [id for part in parts for id in _ids(tokenizer, part, add_special_tokens=False)]

    @staticmethod
    def _start(tokenizer: PreTrainedTokenizerBase) -> list[int]:
        return [_mark(tokenizer, "[gMASK]"), _mark(tokenizer, "<sop>")]


def _ids(
    tokenizer: PreTrainedTokenizerBase, text: str, *, add_special_tokens: bool = True
) -> list[int]:
    """The ids of a text in which marks are only text, whosever tokenizer it is."""
    how = {"add_special_tokens": add_special_tokens, "split_special_tokens": True}
    return list(tokenizer.encode(text, **how))


def _mark(tokenizer: PreTrainedTokenizerBase, name: str) -> int:
    marks: dict[str, int] = getattr(tokenizer, "marks", {})
    if name not in marks:
        raise ConfigurationError(
            f"the frame chatglm3 needs the mark {name}, which {type(tokenizer).__name__} lacks: "
            'load the tokenizer with generation="chatglm3", or choose another frame'
        )
    return marks[name]


def _chatglm(rounds: Sequence[Round], question: str) -> str:
    """ChatGLM-6B's chat: the bare question at first, then rounds that count from 0."""
    if not rounds:
        return question
    over = "".join(
        f"[Round {number}]\n问：{asked}\n答：{answer}\n"
        for number, (asked, answer) in enumerate(rounds)
    )
    return f"{over}[Round {len(rounds)}]\n问：{question}\n答："


def _chatglm2(rounds: Sequence[Round], question: str) -> str:
    """ChatGLM2-6B's chat: rounds that count from 1."""
    over = "".join(
        f"[Round {number}]\n\n问：{asked}\n\n答：{answer}\n\n"
        for number, (asked, answer) in enumerate(rounds, 1)
    )
    return f"{over}[Round {len(rounds) + 1}]\n\n问：{question}\n\n答："


def _belle(rounds: Sequence[Round], question: str) -> str:
    r"""BELLE's: "Human: …\n\nAssistant:", from its model cards and its train/finetune.py.

    (https://github.com/LianjiaTech/BELLE; cards of BelleGroup/BELLE-7B-2M and others, whose code
    has no blank before the newlines, as their prose has.) A blank and the answer follow.
    """
    over = "".join(f"Human: {asked}\n\nAssistant: {answer}\n\n" for asked, answer in rounds)
    return f"{over}Human: {question}\n\nAssistant:"


def _plain(rounds: Sequence[Round], question: str) -> str:
    """For a model that was trained on no frame."""
    over = "".join(f"User: {asked}\nAssistant: {answer}\n" for asked, answer in rounds)
    return f"{over}User: {question}\nAssistant:"


FRAMES: dict[str, Frame] = {
    "chatglm": TextFrame("chatglm", _chatglm),
    "chatglm2": TextFrame("chatglm2", _chatglm2),
    "chatglm3": RoleFrame(),
    "belle": TextFrame("belle", _belle, gap=" ", stop=("\nHuman:",)),
    "template": TemplateFrame(),
    "plain": TextFrame("plain", _plain, gap=" ", stop=("\nUser:",)),
}
"""The frames by name."""


def frame_for(tokenizer: PreTrainedTokenizerBase, config: Any = None) -> Frame:
    """The frame of a model: that of its tokenizer's family, or its chat template, or BELLE's.

    A model with none of these gets the plain one.

    Args:
        tokenizer: As `load_tokenizer` gives it.
        config: The model's configuration, whose name may say "belle" as the tokenizer's may.
    """
    family = find_by_tokenizer(tokenizer)
    if family and family.prompt_format:
        return FRAMES[family.prompt_format]
    if getattr(tokenizer, "chat_template", None):
        return FRAMES["template"]
    family = find_by_name(f"{tokenizer.name_or_path} {getattr(config, 'name_or_path', '')}")
    return FRAMES[(family and family.prompt_format) or "plain"]
