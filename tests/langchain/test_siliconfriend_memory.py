"""Actions on one user's memories on SiliconFriend's page, without a browser."""

import json

import pytest

pytest.importorskip("langchain_core", reason="langchain is not installed")
pytest.importorskip("gradio", reason="gradio is not installed")

from langchain_core.language_models import FakeListChatModel

from memorybank_core import MemoryBank, Turn, embedder_named
from memorybank_core.stores import LocalStore
from memorybank_langchain.siliconfriend import Companion
from memorybank_langchain.siliconfriend.quoting_model import QuotingModel
from memorybank_langchain.siliconfriend.web.conversation_markup import render_conversation
from memorybank_langchain.siliconfriend.web.strings import STRINGS
from memorybank_langchain.siliconfriend.web.user_memory import UserMemory

TURNS = [Turn("I paint small boats.", "Lovely.", id="boats"), Turn("Tea?", "Yes.", id="tea")]


class CountingStore(LocalStore):
    """Counts the reads of a user's memories."""

    reads = 0

    def memories(self, *args, **options):
        self.reads += 1
        return super().memories(*args, **options)


@pytest.fixture
def user_memory(tmp_path):
    embedder = embedder_named("hashing")
    store = CountingStore(
        tmp_path / "friend.db", embedder=embedder.name, dimension=embedder.dimension
    )
    with MemoryBank(store, embedder) as bank:
        bank.add(TURNS, user_id="Kim")
        bank.add([Turn("Secret.", "", id="secret")], user_id="Lena")
        companion = Companion(FakeListChatModel(responses=["Hm."]), bank, user_id="Kim")
        yield UserMemory(companion, STRINGS["en"])


def test_a_click_on_a_memory_reads_no_timeline(user_memory):
    for action in ("strengthen", "pin", "unpin", "forget", "restore"):
        memory = user_memory.find("boats")
        assert getattr(user_memory, action)(memory)
    user_memory.delete(user_memory.find("boats").id)
    assert user_memory.bank.store.reads == 0
    user_memory.render_timeline()
    assert user_memory.bank.store.reads == 1


def test_an_archived_memory_is_found_and_restored(user_memory):
    user_memory.forget(user_memory.find("boats"))
    assert user_memory.find("boats").archived_at is not None
    user_memory.restore(user_memory.find("boats"))
    assert user_memory.find("boats").archived_at is None


@pytest.mark.parametrize(("language", "text"), [("en", "I paint boats."), ("zh", "我画小船。")])
def test_each_action_says_what_it_did(tmp_path, language, text):
    strings = STRINGS[language]
    with MemoryBank.open(tmp_path / "friend.db", embedder="hashing", language=language) as bank:
        bank.add([Turn(text, id="boats"), Turn("茶？", "Yes.", id="tea")], user_id="Kim")
        companion = Companion(FakeListChatModel(responses=["Hm."]), bank, user_id="Kim")
        memory = UserMemory(companion, strings)
        for action, message in (
            ("strengthen", "strengthened"), ("pin", "pinned"), ("unpin", "unpinned"),
            ("forget", "forgotten"), ("restore", "restored"),
        ):  # fmt: skip
            assert getattr(memory, action)(memory.find("boats")) == strings[message]
        memory.confirming = ("timeline", "boats")
        html = memory.render_timeline()
        assert text in html
        for label in ("sure", "confirm", "recalls_one"):
            assert strings[label] in html
        memory.delete_later("boats")
        assert text not in memory.render_timeline()
        assert memory.undo_deletion() == strings["undone"]
        memory.delete_later("boats")
        memory.deletions.finish()
        assert memory.deletion.message == strings["deleted_one"]
        assert memory.undo_deletion() == strings["too_late"]
        assert [turn.id for turn in bank.timeline(user_id="Kim")] == ["tea"]


@pytest.mark.parametrize("id", ["secret", "missing", "", None, 7, ["boats"], {"id": "boats"}])
def test_other_ids_are_not_found(user_memory, id):
    with pytest.raises(LookupError, match="no longer exists"):
        user_memory.find(id)


def test_the_export_has_this_users_memories_only(user_memory):
    assert list(json.loads(user_memory.export())) == ["Kim"]


def test_the_conversation_shows_answers_that_are_not_remembered(user_memory):
    companion = Companion(QuotingModel(), user_memory.bank, user_id="Kim")
    answer = "".join(companion.say("What do I paint?"))
    turns = [it for it in user_memory.bank.timeline(user_id="Kim") if it.turn.answer == answer]
    assert turns[0].turn.response == ""
    shown = render_conversation(turns, (), STRINGS["en"], last_id=None, confirming=None)
    assert "I paint small boats." in shown
    assert 'class="mb-bubble assistant"' in shown
