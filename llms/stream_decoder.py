"""Incremental decoding of a generated answer, up to a stop token or a stop string."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Literal

Ending = Literal["stop", "length", "cancelled"]

_INCOMPLETE = "\ufffd"  # decoded from a character whose last tokens are still missing


class StreamDecoder:
    """Decoder of one answer, token by token.

    Text is held back while it may still change: the first bytes of a character, a possible start
    of a stop string, and white space, which never begins or ends an answer.

    Args:
        tokenizer: Has `decode(ids, skip_special_tokens=...)`.
        stop_ids: Tokens that end the answer; they are not decoded.
        stop: Strings that end the answer and do not belong to it.

    Attributes:
        text: The released text.
        tokens: Number of tokens, including the one that ended the answer.
        ended: Whether a stop token or a stop string occurred.
    """

    def __init__(self, tokenizer: Any, stop_ids: Collection[int], stop: Sequence[str] = ()) -> None:
        self._tokenizer, self._stop_ids, self._stop = tokenizer, frozenset(stop_ids), tuple(stop)
        self._ids: list[int] = []
        self._context_start = self._decoded_end = 0  # range of the tokens decoded last
        self._held = ""
        self.text = ""
        self.tokens = 0
        self.ended = False

    def decode(self, token: int) -> str:
        """Add a token and return the text that it releases."""
        self.tokens += 1
        if token in self._stop_ids:
            self.ended = True
            return self.finish()
        self._ids.append(token)
        self._held += self._decode_new()
        return self._release()

    def finish(self) -> str:
        """Return the text that was held back; call it when no more tokens follow."""
        if self._decoded_end != len(self._ids):
            self._held += self._decode_new(is_final=True)
        piece, self._held = self._text_before_stop().rstrip(), ""
        return self._append(piece)

    def _decode_new(self, *, is_final: bool = False) -> str:
        """Return the text of the new tokens; "" while a character is incomplete.

        They are decoded together with the previous ones, since tokens may decode differently
        alone.
        """
        before = self._decode_ids(self._ids[self._context_start : self._decoded_end])
        text = self._decode_ids(self._ids[self._context_start :])
        if text.endswith(_INCOMPLETE) and not is_final:
            return ""
        if len(text) > len(before):
            self._context_start = self._decoded_end
        self._decoded_end = len(self._ids)
        return text[len(before) :]

    def _decode_ids(self, ids: list[int]) -> str:
        return str(self._tokenizer.decode(ids, skip_special_tokens=True))

    def _release(self) -> str:
        """Return the held text that can no longer be part of a stop string."""
        if any(stop in self._held for stop in self._stop):
            self.ended = True
            return self.finish()
        keep = max((_overlap_length(self._held, stop) for stop in self._stop), default=0)
        piece = self._held[: len(self._held) - keep].rstrip()
        self._held = self._held[len(piece) :]
        return self._append(piece)

    def _append(self, piece: str) -> str:
        piece = piece if self.text else piece.lstrip()
        self.text += piece
        return piece

    def _text_before_stop(self) -> str:
        """Return the held text up to the first stop string."""
        ends = [at for stop in self._stop if (at := self._held.find(stop)) >= 0]
        return self._held[: min(ends)] if ends else self._held


def _overlap_length(text: str, stop: str) -> int:
    """Return the length of the longest suffix of `text` that is a proper prefix of `stop`."""
    longest = min(len(text), len(stop) - 1)
    return next((size for size in range(longest, 0, -1) if text.endswith(stop[:size])), 0)
