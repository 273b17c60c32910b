"""What the handlers of SiliconFriend's page answer, without a browser: failures lose nothing."""

from dataclasses import fields

import pytest

pytest.importorskip("langchain_core", reason="langchain is not installed")
pytest.importorskip("gradio", reason="gradio is not installed")

from test_siliconfriend_again import Model, Unsteady

from memorybank_core import InvalidInputError, MemoryBank
from memorybank_core.turns import backlog
from memorybank_langchain.siliconfriend.web.chat_handlers import ChatHandlers
from memorybank_langchain.siliconfriend.web.page_layout import PageLayout
from memorybank_langchain.siliconfriend.web.session import clean_name
from memorybank_langchain.siliconfriend.web.strings import STRINGS

LAYOUT = PageLayout(**{field.name: field.name for field in fields(PageLayout)})
DEFAULTS = (True, 0.9, 0.7, 512)
TEXTS = {
    "en": ("My cat is Milo.", "I have a new job.", "I moved to Oslo."),
    "zh": ("我养了一只猫。", "我换了新工作。", "我搬到了奥斯陆。"),
}


class Chat:
    """One browser tab of a user."""

    def __init__(self, bank, language):
        self.model, self.strings = Model(pieces=["Hm. ", "Yes."], heard=[]), STRINGS[language]
        self.handlers = ChatHandlers(bank, self.model, LAYOUT, language, None, {})
        self.session = self.handlers.sign_in("Lena", "")["session"]

    def say(self, text):
        return merge(self.handlers.say(self.session, text, *DEFAULTS))

    def click(self, action, target):
        return merge(self.handlers._handle_turn(self.session, action, target, *DEFAULTS))

    def turns(self):
        return [(turn.turn.query, turn.turn.response) for turn in self.session.read_turns()]

    def last_id(self):
        return self.session.read_turns()[-1].id


def merge(changes):
    """Return the page after all changes, and the values that the message box had in between."""
    page, boxes = {}, []
    for change in changes:
        boxes += [change["message_box"]] if "message_box" in change else []
        page |= change
    return {**page, "boxes": boxes}


@pytest.fixture(params=["en", "zh"])
def language(request):
    return request.param


@pytest.fixture
def bank(folder, language, monkeypatch):
    monkeypatch.setattr(backlog, "OPEN_SECONDS", 0.0)
    path = folder / "friend.db"
    with MemoryBank.open(path, embedder=Unsteady(), language=language) as bank:
        yield bank


@pytest.fixture
def chat(bank, language):
    return Chat(bank, language)


def test_a_message_sent_during_an_answer_stays_in_the_box(chat, language):
    first, second, _ = TEXTS[language]
    chat.say(first)
    answering = chat.handlers._handle_turn(chat.session, "again", chat.last_id(), *DEFAULTS)
    for _ in range(3):
        next(answering)
    page = chat.say(second)
    assert chat.strings["busy"] in page["notice"]
    assert page["boxes"] == []
    answering.close()
    assert chat.say(second)["boxes"] == [""]
    assert [query for query, _ in chat.turns()] == [first, second]


def test_an_answer_that_nobody_reads_lets_the_next_one_begin(chat, language):
    answering = chat.handlers.say(chat.session, TEXTS[language][0], *DEFAULTS)
    next(answering), next(answering)
    answering.close()
    assert chat.strings["busy"] not in chat.say(TEXTS[language][1])["notice"]


def test_a_lost_session_keeps_the_message_that_was_typed(chat, language):
    chat.session = None
    page = chat.say(TEXTS[language][0])
    assert chat.strings["lost"] in page["sign_in_error"]
    assert page["boxes"] == []
    assert page["chat"] == ""
    assert "message_box" in chat.handlers.sign_out(None)


@pytest.mark.parametrize("way", ["fails", "stopped"])
def test_an_edit_without_an_answer_is_edited_again(chat, language, way):
    first, second, _ = TEXTS[language]
    chat.say(first)
    page = chat.click("edit", chat.last_id())
    assert page["boxes"] == [first]
    assert chat.strings["editing"] in page["notice"]
    pieces = chat.model.pieces
    chat.model.pieces = [OSError("cut") if way == "fails" else chat.session.stop]
    page = chat.say(second)
    assert page["boxes"] == ["", second]
    assert chat.strings["editing"] in page["notice"]
    assert chat.turns() == [(first, "Hm. Yes.")]
    if way == "fails":
        assert chat.strings["kept_earlier"] in page["answer"]
    chat.model.pieces = pieces
    page = chat.say(second)
    assert chat.turns() == [(second, "Hm. Yes.")]
    assert (page["notice"], page["answer"], page["boxes"]) == ("", "", [""])


def test_another_tab_that_is_behind_changes_nothing_and_is_redrawn(chat, bank, language):
    first, second, third = TEXTS[language]
    chat.say(first)
    shown = chat.last_id()
    chat.click("edit", shown)
    other = Chat(bank, language)
    other.say(second)
    before = chat.turns()
    for page in (
        chat.click("again", shown),
        chat.click("edit", shown),
        chat.say(third),
        chat.click("again", "another"),
    ):
        assert chat.strings["moved_on"] in page["notice"]
        assert second in page["chat"]
        assert page["boxes"] == []
    assert chat.turns() == before
    chat.say(third)
    assert chat.turns()[-1][0] == third


def test_what_an_outage_keeps_in_memory_is_shown_and_said(chat, bank, language):
    first, second, third = TEXTS[language]
    chat.say(first)
    bank.embedder.is_down = True
    page = chat.say(second)
    assert second in page["answer"]
    assert "Hm. Yes." in page["answer"]
    assert chat.strings["not_stored"] in page["answer"]
    chat.model.pieces = [OSError("cut")]
    page = chat.say(third)
    assert second in page["answer"]
    assert third in page["answer"]
    assert chat.strings["not_stored"] in page["answer"]
    assert chat.strings["kept"] not in page["answer"]
    other = Chat(bank, language)
    assert third in other.handlers.sign_in("Lena", "")["answer"]
    assert third not in other.handlers.sign_in("Omar", "")["answer"]
    assert third in chat.click("pin", chat.last_id())["answer"]
    assert third not in merge([chat.handlers.new_conversation(chat.session)])["answer"]
    chat.session.open_conversation(other.session.companion.session)
    bank.embedder.is_down, chat.model.pieces = False, ["Hm. Yes."]
    page = chat.click("again", chat.last_id())
    assert page["answer"] == ""
    assert chat.turns() == [(first, "Hm. Yes."), (second, "Hm. Yes."), (third, "")]


@pytest.mark.parametrize("name", ["علی\u200cرضا", "José", "小明", "\U00031350三", " Lena  B. "])
def test_names_of_all_scripts_are_names(name, language):
    assert clean_name(name, STRINGS[language]) == " ".join(name.split())


@pytest.mark.parametrize("name", ["", " \u200c ", "a\x07b", "a\ud800b", "x" * 101])
def test_other_names_are_refused(name, language):
    with pytest.raises(InvalidInputError):
        clean_name(name, STRINGS[language])
