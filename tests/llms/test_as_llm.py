"""Tests of as_llm, which adapts an object or a function to the `LLM` protocol."""

import pytest

from llms import as_llm
from memorybank_core import (
    AnswerError,
    Completion,
    ConfigurationError,
    ContextOverflowError,
    LLMError,
    StoreBusyError,
)
from memorybank_core.testing import FakeLLM

HELLO = [{"role": "user", "content": "Hello!"}]


class Echo:
    """A model that repeats the last message, or raises an error."""

    name = "echo"
    context_window = 512

    def __init__(self, error=None):
        self.error = error
        self.options = []

    def complete(self, messages, *, max_tokens=None, stop=None):
        self.options.append((max_tokens, stop))
        if self.error is not None:
            raise self.error
        return Completion(f"You said {messages[-1]['content']}", 12)


def shout(messages):
    return messages[-1]["content"].upper()


async def answer_async(messages):
    return "Hello!"


def test_object_is_called_with_options():
    echo = Echo()
    model = as_llm(echo)
    answer = model.complete(HELLO, max_tokens=5, stop=["END"])
    assert (answer, answer.tokens) == ("You said Hello!", 12)
    assert model.complete(HELLO) == "You said Hello!"
    assert model.complete(HELLO, stop=["llo"]) == "You said He"
    assert echo.options == [(5, ["END"]), (None, None), (None, ["llo"])]
    assert (model.name, model.context_window) == ("echo", 512)
    assert not hasattr(model, "count_tokens")


def test_fake_llm_is_adapted():
    fake = FakeLLM(["Hi."])
    assert as_llm(fake).complete(HELLO) == "Hi."
    assert fake.asked == [HELLO]


def test_function_answer_is_cut_at_stop_string():
    model = as_llm(shout)
    assert model.complete(HELLO, max_tokens=5) == "HELLO!"
    assert model.complete(HELLO, stop=["O", "L"]) == "HE"
    assert model.name == "shout"
    assert as_llm(shout, name="mine").name == "mine"


def test_default_name_is_that_of_class():
    class Nameless:
        def __call__(self, messages):
            return messages[-1]["content"]

    model = as_llm(Nameless())
    assert (model.name, model.complete(HELLO)) == ("Nameless", "Hello!")


def test_messages_of_caller_are_not_changed():
    def clear_message(messages):
        messages[0].clear()
        return "done"

    assert as_llm(clear_message).complete(HELLO) == "done"
    assert HELLO == [{"role": "user", "content": "Hello!"}]


def test_foreign_errors_are_translated_and_chained():
    cause = RuntimeError("no more memory")
    with pytest.raises(LLMError, match="echo failed: RuntimeError: no more memory") as caught:
        as_llm(Echo(cause)).complete(HELLO)
    assert caught.value.__cause__ is cause


def test_foreign_overflow_is_translated():
    error = ValueError("Requested tokens (2285) exceed context window of 2048")
    with pytest.raises(ContextOverflowError, match="window of echo: ValueError: Requested"):
        as_llm(Echo(error)).complete(HELLO)


@pytest.mark.parametrize("error", [AnswerError("cut off"), StoreBusyError("busy")])
def test_memorybank_errors_pass_unchanged(error):
    with pytest.raises(type(error)) as caught:
        as_llm(Echo(error)).complete(HELLO)
    assert caught.value is error


def test_keyboard_interrupt_passes():
    with pytest.raises(KeyboardInterrupt):
        as_llm(Echo(KeyboardInterrupt())).complete(HELLO)


@pytest.mark.parametrize("answer", [None, "", " \n", 7, b"bytes", ["a"]])
def test_answer_must_be_nonempty_text(answer):
    message = "is empty" if isinstance(answer, str) else "must be a string"
    with pytest.raises(AnswerError, match=message):
        as_llm(lambda messages: answer).complete(HELLO, stop=["x"])


@pytest.mark.parametrize("model", [None, "gpt-5", 7, Echo, answer_async, object()])
def test_other_objects_are_rejected(model):
    with pytest.raises(ConfigurationError, match=r"takes an object with complete.*or a function"):
        as_llm(model)


def test_openai_client_is_rejected_with_advice():
    class Client:
        def __init__(self):
            self.chat = self.completions = self

        def create(self, **request):
            """Never called."""

    with pytest.raises(ConfigurationError, match="pass OpenAIChat"):
        as_llm(Client())
