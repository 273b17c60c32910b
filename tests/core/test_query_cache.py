"""The vectors of the last queries: how many, for how long, and what deletion leaves of them."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from embedding_log import EmbeddingLog

from memorybank_core import EmbedderError, HashingEmbedder, MemoryBank, Turn
from memorybank_core.embedders.query_cache import MAX_AGE, MAX_BYTES, MAX_ENTRIES, QueryCache
from memorybank_core.search.long_queries import select_windows
from memorybank_core.text import split_windows

EMBEDDER = HashingEmbedder()
ALICE, BOB = "alice@example.com", "bob@example.com"
FACT, QUESTION = "My sister Nora plays the cello.", "Which instrument does Nora play?"


@pytest.fixture
def log():
    return EmbeddingLog()


@pytest.fixture
def bank(tmp_path, log):
    with MemoryBank.open(tmp_path / "friend.db", embedder=log) as bank:
        bank.add([Turn(FACT, "How lovely!", id="cello")], user_id=ALICE)
        yield bank


def test_a_query_is_embedded_once_for_all_users_and_calls(bank, log):
    def ask():
        bank.search(QUESTION, user_id=ALICE)
        bank.context(QUESTION, user_id=ALICE)
        bank.search(QUESTION, user_id=BOB, k=2)

    assert log.of(ask) == [("query", QUESTION)]
    assert log.of(lambda: bank.search(f"{QUESTION} ", user_id=ALICE)) == [("query", f"{QUESTION} ")]


def test_the_same_query_gives_the_same_results_from_the_cache(bank):
    first, second = (bank.search(QUESTION, user_id=ALICE)[0] for _ in range(2))
    assert (first.memory, first.cosine) == (second.memory, second.cosine)


def test_the_number_and_the_size_of_the_vectors_are_bounded():
    cache = QueryCache(lambda text, _: np.ones(4, np.float32))
    for number in range(MAX_ENTRIES + 5):
        cache.embed(f"query {number}", EMBEDDER)
    assert len(cache) == MAX_ENTRIES
    large = QueryCache(lambda text, _: np.ones(MAX_BYTES // 4 // 3, np.float32))
    for number in range(9):
        large.embed(f"query {number}", EMBEDDER)
    assert len(large) == 3


def test_the_least_recently_used_vector_is_removed_first():
    embedded = []

    def embed(text, _):
        embedded.append(text)
        return np.ones(MAX_BYTES // 4 // 2, np.float32)  # two fit

    cache = QueryCache(embed)
    for text in ("a", "b", "a", "c", "a", "b"):
        cache.embed(text, EMBEDDER)
    assert embedded == ["a", "b", "c", "b"]


def test_a_vector_is_removed_an_hour_after_its_last_use():
    now = 0.0
    cache = QueryCache(lambda text, _: np.ones(4, np.float32), clock=lambda: now)
    cache.embed("a", EMBEDDER)
    cache.embed("b", EMBEDDER)
    now = MAX_AGE - 1
    cache.embed("b", EMBEDDER)
    now = MAX_AGE + 1
    cache.embed("c", EMBEDDER)
    assert len(cache) == 2


def test_deletion_removes_the_vectors_and_no_text_is_ever_kept(bank):
    bank.search("where is my periwinkle diary", user_id=ALICE)
    assert [len(key) for key in bank._query_cache._entries] == [16]  # a salted hash
    bank.delete(user_id=BOB, ids=["unknown"])
    assert len(bank._query_cache) == 0


def test_threads_that_ask_the_same_at_the_same_time_embed_it_once():
    inside, release, calls = threading.Event(), threading.Event(), []

    def embed(text, _):
        calls.append(text)
        inside.set()
        release.wait(10)
        return np.ones(4, np.float32)

    cache = QueryCache(embed)
    with ThreadPoolExecutor(4) as pool:
        vectors = [pool.submit(cache.embed, "same", EMBEDDER) for _ in range(4)]
        assert inside.wait(10)
        release.set()
    assert calls == ["same"]
    assert len({id(vector.result()) for vector in vectors}) == 1


def test_a_failure_is_not_kept_and_reaches_the_threads_that_wait():
    answers = [EmbedderError("away")]
    waiting = []

    def embed(text, _):
        if answers:
            waiting.append(pool.submit(cache.embed, "same", EMBEDDER))
            while not waiting[0].running():
                pass
            raise answers.pop()
        return np.ones(4, np.float32)

    cache = QueryCache(embed)
    with ThreadPoolExecutor(1) as pool, pytest.raises(EmbedderError, match="away"):
        cache.embed("same", EMBEDDER)
    error = waiting[0].exception()
    assert error is None or "away" in str(error)
    assert cache.embed("same", EMBEDDER).shape == (4,)


def test_an_interrupt_stops_only_the_thread_that_embeds():
    inside, waiting = threading.Event(), threading.Event()

    def embed(text, _):
        inside.set()
        waiting.wait(10)
        raise KeyboardInterrupt

    cache = QueryCache(embed)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(cache.embed, "same", EMBEDDER)
        assert inside.wait(10)
        (_, future), *_ = cache._entries.values()
        second = pool.submit(future.result)  # as a thread does that asks the same
        waiting.set()
    assert isinstance(first.exception(), KeyboardInterrupt)
    with pytest.raises(EmbedderError, match=r"interrupted .* call again"):
        second.result()
    assert len(cache) == 0


def test_an_interrupt_after_the_embedding_leaves_nothing_to_wait_for():
    class Interrupted(np.ndarray):
        def setflags(self, **flags):
            raise KeyboardInterrupt

    answers = [np.ones(4, np.float32).view(Interrupted), np.ones(4, np.float32)]
    cache = QueryCache(lambda text, _: answers.pop(0))
    with pytest.raises(KeyboardInterrupt):
        cache.embed("same", EMBEDDER)
    assert len(cache) == 0
    assert cache.embed("same", EMBEDDER).shape == (4,)


def test_a_vector_of_the_cache_cannot_be_changed():
    shared = np.ones(4, np.float32)
    cache = QueryCache(lambda text, _: shared)
    vector = cache.embed("a", EMBEDDER)
    with pytest.raises(ValueError, match="read-only"):
        vector[0] = 2.0
    shared[0] = 5.0
    assert cache.embed("a", EMBEDDER)[0] == 1.0


def test_equal_texts_of_one_call_are_embedded_once(bank, log):
    turns = [Turn("ok", id=str(number)) for number in range(3)]
    assert log.of(lambda: bank.add(turns, user_id=ALICE)) == [("document", "ok")]
    assert len(bank.timeline(user_id=ALICE)) == 4


def test_a_pending_turn_has_the_vector_of_its_query_until_it_is_complete(bank, log):
    question = Turn(QUESTION, id="turn")

    def turn():
        bank.search(QUESTION, user_id=ALICE)
        bank.add([question], user_id=ALICE, pending=True)
        whole = Turn(QUESTION, "The cello.", id="turn")
        bank.add([whole], user_id=ALICE, replace=True, pending=True)

    assert log.of(turn) == [("query", QUESTION), ("document", f"{QUESTION}\nThe cello.")]
    other = bank.search("the cello", user_id=ALICE, session=None, k=2)
    assert {result.memory.id for result in other} == {"turn", "cello"}


@pytest.mark.parametrize(
    "turn",
    [
        Turn("Hello", user_name="Alice", id="named"),
        Turn("", "Welcome!", id="greeting"),
    ],
)
def test_only_a_message_without_name_can_be_pending(bank, log, turn):
    kinds = {kind for kind, _ in log.of(lambda: bank.add([turn], user_id=ALICE, pending=True))}
    assert kinds == {"document"}


def test_a_long_message_is_embedded_as_a_query_and_with_its_answer(bank, log):
    article = "The cello has four strings. " * 300

    def turn():
        bank.begin_turn(article, user_id=ALICE, id="long").complete("I see.")

    queries = [("query", window) for window in select_windows(article)]
    documents = [("document", window) for window in split_windows(f"{article}\nI see.")]
    assert log.of(turn) == queries + documents


def test_only_the_last_turn_can_be_pending(bank, log):
    turns = [Turn("", "Hello", id="greeting"), Turn("Hi", id="ignored"), Turn("Hello", id="last")]
    kinds = log.of(lambda: bank.add(turns, user_id=ALICE, pending=True))
    assert sorted(kinds) == [("document", "Hello"), ("document", "Hi"), ("query", "Hello")]


def test_vectors_of_another_embedder_are_not_used(bank, log):
    bank.search(QUESTION, user_id=ALICE)
    other = bank.embedder = EmbeddingLog()
    assert other.of(lambda: bank.search(QUESTION, user_id=ALICE)) == [("query", QUESTION)]
