"""An answer as it is written: tokens become text, and the text ends where it was told to."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Literal

Ending = Literal["stop", "length", "cancelled"]

_TORN = "\ufffd"  # what a tokenizer shows for a character of which tokens are still missing


class Writer:
    """One answer of a batch.

    Text is held back while it may still change: the first bytes of a character, what may turn out
    to be the beginning of a stop string, and white space, which neither begins nor ends an answer.

    Args:
        tokenizer: Has `decode(ids, skip_special_tokens=...)`.
        stop_ids: Tokens that end the answer; they show no text.
        stop: Strings that end the answer and are no part of it.

    Attributes:
        text: What is certain of the answer so far.
        tokens: How many tokens were written, the one that ended it included.
        ended: Whether a stop token or a stop string came.
    """

    def __init__(self, tokenizer: Any, stop_ids: Collection[int], stop: Sequence[str] = ()) -> None:
        self._tokenizer, self._stop_ids, self._stop = tokenizer, frozenset(stop_ids), tuple(stop)
        self._ids: list[int] = []
        self._shown = self._read = 0  # up to which token text was decoded, and from which on
        self._held = ""
        self.text = ""
        self.tokens = 0
        self.ended = False

    def write(self, token: int) -> str:
        """Takes one more token; returns the text that has become certain."""
        self.tokens += 1
        if token in self._stop_ids:
            self.ended = True
            return self.finish()
        self._ids.append(token)
        self._held += self._decoded()
        return self._release()

    def finish(self) -> str:
        """Returns what was held back: nothing more will come."""
        if self._read != len(self._ids):
            self._held += self._decoded(whole=True)
        piece, self._held = self._cut().rstrip(), ""
        return self._told(piece)

    def _decoded(self, *, whole: bool = False) -> str:
        """The text of the tokens that were not read yet; none while a character is torn.

        It is decoded together with what was shown last, since a token alone may look different.
        """
        before = self._decode(self._ids[self._shown : self._read])
        text = self._decode(self._ids[self._shown :])
        if text.endswith(_TORN) and not whole:
            return ""
        if len(text) > len(before):
            self._shown = self._read
        self._read = len(self._ids)
        return text[len(before) :]

    def _decode(self, ids: list[int]) -> str:
        return str(self._tokenizer.decode(ids, skip_special_tokens=True))

    def _release(self) -> str:
        """Lets go of what can no longer be part of a stop string."""
        if any(stop in self._held for stop in self._stop):
            self.ended = True
            return self.finish()
        keep = max((_overlap(self._held, stop) for stop in self._stop), default=0)
        piece = self._held[: len(self._held) - keep].rstrip()
        self._held = self._held[len(piece) :]
        return self._told(piece)

    def _told(self, piece: str) -> str:
        piece = piece if self.text else piece.lstrip()
        self.text += piece
        return piece

    def _cut(self) -> str:
        """What is held back, up to the first stop string in it."""
        ends = [at for stop in self._stop if (at := self._held.find(stop)) >= 0]
        return self._held[: min(ends)] if ends else self._held


def _overlap(text: str, stop: str) -> int:
    """How many characters at the end of `text` begin `stop`."""
    return next(
        (
            size
            for size in range(min(len(text), len(stop) - 1), 0, -1)
            if text.endswith(stop[:size])
        ),
        0,
    )
