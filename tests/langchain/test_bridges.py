"""Bridges between LangChain models and MemoryBank models."""

import asyncio
from datetime import datetime, timezone

import numpy as np
import pytest

pytest.importorskip("langchain_core", reason="langchain is not installed")

from langchain_core import exceptions
from langchain_core.documents import BaseDocumentCompressor
from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings
from langchain_core.language_models import (
    FakeListChatModel,
    FakeListLLM,
    FakeMessagesListChatModel,
    GenericFakeChatModel,
)
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.outputs import ChatGeneration, ChatResult

from memorybank_core import (
    AnswerError,
    Completion,
    ConfigurationError,
    ContextOverflowError,
    Embedder,
    EmbedderError,
    EmbedderMismatchError,
    HashingEmbedder,
    LLMError,
    MemoryBank,
    Reranker,
    RerankerError,
    Turn,
)
from memorybank_langchain.bridges import (
    BaseCrossEncoder,
    MemoryBankEmbeddings,
    as_embedder,
    as_llm,
    as_reranker,
)

unit_tests = pytest.importorskip(
    "langchain_tests.unit_tests", reason="langchain-tests is not installed"
)
integration_tests = pytest.importorskip("langchain_tests.integration_tests")

USER = "alice@example.com"
MONDAY = datetime(2024, 3, 4, 9, tzinfo=timezone.utc)
PROMPT = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello?"}]


class Named(DeterministicFakeEmbedding):
    """Embeddings that name their model."""

    model: str


class Scripted(Embeddings):
    """Embeddings that return or raise scripted outputs."""

    def __init__(self, *outputs):
        self.outputs = list(outputs)

    def embed_query(self, text):
        output = self.outputs.pop(0)
        if isinstance(output, Exception):
            raise output
        return output

    def embed_documents(self, texts):
        return self.embed_query(texts[0])


# Embeddings as an embedder.


def test_any_embeddings_are_an_embedder_of_unit_length():
    embedder = as_embedder(DeterministicFakeEmbedding(size=7))
    assert isinstance(embedder, Embedder)
    assert embedder.dimension == 7
    for vectors in (embedder.embed_documents(["a", "b"]), embedder.embed_query("a")):
        assert vectors.dtype == np.float32
        assert np.linalg.norm(vectors, axis=-1) == pytest.approx(1)
    assert embedder.embed_documents([]).shape == (0, 7)


def test_an_embedders_name_is_its_class_and_its_model():
    assert as_embedder(DeterministicFakeEmbedding(size=7)).name == (
        "langchain:DeterministicFakeEmbedding"
    )
    assert as_embedder(Named(size=7, model="e5")).name == "langchain:Named:e5"
    assert as_embedder(Named(size=7, model="e5"), name="mine").name == "mine"
    assert repr(as_embedder(Named(size=7, model="e5"))) == "as_embedder('langchain:Named:e5')"


def test_nothing_is_embedded_before_it_is_needed():
    assert as_embedder(Scripted()).name == "langchain:Scripted"


def test_a_bank_by_foreign_embeddings_finds_and_knows_who_wrote_it(tmp_path):
    foreign = MemoryBankEmbeddings("hashing")
    embedder = as_embedder(foreign, name="foreign")
    with MemoryBank.open(tmp_path / "a.db", embedder=embedder) as bank:
        bank.add(
            [Turn("Nora plays the cello.", "", MONDAY), Turn("Soup!", "", MONDAY)], user_id=USER
        )
        results = bank.search("the cello", user_id=USER, k=1)
    assert results[0].memory.text == "Nora plays the cello."
    with pytest.raises(EmbedderMismatchError, match="foreign"):
        MemoryBank.open(tmp_path / "a.db", embedder=as_embedder(Named(size=256, model="e5")))


def test_our_own_embeddings_come_back_as_the_embedder_they_hold():
    embedder = HashingEmbedder(64)
    assert as_embedder(MemoryBankEmbeddings(embedder)) is embedder
    assert as_embedder(MemoryBankEmbeddings(embedder), name="mine").name == "mine"


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (ConnectionError("no route"), "ConnectionError: no route"),
        ([[1.0, 0.0], [0.0]], "values that are not numbers"),
        ([[1.0, 0.0, 0.0]], "shape"),
        ([[0.0, 0.0]], "zeros"),
        ([[float("nan"), 1.0]], "not finite"),
        ("words", "values that are not numbers"),
    ],
)
def test_embeddings_that_fail_are_an_embedder_error(output, message):
    embedder = as_embedder(Scripted([3.0, 4.0], output))
    assert embedder.dimension == 2
    with pytest.raises(EmbedderError, match=message) as error:
        embedder.embed_documents(["a"])
    assert not isinstance(output, Exception) or error.value.__cause__ is output


def test_what_is_no_embeddings_is_refused():
    with pytest.raises(ConfigurationError, match="Embeddings"):
        as_embedder("hashing")


# A chat model as a language model.


class Recording(FakeMessagesListChatModel):
    """A chat model that records its calls."""

    max_tokens: int | None = None
    model_name: str = "recorder"
    calls: list

    def _generate(self, messages, stop=None, run_manager=None, **kwargs):
        self.calls.append((messages, stop, self.max_tokens, kwargs))
        return super()._generate(messages, stop, run_manager, **kwargs)


class Failing(FakeListChatModel):
    """A chat model that raises an error."""

    error: Exception

    def _call(self, *args, **kwargs):
        raise self.error


def answering(message):
    return as_llm(FakeMessagesListChatModel(responses=[message]))


def test_a_chat_model_answers_and_tells_what_it_took():
    usage = {"input_tokens": 5, "output_tokens": 2, "total_tokens": 7}
    metadata = {"finish_reason": "stop"}
    answer = answering(AIMessage("Hi!", usage_metadata=usage, response_metadata=metadata)).complete(
        PROMPT
    )
    assert (answer, answer.tokens) == ("Hi!", 7)
    assert isinstance(answer, Completion)
    assert answering(AIMessage("Hi!")).complete(PROMPT).tokens is None


def test_the_text_of_an_answer_in_blocks_counts_and_no_thinking():
    blocks = [{"type": "reasoning", "reasoning": "hm"}, {"type": "text", "text": "Hi!"}]
    assert answering(AIMessage(content=blocks)).complete(PROMPT) == "Hi!"


def test_roles_stops_and_limits_reach_the_model():
    model = Recording(responses=[AIMessage("Hi! END and so on")] * 3, calls=[])
    llm = as_llm(model)
    prompt = [*PROMPT, {"role": "assistant", "content": "Yes?"}]
    assert llm.complete(prompt, max_tokens=9, stop=["END"]) == "Hi! "
    llm.complete(PROMPT)
    (messages, stop, limit, kwargs), (_, no_stop, no_limit, _) = model.calls
    assert [type(message) for message in messages] == [SystemMessage, HumanMessage, AIMessage]
    assert [message.text for message in messages] == ["Be brief.", "Hello?", "Yes?"]
    assert (stop, limit, kwargs) == (["END"], 9, {})
    assert (no_stop, no_limit, model.max_tokens) == (None, None, None)


def test_a_model_without_such_a_field_ignores_max_tokens():
    assert as_llm(FakeListChatModel(responses=["Hi!"])).complete(PROMPT, max_tokens=3) == "Hi!"


def test_openais_model_takes_the_limit_in_its_own_way():
    openai = pytest.importorskip("langchain_openai", reason="langchain-openai is not installed")

    class Offline(openai.ChatOpenAI):
        def _generate(self, messages, stop=None, run_manager=None, **kwargs):
            payload = self._get_request_payload(messages, stop=stop, **kwargs)
            message = AIMessage(f"{payload['max_completion_tokens']} {payload['stop']}")
            return ChatResult(generations=[ChatGeneration(message=message)])

    llm = as_llm(Offline(model="gpt-4o-mini", api_key="none", max_completion_tokens=5))
    assert llm.name == "gpt-4o-mini"
    assert llm.complete(PROMPT, max_tokens=9, stop=["#"]) == "9 ['"
    assert llm.complete(PROMPT, max_tokens=7, stop=["]"]) == "7 ['"


@pytest.mark.parametrize(
    "metadata",
    [
        {"finish_reason": "length"},
        {"finish_reason": "MAX_TOKENS"},
        {"stop_reason": "max_tokens"},
        {"stopReason": "max_tokens"},
        {"done_reason": "length"},
        {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}},
    ],
)
def test_an_answer_that_was_cut_off_is_an_error(metadata):
    with pytest.raises(AnswerError, match="cut off after 6 characters"):
        answering(AIMessage("He sai", response_metadata=metadata)).complete(PROMPT)


@pytest.mark.parametrize(
    "message",
    [
        AIMessage("", response_metadata={"finish_reason": "content_filter"}),
        AIMessage("So", response_metadata={"finish_reason": "SAFETY"}),
        AIMessage("", response_metadata={"stop_reason": "refusal"}),
        AIMessage("", additional_kwargs={"refusal": "I cannot."}),
    ],
)
def test_a_refusal_is_no_answer(message):
    with pytest.raises(AnswerError, match="refused"):
        answering(message).complete(PROMPT)


@pytest.mark.parametrize("answer", ["", " \n"])
def test_an_empty_answer_is_an_error(answer):
    with pytest.raises(AnswerError, match="empty"):
        answering(AIMessage(answer)).complete(PROMPT)


@pytest.mark.parametrize("metadata", [{"finish_reason": "stop"}, {"stop_reason": "end_turn"}, {}])
def test_an_answer_that_ended_is_whole(metadata):
    assert answering(AIMessage("Hi!", response_metadata=metadata)).complete(PROMPT) == "Hi!"


def test_a_models_error_is_ours_with_its_cause():
    error = ConnectionError("no route")
    with pytest.raises(LLMError, match="Failing failed: ConnectionError: no route") as raised:
        as_llm(Failing(responses=[], error=error)).complete(PROMPT)
    assert type(raised.value) is LLMError
    assert raised.value.__cause__ is error


@pytest.mark.parametrize(
    "error",
    [
        getattr(exceptions, "ContextOverflowError", ValueError)("The prompt is too long."),
        ValueError("This model's maximum context length is 4096 tokens"),
        ValueError("prompt is too long: 210000 tokens > 200000 maximum"),
        ValueError("the request exceeds the available context size"),
    ],
)
def test_a_prompt_that_is_too_long_has_its_own_error(error):
    with pytest.raises(ContextOverflowError, match="longer than the context window of Failing"):
        as_llm(Failing(responses=[], error=error)).complete(PROMPT)


def test_too_many_tokens_a_minute_are_no_overflow():
    error = ValueError("too many tokens this minute")
    error.status_code = 429
    with pytest.raises(LLMError) as raised:
        as_llm(Failing(responses=[], error=error)).complete(PROMPT)
    assert type(raised.value) is LLMError


def test_its_name_and_its_window_are_the_models():
    profile = {"max_input_tokens": 4096}
    llm = as_llm(Recording(responses=[], calls=[], profile=profile))
    assert (llm.name, repr(llm)) == ("recorder", "as_llm('recorder')")
    if "profile" in Recording.model_fields:  # models have had one since langchain-core 1.1
        assert llm.context_window == 4096
    assert as_llm(FakeListChatModel(responses=[])).name == "FakeListChatModel"
    assert as_llm(FakeListChatModel(responses=[]), name="mine").name == "mine"
    assert as_llm(FakeListChatModel(responses=[])).context_window is None


def test_any_runnable_that_answers_messages_will_do():
    assert as_llm(FakeListLLM(responses=["Hi!"])).complete(PROMPT) == "Hi!"
    bound = Recording(responses=[AIMessage("Hi!")], calls=[]).with_retry()
    assert as_llm(bound).complete(PROMPT, max_tokens=3) == "Hi!"
    with pytest.raises(AnswerError, match="a message or a string"):
        as_llm(FakeListLLM(responses=["Hi!"]) | (lambda answer: [answer])).complete(PROMPT)
    with pytest.raises(ConfigurationError, match="chat model"):
        as_llm("gpt-4o-mini")


def test_a_bank_digests_with_a_chat_model(tmp_path):
    answers = iter(["Nora plays the cello.", "Curious."] * 2)
    llm = as_llm(GenericFakeChatModel(messages=answers), name="fake-chat")
    with MemoryBank.open(tmp_path / "a.db", embedder="hashing", llm=llm) as bank:
        bank.add([Turn("My sister Nora plays the cello.", "How lovely!", MONDAY)], user_id=USER)
        report = bank.summarize(user_id=USER, concurrency=1)
        assert not report.failed
        assert bank.summary(user_id=USER, day=MONDAY.date()).made_by == "fake-chat"


# A MemoryBank embedder for LangChain.


def test_our_embedders_are_embeddings_by_name():
    embeddings = MemoryBankEmbeddings("hashing")
    (document,) = embeddings.embed_documents(["the cello"])
    assert document == embeddings.embed_query("the cello")
    assert document == HashingEmbedder().embed_query("the cello").tolist()
    assert asyncio.run(embeddings.aembed_documents([])) == []
    with pytest.raises(ConfigurationError, match="unknown embedder 'hashin'"):
        MemoryBankEmbeddings("hashin")


# Rerankers.

TEXTS = ["soup", "a long tale about tea", "tea"]


class ShortestEncoder(BaseCrossEncoder):
    """Prefers short texts."""

    def score(self, text_pairs):
        assert {query for query, _ in text_pairs} == {"tea?"}
        return [-len(text) for _, text in text_pairs]


class ShortestCompressor(BaseDocumentCompressor):
    """Returns the shortest documents in order, with scores as Cohere's reranker does or without."""

    model: str = "short"
    top_n: int = 3
    scored: bool = True

    def compress_documents(self, documents, query, callbacks=None):
        best = sorted(documents, key=lambda document: len(document.page_content))[: self.top_n]
        if not self.scored:
            return best
        scores = [{"relevance_score": 1 / len(document.page_content)} for document in best]
        return [
            document.model_copy(update={"metadata": document.metadata | score})
            for document, score in zip(best, scores, strict=True)
        ]


def test_a_cross_encoder_is_a_reranker():
    reranker = as_reranker(ShortestEncoder())
    assert isinstance(reranker, Reranker)
    assert reranker.name == "langchain:ShortestEncoder"
    assert reranker.score("tea?", TEXTS).tolist() == [-4, -21, -3]
    assert reranker.score("tea?", []).shape == (0,)


def test_a_compressor_is_a_reranker_by_its_scores_or_its_order():
    reranker = as_reranker(ShortestCompressor())
    assert reranker.name == "langchain:ShortestCompressor:short"
    assert reranker.score("tea?", TEXTS) == pytest.approx([1 / 4, 1 / 21, 1 / 3])
    shortened = as_reranker(ShortestCompressor(top_n=2))
    assert shortened.score("tea?", TEXTS) == pytest.approx([1 / 4, 1 / 4, 1 / 3])
    by_order = as_reranker(ShortestCompressor(top_n=2, scored=False), name="mine")
    assert by_order.name == "mine"
    assert by_order.score("tea?", TEXTS).tolist() == [2.0, 0.0, 3.0]


def test_langchains_own_cross_encoder_reranker_orders_a_search(tmp_path):
    pytest.importorskip("langchain_classic")
    from langchain_classic.retrievers.document_compressors import CrossEncoderReranker

    reranker = as_reranker(CrossEncoderReranker(model=ShortestEncoder(), top_n=30))
    with MemoryBank.open(tmp_path / "a.db", embedder="hashing", reranker=reranker) as bank:
        bank.add([Turn(text, at=MONDAY, session=text) for text in TEXTS], user_id=USER)
        results = bank.search("tea?", user_id=USER)
    assert results[0].memory.text == "tea"
    assert results[0].parts.reranker > results[1].parts.reranker


def test_what_is_no_reranker_is_refused_and_a_failure_is_translated():
    with pytest.raises(ConfigurationError, match="document compressor or cross-encoder"):
        as_reranker(len)
    with pytest.raises(RerankerError, match="langchain:ShortestEncoder failed: AssertionError"):
        as_reranker(ShortestEncoder()).score("soup?", TEXTS)


class EmbeddingsProperties:
    """The properties that LangChain's standard tests need."""

    @property
    def embeddings_class(self):
        return MemoryBankEmbeddings

    @property
    def embedding_model_params(self):
        return {"embedder": "hashing"}


class TestUnit(EmbeddingsProperties, unit_tests.EmbeddingsUnitTests):
    """LangChain's unit tests of embeddings."""


@pytest.mark.asyncio
@pytest.mark.filterwarnings("ignore:.*not an async function")  # some are, some not
class TestIntegration(EmbeddingsProperties, integration_tests.EmbeddingsIntegrationTests):
    """LangChain's integration tests of embeddings."""
