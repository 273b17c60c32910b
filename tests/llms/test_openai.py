"""OpenAIChat against a real HTTP server that simulates the faults of servers."""

import asyncio
import inspect
import logging
import os
import subprocess
import sys
import threading
import traceback
from pathlib import Path

import pytest

pytest.importorskip("openai", reason="openai is not installed")

import openai
from openai_server import OpenAIServer

from llms import OpenAIChat
from memorybank_core import (
    AnswerError,
    Completion,
    ConfigurationError,
    ContextOverflowError,
    LLMError,
    MemoryBankError,
    MissingDependencyError,
)
from memorybank_core.llm.overflow import is_context_overflow

KEY = "sk-" + "Z9secret" * 5
HELLO = [{"role": "user", "content": "Hello!"}]


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


def make_model(server, **options):
    return OpenAIChat("any", **{"base_url": server.base_url, "max_retries": 1, **options})


def completed(model, messages=HELLO, **options):
    return model.complete(messages, **options)


def streamed(model, messages=HELLO, **options):
    return "".join(model.stream(messages, **options))


COMPLETED_AND_STREAMED = pytest.mark.parametrize("ask", [completed, streamed])


def request_failure(ask, behaviour, messages=HELLO, *, context=None, **options):
    """Return the error for a server with this behaviour, and its number of requests."""
    with (
        OpenAIServer(schedule=lambda *_: behaviour, context=context, stall=5) as server,
        make_model(server, **options) as model,
        pytest.raises(MemoryBankError) as caught,
    ):
        ask(model, messages)
    return caught.value, len(server.requests)


def conversation(exchanges, system="Be brief."):
    """Yield a system message, exchanges of 20 characters each, and a last question of 10."""
    yield {"role": "system", "content": system}
    for number in range(exchanges):
        yield {"role": "user", "content": f"Question {number}"}
        yield {"role": "assistant", "content": f"Answer {number:3}"}
    yield {"role": "user", "content": "Last, why?"}


# Requests and answers


def test_complete_answer_has_token_count():
    with (
        OpenAIServer(lambda messages: f"You said {messages[-1]['content']}") as server,
        make_model(server, temperature=0.5, seed=3) as model,
    ):
        answer = model.complete(HELLO, max_tokens=9, stop=["END"])
    assert (answer, answer.tokens) == ("You said Hello!", 7)
    assert isinstance(answer, Completion)
    assert server.requests[0].body == {
        "model": "any",
        "messages": HELLO,
        "temperature": 0.5,
        "seed": 3,
        "max_tokens": 9,
        "stop": ["END"],
    }


def test_stream_yields_pieces():
    with OpenAIServer(lambda messages: "one two three") as server, make_model(server) as model:
        assert list(model.stream(HELLO, stop="END")) == ["one ", "two ", "three "]
    assert server.requests[0].body["stream"] is True
    assert server.requests[0].body["stop"] == ["END"]


def test_acomplete_equals_complete():
    with OpenAIServer() as server, make_model(server) as model:
        assert asyncio.run(model.acomplete(HELLO)) == model.complete(HELLO)


def test_closing_stream_closes_connection():
    with OpenAIServer(schedule=["endless"]) as server, make_model(server) as model:
        stream = model.stream(HELLO)
        assert next(stream) == "more "
        stream.close()
        assert server.hung_up.wait(5)


def test_threads_share_one_client():
    with (
        OpenAIServer(lambda messages: messages[-1]["content"]) as server,
        make_model(server) as model,
    ):
        answers = {}

        def ask(number):
            answers[number] = model.complete([{"role": "user", "content": f"{number}"}])

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert answers == {number: f"{number}" for number in range(12)}


def test_closed_model_reconnects():
    with OpenAIServer() as server:
        model = make_model(server)
        model.close()
        assert model.complete(HELLO)
        model.close()
        assert model.complete(HELLO)
        model.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the platform has no fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # of the fork
def test_forked_child_does_not_use_the_connections_of_its_parent():
    with OpenAIServer() as server, make_model(server) as model:
        completed(model)
        child = os.fork()
        if child == 0:
            os._exit(0 if model._connection._own_client is None else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert completed(model)


def test_lone_surrogates_are_replaced():
    with (
        OpenAIServer(lambda messages: messages[0]["content"]) as server,
        make_model(server) as model,
    ):
        assert model.complete([{"role": "user", "content": "torn \ud83d!"}]) == "torn \ufffd!"


@pytest.mark.parametrize(
    ("base_url", "parameters", "expected"),
    [
        ("https://api.openai.com/v1", {}, "max_completion_tokens"),
        ("https://eu.api.openai.com/v1", {}, "max_completion_tokens"),
        ("https://me.openai.azure.com/openai", {}, "max_completion_tokens"),
        ("http://localhost:8000/v1", {}, "max_tokens"),
        ("http://localhost:8000/v1", {"max_completion_tokens": 50}, "max_completion_tokens"),
    ],
)
def test_limit_parameter_depends_on_server(base_url, parameters, expected):
    requests = []

    class Client:
        """A client like `openai.OpenAI`, without a network."""

        api_key = KEY

        def __init__(self):
            self.base_url, self.chat, self.completions = base_url, self, self

        def create(self, **request):
            requests.append(request)
            raise openai.OpenAIError("that will do")

    with pytest.raises(LLMError, match="that will do"):
        OpenAIChat("any", client=Client(), **parameters).complete(HELLO, max_tokens=9)
    assert {name: requests[0][name] for name in requests[0] if name.startswith("max")} == {
        expected: 9
    }


def test_external_client_is_used_and_not_closed():
    with OpenAIServer() as server, openai.OpenAI(api_key=KEY, base_url=server.base_url) as client:
        with OpenAIChat("any", client=client) as model:
            assert model.complete(HELLO)
        assert model.complete(HELLO)
        assert repr(model) == f"OpenAIChat('any', base_url='{server.base_url}')"
    assert server.requests[0].headers["Authorization"] == f"Bearer {KEY}"


# Temporary failures


@COMPLETED_AND_STREAMED
@pytest.mark.parametrize("behaviour", ["429", "500", "503", "reset"])
def test_temporary_failure_is_retried(ask, behaviour):
    with OpenAIServer(schedule=[behaviour]) as server, make_model(server) as model:
        assert ask(model).strip() == "All is fine."
    assert len(server.requests) == 2


@pytest.mark.parametrize("behaviour", ["half", "stall"])
def test_broken_and_stalled_answers_are_retried(behaviour):
    with (
        OpenAIServer(schedule=[behaviour], stall=5) as server,
        make_model(server, timeout=0.3) as model,
    ):
        assert model.complete(HELLO) == "All is fine."
    assert len(server.requests) == 2


def test_retry_after_is_respected():
    """Use 0.6 s, which is longer than the default delay before the first retry."""
    with OpenAIServer(schedule=["429"], retry_after=0.6) as server, make_model(server) as model:
        assert model.complete(HELLO)
    assert server.requests[1].time - server.requests[0].time >= 0.6


@COMPLETED_AND_STREAMED
@pytest.mark.parametrize(
    ("behaviour", "message"),
    [
        ("429", r"accepts no more requests now \(status 429\), tried 2 times: Slow down\. Wait"),
        ("500", r"failed \(status 500\), tried 2 times: Bad luck\. Try again later"),
        ("503", r"failed \(status 503\), tried 2 times: <h1>Service Unavailable"),
        ("reset", r"could not be reached, or closed the connection, tried 2 times: .*[Rr]eset"),
        ("stall", r"did not answer in time, tried 2 times: .*timed out\. Increase timeout"),
    ],
)
def test_lasting_failure_has_number_of_attempts(ask, behaviour, message):
    error, requests = request_failure(ask, behaviour, timeout=0.2)
    assert type(error) is LLMError
    assert error.args[0].startswith("any at http://127.0.0.1:")
    with pytest.raises(LLMError, match=message):
        raise error
    assert isinstance(error.__cause__, openai.APIError)
    assert requests == 2


@COMPLETED_AND_STREAMED
def test_broken_connection_is_reported(ask):
    error, _ = request_failure(ask, "half", max_retries=0)
    assert type(error) is LLMError
    assert "closed the connection, tried once: peer closed connection" in str(error)


def test_unreachable_server_has_address_in_message():
    with OpenAIServer() as server:
        base_url = server.base_url
    with (
        OpenAIChat("any", base_url=base_url, max_retries=0) as model,
        pytest.raises(LLMError, match=rf"any at {base_url} could not .* base_url right"),
    ):
        model.complete(HELLO)


# Invalid configuration


@COMPLETED_AND_STREAMED
@pytest.mark.parametrize(
    ("behaviour", "message"),
    [
        ("401", "rejected the API key .*Set OPENAI_API_KEY or pass api_key="),
        ("403", "does not allow this .*Set OPENAI_API_KEY or pass api_key="),
        ("404", "was not found .*The model `any` does not exist. Check the model's name"),
    ],
)
def test_invalid_request_is_not_retried(ask, behaviour, message):
    error, requests = request_failure(ask, behaviour)
    assert requests == 1
    with pytest.raises(ConfigurationError, match=message):
        raise error


@COMPLETED_AND_STREAMED
def test_rejected_request_has_message_of_server(ask):
    error, requests = request_failure(ask, "400")
    assert (type(error), requests) == (LLMError, 1)
    assert "refused the request (status 400), tried once: temperature must be" in str(error)


def test_wrong_path_gives_advice():
    with (
        OpenAIServer() as server,
        make_model(server, base_url=server.base_url[:-3]) as model,
        pytest.raises(ConfigurationError, match=r"there is no /chat/completions.*ends in /v1"),
    ):
        model.complete(HELLO)


def test_unknown_parameter_is_rejected_before_request():
    with (
        OpenAIServer() as server,
        make_model(server, temprature=1) as model,
        pytest.raises(ConfigurationError, match=r"'temprature'.*extra_body="),
    ):
        model.complete(HELLO)
    assert server.requests == []


def test_extra_body_is_sent():
    with OpenAIServer() as server, make_model(server, extra_body={"top_k": 40}) as model:
        assert model.complete(HELLO)
    assert server.requests[0].body["top_k"] == 40


def test_only_openai_needs_a_key(monkeypatch):
    with pytest.raises(ConfigurationError, match="Set OPENAI_API_KEY or pass api_key="):
        OpenAIChat("gpt-5")
    with OpenAIServer() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        with OpenAIChat("any") as model:
            assert model.complete(HELLO)
        monkeypatch.setenv("OPENAI_API_KEY", f"{KEY}\n")
        with OpenAIChat("any") as model:
            assert model.complete(HELLO)
    assert server.requests[1].headers["Authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"base_url": "localhost:8000/v1"}, "such as http://localhost:8000/v1, not 'localhost"),
        ({"base_url": "http://[::1/v1"}, "base_url must be an address"),
        ({"base_url": "http://x:999999/v1"}, "base_url must be an address"),
        ({"api_key": "sk-é"}, "contains a character that is not printable ASCII"),
        ({"api_key": "sk-a\nb"}, "contains a character that is not printable ASCII"),
        ({"api_key": KEY, "timeout": 0}, "timeout must be more than 0"),
        ({"api_key": KEY, "max_retries": -1}, "max_retries a whole number, 0 or more"),
        ({"client": object()}, "chat.completions.create.*, not object"),
        (
            {"client": openai.AsyncOpenAI(api_key=KEY)},
            "a synchronous client.*, not AsyncOpenAI",
        ),
        ({"client": openai.OpenAI(api_key=KEY), "api_key": KEY}, "its own key and address"),
    ],
)
def test_invalid_arguments_are_rejected(options, message):
    with pytest.raises(ConfigurationError, match=message) as caught:
        OpenAIChat("any", **options)
    assert "sk-" not in str(caught.value)


def test_missing_package_names_the_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(MissingDependencyError, match=r'pip install "memorybank-llm\[openai\]"'):
        OpenAIChat("any", api_key=KEY)


# The key


@COMPLETED_AND_STREAMED
@pytest.mark.parametrize(
    "behaviour", ["401", "401 text", "403", "404", "429", "reset", "html", "length", "ok"]
)
def test_key_is_not_shown(ask, behaviour, caplog):
    caplog.set_level(logging.DEBUG)
    for name in ("openai", "httpx", "httpx2", "httpcore", "httpcore2"):
        caplog.set_level(logging.DEBUG, logger=name)
    with OpenAIServer(lambda messages: KEY, schedule=lambda *_: behaviour) as server:
        address = server.base_url.replace("://", "://me:password@")
        with make_model(server, base_url=address, api_key=KEY, max_retries=0) as model:
            texts = [repr(model), repr(vars(model._connection)["_own_endpoint"])]
            try:
                ask(model)
            except MemoryBankError as error:
                texts += [str(error), repr(error), "".join(traceback.format_exception(error))]
    assert len(server.requests) == 1
    assert caplog.records
    assert KEY not in "\n".join(texts) + caplog.text
    assert "password" not in "\n".join(texts)


def test_key_of_external_client_is_not_shown():
    with (
        OpenAIServer(schedule=["401"]) as server,
        openai.OpenAI(api_key=lambda: KEY, base_url=server.base_url) as client,
    ):
        model = OpenAIChat("any", client=client)
        with pytest.raises(ConfigurationError, match=r"provided: \[key\]") as caught:
            model.complete(HELLO)
    assert KEY not in repr(model) + "".join(traceback.format_exception(caught.value))


# Incomplete answers


@COMPLETED_AND_STREAMED
def test_synonym_of_stop_is_accepted(ask):
    with OpenAIServer(schedule=["eos"]) as server, make_model(server) as model:
        assert ask(model).strip() == "All is fine."


@COMPLETED_AND_STREAMED
@pytest.mark.parametrize(
    ("behaviour", "message"),
    [
        ("length", r"cut off after 1\d characters \(length\). Raise max_tokens"),
        ("unfinished", r"cut off after 1\d characters: it has no finish_reason"),
        ("filtered", "refused to answer: 'content_filter'"),
        ("refusal", "refused to answer: 'I would rather not.'"),
        ("tool", "ended with the finish reason 'tool_calls'"),
        ("empty", "is empty. Raise max_tokens"),
        ("blank", "is empty. Raise max_tokens"),
    ],
)
def test_incomplete_answer_is_an_error(ask, behaviour, message):
    error, requests = request_failure(ask, behaviour)
    assert requests == 1
    with pytest.raises(AnswerError, match=message):
        raise error


@pytest.mark.parametrize(
    "behaviour", ["html", "torn", "null", "list", "no choices", "empty choices", "odd choices",
                  "no message", "parts"],
)  # fmt: skip
def test_response_other_than_chat_completion(behaviour):
    error, requests = request_failure(completed, behaviour)
    assert (type(error), requests) == (LLMError, 1)
    assert "often ends in /v1" in str(error)


@pytest.mark.parametrize("behaviour", ["html", "list", "no choices"])
def test_response_other_than_stream(behaviour):
    error, _ = request_failure(streamed, behaviour)
    assert isinstance(error, AnswerError)
    assert "cut off after 0 characters" in str(error)


@pytest.mark.parametrize(
    ("ask", "behaviour"), [(completed, "error in 200"), (streamed, "error_event")]
)
def test_error_inside_response_is_reported(ask, behaviour):
    error, _ = request_failure(ask, behaviour)
    assert type(error) is LLMError
    assert "out of memory" in str(error)


# Conversations that are too long


@COMPLETED_AND_STREAMED
def test_long_conversation_is_truncated(ask):
    messages = list(conversation(8))
    with OpenAIServer(context=80) as server, make_model(server) as model:
        assert ask(model, messages).strip() == "All is fine."
    assert [len(prompt) for prompt in server.prompts] == [18, 10, 6]
    assert server.prompts[-1] == [messages[0], *messages[-5:]]
    assert len(messages) == 18


@pytest.mark.parametrize(
    ("ask", "behaviour"), [(completed, "overflow in 200"), (streamed, "overflow_event")]
)
def test_overflow_inside_response(ask, behaviour):
    with OpenAIServer(schedule=[behaviour]) as server, make_model(server) as model:
        assert ask(model, list(conversation(2))).strip() == "All is fine."
    assert [len(prompt) for prompt in server.prompts] == [6, 4]


@COMPLETED_AND_STREAMED
def test_instructions_and_last_message_are_kept(ask):
    messages = list(conversation(5, system="x" * 100))
    error, requests = request_failure(ask, "ok", messages, context=50)
    assert isinstance(error, ContextOverflowError)
    assert "longer than the context window of any at http" in str(error)
    assert requests == 4  # 12, 6, 4 and 2 messages


@pytest.mark.parametrize("behaviour", ["overflow", "413"])
def test_single_long_message_is_an_error(behaviour):
    error, requests = request_failure(completed, behaviour)
    assert (type(error), requests) == (ContextOverflowError, 1)


@pytest.mark.parametrize(
    "message",
    [
        # OpenAI and Azure
        "This model's maximum context length is 8192 tokens. However, your messages resulted in",
        "Your input exceeds the context window of this model. Please adjust your input",
        "Input tokens exceed the configured limit of 272000 tokens.",
        "Invalid 'messages[1].content': string too long. Expected a string with maximum length",
        # vLLM
        "This model's maximum context length is 6048 tokens. However, you requested 6616 tokens",
        "The decoder prompt (length 8357) is longer than the maximum model length of 8192.",
        "max_tokens must be at least 1, got -186.",
        # SGLang
        "The input (61709 tokens) is longer than the model's context length (40960 tokens).",
        "Input length (160062 tokens) exceeds the maximum allowed length (59862 tokens).",
        # TGI
        "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 8740",
        "Input validation error: `inputs` must have less than 1024 tokens. Given: 1168",
        # llama.cpp and its Python server
        "request (4390 tokens) exceeds the available context size (4096 tokens), try increasing it",
        "Context size has been exceeded.",
        "Requested tokens (2285) exceed context window of 2048",
        # LM Studio, Ollama
        "Trying to keep the first 6547 tokens when context the overflows. However, the model is",
        "loaded with context length of only 4096 tokens, which is not enough",
        "the input length exceeds the context length",
        "prompt too long; exceeded max context length by 12 tokens",
        # Anthropic, Gemini, Mistral, xAI, Moonshot, DashScope, SiliconFlow, MiniMax, Perplexity
        "prompt is too long: 209303 tokens > 200000 maximum",
        "The input token count (1196265) exceeds the maximum number of tokens allowed (1048575).",
        "Prompt contains 40000 tokens, too large for model with 32768 maximum context length",
        "This model's maximum prompt length is 131072 but the request contains 537812 tokens.",
        "Invalid request: Your request exceeded model token limit: 8192",
        "InternalError.Algo.InvalidParameter: Range of input length should be [1, 30720]",
        "length of prompt_tokens (40000) must be less than max_seq_len (32768).",
        "invalid params, context window exceeds limit (2013)",
        "The total length of all messages is too long.",
    ],
)
def test_overflow_messages_of_servers(message):
    assert is_context_overflow(message)


@pytest.mark.parametrize(
    "message",
    [
        "Rate limit reached for gpt-5 on tokens per min (TPM): Limit 10000, Used 9000.",
        "You exceeded your current quota, please check your plan and billing details.",
        "Invalid 'user': string too long. Expected a string with maximum length 64",
        "max_tokens is too large: 5000. This model supports at most 4096 completion tokens",
        "Input validation error: `max_new_tokens` must be <= 192. Given: 500",
        "Unknown parameter: 'context_length'.",
        "Unsupported value: 'temperature' does not support 0.5 with this model.",
        "model requires more system memory (5.6 GiB) than is available (3.8 GiB)",
    ],
)
def test_other_messages_are_no_overflow(message):
    assert not is_context_overflow(message)


# The package


def test_constructor_does_not_import_openai():
    code = (
        "import sys; from llms import OpenAIChat; OpenAIChat('any', base_url='http://x/v1'); "
        "print('openai' in sys.modules)"
    )
    root = Path(inspect.getfile(OpenAIChat)).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root
    )
    assert done.stdout.strip() == "False"


def test_name_context_window_and_repr():
    model = OpenAIChat("qwen", base_url="http://x:1/v1/", api_key=KEY, context_window=4096)
    assert (model.name, model.model, model.context_window) == ("qwen", "qwen", 4096)
    assert repr(model) == "OpenAIChat('qwen', base_url='http://x:1/v1')"


def test_default_context_window():
    assert OpenAIChat("gpt-any", api_key="k").context_window == 128_000
    assert OpenAIChat("gpt-4", api_key="k", context_window=8192).context_window == 8192
    assert OpenAIChat("any", base_url="http://localhost:1/v1").context_window is None
