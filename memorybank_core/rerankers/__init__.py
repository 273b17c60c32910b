"""Rerankers, by name.

| name | model | extra |
| --- | --- | --- |
| sentence-transformers:NAME_OR_PATH | any `CrossEncoder` | sentence-transformers |

A package can add another one with an entry point of the group "memorybank.rerankers": a function
that returns a `Reranker`, and takes the text after the colon of the name, if there is one.
"""

from __future__ import annotations

from memorybank_core.errors import ConfigurationError
from memorybank_core.protocols import Reranker
from memorybank_core.registry import RERANKERS, call_plugin

__all__ = ["reranker_named", "resolve_reranker"]


def reranker_named(name: str) -> Reranker:
    """Return the reranker of a name such as "sentence-transformers:BAAI/bge-reranker-v2-m3".

    Raises:
        ConfigurationError: If the name is unknown, or the model cannot be loaded.
        MissingDependencyError: If the package of the reranker is not installed.
    """
    reranker: Reranker = call_plugin(RERANKERS, name)
    return reranker


def resolve_reranker(reranker: str | Reranker | None) -> Reranker | None:
    """Return a reranker, loaded if it is given by its name.

    Raises:
        ConfigurationError: If it cannot be loaded, or has no method `score`.
    """
    if isinstance(reranker, str):
        return reranker_named(reranker)
    if reranker is not None and not isinstance(reranker, Reranker):
        raise ConfigurationError(
            f"reranker must have a name and a method score(query, texts); {reranker!r:.200} is not "
            "one. Wrap a reranker of LangChain or LlamaIndex in as_reranker"
        )
    return reranker
