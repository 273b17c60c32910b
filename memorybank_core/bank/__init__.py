"""MemoryBank: the façade. Opens a store and offers the verbs."""

from __future__ import annotations

from os import PathLike
from types import TracebackType
from typing import Any

from memorybank_core.concurrency import in_thread
from memorybank_core.context import CONTEXT_TOKENS
from memorybank_core.forgetting import THRESHOLD, Ebbinghaus, ForgettingLaw
from memorybank_core.llm.prompts import Prompts
from memorybank_core.protocols import LLM, Embedder
from memorybank_core.registry import llm_named, open_store
from memorybank_core.search.ranking import Weights
from memorybank_core.validation import configuration, require_llm

from .digesting import Digesting
from .drawing import Drawing
from .forgetting import Forgetting
from .looking import Looking
from .recalling import Recalling
from .remembering import Remembering

__all__ = ["CONTEXT_TOKENS", "THRESHOLD", "MemoryBank"]


class MemoryBank(Remembering, Recalling, Digesting, Forgetting, Looking, Drawing):
    """Long-term memory for any number of users: remembers, recalls, digests, fades.

    Use `MemoryBank.open`. Every verb names a `user_id` and reads or changes that user's
    memories alone. Each has an async twin (`aadd`, `asearch`, …) with the same arguments. A bank
    may be shared by threads.

    Args:
        store: Where the memories live.
        embedder: Turns text into vectors; the one that wrote the store's.
        llm: A language model for digests, or its name; nothing else needs one.
        language: "en" or "zh": the language of prompts and wording. Search needs none.
        timezone: IANA name; a day is a calendar day there.
        law: How memories fade; its name or the law itself.
        weights: How the signals of a search are weighed.
        prompts: What a language model is asked, instead of `PROMPTS[language]`.

    Raises:
        ConfigurationError: An option cannot be; all faults are named together.
    """

    @classmethod
    def open(
        cls,
        path: str | PathLike[str],
        *,
        embedder: str | Embedder | None = None,
        llm: LLM | str | None = None,
        language: str = "en",
        timezone: str = "UTC",
        law: ForgettingLaw | str | None = None,
        weights: Weights | None = None,
        prompts: Prompts | None = None,
        **store_options: Any,
    ) -> MemoryBank:
        """Opens the bank at `path`; makes one where there is none.

        Args:
            path: The file; or the URL of a PostgreSQL database with pgvector, for many machines:
                "postgresql://user@host/database".
            embedder: A name (see `memorybank_core.embedders`) or any `Embedder`; None takes the
                one that wrote the bank, or the best that is installed.
            llm: A language model for digests, or its name, such as "openai:gpt-4o-mini" (see
                `llms`); nothing else needs one.
            language: "en" or "zh".
            timezone: IANA name; a day is a calendar day there.
            law: How memories fade; its name or the law itself.
            weights: How the signals of a search are weighed.
            prompts: What a language model is asked, instead of `PROMPTS[language]`.
            **store_options: For the store: `cache_bytes` and `busy_timeout` of a `LocalStore`,
                `pool_size`, `timeout` and others of a `PostgresStore`.

        Raises:
            ConfigurationError: An option cannot be.
            MissingDependencyError: The driver of the database is not installed.
            StoreError: The file or the database cannot be opened, or is something else.
            EmbedderMismatchError: Another embedder wrote it.
        """
        configuration(language, timezone, law or Ebbinghaus())
        llm = require_llm(llm_named(llm) if isinstance(llm, str) else llm)
        store, chosen = open_store(path, embedder, **store_options)
        return cls(
            store,
            chosen,
            llm=llm,
            language=language,
            timezone=timezone,
            law=law,
            weights=weights,
            prompts=prompts,
        )

    def close(self) -> None:
        """Closes the store; a second call does nothing."""
        self.store.close()

    def __enter__(self) -> MemoryBank:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    aclose = in_thread(close)
