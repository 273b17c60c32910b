"""Write the texts of digests with a language model or by extraction.

Material that exceeds the context window is digested in parts, and the parts are merged. An
overall digest is always a single call, however many days there are: if they do not fit, the
longest of the days' digests are shortened.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date

from memorybank_core.errors import ConflictError, ContextOverflowError
from memorybank_core.fair_share import fair_share
from memorybank_core.llm.prompts import Prompts
from memorybank_core.protocols import Matrix
from memorybank_core.records import EXTRACTIVE, Digest, DigestKind, Memory
from memorybank_core.text import estimate_tokens, split_windows

from .llm_client import LLMClient, format_material
from .state import Source

_MIN_PART_TOKENS = 48
"""Minimum length of a part, in tokens: a text is not divided into shorter ones."""


class Extractor:
    """Writes digests without a language model; see `extraction`.

    Args:
        load_vectors: Returns the vectors of a user's memories by their ids
            (`MemoryStore.vectors`).
        language: "en" or "zh", for the words around the quotes.
    """

    name = EXTRACTIVE

    def __init__(
        self, load_vectors: Callable[[str, Sequence[str]], Mapping[str, Matrix]], language: str
    ) -> None:
        self._load_vectors, self._language = load_vectors, language

    def write(self, kind: DigestKind, day: date | None, source: Source) -> str:
        """Return the text of a digest.

        Args:
            kind: "summary" or "portrait".
            day: The day; None for the overall digest.
            source: The day's turns, or the digests of all days, of the same kind.

        Raises:
            ConflictError: If a turn was deleted meanwhile.
        """
        if day is not None:
            return self._write_day(kind, [turn for turn in source if isinstance(turn, Memory)])
        from . import extraction, portrait  # their patterns are slow to compile

        days = [(digest.day, digest.text) for digest in source if digest.day]
        if kind == "summary":
            return extraction.extract_overall_summary(days, self._language)
        return portrait.extract_overall_portrait(days, self._language)

    def _write_day(self, kind: DigestKind, turns: Sequence[Memory]) -> str:
        from . import extraction, portrait  # as in `write`

        if kind == "portrait":
            return portrait.extract_portrait(turns, self._language)
        vectors = self._load_vectors(turns[0].user_id, [turn.id for turn in turns])
        if len(vectors) < len(turns):
            raise ConflictError("a turn was deleted while its day was digested")
        return extraction.extract_events(
            turns, [vectors[turn.id] for turn in turns], self._language
        )


class Summarizer:
    """Writes digests with a language model.

    Args:
        client: Client of the model.
        prompts: Prompts for the model.
    """

    def __init__(self, client: LLMClient, prompts: Prompts) -> None:
        self._client, self._prompts = client, prompts
        self.name = client.name

    def write(self, kind: DigestKind, day: date | None, source: Source) -> str:
        """Return the text of a digest.

        Args:
            kind: "summary" or "portrait".
            day: The day; None for the overall digest.
            source: The day's turns, or the digests of all days, of the same kind.

        Raises:
            LLMError: If the model fails, or its answer is not a complete text.
        """
        task = self._prompts.task(kind, day)
        texts = [self._format(item) for item in source]
        return self._write_overall(task, texts) if day is None else self._write_parts(task, texts)

    def _write_overall(self, task: str, texts: Sequence[str]) -> str:
        """Return the digest of all days, written in one call."""
        limit = self._material_limit(task)
        while True:
            try:
                return self._ask(task, self._shorten(texts, limit))
            except ContextOverflowError:  # the context window is smaller than stated or assumed
                limit //= 2
                if limit < _MIN_PART_TOKENS:
                    raise

    def _write_parts(self, task: str, texts: Sequence[str]) -> str:
        """Return one text that follows `task`; if the texts do not fit, write it in parts."""
        parts = self._pack(texts, self._material_limit(task))
        if len(parts) == 1:
            try:
                return self._ask(task, parts[0])
            except ContextOverflowError:
                parts = self._halve(parts[0])
        return self._merge(task, [self._write_parts(task, part) for part in parts])

    def _merge(self, task: str, texts: Sequence[str]) -> str:
        """Merge texts that each follow `task`; merge in groups if they do not fit together."""
        merge_task = self._prompts.merge.replace("{task}", task)
        while len(texts) > 1:
            limit = self._material_limit(merge_task)
            groups = self._pack(texts, limit)
            if len(groups) >= len(texts):  # no two of them fit into one prompt
                texts = [self._ask(merge_task, self._shorten(texts, limit))]
            else:
                texts = [
                    self._ask(merge_task, group) if len(group) > 1 else group[0] for group in groups
                ]
        return texts[0]

    def _pack(self, texts: Sequence[str], limit: int) -> list[list[str]]:
        """Divide texts, in order, into groups of at most `limit` tokens; cut longer texts."""
        groups: list[list[str]] = [[]]
        used = 0.0
        for part in (part for text in texts for part in self._cut(text, limit)):
            length = self._client.count_tokens(part)
            if groups[-1] and used + length > limit:
                groups.append([])
                used = 0.0
            groups[-1].append(part)
            used += length
        return groups

    def _cut(self, text: str, limit: int) -> list[str]:
        """Cut a text at sentences into parts of at most `limit` tokens."""
        if self._client.count_tokens(text) <= limit:
            return [text]
        size = limit
        while size > 1:  # `size` is in estimated tokens, `limit` in the model's
            parts = split_windows(text, size, overlap=0)
            if all(self._client.count_tokens(part) <= limit for part in parts):
                return parts
            size //= 2
        return split_windows(text, size, overlap=0)

    def _halve(self, texts: list[str]) -> list[list[str]]:
        """Divide texts into two groups.

        Raises:
            ContextOverflowError: If nothing is left to divide.
        """
        if len(texts) > 1:
            return [texts[: len(texts) // 2], texts[len(texts) // 2 :]]
        size = estimate_tokens(texts[0]) / 2
        if size < _MIN_PART_TOKENS:
            raise ContextOverflowError(
                f"{self.name} cannot read even {2 * size:.0f} tokens in addition to the prompt: "
                "use a model with a longer context window"
            )
        return [[part] for part in split_windows(texts[0], int(size), overlap=0)]

    def _shorten(self, texts: Sequence[str], limit: int) -> list[str]:
        """Cut the ends of the longest texts so that all fit into `limit` tokens.

        If not even a sentence of each fits, keep only every second text, or every third and so
        on, always including the last.
        """
        step = -(-len(texts) * _MIN_PART_TOKENS // limit)  # rounded up
        texts = texts[::-1][::step][::-1]  # counted from the end, to keep the last
        lengths = [self._client.count_tokens(text) for text in texts]
        max_length = fair_share(lengths, limit)
        return [
            text if length <= max_length else self._cut(text, int(max_length))[0]
            for text, length in zip(texts, lengths, strict=True)
        ]

    def _format(self, item: Memory | Digest) -> str:
        """Return a turn or a day's digest as material for a prompt."""
        if not isinstance(item, Memory):
            return f"{item.day}: {item.text}"
        turn = item.turn
        if turn is None:
            return item.text
        utterances = (
            (turn.user_name or self._prompts.user, turn.query),
            (turn.companion_name or self._prompts.companion, turn.response),
        )
        return "\n".join(f"{name}: {text}" for name, text in utterances if text.strip())

    def _material_limit(self, task: str) -> int:
        """Return how many tokens of material fit into a prompt with `task`."""
        return max(_MIN_PART_TOKENS, self._client.available_tokens(self._prompts.system, task))

    def _ask(self, task: str, texts: Sequence[str]) -> str:
        return self._client.ask(self._prompts.system, f"{task}\n\n{format_material(texts)}")
