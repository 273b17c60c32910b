"""Loading of sentencepiece files so that text is never encoded as a control token."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from sentencepiece import SentencePieceProcessor

from memorybank_core.errors import ConfigurationError

_LFS_POINTER = b"version https://git-lfs"
_TIKTOKEN = re.compile(rb"[A-Za-z0-9+/]+={0,2} \d+\r?\n")
_CONTROL = b"\x03"


def is_tiktoken(model: bytes) -> bool:
    """Return whether a file has tiktoken's format: lines of base64 and a rank.

    The tokenizer.model of GLM-4-9B is such a file.
    """
    return _TIKTOKEN.match(model) is not None


def load_processor(
    model: bytes, control_tokens: Sequence[str], path: Path | str = "the file"
) -> SentencePieceProcessor:
    """Load a sentencepiece processor that encodes `control_tokens` in a text as ordinary text.

    Args:
        model: The content of the file.
        control_tokens: Pieces that text must not be encoded as, such as "[gMASK]".
        path: The file, for error messages.

    Raises:
        ConfigurationError: If it is not a sentencepiece file, or is damaged.
    """
    if model.startswith(_LFS_POINTER):
        raise ConfigurationError(
            f"{path} is a git-lfs pointer, not the file itself: run `git lfs pull` in its folder"
        )
    try:
        processor = SentencePieceProcessor(model_proto=_mark_control(model, control_tokens) or b"-")
    except RuntimeError as error:
        raise ConfigurationError(
            f"{path} ({len(model):,} bytes) is not a sentencepiece file, or is damaged or "
            f"truncated: download it again ({error})"
        ) from error
    for token in control_tokens:
        if processor.piece_to_id(token) in set(processor.encode(token)) - {processor.unk_id()}:
            raise ConfigurationError(
                f"{path}: text could spell the control token {token!r}; use another file"
            )
    return processor


def _mark_control(model: bytes, control_tokens: Sequence[str]) -> bytes:
    """Return the file with the type of these tokens changed to CONTROL, which never matches text.

    A piece is stored as its name, a float and a type. In the file of ChatGLM-6B, the type of the
    control tokens is USER_DEFINED, which matches wherever a text contains them.
    """
    for token in control_tokens:
        name = token.encode()
        piece = re.escape(b"\n" + bytes([len(name)]) + name) + rb"\x15.{4}\x18"
        model = re.sub(
            b"(" + piece + rb")\x04", lambda match: match[1] + _CONTROL, model, flags=re.DOTALL
        )
    return model
