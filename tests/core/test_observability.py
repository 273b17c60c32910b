"""Spans, metrics and logs: what they show of an operation, and that they show no text and user.

The spans and metrics are those of the real SDK of OpenTelemetry.
"""

import asyncio
import json
import logging
import re
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from memorybank_core import (
    ConflictError,
    HashingEmbedder,
    InvalidInputError,
    MemoryBank,
    StoreUnavailableError,
    Turn,
    observation,
    telemetry,
)
from memorybank_core.logs import JsonFormatter, describe_error, get_logger

ROOT = Path(__file__).parents[2]
CANARY = "Zanzibar"
USER, KEY = "canary-user@example.com", "sk-canarykey"
NOON = datetime(2024, 3, 4, 12, tzinfo=timezone.utc)
LATER = NOON + timedelta(days=400)


class Exported:
    """The spans and metrics of this process."""

    def __init__(self, exporter, reader):
        self._exporter, self._reader = exporter, reader

    def spans(self):
        """Return the finished spans since the last call, in the order of their ends."""
        spans = self._exporter.get_finished_spans()
        self._exporter.clear()
        return spans

    def points(self):
        """Return (metric, attributes, point) of everything recorded so far."""
        data = self._reader.get_metrics_data()
        return [
            (metric.name, dict(point.attributes), point)
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
            for point in metric.data.data_points
        ]


@pytest.fixture
def exported(monkeypatch):
    """Set providers that keep spans and metrics in memory, for one test."""
    pytest.importorskip("opentelemetry.sdk", reason="opentelemetry-sdk is not installed")
    from opentelemetry import metrics, trace
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter, reader = InMemorySpanExporter(), InMemoryMetricReader()
    tracers, meters = TracerProvider(shutdown_on_exit=False), MeterProvider([reader])
    tracers.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", tracers)  # a process can set it only once
    monkeypatch.setattr(metrics._internal, "_METER_PROVIDER", meters)
    yield Exported(exporter, reader)
    meters.shutdown()


@pytest.fixture
def bank(tmp_path):
    with MemoryBank.open(tmp_path / "bank.db", embedder="hashing") as bank:
        yield bank


def names(spans):
    return [span.name for span in spans]


def shown(span):
    """Return the attributes of a span without the constant ones."""
    constant = ("gen_ai.operation.name", "gen_ai.provider.name", "memorybank.operation")
    return {name: value for name, value in span.attributes.items() if name not in constant}


# Spans


def test_an_operation_is_a_span_with_its_counts(bank, exported):
    bank.add([Turn("My cat is called Pepper.", at=NOON)], user_id=USER)
    embed, add = exported.spans()
    assert names([embed, add]) == ["embeddings hashing", "upsert_memory"]
    assert add.kind.name == embed.kind.name == "INTERNAL"
    assert add.attributes["gen_ai.operation.name"] == "upsert_memory"
    assert add.attributes["gen_ai.provider.name"] == "memorybank"
    assert add.attributes["memorybank.operation"] == "add"
    assert shown(add) == {
        "gen_ai.memory.record.count": 1,
        "memorybank.added": 1,
        "memorybank.unchanged": 0,
        "memorybank.replaced": 0,
        "memorybank.updated": 0,
    }
    assert embed.attributes["gen_ai.operation.name"] == "embeddings"
    assert embed.attributes["gen_ai.request.model"] == "hashing"
    assert shown(embed) == {"gen_ai.request.model": "hashing", "memorybank.texts": 1}
    assert embed.parent.span_id == add.context.span_id


def test_parts_are_children_of_what_the_application_called(bank, exported):
    bank.add([Turn("My cat is called Pepper.", at=NOON)], user_id=USER)
    exported.spans()
    turn = bank.begin_turn("What is my cat called?", user_id=USER, now=LATER)
    turn.complete("Pepper.")
    spans = exported.spans()
    by_id = {span.context.span_id: span for span in spans}
    parents = [(s.name, by_id[s.parent.span_id].name if s.parent else "") for s in spans]
    assert parents == [
        ("embeddings hashing", "search_memory"),
        ("search_memory", "memorybank.context"),
        ("memorybank.context", "memorybank.begin_turn"),
        ("upsert_memory", "memorybank.begin_turn"),
        ("memorybank.begin_turn", ""),
        ("embeddings hashing", "upsert_memory"),
        ("upsert_memory", "memorybank.complete_turn"),
        ("update_memory", "memorybank.complete_turn"),
        ("memorybank.complete_turn", ""),
    ]
    begun = spans[4]
    assert shown(begun)["gen_ai.memory.record.count"] == 1
    assert shown(begun)["memorybank.is_stored"] is True
    assert shown(begun)["memorybank.tokens"] > 0


def test_spans_have_the_right_parent_in_threads_and_async_calls(bank, exported):
    from opentelemetry import trace

    async def run():
        with trace.get_tracer_provider().get_tracer("app").start_as_current_span("request"):
            await bank.aadd([Turn("My cat is called Pepper.", at=NOON)], user_id=USER)
            turn = await bank.abegin_turn("What is my cat called?", user_id=USER, now=LATER)
            await turn.acomplete("Pepper.")
            await bank.asummarize(user_id=USER)

    asyncio.run(run())
    spans = exported.spans()
    [request] = [span for span in spans if span.name == "request"]
    assert {span.context.trace_id for span in spans} == {request.context.trace_id}
    ids = {span.context.span_id for span in spans}
    assert [
        span.name for span in spans if span is not request and span.parent.span_id not in ids
    ] == []
    top = [
        span.name
        for span in spans
        if span.parent and span.parent.span_id == request.context.span_id
    ]
    assert top == [
        "upsert_memory",
        "memorybank.begin_turn",
        "memorybank.complete_turn",
        "memorybank.summarize",
    ]
    [summarize] = [span for span in spans if span.name == "memorybank.summarize"]
    children = [
        span for span in spans if span.parent and span.parent.span_id == summarize.context.span_id
    ]
    assert {span.name for span in children} == {"embeddings hashing"}, "made in other threads"
    assert shown(summarize)["memorybank.digested"] == 2


def test_an_error_is_shown_by_its_type_only(bank, exported):
    bank.add([Turn(CANARY, at=NOON, id="t")], user_id=USER)
    exported.spans()
    with pytest.raises(ConflictError):
        bank.add([Turn("Something else", at=NOON, id="t")], user_id=USER)
    [span] = exported.spans()
    assert span.attributes["error.type"] == "ConflictError"
    assert (span.status.status_code.name, span.status.description) == ("ERROR", None)
    assert span.events == ()
    failed = [attributes for _, attributes, _ in exported.points() if "error.type" in attributes]
    assert failed[0]["memorybank.operation"] == "add"


def test_an_embedder_of_a_server_is_a_client(exported, tmp_path):
    embedder = HashingEmbedder()
    embedder.name = f"openai:text-embedding-3-small?base_url=http://{USER}"
    with MemoryBank.open(tmp_path / "a.db", embedder=embedder):
        [span] = exported.spans()
    assert (span.name, span.kind.name) == ("embeddings text-embedding-3-small", "CLIENT")
    assert span.attributes["gen_ai.provider.name"] == "openai"


# Metrics


def test_durations_and_memories_are_metrics(bank, exported):
    turns = [Turn(f"Fact {number}", at=NOON) for number in range(3)]
    bank.add(turns, user_id=USER)
    bank.search("Fact", user_id=USER, k=2)
    bank.forget(user_id=USER, now=LATER, dry_run=True)
    bank.forget(user_id=USER, now=LATER)
    bank.delete(user_id=USER)
    points = exported.points()
    counts = {
        attributes["memorybank.operation"]: point.value
        for name, attributes, point in points
        if name == "memorybank.memories"
    }
    assert counts == {"add": 3, "search": 2, "forget": 3, "delete": 3}
    durations = {
        attributes["memorybank.operation"]: point
        for name, attributes, point in points
        if name == "gen_ai.client.operation.duration"
    }
    assert durations["forget"].count == 2
    assert durations["search"].explicit_bounds[:6] == (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02)
    embeddings = [point for name, _, point in points if name == "gen_ai.client.embeddings.duration"]
    assert embeddings[0].count >= 2


# Logs


def test_a_call_is_one_record_with_its_fields(bank, caplog):
    with caplog.at_level(logging.INFO, "memorybank"):
        bank.add([Turn("My cat is called Pepper.", at=NOON)], user_id=USER)
        bank.context("cat", user_id=USER, now=LATER)
    add, context = caplog.records
    assert (add.name, add.levelname) == ("memorybank.core.operations", "INFO")
    assert (add.operation, add.memories, add.added) == ("add", 1, 1)
    assert 0 < add.duration < 60
    assert (context.operation, context.memories) == ("context", 1)
    assert re.fullmatch(r"add: \d+\.\d ms, memories=1, added=1, .*", add.getMessage())
    caplog.clear()
    with caplog.at_level(logging.DEBUG, "memorybank"):
        bank.context("a dog", user_id=USER, now=LATER)
    parts = [(record.operation, record.levelname) for record in caplog.records]
    assert parts == [("embed", "DEBUG"), ("search", "DEBUG"), ("context", "INFO")]


def test_a_failed_call_is_logged_with_the_type_of_its_error(bank, caplog):
    with caplog.at_level(logging.INFO, "memorybank"), pytest.raises(InvalidInputError):
        bank.search(CANARY, user_id=USER, k=0)
    [record] = caplog.records
    assert (record.operation, record.error) == ("search", "InvalidInputError")


def test_json_lines_have_the_fields_of_a_record():
    formatter = JsonFormatter()
    logger = get_logger("memorybank_langchain.middleware")
    assert logger.name == "memorybank.langchain.middleware"
    extra = {"operation": "search", "duration": 0.5, "path": Path("a")}
    record = logger.makeRecord(
        logger.name, logging.INFO, "", 0, "found %d\n猫", (3,), None, extra=extra
    )
    record.created = NOON.timestamp()
    line = formatter.format(record)
    assert "\n" not in line
    assert json.loads(line) == {
        "time": "2024-03-04T12:00:00.000+00:00",
        "level": "INFO",
        "logger": "memorybank.langchain.middleware",
        "message": "found 3\n猫",
        "operation": "search",
        "duration": 0.5,
        "path": "a",
    }
    try:
        raise StoreUnavailableError("the server is down")
    except StoreUnavailableError:
        record.exc_info = sys.exc_info()
    assert (
        "StoreUnavailableError: the server is down"
        in json.loads(formatter.format(record))["exception"]
    )


def test_errors_in_logs_quote_no_argument():
    error = ConflictError(f"the id 't' of user {USER!r} is taken")
    assert describe_error(error) == "ConflictError"
    error.__cause__ = ValueError(CANARY)
    assert describe_error(error) == "ConflictError, caused by ValueError"
    assert describe_error(StoreUnavailableError("down")) == "StoreUnavailableError: down"


def test_every_logger_is_in_the_one_tree():
    for package in ("memorybank_core", "memorybank_langchain", "memorybank_llamaindex", "llms"):
        for file in (ROOT / package).rglob("*.py"):
            if file.name not in ("logs.py", "verbosity.py"):
                place = file.relative_to(ROOT).as_posix()
                assert "logging.getLogger(" not in file.read_text("utf-8"), f"{place}: get_logger"


# What is never shown


class FailingEmbedder(HashingEmbedder):
    """Fails for some texts, with an error that quotes them, as other packages do."""

    def embed_documents(self, texts):
        if any("fail" in text for text in texts):
            raise ValueError(f"cannot embed {texts} with {KEY}")
        return super().embed_documents(texts)


class QuotingModel:
    """Answers with the words of its prompt."""

    def complete(self, messages, *, max_tokens=None, stop=None):
        return f"{CANARY}: {messages[-1]['content'][:50]}"


def use_every_operation(bank):
    """Call every operation of a bank with texts and users that must not be shown."""
    options = {"user_id": USER}
    turns = [Turn(f"I live in {CANARY}.", f"{CANARY}!", NOON, id=f"t{n}") for n in range(3)]
    bank.add(turns, **options, metadata={"place": CANARY}, session=CANARY)
    found = bank.search(CANARY, **options, where={"place": CANARY}, now=LATER)
    bank.add_memories([result.memory for result in found], **options)
    bank.reinforce(found, **options, turn=CANARY, now=LATER)
    bank.context(f"Where is {CANARY}?", **options, now=LATER)
    for call in (bank.archive, bank.restore, bank.pin, bank.unpin):
        call(["t1"], **options)
    bank.begin_turn(f"Where is {CANARY}?", **options, id="new", now=LATER).complete(CANARY)
    bank.begin_turn(f"Will {CANARY} fail?", **options, on_failure=lambda *_: 1 / 0).complete("fail")
    for call in (
        lambda: bank.add([Turn(f"fail {CANARY}")], **options),
        lambda: bank.add([Turn(CANARY, id="t1")], **options),
        lambda: bank.search(CANARY, **options, k=0),
        lambda: bank.search(" ", user_id=f"{USER}\0"),
    ):
        with pytest.raises(Exception):  # noqa: B017, PT011 - of several kinds
            call()
    bank.summarize(**options)
    bank.rebuild(**options)
    bank.find_changes(**options, llm=QuotingModel())
    bank.forget(**options, now=LATER)
    bank.configure(timezone="Asia/Shanghai")
    bank.expire(timedelta(days=100), now=LATER + timedelta(days=1))
    bank.delete(**options)


def test_no_text_and_no_user_is_in_a_span_a_metric_or_a_log(
    tmp_path, exported, caplog, monkeypatch
):
    caplog.set_level(logging.DEBUG, "memorybank")
    monkeypatch.setattr(caplog.handler, "formatter", JsonFormatter())
    with MemoryBank.open(
        tmp_path / "bank.db", embedder=FailingEmbedder(), llm=QuotingModel()
    ) as bank:
        use_every_operation(bank)
    spans, points = exported.spans(), exported.points()
    operations = {span.attributes.get("memorybank.operation", "embed") for span in spans}
    assert operations >= {"add", "search", "context", "begin_turn", "complete_turn", "summarize"}
    assert operations >= {"forget", "delete", "expire", "find_changes", "configure", "rebuild"}
    assert operations == {
        record.operation for record in caplog.records if hasattr(record, "operation")
    }
    everything = "\n".join(
        [
            *(span.to_json() for span in spans),
            *(repr(point) for point in points),
            *(str(vars(record)) for record in caplog.records),
            caplog.text,
        ]
    )
    for secret in (CANARY, USER, "canary", KEY):
        assert secret not in everything


# Costs


def test_without_a_provider_nothing_is_observed(bank, monkeypatch):
    monkeypatch.setattr(observation, "start_span", None)
    assert not telemetry.has_provider()
    bank.add(["My cat is called Pepper."], user_id=USER)
    pytest.importorskip("opentelemetry", reason="opentelemetry-api is not installed")
    from opentelemetry import metrics, trace

    for slow in (False, True):  # the second time by the public functions alone
        if slow:
            monkeypatch.delattr(trace, "_TRACER_PROVIDER")
            monkeypatch.setattr(trace, "get_tracer_provider", trace.ProxyTracerProvider)
            monkeypatch.setattr(metrics, "get_meter_provider", metrics.NoOpMeterProvider)
            monkeypatch.delattr(metrics._internal, "_METER_PROVIDER")
        assert not telemetry.has_provider()
        assert bank.search("cat", user_id=USER)


def test_the_package_without_the_application_does_not_import_opentelemetry():
    file = (ROOT / "memorybank_core" / "telemetry.py").read_text("utf-8")
    assert not re.search(r"^\s*(import|from) opentelemetry", file, re.MULTILINE)
