"""Spans and metrics of OpenTelemetry, if the application has set a provider of them.

The package opentelemetry is never imported here: an application that wants spans has done so. Names
follow the GenAI semantic conventions 0.1.0 (github.com/open-telemetry/semantic-conventions-genai):
the spans "Memory" and "Embeddings", and the metrics of their durations.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

NAME = "memorybank"
"""Name of the tracer and the meter, and of the provider of memory operations."""

Value = bool | int | float | str
"""The value of an attribute."""


class _Signal(NamedTuple):
    """Place where the API keeps the provider of a signal.

    Attributes:
        module: The public module.
        function: Its function that returns the provider.
        state: The module with the variable that is None until a provider is set.
        variable: The variable; "" if the function must be called, because the environment names a
            provider to load, or another version of the API has no such variable.
    """

    module: str
    function: str
    state: str
    variable: str


_API = "opentelemetry"
_TRACE = _Signal(
    "opentelemetry.trace",
    "get_tracer_provider",
    "opentelemetry.trace",
    "" if "OTEL_PYTHON_TRACER_PROVIDER" in os.environ else "_TRACER_PROVIDER",
)
_METRICS = _Signal(
    "opentelemetry.metrics",
    "get_meter_provider",
    "opentelemetry.metrics._internal",
    "" if "OTEL_PYTHON_METER_PROVIDER" in os.environ else "_METER_PROVIDER",
)
_UNKNOWN = object()

_DURATIONS = {
    "gen_ai.client.operation.duration": "Duration of a memory operation.",
    "gen_ai.client.embeddings.duration": "Duration of an embeddings operation.",
}
_BOUNDARIES = (0.0005, 0.001, 0.0025, 0.005, *(0.01 * 2**power for power in range(14)))
"""Seconds; those of the conventions begin at 0.01, but most searches take less."""

_instruments: tuple[Any, dict[str, Any]] = (None, {})
"""The provider of meters, and its instruments by name."""
_tracer: tuple[Any, Any] = (None, None)
"""The provider of tracers, and its tracer."""


def has_provider() -> bool:
    """Return whether the application has set a provider of spans or of metrics."""
    if _API not in sys.modules:
        return False
    return _find_provider(_TRACE) is not None or _find_provider(_METRICS) is not None


@contextmanager
def start_span(
    name: str, attributes: Mapping[str, Value], *, is_remote: bool = False
) -> Iterator[Any]:
    """Start a span as the current one; None without a provider.

    Its errors are set by `end_span`: the SDK itself would record their messages.

    Args:
        name: Name of the span.
        attributes: What is known at its start.
        is_remote: Whether the operation takes place in another process.
    """
    tracer = _find_tracer()
    if tracer is None:
        yield None
        return
    kinds = sys.modules["opentelemetry.trace"].SpanKind
    with tracer.start_as_current_span(
        name,
        kind=kinds.CLIENT if is_remote else kinds.INTERNAL,
        attributes=attributes,
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        yield span


def end_span(span: Any, attributes: Mapping[str, Value], error: str) -> None:
    """Set the attributes that are known at the end of a span, and its status.

    Args:
        span: The span; None without a provider.
        attributes: The attributes.
        error: The type of the error; "" without one.
    """
    if span is None:
        return
    span.set_attributes(attributes)
    if error:
        status = sys.modules["opentelemetry.trace"].Status
        codes = sys.modules["opentelemetry.trace"].StatusCode
        span.set_attribute("error.type", error)
        span.set_status(status(codes.ERROR))


def record_duration(metric: str, seconds: float, attributes: Mapping[str, Value]) -> None:
    """Record the duration of an operation, if there is a provider of metrics."""
    if instruments := _find_instruments():
        instruments[metric].record(seconds, attributes)


def count_memories(count: int, attributes: Mapping[str, Value]) -> None:
    """Count the memories that an operation was about, if there is a provider of metrics."""
    if instruments := _find_instruments():
        instruments["memorybank.memories"].add(count, attributes)


def _find_provider(signal: _Signal) -> Any:
    """Return the provider of a signal that the application has set; None without one."""
    api = sys.modules.get(signal.module)
    if api is None:
        return None
    if getattr(sys.modules.get(signal.state), signal.variable, _UNKNOWN) is None:
        return None  # in a tenth of the time that the public function takes
    provider = getattr(api, signal.function)()
    is_set = not type(provider).__name__.lstrip("_").startswith(("Proxy", "NoOp"))
    return provider if is_set else None


def _find_tracer() -> Any:
    global _tracer
    provider = _find_provider(_TRACE)
    if provider is None:
        return None
    if provider is not _tracer[0]:
        _tracer = provider, provider.get_tracer(NAME, _version())
    return _tracer[1]


def _find_instruments() -> dict[str, Any]:
    global _instruments
    provider = _find_provider(_METRICS)
    if provider is None:
        return {}
    if provider is not _instruments[0]:
        meter = provider.get_meter(NAME, _version())
        made = {
            metric: meter.create_histogram(
                metric, "s", description, explicit_bucket_boundaries_advisory=_BOUNDARIES
            )
            for metric, description in _DURATIONS.items()
        }
        made["memorybank.memories"] = meter.create_counter(
            "memorybank.memories", "{memory}", "Memories that operations were about."
        )
        _instruments = provider, made
    return _instruments[1]


def _version() -> str:
    """Return the version of the package, without an import of it in a circle."""
    return str(sys.modules["memorybank_core"].__version__)
