"""Sentencepiece files: read as a whole, and changed so that no text can spell a mark."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from sentencepiece import SentencePieceProcessor

from memorybank_core.errors import ConfigurationError

_POINTER = b"version https://git-lfs"
_TIKTOKEN = re.compile(rb"[A-Za-z0-9+/]+={0,2} \d+\r?\n")
_CONTROL = b"\x03"


def is_tiktoken(model: bytes) -> bool:
    """Whether these are lines of base64 and a rank, which GLM-4-9B calls tokenizer.model too."""
    return _TIKTOKEN.match(model) is not None


def processor_of(
    model: bytes, marks: Sequence[str], path: Path | str = "the file"
) -> SentencePieceProcessor:
    """The processor of a sentencepiece file, for which `marks` in a text are only text.

    Args:
        model: The content of the file.
        marks: Pieces that are no text, such as "[gMASK]".
        path: Where it was read, for messages.

    Raises:
        ConfigurationError: It is no sentencepiece file, or damaged.
    """
    if model.startswith(_POINTER):
        raise ConfigurationError(
            f"{path} is a pointer of git-lfs, not the file itself: run `git lfs pull` there"
        )
    try:
        processor = SentencePieceProcessor(model_proto=_without_spelling(model, marks) or b"-")
    except RuntimeError as error:
        raise ConfigurationError(
            f"{path} ({len(model):,} bytes) is no sentencepiece file, damaged or cut short: "
            f"download it again ({error})"
        ) from error
    for mark in marks:
        if processor.piece_to_id(mark) in set(processor.encode(mark)) - {processor.unk_id()}:
            raise ConfigurationError(f"{path}: a user could write {mark!r} as text; take another")
    return processor


def _without_spelling(model: bytes, marks: Sequence[str]) -> bytes:
    """The file with the marks of the type CONTROL, which text never becomes.

    A piece is stored as its name, a float and a type. ChatGLM-6B's file has its marks as
    USER_DEFINED, which match wherever a text contains them.
    """
    for mark in marks:
        name = mark.encode()
        stored = re.escape(b"\n" + bytes([len(name)]) + name) + rb"\x15.{4}\x18"
        model = re.sub(
            b"(" + stored + rb")\x04", lambda found: found[1] + _CONTROL, model, flags=re.DOTALL
        )
    return model
