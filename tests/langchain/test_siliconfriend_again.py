"""Another answer, and an edited message: what is stored stays until there is a new answer."""

import time
from datetime import datetime, timezone

import pytest

pytest.importorskip("langchain_core", reason="langchain is not installed")

from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk

from memorybank_core import AnswerError, EmbedderUnavailableError, LLMError, MemoryBank, Turn
from memorybank_core.embedders import embedder_named
from memorybank_core.turns import backlog
from memorybank_langchain.siliconfriend import Companion
from memorybank_langchain.siliconfriend.quoting_model import QuotingModel

AT = datetime(2024, 5, 4, 12, tzinfo=timezone.utc)
OLD = Turn(
    "I passed my driving test.", "Congratulations!", AT, "t1", "s", "Lena", metadata={"a": 1}
)


class Model(FakeListChatModel):
    """Streams `pieces`; an exception among them is raised, a function is called."""

    responses: list = [""]  # noqa: RUF012 - a field of pydantic's
    pieces: list
    heard: list = []  # noqa: RUF012

    def _stream(self, messages, stop=None, run_manager=None, **kwargs):
        self.heard.append([message.text for message in messages])
        for piece in self.pieces:
            if isinstance(piece, Exception):
                raise piece
            if callable(piece):
                piece()
                continue
            yield ChatGenerationChunk(message=AIMessageChunk(piece))


class Unsteady:
    """An embedder that fails while it is down."""

    def __init__(self):
        self._embedder = embedder_named("hashing")
        self.name, self.dimension = self._embedder.name, self._embedder.dimension
        self.is_down = False

    def embed_documents(self, texts):
        self._require_up()
        return self._embedder.embed_documents(texts)

    def embed_query(self, text):
        self._require_up()
        return self._embedder.embed_query(text)

    def _require_up(self):
        if self.is_down:
            raise EmbedderUnavailableError("the embedder cannot be reached")


@pytest.fixture
def bank(folder):
    with MemoryBank.open(folder / "friend.db", embedder=Unsteady()) as bank:
        bank.add([OLD], user_id="Lena")
        bank.pin(["t1"], user_id="Lena")
        bank.reinforce(["t1"], user_id="Lena")
        yield bank


def companion(bank, *pieces):
    return Companion(Model(pieces=pieces, heard=[]), bank, user_id="Lena", session="s")


def replace(bank, way, *pieces):
    friend = companion(bank, *pieces)
    if way == "again":
        return friend, friend.again()
    return friend, friend.edit("I failed my driving test.")


def only(bank):
    (memory,) = bank.timeline(user_id="Lena")
    return memory


@pytest.mark.parametrize("way", ["again", "edit"])
def test_a_new_answer_keeps_the_time_the_strength_the_pin_and_the_metadata(bank, way):
    before = only(bank)
    friend, pieces = replace(bank, way, "Well ", "done!")
    assert next(pieces) == "Well "
    assert only(bank) == before
    assert list(pieces) == ["done!"]
    after = only(bank)
    query = before.turn.query if way == "again" else "I failed my driving test."
    assert (after.turn.query, after.turn.response) == (query, "Well done!")
    assert after.turn.user_name == "Lena"
    for name in ("id", "day", "created_at", "pinned", "strength", "recalls", "metadata", "session"):
        assert getattr(after, name) == getattr(before, name), name
    (prompt,) = friend._model.heard
    assert prompt[-1].endswith(query)
    assert not any("Congratulations" in text for text in prompt)


@pytest.mark.parametrize("way", ["again", "edit"])
@pytest.mark.parametrize(
    "pieces", [[ConnectionError("no route")], ["half ", OSError("cut")], [" "]]
)
def test_a_failed_answer_changes_nothing(bank, way, pieces):
    before = only(bank)
    with pytest.raises((LLMError, AnswerError)):
        list(replace(bank, way, *pieces)[1])
    assert only(bank) == before


@pytest.mark.parametrize("first", [(), ("Well ",)])
def test_an_answer_that_is_stopped_replaces_only_if_it_has_a_piece(bank, first):
    before = only(bank)

    def stop():
        time.sleep(0.1)  # the pieces before are read
        friend.stop()
        time.sleep(0.2)

    friend, pieces = replace(bank, "again", *first, stop, "done!")
    assert list(pieces) == list(first)
    assert only(bank).turn.response == ("".join(first) or before.turn.response)


def test_a_turn_that_is_deleted_meanwhile_stays_deleted(bank):
    friend, pieces = replace(bank, "again", "Well ", "done!")
    next(pieces)
    friend.erase(["t1"])
    list(pieces)
    assert bank.timeline(user_id="Lena", archived=True) == []


def test_an_outage_loses_neither_the_old_answer_nor_the_new_one(bank, monkeypatch):
    monkeypatch.setattr(backlog, "OPEN_SECONDS", 0.0)
    bank.embedder.is_down = True
    assert list(companion(bank, "Well done!").again()) == ["Well done!"]
    assert only(bank).turn.response == "Congratulations!"
    assert set(bank.backlog.waiting("Lena")) == {"t1"}
    bank.embedder.is_down = False
    list(companion(bank, "Hello!").say("Hi!"))
    assert [memory.turn.response for memory in bank.timeline(user_id="Lena")] == [
        "Well done!", "Hello!"
    ]  # fmt: skip


def test_another_answer_of_a_model_that_quotes_replaces_its_quote(bank):
    friend = Companion(QuotingModel(), bank, user_id="Lena", session="q")
    list(friend.say("What did I pass?"))
    (first,) = friend.history()
    assert "driving test" in "".join(friend.again())
    (second,) = friend.history()
    assert (second.id, second.turn.answer) == (first.id, first.turn.answer)
    friend = Companion(Model(pieces=["A test."], heard=[]), bank, user_id="Lena", session="q")
    list(friend.again())
    (third,) = friend.history()
    assert (third.id, third.turn.response, dict(third.metadata)) == (first.id, "A test.", {})
