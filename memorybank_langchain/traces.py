"""Recalls as tracing callbacks see them: runs of a retriever, with the memories as documents."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from langchain_core.documents import Document
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import ensure_config, get_callback_manager_for_config

from memorybank_core import Context, SearchResult
from memorybank_core.context import token_counter
from memorybank_core.integration import result_metadata
from memorybank_core.logs import get_logger

RUN_NAME = "memorybank"
"""Name of the retriever runs."""

_logger = get_logger("memorybank_langchain")


def to_document(result: SearchResult) -> Document:
    """Return a memory as a document, with plain JSON values as its metadata."""
    memory = result.memory
    return Document(id=memory.id, page_content=memory.text, metadata=result_metadata(result))


def to_context(text: str, results: Iterable[SearchResult]) -> Context:
    """Return a recalled text and its memories as `on_recall` takes them."""
    results = tuple(results)
    return Context(text, token_counter()(text), results) if results else Context("", 0)


@dataclass(slots=True)
class RecallRun:
    """A recall in progress.

    Attributes:
        results: The memories found; set before the recall ends.
        error: The error, if the recall failed.
    """

    results: Iterable[SearchResult] = ()
    error: BaseException | None = None


@contextmanager
def recall_run(query: str, config: RunnableConfig | None) -> Iterator[RecallRun]:
    """Show a recall to callbacks and tracers as the run of a retriever.

    A handler that fails does not stop the chat. In an async run, call this in a thread.

    Args:
        query: The text that memories are searched for.
        config: Config of the run that the recall belongs to.
    """
    recall, run = RecallRun(), None
    with _tolerate():
        callbacks = get_callback_manager_for_config(ensure_config(config))
        if callbacks.handlers:
            run = callbacks.on_retriever_start(None, query, name=RUN_NAME)
    try:
        yield recall
    except BaseException as error:
        recall.error = error
        raise
    finally:
        if run is not None:
            with _tolerate():
                if recall.error is None:
                    run.on_retriever_end([to_document(result) for result in recall.results])
                else:
                    run.on_retriever_error(recall.error)


@contextmanager
def _tolerate() -> Iterator[None]:
    """Log an exception of the application's callbacks instead of raising it."""
    try:
        yield
    except Exception as error:
        error.__context__ = None  # the error that it was called with may quote a text
        _logger.exception("A callback raised an error; the chat continues")
