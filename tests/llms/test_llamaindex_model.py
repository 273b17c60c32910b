"""Tests of LocalLLM, the LlamaIndex language model that wraps a LocalModel.

LlamaIndex has no standard tests of language models; these follow those of LangChain.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("transformers", reason="transformers is not installed")
pytest.importorskip("llama_index.core", reason="llama-index-core is not installed")

from echo_model import echo_host
from llama_index.core.base.llms.types import (
    ChatMessage,
    ImageBlock,
    MessageRole,
    TextBlock,
    ThinkingBlock,
)
from llama_index.core.callbacks import CallbackManager, CBEventType, TokenCountingHandler
from llama_index.core.chat_engine import SimpleChatEngine
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.prompts import PromptTemplate
from pydantic import ValidationError

from llms.llamaindex import LocalLLM
from memorybank_core import ConfigurationError, ContextOverflowError, LLMError
from memorybank_llamaindex import as_llm


def conversation(*texts):
    """Return a conversation with these texts, which starts with the user."""
    roles = ["user", "assistant"] * len(texts)
    return [ChatMessage(text, role=role) for role, text in zip(roles, texts, strict=False)]


@pytest.fixture
def llm():
    return LocalLLM(host=echo_host())


async def collect(stream):
    return [part async for part in await stream]


# Answers.


def test_chat_and_completion(llm):
    answer = llm.chat(conversation("Hello"))
    assert (answer.message.role, answer.message.content) == (MessageRole.ASSISTANT, "Hello")
    assert llm.complete("Hello").text == "Hello"
    assert llm.predict(PromptTemplate("Say {word}!"), word="soup") == "Say soup!"


def test_async_chat_and_completion(llm):
    assert asyncio.run(llm.achat(conversation("Hello"))).message.content == "Hello"
    assert asyncio.run(llm.acomplete("Hello")).text == "Hello"


def test_whole_conversation_is_in_prompt(llm):
    messages = [ChatMessage("Brief!", role="system"), *conversation("Hi", "Yes?", "Bye")]
    assert llm.chat(messages).message.content == "Brief!\nHi\nYes?\nBye"
    assert llm.chat(conversation("Hi") + conversation("Hello")).message.content == "Hi\nHello"
    messages = [
        ChatMessage("Brief!", role="developer"),
        ChatMessage("Hi", role="model"),
        *conversation("Bye"),
    ]
    assert llm.chat(messages).message.content == "Brief!\nHi\nBye"


def test_answer_has_finish_reason_and_usage(llm):
    usage = {"prompt_tokens": 8, "completion_tokens": 7, "total_tokens": 15}
    for answer in (
        llm.chat(conversation("Hello")),
        llm.complete("Hello"),
        list(llm.stream_chat(conversation("Hello")))[-1],
        list(llm.stream_complete("Hello"))[-1],
    ):
        assert answer.raw == {"model": "echo", "finish_reason": "stop", "usage": usage}
        assert answer.additional_kwargs == usage
    assert llm.complete("Hello", max_tokens=2).raw["finish_reason"] == "length"


def test_call_overrides_fields():
    llm = LocalLLM(host=echo_host(), max_tokens=3, stop=["!"])
    assert llm.complete("Hello!").text == "Hel"
    assert llm.complete("Hello!", max_tokens=30).text == "Hello"
    assert llm.complete("Hello!", max_tokens=30, stop=["lo"]).text == "Hel"
    assert llm.chat(conversation("Hello!"), max_tokens=30, stop="l", seed=3).message.content == "He"


def test_metadata_of_host():
    metadata = LocalLLM(host=echo_host(context_window=100), max_tokens=30).metadata
    assert (metadata.context_window, metadata.num_output) == (100, 30)
    assert (metadata.model_name, metadata.is_chat_model) == ("echo", True)
    assert not metadata.is_function_calling_model
    assert LocalLLM.class_name() == "LocalLLM"


def test_thinking_blocks_are_ignored(llm):
    thinking = ChatMessage(
        role="assistant", blocks=[ThinkingBlock(content="hm"), TextBlock(text="Yes?")]
    )
    assert (
        llm.chat([*conversation("Hi"), thinking, *conversation("Bye")]).message.content
        == "Hi\nYes?\nBye"
    )


def test_content_other_than_text_is_rejected(llm):
    for message, expected in [
        (ChatMessage("3", role="tool"), "a message of the role .tool."),
        (ChatMessage(role="user", blocks=[ImageBlock(image=b"AAAA")]), "an? ImageBlock"),
        (ChatMessage("", role="assistant", additional_kwargs={"tool_calls": [1]}), "calls tools"),
    ]:
        with pytest.raises(ConfigurationError, match=f"echo does not support.*{expected}.*Omit it"):
            llm.chat([message, *conversation("Hi")])
    with pytest.raises(ConfigurationError, match="LocalLLM does not support tools"):
        llm.chat(conversation("Hi"), tools=[])


def test_invalid_fields_are_rejected():
    with pytest.raises(ConfigurationError, match="top_p"):
        LocalLLM(host=echo_host(), top_p=2.0)
    with pytest.raises(ValidationError, match="temprature"):
        LocalLLM(host=echo_host(), temprature=0)


def test_errors_reach_caller():
    llm = LocalLLM(host=echo_host(context_window=12))
    for ask in (llm.complete, lambda text: list(llm.stream_complete(text))):
        with pytest.raises(ContextOverflowError, match="too many"):
            ask("Hello world")
    with pytest.raises(ContextOverflowError, match="too many"):
        asyncio.run(llm.acomplete("Hello world"))
    with pytest.raises(ContextOverflowError, match="too many"):
        asyncio.run(collect(llm.astream_chat(conversation("Hello world"))))
    llm.host.close()
    with pytest.raises(LLMError, match="closed"):
        llm.chat(conversation("Hi"))


def test_language_model_of_bank(llm):
    model = as_llm(llm)
    assert (model.name, model.context_window) == ("echo", 2048)
    answer = model.complete([{"role": "user", "content": "Hello"}])
    assert (answer, answer.tokens) == ("Hello", 15)
    with pytest.raises(LLMError, match="cut off"):
        model.complete([{"role": "user", "content": "Hello"}], max_tokens=2)


# Streams.


def test_stream_yields_the_answer_in_pieces(llm):
    parts = list(llm.stream_chat(conversation("Hello 你!")))
    assert [part.delta for part in parts] == ["H", "e", "l", "l", "o", " 你", "!", ""]
    assert [part.message.content for part in parts[:2]] == ["H", "He"]
    assert parts[-1].message.content == llm.chat(conversation("Hello 你!")).message.content
    completed = list(llm.stream_complete("Hello 你!"))
    assert [part.delta for part in completed] == [part.delta for part in parts]
    assert completed[-1].text == "Hello 你!"


def test_async_stream_yields_the_same(llm):
    parts = list(llm.stream_chat(conversation("Hello")))
    assert asyncio.run(collect(llm.astream_chat(conversation("Hello")))) == parts
    parts = list(llm.stream_complete("Hello"))
    assert asyncio.run(collect(llm.astream_complete("Hello"))) == parts


@pytest.mark.parametrize("method", ["stream_chat", "stream_complete"])
def test_closing_stream_ends_generation(llm, method):
    llm.host.model.pause = 0.005
    stream = getattr(llm, method)(conversation("x" * 500) if "chat" in method else "x" * 500)
    next(stream)
    stream.close()
    assert llm.complete("Hi").text == "Hi"
    assert llm.host.model.steps < 50


@pytest.mark.parametrize("method", ["astream_chat", "astream_complete"])
def test_closing_async_stream_ends_generation(llm, method):
    llm.host.model.pause = 0.005

    async def main():
        stream = await getattr(llm, method)(
            conversation("x" * 500) if "chat" in method else "x" * 500
        )
        await anext(stream)
        await stream.aclose()
        return (await llm.acomplete("Hi")).text

    assert asyncio.run(main()) == "Hi"
    assert llm.host.model.steps < 50


def test_cancelling_ends_generation(llm):
    llm.host.model.pause = 0.005

    async def main():
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(llm.achat(conversation("x" * 500)), timeout=0.1)
        return (await llm.acomplete("Hi")).text

    assert asyncio.run(main()) == "Hi"
    assert llm.host.model.steps < 100


# Concurrency, callbacks, chat engine.


def test_concurrent_answers_are_not_mixed(llm):
    texts = [f"Number {number}" for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        assert [answer.text for answer in pool.map(llm.complete, texts)] == texts

    async def both():
        return await asyncio.gather(
            *(llm.acomplete(text) for text in texts),
            *(collect(llm.astream_complete(text)) for text in texts),
        )

    answers = asyncio.run(both())
    assert [answer.text for answer in answers[:8]] == texts
    assert [parts[-1].text for parts in answers[8:]] == texts


def test_callbacks_count_tokens():
    counter = TokenCountingHandler(tokenizer=str.split)
    llm = LocalLLM(host=echo_host(), callback_manager=CallbackManager([counter]))
    llm.chat(conversation("Hello"))
    llm.complete("Hi")
    assert counter.prompt_llm_token_count == 8 + 5
    assert counter.completion_llm_token_count == 7 + 4
    assert CBEventType.LLM not in counter.event_starts_to_ignore


def test_chat_engine(llm):
    engine = SimpleChatEngine.from_defaults(
        llm=llm, system_prompt="Brief!", memory=ChatMemoryBuffer.from_defaults(token_limit=1000)
    )
    assert str(engine.chat("Hi")) == "Brief!\nHi"
    assert "".join(engine.stream_chat("Bye").response_gen) == "Brief!\nHi\nBrief!\nHi\nBye"
    assert [message.content for message in engine.chat_history][:2] == ["Hi", "Brief!\nHi"]

    async def main():
        response = await engine.astream_chat("So?")
        return "".join([text async for text in response.async_response_gen()])

    assert asyncio.run(main()).endswith("\nBye\nSo?")
