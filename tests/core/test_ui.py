"""What the page of a bank shows and does, without a browser."""

import asyncio
import re
import socket
from collections import Counter
from dataclasses import fields
from datetime import datetime, timedelta, timezone
from functools import partial
from html import unescape

import pytest

pytest.importorskip("gradio", reason="gradio is not installed")

import gradio as gr
from starlette.responses import PlainTextResponse
from typer.testing import CliRunner

from memorybank_core import ConfigurationError, InvalidInputError, MemoryBank, Turn
from memorybank_core.cli.app import app
from memorybank_core.embedders.placeholder import EmbedderPlaceholder
from memorybank_core.forgetting import THRESHOLD
from memorybank_core.ui.actions import act
from memorybank_core.ui.forgetting_markup import moment_after
from memorybank_core.ui.handlers import MOST_CHOICES, BankHandlers
from memorybank_core.ui.layout import BankLayout, build_layout
from memorybank_core.ui.overview import Overview
from memorybank_core.ui.page import page
from memorybank_core.ui.server import serve
from memorybank_core.ui.strings import STRINGS
from memorybank_core.ui.timeline_pages import STATES, Cursor, matches_state, read_page
from memorybank_core.ui.view import PAGE_SIZE, BankView
from memorybank_core.web.security import SecurityMiddleware

pytestmark = [  # gradio leaves event loops and sockets open
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
NOW = datetime.now(timezone.utc)
EVIL = (
    "<script>alert(1)</script><img src=x onerror=alert(2)> ${alert(3)} {{value}} [a](javascript:b)"
)
LANGUAGES = ("en", "zh")


def fill(bank, user_id="ada", count=60):
    """Store turns, several a day and on a Chinese text every third; archive and pin some."""
    turns = [
        Turn(
            f"第{i}天我去游泳了。" if i % 3 == 0 else f"I swam {i} lengths.", "Well done!",
            at=NOW - timedelta(hours=5 * i, minutes=1), id=f"t{i}", session="pool",
        )
        for i in range(count)
    ]  # fmt: skip
    bank.add(turns, user_id=user_id)
    bank.reinforce([f"t{i}" for i in range(0, count, 7)], user_id=user_id, now=NOW)
    bank.archive([f"t{i}" for i in range(1, count, 4)], user_id=user_id)
    bank.pin([f"t{i}" for i in range(2, count, 9)], user_id=user_id)


@pytest.fixture
def bank(folder):
    with MemoryBank.open(folder / "bank.db", embedder="hashing") as bank:
        yield bank


def view_of(bank, language="en", *, write=False, **options):
    return BankView(bank, STRINGS[language], language, write=write, **options)


def everything(view):
    """Return the HTML of all that a view can show."""
    view.require_overview()
    memories, view.query = view.render_memories(), "swam alert 游泳"
    found, view.query = view.render_memories(), ""
    return [
        memories, found, view.render_stats(), view.render_strip(), view.render_forgetting(),
        view.render_digests(), view.render_health(),
    ]  # fmt: skip


def test_pages_hold_every_memory_once_in_a_file_and_a_database(place):
    with MemoryBank.open(place, embedder="hashing", timezone="Asia/Shanghai") as bank:
        fill(bank)
        bank.add([Turn(f"At once {i}.", at=NOW, id=f"same{i}") for i in range(12)], user_id="ada")
        bank.summarize(user_id="ada")
        whole = bank.timeline(user_id="ada", archived=True)[::-1]
        for state in STATES:
            cursor, ids, sizes = Cursor(), [], []
            while cursor is not None:
                found = read_page(bank, "ada", cursor, state=state, size=7)
                ids += [memory.id for memory in found.memories]
                sizes.append(len(found.memories))
                cursor = found.next
            assert ids == [memory.id for memory in whole if matches_state(memory, state)]
            assert set(sizes[:-1]) <= {7}
        day = whole[30].day
        (first, *_) = read_page(bank, "ada", Cursor(day), state="all", size=3).memories
        assert first == next(memory for memory in whole if memory.day <= day)
        shown = everything(view_of(bank))
        assert all(shown)
        assert "Nothing" not in shown[1]


def test_the_overview_agrees_with_the_bank(bank):
    fill(bank)
    overview = Overview.read(bank, "ada", NOW)
    for days in (0, 1, 14, 30, 365):
        by = moment_after(NOW, days)
        expected = bank.forecast(by, user_id="ada", threshold=THRESHOLD)
        count = overview.count_faded(by)
        assert list(overview.fading_ids[:count]) == [item.memory.id for item in expected]
    memories = bank.timeline(user_id="ada", archived=True)
    assert overview.days == Counter(memory.day for memory in memories)
    assert overview.pinned == sum(memory.pinned for memory in memories)
    assert moment_after(NOW, 10**9) == moment_after(NOW, 365)
    assert moment_after(NOW, "x") == moment_after(NOW, -1) == NOW


@pytest.mark.parametrize("language", LANGUAGES)
def test_search_shows_each_part_of_the_score(bank, language):
    fill(bank)
    view = view_of(bank, language)
    view.query = "How many lengths did I swim?"
    html = unescape(view.render_memories())
    (best, *_) = view.search()
    for name, part in (("similarity", best.parts.similarity), ("lexical", best.parts.lexical)):
        label = {"en": {"similarity": "meaning", "lexical": "words"},
                 "zh": {"similarity": "语义", "lexical": "词语"}}[language][name]  # fmt: skip
        assert re.search(
            rf"<li><span>{label}</span><i[^>]*></i><b>{part:+.2f}".replace("+", r"\+"), html
        )
    assert STRINGS[language]["relevance"].format(share=f"{best.relevance:.0%}") in html
    view.choose_state("pinned")
    assert all(result.memory.pinned for result in view.search())


def test_texts_of_users_are_escaped_everywhere(bank):
    user = f"Eve {EVIL}"
    fields = {"session": EVIL, "user_name": EVIL, "metadata": {EVIL: EVIL}}
    bank.add(
        [
            Turn(EVIL, EVIL, at=NOW - timedelta(days=days), id=f"{EVIL}{days}", **fields)
            for days in (0, 40)
        ],
        user_id=user,
    )
    bank.summarize(user_id=user)
    view = view_of(bank, write=True)
    for kind, id in (("", ""), ("memory", f"{EVIL}0"), ("user", user)):
        view.confirming, view.report = (kind, id), bank.check()
        for html in everything(view):
            assert not re.search(r"<(script|img|a )|\$\{|\{\{", html)
    view.query = EVIL
    assert "<script" not in view.render_memories()
    act(view, "delete_user", user)
    receipt = act(view, "confirm", user)
    assert "alert(1)" in receipt
    assert "<script" not in receipt


def test_a_page_for_reading_changes_nothing(folder):
    with MemoryBank.open(folder / "bank.db", embedder="hashing") as bank:
        fill(bank)
    with MemoryBank.open(folder / "bank.db", embedder="hashing", readonly=True) as bank:
        view, before = view_of(bank), bank.timeline(user_id="ada", archived=True)
        for action in ("strengthen", "pin", "archive", "restore", "delete", "confirm", "summarize",
                       "forget_faded", "repair", "delete_day", "delete_user"):  # fmt: skip
            with pytest.raises(InvalidInputError, match="read-only"):
                act(view, action, "t3")
        html = "".join(everything(view))
        assert not re.search('data-do="(delete|pin|archive|summarize|forget)', html)
        assert bank.timeline(user_id="ada", archived=True) == before


def test_memories_days_and_users_are_deleted_with_a_receipt(bank):
    fill(bank)
    bank.add(["Hello."], user_id="ben")
    view = view_of(bank, write=True)
    act(view, "delete", "t3")
    assert 'role="group"' in view.render_memories()
    assert act(view, "confirm", "t4") == ""  # another one than was asked about
    receipt = act(view, "confirm", "t3")
    assert "erased for ada" in receipt
    assert "<dd>1</dd><dt>memories</dt>" in receipt
    assert act(view, "confirm", "t3") == ""
    act(view, "delete_day", str(bank.day_of(NOW)))
    act(view, "cancel", "")
    assert bank.timeline(user_id="ada", since=bank.day_of(NOW - timedelta(hours=1)))
    day = bank.get(["t20"], user_id="ada")["t20"].day
    act(view, "delete_day", str(day))
    act(view, "confirm", str(day))
    assert bank.timeline(user_id="ada", since=day, until=day, archived=True) == []
    act(view, "delete_user", "ada")
    assert "erased for ada" in act(view, "confirm", "ada")
    assert bank.users() == ["ben"]
    assert view.user_id == "ben"


def test_memories_are_pinned_archived_restored_and_strengthened(bank):
    fill(bank)
    view = view_of(bank, write=True)

    def memory():
        return bank.get(["t3"], user_id="ada")["t3"]

    for action, holds in (
        ("pin", lambda: memory().pinned), ("unpin", lambda: not memory().pinned),
        ("archive", lambda: memory().archived_at), ("restore", lambda: not memory().archived_at),
        ("strengthen", lambda: memory().recalls == 1),
    ):  # fmt: skip
        assert STRINGS["en"][f"did_{action}"] in act(view, action, "t3")
        assert holds()
    with pytest.raises(LookupError, match="no longer exists"):
        act(view, "pin", "gone")
    faded = view.require_overview().count_faded(datetime.now(timezone.utc))
    assert f"Archived: {faded};" in act(view, "forget_faded", "")
    assert act(view, "unknown", "") == act(view, None, None) == ""


def test_digests_show_their_sources_and_are_stale_after_a_change(bank):
    fill(bank, count=20)
    view, strings = view_of(bank, write=True), STRINGS["en"]
    assert strings["state_missing"] in view.render_digests()
    act(view, "summarize", "")
    html = view.render_digests()
    assert strings["stale_none"] in html
    assert strings["from_turns"].format(count=5) in html
    assert "I swam 1 lengths." in html
    bank.add([Turn("A new turn.", at=NOW)], user_id="ada")
    assert strings["state_changed"] in view.render_digests()
    bank.add([Turn("Long ago.", at=NOW - timedelta(days=30 + i)) for i in range(30)], user_id="ada")
    act(view, "older_days", "")
    assert strings["overall"] not in view.render_digests()
    act(view, "jump", str(bank.day_of(NOW - timedelta(days=33))))
    assert view.tab == "memories"
    assert "Long ago." in view.render_memories()
    with pytest.raises(InvalidInputError, match="is not a day"):
        act(view, "jump", "33rd of May")


def test_a_bank_whose_embedder_is_missing_can_be_looked_at(folder):
    with MemoryBank.open(folder / "bank.db", embedder="hashing") as bank:
        fill(bank, count=3)
        placeholder = EmbedderPlaceholder(bank.embedder.name, bank.embedder.dimension)
    with MemoryBank.open(folder / "bank.db", embedder=placeholder) as bank:
        view = view_of(bank)
        assert "I swam" in view.render_memories()
        view.query = "swim"
        assert "Search needs the embedder 'hashing" in unescape(view.render_memories())
        assert 'data-do="clear"' in view.render_memories()


def test_users_are_chosen_and_an_empty_bank_says_so(bank):
    view = view_of(bank)
    assert STRINGS["en"]["no_users"] in view.render_memories()
    assert view.render_stats() == view.render_strip() == ""
    bank.add(["Hi."], user_id="ada")
    bank.add(["Hello."], user_id="ben")
    view = view_of(bank, user_id="ben")
    assert "Hello." in view.render_memories()
    view.choose_user("ada")
    assert "Hello." not in view.render_memories()
    view.choose_user(None)
    assert STRINGS["en"]["choose_user"] in view.render_memories()
    for user_id in ("eve", ["ada"], 1):
        with pytest.raises(LookupError, match="has no user"):
            view.choose_user(user_id)


def test_nothing_is_shown_before_the_password(bank):
    bank.add(["A secret."], user_id="ada")
    with gr.Blocks():
        layout, _ = build_layout(STRINGS["en"], "", asks_password=True)
    handlers = BankHandlers(
        bank, layout, "en", write=True, user_id=None, password="open sesame"
    )  # fmt: skip
    answers = [
        handlers.load(), handlers.sign_in("open"), handlers.sign_in(""), handlers.sign_out(),
        handlers.search(None, "secret"), handlers.choose_user(None, "ada"),
        handlers.load_overview(None), handlers.look_ahead(None, 3),
        handlers._act(None, "check", ""),
        handlers.select_tab("digests")(None),
    ]  # fmt: skip
    assert layout.view not in handlers.load()  # a slow load event does not sign out a visitor
    assert "secret" not in str(answers)
    assert "'ada'" not in str(answers)
    assert "A secret." in str(handlers.sign_in("open sesame"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--host", "0.0.0.0"), "on 0.0.0.0, anybody could read the memories of every user"),
        (("--port", "99999"), "the port must be 0 to 65535, not 99999"),
        (("--language", "fr"), "language must be one of en, zh"),
        (("--user", "eve"), "has no user 'eve'"),
        (("--host", "192.0.2.1", "--password", "x"), "cannot listen on 192.0.2.1:7861 (Cannot"),
    ],
)
def test_a_wrong_option_is_one_line(bank, folder, options, message):
    bank.add(["Hi."], user_id="ada")
    result = CliRunner().invoke(app, ["ui", str(folder / "bank.db"), *options])
    assert result.exit_code == 1
    assert result.stderr.startswith("error: ")
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_used_port_is_one_line(bank, folder):
    bank.add(["Hi."], user_id="ada")
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        result = CliRunner().invoke(app, ["ui", str(folder / "bank.db"), "--port", str(port)])
    assert result.exit_code == 1
    assert f"error: cannot listen on 127.0.0.1:{port} (Address already in use)" in result.stderr
    assert result.stderr.count("\n") == 1


def handlers_of(bank, language="en", **options):
    layout = BankLayout(**{field.name: field.name for field in fields(BankLayout)})
    options = {"write": True, "user_id": None, "password": None, **options}
    return BankHandlers(bank, layout, language, **options)


@pytest.mark.parametrize("language", LANGUAGES)
def test_after_a_failed_search_the_page_still_works(folder, language):
    with MemoryBank.open(folder / "bank.db", embedder="hashing") as bank:
        fill(bank, count=2)
        placeholder = EmbedderPlaceholder(bank.embedder.name, bank.embedder.dimension)
    with MemoryBank.open(folder / "bank.db", embedder=placeholder) as bank:
        handlers, strings = handlers_of(bank, language), STRINGS[language]
        view = handlers.load()["view"]
        assert strings["clear"] in handlers.search(view, "swim")["memories"]
        page = handlers._act(view, "pin", "t0")
        assert strings["did_pin"] in page["notice"]
        assert strings["clear"] in page["memories"]
        handlers._select_tab(view, "digests")
        assert strings["clear"] in handlers._select_tab(view, "memories")["memories"]
        assert "游泳" in handlers._act(view, "clear", "")["memories"]


@pytest.mark.parametrize("password", [None, "sesame"])
def test_a_page_for_a_user_who_was_deleted_shows_the_others(bank, password):
    bank.add(["Hi."], user_id="ada")
    handlers = handlers_of(bank, user_id="eve", password=password)
    page = handlers.sign_in("sesame")
    assert "Hi." in page["memories"]
    assert "has no user eve" in page["notice"]
    assert page["content"]["visible"]


@pytest.mark.parametrize("state", STATES)
def test_the_deletion_of_a_day_says_that_it_takes_what_is_not_listed(bank, state):
    fill(bank, count=3)
    view = view_of(bank, write=True)
    view.choose_state(state)
    day = bank.timeline(user_id="ada", archived=True)[-1].day
    act(view, "delete_day", day.isoformat())
    if "mb-question" in view.render_memories():
        assert "including those not listed here?" in view.render_memories()
    act(view, "confirm", day.isoformat())
    assert all(memory.day != day for memory in bank.timeline(user_id="ada", archived=True))


@pytest.mark.parametrize("password", ["", " "])
def test_an_empty_password_is_refused(bank, password):
    bank.add(["Hi."], user_id="ada")
    for call in (page, partial(serve, host="0.0.0.0")):
        with pytest.raises(ConfigurationError, match="the password is empty: write one"):
            call(bank, password=password)


@pytest.mark.parametrize("language", LANGUAGES)
def test_settings_and_notices_speak_the_language_of_the_page(bank, language):
    bank.add(["Hi."], user_id="ada")
    handlers = handlers_of(bank, language)
    shown = handlers.load()["stats"]
    law, name = {"en": ("Ebbinghaus", "English"), "zh": ("艾宾浩斯", "英文")}[language]
    assert f"<dd>{law} (scale_days 5)</dd>" in shown
    assert f"<dd>{name}</dd>" in shown
    assert 'role="status"' in handlers._act(handlers.load()["view"], "forget_faded", "")["notice"]
    assert 'role="alert"' in handlers.show_gate("no")["refused"]
    assert f"lang = '{language}'" in str(page(bank, language=language).config)


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("localhost:7861", 200), ("127.0.0.1", 200), ("[::1]:7861", 200), ("[::1]", 200),
        ("LOCALHOST", 200), ("evil.example", 400), ("evil.example:7861", 400), ("", 400),
        ("[::2]:7861", 400), ("localhost.evil.example", 400), ("[::1", 400), ("::1", 400),
    ],
)  # fmt: skip
def test_a_page_on_this_machine_has_only_its_own_names(name, status):
    async def hello(scope, receive, send):
        await PlainTextResponse("Hello")(scope, receive, send)

    statuses = []

    async def send(message):
        statuses.append(message.get("status"))

    middleware = SecurityMiddleware(hello, hosts={"localhost", "127.0.0.1", "[::1]"})
    scope = {"type": "http", "path": "/", "headers": [(b"host", name.encode())]}
    asyncio.run(middleware(scope, None, send))
    assert statuses[0] == status


def test_many_users_do_not_make_a_long_list(bank, monkeypatch):
    users = [f"user{i:05}" for i in range(MOST_CHOICES + 10)]
    monkeypatch.setattr(bank, "users", lambda: users)
    with gr.Blocks():
        layout, _ = build_layout(STRINGS["en"], "", asks_password=False)
    handlers = BankHandlers(bank, layout, "en", write=False, user_id=None, password=None)
    choices = handlers.load()[layout.user]
    assert len(choices["choices"]) == MOST_CHOICES
    assert choices["allow_custom_value"]


def test_a_page_of_memories_is_short(bank):
    fill(bank, count=200)
    bank.add(["word " * 50_000], user_id="ada")
    html = view_of(bank).render_memories()
    assert html.count("<details") == PAGE_SIZE
    assert len(html) < 150_000


def test_a_bank_that_can_only_be_read_has_a_page_for_reading(folder):
    with MemoryBank.open(folder / "bank.db", embedder="hashing") as bank:
        bank.add(["Hi."], user_id="ada")
    with MemoryBank.open(folder / "bank.db", embedder="hashing", readonly=True) as bank:
        assert STRINGS["en"]["readonly"] in str(page(bank, write=True).config)


def test_texts_of_both_languages_have_the_same_fields():
    assert STRINGS["en"].keys() == STRINGS["zh"].keys()
    for key, text in STRINGS["en"].items():
        assert set(re.findall(r"{\w+", text)) == set(re.findall(r"{\w+", STRINGS["zh"][key])), key
