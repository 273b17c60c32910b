"""Bridges between LlamaIndex models and MemoryBank models."""

import asyncio
from datetime import datetime, timezone
from enum import Enum
from types import SimpleNamespace as Part
from typing import Any

import numpy as np
import pytest

pytest.importorskip("llama_index.core", reason="llama-index-core is not installed")

from llama_index.core import VectorStoreIndex
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    LLMMetadata,
    MessageRole,
    TextBlock,
    ThinkingBlock,
)
from llama_index.core.bridge.pydantic import Field
from llama_index.core.embeddings import MockEmbedding
from llama_index.core.llms import MockLLM
from llama_index.core.postprocessor import SimilarityPostprocessor
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import TextNode

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
from memorybank_llamaindex.bridges import MemoryBankEmbedding, as_embedder, as_llm, as_reranker

USER = "alice@example.com"
MONDAY = datetime(2024, 3, 4, 9, tzinfo=timezone.utc)
PROMPT = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello?"}]


class Scripted(BaseEmbedding):
    """An embedding that returns or raises scripted outputs."""

    outputs: list

    def _get_query_embedding(self, query):
        output = self.outputs.pop(0)
        if isinstance(output, Exception):
            raise output
        return output

    async def _aget_query_embedding(self, query):
        return self._get_query_embedding(query)

    def _get_text_embedding(self, text):
        return self._get_query_embedding(text)


# An embedding as an embedder.


def test_any_embedding_is_an_embedder_of_unit_length():
    embedder = as_embedder(MockEmbedding(embed_dim=7))
    assert isinstance(embedder, Embedder)
    assert embedder.dimension == 7
    for vectors in (embedder.embed_documents(["a", "b"]), embedder.embed_query("a")):
        assert vectors.dtype == np.float32
        assert np.linalg.norm(vectors, axis=-1) == pytest.approx(1)
    assert embedder.embed_documents([]).shape == (0, 7)


def test_an_embedders_name_is_its_class_and_its_model():
    assert as_embedder(MockEmbedding(embed_dim=7)).name == "llamaindex:MockEmbedding"
    named = MockEmbedding(embed_dim=7, model_name="e5")
    assert as_embedder(named).name == "llamaindex:MockEmbedding:e5"
    assert as_embedder(named, name="mine").name == "mine"
    assert repr(as_embedder(named)) == "as_embedder('llamaindex:MockEmbedding:e5')"


def test_nothing_is_embedded_before_it_is_needed():
    assert as_embedder(Scripted(outputs=[])).name == "llamaindex:Scripted"


def test_a_bank_by_a_foreign_embedding_finds_and_knows_who_wrote_it(tmp_path):
    embedder = as_embedder(MemoryBankEmbedding("hashing"), name="foreign")
    with MemoryBank.open(tmp_path / "a.db", embedder=embedder) as bank:
        bank.add(
            [Turn("Nora plays the cello.", "", MONDAY), Turn("Soup!", "", MONDAY)], user_id=USER
        )
        results = bank.search("the cello", user_id=USER, k=1)
    assert results[0].memory.text == "Nora plays the cello."
    with pytest.raises(EmbedderMismatchError, match="foreign"):
        MemoryBank.open(tmp_path / "a.db", embedder=as_embedder(MockEmbedding(embed_dim=256)))


def test_our_own_embedding_comes_back_as_the_embedder_it_holds():
    embedder = HashingEmbedder(64)
    assert as_embedder(MemoryBankEmbedding(embedder)) is embedder
    assert as_embedder(MemoryBankEmbedding(embedder), name="mine").name == "mine"


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (ConnectionError("no route"), "ConnectionError: no route"),
        ([1.0, 0.0, 0.0], "shape"),
        ([0.0, 0.0], "zeros"),
        ([float("nan"), 1.0], "not finite"),
    ],
)
def test_an_embedding_that_fails_is_an_embedder_error(output, message):
    embedder = as_embedder(Scripted(outputs=[[3.0, 4.0], output]))
    assert embedder.dimension == 2
    with pytest.raises(EmbedderError, match=message) as error:
        embedder.embed_documents(["a"])
    assert not isinstance(output, Exception) or error.value.__cause__ is output


def test_what_is_no_embedding_is_refused():
    with pytest.raises(ConfigurationError, match="embedding"):
        as_embedder("hashing")


# A model as a language model.


class Talking(MockLLM):
    """An LLM with a fixed answer that records its calls."""

    answer: Any = "Hi!"
    raw: Any = None
    additional: dict = Field(default_factory=dict)
    calls: list = Field(default_factory=list)
    model: str = ""
    window: int = 4096

    def __init__(self, **values):
        super().__init__()
        for name, value in values.items():
            setattr(self, name, value)

    @property
    def metadata(self):
        return LLMMetadata(context_window=self.window)

    def chat(self, messages, **kwargs):
        self.calls.append((messages, self.max_tokens, kwargs))
        if isinstance(self.answer, Exception):
            raise self.answer
        message = ChatMessage(self.answer, role="assistant")
        return ChatResponse(message=message, raw=self.raw, additional_kwargs=self.additional)


def answering(answer="Hi!", **values):
    return as_llm(Talking(answer=answer, **values))


def test_a_model_answers():
    answer = answering().complete(PROMPT)
    assert (answer, answer.tokens) == ("Hi!", None)
    assert isinstance(answer, Completion)
    assert as_llm(MockLLM()).complete(PROMPT).startswith("system: Be brief.")


@pytest.mark.parametrize(
    "values",
    [
        {"raw": {"usage": {"total_tokens": 7}}},
        {"raw": Part(usage=Part(total_tokens=7))},
        {"raw": {"usage": Part(input_tokens=5, output_tokens=2)}},
        {"raw": {"usage_metadata": {"total_token_count": 7}}},
        {"raw": {"prompt_eval_count": 5, "eval_count": 2}},
        {"additional": {"total_tokens": 7}},
    ],
)
def test_tokens_are_counted_if_the_provider_reports_them(values):
    assert answering(**values).complete(PROMPT).tokens == 7


def test_the_text_of_an_answer_in_blocks_counts_and_no_thinking():
    blocks = [ThinkingBlock(content="hm"), TextBlock(text="Hi!")]
    assert answering(blocks).complete(PROMPT) == "Hi!"


def test_roles_and_limits_reach_the_model_and_stops_are_kept():
    model = Talking(answer="Hi! END and so on")
    prompt = [*PROMPT, {"role": "assistant", "content": "Yes?"}]
    assert as_llm(model).complete(prompt, max_tokens=9, stop=["END"]) == "Hi! "
    as_llm(model).complete(PROMPT)
    (messages, limit, kwargs), (_, no_limit, _) = model.calls
    assert [message.role for message in messages] == [
        MessageRole.SYSTEM, MessageRole.USER, MessageRole.ASSISTANT,
    ]  # fmt: skip
    assert [message.content for message in messages] == ["Be brief.", "Hello?", "Yes?"]
    assert (limit, kwargs, no_limit, model.max_tokens) == (9, {}, None, None)


class Reason(Enum):
    """A finish reason as some providers return it."""

    LONG = "MAX_TOKENS"


@pytest.mark.parametrize(
    "raw",
    [
        {"choices": [{"finish_reason": "length"}]},
        Part(choices=[Part(finish_reason="length")]),
        {"finish_reason": Reason.LONG},
        {"candidates": [{"finish_reason": "MAX_TOKENS"}]},
        {"stop_reason": "max_tokens"},
        {"stopReason": "max_tokens"},
        {"done_reason": "length"},
        Part(incomplete_details=Part(reason="max_output_tokens")),
    ],
)
def test_an_answer_that_was_cut_off_is_an_error(raw):
    with pytest.raises(AnswerError, match="cut off after 6 characters"):
        answering("He sai", raw=raw).complete(PROMPT)
    assert answering("He said END", raw=raw).complete(PROMPT, stop=["END"]) == "He said "


@pytest.mark.parametrize(
    "raw",
    [
        {"choices": [{"finish_reason": "content_filter"}]},
        {"finish_reason": "SAFETY"},
        {"stop_reason": "refusal"},
        Part(choices=[Part(finish_reason="stop", message=Part(refusal="I cannot."))]),
    ],
)
def test_a_refusal_is_no_answer(raw):
    with pytest.raises(AnswerError, match="refused"):
        answering("So", raw=raw).complete(PROMPT)


@pytest.mark.parametrize("answer", ["", " \n", []])
def test_an_empty_answer_is_an_error(answer):
    with pytest.raises(AnswerError, match="empty"):
        answering(answer).complete(PROMPT)


@pytest.mark.parametrize(
    "raw",
    [{"choices": [{"finish_reason": "stop"}]}, {"stop_reason": "end_turn"}, {"choices": []}, "?"],
)
def test_an_answer_that_ended_is_whole(raw):
    assert answering(raw=raw).complete(PROMPT) == "Hi!"


def test_a_models_error_is_ours_with_its_cause():
    error = ConnectionError("no route")
    with pytest.raises(LLMError, match="Talking failed: ConnectionError: no route") as raised:
        answering(error).complete(PROMPT)
    assert type(raised.value) is LLMError
    assert raised.value.__cause__ is error


def test_a_prompt_that_is_too_long_has_its_own_error():
    error = ValueError("This model's maximum context length is 4096 tokens")
    with pytest.raises(ContextOverflowError, match="longer than the context window of Talking"):
        answering(error).complete(PROMPT)
    error = ValueError("too many tokens this minute")
    error.status_code = 429
    with pytest.raises(LLMError) as raised:
        answering(error).complete(PROMPT)
    assert type(raised.value) is LLMError


def test_its_name_and_its_window_are_the_models():
    llm = answering(model="talker")
    assert (llm.name, llm.context_window, repr(llm)) == ("talker", 4096, "as_llm('talker')")
    assert as_llm(MockLLM()).name == "MockLLM"
    assert as_llm(MockLLM(), name="mine").name == "mine"


def test_what_is_no_model_is_refused():
    class Unknown(MockLLM):
        @property
        def metadata(self):
            raise ValueError("Unknown model 'gpt-99'.")

    with pytest.raises(ConfigurationError, match="LlamaIndex LLM"):
        as_llm("gpt-4o-mini")
    with pytest.raises(ConfigurationError, match="gpt-99"):
        as_llm(Unknown())


def test_a_bank_digests_with_a_model(tmp_path):
    llm = as_llm(Talking(answer="Nora plays the cello."), name="mock")
    with MemoryBank.open(tmp_path / "a.db", embedder="hashing", llm=llm) as bank:
        bank.add([Turn("My sister Nora plays the cello.", "How lovely!", MONDAY)], user_id=USER)
        report = bank.summarize(user_id=USER)
        assert not report.failed
        assert bank.summary(user_id=USER, day=MONDAY.date()).made_by == "mock"


# A MemoryBank embedder for LlamaIndex.


def test_our_embedders_are_embeddings_by_name():
    embedding = MemoryBankEmbedding("hashing")
    query = HashingEmbedder().embed_query("the cello").tolist()
    assert embedding.get_query_embedding("the cello") == query
    assert embedding.get_text_embedding("the cello") == query
    assert embedding.get_text_embedding_batch(["the cello"] * 2) == [query] * 2
    assert asyncio.run(embedding.aget_query_embedding("the cello")) == query
    assert asyncio.run(embedding.aget_text_embedding("the cello")) == query
    assert asyncio.run(embedding.aget_text_embedding_batch(["the cello"] * 2)) == [query] * 2
    with pytest.raises(ConfigurationError, match="unknown embedder 'hashin'"):
        MemoryBankEmbedding("hashin")


def test_our_embedding_survives_llamaindexs_serialization():
    embedding = MemoryBankEmbedding("hashing", embed_batch_size=3)
    again = MemoryBankEmbedding.from_dict(embedding.to_dict())
    assert (again.model_name, again.embed_batch_size) == ("hashing", 3)
    assert again.get_query_embedding("cello") == embedding.get_query_embedding("cello")


@pytest.mark.filterwarnings("ignore:`langchain-community`:DeprecationWarning")  # LlamaIndex asks
def test_an_index_of_llamaindexs_finds_by_our_embedder():
    nodes = [TextNode(text=text, id_=text) for text in ("Nora plays the cello.", "Soup!")]
    index = VectorStoreIndex(nodes, embed_model=MemoryBankEmbedding("hashing"))
    (node,) = index.as_retriever(similarity_top_k=1).retrieve("the cello")
    assert node.node_id == "Nora plays the cello."


# Rerankers.

TEXTS = ["soup", "a long tale about tea", "tea"]


class ShortestRerank(BaseNodePostprocessor):
    """Returns the shortest nodes in order, with scores or without."""

    model: str = "short"
    top_n: int = 3
    scored: bool = True

    def _postprocess_nodes(self, nodes, query_bundle=None):
        if query_bundle.query_str != "tea?":
            raise OSError("the server is away")
        if self.scored:
            for node in nodes:
                node.score = 1 / len(node.node.text)
        return sorted(nodes, key=lambda node: len(node.node.text))[: self.top_n]


def test_a_postprocessor_is_a_reranker_by_its_scores_or_its_order():
    reranker = as_reranker(ShortestRerank())
    assert isinstance(reranker, Reranker)
    assert reranker.name == "llamaindex:ShortestRerank:short"
    assert reranker.score("tea?", TEXTS) == pytest.approx([1 / 4, 1 / 21, 1 / 3])
    shortened = as_reranker(ShortestRerank(top_n=2))
    assert shortened.score("tea?", TEXTS) == pytest.approx([1 / 4, 1 / 4, 1 / 3])
    by_order = as_reranker(ShortestRerank(top_n=2, scored=False), name="mine")
    assert by_order.name == "mine"
    assert by_order.score("tea?", TEXTS).tolist() == [2.0, 0.0, 3.0]


def test_a_postprocessor_that_drops_everything_changes_nothing():
    reranker = as_reranker(SimilarityPostprocessor(similarity_cutoff=0.5))
    assert reranker.score("tea?", TEXTS).tolist() == [0.0, 0.0, 0.0]


def test_a_search_is_reranked_by_a_postprocessor(tmp_path):
    reranker = as_reranker(ShortestRerank())
    with MemoryBank.open(tmp_path / "a.db", embedder="hashing", reranker=reranker) as bank:
        bank.add([Turn(text, "", MONDAY, session=text) for text in TEXTS], user_id=USER)
        results = bank.search("tea?", user_id=USER)
    assert results[0].memory.text == "tea"
    assert results[0].parts.reranker > results[1].parts.reranker


def test_what_is_no_reranker_is_refused_and_a_failure_is_translated():
    with pytest.raises(ConfigurationError, match="node postprocessor"):
        as_reranker(len)
    with pytest.raises(RerankerError, match="ShortestRerank:short failed: OSError"):
        as_reranker(ShortestRerank()).score("soup?", TEXTS)
