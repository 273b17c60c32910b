"""Prefixes that embedding models were trained with, one for queries and one for documents.

Without them, a model finds less. The sources are the models' own cards on the Hugging Face hub.
"""

from __future__ import annotations

import re
from typing import NamedTuple


class Prefixes(NamedTuple):
    """Texts put before what a model embeds.

    Attributes:
        query: Before a query.
        document: Before a document.
    """

    query: str = ""
    document: str = ""


_PASSAGES = "Represent this sentence for searching relevant passages: "
_PREFIXES = (
    (r"\be5\b.*instruct", Prefixes("Instruct: Retrieve what answers the question\nQuery: ")),
    (r"\be5\b(?!.*mistral)", Prefixes("query: ", "passage: ")),
    (r"nomic-embed-text", Prefixes("search_query: ", "search_document: ")),
    (r"embedding-?gemma", Prefixes("task: search result | query: ", "title: none | text: ")),
    (r"qwen3-embedding", Prefixes("Instruct: Retrieve what answers the question\nQuery:")),
    (r"arctic-embed.*(2\.0|v2|2$)", Prefixes("query: ")),
    (r"arctic-embed|mxbai-embed-large", Prefixes(_PASSAGES)),
    (r"\bbge-(small|base|large)-zh", Prefixes("为这个句子生成表示以用于检索相关文章：")),
    (r"\bbge-(small|base|large)", Prefixes(_PASSAGES)),
)


def prefixes_of(model: str) -> Prefixes:
    """Return the prefixes of a model by its name; none for a model that is not known.

    Args:
        model: Name on the hub or at a server, or a path. Only its last part counts, without the
            tag that Ollama writes after a colon.
    """
    name = re.split(r"[/\\]", model.rstrip("/\\"))[-1].partition(":")[0].lower().replace("_", "-")
    return next(
        (prefixes for pattern, prefixes in _PREFIXES if re.search(pattern, name)), Prefixes()
    )
