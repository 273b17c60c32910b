"""MemoryBank language models as LangChain chat models."""

import asyncio

import pytest

pytest.importorskip("langchain_core", reason="langchain is not installed")

from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

from memorybank_core import AnswerError
from memorybank_core.testing import FakeLLM
from memorybank_langchain import as_chat_model, as_llm

CONVERSATION = [
    SystemMessage("Be brief."),
    HumanMessage("Hi."),
    AIMessage("Hello."),
    HumanMessage("Bye."),
]


class Streaming:
    """Echoes its prompt, a word at a time."""

    name = "streaming"

    def __init__(self):
        self.closed = False

    def complete(self, messages, *, max_tokens=None, stop=None):
        return " ".join(f"{message['role']}={message['content']}" for message in messages)

    def stream(self, messages, *, max_tokens=None, stop=None):
        try:
            for word in self.complete(messages).split(" "):
                yield f"{word} "
        finally:
            self.closed = True


def test_it_receives_the_roles():
    answer = as_chat_model(Streaming()).invoke(CONVERSATION)
    assert answer.text == "system=Be brief. user=Hi. assistant=Hello. user=Bye."


def test_it_receives_only_the_text_of_content():
    blocks = [
        {"type": "video", "url": "https://example.com/owl.mp4"},
        {"type": "reasoning", "reasoning": "Hm"},
        {"type": "text", "text": "Hi."},
    ]
    assert as_chat_model(Streaming()).invoke([HumanMessage(blocks)]).text == "user=Hi."


def test_it_streams_what_the_model_streams():
    pieces = [chunk.text for chunk in as_chat_model(Streaming()).stream(CONVERSATION)]
    assert len([piece for piece in pieces if piece]) == 5
    assert "".join(pieces).strip() == as_chat_model(Streaming()).invoke(CONVERSATION).text


def test_a_stream_that_nobody_reads_on_is_closed():
    llm = Streaming()
    stream = as_chat_model(llm).stream(CONVERSATION)
    next(stream)
    stream.close()
    assert llm.closed


def test_a_model_that_cannot_stream_gives_its_answer_whole():
    model = as_chat_model(FakeLLM(["Certainly."]))
    assert [chunk.text for chunk in model.stream("Hi.") if chunk.text] == ["Certainly."]


def test_async():
    answer = asyncio.run(as_chat_model(FakeLLM(["Certainly."])).ainvoke("Hi."))
    assert answer.text == "Certainly."


def test_its_errors_are_the_models_own():
    def refuse(messages):
        raise AnswerError("no")

    with pytest.raises(AnswerError, match="no"):
        as_chat_model(FakeLLM(refuse)).invoke("Hi.")


def test_it_keeps_its_name_on_the_way_there_and_back():
    assert as_llm(as_chat_model(Streaming())).name == "streaming"
