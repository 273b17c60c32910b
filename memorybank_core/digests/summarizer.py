"""The texts of digests: by a language model where there is one, else extracted.

Material that is longer than the model reads is digested in parts, and the parts are merged. Only
the overall digests are always one call, whatever the number of days: where their days are too
many, the longest of the days' digests are shortened.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date

from memorybank_core.errors import ConflictError, ContextOverflowError
from memorybank_core.llm.prompts import Prompts
from memorybank_core.protocols import Matrix
from memorybank_core.records import EXTRACTIVE, Digest, DigestKind, Memory
from memorybank_core.text import estimate_tokens, windows

from . import extraction
from .answers import Asker, joined
from .ledger import Source

_LEAST = 48
"""Tokens below which a part is not divided any further."""


class Extractor:
    """Makes digests without a language model; see `extraction`.

    Args:
        vectors: Gives the vectors of a user's memories by their ids (`MemoryStore.vectors`).
        language: Of the wording.
    """

    name = EXTRACTIVE

    def __init__(
        self, vectors: Callable[[str, Sequence[str]], Mapping[str, Matrix]], language: str
    ) -> None:
        self._vectors, self._language = vectors, language

    def write(self, kind: DigestKind, day: date | None, source: Source) -> str:
        """The digest of a day's turns, or, overall, of all days' digests of its kind.

        Raises:
            ConflictError: A turn was deleted meanwhile.
        """
        if day is not None:
            return self._of_day(kind, [turn for turn in source if isinstance(turn, Memory)])
        make = extraction.overall_summary if kind == "summary" else extraction.overall_portrait
        days = [(one.day, one.text) for one in source if one.day]
        return make(days, self._language)

    def _of_day(self, kind: DigestKind, turns: Sequence[Memory]) -> str:
        vectors = self._vectors(turns[0].user_id, [turn.id for turn in turns])
        if len(vectors) < len(turns):
            raise ConflictError("a turn was deleted while its day was digested")
        make = extraction.events if kind == "summary" else extraction.portrait
        return make(turns, [vectors[turn.id] for turn in turns], self._language)


class Summarizer:
    """Has a language model write the digests.

    Args:
        asker: The model.
        prompts: What it is asked.
    """

    def __init__(self, asker: Asker, prompts: Prompts) -> None:
        self._asker, self._prompts = asker, prompts
        self.name = asker.name

    def write(self, kind: DigestKind, day: date | None, source: Source) -> str:
        """The digest of a day's turns, or, overall, of all days' digests of its kind.

        Raises:
            LLMError: The model gave none.
        """
        task = self._prompts.task(kind, day)
        told = [self._told(piece) for piece in source]
        return self._overall(task, told) if day is None else self._digest(task, told)

    def _overall(self, task: str, told: Sequence[str]) -> str:
        """The digest of all days, in one call."""
        room = self._room(task)
        while True:
            try:
                return self._ask(task, self._shortened(told, room))
            except ContextOverflowError:  # it reads less than it says, or than was guessed
                room //= 2
                if room < _LEAST:
                    raise

    def _digest(self, task: str, pieces: Sequence[str]) -> str:
        """One text that follows `task` for all pieces; in parts where they are too long."""
        parts = self._packed(pieces, self._room(task))
        if len(parts) == 1:
            try:
                return self._ask(task, parts[0])
            except ContextOverflowError:
                parts = self._halved(parts[0])
        return self._merged(task, [self._digest(task, part) for part in parts])

    def _merged(self, task: str, texts: Sequence[str]) -> str:
        """One text of several that each follow `task`; by groups where they are too many."""
        merge = self._prompts.merge.replace("{task}", task)
        while len(texts) > 1:
            groups = self._packed(texts, self._room(merge))
            if len(groups) >= len(texts):  # not even two of them fit
                texts = [self._ask(merge, self._shortened(texts, self._room(merge)))]
            else:
                texts = [self._ask(merge, group) if group[1:] else group[0] for group in groups]
        return texts[0]

    def _packed(self, pieces: Sequence[str], room: int) -> list[list[str]]:
        """The pieces in groups that fit, in order; what is too long alone is cut at sentences."""
        cut = [part for piece in pieces for part in self._cut(piece, room)]
        groups: list[list[str]] = [[]]
        filled = 0.0
        for piece in cut:
            length = self._asker.count(piece)
            if groups[-1] and filled + length > room:
                groups.append([])
                filled = 0.0
            groups[-1].append(piece)
            filled += length
        return groups

    def _cut(self, piece: str, room: int) -> list[str]:
        if self._asker.count(piece) <= room:
            return [piece]
        size = room
        while size > 1:  # windows are measured by an estimate, the room by the model's own count
            parts = windows(piece, size, overlap=0)
            if all(self._asker.count(part) <= room for part in parts):
                return parts
            size //= 2
        return windows(piece, size, overlap=0)

    def _halved(self, pieces: list[str]) -> list[list[str]]:
        """The pieces in two groups.

        Raises:
            ContextOverflowError: There is nothing left to divide.
        """
        if len(pieces) > 1:
            return [pieces[: len(pieces) // 2], pieces[len(pieces) // 2 :]]
        size = estimate_tokens(pieces[0]) / 2
        if size < _LEAST:
            raise ContextOverflowError(
                f"{self.name} cannot read even {2 * size:.0f} tokens beside the instruction: "
                "take a model with a longer context"
            )
        return [[part] for part in windows(pieces[0], int(size), overlap=0)]

    def _shortened(self, texts: Sequence[str], room: int) -> list[str]:
        """The texts as whole as the room allows: the longest lose their ends first.

        Where not even a sentence of each would fit, only every other one is kept, or every
        third, …, the last one always.
        """
        step = -(-len(texts) * _LEAST // room)
        texts = texts[::-1][::step][::-1]
        lengths = [self._asker.count(text) for text in texts]
        most = _level(lengths, room)
        return [
            text if length <= most else self._cut(text, int(most))[0]
            for text, length in zip(texts, lengths, strict=True)
        ]

    def _told(self, piece: Memory | Digest) -> str:
        """A turn or a day's digest, as material for a prompt."""
        if not isinstance(piece, Memory):
            return f"{piece.day}: {piece.text}"
        turn = piece.turn
        if turn is None:
            return piece.text
        said = (
            (turn.user_name or self._prompts.user, turn.query),
            (turn.companion_name or self._prompts.companion, turn.response),
        )
        return "\n".join(f"{name}: {words}" for name, words in said if words.strip())

    def _room(self, task: str) -> int:
        return max(_LEAST, self._asker.room(self._prompts.system, task))

    def _ask(self, task: str, pieces: Sequence[str]) -> str:
        return self._asker.ask(self._prompts.system, f"{task}\n\n{joined(pieces)}")


def _level(lengths: Sequence[float], room: float) -> float:
    """The length to which the longest must be cut for all to fit together."""
    left, level = float(room), 0.0
    for position, length in enumerate(sorted(lengths)):
        level = left / (len(lengths) - position)
        if length > level:
            return level
        left -= length
    return max(lengths, default=level)
