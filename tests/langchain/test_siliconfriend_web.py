"""SiliconFriend's page in a real browser: people talk, and each sees their own memory alone."""

import gc
import json
import re
import time
from contextlib import suppress
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

pytest.importorskip("langchain_core", reason="langchain is not installed")
pytest.importorskip("gradio", reason="gradio is not installed")

import gradio as gr
import hypothesis  # noqa: F401 - its plugin would at the end, where Playwright upsets the parser
from browsers import MARKS, call_handler, free_port, launched, serious_faults, watch
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from playwright.sync_api import expect
from pydantic import Field

from memorybank_core import ConfigurationError, InvalidInputError, MemoryBank, SettingsWarning
from memorybank_langchain.siliconfriend.failures import ModelStalledError, describe_failure
from memorybank_langchain.siliconfriend.web import deletions, page, serve, start
from memorybank_langchain.siliconfriend.web.handlers import PageHandlers
from memorybank_langchain.siliconfriend.web.page_layout import build_layout
from memorybank_langchain.siliconfriend.web.strings import STRINGS

pytestmark = MARKS
LANGUAGES = ("en", "zh")
ENGLISH = pytest.mark.parametrize("served", ["en"], indirect=True)
PATIENCE = 1.0
WHOLE = " ".join(f"word{number}" for number in range(40))
TALK = {
    "en": (
        "Good morning!",
        "My sister Nora plays the cello.",
        "I had tomato soup for lunch.",
        "The train to Bergen leaves on Friday.",
        "The garden needs rain.",
    ),
    "zh": (
        "早上好！",
        "我的妹妹诺拉会拉大提琴。",
        "我午饭喝了番茄汤。",
        "去卑尔根的火车星期五出发。",
        "花园需要雨水。",
    ),
}
QUESTION = {"en": "Which instrument does Nora play?", "zh": "诺拉会拉什么琴？"}
MARKDOWN = "A **bold** word.\n\n```python\nprint(1)\n```\n\n"
MARKDOWN += "[site](https://example.org) [bad](javascript:a) [app](myapp://z) [path](/gradio_api/x)"
MARKDOWN += " [other](//example.com) <ftp://example.com>"
EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)> ${alert(3)} {{value}} **b**"
EVIL_NAME = "Eve <img src=x onerror=alert(4)>${alert(5)}{{value}}"


class Friend(BaseChatModel):
    """Echoes the message; some words make it slow, silent, empty or broken."""

    heard: list = Field(default_factory=list)

    @property
    def _llm_type(self):
        return "friend"

    def _generate(self, messages, stop=None, run_manager=None, **kwargs):
        return ChatResult(generations=[ChatGeneration(message=AIMessage("Hm."))])

    def _stream(self, messages, stop=None, run_manager=None, **kwargs):
        message = messages[-1].text.splitlines()[-1]
        self.heard.append((message, kwargs))
        if "broken" in message:
            raise ConnectionError("the model <b>cannot</b> be reached")
        if "stall" in message:
            time.sleep(2 * PATIENCE)
        answer = WHOLE if "slow" in message else "" if "empty" in message else f"Heard: {message}"
        answer = MARKDOWN if "markdown" in message else answer
        for word in re.findall(r"\S+\s*", answer) or [""]:
            if "slow" in message:
                time.sleep(0.05)
            yield ChatGenerationChunk(message=AIMessageChunk(word))


class Served:
    """A page with its own bank."""

    def __init__(self, folder, language, **options):
        self.language, self.strings, self._context = language, STRINGS[language], None
        self.model = Friend()
        self.bank = MemoryBank.open(folder / "friend.db", embedder="hashing", language=language)
        options = {"recent": 2, "patience": PATIENCE, **options}
        self.blocks = page(self.bank, self.model, language=language, **options)
        self.url = start(self.blocks, port=free_port(), has_password="password" in options)

    def context_of(self, browser):
        """Return a shared browser context: its cached files of gradio save time."""
        self._context = self._context or browser.new_context()
        return self._context

    def close(self):
        self.blocks.close(verbose=False)
        self.bank.close()


class Person:
    """A user with a browser page."""

    def __init__(self, context, served):
        self.served, self.strings, self.context = served, served.strings, context
        self.page = self.context.new_page()
        self.dialogs, self.outside = watch(self.page, served.url)
        self.page.goto(served.url)
        self.page.wait_for_selector("#mb-enter, #mb-box", state="attached")

    def find(self, selector, **more):
        return self.page.locator(selector, **more)

    def sign_in(self, name, password=None):
        self.find("#mb-name").locator("input, textarea").fill(name)
        if password is not None:
            self.find("#mb-password input").fill(password)
        self.find("#mb-enter").click()
        return self

    def inside(self):
        expect(self.find("#mb-box textarea")).to_be_visible()
        return self

    def send(self, text):
        """Send a message, again if gradio ignored it because the last event was still pending."""
        box = self.find("#mb-box textarea")
        box.fill(text)
        for _ in range(10):
            box.press("Enter")
            with suppress(AssertionError):
                expect(box).to_have_value("", timeout=3_000)
                return
        raise AssertionError(f"not sent: {text}")

    def say(self, text, answer=None):
        self.send(text)
        expected = answer or f"Heard: {text}".replace("**", "")
        expect(self.find(".mb-bubble.assistant, .mb-failure").last).to_contain_text(expected)
        self.ready()

    def ready(self):
        expect(self.find("#mb-send")).to_be_visible()

    def tab(self, name):
        self.find("button[role=tab]", has_text=self.strings[name]).click()

    def noticed(self, text):
        expect(self.find("#mb-notice")).to_contain_text(text)

    def memory(self, text):
        return self.find("#mb-timeline details", has_text=text)

    def click(self, do):
        """Click an action of the last turn of the conversation."""
        self.find(f"#mb-chat .mb-turn >> nth=-1 >> button[data-do={do}]").last.click()

    def press(self, text, do):
        self.tab("timeline")
        card = self.memory(text).first
        if card.get_attribute("open") is None:
            card.locator("summary").click()
        card.locator(f"button[data-do={do}]").click()


@pytest.fixture(autouse=True)
def short_undo(monkeypatch):
    monkeypatch.setattr(deletions, "UNDO_SECONDS", 2.0)


@pytest.fixture(scope="module")
def browser():
    with launched() as browser:
        yield browser


@pytest.fixture(scope="module", params=LANGUAGES)
def served(request, tmp_path_factory):
    served = Served(tmp_path_factory.mktemp("web"), request.param)
    yield served
    served.close()


@pytest.fixture
def visitor(browser, served):
    """Open a page per user; afterwards check that nothing was executed or loaded from outside."""
    people = []

    def opened():
        context = browser.new_context() if people else served.context_of(browser)
        people.append(Person(context, served))
        return people[-1]

    yield opened
    for person in people:
        person.page.evaluate("localStorage.clear()")
        person.page.close()
    for person in people[1:]:
        person.context.close()
    assert [(person.dialogs, person.outside) for person in people] == [([], [])] * len(people)


def test_five_turns_a_question_a_reload_and_somebody_else(visitor, served):
    talk = TALK[served.language]
    served.bank.add(
        [(text, f"Heard: {text}") for text in talk[:-1]],
        user_id="Lena",
        session=str(datetime.now(timezone.utc).date()),
    )
    lena = visitor().sign_in("Lena").inside()
    lena.say(talk[-1])
    question = QUESTION[served.language]
    lena.say(question)
    first = lena.find("#mb-recalled article").first
    expect(first).to_contain_text(talk[1])
    expect(first.locator(".mb-parts li").first).to_be_visible()
    lena.page.reload()
    lena.inside()
    expect(lena.find("#mb-hello")).to_contain_text("Lena")
    expect(lena.find("#mb-chat")).to_contain_text(question)
    lena.tab("timeline")
    expect(lena.find("#mb-timeline details")).to_have_count(6)
    lena.memory(talk[1]).last.locator("summary").click()
    expect(lena.memory(talk[1]).last.locator("svg.curve .dot").first).to_be_visible()

    omar = visitor().sign_in("Omar").inside()
    omar.say(question)
    omar.tab("timeline")
    expect(omar.find("#mb-timeline details")).to_have_count(1)
    assert talk[1] not in omar.page.content()
    assert "Lena" not in omar.page.content()
    lena.find("#mb-head-sign_out").click()
    expect(lena.find("#mb-enter")).to_be_visible()
    assert talk[1] not in lena.page.content()
    lena.page.reload()
    expect(lena.find("#mb-enter")).to_be_visible()


def test_an_answer_can_be_stopped_half_way(visitor, served):
    ann = visitor().sign_in("Ann").inside()
    ann.send("slow please")
    expect(ann.find(".mb-bubble.assistant").last).to_contain_text("word9 ")
    ann.find("#mb-stop").click()
    ann.ready()
    shown = ann.find(".mb-bubble.assistant").last.inner_text().partition(":")[2].strip()
    assert shown.startswith("word0 word1")
    assert "word39" not in shown
    ann.say("And now?")
    kept = served.bank.timeline(user_id="Ann")[0].turn
    assert kept.query == "slow please"
    assert WHOLE.startswith(kept.response.strip())
    assert kept.response.startswith("word0")


def test_a_model_that_fails_stalls_or_says_nothing_is_shown(visitor, served):
    bob = visitor().sign_in("Bob").inside()
    stalled = describe_failure(ModelStalledError(PATIENCE), served.language)
    empty = {"en": "empty answer", "zh": "模型的回答是空的"}[served.language]
    failing = {"broken": "cannot</b> be reached", "stall": stalled, "empty": empty}
    for text, why in failing.items():
        bob.say(text, why)
        expect(bob.find(".mb-bubble.user .mb-plain").last).to_have_text(text)
        bob.say(f"Next after {text.upper()}")
    kept = [memory.turn.query for memory in served.bank.timeline(user_id="Bob")]
    assert [text for text in kept if text in failing] == list(failing)


def test_markup_in_messages_and_names_is_text(visitor, served):
    eve = visitor().sign_in(EVIL_NAME).inside()
    expect(eve.find("#mb-hello")).to_contain_text(EVIL_NAME)
    eve.say(EVIL)
    expect(eve.find(".mb-bubble.user .mb-plain").last).to_have_text(EVIL)
    assert eve.find("#mb-chat").locator("script, img").count() == 0
    eve.say("markdown", "bold")
    answer = eve.find(".mb-bubble.assistant").last
    expect(answer.locator("strong")).to_have_text("bold")
    expect(answer.locator(".mb-code code")).to_have_text("print(1)\n")
    assert [link.get_attribute("href") for link in answer.locator("a").all()] == [
        "https://example.org"
    ]
    expect(eve.find("[role=log] p").last).to_contain_text("bold")
    assert eve.page.evaluate("document.documentElement.lang") == eve.served.language
    answer.get_by_role("button", name=eve.strings["copy"]).click()
    expect(answer.get_by_role("button")).to_have_text(eve.strings["copied"])
    eve.find("#mb-new-conversation").click()
    eve.say("What was that about value?")
    expect(eve.find("#mb-recalled")).to_contain_text(EVIL)
    eve.press(EVIL, "delete")
    expect(eve.memory(EVIL).first.locator(".mb-question")).to_be_visible()
    assert eve.page.locator(".gradio-container img[src=x]").count() == 0
    assert list(served.bank.users()).count(EVIL_NAME) == 1


@ENGLISH
def test_a_memory_is_strengthened_pinned_forgotten_restored_and_deleted(visitor, served):
    kim = visitor().sign_in("Kim").inside()
    kim.say("I paint small boats.")
    kim.say("I am allergic to walnuts.")
    kim.press("boats", "strengthen")
    kim.noticed(kim.strings["strengthened"])
    expect(kim.memory("boats").locator("svg.curve .dot")).to_have_count(1)
    kim.press("boats", "pin")
    kim.noticed(kim.strings["pinned"])
    expect(kim.memory("boats")).to_contain_text(kim.strings["no_curve"])
    assert kim.memory("boats").locator("[data-do=forget]").count() == 0
    kim.press("boats", "unpin")
    kim.noticed(kim.strings["unpinned"])
    kim.press("boats", "forget")
    kim.noticed(kim.strings["forgotten"])
    expect(kim.memory("boats")).to_have_count(0)
    kim.page.get_by_label(kim.strings["archived"]).check()
    kim.press("boats", "restore")
    kim.noticed(kim.strings["restored"])
    kim.press("boats", "delete")
    kim.memory("boats").locator("[data-do=cancel]").click()
    expect(kim.find(".mb-question")).to_have_count(0)
    for _ in range(2):
        kim.press("boats", "delete")
        kim.memory("boats").locator("[data-do=confirm]").click()
        expect(kim.memory("boats")).to_have_count(0)
        assert "boats" not in kim.find("#mb-chat").inner_text()
        kim.find("#mb-notice [data-do=undo]").click()
        expect(kim.memory("boats")).to_have_count(1)
    kim.noticed(kim.strings["undone"])
    kim.press("boats", "delete")
    kim.memory("boats").locator("[data-do=confirm]").click()
    kim.noticed(kim.strings["deleted_one"])
    assert [memory.turn.query for memory in served.bank.timeline(user_id="Kim", archived=True)] == [
        "I am allergic to walnuts."
    ]


@ENGLISH
def test_answers_are_repeated_and_turns_taken_back(visitor, served):
    pat = visitor().sign_in("Pat").inside()
    pat.say("One.")
    pat.say("Two, slow.", "word39")
    pat.tab("data")
    pat.find("text=" + pat.strings["settings"]).click()
    pat.page.get_by_label(pat.strings["use_defaults"]).uncheck()
    expect(pat.find("input[type=number]").first).to_be_enabled()
    before = len(served.model.heard)
    pat.click("again")
    expect(pat.find("#mb-stop")).to_be_visible()
    pat.ready()
    expect(pat.find(".mb-bubble")).to_have_count(4)
    message, settings = served.model.heard[before]
    assert message == "Two, slow."
    assert settings == {"temperature": 0.95, "top_p": 0.7, "max_tokens": 512}
    pat.click("edit")
    expect(pat.find("#mb-box textarea")).to_have_value("Two, slow.")
    pat.say("Three.")
    expect(pat.find(".mb-bubble")).to_have_count(4)
    pat.click("pin")
    expect(pat.find(".mb-state")).to_have_text(pat.strings["is_pinned"])
    pat.click("delete")
    pat.click("confirm")
    expect(pat.find(".mb-bubble")).to_have_count(2)
    pat.find("#mb-new-conversation").click()
    expect(pat.find(".mb-bubble")).to_have_count(0)
    pat.say("And now?")  # the deletion does not wait any longer
    queries = [memory.turn.query for memory in served.bank.timeline(user_id="Pat")]
    assert queries == ["One.", "And now?"]


def test_conversations_are_listed_searched_and_continued(visitor, served):
    old, new = TALK[served.language][1:3]
    lia = visitor().sign_in("Lia").inside()
    expect(lia.find(".mb-suggestion")).to_have_count(3)
    lia.say(old)
    lia.find("#mb-new-conversation").click()
    expect(lia.find(".mb-suggestion").first).to_contain_text(old.rstrip(".。"))
    lia.say(new)
    expect(lia.find(".mb-conversation")).to_have_text([new, old])
    lia.find("#mb-search").locator("input, textarea").fill(old[3:9].upper())
    expect(lia.find(".mb-conversation")).to_have_text([old])
    lia.find(".mb-conversation").click()
    expect(lia.find(".mb-bubble.user .mb-plain")).to_have_text(old)
    expect(lia.find("#mb-box textarea")).to_be_focused()
    lia.say("More")
    sessions = [memory.session for memory in served.bank.timeline(user_id="Lia")]
    assert sessions[0] == sessions[2] != sessions[1]
    for answer in ("cancel", "confirm"):
        lia.find(".mb-listed").hover()
        lia.find(".mb-remove").click()
        lia.find(f"#mb-list .{answer}").click()
    lia.noticed(lia.strings["deleted"].format(count=2))
    lia.find("#mb-search").locator("input, textarea").fill("")
    expect(lia.find(".mb-conversation")).to_have_text([new])
    expect(lia.find(".mb-bubble")).to_have_count(0)
    assert [memory.session for memory in served.bank.timeline(user_id="Lia")] == [sessions[1]]


@pytest.mark.parametrize(
    ("served", "size"), [("en", (1280, 800)), ("zh", (390, 844))], indirect=["served"]
)
def test_the_page_has_no_serious_fault_of_accessibility(visitor, served, size):
    ada = visitor()
    ada.page.set_viewport_size(dict(zip(("width", "height"), size, strict=True)))
    faults = []

    def check():
        faults.extend(serious_faults(ada.page))

    check()
    ada.sign_in("Ada").inside()
    ada.say("markdown", "bold")
    ada.say("Hello")
    ada.click("delete")
    check()
    ada.click("cancel")
    if size[0] < 1000:
        ada.find("#mb-head-memory").press("Enter")
    ada.tab("timeline")
    ada.memory("Hello").first.locator("summary").press("Enter")
    check()
    ada.page.keyboard.press("Escape")
    assert faults == [], "\n".join(map(str, faults))


@ENGLISH
def test_digests_export_and_the_deletion_of_everything(visitor, served):
    sam = visitor().sign_in("Sam").inside()
    sam.say("I walk by the sea every Sunday, it makes me calm.")
    sam.tab("digests")
    sam.find("#mb-digest").click()
    sam.noticed(sam.strings["digested"].format(digested=1, skipped=0))
    expect(sam.find("#mb-digests article").first).to_contain_text(sam.strings["extractive"])
    sam.tab("data")
    with sam.page.expect_download() as download:
        sam.find("#mb-export").click()
    data = json.loads(Path(download.value.path()).read_text(encoding="utf-8"))
    assert list(data) == ["Sam"]
    assert "by the sea" in json.dumps(data)
    for answer in ("undo", None):
        sam.find("#mb-delete-all").click()
        sam.find("#mb-confirm").click()
        expect(sam.find("#mb-confirmation")).to_be_hidden()
        expect(sam.find(".mb-bubble")).to_have_count(0)
        if answer:
            sam.find("#mb-notice [data-do=undo]").click()
            expect(sam.find(".mb-bubble")).to_have_count(2)
    sam.noticed("permanently deleted.")
    sam.tab("timeline")
    expect(sam.find("#mb-timeline")).to_contain_text(sam.strings["timeline_none"])
    assert served.bank.timeline(user_id="Sam", archived=True) == []


@ENGLISH
def test_twins_in_two_windows_and_many_at_once_keep_to_their_own(visitor, served):
    people = [visitor().sign_in(name).inside() for name in ("Ida", "Jon", "Ida")]
    for number, person in enumerate(people):
        person.send(f"slow secret{number}")
    for person in people:
        expect(person.find(".mb-bubble.assistant").last).to_contain_text("word2")
        person.find("#mb-stop").click()
        person.ready()
    assert "secret1" not in people[0].page.content()
    assert "secret0" not in people[1].page.content()
    queries = {memory.turn.query for memory in served.bank.timeline(user_id="Ida")}
    assert queries == {"slow secret0", "slow secret2"}


def test_a_password_guards_the_page(browser, tmp_path):
    served = Served(tmp_path, "en", password="open sesame")
    try:
        person = Person(browser.new_context(), served)
        person.sign_in("Lena", "open")
        expect(person.find("#mb-refused")).to_contain_text(STRINGS["en"]["wrong_password"])
        person.sign_in("Lena", "open sesame").inside()
        person.page.reload()
        expect(person.find("#mb-name").locator("input, textarea")).to_have_value("Lena")
        expect(person.find("#mb-box textarea")).to_be_hidden()
        person.context.close()
    finally:
        served.close()


@ENGLISH
def test_handlers_reveal_nothing_without_a_session(served):
    """Call every handler directly, with an invented session, except those of the sign-in form."""
    names = {id: fn.name for id, fn in served.blocks.fns.items() if fn.name}
    public = {"restore_session", "sign_in", "sign_out", "toggle_settings", "cancel_deletion"}
    public |= {"ask_to_delete_all", "report_deletion"}
    protected = {id: name for id, name in names.items() if name not in public and id >= 0}
    assert {"say", "export", "delete_all", "handle_turn", "handle_memory", "digest"} <= set(
        protected.values()
    )
    for id, name in protected.items():
        handler = served.blocks.fns[id]
        if handler.fn is None or name == "<lambda>":
            continue
        answer = call_handler(
            served.url, id, [{"user_id": "Lena"}] + ["x"] * (len(handler.inputs) - 1)
        )
        assert "Nora" not in answer
        assert "诺拉" not in answer


@ENGLISH
def test_what_the_page_does_not_use_is_closed(served):
    for path in ("gradio_api/upload", "gradio_api/file=/etc/hostname", "gradio_api/runs"):
        with pytest.raises(HTTPError, match="404"):
            urlopen(served.url + path, timeout=5)
    with pytest.raises(HTTPError, match="400"):
        urlopen(Request(served.url, headers={"Host": "evil.example"}), timeout=5)
    with urlopen(served.url, timeout=5) as answer:
        assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
        assert "googleapis" not in answer.read().decode()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # uvicorn's
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_an_open_address_without_a_password_is_warned_of(tmp_path):
    with MemoryBank.open(tmp_path / "friend.db", embedder="hashing") as bank:
        with (
            pytest.warns(SettingsWarning, match="set a password"),
            pytest.raises(ConfigurationError, match=r"cannot listen on 192\.0\.2\.1"),
        ):
            start(page(bank, Friend()), host="192.0.2.1", port=free_port())
        with pytest.raises(ConfigurationError, match="the port must be 0 to 65535, not 99999"):
            start(page(bank, Friend()), port=99999)
        with pytest.raises(InvalidInputError, match="language"):
            page(bank, Friend(), language="fr")
        for call in (page, partial(serve, host="0.0.0.0")):
            with pytest.raises(ConfigurationError, match="the password is empty: write one"):
                call(bank, Friend(), password="")
    gc.collect()  # uvicorn leaves its loop open where it cannot listen


def test_a_slow_load_event_does_not_sign_out_a_new_visitor(tmp_path):
    with MemoryBank.open(tmp_path / "friend.db", embedder="hashing") as bank:
        with gr.Blocks():
            layout = build_layout(STRINGS["en"], asks_password=False)
        handlers = PageHandlers(bank, Friend(), layout, "en", None, {})
        assert layout.session not in handlers.restore_session("")
        assert layout.session not in handlers.restore_session(None)
        assert layout.session in handlers.restore_session("Kim")


def test_a_deletion_runs_when_the_page_is_closed(tmp_path):
    with MemoryBank.open(tmp_path / "friend.db", embedder="hashing") as bank:
        bank.add(["A secret."], user_id="Kim")
        blocks = page(bank, Friend())
        (memory,) = bank.timeline(user_id="Kim")
        deletion = blocks.deletions.add(
            "Kim", lambda: str(bank.delete(ids=[memory.id], user_id="Kim")), frozenset({memory.id})
        )
        assert deletion.hides(memory.id)
        assert bank.timeline(user_id="Kim") == [memory]
        blocks.close(verbose=False)
        assert bank.timeline(user_id="Kim") == []
        assert not deletion.undo()


def test_texts_of_both_languages_have_the_same_fields():
    assert STRINGS["en"].keys() == STRINGS["zh"].keys()
    for key, text in STRINGS["en"].items():
        assert set(re.findall(r"{\w+}", text)) == set(re.findall(r"{\w+}", STRINGS["zh"][key])), key
