"""Datasets of the evaluation: conversations, and questions with known evidence.

It reads three formats:

- "memorybank": the memory JSON of the MemoryBank paper with its probing questions and the turns
  that answer them ("day#index"). Recall@k of a question is 1 if an alternative is among the first
  k turns, else the number of evidence turns among them divided by min(evidence turns, k).
- "locomo": LoCoMo conversations (Maharana et al. 2024, arXiv 2402.17753), one memory per
  utterance. Recall@k is the share of the evidence turns that are among the first k. Only the
  questions of categories 1 to 4 count.
- "everyday": one person's turns with an assistant, and questions in categories; recall as in
  "memorybank". Questions can name outdated turns, or ask for what was not said.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from memorybank_core.errors import ConfigurationError, FormatError, InvalidInputError

from .formats.everyday import parse_everyday
from .formats.locomo import parse_locomo
from .formats.memorybank import parse_memorybank
from .questions import Conversation

Format = Literal["memorybank", "locomo", "everyday"]
"""Name of a dataset's format."""


def read_conversations(
    format: Format, bank: Path | Sequence[Path], gold: Path | None
) -> list[Conversation]:
    """Read the conversations of files, or of all JSON files of folders.

    Args:
        format: "memorybank", "locomo" or "everyday".
        bank: A file or folder with the conversations, or several.
        gold: The file with the questions, for the format "memorybank".

    Raises:
        ConfigurationError: If the format is unknown, or a gold file is missing.
        FormatError: If a file cannot be read, or has another format.
    """
    if format not in get_args(Format):
        raise ConfigurationError(f"format must be memorybank, locomo or everyday, not {format!r}")
    if format == "memorybank" and gold is None:
        raise ConfigurationError("the memorybank format needs the gold questions: --gold")
    questions = _read_json(gold) if gold else None
    conversations: list[Conversation] = []
    for file in _list_files([bank] if isinstance(bank, Path) else bank):
        try:
            conversations += _parse(format, file.stem, _read_json(file), questions)
        except FormatError:
            raise
        except (KeyError, TypeError, AttributeError, ValueError, InvalidInputError) as error:
            raise FormatError(f"{file} is not in the {format} format: {error!r}") from error
    return conversations


def _list_files(paths: Iterable[Path]) -> list[Path]:
    """Return the files, with the JSON files of a folder in its place."""
    return [
        file
        for path in paths
        for file in (sorted(path.glob("*.json")) if path.is_dir() else [path])
    ]


def _parse(format: Format, name: str, data: Any, gold: Any) -> Iterable[Conversation]:
    if format == "memorybank":
        return list(parse_memorybank(data, gold))
    return [parse_locomo(name, data) if format == "locomo" else parse_everyday(name, data)]


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FormatError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise FormatError(f"{path} is not JSON: {error}") from error
