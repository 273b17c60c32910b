"""Tests of ChatLocalModel, the LangChain chat model that wraps a LocalModel."""

import asyncio
import threading

import pytest

pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("transformers", reason="transformers is not installed")
pytest.importorskip("langchain_core", reason="langchain is not installed")

from echo_model import echo_host, random_host
from langchain_core.callbacks import BaseCallbackHandler, UsageMetadataCallbackHandler
from langchain_core.messages import AIMessage, ChatMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.tools import tool
from pydantic import ValidationError

from llms.langchain import ChatLocalModel
from memorybank_core import ConfigurationError, ContextOverflowError, LLMError
from memorybank_langchain import as_llm

unit_tests = pytest.importorskip(
    "langchain_tests.unit_tests", reason="langchain-tests is not installed"
)
integration_tests = pytest.importorskip("langchain_tests.integration_tests")


class ChatModelSettings:
    """Settings of the standard tests: text only, no tools, time-outs or keys."""

    host = echo_host()

    @property
    def chat_model_class(self):
        return ChatLocalModel

    @property
    def chat_model_params(self):
        return {"host": self.host}

    @property
    def standard_chat_model_params(self):
        return {"temperature": 0, "max_tokens": 100, "stop": []}

    has_tool_calling = has_structured_output = False
    returns_usage_metadata = True


class TestUnit(ChatModelSettings, unit_tests.ChatModelUnitTests):
    """LangChain's unit tests of chat models."""


@pytest.mark.asyncio
@pytest.mark.filterwarnings("ignore:.*not an async function")  # of LangChain's sync tests
@pytest.mark.filterwarnings("ignore:.*in beta")  # the events of version 3
class TestIntegration(ChatModelSettings, integration_tests.ChatModelIntegrationTests):
    """LangChain's integration tests of chat models."""


@pytest.fixture
def model():
    return ChatLocalModel(host=echo_host())


class Recorder(BaseCallbackHandler):
    """Records the tokens, answers and errors that callbacks receive."""

    def __init__(self):
        self.tokens, self.ended, self.failed = [], [], []

    def on_llm_new_token(self, token, **kwargs):
        self.tokens.append(token)

    def on_llm_end(self, response, **kwargs):
        self.ended.append(response.generations[0][0].text)

    def on_llm_error(self, error, **kwargs):
        self.failed.append(type(error))


async def wait_until(condition):
    """Wait for a condition, at most five seconds."""
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise TimeoutError


# Answers.


def test_answer_has_finish_reason_and_usage(model):
    answer = model.invoke([("system", "Brief!"), ("human", "Hi"), ("ai", "Yes?"), ("human", "Bye")])
    assert answer.content == "Brief!\nHi\nYes?\nBye"
    assert answer.response_metadata["finish_reason"] == "stop"
    assert answer.response_metadata["model_name"] == "echo"
    tokens = answer.usage_metadata
    assert (tokens["input_tokens"], tokens["output_tokens"], tokens["total_tokens"]) == (24, 20, 44)


def test_call_overrides_fields():
    model = ChatLocalModel(host=echo_host(), max_tokens=3, stop=["!"])
    cut = model.invoke("Hello!")
    assert (cut.content, cut.response_metadata["finish_reason"]) == ("Hel", "length")
    assert model.invoke("Hello!", max_tokens=30).content == "Hello"
    assert model.invoke("Hello!", max_tokens=30, stop=["lo"]).content == "Hel"
    assert model.bind(max_tokens=4).invoke("Hello!").content == "Hell"
    assert model.invoke("Hello!", max_tokens=30, num_beams=2, seed=3).content == "Hello"


def test_reasoning_blocks_are_ignored(model):
    blocks = [{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo"}]
    thinking = [{"type": "reasoning", "reasoning": "hm"}, {"type": "text", "text": "Yes?"}]
    messages = [
        HumanMessage(content=blocks),
        AIMessage(content=thinking),
        ChatMessage("Bye", role="user"),
    ]
    assert model.invoke(messages).content == "Hello\nYes?\nBye"


def test_content_other_than_text_is_rejected(model):
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    call = {"name": "add", "args": {}, "id": "1", "type": "tool_call"}
    for message, expected in [
        (ToolMessage("3", tool_call_id="1"), "a message of type 'tool'"),
        (HumanMessage(content=[image]), "a block of type"),
        (AIMessage("", tool_calls=[call]), "calls tools"),
        (ChatMessage("Hi", role="narrator"), "a message of type 'chat'"),
    ]:
        with pytest.raises(ConfigurationError, match=f"echo does not support.*{expected}.*Omit it"):
            model.invoke([message, HumanMessage("Hi")])


def test_tools_are_rejected(model):
    @tool
    def add(a: int, b: int) -> int:
        """Adds."""
        return a + b

    with pytest.raises(NotImplementedError):
        model.bind_tools([add])
    with pytest.raises(
        ConfigurationError, match=r"ChatLocalModel does not support tools.*max_tokens, temp"
    ):
        model.invoke("Hi", tools=[add])


def test_invalid_fields_are_rejected():
    with pytest.raises(ConfigurationError, match=r"top_p.*seed"):
        ChatLocalModel(host=echo_host(), top_p=2.0, seed=2**70)
    with pytest.raises(ValidationError, match="temprature"):
        ChatLocalModel(host=echo_host(), temprature=0)
    with pytest.raises(ValidationError, match="LocalModel"):
        ChatLocalModel(host="echo")


def test_errors_reach_caller_and_callbacks():
    recorder = Recorder()
    model = ChatLocalModel(host=echo_host(context_window=12), callbacks=[recorder])
    with pytest.raises(ContextOverflowError, match="too many"):
        model.invoke("Hello world")
    with pytest.raises(ContextOverflowError, match="too many"):
        list(model.stream("Hello world"))
    model.host.close()
    with pytest.raises(LLMError, match="closed"):
        asyncio.run(model.ainvoke("Hi"))
    assert recorder.failed == [ContextOverflowError, ContextOverflowError, LLMError]


def test_tokens_are_counted_by_host_tokenizer(model):
    assert model.get_num_tokens("né 你!") == 8
    messages = [SystemMessage("Brief!"), HumanMessage("Hi")]
    count = model.invoke(messages).usage_metadata["input_tokens"]
    assert model.get_num_tokens_from_messages(messages) == count
    with pytest.raises(ConfigurationError, match="tools"):
        model.get_num_tokens_from_messages(messages, tools=[{}])


def test_chain(model):
    prompt = ChatPromptTemplate.from_messages([("system", "Brief!"), ("human", "{words}")])
    chain = prompt | model | StrOutputParser()
    assert chain.invoke({"words": "Hi"}) == "Brief!\nHi"
    assert "".join(chain.stream({"words": "Hi"})) == "Brief!\nHi"


def test_language_model_of_bank(model):
    llm = as_llm(model)
    assert (llm.name, llm.context_window) == ("echo", 2048)
    answer = llm.complete([{"role": "user", "content": "Hello"}])
    assert (answer, answer.tokens) == ("Hello", 8 + 7)
    with pytest.raises(LLMError, match="cut off"):
        llm.complete([{"role": "user", "content": "Hello"}], max_tokens=2)


def test_load_from_folder(tmp_path):
    random_model = random_host()
    random_model.model.save_pretrained(tmp_path / "random")
    random_model.tokenizer.save_pretrained(tmp_path / "random")
    model = ChatLocalModel.load(
        tmp_path / "random", max_tokens=5, temperature=0, dtype="float32", progress=False
    )
    assert (model.model_name, model.max_tokens) == ("random", 5)
    answer = random_model.answer([{"role": "user", "content": "Hi"}], max_tokens=5, temperature=0)
    assert model.invoke("Hi").content == answer.text


# Streams.


def test_stream_yields_the_answer_in_pieces(model):
    recorder = Recorder()
    chunks = list(model.stream("Hello 你!", config={"callbacks": [recorder]}))
    assert [chunk.content for chunk in chunks] == ["H", "e", "l", "l", "o", " 你", "!", ""]
    assert recorder.tokens == [chunk.content for chunk in chunks]
    whole = sum(chunks[1:], chunks[0])
    answer = model.invoke("Hello 你!")
    assert whole.content == answer.content == recorder.ended[0]
    assert whole.usage_metadata == answer.usage_metadata
    assert whole.response_metadata["finish_reason"] == "stop"
    assert all(chunk.usage_metadata is None for chunk in chunks[:-1])


def test_invoke_streams_to_callbacks():
    recorder = Recorder()
    model = ChatLocalModel(host=echo_host(), streaming=True, callbacks=[recorder])
    assert model.invoke("Hi").content == "Hi"
    assert recorder.tokens == ["H", "i", ""]


def test_closing_stream_ends_generation(model):
    model.host.model.pause = 0.005
    stream = model.stream("x" * 500)
    next(stream)
    stream.close()
    assert model.host.model.steps < 20
    assert model.invoke("Hi").content == "Hi"


# Concurrency.


def test_batch_keeps_order_and_callbacks(model):
    texts = [f"Number {number}" for number in range(6)]
    recorders = [Recorder() for _ in texts]
    answers = model.batch(texts, config=[{"callbacks": [recorder]} for recorder in recorders])
    assert [answer.content for answer in answers] == texts
    assert [recorder.ended for recorder in recorders] == [[text] for text in texts]
    answers = asyncio.run(model.abatch(texts))
    assert [answer.content for answer in answers] == texts


def test_batch_usage_is_counted(model):
    counted = UsageMetadataCallbackHandler()
    model.batch(["Hi", "Hello"], config={"callbacks": [counted]})
    assert counted.usage_metadata["echo"]["output_tokens"] == 4 + 7


def test_concurrent_answers_are_not_mixed(model):
    answers = {}

    def ask(text):
        answers[text] = "".join(chunk.content for chunk in model.stream(text))

    threads = [threading.Thread(target=ask, args=(f"Number {number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 8
    assert all(text == answer for text, answer in answers.items())


@pytest.mark.parametrize("method", ["ainvoke", "astream"])
def test_cancelling_ends_generation(model, method):
    host_model = model.host.model
    host_model.pause = 0.005

    async def ask():
        if method == "ainvoke":
            await model.ainvoke("x" * 500)
        async for _ in model.astream("x" * 500):
            pass

    async def main():
        task = asyncio.create_task(ask())
        await wait_until(lambda: host_model.steps > 2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return (await model.ainvoke("Hi")).content

    assert asyncio.run(main()) == "Hi"
    assert host_model.steps < 50


def test_closing_async_stream_ends_generation(model):
    host_model = model.host.model
    host_model.pause = 0.005

    async def main():
        stream = model.astream("x" * 500)
        async for chunk in stream:
            assert chunk.content == "x"
            break
        await stream.aclose()
        return (await model.ainvoke("Hi")).content

    assert asyncio.run(main()) == "Hi"
    assert host_model.steps < 50


def test_event_loop_is_not_blocked(model):
    model.host.model.pause = 0.005

    async def main():
        task, turns = asyncio.create_task(model.ainvoke("x" * 40)), 0
        while not task.done():
            await asyncio.sleep(0.005)
            turns += 1
        return turns

    assert asyncio.run(main()) > 10
