"""Asking a language model: its answer whole, or an error that says why there is none."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from threading import Lock

from memorybank_core.errors import LLMError, MemoryBankError
from memorybank_core.llm.completion import require_complete
from memorybank_core.protocols import LLM
from memorybank_core.text import estimate_tokens

CONTEXT_WINDOW = 8192
"""How many tokens a model reads and writes that does not say."""
ANSWER_TOKENS = 2048
"""How long an answer may become, in tokens: models that think aloud need room for it."""

_THOUGHT = re.compile(r"\A\s*<think(?:ing)?>.*?</think(?:ing)?>", re.DOTALL | re.IGNORECASE)
_REFUSAL = re.compile(
    r"""
    (?: (?: (?:i['’]m|i\ am|we['’]re)?\s*(?:very|so|really)?\s*(?:sorry|afraid)
          | i\ apologi[sz]e | my\ apologies | unfortunately | as\ an\ ai\b[^,.]* )
        [\s,.:;!]* (?:(?:but|that|as\ an\ ai\b[^,.]*,)\s+)? )?
    i(?:['’]m|\ am)?\ (?:can(?:not|['’]t|\ not)|unable|not\ able|won['’]t|will\ not)\b
    | (?:非常|很|十分)?(?:抱歉|对不起|不好意思).{0,14}(?:无法|不能|不便)
    | (?:作为|身为)(?:一[个名位])?(?:AI|人工智能).{0,12}(?:无法|不能|不便)
    | 我(?:无法|不能|不便)(?:协助|帮助|提供|完成|满足|回答|总结|处理)
    """,
    re.IGNORECASE | re.VERBOSE,
)
_LONGEST_REFUSAL = 400  # characters


class Tally:
    """Counts calls and tokens, for any number of threads."""

    def __init__(self) -> None:
        self.calls = 0
        self.tokens: int | None = 0
        self._lock = Lock()

    def count(self, tokens: int | None) -> None:
        """Counts one call; where one does not say its tokens, nobody knows their sum."""
        with self._lock:
            self.calls += 1
            known = self.tokens is not None and tokens is not None
            self.tokens = (self.tokens or 0) + (tokens or 0) if known else None


class Asker:
    """A language model as digests need it.

    Args:
        llm: The model.
        tally: Where its calls are counted.
    """

    def __init__(self, llm: LLM, tally: Tally) -> None:
        self._llm, self._tally = llm, tally
        self.name = name_of(llm)
        counter: Callable[[str], float] | None = getattr(llm, "count_tokens", None)
        self.count: Callable[[str], float] = counter or _generous_estimate
        window = getattr(llm, "context_window", None) or CONTEXT_WINDOW
        self._answer = min(ANSWER_TOKENS, window // 3)
        self._prompt = window - self._answer

    def room(self, *frame: str) -> int:
        """How many tokens of material fit beside the texts of the frame."""
        return int(0.9 * self._prompt - sum(map(self.count, frame)))

    def ask(self, system: str, prompt: str) -> str:
        """The model's answer, checked.

        Raises:
            LLMError: There is none, or it is empty, a refusal or cut off.
        """
        messages = [
            {"role": "system", "content": system},
            {"role": "user", "content": prompt},
        ]
        tokens = None
        try:
            answer = self._llm.complete(messages, max_tokens=self._answer)
            tokens = getattr(answer, "tokens", None)
        except MemoryBankError:
            raise
        except Exception as error:  # a foreign model may raise anything
            raise LLMError(f"{self.name} failed: {type(error).__name__}: {error}") from error
        finally:
            self._tally.count(tokens)
        return _require_digest(answer, self.name)


def name_of(llm: LLM) -> str:
    """What the digests of a model are signed with."""
    name = getattr(llm, "name", None)
    return name if isinstance(name, str) and name else type(llm).__name__


def _require_digest(answer: object, source: str) -> str:
    """Return a model's answer, stripped and without its leading thoughts.

    Raises:
        AnswerError: If nothing is left, or the text is a refusal.
    """
    if not isinstance(answer, str):
        return require_complete(answer, source=source)  # raises
    text = _THOUGHT.sub("", answer).strip()
    is_refusal = len(text) <= _LONGEST_REFUSAL and _REFUSAL.match(text)
    return require_complete(text, source=source, refusal=text[:120] if is_refusal else None)


def _generous_estimate(text: str) -> float:
    """Rather too many tokens than too few: old vocabularies take two for a Chinese character."""
    return 1.5 * estimate_tokens(text)


def joined(pieces: Sequence[str]) -> str:
    """Pieces of material as a prompt has them; none of them can end the material."""
    told = "\n\n".join(pieces)
    return f"<material>\n{re.sub('<(?=/?material>)', '‹', told, flags=re.IGNORECASE)}\n</material>"
