"""LocalModel: answers, their endings, streams, threads and errors."""

import asyncio
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("transformers", reason="transformers is not installed")

import torch
from echo_model import END, byte_tokenizer, echo_host, random_host

from llms.local_model import Answer, LocalModel
from llms.sampling import Sampling
from llms.stream_decoder import StreamDecoder
from memorybank_core import (
    AnswerError,
    Completion,
    ConfigurationError,
    ContextOverflowError,
    LLMError,
)


def conversation(*texts):
    """Return a conversation with these texts, which starts with the user."""
    roles = ["user", "assistant"] * len(texts)
    return [{"role": role, "content": text} for role, text in zip(roles, texts, strict=False)]


def streamed(pieces):
    """Return all pieces of a generator, and its return value."""
    yielded = []
    while True:
        try:
            yielded.append(next(pieces))
        except StopIteration as end:
            return yielded, end.value


@pytest.fixture
def host():
    return echo_host()


@pytest.fixture(scope="module")
def random_model():
    return random_host()


# Decoding.


def decoded(text, stop=(), end=True):
    """Return the pieces of text that a decoder releases, and the decoder."""
    ids = byte_tokenizer().encode(text, add_special_tokens=False) + [END] * end
    decoder = StreamDecoder(byte_tokenizer(), [END], stop)
    pieces = [decoder.decode(id) for id in ids if not decoder.ended] + [decoder.finish()]
    return [piece for piece in pieces if piece], decoder


def test_decoder_releases_complete_characters():
    pieces, decoder = decoded("né 你!")
    assert pieces == ["n", "é", " 你", "!"]
    assert (decoder.text, decoder.ended, decoder.tokens) == ("né 你!", True, 9)


def test_invalid_bytes_are_released_at_the_end():
    decoder = StreamDecoder(byte_tokenizer(), [END])
    first, *_ = byte_tokenizer().encode("你", add_special_tokens=False)
    assert [decoder.decode(first), decoder.decode(first), decoder.finish()] == ["", "", "��"]
    assert decoder.finish() == ""


def test_possible_start_of_stop_string_is_held_back():
    assert decoded("a STOW", ["STOP"])[0] == ["a", " STOW"]
    assert decoded("a ST", ["STOP"])[0] == ["a", " ST"]
    assert decoded("a ST", ["STOP"], end=False)[0] == ["a", " ST"]
    assert decoded("aab", ["aac"])[0] == ["aab"]


def test_text_ends_before_stop_string():
    pieces, decoder = decoded("one STOP two", ["STOP", "two"])
    assert pieces == ["o", "n", "e"]
    assert (decoder.text, decoder.ended, decoder.tokens) == ("one", True, 8)
    assert decoded("你好。再见", ["好。"])[1].text == "你"
    assert decoded("\nUser: hi", ["\nUser:"])[1].text == ""


def test_first_stop_string_in_text_counts():
    assert decoded("x</s> y", ["y", "</s>"])[1].text == "x"


def test_answer_is_stripped():
    pieces, decoder = decoded("\n a \n b \n")
    assert pieces == ["a", " \n b"]
    assert decoder.text == "a \n b"


# Sampling.


def test_all_invalid_values_are_reported_together():
    with pytest.raises(ConfigurationError) as error:
        Sampling(temperature=-1, top_p=0, top_k=1.5, repetition_penalty="2", num_beams=0, seed="a")
    for name in ("temperature", "top_p", "top_k", "repetition_penalty", "num_beams", "seed"):
        assert name in str(error.value)
    with pytest.raises(ConfigurationError, match="nan"):
        Sampling(temperature=float("nan"))


def test_request_overrides_defaults():
    defaults = Sampling(temperature=0.7, top_p=0.9)
    assert Sampling(top_p=0.5).over(defaults) == Sampling(temperature=0.7, top_p=0.5)
    assert Sampling(temperature=0).over(defaults).arguments() == {"do_sample": False}
    assert Sampling(seed=3).arguments() == {}


def test_seed_repeats_answer_without_changing_global_state(random_model):
    options = {"max_tokens": 12, "temperature": 1.0}
    torch.manual_seed(0)
    expected = torch.rand(2)
    torch.manual_seed(0)
    first = torch.rand(1)
    answers = {
        random_model.answer(conversation("Hi"), seed=seed, **options).text for seed in (1, 1, 2, 2)
    }
    assert len(answers) == 2
    assert torch.equal(torch.cat([first, torch.rand(1)]), expected)
    assert len({random_model.answer(conversation("Hi"), **options).text for _ in range(4)}) > 1


# Answers.


def test_answer_has_ending_and_token_counts(host):
    messages = [{"role": "system", "content": "Be brief."}, *conversation("Hello?")]
    assert host.answer(messages) == Answer("Be brief.\nHello?", "stop", 20, 18)
    assert (host.name, repr(host), host.context_window) == ("echo", "LocalModel('echo')", 2048)


def test_answer_endings(host):
    assert host.answer(conversation("Hello?"), max_tokens=3) == Answer("Hel", "length", 9, 3)
    assert host.answer(conversation("Hello?"), stop="ll") == Answer("He", "stop", 9, 4)
    assert host.answer(conversation("Hello?"), stop=["?", "o?"]).text == "Hell"


def test_answer_is_limited_by_context_window():
    host = echo_host(context_window=12)
    assert host.answer(conversation("Hello?"), max_tokens=100) == Answer("Hel", "length", 9, 3)


def test_batch_gives_the_same_answers(host, random_model):
    conversations = [
        conversation("Hi"),
        conversation("A longer one. 你好"),
        conversation("Yes", "No", "Why?"),
        conversation("x"),
    ]
    for model in (host, random_model):
        options = {"temperature": 0, "max_tokens": 25}
        assert model.answers(conversations, **options) == [
            model.answer(messages, **options) for messages in conversations
        ]
    assert host.answers([]) == []


def test_batch_size_is_respected():
    host = echo_host(batch_size=2)
    host.answers([conversation("abc")] * 4)
    assert host.model.steps == 2 * 5


def test_long_prompt_does_not_shorten_other_answers():
    host = echo_host(context_window=200)
    short, long = conversation("Hi!"), conversation("x" * 180)
    answers = host.answers([long, short], max_tokens=20)
    assert [answer.ending for answer in answers] == ["length", "stop"]
    assert answers[1].text == "Hi!"


def test_beam_search(host):
    assert host.answer(conversation("Hello?"), num_beams=3) == host.answer(conversation("Hello?"))
    assert host.answer(conversation("Hello?"), num_beams=3, stop="lo").text == "Hel"
    pieces, answer = streamed(host.write(conversation("Hello?"), num_beams=2))
    assert (pieces, answer.text) == (list("Hello?"), "Hello?")


def test_invalid_input_is_rejected(host):
    for messages, message in [
        ([], "must have a message"),
        ([{"role": "user"}], 'message 1 must have the strings "role" and "content"'),
        ([*conversation("Hi"), {"role": "user", "content": None}], "message 2"),
    ]:
        with pytest.raises(ConfigurationError, match=message):
            host.answer(messages)
    with pytest.raises(ConfigurationError, match="max_tokens must be 1 or more, not 0"):
        host.answer(conversation("Hi"), max_tokens=0)
    with pytest.raises(ConfigurationError, match="stop string"):
        host.answer(conversation("Hi"), stop=["", "a"])
    with pytest.raises(ConfigurationError, match="unknown prompt format 'belly'"):
        echo_host(frame="belly")
    with pytest.raises(ConfigurationError, match="batch_size"):
        echo_host(batch_size=0)


def test_lone_surrogate_in_message(host):
    assert host.answer(conversation("a\ud83d")).text.startswith("a")


def test_tokens_are_counted_without_prompt_format(host):
    assert host.count_tokens("né 你!") == 8
    assert host.count_tokens("") == 0


# As a language model of a bank.


def test_complete_answer_has_token_count(host):
    answer = host.complete(conversation("Hello?"))
    assert isinstance(answer, Completion)
    assert (answer, answer.tokens) == ("Hello?", 9 + 8)
    assert asyncio.run(host.acomplete(conversation("Hello?"))) == "Hello?"


def test_incomplete_answer_is_an_error(host):
    with pytest.raises(AnswerError, match=r"cut off after 3 characters \(length\)"):
        host.complete(conversation("Hello?"), max_tokens=3)
    with pytest.raises(AnswerError, match="cut off"):
        list(host.stream(conversation("Hello?"), max_tokens=3))
    with pytest.raises(AnswerError, match="empty"):
        host.complete(conversation("Hello?"), stop=["H"])


def test_overflow_message_has_token_counts():
    host = echo_host(context_window=12)
    with pytest.raises(ContextOverflowError, match=r"has 14 tokens.* is 12: 3 too many"):
        host.answer(conversation("Hello world"))
    assert host.model.steps == 0


def test_long_conversation_is_truncated():
    host = echo_host(context_window=70)
    messages = [
        {"role": "system", "content": "Brief!"},
        *conversation("How are you today?", "I am quite well.", "And you?", "Fine.", "Bye!"),
    ]
    assert host.complete(messages) == "Brief!\nAnd you?\nFine.\nBye!"
    assert "".join(host.stream(messages)) == "Brief!\nAnd you?\nFine.\nBye!"
    with pytest.raises(ContextOverflowError):
        host.complete(conversation("x" * 70))
    with pytest.raises(ContextOverflowError):
        next(host.stream(conversation("x" * 70)))


# Streams.


def test_stream_yields_the_answer_in_pieces(host, random_model):
    messages = conversation(" Hello?  你好 ", " ", "Bye ")
    pieces, answer = streamed(host.write(messages))
    assert answer == host.answer(messages)
    assert "".join(pieces) == answer.text == "".join(host.stream(messages))
    assert len(pieces) > 10
    assert all(pieces)
    options = {"temperature": 1.0, "seed": 5, "max_tokens": 30}
    pieces, answer = streamed(random_model.write(conversation("Hi"), **options))
    assert answer == random_model.answer(conversation("Hi"), **options)
    assert "".join(pieces) == answer.text


def test_stream_ends_by_length(host):
    for _ in range(20):
        assert streamed(host.write(conversation("Hello?"), max_tokens=2))[1].ending == "length"


def test_closing_stream_ends_generation(host):
    host.model.pause = 0.005
    pieces = host.write(conversation("x" * 500))
    assert [next(pieces), next(pieces)] == ["x", "x"]
    pieces.close()
    steps = host.model.steps
    assert steps < 20
    assert host.answer(conversation("Hi")).text == "Hi"
    assert host.model.steps == steps + 4


def test_error_in_stream_reaches_the_reader(host):
    with pytest.raises(ConfigurationError, match="max_tokens"):
        next(host.write(conversation("Hi"), max_tokens=0))
    host.model.forward = None
    with pytest.raises(TypeError):
        next(host.write(conversation("Hi")))


# Concurrency and closing.


def test_another_thread_cancels_generation(host):
    host.model.pause = 0.005
    cancelled = threading.Event()
    threading.Timer(0.1, cancelled.set).start()
    answer = host.answer(conversation("x" * 500), cancelled=cancelled)
    assert answer.ending == "cancelled"
    assert 0 < answer.tokens < 100
    assert answer.text == "x" * answer.tokens


def test_request_cancelled_while_waiting_does_not_run(host):
    host.model.pause = 0.005
    running = host.write(conversation("x" * 500))
    next(running)
    cancelled = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(host.answer, conversation("Hi"), cancelled=cancelled)
        cancelled.set()
        assert waiting.result(timeout=1) == Answer("", "cancelled", 5, 0)
    running.close()


def test_cancelling_waiting_stream_returns_at_once(host):
    host.model.pause = 0.005
    running = host.write(conversation("x" * 1000))
    next(running)
    cancelled = threading.Event()
    threading.Timer(0.1, cancelled.set).start()
    start = time.monotonic()
    assert streamed(host.write(conversation("Hi"), cancelled=cancelled))[1].ending == "cancelled"
    assert time.monotonic() - start < 1
    running.close()


def test_answers_of_eight_threads_are_not_mixed(host, random_model):
    for model, options in ((host, {}), (random_model, {"temperature": 0, "max_tokens": 20})):
        conversations = [conversation(f"Number {number} is {'x' * number}.") for number in range(8)]
        sequential = [model.answer(messages, **options) for messages in conversations]
        with ThreadPoolExecutor(8) as pool:
            concurrent = pool.map(
                lambda messages, model=model, options=options: model.answer(messages, **options),
                conversations * 2,
            )
            assert list(concurrent) == sequential * 2
            concurrent = pool.map(
                lambda messages, model=model, options=options: streamed(
                    model.write(messages, **options)
                )[1],
                conversations,
            )
            assert list(concurrent) == sequential


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the platform has no fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # of the fork
def test_forked_child_rejects_requests_of_a_model_that_was_in_use(host):
    with host._runner._lock:
        child = os.fork()
        if child == 0:
            signal.alarm(20)
            try:
                host.complete(conversation("Hi"))
            except LLMError as error:
                os._exit(0 if "in use when this process was forked" in str(error) else 1)
            finally:
                os._exit(1)
        assert os.waitpid(child, 0)[1] == 0
    assert host.complete(conversation("Hi")) == "Hi"


def test_closed_model_rejects_requests(host):
    with host:
        assert host.complete(conversation("Hi")) == "Hi"
    with pytest.raises(LLMError, match=r"echo was closed\. Load it again"):
        host.complete(conversation("Hi"))
    with pytest.raises(LLMError, match="closed"):
        next(host.stream(conversation("Hi")))
    host.close()


def test_close_waits_for_current_answer(host):
    host.model.pause = 0.005
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(host.answer, conversation("x" * 40))
        while not host.model.steps:
            time.sleep(0.001)
        host.close()
        assert answer.result().text == "x" * 40


def test_failure_of_model_is_chained(host):
    def fail(*args, **kwargs):
        raise RuntimeError("no such kernel")

    host.model.forward = fail
    with pytest.raises(LLMError, match="echo failed: RuntimeError: no such kernel") as error:
        host.answer(conversation("Hi"))
    assert isinstance(error.value.__cause__, RuntimeError)


def test_unknown_context_window_must_be_passed():
    host = echo_host()
    del type(host.model.config).max_position_embeddings
    try:
        with pytest.raises(ConfigurationError, match="context_window="):
            LocalModel(host.model, host.tokenizer)
    finally:
        type(host.model.config).max_position_embeddings = 2048
