"""Excerpt of a text: the passages that are closest to a question."""

from __future__ import annotations

import re
from collections.abc import Collection

from rich.cells import cell_len, set_cell_size

from memorybank_core.protocols import Embedder

_SENTENCE = re.compile(r"[^.!?。！？\n]*[.!?。！？\n]*[”’\"」』)）]*\s*")


def select_passage(text: str, question: str, embedder: Embedder, limit: int) -> str:
    """Return the sentences of `text` closest to `question`, each with the next sentence.

    Args:
        text: The text to shorten.
        question: The question.
        embedder: Embedder that compares the sentences with the question.
        limit: Maximum length in columns of a terminal, not counting the dots for omissions.
    """
    text = " ".join(text.split())
    if cell_len(text) <= limit:
        return text
    sentences = [sentence for sentence in _SENTENCE.findall(text) if sentence.strip()]
    similarities = embedder.embed_documents(sentences) @ embedder.embed_query(question)
    chosen: list[int] = []
    for best in (-similarities).argsort(kind="stable").tolist():
        pair = [i for i in (best, best + 1) if i < len(sentences) and i not in chosen]
        if sum(cell_len(sentences[i]) for i in chosen + pair) > limit:
            break
        chosen += pair
    if not chosen:
        return f"{set_cell_size(sentences[similarities.argmax()], limit - 2).rstrip()} …"
    return _join(sentences, chosen)


def _join(sentences: list[str], chosen: Collection[int]) -> str:
    """Join the chosen sentences in their order, with dots for those left out."""
    text = ""
    for i, sentence in enumerate(sentences):
        if i in chosen:
            text += sentence
        elif not text.endswith("… "):
            text = f"{text.rstrip()} … ".lstrip()
    return text.strip()
