"""Observation of operations: a span, metrics and a log record for each call, never with a text.

Without a log and without providers, a call costs a fraction of a microsecond more.
"""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple, TypeVar, cast

from .logs import get_logger
from .protocols import Embedder
from .telemetry import (
    NAME,
    Value,
    count_memories,
    end_span,
    has_provider,
    record_duration,
    start_span,
)

F = TypeVar("F", bound=Callable[..., Any])

_REMOTE = ("openai", "ollama")
"""Providers of embeddings in other processes."""
_EMBED = "embed"
_COUNT = "gen_ai.memory.record.count"
_logger = get_logger("memorybank_core.operations")
_is_inside: ContextVar[bool] = ContextVar("_is_inside", default=False)


class Operation(NamedTuple):
    """An operation of a bank.

    Attributes:
        describe: Returns the counts of a result; `memories` is the number of memories.
        convention: Its name in the GenAI semantic conventions; "" if they have none.
    """

    describe: Callable[[Any], Mapping[str, Value | None]]
    convention: str = ""


def is_watched() -> bool:
    """Return whether a log, spans or metrics want to know what is done."""
    return _logger.isEnabledFor(logging.INFO) or has_provider()


def observed(name: str, operation: Operation) -> Callable[[F], F]:
    """Return a decorator that observes each call of a method.

    Args:
        name: Name of the operation in logs and attributes.
        operation: The operation.
    """
    convention = operation.convention or f"{NAME}.{name}"
    attributes = {
        "gen_ai.operation.name": convention,
        "gen_ai.provider.name": NAME,
        "memorybank.operation": name,
    }

    def decorate(method: F) -> F:
        @functools.wraps(method)
        def call(*args: Any, **kwargs: Any) -> Any:
            if not is_watched():
                return method(*args, **kwargs)
            with _observe(name, convention, attributes) as values:
                result = method(*args, **kwargs)
                values.update(operation.describe(result))
            return result

        return cast(F, call)

    return decorate


def call_observed_embedder(embedder: Embedder, method: str, text: str | list[str]) -> Any:
    """Call a method of an embedder as an embeddings operation; return its result.

    Args:
        embedder: The embedder.
        method: "embed_documents" or "embed_query".
        text: Its argument.
    """
    call = getattr(embedder, method)
    if not is_watched():
        return call(text)
    provider, _, model = embedder.name.partition("?")[0].partition(":")
    attributes: dict[str, Value] = {
        "gen_ai.operation.name": "embeddings",
        "gen_ai.provider.name": provider,
        "gen_ai.request.model": model or provider,
    }
    with _observe(
        _EMBED,
        f"embeddings {model or provider}",
        attributes,
        metric="gen_ai.client.embeddings.duration",
        is_remote=provider in _REMOTE,
    ) as values:
        values["texts"] = 1 if isinstance(text, str) else len(text)
        return call(text)


@contextmanager
def _observe(
    name: str,
    span_name: str,
    attributes: Mapping[str, Value],
    *,
    metric: str = "gen_ai.client.operation.duration",
    is_remote: bool = False,
) -> Iterator[dict[str, Value | None]]:
    """Observe a block, which fills in the counts of what it did.

    Args:
        name: Name of the operation in logs.
        span_name: Name of the span.
        attributes: Attributes of the span and of the metrics.
        metric: Name of the metric of its duration.
        is_remote: Whether the operation takes place in another process.
    """
    values: dict[str, Value | None] = {}
    is_part = _is_inside.get() or name == _EMBED
    level = logging.DEBUG if is_part else logging.INFO
    token = _is_inside.set(True)
    error, start = "", time.perf_counter()
    try:
        with start_span(span_name, attributes, is_remote=is_remote) as span:
            try:
                yield values
            except BaseException as failure:
                error = type(failure).__name__
                raise
            finally:
                end_span(span, _to_attributes(values), error)
    finally:
        _is_inside.reset(token)
        seconds = time.perf_counter() - start
        _record(attributes, values, error, metric, seconds)
        _log(level, name, values, error, seconds)


def _to_attributes(values: Mapping[str, Value | None]) -> dict[str, Value]:
    return {
        _COUNT if name == "memories" else f"{NAME}.{name}": value
        for name, value in values.items()
        if value is not None
    }


def _record(
    attributes: Mapping[str, Value],
    values: Mapping[str, Value | None],
    error: str,
    metric: str,
    seconds: float,
) -> None:
    labels = {**attributes, "error.type": error} if error else attributes
    record_duration(metric, seconds, labels)
    if memories := values.get("memories"):
        count_memories(int(memories), labels)


def _log(
    level: int, name: str, values: Mapping[str, Value | None], error: str, seconds: float
) -> None:
    """Write the record of a call: INFO for what the application called, DEBUG for its parts."""
    if not _logger.isEnabledFor(level):
        return
    fields = {key: value for key, value in values.items() if value is not None}
    if error:
        fields["error"] = error
    shown = "".join(f", {key}={value}" for key, value in fields.items())
    extra = {"operation": name, "duration": round(seconds, 6), **fields}
    _logger.log(level, "%s: %.1f ms%s", name, seconds * 1000, shown, extra=extra)
