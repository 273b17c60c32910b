"""Client of the language model that writes digests: prompt sizes, call counts, answer checks."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from threading import Lock

from memorybank_core.errors import LLMError, MemoryBankError
from memorybank_core.llm.completion import require_complete
from memorybank_core.protocols import LLM
from memorybank_core.text import estimate_tokens

DEFAULT_CONTEXT_WINDOW = 8192
"""Context window, in tokens, of a model that does not specify one."""
MAX_ANSWER_TOKENS = 2048
"""Maximum length of an answer: enough for models that reason first."""

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
_MAX_REFUSAL_LENGTH = 400  # characters


class CallCounter:
    """Thread-safe count of calls and tokens.

    Attributes:
        calls: Number of calls.
        tokens: Total of their tokens; None if unknown.
    """

    def __init__(self) -> None:
        self.calls = 0
        self.tokens: int | None = 0
        self._lock = Lock()

    def add(self, tokens: int | None) -> None:
        """Count one call and its tokens; one unknown number makes the total unknown."""
        with self._lock:
            self.calls += 1
            is_known = self.tokens is not None and tokens is not None
            self.tokens = (self.tokens or 0) + (tokens or 0) if is_known else None


class LLMClient:
    """Sends digest prompts to a language model and checks its answers.

    Args:
        llm: The model.
        counter: Counter of its calls.

    Attributes:
        name: Name recorded as the author of digests.
        count_tokens: The model's own token counter, or an estimate.
    """

    def __init__(self, llm: LLM, counter: CallCounter) -> None:
        self._llm, self._counter = llm, counter
        name = getattr(llm, "name", None)
        self.name = name if isinstance(name, str) and name else type(llm).__name__
        own_counter: Callable[[str], float] | None = getattr(llm, "count_tokens", None)
        self.count_tokens: Callable[[str], float] = own_counter or _overestimate_tokens
        window = getattr(llm, "context_window", None) or DEFAULT_CONTEXT_WINDOW
        self._max_answer = min(MAX_ANSWER_TOKENS, window // 3)
        self._max_prompt = window - self._max_answer

    def available_tokens(self, *texts: str) -> int:
        """Return how many tokens of material fit into a prompt that also contains `texts`."""
        return int(0.9 * self._max_prompt - sum(map(self.count_tokens, texts)))

    def ask(self, system: str, prompt: str) -> str:
        """Return the model's answer to `prompt`.

        Raises:
            LLMError: If the call fails, or the answer is empty, a refusal or cut off.
        """
        messages = [
            {"role": "system", "content": system},
            {"role": "user", "content": prompt},
        ]
        tokens = None
        try:
            answer = self._llm.complete(messages, max_tokens=self._max_answer)
            tokens = getattr(answer, "tokens", None)
        except MemoryBankError:
            raise
        except Exception as error:  # a foreign model may raise any exception
            raise LLMError(f"{self.name} failed: {type(error).__name__}: {error}") from error
        finally:
            self._counter.add(tokens)
        return _require_digest(answer, self.name)


def format_material(texts: Sequence[str]) -> str:
    """Return `texts` between <material> tags; such tags within them are defused."""
    material = re.sub("<(?=/?material>)", "‹", "\n\n".join(texts), flags=re.IGNORECASE)
    return f"<material>\n{material}\n</material>"


def _require_digest(answer: object, source: str) -> str:
    """Return a model's answer, stripped and without the reasoning at its start.

    Raises:
        AnswerError: If nothing is left, or the text is a refusal.
    """
    if not isinstance(answer, str):
        return require_complete(answer, source=source)  # raises AnswerError
    text = _THOUGHT.sub("", answer).strip()
    is_refusal = len(text) <= _MAX_REFUSAL_LENGTH and _REFUSAL.match(text)
    return require_complete(text, source=source, refusal=text[:120] if is_refusal else None)


def _overestimate_tokens(text: str) -> float:
    """Estimate tokens with a margin: old vocabularies need two per Chinese character."""
    return 1.5 * estimate_tokens(text)
